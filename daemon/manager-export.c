/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager-export.h"

#include <assert.h>

#include "bind/worker-reply.h"
#include "manager.h"
#include "messages.h"
#include "report/row.h"
#include "util/clock.h"
#include "util/file-write.h"
#include "util/log.h"
#include "util/memory.h"

/* Between two writes: each of them starts a program where somebody publishes what we write. What was counted
 * waits as long, because an audit often follows. */
#define WRITE_INTERVAL_USEC (500 * USEC_PER_MSEC)

#define ROW_INTERVAL_USEC (3600 * USEC_PER_SEC)

/* An audit that is a minute late, together with other things that wake up the processor, is as good. */
#define INTERVAL_ACCURACY 60

struct export_service {
        struct metrics_counters counters;
        uint64_t audit_usec; /* how long the last one took; 0: unknown */
        sd_event_source *interval, *write;
        uint64_t written_usec; /* CLOCK_MONOTONIC; 0: not yet */
        bool failed;           /* that was logged */
        char *row;             /* as it was logged last, without its time; or NULL */
        uint64_t row_usec;     /* when that was, CLOCK_MONOTONIC */
};

DEFINE_TRIVIAL_CLEANUP(json_object *, json_object_put)

/* NULL: no memory. */
static char *metrics_text(const struct manager *m, json_object *head, size_t *ret_size)
{
        const struct export_service *s = m->export;
        unsigned long failures = memory_failures();
        _cleanup_free_ char *text = NULL;
        FILE *out = open_memstream(&text, ret_size);

        if (!out)
                return NULL;
        metrics_print(&m->host, head, &s->counters, s->audit_usec, m->config.export_guests, out);
        if (memory_stream_close(out, &text) < 0 || memory_failures() != failures)
                return NULL;
        return TAKE_PTR(text);
}

/* Root's, and nobody else's: it has the names of guests. */
static int write_metrics(const struct manager *m, json_object *head)
{
        size_t size;
        _cleanup_free_ char *text = metrics_text(m, head, &size);

        return text ? write_file_at(m->root.fd, METRICS_FILE, text, size, 0640) : -ENOMEM;
}

/* The row says whose guests they are as the metrics do. */
static void rename_guests(json_object *head, enum export_guests how)
{
        json_object *guests = json_get(head, "guests");

        for (size_t i = 0; how != EXPORT_GUESTS_NAME && i < json_length(guests); i++) {
                json_object *g = json_object_array_get_idx(guests, i);

                json_add_string(g, "name", how == EXPORT_GUESTS_UUID ? json_get_text(g, "uuid") : NULL);
        }
}

static int write_row(const struct manager *m, json_object *row)
{
        const char *text = json_text(row, JSON_FLAGS_SHORT);
        _cleanup_free_ char *line = NULL;

        if (!text)
                return -ENOMEM;
        if (asprintf(&line, "%s\n", text) < 0) {
                line = NULL;
                return -ENOMEM;
        }
        return write_file_at(m->root.fd, ROW_FILE, line, strlen(line), 0640);
}

/* Takes the time out of the row, which changes always, to see whether anything else has. */
static int log_row(struct export_service *s, json_object *row)
{
        uint64_t now = clock_usec(CLOCK_MONOTONIC);
        const char *text = json_text(row, JSON_FLAGS_SHORT);
        _cleanup_free_ char *field = NULL;
        const char *fields[2] = {};

        if (!text || asprintf(&field, "VFIOALIGN_ROW=%s", text) < 0) {
                field = NULL;
                return -ENOMEM;
        }
        fields[0] = field;
        json_object_object_del(row, "time");
        text = json_text(row, JSON_FLAGS_SHORT);
        if (!text)
                return -ENOMEM;
        if (s->row && streq(s->row, text) && now < s->row_usec + ROW_INTERVAL_USEC)
                return 0;
        free(s->row);
        s->row = strdup(text);
        s->row_usec = now;
        log_struct(LOG_INFO, MESSAGE_ROW, fields, "This host needs: %s (its state is in VFIOALIGN_ROW)",
                   json_get_text(json_get(row, "need"), "need") ?: "unknown");
        return 0;
}

static int export_row(struct manager *m, json_object *head)
{
        unsigned long failures = memory_failures();
        _cleanup_(json_object_putp) json_object *row = NULL;
        int r;

        rename_guests(head, m->config.export_guests);
        row = report_row(head);
        if (!row || memory_failures() != failures)
                return -ENOMEM;
        r = write_row(m, row);
        /* The journal can be had where the file cannot. */
        return log_row(m->export, row) < 0 ? -ENOMEM : r;
}

/* A disk that is full, or a mistake in its rights, is there the next time, too: it is logged once. */
static void note_result(struct export_service *s, int r)
{
        if (r < 0 && !s->failed)
                log_warning(r, "Failed to write '/" METRICS_FILE "' and '/" ROW_FILE "', ignoring: %m");
        s->failed = r < 0;
}

static int on_write(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct manager *m = userdata;
        _cleanup_(json_object_putp) json_object *head = NULL;
        int metrics, row;

        (void) source, (void) usec;
        if (m->generation == 0) /* nothing is known yet */
                return 0;
        m->export->written_usec = clock_usec(CLOCK_MONOTONIC);
        head = report_head(&m->host, &m->findings);
        if (!head) {
                note_result(m->export, -ENOMEM);
                return 0;
        }
        metrics = write_metrics(m, head);
        row = export_row(m, head);
        note_result(m->export, metrics < 0 ? metrics : row);
        return 0;
}

/* After that time, or the interval after the last one. */
static void write_soon(struct manager *m, uint64_t delay_usec)
{
        struct export_service *s = m->export;
        uint64_t due = clock_usec(CLOCK_MONOTONIC) + delay_usec, scheduled;

        if (s->written_usec > 0 && due < s->written_usec + WRITE_INTERVAL_USEC)
                due = s->written_usec + WRITE_INTERVAL_USEC;
        if (sd_event_source_get_enabled(s->write, NULL) > 0 &&
            sd_event_source_get_time(s->write, &scheduled) >= 0 && scheduled <= due)
                return;
        (void) sd_event_source_set_time(s->write, due);
        (void) sd_event_source_set_enabled(s->write, SD_EVENT_ONESHOT);
}

static int on_interval(sd_event_source *source, uint64_t usec, void *userdata)
{
        (void) source, (void) usec;
        (void) manager_audit(userdata);
        return 0;
}

static void schedule_interval(struct manager *m)
{
        struct export_service *s = m->export;

        (void) sd_event_source_set_time_relative(s->interval, m->config.audit_interval_usec);
        (void) sd_event_source_set_time_accuracy(s->interval,
                                                 m->config.audit_interval_usec / INTERVAL_ACCURACY);
        (void) sd_event_source_set_enabled(s->interval, SD_EVENT_ONESHOT);
}

static int add_timer(struct manager *m, sd_event_source **ret, sd_event_time_handler_t handler)
{
        int r = sd_event_add_time(m->event, ret, CLOCK_MONOTONIC, 0, USEC_PER_MSEC, handler, m);

        return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

static int add_timers(struct manager *m)
{
        int r;

        r = add_timer(m, &m->export->interval, on_interval);
        if (r < 0)
                return r;
        r = add_timer(m, &m->export->write, on_write);
        if (r < 0)
                return r;
        /* Hooks come first: a large host's takes a while. */
        return sd_event_source_set_priority(m->export->write, SD_EVENT_PRIORITY_IDLE);
}

int manager_export_start(struct manager *m)
{
        int r;

        assert(m && !m->export);

        m->export = calloc(1, sizeof(*m->export));
        if (!m->export)
                return -ENOMEM;
        m->export->counters.start_usec = clock_usec(CLOCK_REALTIME);
        r = add_timers(m);
        if (r < 0)
                manager_export_close(m);
        return r;
}

void manager_export_close(struct manager *m)
{
        struct export_service *s = TAKE_PTR(m->export);

        if (!s)
                return;
        sd_event_source_disable_unref(s->interval);
        sd_event_source_disable_unref(s->write);
        free(s->row);
        free(s);
}

void manager_export_audited(struct manager *m, bool done, uint64_t took_usec)
{
        assert(m);

        if (!m->export)
                return;
        schedule_interval(m);
        if (!done)
                return;
        m->export->counters.audits++;
        m->export->audit_usec = took_usec;
        write_soon(m, 0);
}

void manager_export_count_measured(struct manager *m, const struct host *before, const struct host *now)
{
        assert(m);
        assert(before && now);

        if (!m->export)
                return;
        for (size_t i = 0; i < now->starts.n_starts; i++) {
                const struct start *s = &now->starts.starts[i];
                const struct start *known = starts_find(&before->starts, s->guest);

                /* One that was over before this daemon began, another one may have counted. */
                if ((known && known->time_usec == s->time_usec) ||
                    s->time_usec < m->export->counters.start_usec)
                        continue;
                metrics_count_measured(&m->export->counters, s->usec);
        }
}

void manager_export_count_hook(struct manager *m, uint64_t took_usec)
{
        assert(m);

        if (!m->export)
                return;
        metrics_count_hook(&m->export->counters, took_usec);
        write_soon(m, WRITE_INTERVAL_USEC);
}

void manager_export_count_start(struct manager *m, enum start_result result)
{
        assert(m);
        assert(result >= 0 && result < _START_RESULT_MAX);

        if (!m->export)
                return;
        m->export->counters.starts[result]++;
        write_soon(m, WRITE_INTERVAL_USEC);
}

void manager_export_count_bind(struct manager *m, enum bind_operation operation, json_object *group)
{
        static const enum handover_result results[_BIND_OUTCOME_MAX] = {
                [BIND_UNCHANGED] = _HANDOVER_RESULT_MAX,
                [BIND_PLANNED] = _HANDOVER_RESULT_MAX,
                [BIND_BOUND] = HANDOVER_DONE,
                [BIND_RETURNED] = HANDOVER_DONE,
                [BIND_GONE] = HANDOVER_DONE,
                [BIND_REFUSED] = HANDOVER_REFUSED,
                [BIND_FAILED] = HANDOVER_ROLLED_BACK,
                [BIND_QUARANTINED] = HANDOVER_QUARANTINED,
                [BIND_STUCK] = HANDOVER_QUARANTINED,
        };
        enum bind_outcome outcome = worker_group_outcome(group);
        bool bind = operation == BIND_BIND || (operation == BIND_SETTLE && outcome == BIND_BOUND);

        assert(m);

        if (!m->export || results[outcome] == _HANDOVER_RESULT_MAX)
                return;
        m->export->counters.binds[bind ? HANDOVER_BIND : HANDOVER_UNBIND][results[outcome]]++;
        write_soon(m, WRITE_INTERVAL_USEC);
}
