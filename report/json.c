/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"

#include <assert.h>
#include <string.h>

#include "util/macro.h"

json_object *json_get(json_object *o, const char *key)
{
        json_object *v = NULL;

        json_object_object_get_ex(o, key, &v);
        return v;
}

const char *json_get_text(json_object *o, const char *key)
{
        json_object *v = json_get(o, key);

        return v ? json_object_get_string(v) : NULL;
}

uint64_t json_get_number(json_object *o, const char *key)
{
        json_object *v = json_get(o, key);

        return v ? json_object_get_uint64(v) : UINT64_MAX;
}

bool json_get_flag(json_object *o, const char *key)
{
        return json_object_get_boolean(json_get(o, key));
}

size_t json_length(json_object *array)
{
        return array ? json_object_array_length(array) : 0;
}

/* The bytes of a character: the Unicode Standard, table 3-7. */
static const struct utf8_row {
        unsigned char first_min, first_max;
        unsigned char second_min, second_max; /* every later byte is 0x80 to 0xbf */
        size_t length;
} utf8_rows[] = {
        { 0x00, 0x7f, 0x00, 0x00, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

/* The length of the character at p, or 0 where no character of UTF-8 is there. */
static size_t utf8_length(const unsigned char *p)
{
        const struct utf8_row *row = utf8_rows;

        while (p[0] > row->first_max)
                if (++row == utf8_rows + ELEMENTSOF(utf8_rows))
                        return 0;
        if (p[0] < row->first_min)
                return 0;
        if (row->length > 1 && (p[1] < row->second_min || p[1] > row->second_max))
                return 0;
        for (size_t i = 2; i < row->length; i++)
                if (p[i] < 0x80 || p[i] > 0xbf)
                        return 0;
        return row->length;
}

void json_add_string(json_object *o, const char *key, const char *value)
{
        _cleanup_free_ char *clean = value ? strdup(value) : NULL;

        assert(o);
        assert(key);

        /* Names on a host can be anything, and JSON is UTF-8. */
        for (char *p = clean; p && *p;) {
                size_t n = utf8_length((const unsigned char *) p);

                if (n == 0)
                        *p = '?';
                p += n ?: 1;
        }
        json_object_object_add(o, key, clean ? json_object_new_string(clean) : NULL);
}

void json_add_count(json_object *o, const char *key, uint64_t n)
{
        json_object_object_add(o, key, n == UINT64_MAX ? NULL : json_object_new_uint64(n));
}

void json_add_bool(json_object *o, const char *key, bool b)
{
        json_object_object_add(o, key, json_object_new_boolean(b));
}

void json_add_fact(json_object *o, const char *key, struct fact f)
{
        json_object *fact = json_object_new_object();

        json_add_string(fact, "value", fact_value_to_string(f.value));
        json_add_string(fact, "source", fact_source_to_string(f.source));
        if (f.why)
                json_add_string(fact, "why", f.why);
        json_object_object_add(o, key, fact);
}

void report_print_json(json_object *report, FILE *out)
{
        fputs(json_object_to_json_string_ext(report, JSON_FLAGS), out);
        fputc('\n', out);
}
