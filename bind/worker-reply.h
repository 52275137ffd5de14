/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "outcome.h"

/* The reading side of what vfioalign-worker writes (worker.h). It is not trusted: a line that is not a reply
 * costs that line, and the lines after it still count, as they say where devices are. */

/* A worker keeps to the first. Both bound what a broken one can make us hold. */
#define WORKER_LINE_MAX ((size_t) 8 << 20)
#define WORKER_OUTPUT_MAX ((size_t) 16 << 20)

enum worker_reply_type {
        WORKER_REPLY_GROUP, /* one group is through */
        WORKER_REPLY_ERROR, /* the worker gives up; `message` says why */
        WORKER_REPLY_DONE,  /* the last one */
        WORKER_REPLY_BAD,   /* not a reply; `message` says what is wrong with the output */
        _WORKER_REPLY_MAX,
};

struct worker_reply {
        enum worker_reply_type type;
        json_object *group;  /* of a group: valid by worker_group_is_valid(); else NULL */
        const char *message; /* of an error or a bad line; else NULL */
};

/* The caller sets the first two; the rest starts zeroed. What `reply` points to lives as long as the call:
 * whoever keeps the group takes a reference. */
struct worker_reader {
        void (*on_reply)(const struct worker_reply *reply, void *userdata);
        void *userdata;

        bool done;  /* WORKER_REPLY_DONE has come: what follows it is ignored */
        char *line; /* what has come of the next line */
        size_t line_size, output_size;
        bool skips_line; /* the rest of a line that was reported as bad */
        bool gave_up;    /* more than WORKER_OUTPUT_MAX has come: the rest is ignored */
};

/* Reads once from fd, and reports each line that is complete. A worker whose output is no longer wanted
 * should still be read from, or it blocks in the middle of its work. Returns the number of bytes read, 0 at
 * the end, or a negative errno. */
ssize_t worker_reader_read(struct worker_reader *r, int fd);

/* The same of bytes that are in memory. */
void worker_reader_take(struct worker_reader *r, const char *bytes, size_t size);
void worker_reader_done(struct worker_reader *r);

/* A group has a number, an outcome, devices with addresses and findings with ids, each of its type. group
 * may be anything, NULL too. The others want a group that is valid. */
bool worker_group_is_valid(json_object *group);
enum bind_outcome worker_group_outcome(json_object *group);
