/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl.h"
#include "daemon-report.h"
#include "options.h"
#include "pager.h"
#include "report/report.h"
#include "util/log.h"
#include "util/print.h"
#include "verbs.h"
#include "watch.h"

DEFINE_TRIVIAL_CLEANUP(json_object *, json_object_put)

static int print_status(json_object *report)
{
        uint64_t n_defined = json_get_number(json_get(report, "libvirt"), "guests_with_vfio");
        uint64_t n_others = json_get_number(json_get(report, "libvirt"), "other_guests_with_vfio");
        const char *error = json_get_text(report, "configuration_error");
        int r = 0;

        report_print_switch(json_get_text(report, "switched_off_by"), stdout);
        if (error)
                print_line(stdout, "The configuration is rejected: %s; see vfioalignctl config check",
                           error);
        print_line(stdout, "%s", json_get_text(report, "status") ?: "No audit has been made yet");
        fputc('\n', stdout);
        /* The daemon's list is of those that run. Those that are off have findings below. */
        if (json_length(json_get(report, "guests")) == 0 && n_defined > 0)
                print_line(stdout, "No guest with a VFIO device runs; libvirt has %ju: vfioalignctl guests",
                           (uintmax_t) n_defined);
        else
                r = report_print_table(TABLE_GUESTS, report, NULL, NULL, stdout);
        if (r < 0)
                return r;
        if (n_others > 0)
                print_line(
                        stdout,
                        "%ju more with VFIO devices, running or not, %s not started by libvirt's daemon, so "
                        "vfioalignd does not see them start: vfioalignctl guests",
                        (uintmax_t) n_others, n_others == 1 ? "is" : "are");
        fputc('\n', stdout);
        r = report_print_findings(report, stdout);
        if (r < 0)
                return r;
        if (json_get(report, "left_out")) {
                fputc('\n', stdout);
                print_line(stdout,
                           "The processes and addresses of other users are left out: run it as root to "
                           "see them.");
        }
        return 0;
}

static int print_report(json_object *report, const struct options *o)
{
        int r;

        if (o->json)
                r = report_print_json_as(report, o->json, 0, stdout);
        else
                r = print_status(report);
        return r < 0 ? r : pager_flush();
}

static int look_at_daemon(void *userdata)
{
        _cleanup_(json_object_putp) json_object *report = NULL;
        const struct options *o = userdata;
        int r;

        if (daemon_report(&report, NULL) < 0)
                return CTL_FAILED;
        if (o->watch == 0)
                pager_open(o->no_pager);
        r = print_report(report, o);
        pager_close();
        if (r < 0) {
                log_error(r, "Failed to print the report: %m");
                return CTL_FAILED;
        }
        return CTL_OK;
}

int verb_status(int argc, char *argv[])
{
        struct options o;
        int r = options_parse(argc, argv, OPTION_JSON | OPTION_WATCH, 0, 0, &o);

        if (r < 0)
                return -r;
        if (o.watch > 0)
                return watch_run(o.watch, o.json, look_at_daemon, &o);
        return look_at_daemon(&o);
}
