/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

#include "macro.h"

/* How programs write for people. Everything is escaped (escape.h) once it is formatted, so no argument of a
 * caller has to be. Nothing is printed where memory is out. */

/* Within a line. Returns how many bytes were printed. */
int print(FILE *out, const char *format, ...) _printf_(2, 3);

/* One line, which it ends. */
void print_line(FILE *out, const char *format, ...) _printf_(2, 3);

/* A text that is made of lines, such as a diff. Its line breaks and tabs stay. */
void print_lines(FILE *out, const char *text);
