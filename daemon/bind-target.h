/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bind-job.h"

struct device;
struct device_section;
struct manager;

struct bind_target {
        bdf_t bdf;
        const char *driver; /* NULL: the best one for it */
};

/* driver: as for config_find_device(). */
const struct device_section *manager_find_section(const struct manager *m, const struct device *d,
                                                  const char *driver);

/* The member of its IOMMU group that has Bind=never, or NULL. */
const struct device *manager_group_forbids(const struct manager *m, const struct device *d);

/* Makes one job for each driver, and sorts the targets for it. Returns the number of jobs, or a negative
 * errno where there is none. */
int manager_bind_targets(struct manager *m, struct bind_target *targets, size_t n, const char *owner,
                         uint64_t deadline_usec, bind_job_done_t done, void *userdata);
