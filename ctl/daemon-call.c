/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon-call.h"

#include <assert.h>
#include <errno.h>

#include "config/bus-names.h"
#include "util/log.h"
#include "util/macro.h"

/* The user may have to type a password first. */
#define AUTHORIZATION_USEC (120 * USEC_PER_SEC)

static int call_new(sd_bus *bus, const char *method, sd_bus_message **ret)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &call, BUS_NAME, BUS_PATH, BUS_INTERFACE, method);
        if (r < 0)
                return r;
        r = sd_bus_message_set_auto_start(call, false);
        if (r < 0)
                return r;
        r = sd_bus_message_set_allow_interactive_authorization(call, true);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(call);
        return 0;
}

int daemon_call_new(sd_bus **ret_bus, const char *method, sd_bus_message **ret_call)
{
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int r;

        assert(ret_bus);
        assert(method);
        assert(ret_call);

        r = sd_bus_open_system(&bus);
        if (r < 0)
                return log_error(r,
                                 "Only root can do this without vfioalignd, and there is no system bus to "
                                 "ask it on: %m");
        r = call_new(bus, method, ret_call);
        if (r < 0)
                return log_error(r, "Failed to ask vfioalignd: %m");
        *ret_bus = TAKE_PTR(bus);
        return 0;
}

static int log_bus_error(int r, const sd_bus_error *error)
{
        if (sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
            sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN))
                return log_error(r,
                                 "Only root can do this without vfioalignd, which is not running: run it as "
                                 "root, or systemctl start vfioalignd");
        if (sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED) ||
            sd_bus_error_has_name(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED))
                return log_error(r, "Not authorized, run it as root (sudo): %s",
                                 error->message ?: strerror(-r));
        if (r == -ETIMEDOUT)
                return log_error(r, "vfioalignd gave no answer in time");
        return log_error(r, "vfioalignd refused: %s", error->message ?: strerror(-r));
}

int daemon_call(sd_bus *bus, sd_bus_message *call, uint64_t usec, char **ret)
{
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *text;
        char *copy;
        int r;

        assert(bus);
        assert(call);
        assert(ret);

        r = sd_bus_call(bus, call, usec + AUTHORIZATION_USEC, &error, &reply);
        if (r < 0)
                return log_bus_error(r, &error);
        r = sd_bus_message_read(reply, "s", &text);
        if (r < 0)
                return log_error(r, "Failed to read vfioalignd's answer: %m");
        copy = strdup(text);
        if (!copy)
                return log_error(-ENOMEM, "Failed to read vfioalignd's answer: %m");
        *ret = copy;
        return 0;
}
