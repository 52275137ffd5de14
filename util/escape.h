/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Processes, guests, files and drivers can have any name, and whoever chooses one must neither command the
 * terminal that shows it nor forge a line of what we say. */

/* The length in bytes of the character at p, and its code; or 0 where no character of UTF-8 is there. */
size_t utf8_decode(const char *p, uint32_t *ret_code);

/* Whether a terminal acts on the character: a control character, a break of the line, or a mark that turns
 * the direction of writing. */
bool code_is_harmful(uint32_t code);

/* Whether escape() would change the text. */
bool escape_is_needed(const char *text);

/* A copy of the text in which each byte of a harmful character, and each byte that is not UTF-8, is \xNN.
 * The caller frees it; NULL means that there is no memory. */
char *escape(const char *text);

/* The same for a library that lays text out by the locale's character set: where that is not UTF-8, each
 * byte beyond ASCII is escaped as well. */
char *escape_for_locale(const char *text);

/* As escape(), into a buffer of so many bytes, at least 1. What does not fit is cut off before a character.
 * keep: control characters that stay as they are; "": none. Returns the buffer. */
char *escape_to(char *buffer, size_t size, const char *text, const char *keep);
