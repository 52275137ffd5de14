/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fleet.h"

/* Reads one host out of a row, which a stranger wrote. */

/* Words that many hosts share, each kept once. */
int fleet_words_open(struct fleet_words **ret);
void fleet_words_free(struct fleet_words *w);
const char *fleet_words_get(const struct fleet_words *w, uint32_t number);

enum host_row_result {
        HOST_ROW_GOOD,
        HOST_ROW_UNREAD,  /* it is something else */
        HOST_ROW_UNNAMED, /* it does not say whose it is */
};

/* *ret is the caller's to free where the result is HOST_ROW_GOOD. Returns a result or -ENOMEM. */
int host_row_read(json_object *document, struct fleet_words *words, struct fleet_host **ret);
