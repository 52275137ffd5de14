/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-row.h"

#include <assert.h>
#include <search.h>
#include <systemd/sd-id128.h>
#include <time.h>

#include "audit/verdict.h"
#include "report/row.h"
#include "util/array.h"
#include "util/macro.h"
#include "util/memory.h"

DEFINE_TRIVIAL_CLEANUP(json_object *, json_object_put)

#define NAME_MAX_SIZE 256 /* bytes, with its end; what is longer is cut */
#define WORD_MAX_SIZE 128
#define NUMBER_MAX ((uint64_t) 1 << 53) /* more than any host has, and exact in every reader of JSON */

struct fleet_words {
        char **texts;
        size_t n;
        void *by_text; /* of tsearch(3): struct known_word */
};

struct known_word {
        char *text;
        uint32_t number;
};

static int compare_words(const void *a, const void *b)
{
        return strcmp(((const struct known_word *) a)->text, ((const struct known_word *) b)->text);
}

int fleet_words_open(struct fleet_words **ret)
{
        assert(ret);

        *ret = calloc(1, sizeof(**ret));
        return *ret ? 0 : -ENOMEM;
}

void fleet_words_free(struct fleet_words *w)
{
        if (!w)
                return;
        tdestroy(w->by_text, free);
        for (size_t i = 0; i < w->n; i++)
                free(w->texts[i]);
        free(w->texts);
        free(w);
}

const char *fleet_words_get(const struct fleet_words *w, uint32_t number)
{
        assert(w && number < w->n);

        return w->texts[number];
}

static int add_word(struct fleet_words *w, const char *text, uint32_t *ret)
{
        char **slot = array_append(w->texts, w->n);
        struct known_word *known;

        if (!slot)
                return -ENOMEM;
        *slot = strdup(text);
        known = malloc(sizeof(*known));
        if (!*slot || !known) {
                free(known);
                return -ENOMEM;
        }
        *known = (struct known_word){ .text = *slot, .number = (uint32_t) (w->n - 1) };
        if (!tsearch(known, &w->by_text, compare_words)) {
                free(known);
                return -ENOMEM;
        }
        *ret = known->number;
        return 0;
}

/* text: NULL is "unknown". */
static int find_word(struct fleet_words *w, const char *text, uint32_t *ret)
{
        char cut[WORD_MAX_SIZE];
        struct known_word key = { .text = cut }, **found;

        snprintf(cut, sizeof(cut), "%s", text && *text ? text : "unknown");
        found = tfind(&key, &w->by_text, compare_words);
        if (!found)
                return add_word(w, cut, ret);
        *ret = (*found)->number;
        return 0;
}

/* A string, and nothing that could be printed as one; or NULL. */
static const char *string_of(json_object *o, const char *key)
{
        json_object *v = json_get(o, key);

        return json_object_is_type(v, json_type_string) ? json_object_get_string(v) : NULL;
}

static uint64_t number_of(json_object *o, const char *key)
{
        json_object *v = json_get(o, key);
        uint64_t n;

        if (!json_object_is_type(v, json_type_int) || json_object_get_int64(v) < 0)
                return COUNT_UNKNOWN;
        n = json_object_get_uint64(v);
        return n < NUMBER_MAX ? n : NUMBER_MAX;
}

/* -1 where it is unknown. */
static double seconds_of(json_object *o, const char *key)
{
        json_object *v = json_get(o, key);
        double seconds;

        if (!json_object_is_type(v, json_type_double) && !json_object_is_type(v, json_type_int))
                return -1;
        seconds = json_object_get_double(v);
        return seconds >= 0 && seconds < 1e9 ? seconds : -1;
}

/* "2026-11-30T02:47:00Z" */
static bool read_time(json_object *row, uint64_t *ret)
{
        const char *text = string_of(row, "time"), *end;
        struct tm tm = {};
        time_t t;

        if (!text)
                return false;
        end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
        if (!end || *end)
                return false;
        t = timegm(&tm);
        if (t < 0)
                return false;
        *ret = (uint64_t) t;
        return true;
}

static enum severity highest_severity(json_object *severities)
{
        enum severity s = _SEVERITY_MAX;

        while (s > 0) {
                uint64_t n = number_of(severities, severity_to_string(--s));

                if (n > 0 && n != COUNT_UNKNOWN)
                        break;
        }
        return s;
}

static enum host_pages judge_pages(const struct host_counts *c, uint64_t page_size)
{
        if (c->guests_short > 0 && c->guests_short != COUNT_UNKNOWN)
                return page_size < MIB(1) ? PAGES_BASE : PAGES_LARGE; /* arm64 has 16 and 64 KiB */
        if (c->guests == COUNT_UNKNOWN || c->guests_unknown > 0)
                return PAGES_UNKNOWN;
        return c->guests == 0 ? PAGES_NO_GUEST : PAGES_BEST;
}

static void read_counts(struct fleet_host *h, json_object *need)
{
        h->counts = (struct host_counts){
                .guests = number_of(need, "guests"),
                .guests_short = number_of(need, "guests_short"),
                .guests_unknown = number_of(need, "guests_unknown"),
                .faults = number_of(need, "faults"),
                .faults_after = number_of(need, "faults_after"),
                .pin_steps = number_of(need, "pin_steps"),
                .pin_steps_after = number_of(need, "pin_steps_after"),
        };
        h->pages = judge_pages(&h->counts, number_of(need, "page_size"));
}

/* The limit of the guest with the smallest pages, and what the last starts took. */
static const char *read_guests(struct fleet_host *h, json_object *guests)
{
        const char *limit = NULL;
        uint64_t least = COUNT_UNKNOWN;

        h->bar_seconds = -1;
        for (size_t i = 0; i < json_length(guests); i++) {
                json_object *g = json_object_array_get_idx(guests, i);
                double seconds = seconds_of(g, "bar_seconds");
                uint64_t page_size = number_of(g, "page_size");

                if (seconds >= 0)
                        h->bar_seconds = (h->bar_seconds < 0 ? 0 : h->bar_seconds) + seconds;
                if (limit && page_size >= least)
                        continue;
                limit = string_of(g, "limit");
                least = page_size;
        }
        return limit ?: "none";
}

static void join_emulators(json_object *emulators, char joined[static WORD_MAX_SIZE])
{
        size_t n = 0;

        joined[0] = '\0';
        for (size_t i = 0; i < json_length(emulators) && n < WORD_MAX_SIZE - 1; i++) {
                json_object *e = json_object_array_get_idx(emulators, i);

                n += (size_t) snprintf(joined + n, WORD_MAX_SIZE - n, "%s%s", i > 0 ? "+" : "",
                                       json_object_is_type(e, json_type_string) ? json_object_get_string(e)
                                                                                : "unknown");
        }
}

static int read_words(struct fleet_host *h, json_object *row, struct fleet_words *words, const char *limit)
{
        char emulators[WORD_MAX_SIZE];
        const char *texts[_HOST_WORD_MAX] = {
                [WORD_NEED] = string_of(json_get(row, "need"), "need"),
                [WORD_KERNEL] = string_of(row, "kernel"),
                [WORD_EMULATOR] = emulators,
                [WORD_LIMIT] = limit,
                [WORD_VERSION] = string_of(row, "version"),
                [WORD_MODULE] = string_of(row, "module"),
                [WORD_THP] = string_of(row, "thp"),
        };

        join_emulators(json_get(row, "emulators"), emulators);
        for (enum host_word w = 0; w < _HOST_WORD_MAX; w++) {
                int r = find_word(words, texts[w], &h->words[w]);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_row(json_object *row, struct fleet_words *words, struct fleet_host **ret)
{
        _cleanup_free_ struct fleet_host *h = NULL;
        json_object *host = json_get(row, "host");
        const char *name = string_of(host, "name") ?: "", *id = string_of(host, "id");
        char cut[NAME_MAX_SIZE];
        sd_id128_t value;
        uint64_t time;
        int r;

        if (!json_object_is_type(host, json_type_object) || !read_time(row, &time))
                return HOST_ROW_UNREAD;
        if (!id && !*name)
                return HOST_ROW_UNNAMED;
        if (id && sd_id128_from_string(id, &value) < 0)
                return HOST_ROW_UNREAD;
        snprintf(cut, sizeof(cut), "%s", name);
        h = calloc(1, sizeof(*h) + strlen(cut) + 1);
        if (!h)
                return -ENOMEM;
        strcpy(h->name, cut);
        h->time = time;
        h->has_id = id != NULL;
        if (id)
                memcpy(h->id, value.bytes, sizeof(h->id));
        h->severity = highest_severity(json_get(row, "severities"));
        read_counts(h, json_get(row, "need"));
        r = read_words(h, row, words, read_guests(h, json_get(row, "guests")));
        if (r < 0)
                return r;
        *ret = TAKE_PTR(h);
        return HOST_ROW_GOOD;
}

int host_row_read(json_object *document, struct fleet_words *words, struct fleet_host **ret)
{
        unsigned long failures = memory_failures();
        _cleanup_(json_object_putp) json_object *row = NULL;

        assert(words);
        assert(ret);

        if (!document)
                return HOST_ROW_UNREAD;
        if (row_is_row(document))
                return read_row(document, words, ret);
        if (!json_object_is_type(json_get(document, "kernel"), json_type_object))
                return HOST_ROW_UNREAD;
        row = report_row(document);
        if (!row || memory_failures() != failures)
                return -ENOMEM;
        return read_row(row, words, ret);
}
