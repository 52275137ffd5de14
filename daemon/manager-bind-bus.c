/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager-bind-bus.h"

#include "bind-job.h"
#include "bind/worker.h"
#include "config/bus-names.h"
#include "manager-caller.h"
#include "manager-polkit.h"
#include "manager-report.h"
#include "manager.h"
#include "util/array.h"
#include "util/switch.h"

#define ACTION_BIND "org.vfioalign1.bind"
#define DEVICES_MAX 1024

/* Calls of one user that are under way or wait their turn: others need places too. */
#define CALLS_OF_USER_MAX 32

/* A call of Bind or Unbind that has not been answered yet. It is carried out even if its caller has gone. */
struct bind_call {
        struct manager *manager;
        struct bind_call *next; /* in the manager's list, where it is allowed */
        uid_t uid;              /* the same */
        sd_bus_message *message;
        enum bind_operation operation;
        bdf_t *devices;
        size_t n_devices;
        const char *driver; /* the message's; NULL: the best one */
        uint64_t flags;
};

static void bind_call_free(struct bind_call *c)
{
        for (struct bind_call **p = &c->manager->bind_calls; *p; p = &(*p)->next)
                if (*p == c) {
                        *p = c->next;
                        break;
                }
        sd_bus_message_unref(c->message);
        free(c->devices);
        free(c);
}

DEFINE_TRIVIAL_CLEANUP(struct bind_call *, bind_call_free)

static void reply_error(struct bind_call *c, int error)
{
        if (error == -EBUSY) {
                (void) sd_bus_reply_method_errorf(c->message, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                                  "Too many calls are waiting");
                return;
        }
        (void) sd_bus_reply_method_errnof(c->message, error, "Failed to %s: %m",
                                          bind_operation_to_string(c->operation));
}

static void reply_report(struct bind_call *c, json_object *groups)
{
        json_object *report = json_object_new_object();
        int r;

        json_object_object_add(report, "schema_version", json_object_new_int(BIND_SCHEMA_VERSION));
        json_object_object_add(report, "operation",
                               json_object_new_string(bind_operation_to_string(c->operation)));
        json_object_object_add(report, "dry_run", json_object_new_boolean(c->flags & BUS_FLAG_DRY_RUN));
        json_object_object_add(report, "groups", json_object_get(groups));
        r = reply_document(c->message,
                           json_object_to_json_string_ext(report, JSON_C_TO_STRING_PLAIN |
                                                                          JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(report);
        if (r < 0)
                /* The bus takes UTF-8 only, and a file or process in a finding can have any name. */
                (void) sd_bus_reply_method_errorf(c->message, SD_BUS_ERROR_FAILED,
                                                  "The report cannot be sent, see the journal: %s",
                                                  strerror(-r));
}

static void on_done(json_object *groups, const char *failed, void *userdata)
{
        _cleanup_(bind_call_freep) struct bind_call *c = userdata;
        size_t n = json_object_array_length(groups);

        if (!(c->flags & BUS_FLAG_DRY_RUN))
                manager_audit_soon(c->manager);
        if (!failed) {
                reply_report(c, groups);
                return;
        }
        (void) sd_bus_reply_method_errorf(
                c->message, SD_BUS_ERROR_FAILED,
                "vfioalign-worker: %s (IOMMU groups that were through: %zu, see the journal)", failed, n);
}

static bool has_place(const struct manager *m, uid_t uid)
{
        size_t n = 0;

        for (const struct bind_call *c = m->bind_calls; c; c = c->next)
                n += c->uid == uid;
        return caller_is_privileged(uid) || n < CALLS_OF_USER_MAX;
}

static void on_authorized(const sd_bus_error *denied, uid_t uid, void *userdata)
{
        _cleanup_(bind_call_freep) struct bind_call *c = userdata;
        const struct bind_order order = {
                .operation = c->operation,
                .driver = c->driver,
                .owner = "operator",
                .dry_run = c->flags & BUS_FLAG_DRY_RUN,
                .force = c->flags & BUS_FLAG_FORCE,
        };
        int r;

        if (denied) {
                (void) sd_bus_reply_method_error(c->message, denied);
                return;
        }
        if (!has_place(c->manager, uid)) {
                (void) sd_bus_reply_method_errorf(c->message, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                                  "Too many calls of this user are waiting");
                return;
        }
        r = bind_job_new(c->manager, &order, c->devices, c->n_devices, on_done, c);
        if (r < 0) {
                reply_error(c, r);
                return;
        }
        c->uid = uid;
        c->next = c->manager->bind_calls;
        c->manager->bind_calls = c;
        TAKE_PTR(c); /* on_done's */
}

static int read_devices(struct bind_call *c, sd_bus_error *error)
{
        int r;

        r = sd_bus_message_enter_container(c->message, 'a', "s");
        if (r < 0)
                return r;
        for (;;) {
                const char *address;
                bdf_t *slot;

                r = sd_bus_message_read(c->message, "s", &address);
                if (r < 0)
                        return r;
                if (r == 0)
                        break;
                if (c->n_devices == DEVICES_MAX)
                        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "More than %d devices",
                                                 DEVICES_MAX);
                r = check_argument(address, error);
                if (r < 0)
                        return r;
                slot = array_append(c->devices, c->n_devices);
                if (!slot)
                        return -ENOMEM;
                if (bdf_parse(address, *slot) < 0)
                        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "Not a PCI address: '%s'",
                                                 address);
        }
        if (c->n_devices == 0)
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "No device is named");
        return sd_bus_message_exit_container(c->message);
}

static int read_call(struct bind_call *c, sd_bus_error *error)
{
        int r;

        r = read_devices(c, error);
        if (r < 0)
                return r;
        r = sd_bus_message_read(c->message, "st", &c->driver, &c->flags);
        if (r < 0)
                return r;
        r = check_argument(c->driver, error);
        if (r < 0)
                return r;
        if (streq(c->driver, "") || streq(c->driver, "auto"))
                c->driver = NULL;
        else if (!driver_name_is_valid(c->driver))
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "Not the name of a driver: '%s'",
                                         c->driver);
        if (c->flags & ~(BUS_FLAG_DRY_RUN | BUS_FLAG_FORCE))
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "Unknown flags: 0x%llx",
                                         (unsigned long long) c->flags);
        return 0;
}

static int start_call(struct manager *m, enum bind_operation operation, sd_bus_message *message,
                      sd_bus_error *error)
{
        _cleanup_(bind_call_freep) struct bind_call *c = calloc(1, sizeof(*c));
        const char *off = switched_off(&m->root);
        int r;

        if (!c)
                return -ENOMEM;
        c->manager = m;
        c->message = sd_bus_message_ref(message);
        c->operation = operation;
        r = read_call(c, error);
        if (r < 0)
                return r;
        /* The switch keeps us from taking devices, never from giving them back. */
        if (off && operation == BIND_BIND)
                return sd_bus_error_setf(error, SD_BUS_ERROR_FAILED, "switched off by %s", off);
        r = manager_authorize(m, message, ACTION_BIND, on_authorized, c, error);
        if (r < 0)
                return r;
        TAKE_PTR(c); /* on_authorized's, or freed already */
        return 1;
}

int manager_method_bind(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        return start_call(userdata, BIND_BIND, message, error);
}

int manager_method_unbind(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        return start_call(userdata, BIND_UNBIND, message, error);
}
