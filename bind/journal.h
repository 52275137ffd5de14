/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <signal.h>

#include "facts/bind-record.h"

/* The writing side of the records (facts/bind-record.h). A record is on disk before the first write to a
 * function, and is removed after the last. */

/* Keeps all other transactions on that group out until the descriptor is closed or the process has ended; a
 * process that hangs in the kernel has not. Waits for another one to end. Returns the descriptor, -EBUSY
 * where *stop becomes non-zero during the wait (NULL: never), or another negative errno. */
int journal_lock(const struct root *root, const char *first_bdf, const volatile sig_atomic_t *stop);

/* Writes the record with that state, the current time and, for a quarantine, its reason (else NULL), and
 * sets them in *r. Returns 0 or a negative errno; the record can have been replaced in spite of an error,
 * where only its directory could not be synced. */
int journal_write(const struct root *root, struct bind_record *r, enum bind_state state, const char *reason);

/* A record that is not there is not an error. Returns 0 or a negative errno. */
int journal_remove(const struct root *root, const struct bind_record *r);
