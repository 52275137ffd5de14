/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "util/escape.h"
#include "util/macro.h"
#include "util/memory.h"

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

const char *json_get_fact(json_object *o, const char *key)
{
        return json_get_text(json_get(o, key), "value") ?: "unknown";
}

size_t json_length(json_object *array)
{
        return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

json_object *json_new_object(void)
{
        return memory_note(json_object_new_object());
}

json_object *json_new_array(void)
{
        return memory_note(json_object_new_array());
}

void json_add(json_object *o, const char *key, json_object *value)
{
        assert(key);

        if (o && json_object_object_add(o, key, value) == 0)
                return;
        memory_note_failure();
        json_object_put(value);
}

void json_append(json_object *array, json_object *value)
{
        if (array && value && json_object_array_add(array, value) == 0)
                return;
        memory_note_failure();
        json_object_put(value);
}

/* NULL where memory is out, and that is noted. */
static json_object *new_string(const char *text)
{
        _cleanup_free_ char *clean = memory_note(strdup(text));

        /* Names on a host can be anything, and JSON is UTF-8. */
        for (char *p = clean; p && *p;) {
                uint32_t code;
                size_t n = utf8_decode(p, &code);

                if (n == 0)
                        *p = '?';
                p += n ?: 1;
        }
        return clean ? memory_note(json_object_new_string(clean)) : NULL;
}

void json_add_string(json_object *o, const char *key, const char *value)
{
        assert(key);

        json_add(o, key, value ? new_string(value) : NULL);
}

void json_append_string(json_object *array, const char *text)
{
        assert(text);

        json_append(array, new_string(text));
}

void json_add_count(json_object *o, const char *key, uint64_t n)
{
        if (n == UINT64_MAX)
                json_add(o, key, NULL);
        else
                json_add(o, key, memory_note(json_object_new_uint64(n)));
}

void json_add_bool(json_object *o, const char *key, bool b)
{
        json_add(o, key, memory_note(json_object_new_boolean(b)));
}

void json_add_seconds(json_object *o, const char *key, double seconds)
{
        json_object *v = memory_note(json_object_new_double(seconds));

        if (v)
                json_object_set_serializer(v, json_object_double_to_json_string, (void *) (uintptr_t) "%.6f",
                                           NULL);
        json_add(o, key, v);
}

void json_add_fact(json_object *o, const char *key, struct fact f)
{
        json_object *fact = json_new_object();

        json_add_string(fact, "value", fact_value_to_string(f.value));
        json_add_string(fact, "source", fact_source_to_string(f.source));
        if (f.why)
                json_add_string(fact, "why", f.why);
        json_add(o, key, fact);
}

const char *json_text(json_object *o, int flags)
{
        const char *text;

        errno = 0;
        text = json_object_to_json_string_ext(o, flags);
        if (text && errno != ENOMEM)
                return text;
        memory_note_failure();
        return NULL;
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

int report_print_json_as(json_object *report, enum json_style style, unsigned long failures, FILE *out)
{
        const char *text = json_text(report, style == JSON_SHORT ? JSON_FLAGS_SHORT : JSON_FLAGS);

        if (!text || memory_failures() != failures)
                return -ENOMEM;
        json_print_text(text, strlen(text), out);
        fputc('\n', out);
        return 0;
}

int report_print_json(json_object *report, unsigned long failures, FILE *out)
{
        return report_print_json_as(report, JSON_PRETTY, failures, out);
}
