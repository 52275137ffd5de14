/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* What a recorded host need not tell. Of these files no fact needs more than is kept:
 * - a process's arguments: those that say which VFIO device it has, or its guest's name, and the program
 * itself;
 * - the kernel's command line: words that look like a secret lose their value;
 * - libvirt's XML: passwords, users, cookies, the environment, arguments that have nothing to do with VFIO,
 * and what people write for themselves (description, metadata, ...). What is no XML is left out. Kernel
 * addresses stay: the hook is told by them. */
enum redaction {
        REDACT_NOTHING,
        REDACT_ARGUMENTS,
        REDACT_KERNEL_ARGUMENTS,
        REDACT_XML,
};

/* What a file wants, by its absolute path. */
enum redaction redaction_of(const char *path);

/* 1 where something was left out, 0 where nothing had to be, or -ENOMEM. *ret is the caller's to free. */
int redact(enum redaction how, const char *data, size_t size, char **ret, size_t *ret_size);
