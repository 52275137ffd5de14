/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl.h"
#include "snapshot.h"
#include "util/log.h"
#include "util/macro.h"
#include "verbs.h"

#define VIEW_OPTIONS (OPTION_JSON | OPTION_ROOT | OPTION_FAIL_ON)

static int print_text(const struct snapshot *s, enum report_table table, const char *columns)
{
        json_object *head = report_head(&s->host, &s->findings);
        struct devices devices;
        int r;

        devices_open(&devices, &s->host);
        r = !head                        ? -ENOMEM
            : table == _REPORT_TABLE_MAX ? report_print_audit(head, &devices, stdout)
                                         : report_print_table(table, head, &devices, columns, stdout);
        devices_close(&devices);
        json_object_put(head);
        return r;
}

/* table: one of them, or _REPORT_TABLE_MAX for the whole audit. */
static int view(int argc, char *argv[], enum report_table table, unsigned options)
{
        struct options o;
        struct snapshot s;
        int r;

        r = options_parse(argc, argv, options, 0, 0, &o);
        if (r < 0)
                return -r;
        r = snapshot_read(&s, &o);
        if (r >= 0) {
                if (o.json)
                        report_print_host_json(&s.host, &s.findings, stdout);
                else
                        r = print_text(&s, table, o.output);
                if (r == -EINVAL) {
                        _cleanup_free_ char *known = report_columns(table);

                        fprintf(stderr, "vfioalignctl: --output %s: the columns are %s\n", o.output,
                                known ?: "?");
                        snapshot_done(&s);
                        return CTL_USAGE;
                }
                if (r >= 0 && fflush(stdout) != 0)
                        r = -errno;
                if (r < 0)
                        log_error(r, "Failed to print the report: %m");
        }
        if (r >= 0 && s.findings.n_findings > 0 && findings_severity(&s.findings) >= o.fail_on)
                r = CTL_FOUND;
        snapshot_done(&s);
        return r < 0 ? CTL_FAILED : r;
}

int verb_audit(int argc, char *argv[])
{
        return view(argc, argv, _REPORT_TABLE_MAX, VIEW_OPTIONS | OPTION_DEEP);
}

int verb_devices(int argc, char *argv[])
{
        return view(argc, argv, TABLE_DEVICES, VIEW_OPTIONS | OPTION_OUTPUT);
}

int verb_emulators(int argc, char *argv[])
{
        return view(argc, argv, TABLE_EMULATORS, VIEW_OPTIONS | OPTION_OUTPUT | OPTION_DEEP);
}

int verb_guests(int argc, char *argv[])
{
        return view(argc, argv, TABLE_GUESTS, VIEW_OPTIONS | OPTION_OUTPUT);
}

int verb_mappings(int argc, char *argv[])
{
        return view(argc, argv, TABLE_MAPPINGS, VIEW_OPTIONS | OPTION_OUTPUT);
}
