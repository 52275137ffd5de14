/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "root.h"

#define SWITCH_FILE "run/vfioalign/off"

/* The one switch that turns everything off: "vfioalign=off" on the kernel command line, or the file above.
 * Returns what turned it off as static text ("/run/vfioalign/off"), or NULL if nothing did. */
const char *switched_off(const struct root *root);
