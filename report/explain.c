/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <string.h>

#include "audit/rank.h"
#include "audit/start-time.h"
#include "config/fix-id.h"
#include "report.h"
#include "table.h"
#include "text.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/print.h"

static _printf_(3, 4) void say(FILE *out, int indent, const char *format, ...)
{
        _cleanup_free_ char *text = NULL;
        va_list args;

        va_start(args, format);
        text = memory_vformat(format, args);
        va_end(args);
        if (text)
                print_wrapped(out, indent, text);
}

/* Why a mapping has no larger pages, as the end of a sentence. */
static const char *limit_text(json_object *head, json_object *verdict, cell_t buffer)
{
        static const char *const sentences[_CONDITION_MAX] = {
                [CONDITION_NONE] = "there is no larger one",
                [CONDITION_BAR_SIZE] = "a larger one does not fit",
                [CONDITION_HUGE_FAULT] = "the kernel has no larger entries for VFIO",
                [CONDITION_PLACEMENT] = "nobody aligns the address to a larger one",
                [CONDITION_UNKNOWN] = "a deciding fact could not be seen",
        };
        enum condition limit = condition_from_string(json_get_text(verdict, "limit"));

        if (limit == CONDITION_THP)
                snprintf(buffer, sizeof(cell_t),
                         "this kernel's large entries for VFIO follow transparent_hugepage, which is \"%s\"",
                         json_get_text(json_get(head, "kernel"), "thp"));
        else
                snprintf(buffer, sizeof(cell_t), "%s", limit >= 0 ? sentences[limit] : "?");
        return buffer;
}

static const char *cost_text(json_object *verdict, cell_t buffer)
{
        cell_t page, faults, steps, start = "";
        json_object *time = json_get(verdict, "seconds");
        seconds_t seconds;

        if (time)
                snprintf(start, sizeof(start), ", %s of a start",
                         format_start_seconds(json_object_get_double(time),
                                              json_get_flag(verdict, "estimated"), seconds));
        cell_size(json_get_number(verdict, "page_size"), page);
        snprintf(buffer, sizeof(cell_t), "%.32s pages, %.32s page fault%s, %.32s IOMMU mapping step%s%.48s",
                 page, cell_count(json_get_number(verdict, "faults"), faults),
                 json_get_number(verdict, "faults") == 1 ? "" : "s",
                 cell_count(json_get_number(verdict, "pin_steps"), steps),
                 json_get_number(verdict, "pin_steps") == 1 ? "" : "s", start);
        return buffer;
}

/* fix: a key of "after": the id of a fix, or "module+thp". */
static const char *fix_text(const char *fix)
{
        enum fix_id id = fix_id_from_string(fix);

        if (id >= 0 && fix_type(id)->with)
                return fix_type(id)->with;
        return "With the module and transparent_hugepage=always";
}

static void say_after(json_object *after, FILE *out)
{
        cell_t text;

        json_object_object_foreach (after, fix, verdict)
                say(out, 4, "%s: %s.", fix_text(fix), cost_text(verdict, text));
}

static const char *chance_text(json_object *verdict)
{
        return json_get_flag(verdict, "chance")
                       ? " It can land better by chance, and badly at the next start."
                       : "";
}

static void say_placements(json_object *head, json_object *placements, FILE *out)
{
        for (size_t i = 0; i < json_length(placements); i++) {
                json_object *p = json_object_array_get_idx(placements, i), *now = json_get(p, "now");
                const char *by = json_get_text(p, "by");
                cell_t why, text;

                say(out, 2, "%s: %s, because %s.%s",
                    streq(by, "kernel") ? "Where the program leaves the address to the kernel" : by,
                    cost_text(now, text), limit_text(head, now, why), chance_text(now));
                say_after(json_get(p, "after"), out);
        }
}

static void say_findings_on(json_object *head, const char *subject, FILE *out)
{
        json_object *findings = json_get(head, "findings");

        for (size_t i = 0; i < json_length(findings); i++) {
                json_object *f = json_object_array_get_idx(findings, i);
                const char *detail = json_get_text(f, "detail");

                if (!streq(json_get_text(f, "subject") ?: "", subject))
                        continue;
                fputc('\n', out);
                say(out, 0, "%s: %s [%s]%s%s", json_get_text(f, "severity"), json_get_text(f, "text"),
                    json_get_text(f, "id"), detail ? ": " : "", detail ?: "");
                say(out, 2, "%s", json_get_text(f, "explanation"));
                print_line(out, "  -> %s", json_get_text(f, "remedy"));
        }
}

/* Prints each remedy once: many findings of one type have the same. */
static void print_remedy(json_object *findings, size_t i, FILE *out)
{
        json_object *f = json_object_array_get_idx(findings, i);

        for (size_t k = 0; k < i; k++) {
                json_object *before = json_object_array_get_idx(findings, k);

                if (streq(json_get_text(before, "id"), json_get_text(f, "id")) &&
                    streq(json_get_text(before, "remedy"), json_get_text(f, "remedy")))
                        return;
        }
        print_line(out, "  %s", json_get_text(f, "remedy"));
}

static void print_remedies(json_object *findings, enum finding_id id, FILE *out)
{
        _cleanup_free_ char *general = NULL;
        size_t n = 0;

        fputs("\nWhat helps:\n", out);
        for (size_t i = 0; i < json_length(findings); i++) {
                if (!streq(json_get_text(json_object_array_get_idx(findings, i), "id"),
                           finding_to_string(id)))
                        continue;
                print_remedy(findings, i, out);
                n++;
        }
        if (n > 0)
                return;
        general = finding_type_remedy(finding_type(id));
        say(out, 2, "%s", general ?: finding_type(id)->remedy);
}

/* Of the finding on this host, else in general. */
static const char *severity_here(json_object *findings, enum finding_id id)
{
        for (size_t i = 0; i < json_length(findings); i++) {
                json_object *f = json_object_array_get_idx(findings, i);

                if (streq(json_get_text(f, "id"), finding_to_string(id)))
                        return json_get_text(f, "severity");
        }
        return finding_severities(id);
}

void report_explain_finding(json_object *head, enum finding_id id, FILE *out)
{
        json_object *findings = json_get(head, "findings");
        const struct finding_type *type = finding_type(id);
        size_t n = 0;

        print_line(out, "%s (%s)", finding_to_string(id), severity_here(findings, id));
        fputc('\n', out);
        say(out, 0, "%s. %s", type->text, type->explanation);
        fputc('\n', out);
        for (size_t i = 0; i < json_length(findings); i++) {
                json_object *f = json_object_array_get_idx(findings, i);
                const char *subject = json_get_text(f, "subject"), *detail = json_get_text(f, "detail");

                if (!streq(json_get_text(f, "id"), finding_to_string(id)))
                        continue;
                if (n++ == 0)
                        fputs(subject || detail ? "On this host:\n" : "This host has it.\n", out);
                say(out, 2, "%s%s%s", subject ?: "", subject && detail ? ": " : "", detail ?: "");
        }
        if (n == 0)
                fputs("This host does not have it, as far as can be seen.\n", out);
        print_remedies(findings, id, out);
}

/* The guests whose BARs have that limit, and what they are to do about it. */
static void say_limited(json_object *head, enum condition limit, FILE *out)
{
        json_object *guests = json_get(head, "guests");
        cell_t names = "";

        for (size_t i = 0; i < json_length(guests); i++) {
                json_object *g = json_object_array_get_idx(guests, i);

                if (streq(json_get_text(g, "limit") ?: "", condition_to_string(limit)))
                        cell_append(names, ", ", json_get_text(g, "name") ?: "?");
        }
        fputc('\n', out);
        if (*names)
                say(out, 0,
                    "On this host it is the limit of these guests: %s. What helps each: vfioalignctl "
                    "explain GUEST.",
                    names);
        else
                say(out, 0, "No guest of this host has this limit, as far as can be seen.");
}

void report_explain_limit(json_object *head, enum condition limit, FILE *out)
{
        static const char *const texts[_CONDITION_MAX] = {
                [CONDITION_NONE] = "Nothing limits such a BAR or mapping: it has the largest page there is.",
                [CONDITION_BAR_SIZE] =
                        "A larger page does not fit into the BAR, or into the part of it that is mapped. "
                        "Nothing helps, and little is lost.",
                [CONDITION_HUGE_FAULT] =
                        "The kernel has no entries of that size for VFIO. Linux has them since 6.12, on "
                        "x86-64 of 2 MiB and 1 GiB; a kernel with PREEMPT_RT has none.",
                [CONDITION_THP] =
                        "This kernel's large entries for VFIO follow transparent_hugepage/enabled, or the "
                        "process has disabled huge pages for itself (PR_SET_THP_DISABLE).",
                [CONDITION_PLACEMENT] =
                        "Nothing aligns the address, so a larger page does not fit there. The module, the "
                        "preload library or a QEMU of 9.2 or later align it. A mapping can still be aligned "
                        "by chance: the audit says what is certain.",
                [CONDITION_UNKNOWN] = "A fact that decides is unknown: vfioalignctl explain facts-unseen.",
        };

        print_line(out, "%s (what limits a BAR)", condition_to_string(limit));
        fputc('\n', out);
        say(out, 0, "%s", texts[limit]);
        say_limited(head, limit, out);
}

static const char *owner_text(const char *owner, cell_t buffer)
{
        const char *guest = startswith(owner, "guest ");

        if (!guest)
                return streq(owner, "boot") ? "the configuration" : "an operator";
        snprintf(buffer, sizeof(cell_t), "the guest %s", guest);
        return buffer;
}

/* For whom vfioalign has taken the function, and which driver it goes back to. */
static void say_binding(json_object *bound_by, FILE *out)
{
        static const char *const states[_BIND_STATE_MAX] = {
                [BIND_STATE_BINDING] = "is handing it to VFIO",
                [BIND_STATE_BOUND] = "has handed it to VFIO",
                [BIND_STATE_RETURNING] = "is giving it back",
                [BIND_STATE_QUARANTINED] = "could neither hand it to VFIO nor give it back",
        };
        const char *owner = json_get_text(bound_by, "owner"),
                   *driver = json_get_text(bound_by, "before_driver");
        enum bind_state state = bind_state_from_string(json_get_text(bound_by, "state"));
        cell_t buffer;

        if (!owner || state < 0)
                return;
        say(out, 0, "vfioalign took it for %s, and %s. It goes back to %s%s.", owner_text(owner, buffer),
            states[state], driver ? "the driver " : "no driver, as it had none", driver ?: "");
}

/* What a script or an operator may have left: it decides which driver comes next. */
static void say_override(json_object *device, FILE *out)
{
        const char *driver = json_get_text(device, "driver"),
                   *override = json_get_text(device, "driver_override");

        if (!override || streq(driver ?: "", override))
                return;
        say(out, 0, "Its driver_override is %s, so no other driver takes it%s.", override,
            driver ? " once it loses its own" : "");
}

static void say_claim(json_object *claim, FILE *out)
{
        if (json_get_flag(claim, "in_force"))
                say(out, 0, "It is claimed by %s, in %s.", json_get_text(claim, "tool"),
                    json_get_text(claim, "file"));
        else
                say(out, 0,
                    "%s names it for vfio-pci, without effect: vfio-pci is built into the kernel, and takes "
                    "its options from the kernel's command line alone (vfio-pci.ids=).",
                    json_get_text(claim, "file"));
}

static void say_use(json_object *device, FILE *out)
{
        json_object *uses = json_get(device, "uses"), *claims = json_get(device, "claims");
        const char *driver = json_get_text(device, "driver"), *group = json_get_text(device, "iommu_group"),
                   *culprit = json_get_text(device, "group_culprit");

        say(out, 0, "%s is %s (%s), %s%s, in %s%s.", json_get_text(device, "address"),
            json_get_text(device, "name") ?: "a PCI function", json_get_text(device, "id"),
            driver ? "bound to " : "bound to no driver", driver ?: "",
            group ? "IOMMU group " : "no IOMMU group", group ?: "");
        say_override(device, out);
        if (culprit && !streq(culprit, json_get_text(device, "address")))
                say(out, 0, "VFIO does not have its group: %s is bound to a driver of the host.", culprit);
        if (!streq(json_get_text(device, "vfio_driver") ?: "vfio-pci", "vfio-pci"))
                say(out, 0, "Its best VFIO driver is %s.", json_get_text(device, "vfio_driver"));
        say_binding(json_get(device, "bound_by"), out);
        for (size_t i = 0; i < json_length(uses); i++)
                say(out, 0, "It is in use (%s): %s.",
                    json_get_text(json_object_array_get_idx(uses, i), "kind"),
                    json_get_text(json_object_array_get_idx(uses, i), "what"));
        for (size_t i = 0; i < json_length(claims); i++)
                say_claim(json_object_array_get_idx(claims, i), out);
}

static void say_guests(json_object *head, const char *address, FILE *out)
{
        json_object *guests = json_get(head, "guests");

        for (size_t i = 0; i < json_length(guests); i++) {
                json_object *g = json_object_array_get_idx(guests, i), *devices = json_get(g, "devices");

                for (size_t k = 0; k < json_length(devices); k++)
                        if (streq(json_get_text(json_object_array_get_idx(devices, k), "address") ?: "",
                                  address))
                                say(out, 0, "The guest %s has it.", json_get_text(g, "name"));
        }
}

/* A BAR that VFIO cannot map has a finding as well, where the device is for a guest. */
static void say_obstacle(json_object *bar, FILE *out)
{
        const char *by = json_get_text(bar, "reserved_by");

        fputc('\n', out);
        print_line(out, "BAR %s:", json_get_text(bar, "index"));
        if (by)
                say(out, 2, "VFIO cannot map it, because %s has reserved a part of it.", by);
        else
                say(out, 2, "VFIO cannot map it, because it has no address.");
}

void report_explain_device(json_object *head, json_object *device, FILE *out)
{
        json_object *bars = json_get(device, "bars");
        uint64_t huge = json_get_number(json_get(head, "kernel"), "pmd_size");
        cell_t size, text;
        size_t small = 0;

        say_use(device, out);
        say_guests(head, json_get_text(device, "address"), out);
        for (size_t i = 0; i < json_length(bars); i++) {
                json_object *bar = json_object_array_get_idx(bars, i);

                if (json_get_text(bar, "obstacle")) {
                        say_obstacle(bar, out);
                        continue;
                }
                if (json_get_number(bar, "size") < huge) {
                        small++;
                        continue;
                }
                fputc('\n', out);
                print_line(out, "BAR %s, %s%s:", json_get_text(bar, "index"),
                           cell_size(json_get_number(bar, "size"), size),
                           json_get_flag(bar, "64bit") ? ", 64-bit" : "");
                say_placements(head, json_get(bar, "placements"), out);
        }
        if (small > 0 && small < json_length(bars))
                fputc('\n', out);
        if (small > 0)
                say(out, 0, "%zu BAR%s below %s, and %s the smallest pages everywhere.", small,
                    small == 1 ? " is" : "s are", cell_size(huge, text), small == 1 ? "gets" : "get");
        say_findings_on(head, json_get_text(device, "address"), out);
}

void report_explain_area(json_object *head, json_object *placements, FILE *out)
{
        say_placements(head, placements, out);
}

static void say_evidence(json_object *evidence, FILE *out)
{
        for (size_t i = 0; i < json_length(evidence); i++) {
                json_object *seen = json_object_array_get_idx(evidence, i);
                cell_t size, page, count;

                say(out, 0, "Seen here %s time%s: %s pages for a BAR of %s, last at %s.",
                    cell_count(json_get_number(seen, "count"), count),
                    json_get_number(seen, "count") == 1 ? "" : "s",
                    cell_size(json_get_number(seen, "page_size"), page),
                    cell_size(json_get_number(seen, "bar_size"), size), json_get_text(seen, "last"));
        }
}

static const char *dma_text(json_object *hostdev)
{
        static const char *const texts[_DMA_ROUTE_MAX] = {
                [DMA_ROUTE_UNKNOWN] =
                        "by iommufd: nothing fills its BARs while the guest starts; whether other "
                        "devices can reach them by DMA is unknown",
                [DMA_ROUTE_NONE] =
                        "by iommufd, which leaves its BARs out: nothing fills them while the guest "
                        "starts, and no other device can reach them by DMA",
                [DMA_ROUTE_DMA_BUF] =
                        "by iommufd, which maps its BARs for DMA as dma-bufs: nothing fills them "
                        "while the guest starts",
        };
        enum dma_route route = dma_route_from_string(json_get_text(hostdev, "dma"));

        return json_get_flag(hostdev, "iommufd") && route >= 0 ? texts[route] : NULL;
}

static void say_hostdev(json_object *hostdev, FILE *out)
{
        const char *dma = dma_text(hostdev);
        const char *name = json_get_text(hostdev, "address");

        name = name ?: json_get_text(hostdev, "uuid");
        name = name ?: json_get_text(hostdev, "network");
        if (json_get_flag(hostdev, "no_mmap"))
                dma = "not mapped (x-no-mmap)";
        say(out, 2, "%s: %s%s%s", json_get_text(hostdev, "kind"), name ?: "not known yet", dma ? ", " : "",
            dma ?: "");
}

/* What a newer kernel would bring. It is no fix that can be applied here. */
static void say_newer_kernel(json_object *remedies, FILE *out)
{
        for (size_t i = 0; i < json_length(remedies); i++) {
                json_object *r = json_object_array_get_idx(remedies, i),
                            *alone = json_get(r, "without_fixes_seconds");
                bool estimated = json_get_flag(r, "estimated");
                seconds_t seconds, worse;

                if (!json_get_flag(r, "newer_kernel"))
                        continue;
                say(out, 4, "With %s: %s of a start.%s%s%s", json_get_text(r, "name") ?: "?",
                    format_start_seconds(json_object_get_double(json_get(r, "seconds")), estimated, seconds),
                    alone ? " That kernel alone aligns nothing, and a start would take " : "",
                    alone ? format_start_seconds(json_object_get_double(alone), estimated, worse) : "",
                    alone ? "." : "");
        }
}

static void say_predicted(json_object *head, json_object *guest, FILE *out)
{
        json_object *predicted = json_get(guest, "foretold");
        const char *unknown = json_get_text(predicted, "why");
        cell_t text, why;

        if (json_get_number(predicted, "bars") == 0) {
                if (unknown)
                        say(out, 0, "Nothing can be predicted, because %s.", unknown);
                return;
        }
        say(out, 0, "Predicted for the next start (%s BAR%s): %s, because %s.%s",
            json_get_text(predicted, "bars"), json_get_number(predicted, "bars") == 1 ? "" : "s",
            cost_text(predicted, text), limit_text(head, predicted, why), chance_text(predicted));
        say_after(json_get(guest, "after"), out);
        say_newer_kernel(json_get(guest, "remedies"), out);
        if (unknown)
                say(out, 0, "This does not include all of its BARs, because %s.", unknown);
}

static void say_measured(json_object *guest, FILE *out)
{
        uint64_t got = json_get_number(guest, "page_size"), best = json_get_number(guest, "best_page_size");
        cell_t page, better;

        if (got == UINT64_MAX)
                say(out, 0, "Measured: which pages its BARs have is unknown.");
        else if (got >= best)
                say(out, 0, "Measured: its BARs have %s pages, the largest that they can have.",
                    cell_size(got, page));
        else
                say(out, 0, "Measured: its BARs have %s pages; %s is possible.", cell_size(got, page),
                    cell_size(best, better));
}

/* What an emulator does for the address of a BAR, as the end of a sentence. */
static const char *alignment_text(const char *generation, cell_t buffer)
{
        if (!generation || streq(generation, "unknown"))
                return "; whether it aligns BARs is unknown";
        if (streq(generation, "none"))
                return ", which does not align BARs";
        snprintf(buffer, sizeof(cell_t), ", which aligns BARs (%s)", generation);
        return buffer;
}

void report_explain_guest(json_object *head, json_object *guest, FILE *out)
{
        json_object *devices = json_get(guest, "devices");
        const char *pid = json_get_text(guest, "pid"), *title = json_get_text(guest, "title");
        int manager = guest_manager_from_string(json_get_text(guest, "manager") ?: "");
        cell_t page;

        say(out, 0, "%s %s%s%s. Its emulator is %s%s.", json_get_text(guest, "name"),
            pid ? "is running (process " : "is defined", pid ?: "", pid ? ")" : "",
            json_get_text(guest, "emulator") ?: "unknown",
            alignment_text(json_get_text(guest, "generation"), page));
        if (manager == GUEST_OF_PROXMOX)
                say(out, 0, "It is a guest of Proxmox%s%s%s.", title ? ", which calls it " : "", title ?: "",
                    json_get_flag(guest, "autostart") ? ", started with the host" : "");
        for (size_t i = 0; i < json_length(devices); i++)
                say_hostdev(json_object_array_get_idx(devices, i), out);
        if (json_get_flag(guest, "measured"))
                say_measured(guest, out);
        say_predicted(head, guest, out);
        say_evidence(json_get(guest, "evidence"), out);
        say_findings_on(head, json_get_text(guest, "name"), out);
}
