/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "macro.h"

/* The terminal that the standard output was when the program first asked: a pager or a buffer can be in
 * between by the time something is printed. Where it was none, all of this changes nothing. */

enum color_mode {
        COLOR_AUTO, /* on a terminal, unless it is dumb or NO_COLOR is set (no-color.org) */
        COLOR_ALWAYS,
        COLOR_NEVER,
};

/* Before anything is printed; COLOR_AUTO by default. */
void terminal_set_color(enum color_mode mode);

bool terminal_is_there(void);

/* Whether it acts on escape sequences at all: TERM is set, and not "dumb". */
bool terminal_is_able(void);

/* In columns: $COLUMNS, else what the terminal says, else 80. 0 where there is no terminal: text then has
 * any width, because a program reads it. */
unsigned terminal_width(void);

/* From now on it stays what it is: the standard output is about to be something else. */
void terminal_keep_width(void);

enum style {
        STYLE_ERROR,
        STYLE_WARNING,
        STYLE_STRONG,
        STYLE_HEADING,
};

/* The escape sequences that begin a style and end it, or "". */
const char *style_begin(enum style style);
const char *style_end(void);

/* As print() (print.h), in a style. */
void print_styled(FILE *out, enum style style, const char *format, ...) _printf_(3, 4);

/* Prints a text that leads to a URL where the terminal can (OSC 8, as systemctl does): $SYSTEMD_URLIFY says
 * whether, else it is where colours are. url: ours, it is not escaped. */
void print_link(FILE *out, const char *url, const char *text);
