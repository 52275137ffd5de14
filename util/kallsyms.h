/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "file.h"
#include "root.h"

/* The sandbox of the service covers /proc/kallsyms with an empty file, and shows the real one here
 * (systemd/vfioalignd.service). Outside of it this file is empty or missing. */
#define KALLSYMS_SHOWN "usr/lib/vfioalign/kallsyms"

/* The kernel's symbols, wherever they can be read. As file_lines_open_at(). */
int kallsyms_open(const struct root *root, struct file_lines *ret);
