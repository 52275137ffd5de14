/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>
#include <libudev.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "audit/finding.h"
#include "audit/host.h"
#include "config/config.h"
#include "fix/fix.h"
#include "fix/module.h"

/* One guest that runs, and what it really got. */
struct running_guest {
        struct manager *manager;
        char *name;
        pid_t pid;
        sd_event_source *exit;    /* of its process: the end needs no hook */
        struct verdict verdict;   /* of the mapping that falls furthest short */
        uint64_t best_page_size;  /* of that mapping */
        json_object *mappings;
};

struct request; /* manager-guest.c: a PrepareGuest that has no answer yet */
struct reconcile; /* manager-libvirt.c: a look at the guests that already run */

struct manager {
        struct root root;
        struct config config;
        sd_event *event;
        sd_bus *bus;

        /* The snapshot: everything that is told to anybody comes from here. */
        struct host host;
        struct findings findings;
        uint64_t generation; /* 0 before the first audit */

        struct running_guest **guests;
        size_t n_guests;
        struct request *requests; /* list */

        struct module_load *module_load; /* at most one under way */
        bool module_load_failed;         /* tried and still not there: not again before the facts change */

        sd_event_source *audit_timer;
        struct udev_monitor *udev_monitor;
        sd_event_source *udev_source;
        sd_event_source *libvirt_source;
        struct reconcile *reconcile;
        char *status; /* as last told to systemd */
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

/* Loads the module where the configuration lets us and nothing forbids it. True where a load is now under way. */
bool manager_load_module(struct manager *m);

/* The snapshot as a document; the caller puts it. */
json_object *manager_report(struct manager *m);

/* manager-bus.c */
int manager_bus_connect(struct manager *m);
void manager_bus_changed(struct manager *m);
const char *manager_health(const struct manager *m);

/* manager-guest.c */
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

/* manager-udev.c */
int manager_udev_watch(struct manager *m);
void manager_udev_close(struct manager *m);
