/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vfio-driver.h"

#include <assert.h>

#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/module-name.h"

/* The parts of a modalias: vendor, device, subsystem vendor and device, base class, subclass, interface. */
static const char *const prefixes[] = { "v", "d", "sv", "sd", "bc", "sc", "i" };

struct alias {
        char fields[ELEMENTSOF(prefixes)][9]; /* hexadecimal, or "*" */
        char driver[64];
};

struct vfio_drivers {
        struct alias *aliases;
        size_t n;
};

DEFINE_TRIVIAL_CLEANUP(struct vfio_drivers *, vfio_drivers_free)

/* Parses what follows "vfio_pci:" or "pci:"; *ret_rest is what comes after the parts. */
static int alias_parse(const char *s, struct alias *ret, const char **ret_rest)
{
        *ret = (struct alias){};
        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++) {
                size_t n;

                s = startswith(s, prefixes[i]);
                if (!s)
                        return -EINVAL;
                n = *s == '*' ? 1 : strspn(s, "0123456789ABCDEF");
                if (n == 0 || n >= sizeof(ret->fields[i]))
                        return -EINVAL;
                memcpy(ret->fields[i], s, n);
                s += n;
        }
        *ret_rest = s;
        return 0;
}

/* Returns how many wildcards the match takes, or -1 if there is none. */
static int alias_match(const struct alias *pattern, const struct alias *device)
{
        int wildcards = 0;

        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++)
                if (streq(pattern->fields[i], "*"))
                        wildcards++;
                else if (!streq(pattern->fields[i], device->fields[i]))
                        return -1;
        return wildcards;
}

static int add_alias(struct vfio_drivers *v, const char *line)
{
        struct alias alias, *slot;
        const char *rest;
        size_t n;

        line = startswith(line, "alias vfio_pci:");
        if (!line || alias_parse(line, &alias, &rest) < 0)
                return 0;
        rest += strspn(rest, " \t");
        n = strcspn(rest, " \t\n");
        if (n == 0 || n >= sizeof(alias.driver))
                return 0;
        memcpy(alias.driver, rest, n);
        if (streq(alias.driver, "vfio_pci"))
                alias.driver[4] = '-'; /* the only one whose driver is not spelled like its module */

        slot = array_append(v->aliases, v->n);
        if (!slot)
                return -ENOMEM;
        *slot = alias;
        return 0;
}

int vfio_drivers_read(const struct root *root, const char *release, struct vfio_drivers **ret,
                      struct fact *ret_read)
{
        static const char *const words[] = { "alias vfio_pci:", NULL };
        _cleanup_free_ char *path = NULL, *lines = NULL;
        _cleanup_(vfio_drivers_freep) struct vfio_drivers *v = NULL;
        int r;

        assert(root);
        assert(ret);
        assert(ret_read);

        if (asprintf(&path, "lib/modules/%s/modules.alias", release ?: "") < 0)
                return -ENOMEM;
        v = calloc(1, sizeof(*v));
        if (!v)
                return -ENOMEM;
        r = grep_file_at(root->fd, path, words, &lines);
        for (const char *line = lines; line && *line; line += strcspn(line, "\n"), line += *line == '\n')
                if (add_alias(v, line) < 0)
                        return -ENOMEM;
        *ret = TAKE_PTR(v);
        if (r < 0)
                *ret_read = fact_unknown("modules.alias of the running kernel cannot be read");
        else
                *ret_read = fact_is(true, SOURCE_MODULE_INDEX);
        return 0;
}

void vfio_drivers_free(struct vfio_drivers *v)
{
        if (!v)
                return;
        free(v->aliases);
        free(v);
}

const char *vfio_drivers_best(const struct vfio_drivers *v, const char *modalias)
{
        const char *best = "vfio-pci", *rest, *s;
        int fewest = ELEMENTSOF(prefixes) + 1;
        struct alias device;

        assert(v);
        assert(modalias);

        s = startswith(modalias, "pci:");
        if (!s || alias_parse(s, &device, &rest) < 0 || *rest)
                return best;
        for (size_t i = 0; i < v->n; i++) {
                int wildcards = alias_match(&v->aliases[i], &device);

                if (wildcards < 0 || wildcards >= fewest)
                        continue;
                fewest = wildcards;
                best = v->aliases[i].driver;
        }
        return best;
}

bool vfio_drivers_has(const struct vfio_drivers *v, const char *driver)
{
        assert(v);
        assert(driver);

        if (module_name_equal(driver, "vfio-pci"))
                return true;
        for (size_t i = 0; i < v->n; i++)
                if (module_name_equal(v->aliases[i].driver, driver))
                        return true;
        return false;
}
