/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts-iommu.h"

#include <assert.h>

#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"

/* Drivers with pci_driver.driver_managed_dma, which do no DMA for the host. Each VFIO driver has it as well.
 */
static const char *const harmless[] = { "pci-stub", "pcieport", "pciback" };

/* What is known about each driver that a function is bound to. Even the largest host has only tens. */
struct driver {
        const char *name;
        bool allowed;
};

struct drivers {
        struct driver *drivers;
        size_t n;
};

static void drivers_done(struct drivers *d)
{
        free(d->drivers);
}

/* A driver made for VFIO is a module that uses vfio_pci_core. If it is built in, it shows by the end of its
 * name, which all of them have in common. */
static bool is_vfio(const struct root *root, const char *driver)
{
        _cleanup_free_ char *module = NULL;
        size_t n = strlen(driver);
        char path[512];

        if (n >= 8 && (streq(driver + n - 8, "vfio-pci") || streq(driver + n - 8, "vfio_pci")))
                return true;
        snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s/module", driver);
        if (read_link_name_at(root->fd, path, &module) < 0)
                return false;
        snprintf(path, sizeof(path), "sys/module/vfio_pci_core/holders/%s", module);
        return exists_at(root->fd, path);
}

/* Returns 1, 0 or -ENOMEM. */
static int driver_is_allowed(struct drivers *known, const struct root *root, const char *name)
{
        struct driver *d;

        for (size_t i = 0; i < known->n; i++)
                if (streq(known->drivers[i].name, name))
                        return known->drivers[i].allowed;
        d = array_append(known->drivers, known->n);
        if (!d)
                return -ENOMEM;
        *d = (struct driver){ .name = name, .allowed = is_vfio(root, name) };
        return d->allowed;
}

bool iommu_group_tolerates(const struct device *d)
{
        assert(d);

        if (!d->driver || device_is_bridge(d))
                return true;
        for (size_t i = 0; i < ELEMENTSOF(harmless); i++)
                if (streq(d->driver, harmless[i]))
                        return true;
        return false;
}

/* Whether VFIO gives out the group in spite of this function. A driver of the host that has registered the
 * function with VFIO (a vendor's, for a vGPU) is another thing from the same driver on its physical
 * function. Returns 1, 0 or -ENOMEM. */
static int group_allows(const struct device *d, struct drivers *known, const struct root *root)
{
        if (d->driver_is_vfio || iommu_group_tolerates(d))
                return 1;
        return driver_is_allowed(known, root, d->driver);
}

/* Decides whether the group is viable. */
static int decide_group(struct iommu_group *g, struct drivers *known, const struct root *root)
{
        g->viable = fact_is(true, SOURCE_SYSFS);
        for (size_t i = 0; i < g->n_members; i++) {
                const struct device *d = g->members[i];
                int r = group_allows(d, known, root);

                if (r < 0)
                        return r;
                if (r > 0)
                        continue;
                g->viable = fact_is(false, SOURCE_SYSFS);
                g->culprits[g->n_culprits++] = d;
        }
        g->culprit = g->n_culprits > 0 ? g->culprits[0] : NULL;
        return 0;
}

/* Orders by group, and within it by address, as the devices already are. */
static int compare_members(const void *a, const void *b)
{
        const struct device *x = *(const struct device *const *) a, *y = *(const struct device *const *) b;

        return (x->group > y->group) - (x->group < y->group) ?: (x > y) - (x < y);
}

int iommu_groups_read(struct iommu_facts *f, const struct root *root, const struct device_facts *devices)
{
        _cleanup_(drivers_done) struct drivers known = {};
        struct iommu_group *g = NULL;
        size_t n = 0;
        int r;

        assert(f && !f->members && !f->groups);
        assert(root);
        assert(devices);

        /* The members of all groups, then room for as many culprits. */
        f->members = calloc(devices->n_devices ?: 1, 2 * sizeof(*f->members));
        if (!f->members)
                return -ENOMEM;
        for (size_t i = 0; i < devices->n_devices; i++)
                if (devices->devices[i].group >= 0)
                        f->members[n++] = &devices->devices[i];
        qsort(f->members, n, sizeof(*f->members), compare_members);

        for (size_t i = 0; i < n; i++) {
                if (!g || g->number != f->members[i]->group) {
                        g = array_append(f->groups, f->n_groups);
                        if (!g)
                                return -ENOMEM;
                        *g = (struct iommu_group){ .number = f->members[i]->group,
                                                   .members = &f->members[i],
                                                   .culprits = &f->members[n + i] };
                }
                g->n_members++;
        }
        for (size_t i = 0; i < f->n_groups; i++) {
                r = decide_group(&f->groups[i], &known, root);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int compare_number(const void *a, const void *b)
{
        int x = *(const int *) a, y = ((const struct iommu_group *) b)->number;

        return (x > y) - (x < y);
}

const struct iommu_group *iommu_facts_find_group(const struct iommu_facts *f, int number)
{
        assert(f);

        if (f->n_groups == 0)
                return NULL;
        return bsearch(&number, f->groups, f->n_groups, sizeof(*f->groups), compare_number);
}
