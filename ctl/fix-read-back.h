/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fix/fix.h"
#include "report/json.h"

/* What a fix has changed, by reading the host again and not by believing the fix. */

/* The page size of each guest that libvirt knows, as it is predicted for its next start; bytes, 0: unknown.
 * The caller frees it; NULL where memory is out. */
uint64_t *guest_pages(const struct host *h);

/* Reads the host again. before: of guest_pages(). The member "read_back" of an outcome, or NULL where the
 * host could not be read. */
json_object *fix_read_back(struct host *h, const struct fix *fix, const uint64_t *before);

/* The same for people, of a fix that was applied here or by the daemon. */
void fix_read_back_print(const char *id, json_object *read_back);
