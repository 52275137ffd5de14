/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* How wide the columns of a table become on a terminal. Widths are columns of the terminal. */

struct layout_column {
        size_t natural; /* the widest cell, or the heading */
        size_t least;   /* what it can be broken down to at words; natural if it cannot */
        unsigned rank;  /* 0: stays; the highest rank goes first */
        size_t width;   /* the result; 0: it goes */
};

/* How many columns of a terminal the text takes in this locale, and its longest word. */
size_t layout_text_width(const char *text);
size_t layout_word_width(const char *text);

/* Sets the widths so that the columns fit into `width` (0: any) with a blank between two of them. Those that
 * can be dropped are, the highest rank first, until the others fit at their least; then the rest of the room
 * goes to those that are short of it. What cannot fit stays at its least: nothing is cut. */
void layout_fit(struct layout_column columns[], size_t n, size_t width);

/* A copy of the text, broken into lines at words. The caller frees it; NULL: no memory. */
char *layout_wrap(const char *text, size_t width);
