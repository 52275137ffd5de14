/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager-fix-bus.h"

#include <json-c/json.h>
#include <sys/mman.h>

#include "config/bus-names.h"
#include "fix/fix.h"
#include "fix/systemd-job.h"
#include "manager-polkit.h"
#include "manager.h"
#include "util/file.h"
#include "util/log.h"

#define ACTION_FIX "org.vfioalign1.fix"
#define UNIT "vfioalign-fix.service"
#define REPORT_MAX_SIZE (1U << 20)

/* Trying every emulator with the preload library takes seconds each. systemd kills the unit before we give
 * it up. */
#define UNIT_USEC (5 * 60 * USEC_PER_SEC)
#define UNIT_STOP_USEC (10 * USEC_PER_SEC)
#define GIVE_UP_USEC (UNIT_USEC + UNIT_STOP_USEC + 20 * USEC_PER_SEC)

/* A call of ApplyFix or RevertFix that has no answer yet. */
struct fix_call {
        struct manager *manager;
        sd_bus_message *message;
        enum fix_action action;
        const char *fix; /* the message's; empty: no fix is named */
        uint64_t flags;
        int report; /* memfd: what vfioalignctl prints */
        struct systemd_job *job;
};

static void fix_call_free(struct fix_call *c)
{
        if (c->manager->fix_call == c)
                c->manager->fix_call = NULL;
        systemd_job_cancel(c->job);
        if (c->report >= 0)
                close(c->report);
        sd_bus_message_unref(c->message);
        free(c);
}

DEFINE_TRIVIAL_CLEANUP(struct fix_call *, fix_call_free)

static bool is_report(const char *text)
{
        json_object *o = json_tokener_parse(text), *fixes;
        bool is = json_object_object_get_ex(o, "fixes", &fixes) &&
                  json_object_is_type(fixes, json_type_array);

        json_object_put(o);
        return is;
}

static int reply_report(struct fix_call *c)
{
        _cleanup_free_ char *report = NULL;
        int r;

        if (lseek(c->report, 0, SEEK_SET) < 0)
                return -errno;
        r = read_fd(c->report, REPORT_MAX_SIZE, &report, NULL);
        if (r < 0)
                return r;
        if (!is_report(report))
                return -EBADMSG;
        return sd_bus_reply_method_return(c->message, "s", report); /* fails where a name is not UTF-8 */
}

static void on_done(int error, void *userdata)
{
        _cleanup_(fix_call_freep) struct fix_call *c = userdata;

        c->job = NULL;
        if (error == -EEXIST) {
                (void) sd_bus_reply_method_errorf(c->message, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                                  "Another fix is under way (" UNIT ")");
                return;
        }
        if (!(c->flags & BUS_FLAG_DRY_RUN))
                manager_audit_soon(c->manager);
        if (error == -ETIMEDOUT)
                (void) sd_bus_reply_method_errorf(c->message, SD_BUS_ERROR_FAILED,
                                                  UNIT " does not end: see systemctl status " UNIT);
        else if (error < 0)
                (void) sd_bus_reply_method_errorf(c->message, SD_BUS_ERROR_FAILED,
                                                  "systemd did not run " UNIT ": %s", strerror(-error));
        else if (reply_report(c) < 0)
                (void) sd_bus_reply_method_errorf(c->message, SD_BUS_ERROR_FAILED,
                                                  UNIT " ended without a report: see journalctl -u " UNIT);
}

/* ExecStart=, an array of one command: (sv), v = a(sasb). */
static int append_command(sd_bus_message *call, const char *program, const char *const *argv)
{
        int r;

        r = sd_bus_message_open_container(call, 'r', "sv");
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "s", "ExecStart");
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(call, 'v', "a(sasb)");
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(call, 'a', "(sasb)");
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(call, 'r', "sasb");
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "s", program);
        if (r < 0)
                return r;
        r = sd_bus_message_append_strv(call, (char **) argv);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "b", false); /* a failure counts as one */
        if (r < 0)
                return r;
        for (int i = 0; i < 4; i++) {
                r = sd_bus_message_close_container(call);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int append_properties(sd_bus_message *call, const struct fix_call *c, const char *program,
                             const char *const *argv)
{
        int r;

        r = sd_bus_message_open_container(call, 'a', "(sv)");
        if (r < 0)
                return r;
        /* StandardError is set because it would follow StandardOutput by default, also where the manager's
         * own default is another (systemd.exec(5)): what the unit and its children say goes to the journal,
         * and only the report to us. */
        r = sd_bus_message_append(call, "(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)", "Description", "s",
                                  "A fix of the host, asked for over the bus", "Type", "s", "oneshot",
                                  "CollectMode", "s", "inactive-or-failed", "StandardOutput", "s", "null",
                                  "StandardError", "s", "journal", "StandardOutputFileDescriptor", "h",
                                  c->report, "TimeoutStartUSec", "t", UNIT_USEC, "TimeoutStopUSec", "t",
                                  UNIT_STOP_USEC);
        if (r < 0)
                return r;
        r = append_command(call, program, argv);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(call);
}

/* The daemon's sandbox does not let it change the host, so systemd runs vfioalignctl outside of it. */
static int append_unit(sd_bus_message *call, const struct fix_call *c)
{
        const char *program = secure_getenv("VFIOALIGN_CTL") ?: CTL_PROGRAM;
        const char *argv[10] = { program, "fix", "--json", "--yes" }; /* whoever called has said so */
        size_t n = 4;
        int r;

        if (c->flags & BUS_FLAG_DRY_RUN)
                argv[n++] = "--dry-run";
        if (c->flags & BUS_FLAG_FORCE)
                argv[n++] = "--force";
        argv[n++] = c->action == FIX_REVERT ? "revert" : "apply";
        if (*c->fix)
                argv[n++] = c->fix;

        r = sd_bus_message_append(call, "ss", UNIT, "fail");
        if (r < 0)
                return r;
        r = append_properties(call, c, program, argv);
        if (r < 0)
                return r;
        return sd_bus_message_append(call, "a(sa(sv))", 0); /* no auxiliary units */
}

static int start_unit(struct fix_call *c)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        c->report = memfd_create("fix-report", MFD_CLOEXEC);
        if (c->report < 0)
                return -errno;
        r = systemd_job_new_call(c->manager->bus, "StartTransientUnit", &call);
        if (r < 0)
                return r;
        r = append_unit(call, c);
        if (r < 0)
                return r;
        return systemd_job_start(c->manager->bus, call, UNIT, GIVE_UP_USEC, on_done, c, &c->job);
}

static void on_authorized(const sd_bus_error *denied, uid_t uid, void *userdata)
{
        _cleanup_(fix_call_freep) struct fix_call *c = userdata;
        int r;

        (void) uid; /* one at a time, whoever asks */
        if (denied) {
                (void) sd_bus_reply_method_error(c->message, denied);
                return;
        }
        if (c->manager->stopping) {
                (void) sd_bus_reply_method_errorf(c->message, SD_BUS_ERROR_FAILED, "vfioalignd ends");
                return;
        }
        if (c->manager->fix_call) {
                (void) sd_bus_reply_method_errorf(c->message, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                                  "Another fix is under way");
                return;
        }
        r = start_unit(c);
        if (r < 0) {
                (void) sd_bus_reply_method_errorf(c->message, SD_BUS_ERROR_FAILED,
                                                  "Failed to start " UNIT ": %s", strerror(-r));
                return;
        }
        c->manager->fix_call = c;
        TAKE_PTR(c); /* on_done() frees it */
}

static int read_call(struct fix_call *c, sd_bus_error *error)
{
        enum fix_id id;
        int r = sd_bus_message_read(c->message, "st", &c->fix, &c->flags);

        if (r < 0)
                return r;
        id = *c->fix ? fix_id_from_string(c->fix) : FIX_MODULE;
        if (id < 0 || !fix_get(id)->run)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "Not a fix of the host: '%s'",
                                         c->fix);
        if (c->flags & ~(BUS_FLAG_DRY_RUN | (c->action == FIX_APPLY ? BUS_FLAG_FORCE : 0)))
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "Unknown flags: 0x%llx",
                                         (unsigned long long) c->flags);
        return 0;
}

static int take_call(struct manager *m, enum fix_action action, sd_bus_message *message, sd_bus_error *error)
{
        _cleanup_(fix_call_freep) struct fix_call *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        *c = (struct fix_call){
                .manager = m,
                .message = sd_bus_message_ref(message),
                .action = action,
                .report = -EBADF,
        };
        r = read_call(c, error);
        if (r < 0)
                return r;
        r = manager_authorize(m, message, ACTION_FIX, on_authorized, c, error);
        if (r < 0)
                return r;
        TAKE_PTR(c); /* on_authorized() frees it, or has */
        return 1;
}

int manager_method_apply_fix(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        return take_call(userdata, FIX_APPLY, message, error);
}

int manager_method_revert_fix(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        return take_call(userdata, FIX_REVERT, message, error);
}

void manager_fix_close(struct manager *m)
{
        _cleanup_(fix_call_freep) struct fix_call *c = m->fix_call;

        if (c)
                (void) sd_bus_reply_method_errorf(c->message, SD_BUS_ERROR_FAILED,
                                                  "vfioalignd ends; " UNIT " goes on");
}
