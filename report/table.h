/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "json.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Tables whose rows are JSON objects. */

typedef char cell_t[512];

struct column {
        const char *name;
        int flags;  /* SCOLS_FL_* */
        bool extra; /* only shown when it is asked for */
        /* The text of a row's cell: in the buffer, or somewhere that lives as long as the row; NULL: empty.
         */
        const char *(*cell)(json_object *row, cell_t buffer);
};

/* Where rows come from: get() gives a new reference. */
struct rows {
        size_t n;
        json_object *(*get)(void *data, size_t i);
        void *data;
};

struct rows rows_of_array(json_object *array);

/* selection: "NAME,NAME" in any case, or NULL for all columns that are not extra.
 * Returns 0, -EINVAL for a column that is not there, or -ENOMEM. */
int table_print(struct rows rows, const struct column *columns, size_t n, const char *selection, FILE *out);

/* A size or a number for a reader, "unknown" where it is that. */
const char *cell_size(uint64_t bytes, cell_t buffer);
const char *cell_count(uint64_t n, cell_t buffer);
