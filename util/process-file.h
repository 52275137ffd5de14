/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "guarded-read.h"
#include "root.h"

/* Reading /proc/PID/maps, cmdline, environ, fdinfo and map_files: the files for which the kernel takes the
 * process's mmap_lock or reads its memory, so a process can make their reader wait for as long as it likes.
 * On the live host a child reads them (guarded-read.h). Each process is waited for only so long, and all of
 * them together too. On a recorded host they are files like any other. */

struct process {
        pid_t pid;
        uid_t uid;    /* the effective one; of a recorded host without meaning */
        bool trusted; /* root's, or process_trust() was asked for it; on a recorded host all are */
};

/* A round is one reading of the host. Only between process_round_begin() and process_round_end() are the
 * processes that did not answer remembered, and not asked again. */
struct unread_process {
        pid_t pid;
        bool trusted; /* root's, or a guest that libvirt started */
        char *command;
};

struct unread_processes {
        struct unread_process *processes; /* those that did not answer in time */
        size_t n;
        size_t n_unasked; /* there was no time left to ask these; all belong to users other than root */
};

void process_round_begin(const struct root *root);

/* ret: may be NULL. Returns 0 or -ENOMEM; release with unread_processes_done(). */
int process_round_end(const struct root *root, struct unread_processes *ret);
void unread_processes_done(struct unread_processes *u);

/* A guest that libvirt itself started is not a stranger, although its process is not root's. Until the round
 * ends. */
void process_trust(const struct root *root, pid_t pid);

/* All processes that run a program: the trusted ones first, then by number. Returns 0 or a negative errno;
 * *ret is the caller's to free. */
int process_list(const struct root *root, struct process **ret, size_t *ret_n);

/* One process. fd: its directory in /proc. */
struct process process_of(const struct root *root, pid_t pid, int fd);

/* Whether what the process itself chooses, like the names of its files, may be believed where it cannot be
 * checked: it is trusted, or ours, and then it could deceive only us. */
bool process_is_believed(const struct process *p);

/* name: a file below the process's directory fd. They return 0, -ETIMEDOUT where the process does not answer
 * in time, -EBUSY where there was no time left to ask it, or another negative errno. */

/* As read_file_at() does. */
int process_read_file(const struct root *root, const struct process *p, int fd, const char *name, size_t max,
                      char **ret, size_t *ret_size);

/* The same for what must not be recorded. */
int process_read_private(const struct root *root, const struct process *p, int fd, const char *name,
                         size_t max, char **ret, size_t *ret_size);

/* As grep_file_at() does, but gives the first max_lines lines only. *ret_more: how many there are besides.
 */
int process_grep(const struct root *root, const struct process *p, int fd, const char *name,
                 const char *const words[], size_t max_lines, char **ret, size_t *ret_more);
int process_grep_private(const struct root *root, const struct process *p, int fd, const char *name,
                         const char *const words[], size_t max_lines, char **ret, size_t *ret_more);

/* As statx(2), of what a link leads to, without asking a file server. */
int process_stat(const struct root *root, const struct process *p, int fd, const char *name,
                 struct statx *ret);

/* Runs f in a child (guarded-read.h), to which dirfd goes. Only on the live host. */
int process_run(const struct root *root, const struct process *p, int dirfd, guarded_function_t f,
                void *userdata, char **ret, size_t *ret_size);

/* What is looked at without a child, because it always answers, takes time as well where there is much of
 * it: a process can have a million descriptors. A stranger's counts as the time that it is waited for. */
struct process_time {
        uint64_t start, end; /* CLOCK_MONOTONIC */
};

/* Returns 0, or -EBUSY where there is no time left. */
int process_time_begin(const struct root *root, const struct process *p, struct process_time *ret);
bool process_time_is_over(const struct process_time *t);

/* r: what came of it: 0, -ETIMEDOUT where the time was over before the end, or another negative errno.
 * Returns that, or -ENOMEM. */
int process_time_end(const struct root *root, const struct process *p, const struct process_time *t, int r);

/* Whether an error of the above means that the process was left out for lack of time. */
bool process_is_unread(int r);

/* For struct root. NULL: no memory. */
struct process_reads;
struct process_reads *process_reads_new(void);
struct process_reads *process_reads_free(struct process_reads *reads);
