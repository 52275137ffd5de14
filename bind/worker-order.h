/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transaction.h"

#define ORDER_MAX_SIZE (1U << 20)
#define ORDER_DEVICES_MAX 1024

/* What a worker is asked for; its text form is in worker.h. */
struct worker_order {
        struct bind_order order; /* strings are ours; its deadline is the one for all groups */
        uint64_t timeout_usec;
        bdf_t *devices;
        size_t n_devices;
        char *driver, *owner;
};

/* On a text that is no order returns -EBADMSG, and *ret_why (static) says what is wrong. Else 0 or -ENOMEM.
 */
int worker_order_parse(struct worker_order *o, const char *text, const char **ret_why);
void worker_order_done(struct worker_order *o);
