/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>
#include <stdint.h>

/* Runs vfioalign-worker (bind/worker.h) with the order, and hands on each group as soon as it is through;
 * the callee puts it. timeout_usec is what the order gives each group: a worker that reports nothing for
 * much longer is left behind. Returns 0 when the worker has said that it is done and every line of it made
 * sense, or a negative errno with the reason logged (-EPIPE: the worker ended before); groups may have been
 * handed on all the same. */
int bind_worker_run(const char *operation, const char *order, uint64_t timeout_usec,
                    void (*on_group)(json_object *group, void *userdata), void *userdata);
