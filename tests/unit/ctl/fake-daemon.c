/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stands for vfioalignd on the bus, for check-bind-ctl.py: fake-daemon BUS REPLY ERROR. Prints one line when
 * it has the name and one for each call, and answers with REPLY, or where that is empty with an error of
 * that name. */
#include <stdio.h>
#include <systemd/sd-bus.h>

#include "config/bus-names.h"
#include "util/macro.h"

static const char *reply_text, *error_name;

static int method(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        _cleanup_free_ char **devices = NULL;
        const char *driver;
        uint64_t flags;
        int r;

        (void) userdata;
        r = sd_bus_message_read_strv(message, &devices);
        if (r >= 0)
                r = sd_bus_message_read(message, "st", &driver, &flags);
        if (r < 0)
                return r;
        printf("%s", sd_bus_message_get_member(message));
        for (char **d = devices; d && *d; d++) {
                printf(" %s", *d);
                free(*d);
        }
        printf(" '%s' %ju %s%s\n", driver, (uintmax_t) flags,
               sd_bus_message_get_allow_interactive_authorization(message) ? "interactive" : "silent",
               sd_bus_message_get_auto_start(message) ? " auto-start" : "");
        fflush(stdout);
        if (!*reply_text)
                return sd_bus_error_setf(error, error_name, "because it says so");
        return sd_bus_reply_method_return(message, "s", reply_text);
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Bind", "asst", "s", method, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Unbind", "asst", "s", method, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

int main(int argc, char *argv[])
{
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int r;

        if (argc != 4)
                return EXIT_FAILURE;
        reply_text = argv[2];
        error_name = argv[3];
        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, argv[1]);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, BUS_PATH, BUS_INTERFACE, vtable, NULL);
        if (r >= 0)
                r = sd_bus_request_name(bus, BUS_NAME, 0);
        if (r >= 0)
                r = puts("ready") < 0 || fflush(stdout) != 0 ? -1 : 0;
        while (r >= 0) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
        }
        return EXIT_FAILURE;
}
