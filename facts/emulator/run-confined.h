/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The descriptor on which a confined program finds the pipe to us. */
#define CONFINED_PIPE 3

enum run_end {
        RUN_EXITED,  /* with whatever status */
        RUN_REFUSED, /* it could not be started, or not without privilege */
        RUN_CRASHED, /* by a signal */
        RUN_LATE,    /* killed at the deadline */
};

/* Runs a program as nobody (where we are root; else as ourselves), without new privileges, with limits on
 * memory, processor time and files, in a session of its own, with /dev/null for the standard streams,
 * without our other descriptors and, where we may, without network.
 *
 * Blocks until the program has ended or `timeout_usec` has passed, and reads what it writes to
 * CONFINED_PIPE: the first `size` bytes. Then kills it and what it started. Returns 0, or a negative errno
 * where nothing was run. */
int run_confined(const char *program, char *const argv[], char *const env[], const char *directory,
                 uint64_t timeout_usec, void *bytes, size_t size, size_t *ret_size, enum run_end *ret_end);
