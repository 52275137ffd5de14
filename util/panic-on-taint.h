/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "util/root.h"

/* The mask of panic_on_taint=, which shows only on the command line of the kernel; 0 if it is not set. */
uint64_t panic_on_taint_read(const struct root *root);
