/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>
#include <stdio.h>

#include "audit/facts-guest.h"
#include "audit/finding.h"
#include "audit/host.h"
#include "audit/verdict.h"

#define REPORT_SCHEMA_VERSION 1

/* A report is one JSON document; every other form (tables, one line) is a view of it, so that no two disagree.
 * Sizes are bytes, times RFC 3339 in UTC, and what is unknown is null or says "unknown". */

/* The audit of one host. NULL when memory is out; the caller puts it (json_object_put). */
json_object *report_new(const struct host *h, const struct findings *f);

/* Parts that the daemon adds. */
json_object *report_verdict(const struct verdict *v);
json_object *report_mapping(const struct kernel_facts *k, const struct mapping *m);

/* The document as --json prints it. */
void report_print_json(json_object *report, FILE *out);

/* The same for a reader: conditions, emulators, BARs, mappings, findings. */
int report_print_audit(json_object *report, FILE *out);

/* One table. Returns 0, or a negative errno when the table could not be laid out. */
int report_print_mappings(json_object *report, FILE *out);
int report_print_guests(json_object *report, FILE *out);
int report_print_findings(json_object *report, FILE *out);
