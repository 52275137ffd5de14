/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"

#include <assert.h>
#include <string.h>

#include "util/escape.h"
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

void json_add_string(json_object *o, const char *key, const char *value)
{
        _cleanup_free_ char *clean = value ? strdup(value) : NULL;

        assert(o);
        assert(key);

        /* Names on a host can be anything, and JSON is UTF-8. */
        for (char *p = clean; p && *p;) {
                uint32_t code;
                size_t n = utf8_decode(p, &code);

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

void json_print_text(const char *text, size_t n, FILE *out)
{
        const char *end = text + n;

        assert(text);
        assert(out);

        while (text < end) {
                const char *run = text;
                uint32_t code = '?';

                while (text < end && (unsigned char) *text < 0x7f)
                        text++;
                fwrite(run, 1, (size_t) (text - run), out);
                if (text == end)
                        return;
                n = utf8_decode(text, &code);
                if (n > 0 && !code_is_harmful(code))
                        fwrite(text, 1, n, out);
                else
                        fprintf(out, "\\u%04x", code);
                text += n ?: 1;
        }
}

void report_print_json(json_object *report, FILE *out)
{
        const char *text = json_object_to_json_string_ext(report, JSON_FLAGS);

        json_print_text(text, strlen(text), out);
        fputc('\n', out);
}
