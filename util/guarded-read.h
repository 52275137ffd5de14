/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/* Reading what may never answer. A stranger's process can make the reader of its /proc/PID/maps wait for as
 * long as it likes (its memory is a file of a FUSE server that does not answer), so a child reads instead,
 * and is killed when its time is over. It is forked when it is first needed, and serves until it is stopped
 * or late. */
struct guarded_reader;

/* The caller frees it with guarded_reader_free(), which accepts NULL. NULL: no memory. */
struct guarded_reader *guarded_reader_new(void);
struct guarded_reader *guarded_reader_free(struct guarded_reader *g);

/* Ends the child if there is one. A child that is stuck is left to die by itself, and reaped later. */
void guarded_reader_stop(struct guarded_reader *g);

#define GUARDED_NAME_MAX 64
#define GUARDED_WORD_MAX 24
#define GUARDED_WORDS_MAX 4

/* name: below dirfd, shorter than GUARDED_NAME_MAX. Each waits for at most `usec`. The functions return 0,
 * -ETIMEDOUT where there was no answer in time, -ECONNRESET where the child died, or the negative errno of
 * whatever failed. */

/* Reads a whole file of at most `max` bytes (-EFBIG if it is larger), which is at most FILE_MAX_SIZE, and
 * terminates it with NUL. The caller frees *ret. */
int guarded_read(struct guarded_reader *g, uint64_t usec, int dirfd, const char *name, size_t max,
                 char **ret, size_t *ret_size);

/* Finds the lines that contain one of the words, of any file. words: up to NULL, at most GUARDED_WORDS_MAX,
 * each shorter than GUARDED_WORD_MAX. *ret: the first max_lines of them; the caller frees it. *ret_more: how
 * many there are besides. */
int guarded_grep(struct guarded_reader *g, uint64_t usec, int dirfd, const char *name,
                 const char *const words[], size_t max_lines, char **ret, size_t *ret_size,
                 size_t *ret_more);

/* As statx(2), with the basic fields, of what a link leads to. It does not ask a file server. */
int guarded_stat(struct guarded_reader *g, uint64_t usec, int dirfd, const char *name, struct statx *ret);

/* Runs f in a child of its own, for what takes more than reading. There, dirfd is the only descriptor but
 * `out`, to which f writes its answer, and changes nothing of ours. What is longer than `max` bytes is cut.
 * The caller frees *ret. */
typedef void (*guarded_function_t)(int dirfd, void *userdata, int out);
int guarded_run(struct guarded_reader *g, uint64_t usec, int dirfd, guarded_function_t f, void *userdata,
                size_t max, char **ret, size_t *ret_size);
