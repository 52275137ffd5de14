/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "columns.h"
#include "ctl.h"
#include "snapshot.h"
#include "util/log.h"
#include "util/macro.h"
#include "verbs.h"

#define VIEW_OPTIONS (OPTION_JSON | OPTION_ROOT | OPTION_FAIL_ON)

/* table: one of them, or _REPORT_TABLE_MAX for the whole audit. */
static int print_text(const struct snapshot *s, enum report_table table, const char *columns)
{
        json_object *head = report_head(&s->host, &s->findings);
        struct devices devices;
        int r;

        if (!head)
                return -ENOMEM;
        devices_open(&devices, &s->host);
        /* Of a table with columns of their own choice, scripts get no other line. */
        report_print_switch(s->host.switched_off_by, columns ? stderr : stdout);
        if (table == _REPORT_TABLE_MAX)
                r = report_print_audit(head, &devices, stdout);
        else
                r = report_print_table(table, head, &devices, columns, stdout);
        devices_close(&devices);
        json_object_put(head);
        return r;
}

static int print_snapshot(const struct snapshot *s, enum report_table table, const struct options *o)
{
        int r;

        if (o->json)
                r = report_print_host_json(&s->host, &s->findings, o->json, stdout);
        else
                r = print_text(s, table, o->output);
        if (r < 0)
                return r;
        return fflush(stdout) != 0 ? -errno : 0;
}

static int view_snapshot(const struct snapshot *s, enum report_table table, const struct options *o)
{
        int r = print_snapshot(s, table, o);

        if (r == -EINVAL && o->output) {
                size_t n;
                const struct column *columns = report_columns(table, &n);

                return columns_refuse(o->output, columns, n);
        }
        if (r < 0) {
                log_error(r, "Failed to print the report: %m");
                return CTL_FAILED;
        }
        return s->findings.n_findings > 0 && findings_severity(&s->findings) >= o->fail_on ? CTL_FOUND
                                                                                           : CTL_OK;
}

static int view_host(int argc, char *argv[], enum report_table table, unsigned options)
{
        struct options o;
        struct snapshot s;
        int r;

        r = options_parse(argc, argv, options, 0, 0, &o);
        if (r < 0)
                return -r;
        if (o.output) {
                size_t n;
                const struct column *columns = report_columns(table, &n);

                if (columns_print_help(o.output, columns, n))
                        return CTL_OK;
        }
        r = snapshot_read(&s, &o);
        r = r < 0 ? CTL_FAILED : view_snapshot(&s, table, &o);
        snapshot_done(&s);
        return r;
}

int verb_audit(int argc, char *argv[])
{
        return view_host(argc, argv, _REPORT_TABLE_MAX, VIEW_OPTIONS | OPTION_DEEP | OPTION_HOST);
}

int verb_devices(int argc, char *argv[])
{
        return view_host(argc, argv, TABLE_DEVICES, VIEW_OPTIONS | OPTION_OUTPUT);
}

int verb_emulators(int argc, char *argv[])
{
        return view_host(argc, argv, TABLE_EMULATORS, VIEW_OPTIONS | OPTION_OUTPUT | OPTION_DEEP);
}

int verb_guests(int argc, char *argv[])
{
        return view_host(argc, argv, TABLE_GUESTS, VIEW_OPTIONS | OPTION_OUTPUT);
}

int verb_mappings(int argc, char *argv[])
{
        return view_host(argc, argv, TABLE_MAPPINGS, VIEW_OPTIONS | OPTION_OUTPUT);
}
