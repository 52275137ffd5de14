/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transaction.h"

#define ORDER_MAX_SIZE (1U << 20)
#define ORDER_DEVICES_MAX 1024

/* What a worker is asked for. worker.h describes its text form. */
struct worker_order {
        struct bind_order order; /* its strings are those below; its deadline is for all groups together */
        uint64_t timeout_usec;   /* for each group */
        bdf_t *devices;
        size_t n_devices;
        char *driver, *owner;
};

/* Returns 0, -ENOMEM, or -EBADMSG where the text is not an order; *ret_why (static) then says what is wrong.
 * On an error there is nothing to release. */
int worker_order_parse(struct worker_order *o, const char *text, const char **ret_why);
void worker_order_done(struct worker_order *o);
