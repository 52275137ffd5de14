/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "json.h"

/* Tables whose rows are JSON objects. All cells are escaped (util/escape.h) when they are laid out. */

typedef char cell_t[512];

enum cell_format {
        CELL_TEXT,   /* as it is */
        CELL_SIZE,   /* bytes */
        CELL_COUNT,  /* a number */
        CELL_YES_NO, /* a bool */
};

/* A column shows one member of each row, or whatever `cell` makes of the row. */
struct column {
        const char *name;
        const char *help; /* one line; NULL in a table whose columns cannot be selected */
        int flags;        /* SCOLS_FL_* */
        bool extra;       /* only shown when it is asked for */
        const char *path; /* of the member: "size", or "verdict.page_size" for a member of a member */
        enum cell_format format;
        const char *missing; /* what stands for a text that is not there; NULL: nothing */
        const char *former;  /* the name that it had before, which still selects it; or NULL */

        /* The text of a row's cell: in the buffer, or somewhere that lives as long as the row; NULL: empty.
         * Where this is set, path, format and missing are not used. */
        const char *(*cell)(json_object *row, cell_t buffer);
};

/* Where rows come from: get() gives a new reference, or NULL when memory is out. */
struct rows {
        size_t n;
        json_object *(*get)(void *data, size_t i);
        void *data;
};

/* array: outlives the rows; NULL: there are none. */
struct rows rows_of_array(json_object *array);

/* selection: "NAME,NAME" in any case, or NULL for all columns that are not extra.
 * Returns 0, -EINVAL for a column that is not there, or another negative errno. */
int table_print(struct rows rows, const struct column *columns, size_t n, const char *selection, FILE *out);

/* A size or a number for people, "unknown" where it is UINT64_MAX. Returns the buffer. */
const char *cell_size(uint64_t bytes, cell_t buffer);
const char *cell_count(uint64_t n, cell_t buffer);

/* Appends a text to a list in a cell, and cuts what does not fit. */
void cell_append(cell_t buffer, const char *separator, const char *text);

/* A member of each object in an array, separated by commas. Returns the buffer. */
const char *cell_join(json_object *array, const char *key, cell_t buffer);

/* Of a fact, or of what names its source likewise: why it is as it is, else where it was learnt. */
const char *cell_reason(json_object *row, cell_t buffer);
