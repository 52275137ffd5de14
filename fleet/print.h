/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

#include "fleet.h"
#include "report/json.h"
#include "report/table.h"

#define FLEET_BY_MAX (_HOST_WORD_MAX + 1)

/* How a fleet is shown. */
struct fleet_view {
        enum host_word by[FLEET_BY_MAX]; /* WORD_HOST can be one of them */
        size_t n_by;                     /* at least 1 */
        const char *columns;             /* of the table: "NAME,NAME"; NULL: the usual ones */
        uint64_t now;                    /* seconds since 1970 */
        uint64_t max_age;                /* seconds: what is older is counted as old */
};

/* All of these need the fleet to be sorted. They return 0, -ENOMEM, or -EINVAL for a column that is not
 * there.
 */
int fleet_print_text(const struct fleet *f, const struct fleet_view *view, FILE *out);
int fleet_print_json(const struct fleet *f, const struct fleet_view *view, enum json_style style, FILE *out);
int fleet_print_csv(const struct fleet *f, const struct fleet_view *view, FILE *out);

/* One HTML page that stands alone: no script, and nothing is fetched. */
int fleet_print_page(const struct fleet *f, const struct fleet_view *view, FILE *out);

/* The names of the hosts with that need, one a line, each once. A name that could be more than a host's name
 * to whatever reads the list (white space, "=", "[", a leading "-") is left out. Returns how many hosts
 * were. */
size_t fleet_print_hosts(const struct fleet *f, const char *need, FILE *out);

/* The columns that the table can have, with this view; the array is static. */
const struct column *fleet_columns(const struct fleet_view *view, size_t *ret_n);

/* Sentences about a fleet: "10,185 guests on 5,282 of 9,990 hosts have smaller pages than they could have",
 * and what could not be counted, "" where there is nothing. */
typedef char sentence_t[512];
const char *fleet_headline(const struct fleet *f, sentence_t buffer);
const char *fleet_left_out(const struct fleet *f, const struct fleet_view *view, sentence_t buffer);
