/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "root.h"

/* When a process began, in microseconds, from field 22 of /proc/PID/stat (proc_pid_stat(5)): the fork, which
 * an execve() does not change. 0: unknown. */

/* CLOCK_REALTIME: up to a second early, because the time of the boot is cut to a second, and never late. */
uint64_t process_start_usec(const struct root *root, pid_t pid);

/* Whether it began before the calling process did, or that is unknown. */
bool process_is_older(const struct root *root, pid_t pid);

/* The calling process, CLOCK_BOOTTIME: up to 10 ms early. */
uint64_t own_start_boottime_usec(void);
