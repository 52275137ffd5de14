/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/file-observer.h"
#include "util/root.h"

/* What was read of a host, as files that tell the same again: from root_open() of a directory that holds
 * them. */
struct record;

struct record_entry {
        char *path;          /* relative to the root, without a leading slash */
        enum file_kind kind; /* FILE_CONTENT, FILE_LINK or FILE_DIRECTORY */
        char *data;          /* content, or a link's target */
        size_t size;
};

/* Begins to record everything that is read through `root`; ends with record_end(). One at a time.
 * Returns 0 or -ENOMEM. */
int record_begin(const struct root *root, struct record **ret);

/* Stops, and puts what was seen in order: parents before what is in them, none twice, nothing below a link,
 * the answers in ANSWERS_FILE, and without what need not be told (redact.h). *ret_entries belongs to the
 * record. Returns 0 or -ENOMEM. */
int record_end(struct record *r, const struct record_entry **ret_entries, size_t *ret_n);
void record_free(struct record *r);
