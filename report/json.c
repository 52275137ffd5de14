/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"

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

void report_print_json(json_object *report, FILE *out)
{
        fputs(json_object_to_json_string_ext(report, JSON_FLAGS), out);
        fputc('\n', out);
}
