/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager-bus.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "config/bus-names.h"
#include "manager-bind-bus.h"
#include "manager-caller.h"
#include "manager-fix-bus.h"
#include "manager-guest.h"
#include "manager-log-bus.h"
#include "manager-report.h"
#include "manager.h"
#include "util/file.h"
#include "util/log.h"
#include "util/switch.h"

static int audit_call(struct manager *m, sd_bus_message *message, sd_bus_error *error)
{
        int r;

        (void) error;
        r = manager_audit(m);
        if (r < 0)
                return r;
        return sd_bus_reply_method_return(message, "t", m->generation);
}

static int method_audit(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        return manager_call_as_root(userdata, message, audit_call, false, error);
}

/* Reads a domain XML from a memfd that is sealed: the read cannot block, and nobody can change the text
 * while we read it. */
static int read_xml(int fd, char **ret, size_t *ret_size)
{
        const int required = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
        int seals = fcntl(fd, F_GET_SEALS);

        if (seals < 0 || (seals & required) != required)
                return -EPERM;
        if (lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        return read_fd(fd, GUEST_XML_MAX, ret, ret_size);
}

static int prepare_guest(struct manager *m, sd_bus_message *message, sd_bus_error *error)
{
        _cleanup_free_ char *xml = NULL;
        uint64_t deadline;
        size_t size;
        int fd, r;

        r = sd_bus_message_read(message, "sht", NULL, &fd, &deadline);
        if (r < 0)
                return r;
        r = read_xml(fd, &xml, &size);
        if (r < 0)
                return sd_bus_error_set_errnof(error, r,
                                               "The domain XML must be a sealed memfd of at most 4 MiB");
        return manager_prepare_guest(m, message, xml, size, deadline);
}

static int method_prepare_guest(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        return manager_call_as_root(userdata, message, prepare_guest, false, error);
}

static int guest_started(struct manager *m, sd_bus_message *message, sd_bus_error *error)
{
        _cleanup_free_ char *xml = NULL;
        struct guest guest;
        size_t size;
        int fd, r;

        r = sd_bus_message_read(message, "sh", NULL, &fd);
        if (r < 0)
                return r;
        r = read_xml(fd, &xml, &size);
        if (r < 0)
                return sd_bus_error_set_errnof(error, r,
                                               "The domain XML must be a sealed memfd of at most 4 MiB");
        r = guest_parse(&guest, xml, size);
        if (r == -EBADMSG || r == -EFBIG)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "not a domain XML: %s",
                                         strerror(-r));
        if (r < 0)
                return r;
        manager_guest_started(m, &guest);
        guest_done(&guest);
        return sd_bus_reply_method_return(message, NULL);
}

static int method_guest_started(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        return manager_call_as_root(userdata, message, guest_started, true, error);
}

static int guest_released(struct manager *m, sd_bus_message *message, sd_bus_error *error)
{
        const char *name;
        int r;

        (void) error;
        r = sd_bus_message_read(message, "s", &name);
        if (r < 0)
                return r;
        manager_guest_released(m, name);
        return sd_bus_reply_method_return(message, NULL);
}

static int method_guest_released(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        return manager_call_as_root(userdata, message, guest_released, true, error);
}

static const char *manager_health(const struct manager *m)
{
        if (m->config_error)
                return "degraded";
        if (m->generation == 0)
                return "unknown";
        return findings_severity(&m->findings) >= SEVERITY_WARNING ? "degraded" : "ok";
}

static int property_health(sd_bus *bus, const char *path, const char *interface, const char *property,
                           sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        (void) bus, (void) path, (void) interface, (void) property, (void) error;
        return sd_bus_message_append(reply, "s", manager_health(userdata));
}

static int property_status(sd_bus *bus, const char *path, const char *interface, const char *property,
                           sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const struct manager *m = userdata;

        (void) bus, (void) path, (void) interface, (void) property, (void) error;
        return sd_bus_message_append(reply, "s", m->status ?: "");
}

static int property_switched_off_by(sd_bus *bus, const char *path, const char *interface,
                                    const char *property, sd_bus_message *reply, void *userdata,
                                    sd_bus_error *error)
{
        const struct manager *m = userdata;

        (void) bus, (void) path, (void) interface, (void) property, (void) error;
        return sd_bus_message_append(reply, "s", switched_off(&m->root) ?: "");
}

static int property_configuration_error(sd_bus *bus, const char *path, const char *interface,
                                        const char *property, sd_bus_message *reply, void *userdata,
                                        sd_bus_error *error)
{
        const struct manager *m = userdata;

        (void) bus, (void) path, (void) interface, (void) property, (void) error;
        return sd_bus_message_append(reply, "s", m->config_error ?: "");
}

static int property_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                            sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        (void) bus, (void) path, (void) interface, (void) property, (void) userdata, (void) error;
        return sd_bus_message_append(reply, "s", PROJECT_VERSION);
}

/* All methods have SD_BUS_VTABLE_UNPRIVILEGED, because sd-bus would ask the bus who the sender is, and wait
 * for the answer inside the event loop; those for root only do that themselves (manager-caller.h). A hook
 * may leave right after GuestStarted and GuestReleased, before the bus could say whose it was: for these two
 * the bus's own policy counts then (systemd/org.vfioalign1.conf), which lets nobody but root through, and
 * nobody but root send descriptors. systemd/org.vfioalign1.xml describes all members for callers. */
static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("GetReport", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", report),
                                manager_method_get_report, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Audit", SD_BUS_NO_ARGS, SD_BUS_RESULT("t", generation), method_audit,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("PrepareGuest", SD_BUS_ARGS("s", guest, "h", xml, "t", deadline),
                                SD_BUS_RESULT("b", allowed, "s", message), method_prepare_guest,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GuestStarted", SD_BUS_ARGS("s", guest, "h", xml), SD_BUS_NO_RESULT,
                                method_guest_started, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GuestReleased", SD_BUS_ARGS("s", guest), SD_BUS_NO_RESULT,
                                method_guest_released, SD_BUS_VTABLE_UNPRIVILEGED),
        /* For callers other than root polkit decides. */
        SD_BUS_METHOD_WITH_ARGS("Bind", SD_BUS_ARGS("as", devices, "s", driver, "t", flags),
                                SD_BUS_RESULT("s", report), manager_method_bind, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Unbind", SD_BUS_ARGS("as", devices, "s", driver, "t", flags),
                                SD_BUS_RESULT("s", report), manager_method_unbind,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ApplyFix", SD_BUS_ARGS("s", fix, "t", flags), SD_BUS_RESULT("s", report),
                                manager_method_apply_fix, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("RevertFix", SD_BUS_ARGS("s", fix, "t", flags), SD_BUS_RESULT("s", report),
                                manager_method_revert_fix, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Version", "s", property_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Health", "s", property_health, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Status", "s", property_status, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("SwitchedOffBy", "s", property_switched_off_by, 0,
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("ConfigurationError", "s", property_configuration_error, 0,
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Generation", "t", NULL, offsetof(struct manager, generation),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("LastAuditUSec", "t", NULL, offsetof(struct manager, host.time_usec),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_VTABLE_END,
};

int manager_bus_connect(struct manager *m)
{
        int r;

        assert(m);

        r = sd_bus_default_system(&m->bus);
        if (r < 0)
                return log_error(r, "Failed to connect to the system bus: %m");
        /* Without the bus nobody can reach us; systemd starts us again when it is back. */
        (void) sd_bus_set_exit_on_disconnect(m->bus, true);

        r = manager_limit_messages(m);
        if (r < 0)
                return log_error(r, "Failed to watch the messages of the bus: %m");
        r = sd_bus_add_object_vtable(m->bus, NULL, BUS_PATH, BUS_INTERFACE, vtable, m);
        if (r < 0)
                return log_error(r, "Failed to publish the bus object '%s': %m", BUS_PATH);
        r = manager_log_publish(m);
        if (r < 0)
                return r;
        r = sd_bus_attach_event(m->bus, m->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return log_error(r, "Failed to attach the bus to the event loop: %m");
        r = sd_bus_request_name(m->bus, BUS_NAME, 0);
        if (r < 0)
                return log_error(r, "Failed to take the bus name '%s' (is another vfioalignd running?): %m",
                                 BUS_NAME);
        return 0;
}

void manager_bus_changed(struct manager *m)
{
        const char *health = manager_health(m), *off = switched_off(&m->root) ?: "",
                   *status = m->status ?: "", *error = m->config_error ?: "";
        const char *names[7];
        size_t n = 0;

        assert(m);

        if (m->signalled.generation != m->generation) {
                names[n++] = "Generation";
                names[n++] = "LastAuditUSec";
        }
        if (!streq(m->signalled.health ?: "", health))
                names[n++] = "Health";
        if (!streq(m->signalled.off ?: "", off))
                names[n++] = "SwitchedOffBy";
        if (!streq(m->signalled.config_error ?: "", error)) {
                names[n++] = "ConfigurationError";
                free(m->signalled.config_error);
                m->signalled.config_error = strdup(error);
        }
        if (!streq(m->signalled.status ?: "", status)) {
                names[n++] = "Status";
                free(m->signalled.status);
                m->signalled.status = strdup(status);
        }
        m->signalled.generation = m->generation;
        m->signalled.health = health;
        m->signalled.off = off;
        if (n == 0)
                return;
        names[n] = NULL;
        (void) sd_bus_emit_properties_changed_strv(m->bus, BUS_PATH, BUS_INTERFACE, (char **) names);
}
