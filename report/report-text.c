/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <libsmartcols.h>
#include <stdarg.h>

#include "format.h"
#include "report.h"
#include "util/macro.h"

DEFINE_TRIVIAL_CLEANUP(struct libscols_table *, scols_unref_table)
#define _cleanup_table_ _cleanup_(scols_unref_tablep)

/* A BAR below this gets base pages whatever is done: the audit counts such BARs and shows the others. */
#define SHOWN_BAR_MIN MIB(2)

static json_object *get(json_object *o, const char *key)
{
        json_object *v = NULL;

        json_object_object_get_ex(o, key, &v);
        return v;
}

static const char *get_string(json_object *o, const char *key)
{
        json_object *v = get(o, key);

        return v ? json_object_get_string(v) : NULL;
}

static uint64_t get_count(json_object *o, const char *key)
{
        json_object *v = get(o, key);

        return v ? json_object_get_uint64(v) : COUNT_UNKNOWN;
}

static bool get_bool(json_object *o, const char *key)
{
        return json_object_get_boolean(get(o, key));
}

static size_t length(json_object *array)
{
        return array ? json_object_array_length(array) : 0;
}

struct column {
        const char *name;
        int flags;
};

static int table_new(struct libscols_table **ret, FILE *out, const struct column *columns, size_t n)
{
        _cleanup_table_ struct libscols_table *table = scols_new_table();

        if (!table)
                return -ENOMEM;
        scols_table_set_stream(table, out);
        for (size_t i = 0; i < n; i++)
                if (!scols_table_new_column(table, columns[i].name, 0, columns[i].flags))
                        return -ENOMEM;
        *ret = TAKE_PTR(table);
        return 0;
}

/* Adds a row; NULL leaves a cell empty. */
static int table_add(struct libscols_table *table, const char *const cells[], size_t n)
{
        struct libscols_line *line = scols_table_new_line(table, NULL);
        int r = line ? 0 : -ENOMEM;

        for (size_t i = 0; i < n && r == 0; i++)
                if (cells[i])
                        r = scols_line_set_data(line, i, cells[i]);
        return r;
}
#define TABLE_ADD(table, ...)                                                                   \
        table_add(table, (const char *const[]){__VA_ARGS__},                                    \
                  ELEMENTSOF(((const char *const[]){__VA_ARGS__})))

static const char *size_or_unknown(uint64_t bytes, format_t buffer)
{
        return bytes == COUNT_UNKNOWN ? "unknown" : format_size(bytes, buffer);
}

static const char *count_or_unknown(uint64_t n, format_t buffer)
{
        return n == COUNT_UNKNOWN ? "unknown" : format_count(n, buffer);
}

static int add_condition(struct libscols_table *table, const char *name, json_object *fact)
{
        return TABLE_ADD(table, name, get_string(fact, "value"), get_string(fact, "why") ?: get_string(fact, "source"));
}

static int print_conditions(json_object *report, FILE *out)
{
        static const struct column columns[] = {{"CONDITION", 0}, {"VALUE", 0}, {"LEARNT FROM", 0}};
        _cleanup_table_ struct libscols_table *table = NULL;
        json_object *kernel = get(report, "kernel"), *module = get(report, "module");
        format_t pmd, pud;
        char name[128];
        int r;

        r = table_new(&table, out, columns, ELEMENTSOF(columns));
        if (r < 0)
                return r;
        format_size(get_count(kernel, "pmd_size"), pmd);
        format_size(get_count(kernel, "pud_size"), pud);

        r = add_condition(table, "IOMMU at work", get(report, "iommu"));
        r = r ?: add_condition(table, "vfio-pci there", get(kernel, "vfio"));
        snprintf(name, sizeof(name), "kernel maps BARs with %s entries", pmd);
        r = r ?: add_condition(table, name, get(kernel, "huge_pmd"));
        snprintf(name, sizeof(name), "kernel maps BARs with %s entries", pud);
        r = r ?: add_condition(table, name, get(kernel, "huge_pud"));
        snprintf(name, sizeof(name), "kernel places mappings at %s", pmd);
        r = r ?: add_condition(table, name, get(kernel, "places_pmd"));
        snprintf(name, sizeof(name), "kernel places mappings at %s", pud);
        r = r ?: add_condition(table, name, get(kernel, "places_pud"));
        r = r ?: add_condition(table, "DMA pinning goes by huge entry", get(kernel, "pin_by_leaf"));
        r = r ?: TABLE_ADD(table, "transparent_hugepage", get_string(kernel, "thp"), "sysfs");
        r = r ?: add_condition(table, "huge entries whatever THP says", get(kernel, "thp_exempt"));
        r = r ?: add_condition(table, "module vfio_align installed", get(module, "installed"));
        r = r ?: add_condition(table, "module vfio_align at work", get(module, "enabled"));
        return r ?: scols_print_table(table);
}

static int print_emulators(json_object *report, FILE *out)
{
        static const struct column columns[] = {{"EMULATOR", 0}, {"ALIGNS BARS", 0}, {"LEARNT FROM", 0}};
        _cleanup_table_ struct libscols_table *table = NULL;
        json_object *emulators = get(report, "emulators");
        int r;

        if (length(emulators) == 0) {
                fputs("No emulator is installed at the usual places.\n", out);
                return 0;
        }
        r = table_new(&table, out, columns, ELEMENTSOF(columns));
        for (size_t i = 0; i < length(emulators) && r == 0; i++) {
                json_object *e = json_object_array_get_idx(emulators, i);

                r = TABLE_ADD(table, get_string(e, "path"), get_string(e, "generation"),
                              get_string(e, "why") ?: get_string(e, "source"));
        }
        return r ?: scols_print_table(table);
}

/* "1 GiB, 2 faults (module)": the first remedy that brings more. */
static const char *format_after(json_object *after, char *buffer, size_t size)
{
        format_t page, faults;

        json_object_object_foreach(after, remedy, verdict) {
                snprintf(buffer, size, "%s, %s faults (%s)", size_or_unknown(get_count(verdict, "page_size"), page),
                         count_or_unknown(get_count(verdict, "faults"), faults), remedy);
                return buffer;
        }
        return NULL;
}

static int add_bar(struct libscols_table *table, json_object *device, json_object *bar)
{
        json_object *placements = get(bar, "placements");
        format_t size;
        int r = 0;

        format_size(get_count(bar, "size"), size);
        for (size_t i = 0; i < length(placements) && r == 0; i++) {
                json_object *p = json_object_array_get_idx(placements, i), *now = get(p, "now");
                format_t page, faults;
                char after[256], sure[sizeof(format_t) + 16];

                snprintf(sure, sizeof(sure), "%s%s", size_or_unknown(get_count(now, "page_size"), page),
                         get_bool(now, "luck") ? " or luck" : "");
                r = TABLE_ADD(table, get_string(device, "address"), get_string(bar, "index"), size,
                              get_string(p, "by"), sure, count_or_unknown(get_count(now, "faults"), faults),
                              get_string(now, "limit"), format_after(get(p, "after"), after, sizeof(after)));
        }
        return r;
}

static int print_bars(json_object *report, FILE *out)
{
        static const struct column columns[] = {
                {"DEVICE", 0}, {"BAR", SCOLS_FL_RIGHT}, {"SIZE", SCOLS_FL_RIGHT}, {"PLACED BY", 0},
                {"PAGE", 0}, {"FAULTS", SCOLS_FL_RIGHT}, {"LIMITED BY", 0}, {"AFTER FIX", 0},
        };
        _cleanup_table_ struct libscols_table *table = NULL;
        json_object *devices = get(report, "devices");
        size_t small = 0, shown = 0;
        int r;

        r = table_new(&table, out, columns, ELEMENTSOF(columns));
        for (size_t i = 0; i < length(devices) && r == 0; i++) {
                json_object *d = json_object_array_get_idx(devices, i), *bars = get(d, "bars");

                for (size_t k = 0; k < length(bars) && r == 0; k++) {
                        json_object *bar = json_object_array_get_idx(bars, k);

                        if (get_count(bar, "size") < SHOWN_BAR_MIN) {
                                small++;
                                continue;
                        }
                        shown++;
                        r = add_bar(table, d, bar);
                }
        }
        if (r == 0 && shown > 0)
                r = scols_print_table(table);
        if (length(devices) == 0)
                fputs("No PCI devices.\n", out);
        else
                fprintf(out, "%zu PCI functions; %zu BARs under 2 MiB, which have 4 KiB pages everywhere, are not shown.\n",
                        length(devices), small);
        return r;
}

int report_print_mappings(json_object *report, FILE *out)
{
        static const struct column columns[] = {
                {"PID", SCOLS_FL_RIGHT}, {"COMMAND", 0}, {"DEVICE", 0}, {"BAR", SCOLS_FL_RIGHT},
                {"ADDRESS", SCOLS_FL_RIGHT}, {"SIZE", SCOLS_FL_RIGHT}, {"PAGE", SCOLS_FL_RIGHT},
                {"BEST", SCOLS_FL_RIGHT}, {"LIMITED BY", 0},
        };
        _cleanup_table_ struct libscols_table *table = NULL;
        json_object *mappings = get(report, "mappings"), *complete = get(report, "mappings_complete");
        int r;

        r = table_new(&table, out, columns, ELEMENTSOF(columns));
        for (size_t i = 0; i < length(mappings) && r == 0; i++) {
                json_object *m = json_object_array_get_idx(mappings, i), *v = get(m, "verdict");
                format_t size, page, best;

                r = TABLE_ADD(table, get_string(m, "pid"), get_string(m, "command"), get_string(m, "device") ?: "?",
                              get_string(m, "region") ?: "?", get_string(m, "address"),
                              format_size(get_count(m, "size"), size),
                              size_or_unknown(get_count(v, "page_size"), page),
                              format_size(get_count(m, "best_page_size"), best), get_string(v, "limit"));
        }
        if (r == 0 && length(mappings) > 0)
                r = scols_print_table(table);
        if (length(mappings) == 0)
                fputs("No process maps a VFIO device, as far as can be seen.\n", out);
        if (streq(get_string(complete, "value") ?: "", "unknown"))
                fprintf(out, "Not all processes could be looked at: %s.\n", get_string(complete, "why"));
        return r;
}

int report_print_guests(json_object *report, FILE *out)
{
        static const struct column columns[] = {
                {"GUEST", 0}, {"PID", SCOLS_FL_RIGHT}, {"PAGE", SCOLS_FL_RIGHT}, {"BEST", SCOLS_FL_RIGHT}, {"LIMITED BY", 0},
        };
        _cleanup_table_ struct libscols_table *table = NULL;
        json_object *guests = get(report, "guests");
        int r;

        if (length(guests) == 0) {
                fputs("No guest with a VFIO device runs.\n", out);
                return 0;
        }
        r = table_new(&table, out, columns, ELEMENTSOF(columns));
        for (size_t i = 0; i < length(guests) && r == 0; i++) {
                json_object *g = json_object_array_get_idx(guests, i);
                format_t page, best;

                r = TABLE_ADD(table, get_string(g, "name"), get_string(g, "pid"),
                              size_or_unknown(get_count(g, "page_size"), page),
                              size_or_unknown(get_count(g, "best_page_size"), best), get_string(g, "limit"));
        }
        return r ?: scols_print_table(table);
}

int report_print_findings(json_object *report, FILE *out)
{
        json_object *findings = get(report, "findings");

        if (length(findings) == 0)
                fputs("Nothing to report: every BAR gets what it can have.\n", out);
        for (size_t i = 0; i < length(findings); i++) {
                json_object *f = json_object_array_get_idx(findings, i);
                const char *subject = get_string(f, "subject"), *detail = get_string(f, "detail");

                fprintf(out, "%s: %s%s%s [%s]\n", get_string(f, "severity"), subject ?: "", subject ? ": " : "",
                        get_string(f, "text"), get_string(f, "id"));
                if (detail)
                        fprintf(out, "    %s\n", detail);
                fprintf(out, "    -> %s\n", get_string(f, "remedy"));
        }
        return 0;
}

int report_print_audit(json_object *report, FILE *out)
{
        int (*const parts[])(json_object *, FILE *) = {
                print_conditions, print_emulators, print_bars, report_print_mappings, report_print_findings,
        };
        int r = 0;

        fprintf(out, "Kernel %s\n", get_string(get(report, "kernel"), "release") ?: "of unknown release");
        for (size_t i = 0; i < ELEMENTSOF(parts) && r == 0; i++) {
                fputc('\n', out);
                r = parts[i](report, out);
        }
        return r;
}
