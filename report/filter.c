/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "filter.h"

#include <assert.h>
#include <fnmatch.h>

#include "util/macro.h"
#include "util/memory.h"

#define DOMAIN_DIGITS 4

const char *filter_short_address(const char *bdf)
{
        assert(bdf);

        return startswith(bdf, "0000:") ?: bdf;
}

/* Behind the domain of an address. */
static const char *skip_domain(const char *bdf)
{
        return strchr(bdf, ':') + 1;
}

/* Whether the address begins with the pattern, and its last part is whole: "1b:0" is not of slot 00, nor "1"
 * of bus 1b. */
static bool begins_with_parts(const char *bdf, const char *pattern)
{
        const char *rest;
        size_t n = strlen(pattern);

        if (strncasecmp(bdf, pattern, n) != 0)
                return false;
        rest = bdf + n;
        return !*rest || strchr(":.", *rest) || (n > 0 && strchr(":.", pattern[n - 1]));
}

static bool address_matches(const char *pattern, const char *bdf)
{
        bdf_t spelt;

        if (!strchr(bdf, ':'))
                return fnmatch(pattern, bdf, 0) == 0;
        if (strpbrk(pattern, "*?["))
                return fnmatch(pattern, bdf, FNM_CASEFOLD) == 0 ||
                       fnmatch(pattern, skip_domain(bdf), FNM_CASEFOLD) == 0;
        if (bdf_parse(pattern, spelt) >= 0 && streq(spelt, bdf))
                return true;
        /* With a domain, or a bus alone. */
        if (strcspn(pattern, ":") >= DOMAIN_DIGITS)
                return begins_with_parts(bdf, pattern);
        return *pattern && begins_with_parts(skip_domain(bdf), pattern);
}

static const char *base_name(const char *path)
{
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

static bool name_matches(const char *pattern, const char *name)
{
        return name && (streq(pattern, name) || fnmatch(pattern, name, 0) == 0);
}

static bool row_matches(enum report_table table, const char *pattern, json_object *row)
{
        const char *text;

        switch (table) {
        case TABLE_DEVICES:
                text = json_get_text(row, "address");
                return text && address_matches(pattern, text);
        case TABLE_GUESTS:
                return name_matches(pattern, json_get_text(row, "name")) ||
                       name_matches(pattern, json_get_text(row, "uuid"));
        case TABLE_EMULATORS:
                text = json_get_text(row, "path");
                return text && (name_matches(pattern, text) || name_matches(pattern, base_name(text)));
        case TABLE_MAPPINGS:
                text = json_get_text(row, "device");
                return (text && address_matches(pattern, text)) ||
                       name_matches(pattern, json_get_text(row, "pid")) ||
                       name_matches(pattern, json_get_text(row, "command"));
        case _REPORT_TABLE_MAX:
                break;
        }
        return true;
}

bool filter_has_address(const struct filter *f, const char *bdf)
{
        assert(bdf);

        for (size_t i = 0; f && i < f->n; i++)
                if (address_matches(f->patterns[i], bdf))
                        return true;
        return !f || f->n == 0;
}

bool filter_has_row(const struct filter *f, json_object *row)
{
        for (size_t i = 0; f && i < f->n; i++)
                if (row_matches(f->table, f->patterns[i], row))
                        return true;
        return !f || f->n == 0;
}

json_object *filter_rows(const struct filter *f, json_object *rows)
{
        json_object *array = json_new_array();

        for (size_t i = 0; i < json_length(rows); i++) {
                json_object *row = json_object_array_get_idx(rows, i);

                if (filter_has_row(f, row))
                        json_append(array, json_object_get(row));
        }
        return array;
}

static bool matches_something(enum report_table table, const char *pattern, const struct host *h,
                              json_object *rows)
{
        for (size_t i = 0; table == TABLE_DEVICES && i < h->devices.n_devices; i++)
                if (address_matches(pattern, h->devices.devices[i].bdf))
                        return true;
        for (size_t i = 0; i < json_length(rows); i++)
                if (row_matches(table, pattern, json_object_array_get_idx(rows, i)))
                        return true;
        return false;
}

const char *filter_find_unmatched(const struct filter *f, const struct host *h, json_object *head)
{
        assert(f);
        assert(h);

        for (size_t i = 0; i < f->n; i++)
                if (!matches_something(f->table, f->patterns[i], h,
                                       json_get(head, report_table_key(f->table))))
                        return f->patterns[i];
        return NULL;
}

void filter_offer_names(const struct filter *f, const struct host *h, json_object *head,
                        void (*offer)(const char *name, void *userdata), void *userdata)
{
        static const char *const keys[_REPORT_TABLE_MAX][3] = { [TABLE_GUESTS] = { "name", "uuid" },
                                                                [TABLE_EMULATORS] = { "path" },
                                                                [TABLE_MAPPINGS] = { "command", "device" } };
        json_object *rows = json_get(head, report_table_key(f->table));

        assert(f);
        assert(h);

        for (size_t i = 0; f->table == TABLE_DEVICES && i < h->devices.n_devices; i++)
                offer(filter_short_address(h->devices.devices[i].bdf), userdata);
        for (size_t i = 0; f->table != TABLE_DEVICES && i < json_length(rows); i++) {
                json_object *row = json_object_array_get_idx(rows, i);

                for (size_t k = 0; keys[f->table][k]; k++) {
                        const char *name = json_get_text(row, keys[f->table][k]);

                        if (!name)
                                continue;
                        offer(name, userdata);
                        if (f->table == TABLE_EMULATORS)
                                offer(base_name(name), userdata);
                }
        }
}
