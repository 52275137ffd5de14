/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Reading below a directory. Every path is resolved as if the directory were the root of everything
 * (openat2(2), RESOLVE_IN_ROOT): symlinks, also absolute ones, stay below it, and magic links
 * (/proc/PID/exe) are not followed. With AT_FDCWD a path means what it means to everybody. Whatever is read
 * is reported to the observer (file-observer.h). Outputs are untouched on failure. */

/* The largest file that is ever read whole; everything that a kernel or an operator gives us is far
 * smaller. */
#define FILE_MAX_SIZE (64U << 20)

/* Returns a descriptor (O_CLOEXEC is added) or a negative errno. A recorded file that could not be read is a
 * link to itself, which is -EACCES here. path: "" is the directory itself. */
int open_at(int dirfd, const char *path, int flags);

/* Opens a regular file of at most FILE_MAX_SIZE for reading, for a library that reads it by itself: its
 * content is not reported. Returns a descriptor, -EBADMSG if it is not a regular file, -EFBIG if it is
 * larger, or another negative errno. ret: its status; may be NULL. */
int open_regular_at(int dirfd, const char *path, struct stat *ret);

/* Whether the path leads to something that can be opened; false on any error. */
bool exists_at(int dirfd, const char *path);

/* As stat(2). Returns 0 or a negative errno. */
int stat_at(int dirfd, const char *path, struct stat *ret);

/* Reads a whole file of at most `max` bytes, and terminates it with NUL. Returns 0, -EFBIG if it is larger,
 * or the negative errno of open or read. The caller frees *ret; ret_size may be NULL. */
int read_file_at(int dirfd, const char *path, size_t max, char **ret, size_t *ret_size);

/* The same from an open descriptor, from its current position on. Not reported. */
int read_fd(int fd, size_t max, char **ret, size_t *ret_size);

/* A large file that is searched more than once: it is read once, whole. Opening returns 0, -EFBIG if it is
 * larger than FILE_MAX_SIZE, or the negative errno of open or read. dirfd and path have to outlive it. */
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

/* Finds the lines that contain one of the words, and of these only what was found is reported. words: up to
 * NULL, at most GREP_WORDS_MAX. *ret: the lines, each with its newline if it has one; empty if there are
 * none; the caller frees it. Returns 0, -EFBIG or -ENOMEM. */
#define GREP_WORDS_MAX 32
int file_lines_grep(const struct file_lines *f, const char *const words[], char **ret);

/* The same for a file that is searched only once. */
int grep_file_at(int dirfd, const char *path, const char *const words[], char **ret);

/* The first line of a short file (an attribute of sysfs), at most 4096 bytes, without trailing white space.
 * The caller frees *ret. */
int read_line_at(int dirfd, const char *path, char **ret);

/* The cheap way, for thousands of them: a sysfs attribute in that very directory (no path). A single read
 * gives all of it (Documentation/filesystems/sysfs.rst); it is cut at the buffer's size, and trailing white
 * space is removed. */
int read_attribute_at(int dirfd, const char *name, char *buf, size_t size);

/* A line that holds one number, base as for strtoull(). -EINVAL if it holds anything else. */
int read_u64_at(int dirfd, const char *path, int base, uint64_t *ret);

/* A symlink's target; or only its last component, which is the name of a driver, a group, a module. -EINVAL
 * if it is not a symlink. The caller frees *ret. */
int read_link_at(int dirfd, const char *path, char **ret);
int read_link_name_at(int dirfd, const char *path, char **ret);

struct names {
        char **names; /* sorted by byte; NULL if there are none */
        size_t n;
};

/* The names in a directory, without "." and "..". Release with names_done(). */
int list_dir_at(int dirfd, const char *path, struct names *ret);
void names_done(struct names *names);
