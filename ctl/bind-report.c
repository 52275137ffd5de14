/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bind-report.h"

#include <errno.h>
#include <stdarg.h>
#include <wchar.h>
#include <wctype.h>

#include "report/table.h"
#include "util/macro.h"

#define DEVICES "/sys/bus/pci/devices/"
#define DRIVERS "/sys/bus/pci/drivers/"

static const struct {
        const char *name;
        bool good;
        const char *text;
} outcomes[] = {
        { "unchanged", true, "unchanged" },
        { "planned", true, "planned" },
        { "bound", true, "bound" },
        { "returned", true, "returned" },
        { "gone", true, "gone, all of its functions have left the host" },
        { "refused", false, "refused, nothing was written" },
        { "failed", false, "failed, all of its functions are where they were before" },
        { "quarantined", false, "quarantined" },
        { "stuck", false, "stuck, a task hangs in the kernel with it" },
};

json_object *bind_report_new(const char *operation, bool dry_run)
{
        json_object *o = json_object_new_object();

        json_object_object_add(o, "schema_version", json_object_new_int(BIND_SCHEMA_VERSION));
        json_object_object_add(o, "operation", json_object_new_string(operation));
        json_object_object_add(o, "dry_run", json_object_new_boolean(dry_run));
        json_object_object_add(o, "groups", json_object_new_array());
        return o;
}

void bind_report_add(json_object *report, json_object *group)
{
        json_object_object_del(group, "type");
        json_object_array_add(json_get(report, "groups"), group);
}

static bool is_array_of_objects(json_object *array)
{
        if (!json_object_is_type(array, json_type_array))
                return false;
        for (size_t i = 0; i < json_length(array); i++)
                if (!json_object_is_type(json_object_array_get_idx(array, i), json_type_object))
                        return false;
        return true;
}

bool bind_group_is_valid(json_object *group)
{
        return json_object_is_type(json_get(group, "outcome"), json_type_string) &&
               is_array_of_objects(json_get(group, "devices")) &&
               is_array_of_objects(json_get(group, "findings"));
}

static bool is(json_object *group, const char *outcome)
{
        return streq(json_get_text(group, "outcome") ?: "", outcome);
}

bool bind_group_is_good(json_object *group)
{
        for (size_t i = 0; i < ELEMENTSOF(outcomes); i++)
                if (is(group, outcomes[i].name))
                        return outcomes[i].good;
        return false;
}

static bool has_text(json_object *array, const char *key, const char *text)
{
        for (size_t i = 0; i < json_length(array); i++)
                if (streq(json_get_text(json_object_array_get_idx(array, i), key) ?: "", text))
                        return true;
        return false;
}

bool bind_group_has(json_object *group, const char *bdf)
{
        return has_text(json_get(group, "devices"), "address", bdf) ||
               has_text(json_get(group, "findings"), "subject", bdf);
}

/* Names of processes and files can be anything: a terminal shall not act on them. */
static void defuse(char *s)
{
        mbstate_t state = {};

        while (*s) {
                wchar_t c;
                size_t n = mbrtowc(&c, s, MB_CUR_MAX, &state);

                if (n == (size_t) -1 || n == (size_t) -2) {
                        state = (mbstate_t){};
                        c = L'\0';
                        n = 1;
                }
                if (iswcntrl((wint_t) c))
                        memset(s, '?', n);
                s += n;
        }
}

/* One line. */
static _printf_(2, 3) void put(FILE *out, const char *format, ...)
{
        _cleanup_free_ char *line = NULL;
        va_list args;
        int n;

        va_start(args, format);
        n = vasprintf(&line, format, args);
        va_end(args);
        if (n < 0) {
                line = NULL;
                return;
        }
        defuse(line);
        fprintf(out, "%s\n", line);
}

/* What bind/binding.c writes where the kernel takes each write and no driver gets in between. */
static void print_writes(const char *bdf, json_object *from, json_object *to)
{
        const char *old = json_get_text(from, "driver"), *new = json_get_text(to, "driver");
        const char *override = json_get_text(to, "override");
        bool overrides = !streq(json_get_text(from, "override") ?: "", override ?: "");
        bool changes = !streq(old ?: "", new ?: "");

        for (int last = 0; last < 2; last++) {
                /* Where no driver follows, the override goes last. */
                if (overrides && last == (changes && !new)) {
                        if (override)
                                put(stdout, "    writes %s to " DEVICES "%s/driver_override", override, bdf);
                        else
                                put(stdout, "    clears " DEVICES "%s/driver_override", bdf);
                }
                if (changes && old && last == 0)
                        put(stdout, "    writes %s to " DRIVERS "%s/unbind", bdf, old);
                if (changes && new &&last == 0)
                        put(stdout, "    writes %s to /sys/bus/pci/drivers_probe", bdf);
        }
}

static void print_device(json_object *device, json_object *group, bool returning)
{
        /* "before" is where it has to go back to: the way back leads there. */
        json_object *from = json_get(device, returning ? "after" : "before");
        json_object *to = json_get(device, returning ? "before" : "after");
        const char *bdf = json_get_text(device, "address") ?: "?";
        const char *old = json_get_text(from, "driver"), *new = json_get_text(to, "driver");

        /* Of an unchanged one the record may tell how it came here. */
        if (!streq(old ?: "", new ?: "") && !is(group, "unchanged"))
                put(stdout, "%s  %s -> %s", bdf, old ?: "no driver", new ?: "no driver");
        else if (new)
                put(stdout, "%s is bound to %s already", bdf, new);
        else
                put(stdout, "%s has no driver, and gets none", bdf);
        if (is(group, "planned"))
                print_writes(bdf, from, to);
}

static void print_devices(json_object *group, bool returning)
{
        json_object *devices = json_get(group, "devices");

        /* What has left the host went nowhere. */
        for (size_t i = 0; i < json_length(devices) && !is(group, "gone"); i++)
                print_device(json_object_array_get_idx(devices, i), group, returning);
}

static void print_finding(json_object *finding, json_object *next)
{
        const char *subject = json_get_text(finding, "subject"), *detail = json_get_text(finding, "detail");
        const char *id = json_get_text(finding, "id") ?: "", *remedy = json_get_text(finding, "remedy");

        put(stderr, "vfioalignctl: %s%s%s%s%s%s", subject ?: "", subject ? ": " : "",
            json_get_text(finding, "text") ?: id, detail ? " (" : "", detail ?: "", detail ? ")" : "");
        /* Of several alike once. */
        if (remedy && !(next && streq(json_get_text(next, "id") ?: "", id)))
                put(stderr, "  %s", remedy);
}

static void print_stack(json_object *group)
{
        const char *stack = json_get_text(group, "stack"), *pid = json_get_text(group, "pid");

        if (pid)
                put(stderr, "  Process %s hangs in the kernel%s", pid,
                    stack ? ":" : "; its stack cannot be read");
        while (stack && *stack) {
                int n = (int) strcspn(stack, "\n");

                put(stderr, "    %.*s", n, stack);
                stack += n;
                stack += *stack == '\n';
        }
}

static void print_group(json_object *group, bool returning)
{
        const char *number = json_get_text(group, "group") ?: "?",
                   *outcome = json_get_text(group, "outcome") ?: "?";
        uint64_t n = json_length(json_get(group, "devices")), writes = json_get_number(group, "writes");
        const char *text = outcome;

        for (size_t i = 0; i < ELEMENTSOF(outcomes); i++)
                if (streq(outcomes[i].name, outcome))
                        text = outcomes[i].text;
        if (!bind_group_is_good(group))
                put(stderr, "vfioalignctl: group %s: %s", number, text);
        else if (is(group, "bound") || is(group, "returned"))
                put(stdout, "group %s: %s (%ju function%s, %ju write%s, %.2f s)", number, text,
                    (uintmax_t) n, n == 1 ? "" : "s", (uintmax_t) writes, writes == 1 ? "" : "s",
                    json_object_get_double(json_get(group, "seconds")));
        else if (is(group, "planned"))
                put(stdout, "group %s: would be %s, nothing was written", number,
                    returning ? "given back" : "handed over");
        else if (!is(group, "unchanged"))
                put(stdout, "group %s: %s", number, text);
}

int bind_group_print(json_object *group, bool returning)
{
        json_object *findings = json_get(group, "findings");
        const char *reason = json_get_text(group, "reason");
        size_t n = json_length(findings);

        if (bind_group_is_good(group))
                print_devices(group, returning);
        if (fflush(stdout) != 0)
                return -errno;
        for (size_t i = 0; i < n; i++)
                print_finding(json_object_array_get_idx(findings, i),
                              i + 1 < n ? json_object_array_get_idx(findings, i + 1) : NULL);
        if (reason && !has_text(findings, "detail", reason))
                put(stderr, "vfioalignctl: %s", reason);
        print_stack(group);
        /* A function that does not exist is in none. */
        if (json_object_get_int(json_get(group, "group")) >= 0 || n == 0)
                print_group(group, returning);
        return fflush(stdout) != 0 ? -errno : 0;
}
