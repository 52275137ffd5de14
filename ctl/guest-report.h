/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "report/json.h"

/* What `vfioalignctl guest` has found and done, as one document; the text for people is a view of it. */

/* Of fleet/guest.schema.json. */
#define GUEST_SCHEMA_VERSION 1

/* A report without an outcome as yet; the caller puts it. */
json_object *guest_report_new(const char *action, const char *guest);

/* Prints it to stdout, or to stderr where it did not go well. all: with all other fixes. Returns 0 or a
 * negative errno. */
int guest_report_print(json_object *report, bool all);
