/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bind-target.h"

#include <assert.h>

#include "manager.h"
#include "util/log.h"

const struct device_section *manager_find_section(const struct manager *m, const struct device *d,
                                                  const char *driver)
{
        return config_find_device(&m->config, d->bdf, d->vendor, d->device, d->class, driver);
}

/* A group is handed over whole, so one member with Bind=never keeps all of it with the host. */
const struct device *manager_group_forbids(const struct manager *m, const struct device *d)
{
        const struct iommu_group *g = iommu_facts_find_group(&m->host.iommu, d->group);

        for (size_t i = 0; g && i < g->n_members; i++) {
                const struct device_section *s = manager_find_section(m, g->members[i],
                                                                      g->members[i]->driver);

                if (s && s->bind == BIND_NEVER && !device_is_infrastructure(g->members[i]))
                        return g->members[i];
        }
        return NULL;
}

static int compare_drivers(const void *a, const void *b)
{
        const struct bind_target *x = a, *y = b;

        return strcmp(x->driver ?: "", y->driver ?: "");
}

int manager_bind_targets(struct manager *m, struct bind_target *targets, size_t n, const char *owner,
                         uint64_t deadline_usec, bind_job_done_t done, void *userdata)
{
        _cleanup_free_ bdf_t *devices = calloc(n ?: 1, sizeof(bdf_t));
        int jobs = 0, r;

        assert(targets || n == 0);
        assert(owner && done);

        if (!devices)
                return -ENOMEM;
        if (n > 0)
                qsort(targets, n, sizeof(*targets), compare_drivers);
        for (size_t i = 0, n_devices; i < n; i += n_devices) {
                struct bind_order order = {
                        .operation = BIND_BIND,
                        .driver = targets[i].driver,
                        .owner = owner,
                        .deadline_usec = deadline_usec,
                };

                for (n_devices = 0;
                     i + n_devices < n && compare_drivers(&targets[i], &targets[i + n_devices]) == 0;
                     n_devices++)
                        memcpy(devices[n_devices], targets[i + n_devices].bdf, sizeof(bdf_t));
                r = bind_job_new(m, &order, devices, n_devices, done, userdata);
                if (r < 0 && jobs == 0)
                        return r;
                if (r < 0)
                        log_warning(r, "Failed to bind %zu functions for %s: %m", n_devices, owner);
                else
                        jobs++;
        }
        return jobs;
}
