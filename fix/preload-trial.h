/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fix-plan.h"
#include "util/root.h"

/* Runs the program with --version, as nobody and for at most 30 seconds, with the library behind the others
 * that LD_PRELOAD has already (NULL: none). Refuses in the plan where the program fails with the library and
 * not without it. Blocks. Returns 0 or a negative errno. */
int preload_trial(const struct root *root, const char *program, const char *others, const char *library,
                  struct fix_plan *plan);
