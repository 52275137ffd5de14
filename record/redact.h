/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* What is left out of a recorded host, because no fact needs it:
 *
 * - of a process's arguments, all but the program, the guest's name, and those that name a VFIO device;
 *
 * - of the kernel's command line, the value of each word that looks like a secret;
 *
 * - of libvirt's XML, passwords, users, cookies, the environment, arguments without VFIO, and what people
 *   write for themselves (description, metadata, ...); a file that is not XML, as a whole.
 *
 * Kernel addresses are kept, because the module's hook is recognized by them. */
enum redaction {
        REDACT_NOTHING,
        REDACT_ARGUMENTS,
        REDACT_KERNEL_ARGUMENTS,
        REDACT_XML,
};

/* How to redact a file, by its absolute path. */
enum redaction redaction_of(const char *path);

/* data: `size` bytes and a NUL. *ret is the caller's to free, and has a NUL after its *ret_size bytes.
 * Returns 1 where something was left out, 0 where nothing had to be, or -ENOMEM. */
int redact(enum redaction how, const char *data, size_t size, char **ret, size_t *ret_size);
