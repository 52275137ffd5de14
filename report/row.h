/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "json.h"

/* What a fleet asks of one host, as a small document that fits on a line: fleet/row.schema.json. */

/* Makes it from a whole report or its head, which can be a stranger's: members that it lacks are null. NULL
 * when memory is out, which is noted; the caller puts what it gets. */
json_object *report_row(json_object *report);

/* One word for what the module does, of the report's part about it: row.schema.json has them. Static. */
const char *row_module_state(json_object *module);

/* Whether the document is a row, and not a report. */
bool row_is_row(json_object *document);
