/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json-member.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

const char *member_text(json_object *o, const char *key, size_t size)
{
        json_object *value;
        const char *text;

        if (!json_object_object_get_ex(o, key, &value))
                return NULL;
        if (!value)
                return "";
        if (!json_object_is_type(value, json_type_string))
                return NULL;
        text = json_object_get_string(value);
        if (strlen(text) != (size_t) json_object_get_string_len(value) || strlen(text) >= size)
                return NULL;
        return text;
}

const char *member_clean_text(json_object *o, const char *key, size_t size)
{
        const char *text = member_text(o, key, size);

        for (const char *s = text; s && *s; s++)
                if (iscntrl((unsigned char) *s))
                        return NULL;
        return text;
}

bool member_number(json_object *o, const char *key, int64_t min, int64_t max, uint64_t *ret)
{
        json_object *value;
        int64_t n;

        assert(min >= 0);

        if (!json_object_object_get_ex(o, key, &value) || !json_object_is_type(value, json_type_int))
                return false;
        n = json_object_get_int64(value);
        if (n < min || n > max)
                return false;
        *ret = (uint64_t) n;
        return true;
}

bool member_flag(json_object *o, const char *key, bool *ret)
{
        json_object *value;

        if (!json_object_object_get_ex(o, key, &value) || !json_object_is_type(value, json_type_boolean))
                return false;
        *ret = json_object_get_boolean(value);
        return true;
}
