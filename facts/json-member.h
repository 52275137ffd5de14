/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Members of an object in a file that can be damaged or made up: each is refused where it is not there, or
 * is not what is expected. o: an object. */

/* A string that is shorter than `size` with its NUL, and has none inside; JSON's null is an empty one. The
 * text belongs to the object. NULL: refused. */
const char *member_text(json_object *o, const char *key, size_t size);

/* The same, refused where it has control characters, which no name and no attribute has. */
const char *member_clean_text(json_object *o, const char *key, size_t size);

/* A whole number from min to max. *ret is only written to where it is one. */
bool member_number(json_object *o, const char *key, int64_t min, int64_t max, uint64_t *ret);

bool member_flag(json_object *o, const char *key, bool *ret);
