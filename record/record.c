/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record.h"

#include <ctype.h>
#include <limits.h>

#include "redact.h"
#include "util/array.h"
#include "util/macro.h"

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
}

static int add(struct record *r, enum file_kind kind, const char *path, const char *data, size_t size)
{
        struct record_entry e = { .path = strdup(path),
                                  .kind = kind,
                                  .data = malloc(size + 1),
                                  .size = size },
                            *slot;

        if (!e.path || !e.data || !(slot = array_append(r->entries, r->n))) {
                entry_done(&e);
                return -ENOMEM;
        }
        memcpy(e.data, data ?: "", size);
        e.data[size] = '\0';
        *slot = e;
        return 0;
}

static void observe(enum file_kind kind, const char *path, const char *data, size_t size, void *userdata)
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
        /* Where a link led to, as opposed to what it says */
        if (kind == FILE_LINK && *r->prefix && startswith(data, r->prefix)) {
                data += strlen(r->prefix);
                size -= strlen(r->prefix);
        }
        if (kind == FILE_DENIED) {
                const char *slash = strrchr(inside, '/');

                kind = FILE_LINK;
                data = slash ? slash + 1 : inside;
                size = strlen(data);
        }
        if (*inside)
                r->error = add(r, kind, inside, data, size);
}

int record_begin(const struct root *root, struct record **ret)
{
        struct record *r = calloc(1, sizeof(*r));

        if (!r)
                return -ENOMEM;
        r->prefix = root->live ? strdup("") : realpath(root->path, NULL);
        if (!r->prefix) {
                free(r);
                return -ENOMEM;
        }
        file_observe(observe, r);
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

/* By path, a folder directly before what is in it; of one path the fullest last; answers behind all. */
static int compare_paths(const char *a, const char *b)
{
        for (; *a && *a == *b; a++, b++)
                ;
        if (*a == *b)
                return 0;
        return (*a == '/' ? 1 : (unsigned char) *a + 1) * !!*a <
                               (*b == '/' ? 1 : (unsigned char) *b + 1) * !!*b
                       ? -1
                       : 1;
}

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

/* Two views of one path become one: of lines all, of anything else the fuller. */
static int merge(struct record_entry *into, struct record_entry *from)
{
        if (into->kind == FILE_EXCERPT && from->kind == FILE_EXCERPT) {
                for (const char *p = into->data; *p;) {
                        size_t n = strcspn(p, "\n"), whole = n + (p[n] == '\n');
                        char *longer;

                        if (!has_line(from->data, p, n)) {
                                longer = realloc(from->data, from->size + whole + 1);
                                if (!longer)
                                        return -ENOMEM;
                                memcpy(longer + from->size, p, whole);
                                from->data = longer;
                                from->size += whole;
                                longer[from->size] = '\0';
                        }
                        p += whole;
                }
        }
        /* Sorted by size: the later is the fuller. A link and what it leads to share no path, but for a
         * race. */
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

/* "/proc/PID/..." of a process that has nothing to tell. */
static bool is_idle_process(const struct record_entry *e)
{
        const char *pid = startswith(e->path, "proc/");

        if (!pid || !isdigit((unsigned char) *pid))
                return false;
        return e->kind == FILE_DIRECTORY || e->size == 0 || is_denied(e);
}

/* What it need not tell is left out. */
static int leave_out(struct record_entry *e)
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

/* The answers become one file. */
static int write_answers(struct record *r, size_t first)
{
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        int error = 0;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return -ENOMEM;
        for (size_t i = first; i < r->n; i++)
                if (i + 1 == r->n || !streq(r->entries[i].path, r->entries[i + 1].path))
                        fprintf(f, "%s\t%s\n", r->entries[i].path, r->entries[i].data);
        if (fclose(f) != 0)
                return -ENOMEM;
        for (size_t i = first; i < r->n; i++)
                entry_done(&r->entries[i]);
        r->n = first;
        if (size > 0)
                error = add(r, FILE_CONTENT, ANSWERS_FILE, text, size);
        return error;
}

int record_end(struct record *r, const struct record_entry **ret_entries, size_t *ret_n)
{
        const char *link = NULL;
        size_t n = 0, first = 0;
        int error = r->error;

        file_observe(NULL, NULL);
        if (error < 0)
                return error;
        if (r->n > 0)
                qsort(r->entries, r->n, sizeof(*r->entries), compare_entries);
        while (first < r->n && r->entries[first].kind != FILE_ANSWER)
                first++;

        for (size_t i = 0; i < first; i++) {
                struct record_entry *e = &r->entries[i];
                const char *below = link ? startswith(e->path, link) : NULL;

                if (n > 0 && streq(r->entries[n - 1].path, e->path)) {
                        error = merge(&r->entries[n - 1], e);
                        entry_done(e);
                } else if ((below && *below == '/') || is_idle_process(e)) {
                        entry_done(e); /* it has another path, by which it was told too */
                } else {
                        r->entries[n] = *e;
                        link = e->kind == FILE_LINK ? r->entries[n].path : link;
                        n++;
                }
                if (error < 0)
                        break;
        }
        memmove(&r->entries[n], &r->entries[first], (r->n - first) * sizeof(*r->entries));
        r->n -= first - n;
        if (error < 0)
                return error;
        for (size_t i = 0; i < n && error >= 0; i++) {
                if (r->entries[i].kind == FILE_EXCERPT)
                        r->entries[i].kind = FILE_CONTENT;
                if (r->entries[i].kind == FILE_CONTENT)
                        error = leave_out(&r->entries[i]);
        }
        if (error >= 0)
                error = write_answers(r, n);
        *ret_entries = r->entries;
        *ret_n = r->n;
        return error;
}
