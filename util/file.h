/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* The largest file that is ever read whole; everything a kernel or an operator gives us is far below. */
#define FILE_MAX_SIZE (64U << 20)

/* Reads a file below dirfd whole, at most `max` bytes, and terminates it with NUL.
 * Returns 0, -EFBIG over the bound, or the negative errno of open or read. *ret is the caller's to free. */
int read_file_at(int dirfd, const char *path, size_t max, char **ret, size_t *ret_size);

/* The same from an open descriptor, from its current position on. */
int read_fd(int fd, size_t max, char **ret, size_t *ret_size);

/* One short line (an attribute of sysfs), trailing white space removed. */
int read_line_at(int dirfd, const char *path, char **ret);

/* A line holding one number, base as for strtoull. -EINVAL where it holds anything else. */
int read_u64_at(int dirfd, const char *path, int base, uint64_t *ret);

/* The last component of a symlink's target: the name of a driver, a group, a module. */
int read_link_name_at(int dirfd, const char *path, char **ret);

/* The whole of s as a number. -EINVAL on anything else, -ERANGE on overflow. */
int parse_u64(const char *s, int base, uint64_t *ret);
