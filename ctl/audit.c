/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <limits.h>

#include "columns.h"
#include "ctl.h"
#include "pager.h"
#include "report/filter.h"
#include "snapshot.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/near.h"
#include "util/print.h"
#include "verbs.h"
#include "watch.h"

#define VIEW_OPTIONS (OPTION_JSON | OPTION_ROOT | OPTION_FAIL_ON | OPTION_WATCH)
#define TABLE_OPTIONS (VIEW_OPTIONS | OPTION_OUTPUT | OPTION_CSV | OPTION_NO_HEADINGS)

DEFINE_TRIVIAL_CLEANUP(json_object *, json_object_put)

struct view_request {
        const char *verb;
        enum report_table table; /* one of them, or _REPORT_TABLE_MAX for the whole audit ... */
        bool doctor;             /* ... or its first screen alone */
        struct options options;
        struct filter filter;
};

static int print_text(const struct snapshot *s, json_object *head, const struct view_request *q)
{
        const struct report_view view = { q->options.output, q->options.csv, q->options.no_headings,
                                          &q->filter };
        struct devices devices;
        int r;

        devices_open(&devices, &s->host);
        /* Of a table with columns of their own choice, scripts get no other line. */
        report_print_switch(s->host.switched_off_by,
                            view.columns || view.csv || view.no_headings ? stderr : stdout);
        if (q->doctor)
                r = report_print_doctor(head, &devices, stdout);
        else if (q->table == _REPORT_TABLE_MAX)
                r = report_print_audit(head, &devices, q->options.all, q->options.full, stdout);
        else
                r = report_print_table(q->table, head, &devices, &view, stdout);
        devices_close(&devices);
        return r;
}

static void offer_near(const char *name, void *userdata)
{
        near_offer(userdata, name);
}

/* Whether each pattern matches something, else prints which does not. */
static bool filter_is_good(const struct snapshot *s, json_object *head, const struct view_request *q)
{
        const char *pattern = filter_find_unmatched(&q->filter, &s->host, head), *unseen = NULL;
        struct near near = { .word = pattern };
        near_t question;

        if (!pattern)
                return true;
        filter_offer_names(&q->filter, &s->host, head, offer_near, &near);
        if (q->table == TABLE_GUESTS && s->host.libvirt.readable.value == FACT_UNKNOWN)
                unseen = "not all guests could be read";
        if (q->table == TABLE_MAPPINGS && s->host.mappings.complete.value != FACT_YES)
                unseen = "not all processes could be looked at";
        print_line(stderr, "vfioalignctl: %s: nothing matches '%s'%s%s%s%s", q->verb, pattern,
                   unseen ? " (" : "", unseen ?: "", unseen ? ")" : "", near_question(&near, question));
        return false;
}

static int print_snapshot(const struct snapshot *s, json_object *head, const struct view_request *q)
{
        const struct filter *filter = q->table == _REPORT_TABLE_MAX ? NULL : &q->filter;
        int r;

        if (q->options.json)
                r = report_print_host_json(&s->host, &s->findings, q->options.json, filter, stdout);
        else
                r = print_text(s, head, q);
        return r < 0 ? r : pager_flush();
}

static int view_snapshot(const struct snapshot *s, const struct view_request *q)
{
        _cleanup_(json_object_putp) json_object *head = NULL;
        int r = 0;

        if (!q->options.json || q->filter.n > 0) {
                head = report_head(&s->host, &s->findings);
                if (!head)
                        r = -ENOMEM;
                else if (!filter_is_good(s, head, q))
                        return CTL_FAILED;
        }
        if (r == 0) {
                if (q->options.watch == 0)
                        pager_open(q->options.no_pager);
                r = print_snapshot(s, head, q);
                pager_close();
        }
        if (r == -EINVAL && q->options.output) {
                size_t n;
                const struct column *columns = report_columns(q->table, &n);

                return columns_refuse(q->options.output, columns, n);
        }
        if (r < 0) {
                log_error(r, "Failed to print the report: %m");
                return CTL_FAILED;
        }
        return s->findings.n_findings > 0 && findings_severity(&s->findings) >= q->options.fail_on
                       ? CTL_FOUND
                       : CTL_OK;
}

/* Reads the host, and shows it. */
static int look_at_host(void *userdata)
{
        const struct view_request *q = userdata;
        struct snapshot s;
        int r = snapshot_read(&s, &q->options);

        r = r < 0 ? CTL_FAILED : view_snapshot(&s, q);
        snapshot_done(&s);
        return r;
}

static int view_host(int argc, char *argv[], enum report_table table, bool doctor, unsigned options)
{
        struct view_request q = { .verb = argv[0], .table = table, .doctor = doctor, .filter.table = table };
        int word = options_parse(argc, argv, options, 0, table == _REPORT_TABLE_MAX ? 0 : INT_MAX,
                                 &q.options);

        if (word < 0)
                return -word;
        q.filter.patterns = argv + word;
        q.filter.n = (size_t) (argc - word);
        if (q.options.output) {
                size_t n;
                const struct column *columns = report_columns(table, &n);

                if (columns_print_help(q.options.output, columns, n))
                        return CTL_OK;
        }
        if (q.options.watch > 0)
                return watch_run(q.options.watch, q.options.json, look_at_host, &q);
        return look_at_host(&q);
}

int verb_doctor(int argc, char *argv[])
{
        return view_host(argc, argv, _REPORT_TABLE_MAX, true, VIEW_OPTIONS);
}

int verb_audit(int argc, char *argv[])
{
        return view_host(argc, argv, _REPORT_TABLE_MAX, false,
                         VIEW_OPTIONS | OPTION_DEEP | OPTION_HOST | OPTION_ALL | OPTION_FULL);
}

int verb_devices(int argc, char *argv[])
{
        return view_host(argc, argv, TABLE_DEVICES, false, TABLE_OPTIONS);
}

int verb_emulators(int argc, char *argv[])
{
        return view_host(argc, argv, TABLE_EMULATORS, false, TABLE_OPTIONS | OPTION_DEEP);
}

int verb_guests(int argc, char *argv[])
{
        return view_host(argc, argv, TABLE_GUESTS, false, TABLE_OPTIONS);
}

int verb_mappings(int argc, char *argv[])
{
        return view_host(argc, argv, TABLE_MAPPINGS, false, TABLE_OPTIONS);
}
