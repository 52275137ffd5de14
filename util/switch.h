/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "root.h"

/* Until the next boot, and until somebody removes it. */
#define SWITCH_FILE "run/vfioalign/off"
#define SWITCH_FILE_PERSISTENT "var/lib/vfioalign/off"

/* The one switch that turns everything off: "vfioalign=off" on the kernel command line, or one of the files
 * above, whatever is in it. Returns what turned it off as static text ("/run/vfioalign/off"), or NULL if
 * nothing did. Where there are several, it is the one that holds longest. */
const char *switched_off(const struct root *root);

/* Whether it is the kernel command line, which nothing but another boot can change. */
bool switched_off_at_boot(const struct root *root);
