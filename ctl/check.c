/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/need.h"

#include "config/config.h"
#include "ctl.h"
#include "daemon-report.h"
#include "snapshot.h"
#include "util/clock.h"
#include "util/format.h"
#include "util/log.h"
#include "util/memory.h"
#include "util/print.h"
#include "verbs.h"

/* The state of a host in one line, for a monitoring system that runs this from time to time. Its text, and
 * what can be in it, is by https://www.monitoring-plugins.org/doc/guidelines.html, and for Checkmk by its
 * local checks: https://docs.checkmk.com/latest/en/localchecks.html. */

#define GUESTS_NAMED 3

/* An older audit is no answer, unless AuditIntervalSec= asks for no more. */
#define AGE_MAX_SECONDS (3 * 3600)

DEFINE_TRIVIAL_CLEANUP(json_object *, json_object_put)

enum check_state {
        CHECK_OK,
        CHECK_WARNING,
        CHECK_CRITICAL,
        CHECK_UNKNOWN,
};

struct check {
        enum check_state state;
        const char *why;     /* of CHECK_UNKNOWN where there is no report; or NULL */
        json_object *report; /* or NULL */
        bool of_daemon;
        double age; /* seconds since the audit; of_daemon */
};

static enum check_state state_of(enum need_id need)
{
        switch (need) {
        case NEED_QUARANTINE:
        case NEED_MODULE_DEAD:
                return CHECK_CRITICAL;
        case NEED_KERNEL: /* there is nothing that an operator could do on this host as it runs */
        case NEED_NONE:
                return CHECK_OK;
        case NEED_UNSEEN:
        case _NEED_INVALID:
                return CHECK_UNKNOWN;
        default:
                return CHECK_WARNING;
        }
}

static enum need_id need_in(json_object *report)
{
        return need_from_string(json_get_text(json_get(report, "need"), "need"));
}

/* A vertical bar would end the text, and begin the figures. */
static void print_name(FILE *out, const char *name)
{
        for (; *name; name++)
                fputc(*name == '|' ? '/' : *name, out);
}

/* "train-a on 2 MiB where 1 GiB is possible (placement)" */
static void print_guest(FILE *out, json_object *guest)
{
        uint64_t page = json_get_number(guest, "page_size");
        format_t now, best;

        print_name(out, json_get_text(guest, "name") ?: "?");
        print(out, " on %s where %s is possible (%s)",
              page == UINT64_MAX ? "unknown pages" : format_size(page, now),
              format_size(json_get_number(guest, "best_page_size"), best),
              json_get_text(guest, "limit") ?: "unknown");
}

static bool guest_is_short(json_object *guest)
{
        uint64_t page = json_get_number(guest, "page_size"), best = json_get_number(guest, "best_page_size");

        return best != UINT64_MAX && best > 0 && (page == UINT64_MAX || page < best);
}

/* The daemon knows by their own numbers only those that run; of others a finding has the name. */
static void print_short_guests(FILE *out, json_object *report)
{
        json_object *guests = json_get(report, "guests");
        uint64_t all = json_get_number(json_get(report, "need"), "guests_short"), named = 0;

        for (size_t i = 0; i < json_length(guests) && named < GUESTS_NAMED; i++) {
                json_object *guest = json_object_array_get_idx(guests, i);

                if (!guest_is_short(guest))
                        continue;
                fputs(named++ > 0 ? ", " : "", out);
                print_guest(out, guest);
        }
        if (all != UINT64_MAX && all > named)
                print(out, "%s%ju %sguest%s with smaller pages than possible", named > 0 ? ", " : "",
                      (uintmax_t) (all - named), named > 0 ? "more " : "", all - named == 1 ? "" : "s");
}

static void print_text(FILE *out, const struct check *c)
{
        const char *off = json_get_text(c->report, "switched_off_by");
        uint64_t n_short = json_get_number(json_get(c->report, "need"), "guests_short");
        enum need_id need = need_in(c->report);

        if (c->why) {
                print(out, "%s", c->why);
                return;
        }
        if (need < 0) {
                print(out, "the report says nothing of what this host needs");
                return;
        }
        if (n_short > 0 && n_short != UINT64_MAX && state_of(need) != CHECK_CRITICAL)
                print_short_guests(out, c->report);
        else
                print(out, "%s", need_type(need)->text);
        if (need_type(need)->help)
                print(out, ": %s", need_type(need)->help);
        if (need != NEED_KERNEL &&
            json_object_get_boolean(json_get(json_get(c->report, "need"), "newer_kernel")))
                print(out, ", then %s", need_type(NEED_KERNEL)->help);
        if (off)
                print(out, "; switched off by %s", off);
}

/* separator: between two figures. second: the unit of seconds, where figures have units. */
static void print_figures(FILE *out, const struct check *c, const char *separator, const char *second)
{
        json_object *need = json_get(c->report, "need");
        uint64_t n = json_get_number(need, "guests"), n_short = json_get_number(need, "guests_short"),
                 faults = json_get_number(need, "faults");
        const char *before = "";

        if (n != UINT64_MAX && n_short != UINT64_MAX) {
                print(out, "guests_short=%ju;0;;0;%ju", (uintmax_t) n_short, (uintmax_t) n);
                before = separator;
        }
        if (faults != UINT64_MAX) {
                print(out, "%spage_faults=%ju;;;0", before, (uintmax_t) faults);
                before = separator;
        }
        if (c->of_daemon)
                print(out, "%saudit_age=%.0f%s;;;0", before, c->age > 0 ? c->age : 0, second);
}

static void print_nagios(FILE *out, const struct check *c)
{
        static const char *const names[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };

        print(out, "VFIOALIGN %s - ", names[c->state]);
        print_text(out, c);
        if (!c->report)
                return;
        fputs(" | ", out);
        print_figures(out, c, " ", "s");
}

static void print_checkmk(FILE *out, const struct check *c)
{
        print(out, "%d \"vfioalign\" ", c->state);
        if (c->report)
                print_figures(out, c, "|", "");
        else
                fputs("-", out);
        fputs(" ", out);
        print_text(out, c);
}

/* Seconds since 1970; negative where it is none. */
static double time_in(json_object *report)
{
        const char *text = json_get_text(report, "time"), *end;
        struct tm tm = {};

        end = text ? strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm) : NULL;
        return end && !*end ? (double) timegm(&tm) : -1;
}

static double age_max(void)
{
        _cleanup_(root_close) struct root root = { .fd = -EBADF };
        struct config config = config_default();
        double seconds;

        if (root_open(&root, NULL) >= 0)
                (void) config_read(&config, &root, NULL, NULL);
        seconds = 2 * (double) config.audit_interval_usec / 1e6;
        config_done(&config);
        return seconds > AGE_MAX_SECONDS ? seconds : AGE_MAX_SECONDS;
}

static void ask_daemon(struct check *c)
{
        double time;

        if (daemon_report(&c->report, &c->why) < 0)
                return;
        time = time_in(c->report);
        c->age = (double) clock_usec(CLOCK_REALTIME) / 1e6 - time;
        if (json_get_number(c->report, "generation") == 0 || time < 0)
                c->why = "vfioalignd has made no audit yet";
        else if (c->age > age_max())
                c->why = "the last audit of vfioalignd is too old";
        else
                c->of_daemon = true;
}

static void read_host(struct check *c, const struct options *o)
{
        unsigned long failures = memory_failures();
        struct snapshot s;

        if (snapshot_read(&s, o) >= 0)
                c->report = report_head(&s.host, &s.findings);
        if (!c->report || memory_failures() != failures)
                c->why = "the host could not be read";
        snapshot_done(&s);
}

static int print_check(struct check *c, bool checkmk)
{
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                return -ENOMEM;
        c->state = c->why ? CHECK_UNKNOWN : state_of(need_in(c->report));
        (checkmk ? print_checkmk : print_nagios)(out, c);
        if (memory_stream_close(out, &text) < 0)
                return -ENOMEM;
        print_line(stdout, "%s", text);
        free(text);
        return fflush(stdout) == 0 ? 0 : -errno;
}

int verb_check(int argc, char *argv[])
{
        _cleanup_(json_object_putp) json_object *report = NULL;
        struct check c = {};
        struct options o;
        int r;

        r = options_parse(argc, argv, OPTION_ROOT | OPTION_FORMAT, 0, 0, &o);
        if (r < 0)
                return CHECK_UNKNOWN; /* 2 would be a state of this host */
        if (o.root)
                read_host(&c, &o);
        else
                ask_daemon(&c);
        report = c.report;
        if (c.why) /* what is known is too old, or not all of it */
                c.report = NULL;
        r = print_check(&c, o.checkmk);
        if (r < 0) {
                log_error(r, "Failed to print the state: %m");
                return CHECK_UNKNOWN;
        }
        return o.checkmk ? CTL_OK : (int) c.state;
}
