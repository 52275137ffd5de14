/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>
#include <stdint.h>

#include "util/root.h"

/* Keeps what was measured of a start for vfioalignd, as facts/start.h reads it. The directory is there: the
 * service has it made. */

#define TRACE_SLOTS 8 /* how many starts are measured at the same time */

/* Takes one of the places for those that measure. Returns a descriptor that holds it, until it is closed or
 * the process ends in any way; -EBUSY where all are taken; or another negative errno. */
int trace_take_slot(const struct root *root);

/* Writes the document of one start whole or not at all, and removes the oldest ones beyond the bounds of
 * facts/start.h. guest: its name; time_usec: when the start began, CLOCK_REALTIME. Returns 0; -ENAMETOOLONG
 * where the guest's name has no room in that of a file; -EFBIG where the document is larger than one may be;
 * or another negative errno. */
int trace_keep(const struct root *root, const char *guest, uint64_t time_usec, json_object *document);
