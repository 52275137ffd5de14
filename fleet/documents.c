/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "documents.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "report/json.h"
#include "util/json-strict.h"
#include "util/macro.h"

/* Members of a whole report that no row has: nearly all of its text. */
static const char *const skipped_members[] = {
        "devices",           "iommu",     "iommus",       "kvm", "libvirt", "mappings",
        "mappings_complete", "processes", "vfio_holders",
};

/* Longer than any text that is used of a row. */
#define STRING_SIZE 4096

/* Where memory is out, json-c loses a piece of a string, and does not say so. Once it has read a long one,
 * it has the memory for all that are shorter. */
static int read_long_string(json_tokener *t)
{
        char text[STRING_SIZE + 2];
        json_object *o;
        bool is_whole;

        memset(text, 'x', sizeof(text));
        text[0] = text[sizeof(text) - 1] = '"';
        o = json_tokener_parse_ex(t, text, sizeof(text));
        is_whole = json_object_is_type(o, json_type_string) && json_object_get_string_len(o) == STRING_SIZE;
        json_object_put(o);
        return is_whole ? 0 : -ENOMEM;
}

int documents_open(struct documents *d, on_document_t on_document, void *userdata)
{
        assert(d);
        assert(on_document);

        *d = (struct documents){ .on_document = on_document, .userdata = userdata, .line_begins = true };
        d->tokener = json_tokener_new_ex(DOCUMENT_MAX_DEPTH);
        if (!d->tokener)
                return -ENOMEM;
        json_tokener_be_strict(d->tokener);
        return read_long_string(d->tokener);
}

void documents_done(struct documents *d)
{
        if (d->tokener)
                json_tokener_free(d->tokener);
        free(d->kept);
        *d = (struct documents){};
}

/* Forgets the document that is being read. */
static void drop_document(struct documents *d)
{
        d->n_kept = d->size = d->key = d->n_members = d->depth = 0;
        d->in_string = d->is_escaped = d->in_value = d->is_skipped = d->is_broken = false;
}

/* The rest of it is left out. */
static int break_document(struct documents *d)
{
        drop_document(d);
        d->is_broken = true;
        return d->on_document(NULL, d->userdata);
}

static int keep_bytes(struct documents *d, const char *data, size_t n)
{
        size_t capacity = d->capacity ?: 4096;
        char *larger;

        if (n > DOCUMENT_MAX_KEPT - d->n_kept)
                return -EFBIG;
        while (capacity < d->n_kept + n)
                capacity *= 2;
        if (capacity > d->capacity) {
                larger = realloc(d->kept, capacity);
                if (!larger)
                        return -ENOMEM;
                d->kept = larger;
                d->capacity = capacity;
        }
        memcpy(d->kept + d->n_kept, data, n);
        d->n_kept += n;
        return 0;
}

static size_t count_members(json_object *o)
{
        size_t n = 0;

        if (json_object_is_type(o, json_type_object)) {
                json_object_object_foreach (o, key, value) {
                        (void) key;
                        n += 1 + count_members(value);
                }
        }
        for (size_t i = 0; i < json_length(o); i++)
                n += count_members(json_object_array_get_idx(o, i));
        return n;
}

/* NULL where it is not a document, or not all of it is there: one that names a member twice can be read in
 * more than one way. */
static json_object *parse_kept(struct documents *d)
{
        json_object *o;

        json_tokener_reset(d->tokener);
        o = json_tokener_parse_ex(d->tokener, d->kept, (int) d->n_kept);
        if (json_object_is_type(o, json_type_object) && count_members(o) == d->n_members)
                return o;
        json_object_put(o);
        return NULL;
}

/* Where memory is out for a moment, json-c leaves something out and does not say so. */
static int finish_document(struct documents *d)
{
        json_object *o = parse_kept(d) ?: parse_kept(d);
        int r;

        drop_document(d);
        r = d->on_document(o, d->userdata);
        json_object_put(o);
        return r;
}

static bool is_skipped_member(const struct documents *d)
{
        const char *key = d->kept + d->key;
        size_t n = d->n_kept - d->key;

        for (size_t i = 0; i < ELEMENTSOF(skipped_members); i++) {
                size_t length = strlen(skipped_members[i]);

                if (n > length + 2 && key[0] == '"' && key[length + 1] == '"' &&
                    strncmp(key + 1, skipped_members[i], length) == 0)
                        return true;
        }
        return false;
}

/* Where in the bytes that were given the reading is. What is before `run` is kept already, or skipped. */
struct place {
        const char *p, *run, *end;
};

static int keep_run(struct documents *d, struct place *at, const char *end)
{
        int r = 0;

        if (!d->is_skipped && d->depth > 0 && end > at->run)
                r = keep_bytes(d, at->run, (size_t) (end - at->run));
        at->run = end;
        return r;
}

/* Behind a key of the outermost object. */
static int begin_value(struct documents *d, struct place *at)
{
        int r = keep_run(d, at, at->p + 1);

        if (r < 0)
                return r;
        d->in_value = true;
        if (!is_skipped_member(d))
                return 0;
        d->is_skipped = true;
        return keep_bytes(d, "null", strlen("null"));
}

static void end_value(struct documents *d, struct place *at)
{
        if (d->is_skipped)
                at->run = at->p;
        d->in_value = d->is_skipped = false;
}

/* A character outside of strings, in a document. -EBADMSG where it cannot be read. */
static int read_syntax(struct documents *d, struct place *at)
{
        int r;

        switch (*at->p) {
        case '"':
                d->in_string = true;
                if (d->depth == 1 && !d->in_value)
                        d->key = d->n_kept + (size_t) (at->p - at->run);
                return 0;
        case ':':
                d->n_members += !d->is_skipped;
                return d->depth == 1 && !d->in_value ? begin_value(d, at) : 0;
        case ',':
                if (d->depth == 1)
                        end_value(d, at);
                return 0;
        case '{':
        case '[':
                return ++d->depth > DOCUMENT_MAX_DEPTH ? -EBADMSG : 0;
        case '}':
        case ']':
                if (d->depth == 1) {
                        end_value(d, at);
                        r = keep_run(d, at, at->p + 1);
                        return r < 0 ? r : finish_document(d);
                }
                d->depth--;
                return 0;
        default:
                return 0;
        }
}

/* Up to the end of the string or of the bytes. */
static int read_string(struct documents *d, struct place *at)
{
        for (; at->p < at->end; at->p++) {
                if ((unsigned char) *at->p < ' ')
                        return -EBADMSG; /* JSON has none in a string: it was cut */
                if (d->is_escaped)
                        d->is_escaped = false;
                else if (*at->p == '\\')
                        d->is_escaped = true;
                else if (*at->p == '"') {
                        d->in_string = false;
                        return 0;
                }
        }
        at->p--; /* the loop of the caller goes on */
        return 0;
}

/* Between documents there can be white space, what makes an array of them, a byte order mark, and the record
 * separator of RFC 7464. */
static bool is_separator(char c)
{
        return c != '\0' && strchr(" \t\r\n,[]\x1e\xef\xbb\xbf", c);
}

static int begin_document(struct documents *d, struct place *at)
{
        drop_document(d);
        d->depth = 1;
        at->run = at->p;
        return 0;
}

static int read_character(struct documents *d, struct place *at, bool begins_line)
{
        int r = 0;

        if (begins_line && *at->p == '{') {
                if (d->depth > 0)
                        r = d->on_document(NULL, d->userdata);
                return r < 0 ? r : begin_document(d, at);
        }
        if (d->is_broken)
                return 0;
        if (d->depth > 0)
                return d->in_string ? read_string(d, at) : read_syntax(d, at);
        if (*at->p == '{')
                return begin_document(d, at);
        return is_separator(*at->p) ? 0 : break_document(d);
}

int documents_feed(struct documents *d, const char *data, size_t n)
{
        struct place at = { .p = data, .run = data, .end = data + n };
        int r;

        assert(d);
        assert(data || n == 0);

        for (; at.p < at.end; at.p++) {
                bool begins_line = d->line_begins;
                const char *before = at.p;

                r = read_character(d, &at, begins_line);
                d->line_begins = *at.p == '\n';
                d->size = d->depth > 0 ? d->size + (size_t) (at.p - before) + 1 : 0;
                if (r == -EBADMSG || r == -EFBIG || (r == 0 && d->size > DOCUMENT_MAX_SIZE))
                        r = break_document(d);
                if (r < 0)
                        return r;
        }
        r = keep_run(d, &at, at.end);
        return r == -EFBIG ? break_document(d) : r;
}

int documents_end(struct documents *d)
{
        bool is_cut;

        assert(d);

        is_cut = d->depth > 0;
        drop_document(d);
        d->line_begins = true;
        return is_cut ? d->on_document(NULL, d->userdata) : 0;
}
