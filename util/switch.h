/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "macro.h"
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

/* How long whoever holds the lock below may take: a load of the module. */
#define SWITCH_HOLD_USEC (30 * USEC_PER_SEC)

/* Locks the switch. Held by whoever loads the module, from before the look at the switch to the end of the
 * load, and by `off` and `on`: a load that is under way has ended before `off` looks at the module, and one
 * that begins later sees the switch. Waits for timeout_usec at most. Returns a descriptor for
 * switch_unlock(); -EAGAIN if somebody else holds it; or another negative errno. */
int switch_lock(const struct root *root, uint64_t timeout_usec);

/* Also where a child still has the descriptor. *lock is -EBADF then; if it is negative, nothing happens. */
void switch_unlock(int *lock);
