/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "util/root.h"

/* The most bytes of one read: a structure of the kernel, or a function. */
#define KCORE_MAX 4096

/* Reads memory of the running kernel at a virtual address, from /proc/kcore: an ELF core file whose PT_LOAD
 * segments are the kernel's address ranges (fs/proc/kcore.c). A recorded host answers "kcore ADDRESS SIZE"
 * in hex. size: bytes.
 *
 * Returns 0, -EINVAL if size is 0 or above KCORE_MAX, -EACCES or -EPERM (not root, or locked down for
 * confidentiality), -ENXIO if nothing is mapped there, -EBADMSG if the file is not such a core, or another
 * negative errno. */
int kcore_read(const struct root *root, uint64_t address, void *buffer, size_t size);

/* Why memory cannot be read, from what kcore_read() returned. */
const char *kcore_why(int error);
