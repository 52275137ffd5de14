/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>
#include <systemd/sd-bus.h>

#include "config/bus-names.h"
#include "ctl.h"
#include "report/report.h"
#include "util/log.h"
#include "verbs.h"

DEFINE_TRIVIAL_CLEANUP(json_object *, json_object_put)

#define TIMEOUT_USEC (10 * USEC_PER_SEC)

static const char *get_string(json_object *report, const char *key)
{
        json_object *v = NULL;

        json_object_object_get_ex(report, key, &v);
        return v ? json_object_get_string(v) : NULL;
}

static int get_report(json_object **ret)
{
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        const char *text;
        int r;

        r = sd_bus_open_system(&bus);
        if (r < 0)
                return log_error(r, "Failed to connect to the system bus: %m");
        r = sd_bus_message_new_method_call(bus, &call, BUS_NAME, BUS_PATH, BUS_INTERFACE, "GetReport");
        /* A daemon that was stopped stays stopped; looking at it must not start it. */
        if (r >= 0)
                r = sd_bus_message_set_auto_start(call, false);
        if (r >= 0)
                r = sd_bus_call(bus, call, TIMEOUT_USEC, &error, &reply);
        if (r < 0) {
                if (sd_bus_error_has_name(&error, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
                    sd_bus_error_has_name(&error, SD_BUS_ERROR_SERVICE_UNKNOWN))
                        return log_error(r, "vfioalignd is not running: systemctl start vfioalignd");
                return log_error(r, "vfioalignd does not answer: %s", error.message ?: strerror(-r));
        }
        r = sd_bus_message_read(reply, "s", &text);
        if (r < 0)
                return log_error(r, "Failed to read vfioalignd's answer: %m");
        *ret = json_tokener_parse(text);
        return *ret ? 0 : log_error(-EBADMSG, "Failed to read vfioalignd's answer: %m");
}

int verb_status(int argc, char *argv[])
{
        static const struct option options[] = { { "json", no_argument, NULL, 'j' }, {} };
        _cleanup_(json_object_putp) json_object *report = NULL;
        bool json = false;
        int c;

        while ((c = getopt_long(argc, argv, "j", options, NULL)) >= 0) {
                if (c != 'j')
                        return CTL_USAGE;
                json = true;
        }
        if (optind < argc) {
                fprintf(stderr, "vfioalignctl: status takes no argument '%s'\n", argv[optind]);
                return CTL_USAGE;
        }

        if (get_report(&report) < 0)
                return CTL_FAILED;
        if (json) {
                report_print_json(report, stdout);
                return CTL_OK;
        }
        printf("%s\n", get_string(report, "status") ?: "No audit has been made yet");
        if (get_string(report, "switched_off_by"))
                printf("Switched off by %s\n", get_string(report, "switched_off_by"));
        putchar('\n');
        if (report_print_table(TABLE_GUESTS, report, NULL, NULL, stdout) < 0)
                return CTL_FAILED;
        putchar('\n');
        return report_print_findings(report, stdout) < 0 ? CTL_FAILED : CTL_OK;
}
