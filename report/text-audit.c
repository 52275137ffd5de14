/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <libsmartcols.h>
#include <string.h>

#include "audit/start-time.h"
#include "report.h"
#include "table.h"
#include "text.h"
#include "util/format.h"
#include "util/macro.h"
#include "util/print.h"
#include "util/terminal.h"

/* Of lines that are read. */
#define TEXT_WIDTH 79
#define TEXT_WIDTH_MAX 119

/* What fits the terminal; longer lines than that are hard to read. */
static int text_width(void)
{
        unsigned width = terminal_width();

        if (width == 0)
                return TEXT_WIDTH;
        return width > TEXT_WIDTH_MAX ? TEXT_WIDTH_MAX : (int) width - 1;
}

/* With the arrows that follow it. */
static size_t word_length(const char *text)
{
        size_t n = strcspn(text, " "), spaces = strspn(text + n, " ");

        while (startswith(text + n + spaces, "->")) {
                n += spaces + strcspn(text + n + spaces, " ");
                spaces = strspn(text + n, " ");
        }
        return n;
}

/* column: where the cursor is. */
static void print_words(FILE *out, int indent, int column, const char *text)
{
        /* No line begins with an arrow: it would look like a remedy. */
        const char *first = startswith(text, "->") ? "\\x2d" : "";
        const int width = text_width();

        if (*first)
                text++;
        while (*text) {
                int n = (int) word_length(text);

                if (column > 0 && column + 1 + n > width) {
                        fputc('\n', out);
                        column = 0;
                }
                column += print(out, "%*s%s%.*s", column > 0 ? 1 : indent, "", first, n, text);
                first = "";
                text += n;
                text += strspn(text, " ");
        }
        if (column > 0)
                fputc('\n', out);
}

void print_wrapped(FILE *out, int indent, const char *text)
{
        print_words(out, indent, 0, text);
}

void print_labelled(FILE *out, const char *label, int indent, const char *text)
{
        print_words(out, indent, print(out, "%-*s", indent - 1, label), text);
}

void print_judged(FILE *out, const char *severity, int indent, const char *text)
{
        int column = (int) strlen(severity);

        print_severity(out, severity);
        if (column < indent - 1)
                column += print(out, "%*s", indent - 1 - column, "");
        print_words(out, indent, column, text);
}

static void add_condition(json_object *rows, const char *name, json_object *fact)
{
        json_object *row = json_new_object();

        json_add_string(row, "name", name);
        json_object_object_foreach (fact, key, value)
                json_add(row, key, json_object_get(value));
        json_append(rows, row);
}

static bool is_no(json_object *fact)
{
        return streq(json_get_text(fact, "value") ?: "", "no");
}

static json_object *new_conditions(json_object *head)
{
        json_object *rows = json_new_array(), *kernel = json_get(head, "kernel"),
                    *module = json_get(head, "module"), *iommus = json_get(head, "iommus"),
                    *thp = json_new_object();
        format_t pmd, pud;
        char name[128];

        format_size(json_get_number(kernel, "pmd_size"), pmd);
        format_size(json_get_number(kernel, "pud_size"), pud);
        add_condition(rows, "IOMMU active", json_get(iommus, "at_work"));
        add_condition(rows, "IOMMU remaps interrupts", json_get(iommus, "remaps_interrupts"));
        if (!is_no(json_get(kernel, "huge_pud"))) {
                snprintf(name, sizeof(name), "IOMMU has %s entries", pud);
                add_condition(rows, name, json_get(iommus, "huge_pud"));
                snprintf(name, sizeof(name), "KVM has %s entries", pud);
                add_condition(rows, name, json_get(json_get(head, "kvm"), "huge_pud"));
        }
        add_condition(rows, "vfio-pci available", json_get(kernel, "vfio"));
        snprintf(name, sizeof(name), "kernel maps BARs by %s", pmd);
        add_condition(rows, name, json_get(kernel, "huge_pmd"));
        snprintf(name, sizeof(name), "kernel maps BARs by %s", pud);
        add_condition(rows, name, json_get(kernel, "huge_pud"));
        snprintf(name, sizeof(name), "kernel places mappings at %s", pmd);
        add_condition(rows, name, json_get(kernel, "places_pmd"));
        snprintf(name, sizeof(name), "kernel places mappings at %s", pud);
        add_condition(rows, name, json_get(kernel, "places_pud"));
        add_condition(rows, "kernel aligns on purpose", json_get(kernel, "aligns"));
        add_condition(rows, "DMA pinning by huge entry", json_get(kernel, "pin_by_leaf"));
        json_add(thp, "value", json_object_get(json_get(kernel, "thp")));
        json_add_string(thp, "source", "sysfs");
        add_condition(rows, "transparent_hugepage", thp);
        json_object_put(thp);
        add_condition(rows, "VFIO ignores transparent_hugepage", json_get(kernel, "thp_exempt"));
        add_condition(rows, "module vfio_align installed", json_get(module, "installed"));
        add_condition(rows, "module vfio_align enabled", json_get(module, "enabled"));
        add_condition(rows, "module hook active", json_get(module, "alive"));
        add_condition(rows, "libvirt installed", json_get(json_get(head, "libvirt"), "installed"));
        if (!is_no(json_get(json_get(head, "libvirt"), "installed")))
                add_condition(rows, "libvirt calls our hook",
                              json_get(json_get(head, "libvirt"), "hook_seen"));
        return rows;
}

static int print_conditions(json_object *head, FILE *out)
{
        static const struct column columns[] = {
                { "CONDITION", .path = "name" },
                { "VALUE", .path = "value" },
                { "SOURCE", NULL, SCOLS_FL_WRAP, .cell = cell_reason },
        };
        json_object *rows = new_conditions(head);
        int r = table_print(rows_of_array(rows), columns, ELEMENTSOF(columns), NULL, out);

        json_object_put(rows);
        return r;
}

/* "0000:07:00.1 +7": the function, and as many virtual functions like it. */
static const char *cell_device(json_object *row, cell_t buffer)
{
        const char *more = json_get_text(row, "more");

        snprintf(buffer, sizeof(cell_t), "%s%s%s", json_get_text(row, "device"), more ? " +" : "",
                 more ?: "");
        return buffer;
}

static const char *cell_page(json_object *row, cell_t buffer)
{
        json_object *now = json_get(row, "now");

        cell_t page;

        /* Where it is chance, it is so much at the least. */
        snprintf(buffer, sizeof(cell_t), "%s%.64s", json_get_flag(now, "chance") ? ">= " : "",
                 cell_size(json_get_number(now, "page_size"), page));
        return buffer;
}

/* "1 GiB, 2 (module)": the first of the fixes that bring the most. */
static const char *cell_after(json_object *row, cell_t buffer)
{
        json_object *best = NULL;
        const char *name = NULL;
        cell_t page, faults;

        json_object_object_foreach (json_get(row, "after"), fix, verdict) {
                if (best && json_get_number(verdict, "page_size") <= json_get_number(best, "page_size"))
                        continue;
                best = verdict;
                name = fix;
        }
        if (!best)
                return NULL;
        snprintf(buffer, sizeof(cell_t), "%.32s, %.32s (%s)",
                 cell_size(json_get_number(best, "page_size"), page),
                 cell_count(json_get_number(best, "faults"), faults), name);
        return buffer;
}

/* The name of who places a BAR, without its folders. "kernel" is for all who leave the address to it. */
static const char *placer_name(const char *path)
{
        const char *slash = strrchr(path, '/');

        if (streq(path, "kernel"))
                return "(no aligning VMM)";
        return slash ? slash + 1 : path;
}

static json_object *find_same_outcome(json_object *rows, size_t first, json_object *placement)
{
        for (size_t i = first; i < json_length(rows); i++) {
                json_object *row = json_object_array_get_idx(rows, i);

                if (json_object_equal(json_get(row, "now"), json_get(placement, "now")) &&
                    json_object_equal(json_get(row, "after"), json_get(placement, "after")))
                        return row;
        }
        return NULL;
}

static json_object *new_bar_row(json_object *device, json_object *bar, json_object *placement,
                                const char *by)
{
        json_object *row = json_new_object();

        json_add(row, "device", json_object_get(json_get(device, "address")));
        json_add(row, "index", json_object_get(json_get(bar, "index")));
        json_add(row, "size", json_object_get(json_get(bar, "size")));
        json_add_string(row, "by", by);
        json_add(row, "now", json_object_get(json_get(placement, "now")));
        json_add(row, "after", json_object_get(json_get(placement, "after")));
        return row;
}

/* Adds one row for all programs that place the BAR with the same outcome. */
static void add_bar(json_object *rows, json_object *device, json_object *bar)
{
        json_object *placements = json_get(bar, "placements");
        size_t first = json_length(rows);

        for (size_t i = 0; i < json_length(placements); i++) {
                json_object *p = json_object_array_get_idx(placements, i),
                            *row = find_same_outcome(rows, first, p);
                const char *by = placer_name(json_get_text(p, "by"));
                char names[256];

                if (!row) {
                        json_append(rows, new_bar_row(device, bar, p, by));
                        continue;
                }
                snprintf(names, sizeof(names), "%s, %s", json_get_text(row, "by"), by);
                json_add_string(row, "by", names);
        }
}

/* A BAR smaller than a huge page gets base pages whatever is done. Such BARs are counted and not shown. */
static size_t count_small(const struct device *d, uint64_t huge)
{
        size_t small = 0;

        for (size_t k = 0; k < d->n_bars; k++)
                small += bar_is_mappable(&d->bars[k]) && d->bars[k].size < huge;
        return small;
}

static size_t count_unmappable(const struct device *d)
{
        size_t n = 0;

        for (size_t k = 0; k < d->n_bars; k++)
                n += !bar_is_mappable(&d->bars[k]);
        return n;
}

/* Virtual functions come by the hundred, so those that are alike share their rows. */
static bool is_alike(const struct device *a, const struct device *b)
{
        if (!*a->physical_function || !streq(a->physical_function, b->physical_function) ||
            a->n_bars != b->n_bars)
                return false;
        for (size_t i = 0; i < a->n_bars; i++)
                if (a->bars[i].index != b->bars[i].index || a->bars[i].size != b->bars[i].size)
                        return false;
        return true;
}

static void set_more(json_object *rows, const char *device, size_t more)
{
        for (size_t i = json_length(rows); i > 0; i--) {
                json_object *row = json_object_array_get_idx(rows, i - 1);

                if (!streq(json_get_text(row, "device"), device))
                        return;
                json_add_count(row, "more", more);
        }
}

static void add_bars(json_object *rows, struct devices *devices, size_t i)
{
        const struct device *d = &devices->host->devices.devices[i];
        json_object *device, *bars;

        device = devices_get(devices, i);
        bars = json_get(device, "bars");
        for (size_t k = 0; k < json_length(bars); k++)
                if (d->bars[k].size >= devices->host->kernel.pmd_size)
                        add_bar(rows, device, json_object_array_get_idx(bars, k));
        json_object_put(device);
}

static bool is_of_guest(const struct host *h, const char *bdf)
{
        for (size_t i = 0; i < h->libvirt.n_guests; i++) {
                const struct guest *g = &h->libvirt.guests[i].xml;

                for (size_t k = 0; k < g->n_hostdevs; k++)
                        if (streq(g->hostdevs[k].bdf, bdf))
                                return true;
        }
        return false;
}

/* Whether VFIO has the function or a guest is to have it. */
static bool is_concerned(const struct host *h, const struct device *d)
{
        return d->driver_is_vfio || bind_records_find(&h->binds, d->bdf) || is_of_guest(h, d->bdf);
}

/* What the table of BARs leaves out. */
struct hidden {
        size_t functions; /* that neither VFIO nor a guest has */
        size_t small;     /* BARs of the others */
};

/* Rows for those devices with a BAR that can have a huge page. */
static struct hidden add_all_bars(json_object *rows, struct devices *devices, bool all)
{
        struct hidden hidden = {};
        const struct device *d = devices->host->devices.devices;
        uint64_t huge = devices->host->kernel.pmd_size;
        size_t first = 0;

        for (size_t i = 0; i < devices->host->devices.n_devices; i++) {
                size_t n_small = count_small(&d[i], huge);

                if (!all && !is_concerned(devices->host, &d[i])) {
                        hidden.functions++;
                        continue;
                }
                hidden.small += n_small;
                if (n_small + count_unmappable(&d[i]) == d[i].n_bars)
                        continue;
                if (i > 0 && is_alike(&d[i], &d[first])) {
                        set_more(rows, d[first].bdf, i - first);
                        continue;
                }
                first = i;
                add_bars(rows, devices, i);
        }
        return hidden;
}

static void print_bar_counts(const struct host *h, struct hidden hidden, FILE *out)
{
        _cleanup_free_ char *text = NULL;
        size_t n = h->devices.n_devices;
        format_t huge, page;

        if (n == 0) {
                if (h->devices.listed.value == FACT_YES)
                        fputs("No PCI devices.\n", out);
                else
                        fputs("The PCI devices of this host could not be listed.\n", out);
                return;
        }
        if (asprintf(&text,
                     "%zu PCI function%s, of which VFIO or a guest has %zu; %zu BAR%s under %s not "
                     "shown: %s pages everywhere.%s",
                     n, n == 1 ? "" : "s", n - hidden.functions, hidden.small, hidden.small == 1 ? "" : "s",
                     format_size(h->kernel.pmd_size, huge), format_size(h->kernel.page_size, page),
                     hidden.functions > 0 ? " The others: --all." : "") < 0)
                return;
        print_wrapped(out, 0, text);
}

static int print_bars(struct devices *devices, bool all, FILE *out)
{
        static const struct column columns[] = {
                { "DEVICE", .cell = cell_device },
                { "BAR", NULL, SCOLS_FL_RIGHT, .path = "index" },
                { "SIZE", NULL, SCOLS_FL_RIGHT, .path = "size", .format = CELL_SIZE },
                { "PLACED BY", NULL, SCOLS_FL_WRAP, .path = "by" },
                { "PAGE", .cell = cell_page },
                { "FAULTS", NULL, SCOLS_FL_RIGHT, .path = "now.faults", .format = CELL_COUNT, .rank = 1 },
                { "LIMITED BY", .path = "now.limit" },
                { "AFTER FIX", NULL, SCOLS_FL_WRAP, .cell = cell_after },
        };
        json_object *rows = json_new_array();
        struct hidden hidden = add_all_bars(rows, devices, all);
        int r = 0;

        if (json_length(rows) > 0)
                r = table_print(rows_of_array(rows), columns, ELEMENTSOF(columns), NULL, out);
        json_object_put(rows);
        if (r < 0)
                return r;
        print_bar_counts(devices->host, hidden, out);
        return 0;
}

static void print_costs(json_object *costs, FILE *out)
{
        const char *guest = json_get_text(costs, "guest");
        _cleanup_free_ char *text = NULL;
        seconds_t seconds;

        if (!costs)
                return;
        format_start_seconds(json_object_get_double(json_get(costs, "seconds")),
                             json_get_flag(costs, "estimated"), seconds);
        if (asprintf(&text, "It costs a start%s%s %s.", guest ? " of " : "", guest ?: "", seconds) >= 0)
                print_wrapped(out, 4, text);
}

int report_print_findings(json_object *report, FILE *out)
{
        json_object *findings = json_get(report, "findings");

        if (json_length(findings) == 0)
                fputs("Nothing to report: every BAR gets what it can have.\n", out);
        for (size_t i = 0; i < json_length(findings); i++) {
                json_object *f = json_object_array_get_idx(findings, i);
                const char *subject = json_get_text(f, "subject"), *detail = json_get_text(f, "detail");

                print_severity(out, json_get_text(f, "severity") ?: "?");
                print(out, ": %s%s%s [", subject ?: "", subject ? ": " : "", json_get_text(f, "text"));
                print_finding_id(out, json_get_text(f, "id") ?: "?");
                fputs("]\n", out);
                if (detail)
                        print_wrapped(out, 4, detail);
                print_costs(json_get(f, "costs"), out);
                print_line(out, "    -> %s", json_get_text(f, "remedy"));
        }
        return 0;
}

int report_print_audit(json_object *head, struct devices *devices, bool all, bool full, FILE *out)
{
        static const enum report_table tables[] = { TABLE_GUESTS, TABLE_MAPPINGS };
        int r;

        assert(head);
        assert(devices);
        assert(out);

        r = report_print_doctor(head, devices, out);
        if (r < 0)
                return r;
        fputc('\n', out);
        r = report_print_findings(head, out);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(tables); i++) {
                fputc('\n', out);
                r = report_print_table(tables[i], head, NULL, NULL, out);
                if (r < 0)
                        return r;
        }
        fputc('\n', out);
        r = print_bars(devices, all, out);
        if (r < 0)
                return r;
        fputc('\n', out);
        r = report_print_table(TABLE_EMULATORS, head, NULL, NULL, out);
        if (r < 0 || !full)
                return r;
        fputc('\n', out);
        return print_conditions(head, out);
}
