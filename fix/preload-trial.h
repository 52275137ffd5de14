/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fix-plan.h"
#include "util/root.h"

/* Runs the program with --version, as nobody and for a bounded time, with the library behind what LD_PRELOAD
 * has already (or NULL). Refuses in the plan where that goes wrong, and does not without. Returns 0 or a
 * negative errno. */
int preload_trial(const struct root *root, const char *program, const char *others, const char *library,
                  struct fix_plan *plan);
