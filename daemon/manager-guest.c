/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager-guest.h"

#include <assert.h>

#include "fix/decision.h"
#include "manager-config.h"
#include "manager-export.h"
#include "manager-guest-bind.h"
#include "manager-measure.h"
#include "manager-report.h"
#include "manager-retry.h"
#include "manager.h"
#include "messages.h"
#include "running-guest.h"
#include "util/array.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/process-file.h"
#include "util/process-start.h"
#include "util/switch.h"

/* Reserved from the hook's deadline for reading the worker's answer and sending ours. */
#define ANSWER_USEC (500 * USEC_PER_MSEC)

/* The hook gives up at its deadline, so what it is to know has to be on its way before. */
#define REPLY_USEC (250 * USEC_PER_MSEC)

/* A hook's call that waits for a fix, or for its devices. */
struct request {
        struct manager *manager;
        struct request *next;
        struct guest guest;
        sd_bus_message *message;
        sd_bus_slot *leaving, *here; /* a hook that was killed needs no answer */
        sd_event_source *deadline;
        uint64_t came_usec; /* CLOCK_MONOTONIC */
        bool binding;       /* its devices are being handed to VFIO */
        char problem[512];  /* why they did not get there; empty: none */
};

static void request_free(struct request *q)
{
        struct manager *m = q->manager;

        for (struct request **p = &m->requests; *p; p = &(*p)->next)
                if (*p == q) {
                        *p = q->next;
                        break;
                }
        if (q->binding)
                manager_guest_bind_abandon(m, q->guest.name);
        sd_bus_slot_unref(q->leaving);
        sd_bus_slot_unref(q->here);
        sd_event_source_disable_unref(q->deadline);
        sd_bus_message_unref(q->message);
        guest_done(&q->guest);
        free(q);
}

DEFINE_TRIVIAL_CLEANUP(struct request *, request_free)
DEFINE_TRIVIAL_CLEANUP(struct running_guest *, running_guest_free)

/* late: what did not finish in time, or NULL. */
static int request_answer(struct request *q, const char *late)
{
        struct manager *m = q->manager;
        struct decision d = decision_make(&m->host, &m->config, &q->guest);
        _cleanup_free_ char *name = log_guest_field(q->guest.name);
        char text[sizeof(q->problem) + sizeof(d.text) + 128];
        const char *fields[] = { name, NULL };
        int r;

        snprintf(text, sizeof(text), "%s%s%s%s%s", q->problem, *q->problem ? "; " : "", late ?: "",
                 late ? "; " : "", d.text);
        if (d.allowed)
                log_struct(d.warn ? LOG_WARNING : LOG_INFO, MESSAGE_GUEST_PREPARED, fields,
                           "Guest '%s' may start: %s", q->guest.name, text);
        else
                log_struct(LOG_WARNING, MESSAGE_GUEST_REFUSED, fields, "Guest '%s' may not start: %s",
                           q->guest.name, text);
        /* Before the answer, so what measures the start has begun to load when libvirt goes on. */
        if (d.allowed)
                manager_measure_start(m, q->guest.name);
        r = sd_bus_reply_method_return(q->message, "bs", d.allowed, text);
        if (r < 0)
                log_warning(r, "Failed to answer the hook of guest '%s': %m", q->guest.name);
        manager_export_count_hook(m, clock_usec(CLOCK_MONOTONIC) - q->came_usec);
        if (!d.allowed)
                manager_export_count_start(m, START_REFUSED);
        request_free(q);
        return 1;
}

/* Answers, or leaves the request waiting for its devices and for the module, which come in parallel. */
static int request_step(struct request *q)
{
        struct manager *m = q->manager;

        manager_refresh(m);
        if (q->guest.emulator)
                (void) emulator_facts_get(&m->host.emulators, &m->root, q->guest.emulator);
        if (manager_apply_fix(m, &q->guest) || q->binding)
                return 1;
        return request_answer(q, NULL);
}

static void on_bound(const char *problem, void *userdata)
{
        struct request *q = userdata;

        q->binding = false;
        if (problem)
                snprintf(q->problem, sizeof(q->problem), "%s", problem);
        (void) request_step(q);
}

void manager_requests_resume(struct manager *m)
{
        struct request *next;

        assert(m);

        for (struct request *q = m->requests; q; q = next) {
                next = q->next;
                (void) request_step(q);
        }
}

void manager_requests_cancel(struct manager *m)
{
        while (m->requests)
                request_free(m->requests);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct request *q = userdata;

        (void) source, (void) usec;
        return request_answer(q, q->binding ? "its devices were not handed to VFIO in time"
                                            : "the module was not loaded in time");
}

/* A hook that leaves at its deadline can come before our own timer for that. */
static void sender_gone(struct request *q)
{
        uint64_t deadline;

        if (sd_event_source_get_time(q->deadline, &deadline) >= 0 &&
            deadline <= clock_usec(CLOCK_BOOTTIME)) {
                (void) on_deadline(q->deadline, deadline, q);
                return;
        }
        log_notice("The hook of guest '%s' left before it had an answer", q->guest.name);
        request_free(q);
}

static int on_owner_changed(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
        const char *owner;

        (void) error;
        if (sd_bus_message_read(signal, "sss", NULL, NULL, &owner) >= 0 && !*owner)
                sender_gone(userdata);
        return 0;
}

static int on_has_owner(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        int has_owner;

        (void) error;
        if (!sd_bus_message_is_method_error(reply, NULL) &&
            sd_bus_message_read(reply, "b", &has_owner) >= 0 && !has_owner)
                sender_gone(userdata);
        return 0;
}

/* It may have left before the bus began to watch it. */
static int on_watched(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        struct request *q = userdata;
        int r = -sd_bus_message_get_errno(reply);

        (void) error;
        if (r == 0)
                r = sd_bus_call_method_async(q->manager->bus, &q->here, "org.freedesktop.DBus",
                                             "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner",
                                             on_has_owner, q, "s", sd_bus_message_get_sender(q->message));
        if (r < 0)
                log_debug("Failed to watch the hook of guest '%s', ignoring: %s", q->guest.name,
                          strerror(-r));
        return 0;
}

/* libvirt starts a guest once at a time: an older request of that name is one that it gave up. */
static void drop_older(struct manager *m, const char *name)
{
        struct request *next;

        for (struct request *q = m->requests; q; q = next) {
                next = q->next;
                if (!streq(q->guest.name, name))
                        continue;
                (void) sd_bus_reply_method_errorf(q->message, SD_BUS_ERROR_FAILED,
                                                  "another start of guest '%s' came after this one", name);
                request_free(q);
        }
}

/* Whether the snapshot may lack a device of the guest: a guest can autostart before the first audit, or its
 * device can have come in a burst of uevents that is not over yet. */
static bool snapshot_is_behind(const struct manager *m, const struct guest *g)
{
        if (m->generation == 0)
                return true;
        if (!m->audit_timer)
                return false;
        for (size_t i = 0; i < g->n_hostdevs; i++)
                if (*g->hostdevs[i].bdf && !device_facts_find(&m->host.devices, g->hostdevs[i].bdf))
                        return true;
        return false;
}

/* When a request is answered at the latest: of a short time no more than a quarter is taken for that. */
static uint64_t latest_answer(uint64_t deadline_usec)
{
        uint64_t now = clock_usec(CLOCK_BOOTTIME), left = deadline_usec > now ? deadline_usec - now : 0;

        return deadline_usec - (left / 4 < REPLY_USEC ? left / 4 : REPLY_USEC);
}

/* Watches for what ends the wait: the hook's own end, and its deadline. sd_bus_track does not do, because it
 * asks the bus whether the sender is there, and waits for the answer. */
static int request_watch(struct request *q, uint64_t deadline_usec)
{
        struct manager *m = q->manager;
        _cleanup_free_ char *match = NULL;
        int r;

        if (asprintf(&match,
                     "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                     "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='%s'",
                     sd_bus_message_get_sender(q->message)) < 0)
                return -ENOMEM;
        r = sd_bus_add_match_async(m->bus, &q->leaving, match, on_owner_changed, on_watched, q);
        if (r < 0)
                return r;
        return sd_event_add_time(m->event, &q->deadline, CLOCK_BOOTTIME, latest_answer(deadline_usec), 0,
                                 on_deadline, q);
}

/* Begins to hand over its devices, where that is ours to do. */
static void request_bind(struct request *q, uint64_t deadline_usec)
{
        struct manager *m = q->manager;
        int r;

        if (snapshot_is_behind(m, &q->guest))
                (void) manager_audit(m);
        r = manager_guest_bind(m, &q->guest, deadline_usec - ANSWER_USEC, on_bound, q, q->problem,
                               sizeof(q->problem));
        if (r < 0)
                snprintf(q->problem, sizeof(q->problem), "its devices were not handed to VFIO: %s",
                         strerror(-r));
        q->binding = r > 0;
}

int manager_prepare_guest(struct manager *m, sd_bus_message *message, const char *xml, size_t size,
                          uint64_t deadline_usec)
{
        _cleanup_(request_freep) struct request *q = NULL;
        const char *off = manager_restraint(m);
        int r;

        assert(message && xml);

        /* Its hook has answered libvirt without us already: nothing may be done for it any more. */
        if (deadline_usec <= clock_usec(CLOCK_BOOTTIME))
                return sd_bus_reply_method_errorf(message, SD_BUS_ERROR_TIMEOUT,
                                                  "the deadline of this call has passed");
        if (off)
                return sd_bus_reply_method_return(message, "bs", true, off);

        q = calloc(1, sizeof(*q));
        if (!q)
                return -ENOMEM;
        q->manager = m;
        q->came_usec = clock_usec(CLOCK_MONOTONIC);
        q->message = sd_bus_message_ref(message);
        r = guest_parse(&q->guest, xml, size);
        if (r == -EBADMSG || r == -EFBIG)
                return sd_bus_reply_method_errorf(message, SD_BUS_ERROR_INVALID_ARGS, "not a domain XML: %s",
                                                  strerror(-r));
        if (r < 0)
                return r;
        r = guest_read_networks(&q->guest, &m->root);
        if (r < 0)
                return r;
        if (q->guest.n_hostdevs == 0)
                return sd_bus_reply_method_return(message, "bs", true, "no VFIO device");

        drop_older(m, q->guest.name);
        r = request_watch(q, deadline_usec);
        if (r < 0)
                return r;
        q->next = m->requests;
        m->requests = q;
        request_bind(q, deadline_usec);
        return request_step(TAKE_PTR(q));
}

static void remove_guest(struct manager *m, struct running_guest **slot)
{
        running_guest_free(*slot);
        *slot = m->guests[--m->n_guests];
        manager_report_changed(m);
}

static void guest_ended(struct manager *m, const char *name)
{
        struct running_guest **slot = manager_find_guest(m, name);
        _cleanup_free_ char *field = log_guest_field(name);
        const char *fields[] = { field, NULL };

        if (!slot)
                return;
        log_struct(LOG_INFO, MESSAGE_GUEST_RELEASED, fields, "Guest '%s' has ended", name);
        remove_guest(m, slot);
        manager_audit_soon(m);
}

static int on_guest_exit(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct running_guest *g = userdata;
        struct manager *m = g->manager;

        (void) source, (void) fd, (void) revents;
        guest_ended(m, g->name);
        /* Not at once: between its end and `release` libvirt resets the devices, except those that VFIO has
         * (virPCIDeviceReset). No driver of the host may have them before that. */
        manager_reconcile_soon(m);
        return 0;
}

/* Not one that ran before this daemon did: another one may have counted it already. */
static void count_start(struct manager *m, const struct running_guest *g)
{
        if (process_is_older(&m->root, g->pid))
                return;
        if (g->verdict.page_size == 0 && g->best_page_size > 0)
                manager_export_count_start(m, START_UNKNOWN);
        else
                manager_export_count_start(m, running_guest_falls_short(g) ? START_SHORT : START_BEST);
}

void manager_guest_started(struct manager *m, const struct guest *guest)
{
        _cleanup_(running_guest_freep) struct running_guest *g = NULL;
        struct running_guest **slot = manager_find_guest(m, guest->name);
        bool changed;
        int r;

        if (guest->n_hostdevs == 0 && slot) {
                log_info("Guest '%s' no longer has a VFIO device", guest->name);
                remove_guest(m, slot);
                manager_audit_soon(m);
        }
        if (guest->n_hostdevs == 0 || switched_off(&m->root))
                return;

        r = running_guest_new(m, guest, slot ? *slot : NULL, on_guest_exit, &g);
        if (r < 0) {
                if (process_is_unread(r))
                        manager_retry_soon(m);
                log_warning(r, "Failed to read what guest '%s' got, ignoring: %m", guest->name);
                return;
        }
        /* The hook and libvirt both report a start; libvirt also reports devices that come and go. */
        if (!slot || (*slot)->pid != g->pid)
                count_start(m, g);
        changed = !slot || !running_guest_equal(*slot, g);
        if (changed)
                running_guest_log(g);
        if (slot)
                running_guest_free(*slot);
        else
                slot = array_append(m->guests, m->n_guests);
        if (slot)
                *slot = TAKE_PTR(g);
        manager_report_changed(m);
        if (changed)
                manager_audit_promptly(m);
        else
                manager_audit_soon(m);
}

void manager_guest_released(struct manager *m, const char *name)
{
        assert(m && name);

        manager_measure_stop(m, name);
        guest_ended(m, name);
        manager_guest_give_back(m, name);
}
