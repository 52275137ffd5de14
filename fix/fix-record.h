/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config/config.h"
#include "util/root.h"

/* What a fix has to remember of this boot, one file each. */
#define FIX_RECORDS "run/vfioalign/fix"

/* path: of a file in FIX_RECORDS, which is made where it is not there yet. Returns 0 or a negative errno. */
int fix_record_write(const struct root *root, const char *path, const char *text);

/* An operator has taken a fix of the host back: nobody applies it unasked before the next boot, or before an
 * operator applies it again. The latter two return 0 or a negative errno. */
bool fix_is_held_off(const struct root *root, enum fix_id id);
int fix_hold_off(const struct root *root, enum fix_id id);
int fix_end_hold(const struct root *root, enum fix_id id);
