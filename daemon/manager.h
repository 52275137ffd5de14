/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>
#include <libudev.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "audit/finding.h"
#include "audit/verdict.h"
#include "bind-job.h"
#include "config/config.h"
#include "facts/host.h"
#include "fix/fix.h"
#include "fix/systemd-job.h"

/* One guest that runs, and what it really got. */
struct running_guest {
        struct manager *manager;
        char *name;
        pid_t pid;
        sd_event_source *exit;   /* of its process: the end needs no hook */
        struct verdict verdict;  /* of the mapping that falls furthest short */
        uint64_t best_page_size; /* of that mapping */
        json_object *mappings;
};

struct request;        /* manager-guest.c: a PrepareGuest that has no answer yet */
struct libvirt_watch;  /* manager-libvirt.c: what libvirt tells of guests */
struct boot_attempt;   /* manager-bind.c: a function with Bind=boot that is not tried again */
struct evidence_store; /* manager-evidence.c: what guests got, on its way to the disk */
struct guest_binding;  /* manager-guest-bind.c: a guest whose devices we hand over */
struct authorization;  /* manager-polkit.c: a question that polkit has not answered yet */
struct fix_call;       /* manager-fix-bus.c: an ApplyFix or RevertFix that is under way */

struct manager {
        struct root root;
        struct config config;
        sd_event *event;
        sd_bus *bus;

        /* The snapshot: everything that is told to anybody comes from here. */
        struct host host;
        struct findings findings;
        bool findings_due;   /* they have changed since they were logged */
        uint64_t generation; /* 0 before the first audit */

        struct running_guest **guests;
        size_t n_guests;
        struct request *requests; /* list */

        struct systemd_job *module_load; /* at most one under way */
        bool module_load_failed;         /* tried and still not there: not again before the facts change */
        bool thp_failed;                 /* the same */

        sd_event_source *audit_timer;
        uint64_t audit_asked_usec; /* by the first of those that this one will serve, CLOCK_MONOTONIC */
        struct udev_monitor *udev_monitor;
        sd_event_source *udev_source;
        struct libvirt_watch *libvirt;
        struct evidence_store *evidence; /* NULL before the first guest */
        char *status;                    /* as last told to systemd */

        bool stopping;              /* nothing new is begun */
        struct bind_job *bind_jobs; /* list, in the order in which they were asked for */
        sd_event_source *bind_jobs_start;
        bool settled; /* what a killed daemon or worker left has been brought to one state */
        struct boot_attempt *boot_attempts;
        size_t n_boot_attempts;
        struct guest_binding *guest_bindings; /* list */
        uint64_t
                grace_usec; /* for so long after its time the process of a guest may come, or a worker end */
        sd_event_source *reconcile_timer;
        struct authorization *authorizations; /* list */
        struct fix_call *fix_call;            /* at most one under way */
};

/* Connects to the bus and takes the name; everything else starts with manager_start(). */
int manager_new(struct manager **ret);
struct manager *manager_free(struct manager *m);

/* Tells systemd that the daemon is ready, then schedules the first audit and watches udev and libvirt. */
int manager_start(struct manager *m);

/* Reads all facts anew and follows up on them. */
int manager_audit(struct manager *m);

/* The same soon, once for a burst of causes. */
void manager_audit_soon(struct manager *m);

/* Applies the fix of the host that the configuration lets us apply unasked, that helps and that nothing
 * forbids. g: a guest that is about to start; NULL: everybody whom help_host() considers. True where
 * something is now under way: the requests are resumed when it is through. */
bool manager_apply_fix(struct manager *m, const struct guest *g);

/* The snapshot as a document; the caller puts it. */
json_object *manager_report(struct manager *m);

/* manager-bus.c */
int manager_bus_connect(struct manager *m);
void manager_bus_changed(struct manager *m);
const char *manager_health(const struct manager *m);

/* manager-bind.c */
struct bind_target {
        bdf_t bdf;
        const char *driver; /* NULL: the best one for it */
};

/* Brings to an end what a killed one left, then watches over what the configuration says. */
void manager_bind_start(struct manager *m);
void manager_bind_close(struct manager *m);

/* After each audit: binds what has Bind=boot and was not tried before. */
void manager_bind_boot(struct manager *m);

/* What was tried is tried again: one function, those whose events may have been lost, all. */
void manager_boot_device_added(struct manager *m, const char *bdf);
void manager_boot_events_lost(struct manager *m);
void manager_boot_reset(struct manager *m);

/* Soon, but not before a guest that starts has its process: gives back what guests have that do not run. */
void manager_reconcile_soon(struct manager *m);

/* driver: as for config_find_device(). */
const struct device_section *manager_find_section(const struct manager *m, const struct device *d,
                                                  const char *driver);

/* The member of its IOMMU group that has Bind=never, or NULL. */
const struct device *manager_group_forbids(const struct manager *m, const struct device *d);

/* Makes one job for each driver, and sorts the targets for it. Returns their number, or a negative errno
 * where there is none. */
int manager_bind_targets(struct manager *m, struct bind_target *targets, size_t n, const char *owner,
                         uint64_t deadline_usec, bind_job_done_t done, void *userdata);

/* manager-bind-bus.c: members of the bus, described in systemd/org.vfioalign1.xml */
int manager_method_bind(sd_bus_message *message, void *userdata, sd_bus_error *error);
int manager_method_unbind(sd_bus_message *message, void *userdata, sd_bus_error *error);

/* manager-fix-bus.c: the same */
int manager_method_apply_fix(sd_bus_message *message, void *userdata, sd_bus_error *error);
int manager_method_revert_fix(sd_bus_message *message, void *userdata, sd_bus_error *error);
void manager_fix_close(struct manager *m);

/* manager-guest-bind.c */
#define GUEST_OWNER "guest " /* and its name, in bind_record */

/* Told once, unless it is abandoned. problem: why not all could be handed over, or NULL. */
typedef void (*guest_bind_done_t)(const char *problem, void *userdata);

/* Hands over the functions of a guest that is about to start, where the configuration lets us and libvirt
 * does not do it. guest: has to live until `done` or manager_guest_bind_abandon(). deadline_usec:
 * CLOCK_BOOTTIME. Returns 1 where `done` will be called; 0 where there is nothing to do, with a problem or
 * an empty string in ret_problem; or a negative errno. */
int manager_guest_bind(struct manager *m, const struct guest *guest, uint64_t deadline_usec,
                       guest_bind_done_t done, void *userdata, char *ret_problem, size_t size);

/* Nobody waits any more. What is handed over all the same goes back unless the guest runs a while later. */
void manager_guest_bind_abandon(struct manager *m, const char *name);

/* Can its process still be missing. */
bool manager_guest_is_starting(const struct manager *m, const char *name);

/* Gives back what was handed over for it, as soon as what is under way is through. */
void manager_guest_give_back(struct manager *m, const char *name);
void manager_guest_bindings_close(struct manager *m);

/* manager-evidence.c */

/* A guest's process has that mapping, with pages of that size (bytes), and it is told for the first time. */
void manager_evidence_note(struct manager *m, const struct guest *guest, const struct mapping *mapping,
                           uint64_t page_size);
void manager_evidence_close(struct manager *m);

/* manager-guest.c */
bool manager_guest_runs(const struct manager *m, const char *name);
int manager_prepare_guest(struct manager *m, sd_bus_message *message, const char *xml, size_t size,
                          uint64_t deadline_usec);
void manager_guest_started(struct manager *m, const struct guest *guest);
void manager_guest_released(struct manager *m, const char *name);
void manager_requests_resume(struct manager *m);
void manager_requests_cancel(struct manager *m);
struct running_guest *running_guest_free(struct running_guest *g);

/* manager-libvirt.c */
int manager_libvirt_watch(struct manager *m);
void manager_libvirt_close(struct manager *m);

/* manager-notify.c */
void manager_notify_ready(struct manager *m);
void manager_notify_reloading(void);
void manager_notify_status(struct manager *m);

/* manager-polkit.c */

/* Told once. denied: NULL: the sender may; else what to answer it. */
typedef void (*authorized_t)(const sd_bus_error *denied, void *userdata);

/* May the sender do that: root always, others where polkit says so. Never waits: where polkit has to be
 * asked, `done` is called later. Returns 0; or a negative errno without a call of done, with *error set
 * where there is more to say. */
int manager_authorize(struct manager *m, sd_bus_message *message, const char *action, authorized_t done,
                      void *userdata, sd_bus_error *error);
void manager_authorizations_close(struct manager *m);

/* manager-udev.c */
int manager_udev_watch(struct manager *m);
void manager_udev_close(struct manager *m);
