/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>

#include "transaction.h"
#include "util/macro.h"

/* The program vfioalign-worker does what can hang in the kernel, so nobody else has to. It reads one order
 * from standard input, a JSON object:
 *
 *   {"operation": "bind", "devices": ["0000:01:00.0", ...], "driver": null, "owner": "operator",
 *    "dry_run": false, "force": false, "timeout_usec": 30000000, "deadline_usec": 0}
 *
 * timeout_usec is for each group, from its start. deadline_usec (CLOCK_BOOTTIME, 0: none) is for all of
 * them. Past either, a group is rolled back, and given up WORKER_GRACE_USEC later at most. A settle names no
 * devices: it is about every group that has a record.
 *
 * It writes one JSON object a line to standard output: {"type": "group", ...} for each group as soon as that
 * is through, and {"type": "done"} last; or {"type": "error", "message": "..."} where it gives up.
 * worker-reply.h reads that. Each group is handled in a process of its own, several side by side. One that
 * hangs in the kernel is reported with its stack, its group is quarantined, and it is left behind.
 *
 * SIGTERM makes it roll back what is under way. */

#define WORKER_GROUPS_AT_ONCE 16

#define WORKER_GRACE_USEC (30 * USEC_PER_SEC)

/* The program itself, with its standard input and output. Returns an exit code. */
int worker_run(const struct root *root, FILE *in, FILE *out);

/* The version of fleet/bind.schema.json, whose groups these are. */
#define BIND_SCHEMA_VERSION 1

/* A line of type "group"; the caller puts it. */
json_object *bind_result_to_json(const struct bind_result *r);

/* The order as text, which the caller frees; NULL where there is no memory. driver may be NULL. */
char *worker_order_format(enum bind_operation operation, const char *const *devices, size_t n_devices,
                          const char *driver, const char *owner, bool dry_run, bool force,
                          uint64_t timeout_usec, uint64_t deadline_usec);

/* Starts `program` with the order on its standard input. *ret_pidfd becomes readable at its end, and the
 * caller reaps it (waitid(2), P_PIDFD). *ret_out is its standard output, which does not block. The program
 * gets a session of its own, so the end of the caller's session does not end it. Returns 0 or a negative
 * errno. */
int worker_spawn(const char *program, const char *order, int *ret_pidfd, int *ret_out);
