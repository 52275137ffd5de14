/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker-reply.h"

#include <assert.h>

#define JSON_DEPTH 16

DEFINE_TRIVIAL_CLEANUP(json_object *, json_object_put)

/* NULL where the member is missing or not a string. */
static const char *get_string(json_object *o, const char *key)
{
        json_object *v = NULL;

        if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_string))
                return NULL;
        return json_object_get_string(v);
}

static bool is_array_with(json_object *array, const char *key)
{
        if (!json_object_is_type(array, json_type_array))
                return false;
        for (size_t i = 0; i < json_object_array_length(array); i++)
                if (!get_string(json_object_array_get_idx(array, i), key))
                        return false;
        return true;
}

bool worker_group_is_valid(json_object *group)
{
        return json_object_is_type(group, json_type_object) &&
               json_object_is_type(json_object_object_get(group, "group"), json_type_int) &&
               bind_outcome_from_string(get_string(group, "outcome")) >= 0 &&
               is_array_with(json_object_object_get(group, "devices"), "address") &&
               is_array_with(json_object_object_get(group, "findings"), "id");
}

enum bind_outcome worker_group_outcome(json_object *group)
{
        enum bind_outcome outcome = bind_outcome_from_string(get_string(group, "outcome"));

        assert(outcome >= 0);
        return outcome;
}

/* One whole JSON text, or NULL. */
static json_object *parse_json(const char *text, size_t size)
{
        json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH);
        json_object *o;

        if (!tokener)
                return NULL;
        o = json_tokener_parse_ex(tokener, text, (int) size);
        if (json_tokener_get_parse_end(tokener) != size) {
                json_object_put(o);
                o = NULL;
        }
        json_tokener_free(tokener);
        return o;
}

static void report_reply(struct worker_reader *r, const struct worker_reply *reply)
{
        r->done = reply->type == WORKER_REPLY_DONE;
        r->on_reply(reply, r->userdata);
}

static void report_bad(struct worker_reader *r, const char *message)
{
        report_reply(r, &(struct worker_reply){ .type = WORKER_REPLY_BAD, .message = message });
}

static void take_line(struct worker_reader *r)
{
        _cleanup_(json_object_putp) json_object *o = parse_json(r->line, r->line_size);
        const char *type = get_string(o, "type") ?: "";

        if (streq(type, "group") && worker_group_is_valid(o))
                report_reply(r, &(struct worker_reply){ .type = WORKER_REPLY_GROUP, .group = o });
        else if (streq(type, "error"))
                report_reply(r, &(struct worker_reply){
                                        .type = WORKER_REPLY_ERROR,
                                        .message = get_string(o, "message") ?: "no reason was given",
                                });
        else if (streq(type, "done"))
                report_reply(r, &(struct worker_reply){ .type = WORKER_REPLY_DONE });
        else
                report_bad(r, "unexpected output");
}

/* A part of a line. One that cannot be kept is reported at once: its end may never come. */
static void keep_bytes(struct worker_reader *r, const char *bytes, size_t size)
{
        char *line;

        if (r->skips_line || size == 0)
                return;
        if (r->line_size + size > WORKER_LINE_MAX) {
                r->skips_line = true;
                report_bad(r, "a line of more than 8 MiB");
                return;
        }
        line = realloc(r->line, r->line_size + size);
        if (!line) {
                r->skips_line = true;
                report_bad(r, "no memory for a line");
                return;
        }
        memcpy(line + r->line_size, bytes, size);
        r->line = line;
        r->line_size += size;
}

void worker_reader_take(struct worker_reader *r, const char *bytes, size_t size)
{
        assert(r && r->on_reply);

        if (r->done || r->gave_up)
                return;
        r->output_size += size;
        if (r->output_size > WORKER_OUTPUT_MAX) {
                r->gave_up = true;
                report_bad(r, "more than 16 MiB of output");
                return;
        }
        while (size > 0 && !r->done) {
                const char *newline = memchr(bytes, '\n', size);
                size_t n = newline ? (size_t) (newline - bytes) : size;

                keep_bytes(r, bytes, n);
                if (!newline)
                        return;
                if (!r->skips_line)
                        take_line(r);
                r->line_size = 0;
                r->skips_line = false;
                bytes += n + 1;
                size -= n + 1;
        }
}

ssize_t worker_reader_read(struct worker_reader *r, int fd)
{
        char buffer[64 << 10];
        ssize_t n;

        n = read(fd, buffer, sizeof(buffer));
        if (n < 0)
                return -errno;
        worker_reader_take(r, buffer, (size_t) n);
        return n;
}

void worker_reader_done(struct worker_reader *r)
{
        free(r->line);
        *r = (struct worker_reader){};
}
