/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/file-observer.h"
#include "util/root.h"

/* What was read of a host, as files. A directory that holds them can be given to root_open(), and gives the
 * same facts again. */
struct record;

struct record_entry {
        char *path;          /* relative to the root, without a leading slash */
        enum file_kind kind; /* FILE_CONTENT, FILE_LINK or FILE_DIRECTORY */
        char *data;          /* content, or a link's target */
        size_t size;
};

/* Begins to record everything that is read through `root`, until record_end(). Only one at a time. Returns 0
 * or -ENOMEM. */
int record_begin(const struct root *root, struct record **ret);

/* Stops recording and puts the entries in order: a directory comes before what is in it, no path comes
 * twice, nothing is below a link, the answers are in ANSWERS_FILE, and private parts are left out
 * (redact.h). *ret_entries belongs to the record. Returns 0 or -ENOMEM. */
int record_end(struct record *r, const struct record_entry **ret_entries, size_t *ret_n);

/* NULL is fine. */
void record_free(struct record *r);
