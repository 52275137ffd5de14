/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

#include "audit/finding.h"
#include "audit/verdict.h"
#include "facts/guest/facts-guest.h"
#include "facts/host.h"
#include "json.h"

#define REPORT_SCHEMA_VERSION 2

/* What no list of guests has: their files are in home directories. */
#define SESSIONS_UNREAD "guests of users' own libvirt (qemu:///session)"

/* A report is one JSON document; every other form (tables, sentences, one line) is a view of it, so no two
 * disagree. Sizes are bytes, times RFC 3339 in UTC, and what is unknown is null or says "unknown".
 *
 * There can be thousands of devices, which are made one at a time: all else is the head. The audit's table
 * of BARs looks at struct host first, and only has those devices made that it shows. */

/* NULL when memory is out; the caller puts what it gets (json_object_put). The head has an empty array of
 * devices. */
json_object *report_head(const struct host *h, const struct findings *f);

struct column;

struct devices {
        const struct host *host;
        struct placed {
                uint64_t size;
                json_object *placements;
        } * placed;
        size_t n_placed;
};

void devices_open(struct devices *d, const struct host *h);
void devices_close(struct devices *d);

/* The i-th device of the host, which has more than i; the caller puts it. */
json_object *devices_get(struct devices *d, size_t i);

/* The whole document at once, which a daemon keeps; NULL when memory is out. */
json_object *report_new(const struct host *h, const struct findings *f);

/* Leaves out of a whole document what a user may not see of others: their processes (pids, commands, the
 * paths of programs that nothing but a process shows) and virtual addresses. Counts, sizes, pages and guests
 * stay. The member "left_out" says so. */
void report_leave_out(json_object *report);

/* Parts of it, the caller's to put: what somebody maps, and what an area of a BAR gets from everybody who
 * may place it. */
json_object *report_verdict(const struct verdict *v);
json_object *report_mapping(const struct kernel_facts *k, const struct mapping_facts *f,
                            struct placer placer, const struct mapping *m);
json_object *report_placements(const struct host *h, const struct area *area);

/* A start that was measured, as the member last_start of a guest; the caller's to put. */
json_object *report_start(const struct start *s);

struct filter;

/* Prints the whole document without having all devices in memory. style: not JSON_NONE. filter: the table
 * that has only the rows that match (filter.h), or NULL. Returns 0 or -ENOMEM. */
int report_print_host_json(const struct host *h, const struct findings *f, enum json_style style,
                           const struct filter *filter, FILE *out);

/* The same for people: the first screen, findings, guests, mappings, BARs, emulators; and where it is full,
 * the conditions. all: also the BARs of functions that neither VFIO nor a guest has. Returns 0 or a negative
 * errno. */
int report_print_audit(json_object *head, struct devices *devices, bool all, bool full, FILE *out);

/* The first screen: what is wrong, worst first by the seconds of a start. Returns 0. */
int report_print_doctor(json_object *head, struct devices *devices, FILE *out);

enum report_table {
        TABLE_DEVICES,
        TABLE_EMULATORS,
        TABLE_GUESTS,
        TABLE_MAPPINGS,
        _REPORT_TABLE_MAX,
};

/* How to show a table; all zeroes: all rows with the usual columns. */
struct report_view {
        const char *columns; /* as of struct table_view (table.h) */
        bool csv, no_headings;
        const struct filter *filter; /* NULL: all rows */
};

/* view: NULL for the usual one. devices: for TABLE_DEVICES only. Returns 0, -EINVAL for a column that the
 * table has not, or another negative errno when it could not be laid out. */
int report_print_table(enum report_table table, json_object *head, struct devices *devices,
                       const struct report_view *view, FILE *out);

/* The member of the document that has the table's rows. */
const char *report_table_key(enum report_table table);

/* The columns that a table can have (table.h). */
const struct column *report_columns(enum report_table table, size_t *ret_n);

/* One line and an empty one, where something switches vfioalign off. off: as switched_off() says it, or
 * NULL. */
void report_print_switch(const char *off, FILE *out);

/* Returns 0. */
int report_print_findings(json_object *report, FILE *out);

/* Whole sentences, with this host's numbers. */
void report_explain_finding(json_object *head, enum finding_id id, FILE *out);
void report_explain_limit(json_object *head, enum condition limit, FILE *out);
void report_explain_device(json_object *head, json_object *device, FILE *out);
void report_explain_guest(json_object *head, json_object *guest, FILE *out);
void report_explain_area(json_object *head, json_object *placements, FILE *out);

/* One line for each guest of the document whose last start was measured. */
void report_print_last_starts(json_object *head, FILE *out);

/* The starts that are kept of one guest, the newest first: all of that, and a line for each. Nothing where
 * there are none. Returns 0 or a negative errno. */
int report_explain_starts(const struct starts *s, FILE *out);

/* Parts of that which a trace has as well: a table of BARs that were mapped for DMA, and sentences. */
int report_print_mapped_bars(json_object *bars, bool with_addresses, FILE *out);
void report_print_sentences(json_object *sentences, FILE *out);
