/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "row.h"

#include <assert.h>

#include "audit/finding.h"
#include "util/macro.h"

#define KIND "row"

/* The document's own member, so it need not be made again. Missing is null. */
static void share_member(json_object *to, json_object *from, const char *key)
{
        json_add(to, key, json_object_get(json_get(from, key)));
}

static bool fact_says(json_object *facts, const char *key, const char *value)
{
        return streq(json_get_fact(facts, key), value);
}

const char *row_module_state(json_object *module)
{
        if (fact_says(module, "loaded", "yes")) {
                if (fact_says(module, "enabled", "no"))
                        return "disabled";
                if (!fact_says(module, "enabled", "yes"))
                        return "unknown";
                return fact_says(module, "alive", "no") ? "dead" : "working";
        }
        if (!fact_says(module, "loaded", "no"))
                return "unknown";
        if (fact_says(module, "installed", "no"))
                return "absent";
        if (fact_says(module, "loadable", "no"))
                return "forbidden";
        return fact_says(module, "installed", "yes") ? "unloaded" : "unknown";
}

static bool has_text(json_object *array, const char *text)
{
        for (size_t i = 0; i < json_length(array); i++)
                if (streq(json_object_get_string(json_object_array_get_idx(array, i)) ?: "", text))
                        return true;
        return false;
}

/* Every value of a member, once. */
static json_object *new_values(json_object *objects, const char *key)
{
        json_object *values = json_new_array();

        for (size_t i = 0; i < json_length(objects); i++) {
                const char *text = json_get_text(json_object_array_get_idx(objects, i), key);

                if (text && !has_text(values, text))
                        json_append_string(values, text);
        }
        return values;
}

static json_object *new_severities(json_object *findings)
{
        uint64_t counts[_SEVERITY_MAX] = {};
        json_object *o = json_new_object();

        for (size_t i = 0; i < json_length(findings); i++) {
                enum severity s = severity_from_string(
                        json_get_text(json_object_array_get_idx(findings, i), "severity"));

                if (s >= 0)
                        counts[s]++;
        }
        for (enum severity s = 0; s < _SEVERITY_MAX; s++)
                json_add_count(o, severity_to_string(s), counts[s]);
        return o;
}

static json_object *new_guest(json_object *guest)
{
        static const char *const members[] = { "name",      "running",        "measured",
                                               "page_size", "best_page_size", "limit" };
        json_object *o = json_new_object(), *foretold = json_get(guest, "foretold"),
                    *start = json_get(guest, "last_start");

        for (size_t i = 0; i < ELEMENTSOF(members); i++)
                share_member(o, guest, members[i]);
        share_member(o, foretold, "faults");
        share_member(o, foretold, "pin_steps");
        if (!start)
                return o;
        json_add(o, "start_seconds", json_object_get(json_get(start, "seconds")));
        json_add(o, "bar_seconds", json_object_get(json_get(json_get(start, "phases"), "bars")));
        return o;
}

static json_object *new_guests(json_object *guests)
{
        json_object *array = json_new_array();

        for (size_t i = 0; i < json_length(guests); i++)
                json_append(array, new_guest(json_object_array_get_idx(guests, i)));
        return array;
}

json_object *report_row(json_object *report)
{
        json_object *o = json_new_object(), *kernel = json_get(report, "kernel"),
                    *findings = json_get(report, "findings");

        assert(report);

        if (!o)
                return NULL;
        json_add_string(o, "kind", KIND);
        share_member(o, report, "schema_version");
        share_member(o, report, "version");
        share_member(o, report, "time");
        share_member(o, report, "host");
        json_add(o, "kernel", json_object_get(json_get(kernel, "release")));
        json_add(o, "thp", json_object_get(json_get(kernel, "thp")));
        json_add_string(o, "module", row_module_state(json_get(report, "module")));
        json_add(o, "emulators", new_values(json_get(report, "emulators"), "generation"));
        share_member(o, report, "need");
        json_add(o, "severities", new_severities(findings));
        json_add(o, "findings", new_values(findings, "id"));
        json_add(o, "guests", new_guests(json_get(report, "guests")));
        return o;
}

bool row_is_row(json_object *document)
{
        return streq(json_get_text(document, "kind") ?: "", KIND);
}
