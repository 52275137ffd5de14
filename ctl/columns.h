/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "report/table.h"

/* The option --output of the verbs that print a table. output: its argument, or NULL. */

/* "help": prints all columns with their help, one a line, and returns true. */
bool columns_print_help(const char *output, const struct column *columns, size_t n);

/* Prints which columns there are, after table_print() did not find one (-EINVAL). Returns the exit code. */
int columns_refuse(const char *output, const struct column *columns, size_t n);

/* The columns of the table that the verb prints; NULL: it prints none. */
const struct column *columns_of_verb(const char *verb, size_t *ret_n);
const struct column *columns_of_fixes(size_t *ret_n);
const struct column *columns_of_config(size_t *ret_n);
