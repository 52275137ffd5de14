/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <signal.h>

#include "facts/bind-record.h"

/* The writing side of the records (facts/bind-record.h): a record is on disk before the first write to a
 * function, and goes after the last. */

/* Keeps all other transactions on that group out until the descriptor is closed or the process has ended:
 * also one that hangs in the kernel does. Waits for another to end; -EBUSY where *stop turns from zero
 * meanwhile. */
int journal_lock(const struct root *root, const char *first_bdf, const volatile sig_atomic_t *stop);

/* Writes the record with that state and, for a quarantine, its reason (else NULL). Its time is now. */
int journal_write(const struct root *root, struct bind_record *r, enum bind_state state, const char *reason);

int journal_remove(const struct root *root, const struct bind_record *r);
