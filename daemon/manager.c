/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <assert.h>
#include <signal.h>
#include <systemd/sd-daemon.h>

#include "bind-job.h"
#include "bind/worker.h"
#include "fix/fix-record.h"
#include "fix/fix-thp.h"
#include "fix/fix.h"
#include "fix/systemd-job.h"
#include "manager-bind.h"
#include "manager-bus.h"
#include "manager-caller.h"
#include "manager-config.h"
#include "manager-evidence.h"
#include "manager-export.h"
#include "manager-fix-bus.h"
#include "manager-guest-bind.h"
#include "manager-guest.h"
#include "manager-libvirt.h"
#include "manager-measure.h"
#include "manager-notify.h"
#include "manager-polkit.h"
#include "manager-report.h"
#include "manager-retry.h"
#include "manager-switch.h"
#include "manager-udev.h"
#include "running-guest.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/parse.h"
#include "util/switch.h"

/* A burst of uevents (a card with many functions, drivers that bind one after another) causes one audit,
 * once it is over: one in the middle would be out of date at once, and would slow down those who bind. */
#define AUDIT_DELAY_USEC (250 * USEC_PER_MSEC)
#define AUDIT_DELAY_MAX_USEC (10 * USEC_PER_SEC)
#define AUDIT_PROMPT_USEC (50 * USEC_PER_MSEC)

#define MODULE_LOAD_TIMEOUT_USEC SWITCH_HOLD_USEC

/* Between the hook's answer and the guest's process libvirt labels files and makes networks, for seconds. */
#define GRACE_USEC WORKER_GRACE_USEC

DEFINE_TRIVIAL_CLEANUP(struct manager *, manager_free)

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
        struct manager *m = userdata;

        (void) source, (void) info;
        manager_notify_reloading();
        manager_config_reload(m);
        m->module_load_failed = m->thp_failed = false;
        manager_notify_status(m);
        manager_bus_changed(m);
        manager_notify_ready(m);
        manager_audit_soon(m);
        manager_reconcile_soon(m); /* what was left undone while we were switched off */
        return 0;
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
        (void) source, (void) info;
        (void) sd_notify(false, "STOPPING=1");
        manager_fix_close(userdata);
        bind_jobs_stop(userdata);
        return 0;
}

static int add_signals(struct manager *m)
{
        sigset_t mask;
        int r;

        sigemptyset(&mask);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGINT);
        sigaddset(&mask, SIGHUP);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        r = sd_event_add_signal(m->event, NULL, SIGTERM, on_stop, m);
        if (r < 0)
                return r;
        r = sd_event_add_signal(m->event, NULL, SIGINT, on_stop, m);
        if (r < 0)
                return r;
        return sd_event_add_signal(m->event, NULL, SIGHUP, on_reload, m);
}

static int set_up_event_loop(struct manager *m)
{
        int r;

        r = sd_event_default(&m->event);
        if (r < 0)
                return r;
        r = sd_event_set_watchdog(m->event, true);
        if (r < 0)
                return r;
        return add_signals(m);
}

static uint64_t grace_usec(void)
{
        /* For tests, like VFIOALIGN_ROOT and VFIOALIGN_WORKER. */
        const char *text = secure_getenv("VFIOALIGN_GRACE_MSEC");
        uint64_t msec;

        return text && parse_u64(text, 10, &msec) >= 0 ? msec * USEC_PER_MSEC : GRACE_USEC;
}

int manager_new(struct manager **ret)
{
        _cleanup_(manager_freep) struct manager *m = calloc(1, sizeof(*m));
        int r;

        assert(ret);

        if (!m)
                return log_error(-ENOMEM, "Failed to start: %m");
        m->root.fd = m->module_load_lock = -EBADF;
        m->grace_usec = grace_usec();
        r = root_open(&m->root, secure_getenv("VFIOALIGN_ROOT"));
        if (r < 0)
                return log_error(r, "Failed to open '/': %m");
        manager_spread_switch(m);
        r = manager_config_start(m);
        if (r < 0)
                return r;

        r = set_up_event_loop(m);
        if (r < 0)
                return log_error(r, "Failed to set up the event loop: %m");

        r = manager_bus_connect(m);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

struct manager *manager_free(struct manager *m)
{
        if (!m)
                return NULL;
        manager_callers_close(m);
        manager_report_close(m);
        manager_requests_cancel(m);
        manager_bind_close(m);
        manager_guest_bindings_close(m);
        manager_authorizations_close(m);
        manager_fix_close(m);
        systemd_job_cancel(m->module_load);
        switch_unlock(&m->module_load_lock);
        manager_libvirt_close(m);
        manager_evidence_close(m);
        manager_measure_close(m);
        manager_export_close(m);
        manager_udev_close(m);
        manager_switch_close(m);
        manager_retry_close(m);
        sd_event_source_disable_unref(m->audit_timer);
        for (size_t i = 0; i < m->n_guests; i++)
                running_guest_free(m->guests[i]);
        free(m->guests);
        findings_done(&m->findings);
        host_done(&m->host);
        config_done(&m->config);
        free(m->config_error);
        sd_bus_flush_close_unref(m->bus);
        sd_event_unref(m->event);
        root_close(&m->root);
        free(m->status);
        free(m->signalled.status);
        free(m->signalled.config_error);
        free(m);
        return NULL;
}

static int on_first_audit(sd_event_source *source, void *userdata)
{
        struct manager *m = userdata;

        (void) source;
        (void) manager_audit(m);
        /* Only now, because the guests that already run are judged by these facts. */
        (void) manager_libvirt_watch(m);
        return 0;
}

int manager_start(struct manager *m)
{
        int r;

        assert(m);

        /* Ready as soon as we have the name: libvirt is ordered after us, and a guest that starts before the
         * first audit waits its turn. */
        if (m->config_error)
                manager_notify_status(m);
        manager_notify_ready(m);
        r = manager_export_start(m);
        if (r < 0)
                log_warning(r, "Failed to set up what others collect, ignoring: %m");
        manager_bind_start(m);

        manager_watch_switch(m);
        manager_measure_open(m);

        /* The monitor comes first, so nothing that appears during the audit is missed. */
        r = manager_udev_watch(m);
        if (r < 0)
                log_warning(r, "Failed to watch udev, new devices will be seen only at the next audit: %m");
        r = sd_event_add_defer(m->event, NULL, on_first_audit, m);
        return r < 0 ? log_error(r, "Failed to schedule the first audit: %m") : 0;
}

static void log_findings(const struct manager *m)
{
        for (size_t i = 0; i < m->findings.n_findings; i++) {
                const struct finding *f = &m->findings.findings[i];
                const struct finding_type *type = finding_type(f->id);
                static const int priorities[_SEVERITY_MAX] = {
                        [SEVERITY_INFO] = LOG_DEBUG,
                        [SEVERITY_NOTICE] = LOG_INFO,
                        [SEVERITY_WARNING] = LOG_WARNING,
                        [SEVERITY_ERROR] = LOG_ERR,
                };
                char id[128], subject[512];
                const char *fields[] = { id, f->subject ? subject : NULL, NULL };

                snprintf(id, sizeof(id), "VFIOALIGN_FINDING=%s", finding_to_string(f->id));
                snprintf(subject, sizeof(subject), "VFIOALIGN_SUBJECT=%s", f->subject ?: "");
                log_struct(priorities[f->severity], type->message_id, fields, "%s%s%s%s%s%s",
                           f->subject ?: "", f->subject ? ": " : "", type->text, f->detail ? " (" : "",
                           f->detail ?: "", f->detail ? ")" : "");
        }
}

static bool findings_equal(const struct findings *a, const struct findings *b)
{
        if (a->n_findings != b->n_findings)
                return false;
        for (size_t i = 0; i < a->n_findings; i++) {
                const struct finding *x = &a->findings[i], *y = &b->findings[i];

                if (x->id != y->id || !streq(x->subject ?: "", y->subject ?: "") ||
                    !streq(x->detail ?: "", y->detail ?: ""))
                        return false;
        }
        return true;
}

static int read_host(struct manager *m, struct host *ret_host, struct findings *ret_findings)
{
        int r = host_read_again(ret_host, &m->root, &m->host);

        if (r < 0)
                return r;
        r = findings_collect(ret_findings, ret_host);
        if (r < 0)
                host_done(ret_host);
        return r;
}

int manager_audit(struct manager *m)
{
        uint64_t begin = clock_usec(CLOCK_MONOTONIC);
        struct host host;
        struct findings findings;
        bool changed;
        int r;

        assert(m);

        /* This audit sees what the scheduled one would look for. */
        m->audit_timer = sd_event_source_disable_unref(m->audit_timer);
        r = read_host(m, &host, &findings);
        manager_export_audited(m, r >= 0, clock_usec(CLOCK_MONOTONIC) - begin);
        if (r < 0)
                return log_error(r, "Failed to audit the host, keeping the previous facts: %m");

        manager_export_count_measured(m, &m->host, &host);
        changed = !findings_equal(&m->findings, &findings);
        host_done(&m->host);
        findings_done(&m->findings);
        m->host = host;
        m->findings = findings;
        m->generation++;
        manager_report_changed(m);

        m->findings_due = m->findings_due || changed;
        /* While the module loads, the findings wait: another audit follows, and what the load fixes need not
         * be logged. */
        if (!manager_apply_fix(m, NULL) && m->findings_due) {
                log_findings(m);
                m->findings_due = false;
        }
        manager_notify_status(m);
        manager_bus_changed(m);
        manager_retry_unread(m);
        manager_bind_boot(m);
        return 0;
}

static int on_audit_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct manager *m = userdata;

        (void) source, (void) usec;
        (void) manager_audit(m);
        return 0;
}

/* latest_usec: however many causes come until then. */
static void schedule_audit(struct manager *m, uint64_t delay_usec, uint64_t latest_usec)
{
        uint64_t now = clock_usec(CLOCK_MONOTONIC), due;
        int r;

        if (!m->audit_timer || m->audit_latest_usec > now + latest_usec)
                m->audit_latest_usec = now + latest_usec;
        due = now + delay_usec < m->audit_latest_usec ? now + delay_usec : m->audit_latest_usec;
        r = m->audit_timer ? sd_event_source_set_time(m->audit_timer, due)
                           : sd_event_add_time(m->event, &m->audit_timer, CLOCK_MONOTONIC, due,
                                               USEC_PER_MSEC, on_audit_timer, m);
        if (r < 0)
                log_warning(r, "Failed to schedule an audit: %m");
}

void manager_audit_soon(struct manager *m)
{
        schedule_audit(m, AUDIT_DELAY_USEC, AUDIT_DELAY_MAX_USEC);
}

void manager_audit_promptly(struct manager *m)
{
        schedule_audit(m, AUDIT_PROMPT_USEC, AUDIT_PROMPT_USEC);
}

void manager_refresh(struct manager *m)
{
        int r;

        assert(m);

        r = host_refresh(&m->host);
        if (r < 0)
                log_warning(r, "Failed to read again what may have changed on the host, ignoring: %m");
        manager_report_changed(m);
}

static void end_module_load(struct manager *m)
{
        m->module_load = NULL;
        switch_unlock(&m->module_load_lock);
}

static void on_module_load_done(int error, void *userdata)
{
        struct manager *m = userdata;
        const char *off = switched_off(&m->root);
        bool works;

        end_module_load(m);
        manager_refresh(m);
        works = m->host.module.enabled.value == FACT_YES && m->host.module.alive.value != FACT_NO;
        m->module_load_failed = !works && !off;
        if (off)
                log_notice("Switched off by %s while the module " VFIO_ALIGN_MODULE " was being loaded",
                           off);
        else if (works)
                log_info("Loaded the module " VFIO_ALIGN_MODULE ": VFIO mappings are aligned from now on");
        else if (m->host.module.loaded.value == FACT_YES)
                log_warning(0, "The module " VFIO_ALIGN_MODULE
                               " is loaded, but its hook is not in place: see vfioalignctl audit");
        else if (error < 0)
                log_warning(error, "Failed to load the module " VFIO_ALIGN_MODULE ": %m");
        else
                log_warning(0, "The module " VFIO_ALIGN_MODULE " did not load: see journalctl -k");
        manager_requests_resume(m);
        manager_audit_soon(m);
}

/* modprobe@.service does it, so this process needs no right to load modules and never waits in modprobe. */
static int start_modprobe(struct manager *m)
{
        static const char unit[] = "modprobe@" VFIO_ALIGN_MODULE ".service";
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        /* Restart, not start: newer systemd keeps the unit active, even after the module was unloaded. */
        r = systemd_job_new_call(m->bus, "RestartUnit", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "ss", unit, "replace");
        if (r < 0)
                return r;
        return systemd_job_start(m->bus, call, unit, MODULE_LOAD_TIMEOUT_USEC, on_module_load_done, m,
                                 &m->module_load);
}

/* Whoever switches all off from now on waits for the end of the load. False where somebody has, or has the
 * switch in hand and loads the module or is about to let us: then there will be another audit. Where there
 * is nothing to lock, guests are not to lack the module for that. */
static bool lock_module_load(struct manager *m)
{
        int lock = switch_lock(&m->root, 0);

        if (lock == -EAGAIN) {
                log_debug("The switch is locked, not loading the module " VFIO_ALIGN_MODULE);
                manager_audit_soon(m);
                return false;
        }
        if (lock < 0)
                log_warning(lock, "Failed to lock the switch, ignoring: %m");
        m->module_load_lock = lock;
        if (!manager_restraint(m))
                return true;
        switch_unlock(&m->module_load_lock);
        return false;
}

/* True where a load is under way. */
static bool load_module(struct manager *m)
{
        const struct module_facts *module = &m->host.module;
        int r;

        if (m->module_load)
                return true;
        if (module->installed.value != FACT_YES || module->loadable.value != FACT_YES ||
            module->loaded.value == FACT_YES /* and an operator switched it off */ ||
            m->module_load_failed || fix_is_held_off(&m->root, FIX_MODULE) || !lock_module_load(m))
                return false;

        r = start_modprobe(m);
        if (r < 0) {
                end_module_load(m);
                log_warning(r, "Failed to ask systemd for the module " VFIO_ALIGN_MODULE ": %m");
                return false;
        }
        log_debug("Fix module: systemd was asked to load " VFIO_ALIGN_MODULE);
        return true;
}

static void set_thp(struct manager *m)
{
        _cleanup_(fix_plan_done) struct fix_plan plan = {};
        int r = fix_thp(&m->host, FIX_APPLY, false, &plan);

        if (r < 0)
                log_warning(r, "Failed to set transparent_hugepage: %m");
        else if (plan.n_steps > 0)
                log_info("Set transparent_hugepage to \"always\", as Thp=auto says. To undo it before the "
                         "next boot: vfioalignctl fix revert thp");
        m->thp_failed = r < 0;
        manager_refresh(m);
}

bool manager_apply_fix(struct manager *m, const struct guest *g)
{
        unsigned fixes;

        assert(m);

        if (manager_restraint(m))
                return false;
        fixes = fixes_choose(&m->host, g, &m->config, POLICY_AUTO);
        /* With that set, the module may be worth loading. */
        if (fixes & FIX_BIT(FIX_THP) && m->host.kernel.thp_exempt.value == FACT_NO && !m->thp_failed &&
            !fix_is_held_off(&m->root, FIX_THP)) {
                set_thp(m);
                fixes = fixes_choose(&m->host, g, &m->config, POLICY_AUTO);
        }
        /* Not where the module helps only together with that setting. */
        return fixes == FIX_BIT(FIX_MODULE) && load_module(m);
}
