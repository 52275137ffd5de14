/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdio.h>

/* Prints one record of CSV as RFC 4180 has it: commas, CRLF, and quotes around a cell that needs them.
 * cells: n of them; NULL is an empty one.
 *
 * Cells can be what strangers choose. What a terminal would act upon is escaped (util/escape.h), line breaks
 * with it, so a record is always one line. A cell that a spreadsheet would take for a formula (it begins
 * with = + - or @, and is not a number) gets an apostrophe in front, which a spreadsheet does not show. */
void csv_print_record(const char *const cells[], size_t n, FILE *out);
