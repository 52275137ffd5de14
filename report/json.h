/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "util/fact.h"

/* How --json prints: for people, or each document on a line of its own. */
enum json_style {
        JSON_NONE, /* text instead of JSON */
        JSON_PRETTY,
        JSON_SHORT,
};
#define JSON_FLAGS (JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE)
#define JSON_FLAGS_SHORT (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

/* Members of objects. A missing one is NULL, false, or UINT64_MAX (COUNT_UNKNOWN); so is every member where
 * the object is NULL or something else, and the length of a missing array is 0. What is returned belongs to
 * the object. */
json_object *json_get(json_object *o, const char *key);
const char *json_get_text(json_object *o, const char *key);
uint64_t json_get_number(json_object *o, const char *key);
const char *json_get_fact(json_object *o, const char *key); /* its value; a missing one is "unknown" */
bool json_get_flag(json_object *o, const char *key);
size_t json_length(json_object *array);

/* Making a document. Where memory is out each goes on without what it cannot make, also with NULL for what
 * was not made, and notes that (util/memory.h): who makes a document asks at its end, and throws it away. */
json_object *json_new_object(void);
json_object *json_new_array(void);

/* Takes the value over; NULL is null, and in an array lacks memory. */
void json_add(json_object *o, const char *key, json_object *value);
void json_append(json_object *array, json_object *value);

/* Adds a member. A string that is NULL and a number that is UINT64_MAX (COUNT_UNKNOWN) are null. A byte that
 * is not of UTF-8 becomes '?'. key: not NULL. */
void json_add_string(json_object *o, const char *key, const char *value);
void json_add_count(json_object *o, const char *key, uint64_t n);
void json_add_bool(json_object *o, const char *key, bool b);
void json_add_seconds(json_object *o, const char *key, double seconds); /* to the microsecond */
void json_add_fact(json_object *o, const char *key, struct fact f);

/* Adds a string to an array, as json_add_string() does to an object. text: not NULL. */
void json_append_string(json_object *array, const char *text);

/* The document as text, which belongs to it. NULL where memory is out, and that is noted: json-c cuts its
 * text short then, and does not say so. */
const char *json_text(json_object *o, int flags);

/* Prints n bytes of JSON. What a terminal would act upon (util/escape.h) can only be inside of its strings,
 * and is \uNNNN there: json-c escapes what is below a space, and not the rest. */
void json_print_text(const char *text, size_t n, FILE *out);

/* Prints the document as --json does. style: not JSON_NONE. failures: memory_failures() of before it was
 * made (0: of the program's start). Where memory ran out since, it may lack something: nothing is printed
 * then. Returns 0 or -ENOMEM. */
int report_print_json_as(json_object *report, enum json_style style, unsigned long failures, FILE *out);

/* The same, for people. */
int report_print_json(json_object *report, unsigned long failures, FILE *out);
