/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* --watch: looks again and again, until a signal.
 *
 * On a terminal each look is drawn over the one before, and what does not fit is left out; there is nothing
 * to restore when it ends. Elsewhere the looks follow each other, with an empty line in between; with json
 * each is one line, which look() prints.
 *
 * look: prints to the standard output and error, and returns an exit code. It has to flush nothing. Returns
 * the exit code of the last look; a signal other than ^C (SIGINT) ends the process. */
int watch_run(uint32_t seconds, bool json, int (*look)(void *userdata), void *userdata);
