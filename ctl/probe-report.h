/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>
#include <stdio.h>

#include "probe/bar-probe.h"

/* Of fleet/probe.schema.json. */
#define PROBE_SCHEMA_VERSION 2

/* What a probe found, as a document; the caller puts it. */
json_object *probe_report_new(const struct host *h, const struct device *d, const struct bar_probe *p);

/* The same for people. Returns 0 or a negative errno. */
int probe_report_print(json_object *report, FILE *out);
