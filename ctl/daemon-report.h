/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>

/* Gets the report of a daemon that runs; one that was stopped is not started. Prints what is wrong. Returns
 * 0, with *ret the caller's to put; or a negative errno, with *ret_why (which may be NULL) static text that
 * says the same. */
int daemon_report(json_object **ret, const char **ret_why);
