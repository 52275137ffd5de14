/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager-report.h"

#include <json-c/json.h>

#include "manager-caller.h"
#include "manager.h"
#include "report/report.h"
#include "running-guest.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/memory.h"
#include "util/switch.h"

/* How many calls may wait: of one user other than root, and in all. */
#define WAITING_OF_USER_MAX 64
#define WAITING_MAX 1024

/* Where the daemon is busy all the time, or the bus does not take the last answer yet, one call is answered
 * in each such interval. Then no more than a tenth of the time goes into new texts: that of a host with
 * 16384 functions takes half a second. */
#define BUSY_USEC (10 * USEC_PER_MSEC)
#define BUSY_SHARE 10

/* What goes to callers other than root, in bytes for each second: hooks share the bus with it. */
#define OTHERS_RATE MIB(20)

/* dbus-daemon(1) takes no message over 32 MiB by default, and disconnects who sends one. */
#define DOCUMENT_MAX_SIZE (MIB(32) - KIB(64))

struct report_call {
        struct report_call *next;
        struct manager *manager;
        sd_bus_message *message;
        uid_t uid;
};

/* Made with the first call. */
struct report_service {
        char *texts[2];  /* by whether it is for root; NULL: not made, or made of what has changed since */
        const char *off; /* what the texts say of the switch */
        uint64_t made_usec, cost_usec;     /* when the last text was made, and how long that took */
        uint64_t others_usec;              /* nobody but root is answered before; CLOCK_MONOTONIC */
        struct report_call *calls, **last; /* in the order of their arrival */
        sd_event_source *idle, *busy;
};

static void report_call_free(struct report_call *c)
{
        sd_bus_message_unref(c->message);
        free(c);
}

DEFINE_TRIVIAL_CLEANUP(struct report_call *, report_call_free)
DEFINE_TRIVIAL_CLEANUP(json_object *, json_object_put)

int reply_document(sd_bus_message *call, const char *text)
{
        if (strlen(text) > DOCUMENT_MAX_SIZE)
                return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                                  "The report is too large for the bus (%zu bytes)",
                                                  strlen(text));
        return sd_bus_reply_method_return(call, "s", text);
}

/* The snapshot as a document; the caller puts it. */
static json_object *snapshot_report(const struct manager *m, const char *off)
{
        json_object *report = report_new(&m->host, &m->findings), *guests;

        if (!report)
                return NULL;
        guests = json_new_array();
        for (size_t i = 0; i < m->n_guests; i++)
                json_append(guests, running_guest_report(m->guests[i]));
        json_add(report, "guests", guests);
        json_add_count(report, "generation", m->generation);
        json_add_string(report, "status", m->status);
        json_add_string(report, "switched_off_by", off);
        json_add_string(report, "configuration_error", m->config_error);
        return report;
}

/* Returns the text, which is the manager's, or NULL when memory is out. */
static const char *get_text(struct manager *m, bool for_root)
{
        struct report_service *s = m->report;
        const char *off = switched_off(&m->root);
        _cleanup_(json_object_putp) json_object *report = NULL;
        uint64_t begin = clock_usec(CLOCK_MONOTONIC);
        unsigned long failures = memory_failures();
        const char *text;

        if (!streq(off ?: "", s->off ?: ""))
                manager_report_changed(m);
        if (s->texts[for_root])
                return s->texts[for_root];
        report = snapshot_report(m, off);
        if (!report)
                return NULL;
        if (!for_root)
                report_leave_out(report);
        text = json_text(report, JSON_FLAGS_SHORT);
        if (!text || memory_failures() != failures) /* or what others must not see may still be in it */
                return NULL;
        s->off = off;
        s->texts[for_root] = strdup(text);
        s->made_usec = clock_usec(CLOCK_MONOTONIC);
        s->cost_usec = s->made_usec - begin;
        log_debug("The report for %s was made", for_root ? "root" : "others");
        return s->texts[for_root];
}

/* Where the call is that is to be answered now: of root, or the one that has waited longest. NULL: none. */
static struct report_call **next_call(struct report_service *s)
{
        bool others = clock_usec(CLOCK_MONOTONIC) >= s->others_usec;

        for (struct report_call **p = &s->calls; *p; p = &(*p)->next)
                if (caller_is_privileged((*p)->uid))
                        return p;
        return others && s->calls ? &s->calls : NULL;
}

static struct report_call *take_call(struct report_service *s, struct report_call **place)
{
        struct report_call *c = *place;

        *place = c->next;
        if (s->last == &c->next)
                s->last = place;
        return c;
}

static bool bus_is_slow(struct manager *m)
{
        uint64_t queued;

        return sd_bus_get_n_queued_write(m->bus, &queued) >= 0 && queued > 0;
}

static void answer_call(struct manager *m, struct report_call **place)
{
        struct report_service *s = m->report;
        _cleanup_(report_call_freep) struct report_call *c = take_call(s, place);
        bool for_root = caller_is_privileged(c->uid);
        const char *text = get_text(m, for_root);
        int r;

        r = text ? reply_document(c->message, text) : -ENOMEM;
        if (r < 0)
                (void) sd_bus_reply_method_errno(c->message, r, NULL);
        if (text && !for_root)
                s->others_usec = clock_usec(CLOCK_MONOTONIC) + strlen(text) * USEC_PER_SEC / OTHERS_RATE;
}

/* Goes on as soon as there is nothing else to do, and in a while in any case. */
static void go_on(struct manager *m)
{
        struct report_service *s = m->report;
        bool now = next_call(s) && !bus_is_slow(m);

        (void) sd_event_source_set_enabled(s->idle, now ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
        if (!s->calls) {
                (void) sd_event_source_set_enabled(s->busy, SD_EVENT_OFF);
                return;
        }
        (void) sd_event_source_set_time_relative(s->busy, BUSY_USEC);
        (void) sd_event_source_set_enabled(s->busy, SD_EVENT_ONESHOT);
}

static int on_idle(sd_event_source *source, void *userdata)
{
        struct manager *m = userdata;
        struct report_call **place = next_call(m->report);

        (void) source;
        if (place && !bus_is_slow(m))
                answer_call(m, place);
        go_on(m);
        return 0;
}

static int on_busy(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct manager *m = userdata;
        struct report_service *s = m->report;
        struct report_call **place = next_call(s);

        (void) source;
        if (place && !bus_is_slow(m) &&
            (s->texts[caller_is_privileged((*place)->uid)] ||
             usec >= s->made_usec + BUSY_SHARE * s->cost_usec))
                answer_call(m, place);
        go_on(m);
        return 0;
}

static void report_service_free(struct report_service *s)
{
        struct report_call *next;

        for (struct report_call *c = s->calls; c; c = next) {
                next = c->next;
                report_call_free(c);
        }
        sd_event_source_disable_unref(s->idle);
        sd_event_source_disable_unref(s->busy);
        free(s->texts[false]);
        free(s->texts[true]);
        free(s);
}

DEFINE_TRIVIAL_CLEANUP(struct report_service *, report_service_free)

static int start_service(struct manager *m)
{
        _cleanup_(report_service_freep) struct report_service *s = NULL;
        int r;

        if (m->report)
                return 0;
        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->last = &s->calls;
        r = sd_event_add_defer(m->event, &s->idle, on_idle, m);
        if (r < 0)
                return r;
        r = sd_event_source_set_priority(s->idle, SD_EVENT_PRIORITY_IDLE);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(s->idle, SD_EVENT_OFF);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(m->event, &s->busy, CLOCK_MONOTONIC, BUSY_USEC, USEC_PER_MSEC,
                                       on_busy, m);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(s->busy, SD_EVENT_OFF);
        if (r < 0)
                return r;
        m->report = TAKE_PTR(s);
        return 0;
}

/* Whether there is a place for one more call. */
static bool has_place(const struct report_service *s, uid_t uid)
{
        size_t n = 0, of_user = 0;

        for (const struct report_call *c = s->calls; c; c = c->next) {
                n++;
                of_user += c->uid == uid;
        }
        return n < WAITING_MAX && (caller_is_privileged(uid) || of_user < WAITING_OF_USER_MAX);
}

static int queue_call(struct report_call *c, uid_t uid, sd_bus_error *error)
{
        struct manager *m = c->manager;
        int r;

        r = start_service(m);
        if (r < 0)
                return r;
        if (!has_place(m->report, uid))
                return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED, "Too many calls are waiting");
        c->uid = uid;
        *m->report->last = c;
        m->report->last = &c->next;
        if (m->report->calls == c || caller_is_privileged(uid))
                go_on(m);
        return 0;
}

static void on_known(int error, uid_t uid, void *userdata)
{
        _cleanup_(report_call_freep) struct report_call *c = userdata;
        _cleanup_(sd_bus_error_free) sd_bus_error answer = SD_BUS_ERROR_NULL;

        if (error == 0)
                error = queue_call(c, uid, &answer);
        if (error < 0) {
                (void) sd_bus_reply_method_errno(c->message, error, &answer);
                return;
        }
        TAKE_PTR(c); /* in the queue */
}

int manager_method_get_report(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        _cleanup_(report_call_freep) struct report_call *c = NULL;
        int r;

        if (sd_bus_message_get_expect_reply(message) == 0)
                return 1;
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->manager = userdata;
        c->message = sd_bus_message_ref(message);
        r = manager_ask_caller(userdata, message, on_known, c, error);
        if (r < 0)
                return r;
        TAKE_PTR(c); /* on_known()'s, or freed already */
        return 1;
}

void manager_report_changed(struct manager *m)
{
        if (!m->report)
                return;
        free(TAKE_PTR(m->report->texts[false]));
        free(TAKE_PTR(m->report->texts[true]));
}

void manager_report_close(struct manager *m)
{
        if (m->report)
                report_service_free(TAKE_PTR(m->report));
}
