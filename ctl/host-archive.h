/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "record/record.h"

/* Recorded hosts as tar archives. */

/* Writes the entries to fd; `name` says how to compress: .tar, .tar.gz (also for anything else), .tar.xz,
 * .tar.zst. The same entries give the same bytes. Returns 0 or a negative errno, with a static text in
 * *ret_why. */
int archive_pack(int fd, const char *name, const struct record_entry *entries, size_t n,
                 const char **ret_why);

/* Unpacks one into a new directory, which archive_remove() removes: a bounded amount, and nothing outside of
 * it. Returns 0 and the caller's *ret_dir, or a negative errno, with a static text in *ret_why. */
int archive_unpack(const char *path, char **ret_dir, const char **ret_why);

/* NULL is fine. */
void archive_remove(const char *dir);
