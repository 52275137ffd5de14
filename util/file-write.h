/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* Writing below a directory, whose paths are resolved as util/file.h does. */

/* An attribute of the kernel, by one write of the whole value; nothing is created. Can block for as long as
 * the kernel likes. Returns 0 or the negative errno of open or write. Every change of a device goes through
 * here. */
int write_attribute_at(int dirfd, const char *path, const char *value);

/* A whole file: a temporary beside it, fsync, rename, fsync of the directory, so that after a crash there is
 * the old one or the new one. Returns 0 or a negative errno; the old one is then unharmed. */
int write_file_at(int dirfd, const char *path, const char *text, size_t size, mode_t mode);
