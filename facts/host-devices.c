/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Apart from host.c, so that the program that only hands over devices does not load the libraries that the
 * other facts need. */
#include "host.h"

#include <assert.h>

#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"

#define DEVICES "sys/bus/pci/devices/"

int host_read_binds(struct host *h)
{
        _cleanup_free_ char *bad = NULL;
        int r = bind_records_read(&h->binds, h->root, &bad);

        h->binds_readable = bad ? fact_unknown("a file in /" BIND_RECORDS " is damaged or cannot be read")
                                : fact_is(true, SOURCE_FILE);
        return r;
}

static bool has_name(const struct names *names, const char *name)
{
        for (size_t i = 0; i < names->n; i++)
                if (streq(names->names[i], name))
                        return true;
        return false;
}

static int add_name(struct names *names, const char *name)
{
        char **slot;

        if (has_name(names, name))
                return 0;
        slot = array_append(names->names, names->n);
        if (!slot)
                return -ENOMEM;
        *slot = strdup(name);
        return *slot ? 0 : -ENOMEM;
}

/* Returns 0, -ENODEV where the kernel does not show them, or -ENOMEM. */
static int add_vfs(struct names *names, const struct root *root, const char *pf)
{
        for (unsigned i = 0; i <= UINT16_MAX; i++) {
                _cleanup_free_ char *vf = NULL;
                char path[128];
                int r;

                snprintf(path, sizeof(path), DEVICES "%.32s/virtfn%u", pf, i);
                r = read_link_name_at(root->fd, path, &vf);
                if (r == -ENOENT) /* the one before was the last */
                        return 0;
                if (r < 0)
                        return r == -ENOMEM ? r : -ENODEV;
                if (add_name(names, vf) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* Adds the functions of its IOMMU group and all their VFs. Returns 0, -ENODEV where the kernel does not show
 * them, or -ENOMEM. */
static int add_group(struct names *names, const struct root *root, const char *bdf)
{
        _cleanup_(names_done) struct names members = {};
        char path[128];
        int r;

        snprintf(path, sizeof(path), DEVICES "%.32s/iommu_group/devices", bdf);
        if (list_dir_at(root->fd, path, &members) < 0 || !has_name(&members, bdf))
                return -ENODEV;
        for (size_t i = 0; i < members.n; i++) {
                r = add_name(names, members.names[i]);
                if (r < 0)
                        return r;
                r = add_vfs(names, root, members.names[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool is_concerned(const struct bind_record *record, const struct names *names)
{
        for (size_t i = 0; i < record->n_members; i++)
                if (has_name(names, record->members[i].bdf))
                        return true;
        return false;
}

static int list_functions(struct names *names, const struct host *h, const bdf_t wanted[], size_t n)
{
        int r;

        for (size_t i = 0; i < n; i++) {
                r = add_group(names, h->root, wanted[i]);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < h->binds.n_records; i++) {
                const struct bind_record *record = &h->binds.records[i];

                if (n > 0 && !is_concerned(record, names))
                        continue;
                for (size_t k = 0; k < record->n_members; k++) {
                        r = add_group(names, h->root, record->members[k].bdf);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

static int read_facts(struct host *h, const bdf_t wanted[], size_t n)
{
        _cleanup_(names_done) struct names names = {};
        int r;

        r = host_read_binds(h);
        if (r < 0)
                return r;
        /* Where the kernel does not show which functions matter, all of them are read. */
        r = list_functions(&names, h, wanted, n);
        if (r < 0 && r != -ENODEV)
                return r;
        r = device_facts_read_bindings(&h->devices, h->root, r < 0 ? NULL : &names);
        if (r < 0)
                return r;
        r = iommu_groups_read(&h->iommu, h->root, &h->devices);
        if (r < 0)
                return r;
        r = device_uses_read(&h->uses, h->root, &h->devices);
        if (r < 0)
                return r;
        return claims_read(&h->claims, h->root, NULL);
}

int host_read_devices(struct host *h, const struct root *root, const bdf_t wanted[], size_t n)
{
        unsigned long failures = memory_failures();
        int r;

        assert(h);
        assert(root);
        assert(wanted || n == 0);

        *h = (struct host){ .root = root };
        process_round_begin(root);
        r = memory_check(failures, read_facts(h, wanted, n));
        if (process_round_end(root, &h->unread) < 0)
                r = -ENOMEM;
        if (r < 0)
                host_devices_done(h);
        return r;
}

void host_devices_done(struct host *h)
{
        device_facts_done(&h->devices);
        iommu_facts_done(&h->iommu);
        bind_records_done(&h->binds);
        device_uses_done(&h->uses);
        claims_done(&h->claims);
        unread_processes_done(&h->unread);
}
