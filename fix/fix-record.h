/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config/config.h"
#include "util/root.h"

/* What fixes have to remember until the next boot, one file each. */
#define FIX_RECORDS "run/vfioalign/fix"

/* path: a file in FIX_RECORDS, a folder that is created where it is not there yet. Returns 0 or a negative
 * errno. */
int fix_record_write(const struct root *root, const char *path, const char *text);

/* A fix is held off once an operator has taken it back: nobody applies it unasked before the next boot, or
 * before an operator applies it again. The latter two return 0 or a negative errno. */
bool fix_is_held_off(const struct root *root, enum fix_id id);
int fix_hold_off(const struct root *root, enum fix_id id);
int fix_end_hold(const struct root *root, enum fix_id id);
