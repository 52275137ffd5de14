/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <libsmartcols.h>

#include "report-parts.h"
#include "table.h"
#include "text.h"
#include "util/macro.h"
#include "util/print.h"

/* --- As JSON */

static void add_usec(json_object *o, const char *key, uint64_t usec)
{
        json_add_seconds(o, key, (double) usec / 1e6);
}

static json_object *new_phases(const struct start *s)
{
        json_object *o = json_new_object();

        add_usec(o, "hook", s->hook_usec);
        add_usec(o, "libvirt", s->libvirt_usec);
        add_usec(o, "open", s->open_usec);
        add_usec(o, "reset", s->reset_usec);
        add_usec(o, "ram", s->ram_usec);
        add_usec(o, "bars", s->bars_usec);
        add_usec(o, "unmap", s->unmap_usec);
        add_usec(o, "other", s->other_usec);
        return o;
}

static json_object *new_bar(const struct start_bar *bar)
{
        json_object *o = json_new_object();

        json_add_string(o, "device", *bar->device ? bar->device : NULL);
        json_add_count(o, "region", bar->region);
        json_add_count(o, "offset", bar->offset);
        json_add_count(o, "size", bar->size);
        json_add_count(o, "calls", bar->calls);
        json_add_count(o, "failed", bar->failed);
        json_add_count(o, "faults", bar->faults);
        add_usec(o, "seconds", bar->usec);
        json_add_count(o, "page_size", bar->page_size ?: COUNT_UNKNOWN);
        return o;
}

static json_object *new_device(const struct start_device *d)
{
        json_object *o = json_new_object();

        json_add_string(o, "address", *d->address ? d->address : NULL);
        json_add_count(o, "opens", d->opens);
        add_usec(o, "open_seconds", d->open_usec);
        json_add_count(o, "resets", d->resets);
        add_usec(o, "reset_seconds", d->reset_usec);
        return o;
}

json_object *report_start(const struct start *s)
{
        json_object *o = json_new_object(), *bars = json_new_array(), *devices = json_new_array(),
                    *verdict = json_new_array();
        format_t time;

        assert(s);

        json_add_string(o, "time", format_time(s->time_usec, time));
        json_add_string(o, "kernel", *s->kernel ? s->kernel : NULL);
        json_add_bool(o, "partial", s->partial);
        json_add_bool(o, "ended", s->ended);
        add_usec(o, "seconds", s->usec);
        json_add(o, "phases", new_phases(s));
        json_add_count(o, "ram_bytes", s->ram_bytes);
        json_add_count(o, "ram_faults", s->ram_faults);
        json_add_count(o, "bar_faults", s->bar_faults);
        for (size_t i = 0; i < s->n_bars; i++)
                json_append(bars, new_bar(&s->bars[i]));
        json_add(o, "bars", bars);
        for (size_t i = 0; i < s->n_devices; i++)
                json_append(devices, new_device(&s->devices[i]));
        json_add(o, "devices", devices);
        for (size_t i = 0; i < s->n_sentences; i++)
                json_append_string(verdict, s->sentences[i]);
        json_add(o, "verdict", verdict);
        return o;
}

/* --- For people */

static double seconds_of(json_object *o, const char *key)
{
        return json_object_get_double(json_get(o, key));
}

static void print_last_start(const char *guest, json_object *start, FILE *out)
{
        json_object *phases = json_get(start, "phases");
        uint64_t faults = json_get_number(start, "bar_faults");
        format_t all, bars, ram, count;

        print_line(out, "Last start of %s, %s: %s%s, of these %s in BARs (%s fault%s) and %s in RAM.", guest,
                   json_get_text(start, "time"), json_get_flag(start, "partial") ? "at least " : "",
                   format_seconds(seconds_of(start, "seconds"), all),
                   format_seconds(seconds_of(phases, "bars"), bars), format_count(faults, count),
                   faults == 1 ? "" : "s", format_seconds(seconds_of(phases, "ram"), ram));
}

void report_print_last_starts(json_object *head, FILE *out)
{
        json_object *guests = json_get(head, "guests");

        assert(out);

        for (size_t i = 0; i < json_length(guests); i++) {
                json_object *g = json_object_array_get_idx(guests, i), *start = json_get(g, "last_start");

                if (start)
                        print_last_start(json_get_text(g, "name") ?: "?", start, out);
        }
}

static const char *cell_bar(json_object *row, cell_t buffer)
{
        uint64_t offset = json_get_number(row, "offset");
        const char *device = json_get_text(row, "device");
        cell_t size;
        int n = snprintf(buffer, sizeof(cell_t), "%s %ju", device ?: "?",
                         (uintmax_t) json_get_number(row, "region"));

        if (offset > 0)
                snprintf(buffer + n, sizeof(cell_t) - (size_t) n, " at %s", cell_size(offset, size));
        return buffer;
}

static const struct column bar_columns[] = {
        { "BAR", NULL, 0, .cell = cell_bar },
        { "SIZE", NULL, SCOLS_FL_RIGHT, .path = "size", .format = CELL_SIZE },
        { "ADDRESS", NULL, SCOLS_FL_RIGHT, .extra = true, .path = "address" },
        { "MAPPED", NULL, SCOLS_FL_RIGHT, .path = "calls", .format = CELL_COUNT },
        { "PAGE", NULL, SCOLS_FL_RIGHT, .path = "page_size", .format = CELL_SIZE },
        { "FAULTS", NULL, SCOLS_FL_RIGHT, .path = "faults", .format = CELL_COUNT },
        { "SECONDS", NULL, SCOLS_FL_RIGHT, .path = "seconds", .format = CELL_SECONDS },
};

int report_print_mapped_bars(json_object *bars, bool with_addresses, FILE *out)
{
        const char *selection = with_addresses ? "BAR,SIZE,ADDRESS,MAPPED,PAGE,FAULTS,SECONDS" : NULL;

        assert(out);

        return table_print(rows_of_array(bars), bar_columns, ELEMENTSOF(bar_columns), selection, out);
}

void report_print_sentences(json_object *sentences, FILE *out)
{
        for (size_t i = 0; i < json_length(sentences); i++)
                print_wrapped(out, i == 0 ? 0 : 4,
                              json_object_get_string(json_object_array_get_idx(sentences, i)));
}

static const struct column start_columns[] = {
        { "START", NULL, 0, .path = "time" },
        { "KERNEL", NULL, 0, .path = "kernel", .missing = "?" },
        { "SECONDS", NULL, SCOLS_FL_RIGHT, .path = "seconds", .format = CELL_SECONDS },
        { "IN-BARS", NULL, SCOLS_FL_RIGHT, .path = "phases.bars", .format = CELL_SECONDS },
        { "IN-RAM", NULL, SCOLS_FL_RIGHT, .path = "phases.ram", .format = CELL_SECONDS },
        { "FAULTS", NULL, SCOLS_FL_RIGHT, .path = "bar_faults", .format = CELL_COUNT },
        { "PARTIAL", NULL, 0, .path = "partial", .format = CELL_YES_NO },
};

static int print_table_of_starts(const struct starts *s, FILE *out)
{
        json_object *rows = json_new_array();
        int r;

        for (size_t i = 0; i < s->n_starts; i++)
                json_append(rows, report_start(&s->starts[i]));
        r = table_print(rows_of_array(rows), start_columns, ELEMENTSOF(start_columns), NULL, out);
        json_object_put(rows);
        return r;
}

int report_explain_starts(const struct starts *s, FILE *out)
{
        json_object *last;
        format_t time;
        int r = 0;

        assert(s);
        assert(out);

        if (s->n_starts == 0)
                return 0;
        fputc('\n', out);
        print_line(out, "Its last start that was measured, %s:", format_time(s->starts[0].time_usec, time));
        last = report_start(&s->starts[0]);
        report_print_sentences(json_get(last, "verdict"), out);
        if (s->starts[0].partial)
                print_wrapped(out, 0,
                              "Something of it was not seen, so it took longer, or had more faults.");
        if (s->starts[0].n_bars > 0) {
                fputc('\n', out);
                r = report_print_mapped_bars(json_get(last, "bars"), false, out);
        }
        json_object_put(last);
        if (r < 0 || s->n_starts == 1)
                return r;
        fputc('\n', out);
        print_line(out, "Its starts that are kept:");
        return print_table_of_starts(s, out);
}
