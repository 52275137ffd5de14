/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report.h"

#include "report/report.h"
#include "util/format.h"
#include "util/macro.h"
#include "util/print.h"

#define LARGE_RAM MIB(64)           /* a mapping of RAM this large is worth a line, */
#define LONG_NS UINT64_C(100000000) /* and so is one that took that long */

/* --- While it is watched */

static double seconds_since(const struct trace_process *p, uint64_t time)
{
        return time > p->started ? (double) (time - p->started) / 1e9 : 0;
}

static void print_bar_event(const struct trace_bar *bar, const struct trace_event *e, const char *head,
                            FILE *out)
{
        format_t size, faults, page;

        print_line(out, "%s %s BAR %u, %s: %s fault%s%s%s, %.3f s%s", head, *bar->device ? bar->device : "?",
                   bar->region, format_size(e->size, size), format_count(e->faults, faults),
                   e->faults == 1 ? "" : "s", bar->page_size && e->faults ? " on pages of " : "",
                   bar->page_size && e->faults ? format_size(bar->page_size, page) : "",
                   (double) e->duration / 1e9, e->result < 0 ? ", failed" : "");
}

void trace_print_event(const struct trace_process *p, const struct trace_event *e, FILE *out)
{
        const struct trace_bar *bar = trace_process_find_mapped(p, e);
        trace_name_t name;
        char head[sizeof(name) + 32];
        format_t size, faults;

        snprintf(head, sizeof(head), "%9.3f %s:", seconds_since(p, e->time), trace_process_name(p, name));
        if (bar)
                print_bar_event(bar, e, head, out);
        else if (e->kind == TRACE_OPEN)
                print_line(out, "%s %.*s opened, %.3f s%s", head, TRACE_TEXT_MAX, e->text,
                           (double) e->duration / 1e9, e->result < 0 ? ", failed" : "");
        else if ((e->kind == TRACE_MAP || e->kind == TRACE_MAP_FILE) &&
                 (e->size >= LARGE_RAM || e->duration >= LONG_NS))
                print_line(out, "%s RAM, %s: %s fault%s, %.3f s%s", head, format_size(e->size, size),
                           format_count(e->faults, faults), e->faults == 1 ? "" : "s",
                           (double) e->duration / 1e9, e->result < 0 ? ", failed" : "");
        else if (e->kind == TRACE_EXIT)
                print_line(out, "%s ended", head);
}

/* --- All of it */

static int print_process(json_object *p, FILE *out)
{
        json_object *bars = json_get(p, "bars");

        fputc('\n', out);
        report_print_sentences(json_get(p, "verdict"), out);
        if (json_length(bars) == 0)
                return 0;
        fputc('\n', out);
        return report_print_mapped_bars(bars, true, out);
}

static void print_gaps(json_object *report, FILE *out)
{
        json_object *unseen = json_get(report, "unseen");
        uint64_t lost = json_get_number(report, "lost"), omitted = json_get_number(report, "omitted");
        format_t count;

        if (lost > 0)
                print_line(out, "%s %s lost, because there was no room for more: the sums lack them.",
                           format_count(lost, count), lost == 1 ? "event was" : "events were");
        if (omitted > 0)
                print_line(out, "Events of further processes that were left out: %s.",
                           format_count(omitted, count));
        for (size_t i = 0; i < json_length(unseen); i++) {
                json_object *o = json_object_array_get_idx(unseen, i);

                print_line(out, "Not seen: %s (%s).", json_get_text(o, "phase"),
                           json_get_text(o, "function"));
        }
}

int trace_report_print(json_object *report, FILE *out)
{
        json_object *processes = json_get(report, "processes");

        for (size_t i = 0; i < json_length(processes); i++) {
                int r = print_process(json_object_array_get_idx(processes, i), out);

                if (r < 0)
                        return r;
        }
        fputc('\n', out);
        print_gaps(report, out);
        return 0;
}
