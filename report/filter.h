/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "report.h"

/* Which rows of a table somebody asked for: those that one of the patterns matches.
 *
 *   devices    an address or its beginning ("1b:00", "0000:1b"), which without a domain means any domain
 *   guests     a name or a UUID
 *   emulators  a path, or the name of a program
 *   mappings   a process by its number or name, or the address of a device
 *
 * Names and addresses may have the wildcards of the shell: 'train-*', '*:00.1'. */
struct filter {
        enum report_table table;
        char *const *patterns;
        size_t n;
};

/* NULL, or one without patterns, matches everything. */
bool filter_has_address(const struct filter *f, const char *bdf);
bool filter_has_row(const struct filter *f, json_object *row);

/* As the address of a device, without a domain that is 0000, where most are. */
const char *filter_short_address(const char *bdf);

/* A new array of the rows that match. NULL: no memory. */
json_object *filter_rows(const struct filter *f, json_object *rows);

/* The first pattern that matches nothing, or NULL. head: report_head(). */
const char *filter_find_unmatched(const struct filter *f, const struct host *h, json_object *head);

/* Calls offer() for what the rows are called, so what is near to such a pattern can be named. */
void filter_offer_names(const struct filter *f, const struct host *h, json_object *head,
                        void (*offer)(const char *name, void *userdata), void *userdata);
