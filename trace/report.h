/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>
#include <stdio.h>

#include "account.h"
#include "watch.h"

/* Of fleet/trace.schema.json. */
#define TRACE_SCHEMA_VERSION 1

/* Which processes somebody asked for; guest and process NULL and pid 0: all VMMs. */
struct trace_selection {
        const char *guest;
        uint32_t pid;
        const struct trace_process *process; /* this one alone */
};

/* Whether a name that was taken from an event, where long ones are cut, is that of this guest. */
bool trace_is_guest(const char *seen, const char *guest);
bool trace_is_selected(const struct trace_selection *s, const struct trace_process *p);

/* How it was watched. */
struct trace_watched {
        uint64_t time_usec; /* when it began, CLOCK_REALTIME */
        uint64_t ns;        /* for how long */
        const char *kernel; /* its release */
        uint64_t lost;      /* events for which there was no room */
        const struct trace_unseen *unseen;
        size_t n_unseen;
};

/* The sentences that say where a start's time went, as a new array of strings. */
json_object *trace_verdict(const struct trace_account *a, const struct trace_process *p);

/* All of a trace, as a new document. */
json_object *trace_report_new(const struct trace_account *a, const struct trace_selection *s,
                              const struct trace_watched *w);

/* The document for people. Returns 0 or a negative errno. */
int trace_report_print(json_object *report, FILE *out);

/* A timeline of one start as an SVG that stands alone: no script, no font and nothing else is fetched. */
void trace_svg_print(const struct trace_account *a, const struct trace_process *p, FILE *out);

/* One line on an event that matters, while it is watched; nothing on the others. */
void trace_print_event(const struct trace_process *p, const struct trace_event *e, FILE *out);

/* What a process is called in a line: its guest, or its command and pid. */
typedef char trace_name_t[TRACE_TEXT_MAX + 16];
const char *trace_process_name(const struct trace_process *p, trace_name_t buffer);
