/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon-report.h"

#include <assert.h>
#include <errno.h>
#include <systemd/sd-bus.h>

#include "config/bus-names.h"
#include "util/log.h"
#include "util/macro.h"

#define TIMEOUT_USEC (10 * USEC_PER_SEC)

static int call_get_report(sd_bus *bus, sd_bus_error *error, sd_bus_message **ret_reply)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &call, BUS_NAME, BUS_PATH, BUS_INTERFACE, "GetReport");
        if (r < 0)
                return r;
        /* A daemon that was stopped stays stopped; looking at it must not start it. */
        r = sd_bus_message_set_auto_start(call, false);
        if (r < 0)
                return r;
        return sd_bus_call(bus, call, TIMEOUT_USEC, error, ret_reply);
}

static int read_report(sd_bus_message *reply, json_object **ret)
{
        const char *text;
        int r;

        r = sd_bus_message_read(reply, "s", &text);
        if (r < 0)
                return r;
        *ret = json_tokener_parse(text);
        return *ret ? 0 : -EBADMSG;
}

static int get_report(json_object **ret, const char **ret_why)
{
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        *ret_why = "the system bus cannot be reached";
        r = sd_bus_open_system(&bus);
        if (r < 0)
                return log_error(r, "Failed to connect to the system bus: %m");
        *ret_why = "vfioalignd is not running: systemctl start vfioalignd";
        r = call_get_report(bus, &error, &reply);
        if (sd_bus_error_has_name(&error, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
            sd_bus_error_has_name(&error, SD_BUS_ERROR_SERVICE_UNKNOWN))
                return log_error(r, "%s", *ret_why);
        *ret_why = "vfioalignd does not answer";
        if (r < 0)
                return log_error(r, "vfioalignd does not answer: %s", error.message ?: strerror(-r));
        *ret_why = "vfioalignd's answer cannot be read";
        r = read_report(reply, ret);
        return r < 0 ? log_error(r, "Failed to read vfioalignd's answer: %m") : 0;
}

int daemon_report(json_object **ret, const char **ret_why)
{
        const char *why;
        int r;

        assert(ret);

        r = get_report(ret, &why);
        if (r < 0 && ret_why)
                *ret_why = why;
        return r;
}
