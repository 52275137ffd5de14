/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* How a host is recorded: one observer in the process sees everything that util/file.h reads, by absolute
 * path, and every answer that root_note() keeps. The same file can be reported several times. */
enum file_kind {
        FILE_CONTENT, /* all of a file; nothing if it was only opened */
        FILE_EXCERPT, /* some of its lines */
        FILE_LINK,    /* data: the target */
        FILE_DIRECTORY,
        FILE_DENIED, /* the file exists, but may not be read */
        FILE_ANSWER, /* path: a question, data: the answer; see root_note() */
};

/* data: `size` bytes, valid during the call; NULL if there are none. */
typedef void (*file_observer_t)(enum file_kind kind, const char *path, const char *data, size_t size,
                                void *userdata);

/* observer: NULL ends the observation. */
void file_observe(file_observer_t observer, void *userdata);
bool file_is_observed(void);

/* Each of these reports to the observer, and does nothing without one. */
void file_report(enum file_kind kind, const char *path, const char *data, size_t size);

/* fd: opened as `path` below dirfd. It is reported under its real path, and if that is another one than was
 * asked for, so is the link from one to the other. */
void file_report_opened(enum file_kind kind, int dirfd, const char *path, int fd, const char *data,
                        size_t size);

/* r: the result of opening or reading `path` below dirfd, which is reported if access was denied. Returns
 * r. */
int file_report_denied(int dirfd, const char *path, int r);

/* path: a symlink below dirfd, target: what it says. */
void file_report_link(int dirfd, const char *path, const char *target);

/* One name that a directory lists, even if nobody looks further at the file that has it. */
void file_report_entry(int dirfd, const char *name);
