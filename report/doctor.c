/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first screen: what is wrong, worst first by the seconds that it costs a start, what helps and for what
 * price; what is fine; and where to read on. */
#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "audit/rank.h"
#include "audit/start-time.h"
#include "report.h"
#include "table.h"
#include "text.h"
#include "util/format.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/print.h"
#include "util/shell.h"

/* So that it stays one screen. */
#define GUESTS_SHOWN 3
#define FINDINGS_SHOWN 4
#define NAMES_SHOWN 3
#define FIXES_SHOWN 2

#define LABEL_WIDTH 9
#define ITEM_WIDTH 17

static _printf_(4, 5) void say(FILE *out, const char *label, int indent, const char *format, ...)
{
        _cleanup_free_ char *text = NULL;
        va_list args;

        va_start(args, format);
        text = memory_vformat(format, args);
        va_end(args);
        if (text)
                print_labelled(out, label, indent, text);
}

static _printf_(3, 4) void judge(FILE *out, enum severity severity, const char *format, ...)
{
        _cleanup_free_ char *text = NULL;
        va_list args;

        va_start(args, format);
        text = memory_vformat(format, args);
        va_end(args);
        if (text)
                print_judged(out, severity_to_string(severity), LABEL_WIDTH, text);
}

static double get_seconds(json_object *o, const char *key)
{
        json_object *value = json_get(o, key);

        return value ? json_object_get_double(value) : -1;
}

static const char *seconds_text(json_object *o, const char *key, seconds_t buffer)
{
        return format_start_seconds(get_seconds(o, key), json_get_flag(o, "estimated"), buffer);
}

static bool is_yes(json_object *fact)
{
        return streq(json_get_text(fact, "value") ?: "", "yes");
}

static bool is_unknown(json_object *fact)
{
        return streq(json_get_text(fact, "value") ?: "", "unknown");
}

/* --- The host */

/* "; 8 devices on VFIO" */
static void append_devices(cell_t text, const struct host *h)
{
        const char *name = NULL;
        bool same = true;
        cell_t more;
        size_t n = 0;

        for (size_t i = 0; i < h->devices.n_devices; i++) {
                const struct device *d = &h->devices.devices[i];

                if (!d->driver_is_vfio)
                        continue;
                same = n++ == 0 || (same && streq(name, d->name ?: ""));
                name = name ?: d->name ?: "";
        }
        if (n == 0)
                snprintf(more, sizeof(more), "no device on VFIO");
        else if (same && *name)
                snprintf(more, sizeof(more), "on VFIO: %zu x %.96s", n, name);
        else
                snprintf(more, sizeof(more), "%zu device%s on VFIO", n, n == 1 ? "" : "s");
        cell_append(text, "; ", more);
}

static void append_guests(cell_t text, json_object *head)
{
        json_object *guests = json_get(head, "guests");
        size_t n = json_length(guests), running = 0;
        cell_t more;

        for (size_t i = 0; i < n; i++)
                running += json_get_flag(json_object_array_get_idx(guests, i), "running");
        if (n == 0)
                snprintf(more, sizeof(more), "no guest with VFIO devices");
        else
                snprintf(more, sizeof(more), "%zu guest%s with VFIO devices, %zu running", n,
                         n == 1 ? "" : "s", running);
        cell_append(text, "; ", more);
}

/* Of the first emulator that guests are started with. */
static void append_emulator(cell_t text, json_object *head)
{
        json_object *emulators = json_get(head, "emulators");
        cell_t more;

        for (size_t i = 0; i < json_length(emulators); i++) {
                json_object *e = json_object_array_get_idx(emulators, i);
                const char *path = json_get_text(e, "path"), *generation = json_get_text(e, "generation"),
                           *slash = strrchr(path, '/');
                const char *before = "", *does = "aligns BARs";

                if (!json_get_flag(e, "distribution") && !json_get_flag(e, "libvirt"))
                        continue;
                if (streq(generation, "none")) {
                        does = "does not align BARs";
                } else if (streq(generation, "unknown")) {
                        before = "whether ";
                        does = "aligns BARs is unknown";
                }
                snprintf(more, sizeof(more), "%s%.64s %s", before, slash ? slash + 1 : path, does);
                cell_append(text, "; ", more);
                return;
        }
}

static void print_host(json_object *head, const struct host *h, FILE *out)
{
        const char *name = json_get_text(json_get(head, "host"), "name"),
                   *release = json_get_text(json_get(head, "kernel"), "release");
        cell_t text = "";

        cell_append(text, "", name ?: "");
        cell_append(text, ": ", "Linux ");
        cell_append(text, "", release ?: "of unknown release");
        append_emulator(text, head);
        append_devices(text, h);
        append_guests(text, head);
        print_wrapped(out, 0, text);
}

/* --- Guests whose starts take long */

/* What a start of the guest takes least, with what is known to help; below 0: unknown. */
static double best_seconds(json_object *guest)
{
        json_object *remedies = json_get(guest, "remedies");
        double best = get_seconds(json_get(guest, "foretold"), "seconds");

        for (size_t i = 0; i < json_length(remedies); i++) {
                double seconds = get_seconds(json_object_array_get_idx(remedies, i), "seconds");

                if (seconds >= 0 && seconds < best)
                        best = seconds;
        }
        return best;
}

/* Something helps, or it takes so long that it is worth knowing that nothing does. */
static bool is_slow(json_object *guest)
{
        double now = get_seconds(json_get(guest, "foretold"), "seconds");

        return now >= RANK_WARNING_SECONDS || (now >= 0 && now - best_seconds(guest) >= RANK_NOTICE_SECONDS);
}

/* Whether the same can be said of both. */
static bool is_alike(json_object *a, json_object *b)
{
        json_object *x = json_get(a, "remedies"), *y = json_get(b, "remedies");

        if (!json_object_equal(json_get(a, "foretold"), json_get(b, "foretold")) ||
            json_length(x) != json_length(y))
                return false;
        for (size_t i = 0; i < json_length(x); i++)
                if (!streq(json_get_text(json_object_array_get_idx(x, i), "name") ?: "",
                           json_get_text(json_object_array_get_idx(y, i), "name") ?: ""))
                        return false;
        return true;
}

/* Guests that share one answer. */
struct slow {
        json_object *first;
        double seconds;
        size_t n;
        cell_t names;
};

static void slow_add_name(struct slow *s, json_object *guest)
{
        if (s->n < NAMES_SHOWN)
                cell_append(s->names, ", ", json_get_text(guest, "name") ?: "?");
        s->n++;
}

/* The worst is first. Returns how many there are; the caller frees *ret. */
static size_t find_slow(json_object *guests, struct slow **ret)
{
        struct slow *list = calloc(json_length(guests) + 1, sizeof(*list));
        size_t n = 0;

        for (size_t i = 0; list && i < json_length(guests); i++) {
                json_object *g = json_object_array_get_idx(guests, i);
                size_t k = 0;

                if (!is_slow(g))
                        continue;
                while (k < n && !is_alike(list[k].first, g))
                        k++;
                if (k == n)
                        list[n++] = (struct slow){
                                .first = g,
                                .seconds = get_seconds(json_get(g, "foretold"), "seconds"),
                        };
                slow_add_name(&list[k], g);
        }
        for (size_t i = 1; i < n; i++)
                for (size_t k = i; k > 0 && list[k].seconds > list[k - 1].seconds; k--)
                        SWAP(list[k], list[k - 1]);
        *ret = list;
        return n;
}

static const char *part_label(double seconds, bool estimated, cell_t buffer)
{
        seconds_t text;

        snprintf(buffer, sizeof(cell_t), "  %.24s", format_start_seconds(seconds, estimated, text));
        return buffer;
}

/* What each part of the work takes, and why it is so much. */
static void print_parts(json_object *head, json_object *foretold, FILE *out)
{
        const char *by_leaf = json_get_text(json_get(json_get(head, "kernel"), "pin_by_leaf"), "value");
        uint64_t best = json_get_number(foretold, "best_page_size"),
                 got = json_get_number(foretold, "page_size");
        double faults = get_seconds(foretold, "fault_seconds"),
               steps = get_seconds(foretold, "seconds") - faults;
        const bool estimated = json_get_flag(foretold, "estimated");
        cell_t page, better, count, text;

        if (faults < 0)
                return;
        if (steps >= faults && steps >= 0.05)
                say(out, part_label(steps, estimated, text), LABEL_WIDTH, "%s steps map the BARs for DMA%s",
                    cell_count(json_get_number(foretold, "pin_steps"), count),
                    streq(by_leaf ?: "", "no") ? ", page by page" : "");
        if (faults >= 0.05)
                say(out, part_label(faults, estimated, text), LABEL_WIDTH,
                    "%s page faults, on %s pages%s%s%s%s",
                    cell_count(json_get_number(foretold, "faults"), count), cell_size(got, page),
                    json_get_flag(foretold, "chance") ? " (larger ones by chance)" : "",
                    got < best ? "; " : "", got < best ? cell_size(best, better) : "",
                    got < best ? " is possible" : "");
        if (steps < faults && steps >= 0.05)
                say(out, part_label(steps, estimated, text), LABEL_WIDTH, "%s steps map the BARs for DMA",
                    cell_count(json_get_number(foretold, "pin_steps"), count));
}

static void print_remedy(json_object *remedy, double now, FILE *out)
{
        const char *command = json_get_text(remedy, "command");
        double alone = get_seconds(remedy, "without_fixes_seconds");
        seconds_t text, worse;
        cell_t label;

        snprintf(label, sizeof(label), "  saves %.24s", seconds_text(remedy, "saves_seconds", text));
        say(out, label, ITEM_WIDTH, "%s (%s)", json_get_text(remedy, "name") ?: "?",
            json_get_text(remedy, "price") ?: "?");
        if (alone > now)
                say(out, "", ITEM_WIDTH, "That kernel alone aligns nothing: a start would take %s.",
                    format_start_seconds(alone, json_get_flag(remedy, "estimated"), worse));
        if (command)
                print_line(out, "%*s-> %s", ITEM_WIDTH, "", command);
}

/* The newer kernel, and the first fixes. The others are named. */
static void print_remedies(json_object *guest, FILE *out)
{
        json_object *remedies = json_get(guest, "remedies");
        double now = get_seconds(json_get(guest, "foretold"), "seconds");
        cell_t others = "";
        size_t shown = 0;

        for (size_t i = 0; i < json_length(remedies); i++) {
                json_object *r = json_object_array_get_idx(remedies, i);

                if (get_seconds(r, "saves_seconds") < 0.05)
                        continue;
                if (shown++ < FIXES_SHOWN)
                        print_remedy(r, now, out);
                else
                        cell_append(others, ", ", json_get_text(r, "name") ?: "?");
        }
        if (shown == 0)
                say(out, "", LABEL_WIDTH, "Nothing is known that shortens it.");
        if (*others)
                say(out, "  or", ITEM_WIDTH, "%s", others);
}

static void print_slow(json_object *head, const struct slow *s, FILE *out)
{
        json_object *foretold = json_get(s->first, "foretold");
        double best = best_seconds(s->first);
        cell_t more = "", possible = "";
        seconds_t now, then;

        if (s->n > NAMES_SHOWN)
                snprintf(more, sizeof(more), " and %zu more", s->n - NAMES_SHOWN);
        if (best < s->seconds)
                snprintf(possible, sizeof(possible), "; %.24s is possible",
                         format_start_seconds(best, json_get_flag(foretold, "estimated"), then));
        judge(out, s->seconds >= RANK_WARNING_SECONDS ? SEVERITY_WARNING : SEVERITY_NOTICE,
              "%.256s%.32s: %s start spends %s%s in BARs%.64s", s->names, more, s->n == 1 ? "a" : "each",
              seconds_text(foretold, "seconds", now),
              json_get_flag(foretold, "estimated") ? " or more" : " (measured)", possible);
        print_parts(head, foretold, out);
        print_remedies(s->first, out);
}

static void print_all_slow(json_object *head, FILE *out)
{
        _cleanup_free_ struct slow *list = NULL;
        size_t n = find_slow(json_get(head, "guests"), &list);

        for (size_t i = 0; i < n && i < GUESTS_SHOWN; i++) {
                fputc('\n', out);
                print_slow(head, &list[i], out);
        }
        if (n > GUESTS_SHOWN)
                say(out, "", LABEL_WIDTH, "%zu more guests with slow starts: vfioalignctl guests",
                    n - GUESTS_SHOWN);
}

/* --- Other findings */

/* What is said of the guests already, with its seconds. */
static bool is_about_time(enum finding_id id)
{
        static const enum finding_id ids[] = {
                FINDING_KERNEL_NO_HUGE_FAULT, FINDING_KERNEL_UNALIGNED,  FINDING_KERNEL_PARTLY_ALIGNED,
                FINDING_KERNEL_PINS_PAGES,    FINDING_THP_RESTRICTS,     FINDING_THP_ASKS,
                FINDING_MODULE_NOT_INSTALLED, FINDING_MODULE_NOT_LOADED, FINDING_MODULE_DISABLED,
                FINDING_EMULATOR_UNALIGNED,   FINDING_GUEST_SMALL_PAGES,
        };

        for (size_t i = 0; i < ELEMENTSOF(ids); i++)
                if (ids[i] == id)
                        return true;
        return false;
}

/* slow: there are guests of whom that is said. */
static bool is_problem(json_object *finding, bool slow, enum severity severity)
{
        enum finding_id id = finding_from_string(json_get_text(finding, "id") ?: "");

        return severity_from_string(json_get_text(finding, "severity") ?: "") == severity &&
               !(slow && id >= 0 && is_about_time(id));
}

/* The subjects of all findings that say the same, from the i-th on. */
static void join_subjects(json_object *findings, size_t i, cell_t ret)
{
        const char *id = json_get_text(json_object_array_get_idx(findings, i), "id");
        size_t n = 0;
        cell_t more;

        ret[0] = '\0';
        for (; i < json_length(findings); i++) {
                json_object *f = json_object_array_get_idx(findings, i);

                if (!streq(json_get_text(f, "id"), id) || !json_get_text(f, "subject"))
                        continue;
                if (n++ < NAMES_SHOWN)
                        cell_append(ret, ", ", json_get_text(f, "subject"));
        }
        if (n <= NAMES_SHOWN)
                return;
        snprintf(more, sizeof(more), "%zu more", n - NAMES_SHOWN);
        cell_append(ret, " and ", more);
}

static bool was_before(json_object *findings, size_t i)
{
        const char *id = json_get_text(json_object_array_get_idx(findings, i), "id");

        for (size_t k = 0; k < i; k++)
                if (streq(json_get_text(json_object_array_get_idx(findings, k), "id"), id))
                        return true;
        return false;
}

static void print_problem(json_object *findings, size_t i, enum severity severity, FILE *out)
{
        json_object *f = json_object_array_get_idx(findings, i), *costs = json_get(f, "costs");
        const char *detail = json_get_text(f, "detail"), *remedy = json_get_text(f, "remedy");
        cell_t subjects, cost = "";
        seconds_t seconds;

        join_subjects(findings, i, subjects);
        if (costs)
                snprintf(cost, sizeof(cost), ", which costs a start %.24s",
                         seconds_text(costs, "seconds", seconds));
        fputc('\n', out);
        judge(out, severity, "%.256s%s%s%.64s [%s]", subjects, *subjects ? ": " : "",
              json_get_text(f, "text"), cost, json_get_text(f, "id"));
        if (detail)
                say(out, "", LABEL_WIDTH, "%s", detail);
        /* A command is to be pasted, and is never broken. */
        if (json_get(f, "fixes"))
                print_line(out, "%*s-> %s", LABEL_WIDTH, "", remedy);
        else
                say(out, "      ->", LABEL_WIDTH, "%s", remedy);
}

/* Returns how many there are. */
static size_t print_problems(json_object *findings, bool slow, enum severity severity, FILE *out)
{
        size_t n = 0;

        for (size_t i = 0; i < json_length(findings); i++) {
                if (!is_problem(json_object_array_get_idx(findings, i), slow, severity) ||
                    was_before(findings, i))
                        continue;
                if (n++ < FINDINGS_SHOWN)
                        print_problem(findings, i, severity, out);
        }
        if (n > FINDINGS_SHOWN)
                say(out, "", LABEL_WIDTH, "%zu more: vfioalignctl audit", n - FINDINGS_SHOWN);
        return n;
}

/* --- What is fine, what is not known, and where to read on */

static void append_fine_guests(cell_t text, json_object *guests)
{
        size_t n = 0;
        cell_t names = "", more;

        for (size_t i = 0; i < json_length(guests); i++) {
                json_object *g = json_object_array_get_idx(guests, i);

                if (is_slow(g) || get_seconds(json_get(g, "foretold"), "seconds") < 0)
                        continue;
                if (n++ < NAMES_SHOWN)
                        cell_append(names, ", ", json_get_text(g, "name") ?: "?");
        }
        if (n == 0)
                return;
        if (n > NAMES_SHOWN) {
                snprintf(more, sizeof(more), "%zu more", n - NAMES_SHOWN);
                cell_append(names, " and ", more);
        }
        snprintf(more, sizeof(more), "nothing slows the starts of %.256s", names);
        cell_append(text, "; ", more);
}

static void print_fine(json_object *head, FILE *out)
{
        json_object *iommus = json_get(head, "iommus"), *module = json_get(head, "module");
        cell_t text = "";

        if (is_yes(json_get(iommus, "at_work")))
                cell_append(text, "", "the IOMMU is active");
        if (is_yes(json_get(iommus, "remaps_interrupts")))
                cell_append(text, "; ", "it remaps interrupts");
        if (is_yes(json_get(json_get(head, "kernel"), "vfio")))
                cell_append(text, "; ", "vfio-pci is available");
        if (is_yes(json_get(json_get(head, "kernel"), "aligns")))
                cell_append(text, "; ", "the kernel aligns BARs");
        if (is_yes(json_get(module, "alive")))
                cell_append(text, "; ", "the module vfio_align is active");
        if (is_yes(json_get(json_get(head, "libvirt"), "hook_seen")))
                cell_append(text, "; ", "libvirt calls the hook");
        append_fine_guests(text, json_get(head, "guests"));
        if (*text)
                say(out, "Fine:", LABEL_WIDTH, "%s.", text);
}

/* Guests whose starts take an unknown time. */
static void append_unknown_guests(cell_t text, json_object *guests)
{
        size_t n = 0;

        for (size_t i = 0; i < json_length(guests); i++) {
                json_object *g = json_object_array_get_idx(guests, i), *foretold = json_get(g, "foretold");
                const char *why = json_get_text(foretold, "why");
                cell_t more;

                if (get_seconds(foretold, "seconds") >= 0 || n++ >= NAMES_SHOWN)
                        continue;
                snprintf(more, sizeof(more), "how long the starts of %.64s take%s%.96s",
                         json_get_text(g, "name") ?: "?", why ? ", because " : "", why ?: "");
                cell_append(text, "; ", more);
        }
}

static bool has_finding(json_object *head, enum finding_id id)
{
        json_object *findings = json_get(head, "findings");

        for (size_t i = 0; i < json_length(findings); i++)
                if (streq(json_get_text(json_object_array_get_idx(findings, i), "id") ?: "",
                          finding_to_string(id)))
                        return true;
        return false;
}

static void print_unknown(json_object *head, const struct host *h, FILE *out)
{
        const bool may_see_more = h->root && h->root->live && geteuid() != 0;
        cell_t text = "";

        append_unknown_guests(text, json_get(head, "guests"));
        if (is_unknown(json_get(json_get(head, "libvirt"), "guests_readable")))
                cell_append(text, "; ", "the guests");
        if (has_finding(head, FINDING_MAPPINGS_UNSEEN))
                cell_append(text, "; ", "what some processes map");
        if (has_finding(head, FINDING_FACTS_UNSEEN))
                cell_append(text, "; ", "some facts (vfioalignctl explain facts-unseen)");
        if (*text)
                say(out, "Unknown:", LABEL_WIDTH, "%s.%s", text,
                    may_see_more ? " Root sees more: sudo vfioalignctl." : "");
}

/* "1 error, 2 notices"; information is not counted. */
static const char *count_findings(json_object *findings, cell_t ret)
{
        size_t counts[_SEVERITY_MAX] = {};

        ret[0] = '\0';
        for (size_t i = 0; i < json_length(findings); i++) {
                const char *text = json_get_text(json_object_array_get_idx(findings, i), "severity");
                enum severity severity = severity_from_string(text ?: "");

                if (severity >= 0)
                        counts[severity]++;
        }
        for (enum severity s = SEVERITY_ERROR; s > SEVERITY_INFO; s--) {
                cell_t count;

                if (counts[s] == 0)
                        continue;
                snprintf(count, sizeof(count), "%zu %s%s", counts[s], severity_to_string(s),
                         counts[s] == 1 ? "" : "s");
                cell_append(ret, ", ", count);
        }
        return *ret ? ret : "no warning";
}

/* Whether a "~" is shown. */
static bool has_estimates(json_object *guests)
{
        for (size_t i = 0; i < json_length(guests); i++) {
                json_object *foretold = json_get(json_object_array_get_idx(guests, i), "foretold");

                if (is_slow(json_object_array_get_idx(guests, i)) && json_get_flag(foretold, "estimated"))
                        return true;
        }
        return false;
}

static void print_more(json_object *head, FILE *out)
{
        json_object *guests = json_get(head, "guests"), *findings = json_get(head, "findings");
        _cleanup_free_ char *guest = NULL;
        cell_t counts;

        if (json_length(guests) > 0)
                guest = shell_argument(json_get_text(json_object_array_get_idx(guests, 0), "name") ?: "?");
        say(out, "More:", LABEL_WIDTH, "%s%s%svfioalignctl audit (%s)", guest ? "vfioalignctl explain " : "",
            guest ?: "", guest ? "; " : "", count_findings(findings, counts));
        if (has_estimates(guests))
                say(out, "~:", LABEL_WIDTH,
                    "estimated, for one time that a guest enables its devices' memory; see vfioalignctl(1)");
}

static bool has_unknown(json_object *guests)
{
        for (size_t i = 0; i < json_length(guests); i++)
                if (get_seconds(json_get(json_object_array_get_idx(guests, i), "foretold"), "seconds") < 0)
                        return true;
        return false;
}

/* Where nothing is wrong. */
static void print_nothing(json_object *head, FILE *out)
{
        json_object *guests = json_get(head, "guests");
        bool unread = is_unknown(json_get(json_get(head, "libvirt"), "guests_readable"));

        fputc('\n', out);
        if (json_length(guests) > 0)
                fputs(has_unknown(guests) ? "Nothing needs you, as far as is known.\n"
                                          : "Nothing needs you: no start of a guest spends long in BARs.\n",
                      out);
        else if (unread)
                fputs("Nothing that can be seen needs you, but the guests cannot be seen.\n", out);
        else
                fputs("Nothing needs you: there is no guest with a VFIO device.\n", out);
}

int report_print_doctor(json_object *head, struct devices *devices, FILE *out)
{
        json_object *findings = json_get(head, "findings");
        size_t problems;
        bool slow;

        assert(head);
        assert(devices);
        assert(out);

        print_host(head, devices->host, out);
        slow = false;
        for (size_t i = 0; i < json_length(json_get(head, "guests")); i++)
                slow |= is_slow(json_object_array_get_idx(json_get(head, "guests"), i));
        problems = print_problems(findings, slow, SEVERITY_ERROR, out);
        print_all_slow(head, out);
        problems += print_problems(findings, slow, SEVERITY_WARNING, out);
        if (problems == 0 && !slow)
                print_nothing(head, out);
        fputc('\n', out);
        print_fine(head, out);
        print_unknown(head, devices->host, out);
        print_more(head, out);
        return 0;
}
