/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/root.h"

/* What a fix has to remember of this boot, one file each. */
#define FIX_RECORDS "run/vfioalign/fix"

/* path: of a file in FIX_RECORDS, which is made where it is not there yet. Returns 0 or a negative errno. */
int fix_record_write(const struct root *root, const char *path, const char *text);
