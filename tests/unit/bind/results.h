/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>

/* Writes what a long test found, as JSON, and its directory where there is none. Takes the object over.
 * Returns an exit code. */
int results_write(const char *path, json_object *results);
