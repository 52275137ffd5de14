/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>

#include "bind/transaction.h"

/* What can hang in the kernel is done by a program of its own, vfioalign-worker (bind/worker.h). A job is
 * one run of it, followed in the event loop under a deadline; a few run at a time, the others wait in order,
 * those of guests first. */

struct manager;

/* Told once, and never from within bind_job_new(). groups: a JSON array of what was said of each group,
 * whose members are there and of the right type; only as long as the call. failed: why there may be more
 * than that; NULL: the worker is through. */
typedef void (*bind_job_done_t)(json_object *groups, const char *failed, void *userdata);

/* All is copied; order->owner has to be there. Each group has the time that the configuration gives it, and
 * all together up to order->deadline_usec (CLOCK_BOOTTIME, 0: none). Returns 0; -EBUSY where too many wait;
 * -ESHUTDOWN where the daemon is about to end; or -ENOMEM. */
int bind_job_new(struct manager *m, const struct bind_order *order, const bdf_t *devices, size_t n_devices,
                 bind_job_done_t done, void *userdata);

/* What waits is told that it failed, what runs is asked to roll back; then, or after a while, the event loop
 * ends. */
void bind_jobs_stop(struct manager *m);

/* Forgets all, and the event loop ends: each is told that it failed. A worker that still runs is left to
 * itself. */
void bind_jobs_close(struct manager *m);

/* bind-outcome.c: one group of the array above. */

/* Has the members that are read here, each of its type. */
bool bind_outcome_is_valid(json_object *group);
enum bind_outcome bind_outcome_of(json_object *group);

/* In VFIO's hands, whoever brought it there. */
bool bind_outcome_is_bound(json_object *group);
bool bind_outcome_has_device(json_object *group, const char *bdf);

/* "IOMMU group 12 (0000:01:00.0, 0000:01:00.1): refused: A function is in use ... (0000:01:00.0: /boot)" */
void bind_outcome_describe(json_object *group, char *text, size_t size);

/* Tells it in the journal, once. */
void bind_outcome_log(json_object *group, const char *owner, bool dry_run);
