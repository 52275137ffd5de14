/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>

#include "config/fix-id.h"
#include "filter.h"
#include "report-parts.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/print.h"

void report_add_fixes(json_object *o, unsigned fixes)
{
        json_object *array;

        if (fixes == 0)
                return;
        array = json_new_array();
        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++)
                if (fixes & FIX_BIT(id))
                        json_append(array, json_object_new_string(fix_id_to_string(id)));
        json_add(o, "fixes", array);
}

void report_add_seconds(json_object *o, const char *key, double seconds)
{
        if (seconds >= 0)
                json_add_seconds(o, key, seconds);
        else
                json_add(o, key, NULL);
}

void report_add_start_time(json_object *o, struct start_time t)
{
        report_add_seconds(o, "seconds", t.seconds);
        json_add_bool(o, "estimated", t.estimated);
}

/* The member is only there where it is known what the finding costs a start. */
static void add_costs(json_object *o, const struct finding *finding)
{
        json_object *costs;

        if (finding->costs < 0)
                return;
        costs = json_new_object();
        report_add_start_time(costs, (struct start_time){ finding->costs, finding->costs_estimated });
        json_add_string(costs, "guest", finding->costs_guest);
        json_add(o, "costs", costs);
}

static json_object *new_findings(const struct findings *f)
{
        json_object *array = json_new_array();

        for (size_t i = 0; i < f->n_findings; i++) {
                const struct finding *finding = &f->findings[i];
                const struct finding_type *type = finding_type(finding->id);
                _cleanup_free_ char *remedy = memory_note(finding_remedy(finding));
                json_object *o = json_new_object();

                json_add_string(o, "id", finding_to_string(finding->id));
                json_add_string(o, "severity", severity_to_string(finding->severity));
                json_add_string(o, "subject", finding->subject);
                json_add_string(o, "text", type->text);
                json_add_string(o, "explanation", type->explanation);
                json_add_string(o, "detail", finding->detail);
                json_add_string(o, "remedy", remedy ?: type->remedy);
                report_add_fixes(o, finding->fixes);
                add_costs(o, finding);
                json_append(array, o);
        }
        return array;
}

static json_object *new_need(const struct host *h, const struct findings *f)
{
        struct need n = need_of_host(h, f);
        json_object *o = json_new_object();

        json_add_string(o, "need", need_to_string(n.id));
        report_add_fixes(o, n.fixes);
        json_add_bool(o, "newer_kernel", n.newer_kernel);
        json_add_count(o, "guests", n.n_guests);
        json_add_count(o, "guests_short", n.n_short);
        json_add_count(o, "guests_unknown", n.n_unknown);
        json_add_count(o, "page_size", n.page_size > 0 ? n.page_size : COUNT_UNKNOWN);
        json_add_count(o, "faults", n.faults);
        json_add_count(o, "faults_after", n.faults_after);
        json_add_count(o, "pin_steps", n.pin_steps);
        json_add_count(o, "pin_steps_after", n.pin_steps_after);
        return o;
}

/* Returns o, or NULL where it lacks something because memory was out. */
static json_object *check_document(unsigned long failures, json_object *o)
{
        if (memory_failures() == failures)
                return o;
        json_object_put(o);
        return NULL;
}

json_object *report_head(const struct host *h, const struct findings *f)
{
        unsigned long failures = memory_failures();
        json_object *o = json_new_object();
        format_t time;

        assert(h);
        assert(f);

        if (!o)
                return NULL;
        json_add(o, "schema_version", memory_note(json_object_new_int(REPORT_SCHEMA_VERSION)));
        json_add_string(o, "version", PROJECT_VERSION);
        json_add_string(o, "time", format_time(h->time_usec, time));
        json_add(o, "host", report_identity(h));
        json_add_string(o, "switched_off_by", h->switched_off_by);
        json_add(o, "kernel", report_kernel(h));
        json_add(o, "module", report_module(h));
        json_add_fact(o, "iommu", h->iommu.at_work);
        json_add(o, "iommus", report_iommu(h));
        json_add(o, "kvm", report_kvm(h));
        json_add(o, "libvirt", report_libvirt(h));
        json_add(o, "emulators", report_emulators(h));
        json_add(o, "devices", json_new_array());
        json_add(o, "guests", report_guests(h));
        json_add(o, "processes", report_processes(h));
        json_add(o, "vfio_holders", report_holders(h));
        json_add(o, "mappings", report_mappings(h));
        json_add_fact(o, "mappings_complete", h->mappings.complete);
        json_add(o, "findings", new_findings(f));
        json_add(o, "need", new_need(h, f));
        return check_document(failures, o);
}

json_object *report_new(const struct host *h, const struct findings *f)
{
        unsigned long failures = memory_failures();
        json_object *o = report_head(h, f), *array = json_get(o, "devices");
        struct devices devices;

        devices_open(&devices, h);
        for (size_t i = 0; array && i < h->devices.n_devices; i++)
                json_append(array, devices_get(&devices, i));
        devices_close(&devices);
        return o ? check_document(failures, o) : NULL;
}

/* Prints a member that is `depth` levels deep. No string in the text has a newline, which JSON escapes. */
static void print_member(json_object *value, enum json_style style, int depth, FILE *out)
{
        const char *text = "null";

        if (value)
                text = json_text(value, style == JSON_SHORT ? JSON_FLAGS_SHORT : JSON_FLAGS);
        if (!text)
                return;
        for (size_t n; *text; text += n) {
                n = strcspn(text, "\n");
                json_print_text(text, n, out);
                if (text[n]) {
                        fputc('\n', out);
                        print(out, "%*s", 2 * depth, "");
                        n++;
                }
        }
}

/* Whether the filter is about the table of this member. */
static bool is_filtered(const struct filter *filter, const char *key)
{
        return filter && streq(report_table_key(filter->table), key);
}

static void print_devices(const struct host *h, enum json_style style, const struct filter *filter,
                          FILE *out)
{
        struct devices devices;
        size_t n = 0;

        if (h->devices.n_devices == 0) {
                fputs("[]", out);
                return;
        }
        fputs(style == JSON_SHORT ? "[" : "[\n    ", out);
        devices_open(&devices, h);
        for (size_t i = 0; i < h->devices.n_devices; i++) {
                json_object *o;

                if (!filter_has_address(filter, h->devices.devices[i].bdf))
                        continue;
                if (n++ > 0)
                        fputs(style == JSON_SHORT ? "," : ",\n    ", out);
                o = devices_get(&devices, i);
                print_member(o, style, 2, out);
                json_object_put(o);
        }
        devices_close(&devices);
        fputs(style == JSON_SHORT ? "]" : "\n  ]", out);
}

/* The rows of the document's head that match. */
static int filter_head(json_object *head, const struct filter *filter)
{
        const char *key = filter ? report_table_key(filter->table) : NULL;
        unsigned long failures = memory_failures();

        if (!filter || filter->table == TABLE_DEVICES)
                return 0;
        json_add(head, key, filter_rows(filter, json_get(head, key)));
        return memory_check(failures, 0);
}

int report_print_host_json(const struct host *h, const struct findings *f, enum json_style style,
                           const struct filter *filter, FILE *out)
{
        unsigned long failures = memory_failures();
        json_object *head = report_head(h, f);
        bool first = true;

        assert(style != JSON_NONE);

        if (!head || filter_head(head, filter) < 0) {
                json_object_put(head);
                return -ENOMEM;
        }
        json_object_object_foreach (head, key, value) {
                fputs(first ? "{" : ",", out);
                if (style == JSON_PRETTY)
                        fputs("\n  ", out);
                print(out, "\"%s\":", key);
                if (streq(key, "devices"))
                        print_devices(h, style, is_filtered(filter, key) ? filter : NULL, out);
                else
                        print_member(value, style, 1, out);
                first = false;
        }
        fputs(style == JSON_SHORT ? "}\n" : "\n}\n", out);
        json_object_put(head);
        return memory_check(failures, 0); /* what is printed then is no document */
}
