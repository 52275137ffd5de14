/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>

#include "bind/transaction.h"
#include "options.h"

/* The verbs bind and unbind: what was asked for, and what came of it. */
struct bind_request {
        enum bind_operation operation;
        struct options options;
        const char *driver;   /* NULL: auto */
        bdf_t *addresses;     /* in the kernel's spelling, each once */
        const char **devices; /* the same addresses, NULL at the end */
        size_t n_devices;
        json_object *report;
        int error; /* negative errno of printing, or 0 */
};

/* Has the request carried out, and passes each group to bind_take_group(). Returns 0 or a negative errno,
 * with the reason logged. */
typedef int (*bind_carrier_t)(struct bind_request *q, const struct root *root);
int bind_by_worker(struct bind_request *q, const struct root *root); /* needs root */
int bind_by_daemon(struct bind_request *q, const struct root *root); /* the daemon asks polkit */

/* Takes over the group, which is valid (bind/worker-reply.h). userdata is the request. */
void bind_take_group(json_object *group, void *userdata);

/* How long one IOMMU group may take, in microseconds. */
uint64_t bind_time_limit(const struct root *root);

/* argv[0]: "bind" or "unbind". Returns an exit code. */
int verb_bind_by(int argc, char *argv[], bind_carrier_t carrier);
