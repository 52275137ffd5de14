/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "util/root.h"

/* When the process began, CLOCK_REALTIME, up to a second early and never late; 0: unknown. */
uint64_t process_start_usec(const struct root *root, pid_t pid);
