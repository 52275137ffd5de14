/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>

#include "transaction.h"
#include "util/macro.h"

/* The program vfioalign-worker does what can hang, so that nobody else does. It reads one order from
 * standard input (a JSON object, as below), and writes to standard output one JSON object to a line: for
 * each group "group", as soon as that is through, and at last one with "done". Each group goes in a process
 * of its own, several side by side, under the deadline; one that hangs in the kernel is told of with its
 * stack, quarantined and left behind.
 *
 * The order: {"operation": "bind", "devices": ["0000:01:00.0", ...], "driver": null, "owner": "operator",
 *             "dry_run": false, "force": false, "timeout_usec": 30000000, "deadline_usec": 0}
 * timeout_usec is for each group, from its start; deadline_usec (CLOCK_BOOTTIME, 0: none) for all: past
 * either, a group is brought back, and given up WORKER_GRACE_USEC later at most. A settle takes no devices:
 * all that has a record.
 *
 * SIGTERM makes it roll back what is under way. */

#define WORKER_GROUPS_AT_ONCE 16

#define WORKER_GRACE_USEC (30 * USEC_PER_SEC)

/* The worker's main part. in, out: as above. Returns an exit code. */
int worker_run(const struct root *root, FILE *in, FILE *out);

/* The version of fleet/bind.schema.json, whose groups these are. */
#define BIND_SCHEMA_VERSION 1

/* A line of type "group"; the caller puts it. */
json_object *bind_result_to_json(const struct bind_result *r);

/* For those who start one. The order as text, the caller's to free; NULL: out of memory. */
char *worker_order_format(enum bind_operation operation, const char *const *devices, size_t n_devices,
                          const char *driver, const char *owner, bool dry_run, bool force,
                          uint64_t timeout_usec, uint64_t deadline_usec);

/* Starts `program` with the order on its standard input. *ret_pidfd ends with it; *ret_out is its standard
 * output, not blocking. The caller reaps it (waitid(2), P_PIDFD). It is in a session of its own and ignores
 * SIGINT: who goes away does not take it along. Returns 0 or a negative errno. */
int worker_spawn(const char *program, const char *order, int *ret_pidfd, int *ret_out);
