/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <ctype.h>

#include "report.h"
#include "util/macro.h"

/* "process 812", "(pid 812, card0)": texts that name a process give its number. */
static bool names_process(const char *text)
{
        static const char *const words[] = { "process ", "pid " };

        for (size_t i = 0; text && i < ELEMENTSOF(words); i++)
                for (const char *p = text; (p = strstr(p, words[i]));) {
                        p += strlen(words[i]);
                        if (isdigit((unsigned char) *p))
                                return true;
                }
        return false;
}

/* The same mapping, as nobody's. It is a new object because that of a running guest is kept. */
static json_object *new_nameless(json_object *mapping)
{
        static const char *const names[] = { "pid", "command", "address" };
        json_object *o = json_new_object();

        json_object_object_foreach (mapping, key, value)
                json_add(o, key, json_object_get(value));
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                json_add(o, names[i], NULL);
        return o;
}

static void leave_out_of_mappings(json_object *owner)
{
        json_object *old = json_get(owner, "mappings"), *array = json_new_array();

        for (size_t i = 0; i < json_length(old); i++)
                json_append(array, new_nameless(json_object_array_get_idx(old, i)));
        json_add(owner, "mappings", array);
}

static void leave_out_of_guests(json_object *guests)
{
        for (size_t i = 0; i < json_length(guests); i++) {
                json_object *g = json_object_array_get_idx(guests, i);

                json_add(g, "pid", NULL);
                leave_out_of_mappings(g);
        }
}

/* Somebody runs it, and nothing else is known of it: neither is it at a usual place, nor does a domain of
 * libvirt name it. */
static bool is_of_process(json_object *emulator)
{
        return !json_get_flag(emulator, "distribution") && !json_get_flag(emulator, "libvirt");
}

static bool is_public(json_object *emulators, const char *path)
{
        if (!path || *path != '/')
                return true;
        for (size_t i = 0; i < json_length(emulators); i++) {
                json_object *e = json_object_array_get_idx(emulators, i);

                if (streq(json_get_text(e, "path") ?: "", path))
                        return !is_of_process(e);
        }
        return true;
}

static void leave_out_of_placements(json_object *placements, json_object *emulators)
{
        for (size_t i = json_length(placements); i > 0; i--)
                if (!is_public(emulators, json_get_text(json_object_array_get_idx(placements, i - 1), "by")))
                        json_object_array_del_idx(placements, i - 1, 1);
}

static void leave_out_of_device(json_object *device, json_object *emulators)
{
        json_object *uses = json_get(device, "uses"), *bars = json_get(device, "bars");

        for (size_t i = 0; i < json_length(uses); i++) {
                json_object *use = json_object_array_get_idx(uses, i);

                if (names_process(json_get_text(use, "what")))
                        json_add_string(use, "what", "a process");
        }
        for (size_t i = 0; i < json_length(bars); i++)
                leave_out_of_placements(json_get(json_object_array_get_idx(bars, i), "placements"),
                                        emulators);
}

static void leave_out_of_findings(json_object *findings, json_object *emulators)
{
        for (size_t i = 0; i < json_length(findings); i++) {
                json_object *f = json_object_array_get_idx(findings, i);

                if (names_process(json_get_text(f, "detail")))
                        json_add_string(f, "detail", NULL);
                if (!is_public(emulators, json_get_text(f, "subject")))
                        json_add_string(f, "subject", NULL);
        }
}

static void leave_out_of_emulators(json_object *emulators)
{
        for (size_t i = json_length(emulators); i > 0; i--)
                if (is_of_process(json_object_array_get_idx(emulators, i - 1)))
                        json_object_array_del_idx(emulators, i - 1, 1);
}

static json_object *new_left_out(void)
{
        static const char *const names[] = { "processes", "addresses", "emulators" };
        json_object *array = json_new_array();

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                json_append(array, json_object_new_string(names[i]));
        return array;
}

void report_leave_out(json_object *report)
{
        json_object *emulators = json_get(report, "emulators"), *devices = json_get(report, "devices");

        assert(report);

        for (size_t i = 0; i < json_length(devices); i++)
                leave_out_of_device(json_object_array_get_idx(devices, i), emulators);
        leave_out_of_guests(json_get(report, "guests"));
        leave_out_of_mappings(report);
        leave_out_of_findings(json_get(report, "findings"), emulators);
        leave_out_of_emulators(emulators);
        json_add(report, "processes", json_new_array());
        json_add(report, "vfio_holders", json_new_array());
        if (names_process(json_get_text(json_get(report, "mappings_complete"), "why")))
                json_object_object_del(json_get(report, "mappings_complete"), "why");
        json_add(report, "left_out", new_left_out());
}
