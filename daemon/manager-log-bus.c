/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager-log-bus.h"

#include <assert.h>

#include "manager-caller.h"
#include "manager.h"
#include "util/log.h"
#include "util/string-table.h"

/* systemd looks for it there, on the name of the unit's BusName=. */
#define LOG_PATH "/org/freedesktop/LogControl1"
#define LOG_INTERFACE "org.freedesktop.LogControl1"

#define TARGET_JOURNAL "journal"
#define TARGET_CONSOLE "console"
#define TARGET_AUTO \
        "auto" /* what the daemon starts with: the journal where standard error is the journal's */

static const char *const level_names[] = {
        [LOG_EMERG] = "emerg",     [LOG_ALERT] = "alert",   [LOG_CRIT] = "crit", [LOG_ERR] = "err",
        [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice", [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
};

static int property_level(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        (void) bus, (void) path, (void) interface, (void) property, (void) userdata, (void) error;
        return sd_bus_message_append(reply, "s", level_names[log_max_priority]);
}

static int property_target(sd_bus *bus, const char *path, const char *interface, const char *property,
                           sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        (void) bus, (void) path, (void) interface, (void) property, (void) userdata, (void) error;
        return sd_bus_message_append(reply, "s", log_sink ? TARGET_JOURNAL : TARGET_CONSOLE);
}

static int property_identifier(sd_bus *bus, const char *path, const char *interface, const char *property,
                               sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        (void) bus, (void) path, (void) interface, (void) property, (void) userdata, (void) error;
        return sd_bus_message_append(reply, "s", program_invocation_short_name);
}

static int set_level(const char *value, sd_bus_error *error)
{
        for (int level = LOG_EMERG; level <= LOG_DEBUG; level++)
                if (streq(level_names[level], value)) {
                        log_max_priority = level;
                        return 0;
                }
        return sd_bus_error_setf(
                error, SD_BUS_ERROR_INVALID_ARGS,
                "Unknown log level '%s'; expected emerg, alert, crit, err, warning, notice, "
                "info or debug",
                value);
}

static int set_target(const char *value, sd_bus_error *error)
{
        if (!streq(value, TARGET_JOURNAL) && !streq(value, TARGET_CONSOLE) && !streq(value, TARGET_AUTO))
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                         "Unknown log target '%s'; expected " TARGET_AUTO ", " TARGET_JOURNAL
                                         " or " TARGET_CONSOLE,
                                         value);
        log_sink = NULL;
        if (!streq(value, TARGET_CONSOLE))
                log_open_journal(streq(value, TARGET_JOURNAL));
        return 0;
}

static int set_property(const char *property, const char *value, sd_bus_error *error)
{
        int r = check_argument(value, error);

        if (r < 0)
                return r;
        return streq(property, "LogLevel") ? set_level(value, error) : set_target(value, error);
}

static int set_call(struct manager *m, sd_bus_message *message, sd_bus_error *error)
{
        const char *interface, *property, *value;
        int r;

        (void) m;
        r = sd_bus_message_read(message, "ss", &interface, &property);
        if (r < 0)
                return r;
        if (!streq(interface, LOG_INTERFACE))
                return sd_bus_error_setf(error, SD_BUS_ERROR_UNKNOWN_INTERFACE, "Unknown interface '%s'",
                                         interface);
        if (streq(property, "SyslogIdentifier"))
                return sd_bus_error_setf(error, SD_BUS_ERROR_PROPERTY_READ_ONLY, "'%s' is read-only",
                                         property);
        if (!streq(property, "LogLevel") && !streq(property, "LogTarget"))
                return sd_bus_error_setf(error, SD_BUS_ERROR_UNKNOWN_PROPERTY, "Unknown property '%s'",
                                         property);
        r = sd_bus_message_read(message, "v", "s", &value);
        if (r < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "'%s' is a string", property);
        r = set_property(property, value, error);
        if (r < 0)
                return r;
        log_debug("%s is '%s' from now on", property, value);
        return sd_bus_reply_method_return(message, NULL);
}

/* Sees all calls of the object before sd-bus does. It takes Set, for which sd-bus would ask the bus who
 * calls, and wait for the answer (manager-caller.h). */
static int on_call(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        if (!sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Properties", "Set"))
                return 0;
        return manager_call_as_root(userdata, message, set_call, false, error);
}

/* on_call() is first: nothing gets here. */
static int refuse_set(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *value, void *userdata, sd_bus_error *error)
{
        (void) bus, (void) path, (void) interface, (void) property, (void) value, (void) userdata;
        return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "Only root may do this");
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", property_level, refuse_set, 0, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", property_target, refuse_set, 0,
                                 SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", property_identifier, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};

int manager_log_publish(struct manager *m)
{
        int r;

        assert(m && m->bus);

        r = sd_bus_add_object(m->bus, NULL, LOG_PATH, on_call, m);
        if (r < 0)
                return log_error(r, "Failed to publish the bus object '%s': %m", LOG_PATH);
        r = sd_bus_add_object_vtable(m->bus, NULL, LOG_PATH, LOG_INTERFACE, vtable, m);
        return r < 0 ? log_error(r, "Failed to publish the bus object '%s': %m", LOG_PATH) : 0;
}
