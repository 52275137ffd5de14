/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bind-report.h"

#include <assert.h>
#include <errno.h>

#include "bind/worker-reply.h"
#include "bind/worker.h"
#include "report/table.h"
#include "util/macro.h"
#include "util/print.h"

json_object *bind_report_new(const char *operation, bool dry_run)
{
        json_object *o = json_new_object();

        assert(operation);

        json_add_count(o, "schema_version", BIND_SCHEMA_VERSION);
        json_add_string(o, "operation", operation);
        json_add_bool(o, "dry_run", dry_run);
        json_add(o, "groups", json_new_array());
        return o;
}

void bind_report_add(json_object *report, json_object *group)
{
        /* Either is NULL where memory ran out, which is noted. */
        if (group)
                json_object_object_del(group, "type");
        json_append(json_get(report, "groups"), group);
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

static void print_planned_writes(json_object *writes)
{
        for (size_t i = 0; i < json_length(writes); i++) {
                json_object *write = json_object_array_get_idx(writes, i);
                const char *path = json_get_text(write, "path") ?: "?",
                           *value = json_get_text(write, "value");

                if (value)
                        print_line(stdout, "    writes %s to %s", value, path);
                else
                        print_line(stdout, "    clears %s", path);
        }
}

static void print_device(json_object *device, enum bind_outcome outcome, bool returning)
{
        /* "before" is where the function was before a bind, which is where an unbind leads. */
        json_object *from = json_get(device, returning ? "after" : "before");
        json_object *to = json_get(device, returning ? "before" : "after");
        const char *bdf = json_get_text(device, "address") ?: "?";
        const char *old = json_get_text(from, "driver"), *new = json_get_text(to, "driver");
        const char *override = json_get_text(to, "override");

        /* The record of a group that stays as it is may still say where it came from. */
        if (!streq(old ?: "", new ?: "") && outcome != BIND_UNCHANGED)
                print_line(stdout, "%s  %s -> %s", bdf, old ?: "no driver", new ?: "no driver");
        else if (new)
                print_line(stdout, "%s is bound to %s already", bdf, new);
        else if (override && returning)
                print_line(
                        stdout,
                        "%s has no driver, and gets none: its driver_override is still %s; name its driver "
                        "with --driver",
                        bdf, override);
        else
                print_line(stdout, "%s has no driver, and gets none", bdf);
        print_planned_writes(json_get(device, "planned_writes"));
}

static void print_devices(json_object *group, enum bind_outcome outcome, bool returning)
{
        json_object *devices = json_get(group, "devices");

        /* Functions that have left the host went to no driver. */
        if (outcome == BIND_GONE)
                return;
        for (size_t i = 0; i < json_length(devices); i++)
                print_device(json_object_array_get_idx(devices, i), outcome, returning);
}

static void print_finding(json_object *finding, json_object *next)
{
        const char *subject = json_get_text(finding, "subject"), *detail = json_get_text(finding, "detail");
        const char *id = json_get_text(finding, "id") ?: "", *remedy = json_get_text(finding, "remedy");

        print_line(stderr, "vfioalignctl: %s%s%s%s%s%s", subject ?: "", subject ? ": " : "",
                   json_get_text(finding, "text") ?: id, detail ? " (" : "", detail ?: "",
                   detail ? ")" : "");
        /* Findings of one kind follow each other, and the last one has their remedy. */
        if (remedy && !(next && streq(json_get_text(next, "id") ?: "", id)))
                print_line(stderr, "  %s", remedy);
}

static void print_stack(json_object *group)
{
        const char *stack = json_get_text(group, "stack"), *pid = json_get_text(group, "pid");

        if (pid)
                print_line(stderr, "  Process %s hangs in the kernel%s", pid,
                           stack ? ":" : "; its stack cannot be read");
        while (stack && *stack) {
                int n = (int) strcspn(stack, "\n");

                print_line(stderr, "    %.*s", n, stack);
                stack += n;
                stack += *stack == '\n';
        }
}

static void print_outcome(json_object *group, enum bind_outcome outcome, bool returning)
{
        const char *number = json_get_text(group, "group") ?: "?", *text = bind_outcome_text(outcome);
        uint64_t n = json_length(json_get(group, "devices")), writes = json_get_number(group, "writes");

        switch (outcome) {
        case BIND_UNCHANGED:
                break; /* its devices have said so */
        case BIND_PLANNED:
                print_line(stdout, "group %s: would be %s, nothing was written", number,
                           returning ? "given back" : "handed over");
                break;
        case BIND_BOUND:
        case BIND_RETURNED:
                print_line(stdout, "group %s: %s (%ju function%s, %ju write%s, %.2f s)", number, text,
                           (uintmax_t) n, n == 1 ? "" : "s", (uintmax_t) writes, writes == 1 ? "" : "s",
                           json_object_get_double(json_get(group, "seconds")));
                break;
        default:
                if (bind_outcome_is_good(outcome))
                        print_line(stdout, "group %s: %s", number, text);
                else
                        print_line(stderr, "vfioalignctl: group %s: %s", number, text);
        }
}

int bind_group_print(json_object *group, bool returning)
{
        json_object *findings = json_get(group, "findings");
        const char *reason = json_get_text(group, "reason");
        enum bind_outcome outcome = worker_group_outcome(group);
        size_t n = json_length(findings);

        if (bind_outcome_is_good(outcome))
                print_devices(group, outcome, returning);
        if (fflush(stdout) != 0)
                return -errno;
        for (size_t i = 0; i < n; i++)
                print_finding(json_object_array_get_idx(findings, i),
                              i + 1 < n ? json_object_array_get_idx(findings, i + 1) : NULL);
        if (reason && !has_text(findings, "detail", reason))
                print_line(stderr, "vfioalignctl: %s", reason);
        print_stack(group);
        /* A function that does not exist is in no group: its finding is all there is to say. */
        if (json_object_get_int(json_get(group, "group")) >= 0 || n == 0)
                print_outcome(group, outcome, returning);
        return fflush(stdout) != 0 ? -errno : 0;
}
