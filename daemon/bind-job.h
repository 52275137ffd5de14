/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>

#include "bind/transaction.h"

/* What can hang in the kernel is done by a program of its own, vfioalign-worker (bind/worker.h). A job is
 * one run of it, followed by the event loop under a deadline. A few jobs run at a time; the others wait in
 * order, those with a deadline first. */

struct manager;

/* Called once for each job, and never from within bind_job_new(). groups is a JSON array of the groups that
 * the worker reported, each valid (bind/worker-reply.h); it lives as long as the call. failed says why
 * groups may be missing; it is NULL where the worker got through. */
typedef void (*bind_job_done_t)(json_object *groups, const char *failed, void *userdata);

/* Copies everything; order->owner must be set. Each group has the time that the configuration gives it, and
 * all together have until order->deadline_usec (CLOCK_BOOTTIME, 0: no limit). Returns 0; -EBUSY where too
 * many jobs wait; -ESHUTDOWN where the daemon is stopping; or another negative errno. */
int bind_job_new(struct manager *m, const struct bind_order *order, const bdf_t *devices, size_t n_devices,
                 bind_job_done_t done, void *userdata);

/* Fails the jobs that wait, and asks those that run to roll back. The event loop ends once they have, or
 * after a while. A second call waits no longer. */
void bind_jobs_stop(struct manager *m);

/* Fails all jobs and ends the event loop. A worker that still runs is left behind. */
void bind_jobs_close(struct manager *m);

/* bind-outcome.c: one group of the array above. */

/* In VFIO's hands, whoever brought it there. */
bool bind_outcome_is_bound(json_object *group);

/* "IOMMU group 12 (0000:01:00.0, 0000:01:00.1): refused, nothing was written: A function is in use ...
 * (0000:01:00.0: /boot)"; cut at size, which is not 0. */
void bind_outcome_describe(json_object *group, char *text, size_t size);

/* Writes it to the journal; a dry run only as a debug message. */
void bind_outcome_log(json_object *group, const char *owner, bool dry_run);
