/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "claims.h"

#include <assert.h>

#include "facts/guest/proxmox-conf.h"
#include "facts/kernel/modprobe-conf.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/parse.h"

#define CONFIG_MAX_SIZE (1U << 20)
#define DRIVERCTL_DIR "etc/driverctl.d"
#define MDEVCTL_DIR "etc/mdevctl.d"

/* clang-format off */
static const char *const claim_tool_table[_CLAIM_TOOL_MAX] = {
        [CLAIM_DRIVERCTL] = "driverctl",
        [CLAIM_CMDLINE] = "kernel-cmdline",
        [CLAIM_MODPROBE] = "modprobe.d",
        [CLAIM_MDEVCTL] = "mdevctl",
        [CLAIM_PROXMOX] = "proxmox",
        [CLAIM_LIBVIRT] = "libvirt",
};
/* clang-format on */
DEFINE_STRING_TABLE(claim_tool, enum claim_tool);

/* A file that exists and cannot be read may hold a claim that we miss. */
static void note_error(struct claims *c, int r)
{
        if (r < 0 && r != -ENOENT && r != -ENOTDIR)
                c->complete = fact_unknown("some configuration of other tools cannot be read");
}

/* The caller fills in which functions are claimed. NULL: no memory */
static struct claim *add_claim(struct claims *c, enum claim_tool tool, const char *driver, const char *file,
                               unsigned line)
{
        _cleanup_free_ char *d = driver ? strdup(driver) : NULL, *path = NULL;
        struct claim *claim;

        if ((driver && !d) || asprintf(&path, "/%s", file) < 0)
                return NULL;
        claim = array_append(c->claims, c->n_claims);
        if (!claim)
                return NULL;
        *claim = (struct claim){
                .tool = tool,
                .driver = TAKE_PTR(d),
                .file = TAKE_PTR(path),
                .line = line,
        };
        return claim;
}

/* driverctl names its files after bus and device; one line, the driver. */
static int read_driverctl(struct claims *c, const struct root *root)
{
        _cleanup_(names_done) struct names names = {};
        int r;

        note_error(c, list_dir_at(root->fd, DRIVERCTL_DIR, &names));
        for (size_t i = 0; i < names.n; i++) {
                const char *address = startswith(names.names[i], "pci-");
                _cleanup_free_ char *path = NULL, *driver = NULL;
                struct claim *claim;
                bdf_t bdf;

                if (!address || bdf_parse(address, bdf) < 0)
                        continue;
                if (asprintf(&path, DRIVERCTL_DIR "/%s", names.names[i]) < 0)
                        return -ENOMEM;
                r = read_line_at(root->fd, path, &driver);
                note_error(c, r);
                if (r < 0 || !*driver)
                        continue;
                claim = add_claim(c, CLAIM_DRIVERCTL, streq(driver, "none") ? NULL : driver, path, 0);
                if (!claim)
                        return -ENOMEM;
                memcpy(claim->bdf, bdf, sizeof(bdf));
        }
        return 0;
}

static int read_mdevctl_parent(struct claims *c, const struct root *root, const char *parent,
                               const bdf_t bdf)
{
        _cleanup_(names_done) struct names names = {};
        _cleanup_free_ char *dir = NULL;

        if (asprintf(&dir, MDEVCTL_DIR "/%s", parent) < 0)
                return -ENOMEM;
        note_error(c, list_dir_at(root->fd, dir, &names));
        for (size_t i = 0; i < names.n; i++) {
                _cleanup_free_ char *path = NULL;
                struct claim *claim;

                if (asprintf(&path, "%s/%s", dir, names.names[i]) < 0)
                        return -ENOMEM;
                claim = add_claim(c, CLAIM_MDEVCTL, NULL, path, 0);
                if (!claim)
                        return -ENOMEM;
                memcpy(claim->bdf, bdf, sizeof(bdf_t));
        }
        return 0;
}

static int read_mdevctl(struct claims *c, const struct root *root)
{
        _cleanup_(names_done) struct names names = {};

        note_error(c, list_dir_at(root->fd, MDEVCTL_DIR, &names));
        for (size_t i = 0; i < names.n; i++) {
                bdf_t bdf;
                int r;

                if (bdf_parse(names.names[i], bdf) < 0)
                        continue;
                r = read_mdevctl_parent(c, root, names.names[i], bdf);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* "10de:2330" or "8086:1521::::": parts that are left out or empty match anything. */
static int parse_id(const char *s, size_t n, struct pci_id_match *ret)
{
        uint32_t parts[] = { 0, 0, UINT32_MAX, UINT32_MAX, 0, 0 };
        const char *end = s + n;

        for (size_t i = 0; i < ELEMENTSOF(parts) && s <= end; i++) {
                size_t length = strcspn(s, ":,\" \t\n");
                char text[9] = "";
                uint64_t v;

                if (length > 0) {
                        if (length >= sizeof(text))
                                return -EINVAL;
                        memcpy(text, s, length);
                        if (parse_u64(text, 16, &v) < 0)
                                return -EINVAL;
                        parts[i] = (uint32_t) v;
                } else if (i < 2)
                        return -EINVAL;
                s += length;
                if (*s != ':' || s >= end) {
                        if (i < 1)
                                return -EINVAL;
                        break;
                }
                s++;
        }
        *ret = (struct pci_id_match){ parts[0], parts[1], parts[2], parts[3], parts[4], parts[5] };
        return 0;
}

/* A comma-separated list, to the end of the word. What is not an ID is skipped, as vfio-pci does. */
static int add_ids(struct claims *c, enum claim_tool tool, const char *ids, const char *file, unsigned line)
{
        const char *s = ids + (*ids == '"');

        for (;;) {
                size_t n = strcspn(s, ",\" \t\n");
                struct pci_id_match match;

                if (n > 0 && parse_id(s, n, &match) >= 0) {
                        struct claim *claim = add_claim(c, tool, "vfio-pci", file, line);

                        if (!claim)
                                return -ENOMEM;
                        claim->ids = match;
                }
                if (s[n] != ',')
                        return 0;
                s += n + 1;
        }
}

static const char *skip_module(const char *s)
{
        return startswith(s, "vfio-pci") ?: startswith(s, "vfio_pci");
}

static int read_cmdline(struct claims *c, const struct root *root)
{
        _cleanup_free_ char *text = NULL;

        note_error(c, read_file_at(root->fd, "proc/cmdline", CONFIG_MAX_SIZE, &text, NULL));
        for (const char *s = text; s && *s; s += strcspn(s, " \n"), s += strspn(s, " \n")) {
                const char *ids = skip_module(s + (*s == '"'));

                ids = ids ? startswith(ids, ".ids=") : NULL;
                if (ids && add_ids(c, CLAIM_CMDLINE, ids, "proc/cmdline", 0) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* "options vfio-pci ids=... disable_vga=1". The kernel takes the last of several ids=; here all count. */
static int read_options(const char *line, const char *file, unsigned number, void *userdata)
{
        struct claims *c = userdata;
        const char *s = startswith(line, "options");

        if (!s || !strchr(" \t", *s))
                return 0;
        s = skip_module(s + strspn(s, " \t"));
        if (!s || !strchr(" \t", *s))
                return 0;
        while (*(s += strspn(s, " \t"))) {
                const char *ids = startswith(s, "ids=");

                if (ids && add_ids(c, CLAIM_MODPROBE, ids, file, number) < 0)
                        return -ENOMEM;
                s += strcspn(s, " \t");
        }
        return 0;
}

static int read_modprobe(struct claims *c, const struct root *root)
{
        int unread, r;

        r = modprobe_conf_read(root, read_options, c, &unread);
        note_error(c, unread);
        return r;
}

/* Whether the name of mapping i stands for others as well. The one device of a name is its guest's. */
static bool is_choice(const struct proxmox_mappings *m, size_t i)
{
        for (size_t k = 0; k < m->n; k++)
                if (k != i && streq(m->mappings[k].name, m->mappings[i].name))
                        return true;
        return false;
}

static int claim_mapping(struct claims *c, const char *path)
{
        _cleanup_free_ char *copy = strdup(path);
        char *save = NULL;

        if (!copy)
                return -ENOMEM;
        for (char *s = strtok_r(copy, ";", &save); s; s = strtok_r(NULL, ";", &save)) {
                char first[sizeof(bdf_t) + 2];
                struct claim *claim;
                bdf_t bdf;

                /* Without a function it is all of them; the group goes by its first one. */
                snprintf(first, sizeof(first), "%s.0", s);
                if (bdf_parse(s, bdf) < 0 && bdf_parse(first, bdf) < 0)
                        continue;
                claim = add_claim(c, CLAIM_PROXMOX, "vfio-pci", PROXMOX_MAPPINGS_FILE, 0);
                if (!claim)
                        return -ENOMEM;
                memcpy(claim->bdf, bdf, sizeof(bdf_t));
        }
        return 0;
}

static int claim_mappings(struct claims *c, const struct proxmox_mappings *m, int error)
{
        note_error(c, error);
        for (size_t i = 0; i < m->n; i++) {
                int r = is_choice(m, i) ? claim_mapping(c, m->mappings[i].path) : 0;

                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_proxmox(struct claims *c, const struct root *root)
{
        _cleanup_(proxmox_mappings_done) struct proxmox_mappings m = {};
        _cleanup_(proxmox_files_done) struct proxmox_files files = {};
        int r;

        r = proxmox_files_read(&files, root);
        if (r == 0)
                r = proxmox_mappings_read(&m, &files);
        return r == -ENOMEM ? r : claim_mappings(c, &m, r);
}

int claims_read(struct claims *c, const struct root *root, const struct libvirt_facts *l)
{
        static int (*const readers[])(struct claims *, const struct root *) = {
                read_driverctl,
                read_cmdline,
                read_modprobe,
                read_mdevctl,
        };
        unsigned long failures;
        int r;

        assert(c);
        assert(root);

        failures = memory_failures();
        *c = (struct claims){ .complete = fact_is(true, SOURCE_NONE) };
        for (size_t i = 0; i < ELEMENTSOF(readers); i++)
                if (memory_check(failures, readers[i](c, root)) < 0) {
                        claims_done(c);
                        return -ENOMEM;
                }
        if (l)
                r = claim_mappings(c, &l->mappings, l->mappings_error) ?: claims_add_networks(c, l);
        else
                r = read_proxmox(c, root);
        r = memory_check(failures, r);
        if (r < 0)
                claims_done(c);
        return r;
}

/* A network that is defined and active has two files. */
static bool has_network_claim(const struct claims *c, const char *network, const char *bdf, const char *pf)
{
        for (size_t i = 0; i < c->n_claims; i++)
                if (c->claims[i].network && streq(c->claims[i].network, network) &&
                    streq(c->claims[i].bdf, bdf) && streq(c->claims[i].physical_function, pf))
                        return true;
        return false;
}

/* The function, or all virtual functions of pf; the other one is empty. */
static int claim_for_network(struct claims *c, const struct libvirt_network *n, const char *bdf,
                             const char *pf)
{
        struct claim *claim;

        if (has_network_claim(c, n->name, bdf, pf))
                return 0;
        claim = add_claim(c, CLAIM_LIBVIRT, NULL, n->file + strlen("/"), 0);
        if (!claim)
                return -ENOMEM;
        snprintf(claim->bdf, sizeof(claim->bdf), "%s", bdf);
        snprintf(claim->physical_function, sizeof(claim->physical_function), "%s", pf);
        claim->network = strdup(n->name);
        return claim->network ? 0 : -ENOMEM;
}

int claims_add_networks(struct claims *c, const struct libvirt_facts *l)
{
        assert(c);
        assert(l);

        for (size_t i = 0; i < l->n_networks; i++) {
                const struct libvirt_network *n = &l->networks[i];
                int r = *n->physical_function ? claim_for_network(c, n, "", n->physical_function) : 0;

                if (r < 0)
                        return r;
                for (size_t k = 0; k < n->n_functions; k++) {
                        r = claim_for_network(c, n, n->functions[k], "");
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

void claims_done(struct claims *c)
{
        for (size_t i = 0; i < c->n_claims; i++) {
                free(c->claims[i].driver);
                free(c->claims[i].file);
                free(c->claims[i].network);
        }
        free(c->claims);
        *c = (struct claims){};
}

static bool id_matches(uint32_t pattern, uint32_t id)
{
        return pattern == UINT32_MAX || pattern == id;
}

bool claim_matches(const struct claim *c, const struct device *d)
{
        assert(c);
        assert(d);

        if (*c->bdf)
                return streq(c->bdf, d->bdf);
        if (*c->physical_function)
                return streq(c->physical_function, d->physical_function);
        return id_matches(c->ids.vendor, d->vendor) && id_matches(c->ids.device, d->device) &&
               id_matches(c->ids.subsystem_vendor, d->subsystem_vendor) &&
               id_matches(c->ids.subsystem_device, d->subsystem_device) &&
               ((d->class ^ c->ids.class) & c->ids.class_mask) == 0;
}
