/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "record/record.h"

/* Recorded hosts as tar archives. */

/* Writes the entries to fd; `name` says how to compress: .tar, .tar.gz (also for anything else), .tar.xz,
 * .tar.zst. The same entries give the same bytes. Returns 0 or a negative errno, with a static text in
 * *ret_why. */
int archive_pack(int fd, const char *name, const struct record_entry *entries, size_t n,
                 const char **ret_why);

/* Unpacks files, links and directories into an empty directory, and nothing outside of it; devices, FIFOs
 * and hard links are left out. What it reads and writes is bounded, whatever the archive says. Returns 0;
 * -EBADMSG or -EFBIG, where *ret_why says what is wrong with the archive; or the negative errno of what
 * *ret_why says. That is a static text. */
int archive_unpack(const char *path, int dirfd, const char **ret_why);
