/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "boot.h"

#include <assert.h>

#include "facts/kernel/module-index.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"

DEFINE_TRIVIAL_CLEANUP(struct module_index *, module_index_close)

/* The first that is there: a distribution that has several lets the first call the others. */
static const char *find_initramfs_command(const struct root *root)
{
        static const struct {
                const char *program, *command;
        } programs[] = {
                { "update-initramfs", "update-initramfs -u" },
                { "mkinitcpio", "mkinitcpio -P" },
                { "dracut", "dracut -f" },
        };
        static const char *const directories[] = { "usr/sbin", "usr/bin", "sbin" };

        for (size_t i = 0; i < ELEMENTSOF(programs); i++)
                for (size_t k = 0; k < ELEMENTSOF(directories); k++) {
                        char path[64];

                        snprintf(path, sizeof(path), "%s/%s", directories[k], programs[i].program);
                        if (exists_at(root->fd, path))
                                return programs[i].command;
                }
        return NULL;
}

/* Whether the kernel has it without a file. Unknown if the lists of modules cannot be read. */
static struct fact is_built_in(struct module_index *index, const char *module)
{
        _cleanup_free_ char *path = NULL;
        struct fact has;

        if (!index)
                return fact_unknown("the list of modules cannot be read");
        path = module_index_path(index, module);
        if (path)
                return fact_is(false, SOURCE_MODULE_INDEX);
        has = module_index_has(index, module);
        /* A module that is not in the lists was built elsewhere. */
        return has.value == FACT_UNKNOWN ? has : fact_is(has.value == FACT_YES, SOURCE_MODULE_INDEX);
}

static int add_driver(struct boot_facts *b, const struct root *root, struct module_index *index,
                      const char *driver)
{
        _cleanup_free_ char *path = NULL;
        struct boot_driver *slot;

        if (!*driver || boot_facts_find(b, driver))
                return 0;
        slot = array_append(b->drivers, b->n_drivers);
        if (!slot)
                return -ENOMEM;
        slot->driver = strdup(driver);
        if (!slot->driver || asprintf(&path, "sys/bus/pci/drivers/%s/module", driver) < 0)
                return -ENOMEM;
        if (read_link_name_at(root->fd, path, &slot->module) < 0)
                slot->module = strdup(driver);
        if (!slot->module)
                return -ENOMEM;
        slot->built_in = is_built_in(index, slot->module);
        return 0;
}

static int read_drivers(struct boot_facts *b, const struct root *root, struct module_index *index,
                        const struct bind_records *binds)
{
        for (size_t i = 0; i < binds->n_records; i++)
                for (size_t k = 0; k < binds->records[i].n_members; k++) {
                        int r = add_driver(b, root, index, binds->records[i].members[k].before.driver);

                        if (r < 0)
                                return r;
                }
        return 0;
}

static bool has_options(const struct claims *claims)
{
        for (size_t i = 0; i < claims->n_claims; i++)
                if (claims->claims[i].tool == CLAIM_MODPROBE)
                        return true;
        return false;
}

int boot_facts_read(struct boot_facts *b, const struct root *root, const char *release,
                    const struct bind_records *binds, const struct claims *claims)
{
        _cleanup_(module_index_closep) struct module_index *index = NULL;
        int r;

        assert(b);
        assert(root);
        assert(binds);
        assert(claims);

        *b = (struct boot_facts){ .vfio_built_in = fact_unknown(NULL) };
        if (binds->n_records == 0 && !has_options(claims))
                return 0;
        if (release)
                (void) module_index_open(root, release, &index);
        b->vfio_built_in = is_built_in(index, "vfio-pci");
        if (binds->n_records == 0)
                return 0;
        b->initramfs = find_initramfs_command(root);
        r = read_drivers(b, root, index, binds);
        if (r < 0)
                boot_facts_done(b);
        return r;
}

void boot_facts_done(struct boot_facts *b)
{
        assert(b);

        for (size_t i = 0; i < b->n_drivers; i++) {
                free(b->drivers[i].driver);
                free(b->drivers[i].module);
        }
        free(b->drivers);
        *b = (struct boot_facts){};
}

bool boot_ignores_claim(const struct boot_facts *b, const struct claim *c)
{
        assert(b);
        assert(c);

        return c->tool == CLAIM_MODPROBE && b->vfio_built_in.value == FACT_YES;
}

const struct boot_driver *boot_facts_find(const struct boot_facts *b, const char *driver)
{
        assert(b);
        assert(driver);

        for (size_t i = 0; i < b->n_drivers; i++)
                if (streq(b->drivers[i].driver, driver))
                        return &b->drivers[i];
        return NULL;
}
