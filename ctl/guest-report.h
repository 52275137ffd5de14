/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "report/json.h"

/* What `vfioalignctl guest` has found and done, as one document; text is a view of it. */

#define GUEST_SCHEMA_VERSION 1

/* The caller puts it. */
json_object *guest_report_new(const char *action, const char *guest);

/* To stdout, or to stderr where it did not go well. all: with the other fixes that there are. Returns 0 or a
 * negative errno. */
int guest_report_print(json_object *report, bool all);
