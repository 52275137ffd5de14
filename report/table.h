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
        CELL_TEXT,    /* as it is */
        CELL_SIZE,    /* bytes */
        CELL_COUNT,   /* a number */
        CELL_SECONDS, /* to the millisecond; empty where they are not there */
        CELL_YES_NO,  /* a bool */
};

/* A column shows one member of each row, or whatever `cell` makes of the row. */
struct column {
        const char *name;
        const char *help; /* one line; NULL in a table whose columns cannot be selected */
        int flags;        /* SCOLS_FL_RIGHT, or SCOLS_FL_WRAP: it can be broken at words */
        bool extra;       /* only shown when it is asked for */
        const char *path; /* of the member: "size", or "verdict.page_size" for a member of a member */
        enum cell_format format;
        const char *missing; /* what stands for a text that is not there; NULL: nothing */
        const char *former;  /* the name that it had before, which still selects it; or NULL */

        /* The text of a row's cell: in the buffer, or somewhere that lives as long as the row; NULL: empty.
         * Where this is set, path, format and missing are not used. */
        const char *(*cell)(json_object *row, cell_t buffer);

        /* The number of a row's cell, for CELL_SIZE and CELL_COUNT; 0: the cell is empty. It takes the place
         * of path. */
        uint64_t (*number)(json_object *row);

        unsigned rank; /* 0: it stays; where a terminal is too narrow the highest rank is dropped first */
};

/* Where rows come from: get() gives a new reference, or NULL when memory is out. */
struct rows {
        size_t n;
        json_object *(*get)(void *data, size_t i);
        void *data;
};

/* array: outlives the rows; NULL: there are none. */
struct rows rows_of_array(json_object *array);

struct table_view {
        const char *columns; /* "NAME,NAME" in any case, or NULL for all columns that are not extra */
        bool csv;            /* with bytes and numbers as they are (csv.h) */
        bool no_headings;
};

/* On a terminal cells are broken at words, and where that is not enough columns are dropped that nobody
 * named (table-layout.h). Returns 0, -EINVAL for a column that is not there, or another negative errno. */
int table_print_view(struct rows rows, const struct column *columns, size_t n, const struct table_view *view,
                     FILE *out);

/* The same as a table with headings. selection: the columns. */
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
