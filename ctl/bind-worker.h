/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>
#include <signal.h>
#include <stdint.h>

/* The signal that asked us to end, or 0. */
extern volatile sig_atomic_t bind_worker_stopped_by;

/* Starts vfioalign-worker (bind/worker.h) with the order, and tells of each group as soon as that is
 * through; the group is the callee's to put. timeout_usec: what the order gives each group; a worker that
 * tells of nothing for much longer is left to itself. Returns 0 when the worker said that it is done, or a
 * negative errno with the reason logged. */
int bind_worker_run(const char *operation, const char *order, uint64_t timeout_usec,
                    void (*on_group)(json_object *group, void *userdata), void *userdata);
