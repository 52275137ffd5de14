/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>

#include "root.h"

/* Files that can lie on a file server (FUSE, NFS): one that does not answer makes whoever opens or reads
 * them wait, for as long as it likes. On the live host a child does that, and is left behind where it is
 * late (guarded-read.h). On a recorded host they are files like any other. */

/* What is to be done with files, without a change to anything of ours: where the child does it, the caller
 * has only what is written to `out`. Returns 0 or a negative errno. */
typedef int (*guarded_file_function_t)(const struct root *root, const void *userdata, FILE *out);

/* Calls f. place: what it is about, by which a late answer is remembered: for half a minute it is not asked
 * for again. What f reads is reported to the observer (file-observer.h). *ret: what it has written, with a
 * NUL behind it, which the caller frees. Returns what f returns; -ETIMEDOUT where there was no answer in
 * time, also on a recorded host where that was so; or another negative errno. */
int guarded_file_run(const struct root *root, const char *place, guarded_file_function_t f,
                     const void *userdata, char **ret, size_t *ret_size);

/* As stat_at() does. */
int guarded_file_stat(const struct root *root, const char *path, struct stat *ret);

/* For struct root. NULL: no memory. */
struct guarded_files;
struct guarded_files *guarded_files_new(void);
struct guarded_files *guarded_files_free(struct guarded_files *files);

/* Whether anything was late, and is not asked for again yet. */
bool guarded_files_are_late(const struct root *root);
