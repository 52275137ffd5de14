/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Reading below a directory. Every path is resolved as if the directory were the root of everything
 * (openat2(2), RESOLVE_IN_ROOT): symlinks, also absolute ones, stay below it, and magic links
 * (/proc/PID/exe) are not followed. With AT_FDCWD a path means what it means to everybody. */

/* The largest file that is ever read whole; everything a kernel or an operator gives us is far below. */
#define FILE_MAX_SIZE (64U << 20)

/* A descriptor (O_CLOEXEC is added) or a negative errno. A recorded file that could not be read is a link to
 * itself, which is -EACCES here. */
int open_at(int dirfd, const char *path, int flags);

bool exists_at(int dirfd, const char *path);

/* Reads a file below dirfd whole, at most `max` bytes, and terminates it with NUL.
 * Returns 0, -EFBIG over the bound, or the negative errno of open or read. *ret is the caller's to free. */
int read_file_at(int dirfd, const char *path, size_t max, char **ret, size_t *ret_size);

/* The same from an open descriptor, from its current position on. */
int read_fd(int fd, size_t max, char **ret, size_t *ret_size);

/* A large file of which some lines are asked for more than once: it is read once, whole, at most
 * FILE_MAX_SIZE. `path` has to outlive it. Returns 0, -EFBIG over the bound, or the negative errno of open
 * or read. */
struct file_lines {
        int fd, dirfd;
        const char *path;
        char *text;
        size_t size;
};
#define FILE_LINES_NONE \
        { \
                .fd = -EBADF \
        }
int file_lines_open_at(int dirfd, const char *path, struct file_lines *ret);
void file_lines_close(struct file_lines *f);

/* The lines that contain one of the words (up to NULL), each with its newline. *ret is the caller's to free.
 */
int file_lines_grep(const struct file_lines *f, const char *const words[], char **ret);

/* The same of a file that is asked once. */
int grep_file_at(int dirfd, const char *path, const char *const words[], char **ret);

/* One short line (an attribute of sysfs), trailing white space removed. */
int read_line_at(int dirfd, const char *path, char **ret);

/* The cheap way, for thousands of them: a sysfs attribute in that very directory (no path), by a single
 * read, which gives all of it (Documentation/filesystems/sysfs.rst), cut at the buffer's size; trailing
 * white space removed. */
int read_attribute_at(int dirfd, const char *name, char *buf, size_t size);

/* A line holding one number, base as for strtoull. -EINVAL where it holds anything else. */
int read_u64_at(int dirfd, const char *path, int base, uint64_t *ret);

/* A symlink's target; the second, its last component: the name of a driver, a group, a module. */
int read_link_at(int dirfd, const char *path, char **ret);
int read_link_name_at(int dirfd, const char *path, char **ret);

struct names {
        char **names; /* sorted by byte; NULL where there is none */
        size_t n;
};

/* What a directory holds, without "." and "..". */
int list_dir_at(int dirfd, const char *path, struct names *ret);
void names_done(struct names *names);

/* The whole of s as a number. -EINVAL on anything else, -ERANGE on overflow. */
int parse_u64(const char *s, int base, uint64_t *ret);

/* How a host is recorded: one observer is told of all that is read here, by absolute path. One file can come
 * several times. */
enum file_kind {
        FILE_CONTENT, /* all of it; nothing where it was only opened */
        FILE_LINES,   /* some of its lines */
        FILE_LINK,    /* data: the target */
        FILE_DIRECTORY,
        FILE_DENIED, /* it is there, and may not be read */
        FILE_ANSWER, /* path: a question, data: the answer; see root_note() */
};

typedef void (*file_observer_t)(enum file_kind kind, const char *path, const char *data, size_t size,
                                void *userdata);

/* NULL: nobody. */
void file_observe(file_observer_t observer, void *userdata);
bool file_is_observed(void);
void file_tell(enum file_kind kind, const char *path, const char *data, size_t size);
