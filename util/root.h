/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Where facts are read: the running host ("/"), or a directory that holds the recorded files of another. */
struct root {
        int fd;     /* O_PATH directory; every path is relative to it, without a leading slash */
        char *path; /* as the user named it, for libraries that take no descriptor */
        bool live;  /* the running host: probes and /proc/self make sense */
        struct answers *answers;     /* internal */
        struct process_reads *reads; /* of process-file.h */
        struct guarded_files *files; /* of guarded-file.h */
};

/* Opens dir (NULL: the running host). Returns 0 or a negative errno; release with root_close(). */
int root_open(struct root *root, const char *dir);
void root_close(struct root *root);

/* What no small file of a host shows (the result of a probe, code of a large binary) is a question, and a
 * recorded host has the answers: one line each, "QUESTION\tANSWER", in this file. */
#define ANSWERS_FILE "vfioalign/answers"

/* The recorded answer; the caller frees it. NULL if there is none, and always on a live host, which has to
 * be asked itself. */
char *root_answer(const struct root *root, const char *question);

/* Keeps the answer while the host is being recorded; otherwise does nothing. Neither text may contain a tab
 * or a newline. */
void root_note(const struct root *root, const char *question, const char *answer);

/* The size of the host's base pages in bytes: 4 KiB, or on some machines 16 or 64 KiB. 0 if a record does
 * not have it, or has one that cannot be. */
uint64_t root_page_size(const struct root *root);
