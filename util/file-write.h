/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* Writing below a directory. Paths are resolved as in util/file.h. */

/* Writes an attribute of the kernel by one write of the whole value; nothing is created. It can block for as
 * long as the kernel likes. Returns 0, -EIO if only a part was written, or the negative errno of open or
 * write. Every change of a device goes through here. */
int write_attribute_at(int dirfd, const char *path, const char *value);

/* Replaces a whole file: a temporary beside it ("NAME~", instead of whatever has that name), fsync, rename,
 * fsync of the directory. After a crash either the old file or the new one is there. Returns 0 or a negative
 * errno; the old file is then unharmed, unless only the last fsync failed. */
int write_file_at(int dirfd, const char *path, const char *text, size_t size, mode_t mode);

/* The same in a directory that somebody else may write to, or whose files somebody else reads: the temporary
 * is ".NAME.XXXXXX", of a random name that is not there yet. A writer that is killed leaves it behind. */
int write_foreign_file_at(int dirfd, const char *path, const char *text, size_t size, mode_t mode);
