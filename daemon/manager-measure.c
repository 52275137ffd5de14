/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager-measure.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "audit/start-cost.h"
#include "fix/systemd-job.h"
#include "manager.h"
#include "messages.h"
#include "util/file.h"
#include "util/format.h"
#include "util/log.h"
#include "util/unit-name.h"

#define ANSWER_USEC (10 * USEC_PER_SEC)

/* --- Before a start */

static bool can_measure(const struct manager *m)
{
        return HAVE_TRACE && m->config.measure == MEASURE_AUTO && exists_at(m->root.fd, TRACE_PROGRAM + 1) &&
               exists_at(m->root.fd, "sys/kernel/btf/vmlinux");
}

/* userdata: the unit */
static int on_started(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const sd_bus_error *e = sd_bus_message_get_error(reply);

        (void) error;
        if (e)
                log_warning(0, "Failed to start '%s', the start of its guest is not measured: %s",
                            (const char *) userdata, e->message ?: e->name);
        return 0;
}

/* userdata: the unit. It ends by itself, too. */
static int on_stopped(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const sd_bus_error *e = sd_bus_message_get_error(reply);

        (void) error;
        if (e)
                log_debug("Failed to stop '%s', ignoring: %s", (const char *) userdata,
                          e->message ?: e->name);
        return 0;
}

static void free_unit(void *unit)
{
        free(unit);
}

/* Returns 0 and the unit that measures the guest, or a negative errno: -ENAMETOOLONG if none can. */
static int unit_of(const char *guest, char **ret)
{
        _cleanup_free_ char *escaped = unit_name_escape(guest);

        if (!escaped)
                return -ENOMEM;
        if (strlen(escaped) > START_NAME_MAX)
                return -ENAMETOOLONG;
        return asprintf(ret, "vfioalign-trace@%s.service", escaped) < 0 ? -ENOMEM : 0;
}

/* Calls that method for the unit of the guest. Returns as unit_of(). */
static int call_systemd(struct manager *m, const char *method, const char *guest,
                        sd_bus_message_handler_t on_answer)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_free_ char *unit = NULL;
        sd_bus_slot *slot;
        int r;

        r = unit_of(guest, &unit);
        if (r < 0)
                return r;
        r = systemd_job_new_call(m->bus, method, &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "ss", unit, "replace");
        if (r < 0)
                return r;
        r = sd_bus_call_async(m->bus, &slot, call, on_answer, unit, ANSWER_USEC);
        if (r < 0)
                return r;
        (void) sd_bus_slot_set_destroy_callback(slot, free_unit);
        TAKE_PTR(unit);
        (void) sd_bus_slot_set_floating(slot, true); /* it ends with the answer, or with the bus */
        sd_bus_slot_unref(slot);
        return 0;
}

void manager_measure_start(struct manager *m, const char *guest)
{
        int r;

        assert(m && guest);

        if (!*guest || !can_measure(m))
                return;
        r = call_systemd(m, "StartUnit", guest, on_started);
        if (r == -ENAMETOOLONG)
                log_info("The start of guest '%s' is not measured: its name is too long for a unit", guest);
        else if (r < 0)
                log_warning(r, "Failed to have the start of guest '%s' measured, ignoring: %m", guest);
}

void manager_measure_stop(struct manager *m, const char *guest)
{
        int r;

        assert(m && guest);

        if (!*guest || !can_measure(m))
                return;
        r = call_systemd(m, "StopUnit", guest, on_stopped);
        if (r < 0 && r != -ENAMETOOLONG)
                log_warning(r, "Failed to have the measuring of guest '%s' stopped, ignoring: %m", guest);
}

/* --- After it */

/* The guest of a kept start, or NULL: it has left, or its XML cannot be read. */
static const struct libvirt_guest *find_guest(const struct manager *m, const char *file, size_t length)
{
        const struct libvirt_facts *l = &m->host.libvirt;

        for (size_t i = 0; i < l->n_guests; i++) {
                const char *name = l->guests[i].xml.name;
                _cleanup_free_ char *escaped = name && *name ? unit_name_escape(name) : NULL;

                if (escaped && strlen(escaped) == length && strncmp(escaped, file, length) == 0)
                        return &l->guests[i];
        }
        return NULL;
}

static void judge_start(const struct manager *m, const char *file, size_t length)
{
        const struct libvirt_guest *guest = find_guest(m, file, length);
        _cleanup_(start_done) struct start start = {};
        _cleanup_free_ char *name = NULL;
        format_t predicted_text, faults_text, bars, all;
        uint64_t predicted, faults;
        char faults_field[64], predicted_field[64];
        const char *fields[] = { faults_field, predicted_field, NULL, NULL };

        if (!guest || start_read(&start, &m->root, file) < 0 /* the audit finds out */ ||
            !start_exceeds_prediction(&m->host, &guest->xml, &start, &predicted, &faults))
                return;
        name = log_guest_field(guest->xml.name);
        fields[2] = name;
        snprintf(faults_field, sizeof(faults_field), "VFIOALIGN_FAULTS=%ju", (uintmax_t) faults);
        snprintf(predicted_field, sizeof(predicted_field), "VFIOALIGN_FAULTS_PREDICTED=%ju",
                 (uintmax_t) predicted);
        log_struct(LOG_WARNING, MESSAGE_START_EXCEEDED, fields,
                   "The start of guest '%s' took %s page faults in its BARs where %s were predicted: %s of "
                   "%s. See: vfioalignctl explain",
                   guest->xml.name, format_count(faults, faults_text),
                   format_count(predicted, predicted_text),
                   format_seconds((double) start.bars_usec / 1e6, bars),
                   format_seconds((double) start.usec / 1e6, all));
}

static int on_change(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
        struct manager *m = userdata;
        uint64_t time_usec;
        size_t length;

        (void) source;
        if (event->len == 0 || !start_file_parse(event->name, &length, &time_usec))
                return 0;
        judge_start(m, event->name, length);
        manager_audit_soon(m); /* which reads it for the report */
        return 0;
}

static int open_directory(const struct manager *m)
{
        _cleanup_close_ int state = -EBADF;
        int fd = open_at(m->root.fd, STARTS_DIR, O_PATH | O_DIRECTORY);

        if (fd != -ENOENT)
                return fd;
        state = open_at(m->root.fd, STATE_DIR, O_PATH | O_DIRECTORY);
        if (state < 0)
                return state;
        if (mkdirat(state, STARTS_DIR + sizeof(STATE_DIR), 0700) < 0 && errno != EEXIST)
                return -errno;
        return open_at(m->root.fd, STARTS_DIR, O_PATH | O_DIRECTORY);
}

static int watch_directory(struct manager *m)
{
        _cleanup_close_ int fd = open_directory(m);

        if (fd < 0)
                return fd;
        return sd_event_add_inotify_fd(m->event, &m->starts_source, fd, IN_MOVED_TO, on_change, m);
}

void manager_measure_open(struct manager *m)
{
        int r;

        assert(m);

        r = watch_directory(m);
        if (r < 0 &&
            r != -ENOENT) /* without a place for its state, as in a debug session, nothing is kept */
                log_warning(r, "Failed to watch '/" STARTS_DIR "', measured starts will be seen only at the "
                               "next audit: %m");
}

void manager_measure_close(struct manager *m)
{
        m->starts_source = sd_event_source_disable_unref(m->starts_source);
}
