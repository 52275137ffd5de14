/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe-report.h"

#include <libsmartcols.h>
#include <string.h>

#include "report/report-parts.h"
#include "report/table.h"
#include "report/text.h"
#include "util/macro.h"
#include "util/print.h"

static json_object *new_map(const struct probe_map *m, bool median)
{
        json_object *o = json_new_object();
        format_t address;

        snprintf(address, sizeof(address), "%#jx", (uintmax_t) m->address);
        if (!median)
                json_add_string(o, "address", address);
        json_add_count(o, "alignment", m->alignment);
        json_add_count(o, "page_size", m->page_size ?: COUNT_UNKNOWN);
        json_add_count(o, "faults", m->faults);
        json_add_seconds(o, "seconds", m->seconds);
        return o;
}

/* NULL: they were measured. */
static const char *no_faults_reason(const struct bar_probe *p, const struct probe_area *a)
{
        if (a->fault_size > 0)
                return NULL;
        if (p->cdev)
                return "the device has a character device only, and iommufd maps no BAR for DMA";
        return strerror(-a->error);
}

static json_object *new_area(const struct bar_probe *p, const struct probe_area *a)
{
        json_object *o = json_new_object(), *measured = json_new_array();

        json_add_count(o, "offset", a->offset);
        json_add_count(o, "size", a->size);
        json_add_count(o, "fault_size", a->fault_size);
        json_add_string(o, "no_faults_because", no_faults_reason(p, a));
        json_add(o, "predicted", report_verdict(&a->predicted));
        json_add_count(o, "expected_faults", a->expected_faults);
        for (size_t i = 0; i < PROBE_TIMES; i++)
                json_append(measured, new_map(&a->maps[i], false));
        json_add(o, "measured", measured);
        json_add(o, "median", new_map(&a->median, true));
        json_add_string(o, "agrees", fact_value_to_string(a->agrees.value));
        return o;
}

static json_object *new_bar(const struct bar_probe *p, const struct probe_bar *bar)
{
        json_object *o = json_new_object(), *areas = json_new_array();

        json_add_count(o, "index", bar->index);
        json_add_count(o, "size", bar->size);
        json_add_count(o, "offset", bar->offset);
        for (size_t i = 0; i < bar->n_areas; i++)
                json_append(areas, new_area(p, &bar->areas[i]));
        json_add(o, "areas", areas);
        return o;
}

json_object *probe_report_new(const struct host *h, const struct device *d, const struct bar_probe *p)
{
        json_object *o = json_new_object(), *bars = json_new_array();
        format_t time;

        json_add_count(o, "schema_version", PROBE_SCHEMA_VERSION);
        json_add_string(o, "version", PROJECT_VERSION);
        json_add_string(o, "time", format_time(h->time_usec, time));
        json_add_string(o, "kernel", h->kernel.release);
        json_add_string(o, "device", d->bdf);
        json_add_string(o, "name", d->name);
        json_add_string(o, "driver", d->driver);
        json_add_string(o, "interface", p->cdev ? "cdev" : "group");
        for (size_t i = 0; i < p->n_bars; i++)
                json_append(bars, new_bar(p, &p->bars[i]));
        json_add(o, "bars", bars);
        return o;
}

/* --- For people */

static const char *cell_seconds(json_object *row, cell_t buffer)
{
        snprintf(buffer, sizeof(cell_t), "%.6f", json_object_get_double(json_get(row, "seconds")));
        return buffer;
}

static const struct column columns[] = {
        { "ADDRESS", NULL, SCOLS_FL_RIGHT, .path = "address", .missing = "median" },
        { "ALLOWS", NULL, SCOLS_FL_RIGHT, .path = "alignment", .format = CELL_SIZE },
        { "PAGE", NULL, SCOLS_FL_RIGHT, .path = "page_size", .format = CELL_SIZE },
        { "FAULTS", NULL, SCOLS_FL_RIGHT, .path = "faults", .format = CELL_COUNT },
        { "SECONDS", NULL, SCOLS_FL_RIGHT, .cell = cell_seconds },
};

static void print_prediction(json_object *area, FILE *out)
{
        json_object *v = json_get(area, "predicted");
        uint64_t fault_size = json_get_number(area, "fault_size"), size = json_get_number(area, "size");
        const char *because = json_get_text(area, "no_faults_because");
        cell_t page, count, text;

        if (json_get_number(v, "page_size") == COUNT_UNKNOWN)
                print_line(out, "Predicted: unknown, see vfioalignctl audit");
        else
                print_line(out, "Predicted: %s pages%s, %s fault%s",
                           cell_size(json_get_number(v, "page_size"), page),
                           json_get_flag(v, "chance") ? " (or larger by chance)" : "",
                           cell_count(json_get_number(v, "faults"), count),
                           json_get_number(v, "faults") == 1 ? "" : "s");
        if (because)
                print_line(out, "Faults were not measured: %s", because);
        else if (fault_size < size)
                print_line(out, "Faults were measured in the first %s only; predicted there: %s",
                           cell_size(fault_size, text),
                           cell_count(json_get_number(area, "expected_faults"), count));
}

static int print_area(json_object *bar, json_object *area, FILE *out)
{
        json_object *measured = json_get(area, "measured"), *rows = json_new_array();
        const char *agrees = json_get_text(area, "agrees");
        cell_t size, start;
        int r;

        fputc('\n', out);
        print(out, "BAR %s, %s", json_get_text(bar, "index"), cell_size(json_get_number(bar, "size"), size));
        if (json_get_number(area, "size") != json_get_number(bar, "size"))
                print(out, ", the %s at %s", cell_size(json_get_number(area, "size"), size),
                      cell_size(json_get_number(area, "offset"), start));
        fputc('\n', out);
        print_prediction(area, out);

        for (size_t i = 0; i < json_length(measured); i++)
                json_append(rows, json_object_get(json_object_array_get_idx(measured, i)));
        json_append(rows, json_object_get(json_get(area, "median")));
        r = table_print(rows_of_array(rows), columns, ELEMENTSOF(columns), NULL, out);
        json_object_put(rows);
        if (streq(agrees, "no"))
                print_line(out, "The prediction is wrong here: please report it, with the output of "
                                "vfioalignctl dump.");
        else if (streq(agrees, "yes"))
                print_line(out, "As predicted.");
        return r;
}

static int print_bar(json_object *bar, FILE *out)
{
        json_object *areas = json_get(bar, "areas");
        cell_t size;

        if (json_length(areas) == 0) {
                fputc('\n', out);
                print_line(out, "BAR %s, %s, cannot be mapped", json_get_text(bar, "index"),
                           cell_size(json_get_number(bar, "size"), size));
        }
        for (size_t i = 0; i < json_length(areas); i++) {
                int r = print_area(bar, json_object_array_get_idx(areas, i), out);

                if (r < 0)
                        return r;
        }
        return 0;
}

int probe_report_print(json_object *report, FILE *out)
{
        json_object *bars = json_get(report, "bars");
        const char *name = json_get_text(report, "name");

        print_line(out, "%s%s%s, bound to %s, on Linux %s; each address is the kernel's choice",
                   json_get_text(report, "device"), name ? " " : "", name ?: "",
                   json_get_text(report, "driver"), json_get_text(report, "kernel") ?: "unknown");
        for (size_t i = 0; i < json_length(bars); i++) {
                int r = print_bar(json_object_array_get_idx(bars, i), out);

                if (r < 0)
                        return r;
        }
        if (json_length(bars) == 0)
                fputs("\nIt has no memory BAR.\n", out);
        return 0;
}
