/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* Prints the question on standard error, and reads the answer. Returns 1 for yes, 0 for anything else, or
 * -ENOTTY where standard input or error is not a terminal: nothing is printed then. */
int ask_yes(const char *question);

/* Whether there is a terminal to ask on. */
bool ask_is_possible(void);
