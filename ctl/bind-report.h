/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>

/* A new document of a bind or an unbind, without groups; the caller puts it. */
json_object *bind_report_new(const char *operation, bool dry_run);

/* Takes over a group that the worker reported (bind/worker-reply.h). */
void bind_report_add(json_object *report, json_object *group);

/* The group is about that function: it is a member, or a finding is about it. */
bool bind_group_has(json_object *group, const char *bdf);

/* Prints one group for a reader: what went well to stdout, the rest to stderr. group is valid
 * (worker_group_is_valid()). Returns 0 or a negative errno. */
int bind_group_print(json_object *group, bool returning);
