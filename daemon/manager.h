/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libudev.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "audit/finding.h"
#include "config/config.h"
#include "facts/host.h"

struct authorization;  /* manager-polkit.c: a question that polkit has not answered yet */
struct bind_call;      /* manager-bind-bus.c: a Bind or Unbind that is under way */
struct bind_job;       /* bind-job.c: a run of the worker */
struct boot_attempt;   /* manager-bind.c: a function with Bind=boot that is not tried again */
struct caller;         /* manager-caller.c: a sender of calls, and who that is */
struct export_service; /* manager-export.c: what others collect, and when to audit again */
struct evidence_store; /* manager-evidence.c: what guests got, on its way to the disk */
struct fix_call;       /* manager-fix-bus.c: an ApplyFix or RevertFix that is under way */
struct guest_binding;  /* manager-guest-bind.c: a guest whose devices we hand over */
struct libvirt_watch;  /* manager-libvirt.c: the connection to libvirt, and when to have one */
struct report_service; /* manager-report.c: the report as a text, and who waits for it */
struct request;        /* manager-guest.c: a PrepareGuest that has no answer yet */
struct running_guest;  /* running-guest.h */
struct systemd_job;    /* fix/systemd-job.h */

struct manager {
        struct root root;
        struct config config;
        char *config_error; /* why the files as they were last read are rejected; NULL: they are in force */
        bool observes_only; /* there never was a configuration: `config` is the default */
        sd_event *event;
        sd_bus *bus;

        /* The snapshot: everything that we report to anybody comes from here. */
        struct host host;
        struct findings findings;
        bool findings_due;   /* they have changed since they were logged */
        uint64_t generation; /* 0 before the first audit */

        struct running_guest **guests;
        size_t n_guests;
        struct request *requests; /* list */

        struct systemd_job *module_load; /* at most one under way */
        int module_load_lock;            /* of the switch, as long as that is; else -EBADF */
        bool module_load_failed;         /* not tried again before the facts change */
        bool thp_failed;                 /* the same */

        struct caller *callers;        /* list, the newest first */
        struct report_service *report; /* NULL before somebody asks for it */

        sd_event_source *switch_sources[2]; /* manager-switch.c */

        sd_event_source *audit_timer;
        uint64_t audit_latest_usec; /* when audit_timer is due at the latest, CLOCK_MONOTONIC */
        sd_event_source *retry_timer;
        unsigned n_retries; /* one after another */
        struct udev_monitor *udev_monitor;
        sd_event_source *udev_source;
        struct libvirt_watch *libvirt;
        struct evidence_store *evidence; /* NULL before the first guest */
        sd_event_source *starts_source;  /* of the directory of measured starts */
        struct export_service *export;   /* NULL: nothing is exported, for lack of memory */
        char *status;                    /* as last sent to systemd */
        struct {
                uint64_t generation;
                const char *health, *off; /* static */
                char *status, *config_error;
        } signalled; /* what the bus last heard of our properties */

        bool stopping;              /* nothing new is started */
        struct bind_job *bind_jobs; /* list, in the order of their requests */
        sd_event_source *bind_jobs_start;
        struct bind_call *bind_calls; /* list */
        bool settled;                 /* what a killed daemon or worker left is finished or rolled back */
        struct boot_attempt *boot_attempts;
        size_t n_boot_attempts;
        struct guest_binding *guest_bindings; /* list */
        uint64_t grace_usec; /* how late the process of a guest may appear, or a worker end */
        sd_event_source *reconcile_timer;
        struct authorization *authorizations; /* list */
        struct fix_call *fix_call;            /* at most one under way */
};

/* Connects to the bus and takes the name; everything else starts with manager_start(). */
int manager_new(struct manager **ret);
struct manager *manager_free(struct manager *m);

/* Reports to systemd that the daemon is ready, schedules the first audit, and watches udev and libvirt. */
int manager_start(struct manager *m);

/* Reads all facts again and acts on them. */
int manager_audit(struct manager *m);

/* Reads again only what a fix or an operator can change (host_refresh()). Where memory is out, that is
 * logged, and what was known stays. */
void manager_refresh(struct manager *m);

/* The same as an audit, soon, once for a burst of causes. */
void manager_audit_soon(struct manager *m);

/* The same for what somebody waits to see, as the start of a guest: no burst delays it. */
void manager_audit_promptly(struct manager *m);

/* Applies the fix of the host that helps, that nothing forbids, and that the configuration allows without
 * being asked. g: a guest that is about to start; NULL: the host as it is. True where something is now under
 * way: the requests of guests are resumed when it has ended. */
bool manager_apply_fix(struct manager *m, const struct guest *g);
