/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* How --json prints. */
#define JSON_FLAGS (JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE)

/* Members of objects. A missing one is NULL, false, or UINT64_MAX (COUNT_UNKNOWN). */
json_object *json_get(json_object *o, const char *key);
const char *json_get_text(json_object *o, const char *key);
uint64_t json_get_number(json_object *o, const char *key);
bool json_get_flag(json_object *o, const char *key);
size_t json_length(json_object *array);

/* The document as --json prints it. */
void report_print_json(json_object *report, FILE *out);
