/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>

/* Of fleet/bind.schema.json. */
#define BIND_SCHEMA_VERSION 1

/* What a bind or unbind came to, as a document without groups as yet; the caller puts it. */
json_object *bind_report_new(const char *operation, bool dry_run);

/* A group as the worker tells of it (bind/worker.h), which this takes over. */
void bind_report_add(json_object *report, json_object *group);

/* It is a group, as far as this goes into it. */
bool bind_group_is_valid(json_object *group);

/* It went as it was asked for. */
bool bind_group_is_good(json_object *group);

/* The group is about that function: it is a member, or what was found is about it. */
bool bind_group_has(json_object *group, const char *bdf);

/* One group for a reader: what went well to stdout, what did not to stderr. Returns 0 or a negative
 * errno. */
int bind_group_print(json_object *group, bool returning);
