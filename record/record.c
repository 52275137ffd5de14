/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record.h"

#include <assert.h>
#include <ctype.h>
#include <limits.h>

#include "redact.h"
#include "util/array.h"
#include "util/macro.h"
#include "util/memory.h"

struct record {
        char *prefix; /* the root's real path, "" for a running host */
        struct record_entry *entries;
        size_t n;
        int error;
};

static void entry_done(struct record_entry *e)
{
        free(e->path);
        free(e->data);
        *e = (struct record_entry){};
}

static int add_entry(struct record *r, enum file_kind kind, const char *path, const char *data, size_t size)
{
        _cleanup_(entry_done) struct record_entry e = {
                .path = strdup(path),
                .kind = kind,
                .data = malloc(size + 1),
                .size = size,
        };
        struct record_entry *slot;

        if (!e.path || !e.data)
                return -ENOMEM;
        memcpy(e.data, data ?: "", size);
        e.data[size] = '\0';
        slot = array_append(r->entries, r->n);
        if (!slot)
                return -ENOMEM;
        *slot = TAKE(e, (struct record_entry){});
        return 0;
}

/* A file_observer_t; userdata: the record. */
static void observe_file(enum file_kind kind, const char *path, const char *data, size_t size,
                         void *userdata)
{
        struct record *r = userdata;
        const char *inside = path;

        if (r->error < 0)
                return;
        if (kind != FILE_ANSWER) {
                inside = startswith(path, r->prefix);
                if (!inside || *inside != '/')
                        return;
                inside++;
        }
        /* Of a path through links, the target is the real path, which begins with the root's own. */
        if (kind == FILE_LINK && *r->prefix && startswith(data, r->prefix)) {
                data += strlen(r->prefix);
                size -= strlen(r->prefix);
        }
        /* A link to itself stands for a file that could not be read: see open_at(). */
        if (kind == FILE_DENIED) {
                const char *slash = strrchr(inside, '/');

                kind = FILE_LINK;
                data = slash ? slash + 1 : inside;
                size = strlen(data);
        }
        /* The answers of a recorded host are read from this file, and are written again as such. */
        if (*inside && (kind == FILE_ANSWER || !streq(inside, ANSWERS_FILE)))
                r->error = add_entry(r, kind, inside, data, size);
}

int record_begin(const struct root *root, struct record **ret)
{
        struct record *r;

        assert(root);
        assert(ret);

        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        r->prefix = root->live ? strdup("") : realpath(root->path, NULL);
        if (!r->prefix) {
                free(r);
                return -ENOMEM;
        }
        file_observe(observe_file, r);
        *ret = r;
        return 0;
}

void record_free(struct record *r)
{
        if (!r)
                return;
        for (size_t i = 0; i < r->n; i++)
                entry_done(&r->entries[i]);
        free(r->entries);
        free(r->prefix);
        free(r);
}

/* The end of a path first, then a slash, so what is in a folder follows it directly. */
static int path_character_rank(char c)
{
        if (c == '\0')
                return 0;
        if (c == '/')
                return 1;
        return (unsigned char) c + 1;
}

static int compare_paths(const char *a, const char *b)
{
        for (; *a && *a == *b; a++, b++)
                ;
        return path_character_rank(*a) - path_character_rank(*b);
}

/* Answers come last, other entries are sorted by path, those of one path by size. */
static int compare_entries(const void *a, const void *b)
{
        const struct record_entry *x = a, *y = b;
        int r = (x->kind == FILE_ANSWER) - (y->kind == FILE_ANSWER) ?: compare_paths(x->path, y->path);

        return r ?: (x->size > y->size) - (x->size < y->size);
}

static bool has_line(const char *text, const char *line, size_t n)
{
        for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n')
                if (strncmp(p, line, n) == 0 && strchr("\n", p[n]))
                        return true;
        return false;
}

/* Appends the lines of `from` that `to` does not have. */
static int add_lines(struct record_entry *to, const struct record_entry *from)
{
        for (const char *p = from->data; *p;) {
                size_t n = strcspn(p, "\n"), whole = n + (p[n] == '\n');

                if (!has_line(to->data, p, n)) {
                        char *longer = realloc(to->data, to->size + whole + 1);

                        if (!longer)
                                return -ENOMEM;
                        memcpy(longer + to->size, p, whole);
                        to->data = longer;
                        to->size += whole;
                        longer[to->size] = '\0';
                }
                p += whole;
        }
        return 0;
}

/* Two entries of one path become one, in `into`: the fuller of both, which is `from` because they are sorted
 * by size; lines are all kept. */
static int merge_entries(struct record_entry *into, struct record_entry *from)
{
        if (into->kind == FILE_EXCERPT && from->kind == FILE_EXCERPT) {
                int r = add_lines(from, into);

                if (r < 0)
                        return r;
        }
        /* A link and what it leads to have different paths, unless a link was replaced while we read. */
        if (into->kind == FILE_LINK)
                return 0;
        SWAP(*into, *from);
        return 0;
}

static bool is_denied(const struct record_entry *e)
{
        const char *slash = strrchr(e->path, '/');

        return e->kind == FILE_LINK && streq(e->data, slash ? slash + 1 : e->path);
}

/* "/proc/PID/..." of which no fact needs anything. */
static bool is_idle_process(const struct record_entry *e)
{
        const char *pid = startswith(e->path, "proc/");

        if (!pid || !isdigit((unsigned char) *pid))
                return false;
        return e->kind == FILE_DIRECTORY || e->size == 0 || is_denied(e);
}

static int redact_entry(struct record_entry *e)
{
        _cleanup_free_ char *path = NULL;
        char *text;
        size_t size;
        int r;

        if (asprintf(&path, "/%s", e->path) < 0)
                return -ENOMEM;
        if (redaction_of(path) == REDACT_NOTHING)
                return 0;
        r = redact(redaction_of(path), e->data, e->size, &text, &size);
        if (r < 0)
                return r;
        free(e->data);
        e->data = text;
        e->size = size;
        return 0;
}

/* Turns the answers, which begin at entry `first`, into one file. */
static int write_answers(struct record *r, size_t first)
{
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return -ENOMEM;
        for (size_t i = first; i < r->n; i++)
                if (i + 1 == r->n || !streq(r->entries[i].path, r->entries[i + 1].path))
                        fprintf(f, "%s\t%s\n", r->entries[i].path, r->entries[i].data);
        if (memory_stream_close(f, &text) < 0)
                return -ENOMEM;
        for (size_t i = first; i < r->n; i++)
                entry_done(&r->entries[i]);
        r->n = first;
        if (size == 0)
                return 0;
        return add_entry(r, FILE_CONTENT, ANSWERS_FILE, text, size);
}

/* Merges entries of one path and drops what need not be kept, among the n that are sorted. Those that stay
 * move to the front: *ret_n. */
static int compact_entries(struct record *r, size_t n, size_t *ret_n)
{
        const char *link = NULL;
        size_t kept = 0;
        int error = 0;

        for (size_t i = 0; i < n && error >= 0; i++) {
                struct record_entry *e = &r->entries[i];
                const char *below = link ? startswith(e->path, link) : NULL;

                if (kept > 0 && streq(r->entries[kept - 1].path, e->path)) {
                        error = merge_entries(&r->entries[kept - 1], e);
                        entry_done(e);
                        continue;
                }
                /* What is below a link was also seen by its real path. */
                if ((below && *below == '/') || is_idle_process(e)) {
                        entry_done(e);
                        continue;
                }
                r->entries[kept++] = TAKE(*e, (struct record_entry){});
                if (r->entries[kept - 1].kind == FILE_LINK)
                        link = r->entries[kept - 1].path;
        }
        *ret_n = kept;
        return error;
}

int record_end(struct record *r, const struct record_entry **ret_entries, size_t *ret_n)
{
        size_t n, first = 0;
        int error;

        assert(r);
        assert(ret_entries);
        assert(ret_n);

        file_observe(NULL, NULL);
        if (r->error < 0)
                return r->error;
        if (r->n > 0)
                qsort(r->entries, r->n, sizeof(*r->entries), compare_entries);
        while (first < r->n && r->entries[first].kind != FILE_ANSWER)
                first++;

        error = compact_entries(r, first, &n);
        if (error < 0)
                return error;
        if (r->n > first)
                memmove(&r->entries[n], &r->entries[first], (r->n - first) * sizeof(*r->entries));
        r->n -= first - n;

        for (size_t i = 0; i < n; i++) {
                if (r->entries[i].kind == FILE_EXCERPT)
                        r->entries[i].kind = FILE_CONTENT;
                if (r->entries[i].kind != FILE_CONTENT)
                        continue;
                error = redact_entry(&r->entries[i]);
                if (error < 0)
                        return error;
        }
        error = write_answers(r, n);
        if (error < 0)
                return error;
        *ret_entries = r->entries;
        *ret_n = r->n;
        return 0;
}
