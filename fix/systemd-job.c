/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "systemd-job.h"

#include <assert.h>
#include <errno.h>

#include "util/macro.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER "org.freedesktop.systemd1.Manager"

struct systemd_job {
        sd_bus *bus;
        sd_bus_slot *removed; /* JobRemoved, watched from before the job exists */
        sd_bus_slot *call;
        sd_event_source *timeout;
        char *unit;
        char *path; /* NULL before systemd has answered */
        char *gone; /* the path of a job of our unit that ended before we knew ours */
        systemd_job_done_t done;
        void *userdata;
};

void systemd_job_cancel(struct systemd_job *job)
{
        if (!job)
                return;
        sd_bus_slot_unref(job->removed);
        sd_bus_slot_unref(job->call);
        sd_event_source_disable_unref(job->timeout);
        sd_bus_unref(job->bus);
        free(job->unit);
        free(job->path);
        free(job->gone);
        free(job);
}

static int job_finish(struct systemd_job *job, int error)
{
        systemd_job_done_t done = job->done;
        void *userdata = job->userdata;

        systemd_job_cancel(job);
        done(error, userdata);
        return 0;
}

static int on_removed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct systemd_job *job = userdata;
        const char *path, *unit;

        (void) error;
        if (sd_bus_message_read(m, "uos", NULL, &path, &unit) < 0 || !streq(unit, job->unit))
                return 0;
        if (job->path)
                return streq(job->path, path) ? job_finish(job, 0) : 0;
        free(job->gone);
        job->gone = strdup(path);
        return 0;
}

static int on_started(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct systemd_job *job = userdata;
        const char *path;

        (void) error;
        if (sd_bus_message_is_method_error(m, "org.freedesktop.systemd1.UnitExists"))
                return job_finish(job, -EEXIST);
        if (sd_bus_message_is_method_error(m, NULL))
                return job_finish(job, -sd_bus_message_get_errno(m));
        if (sd_bus_message_read(m, "o", &path) < 0)
                return job_finish(job, -EBADMSG);
        if (job->gone && streq(job->gone, path))
                return job_finish(job, 0);
        job->path = strdup(path);
        return job->path ? 0 : job_finish(job, -ENOMEM);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
        (void) source, (void) usec;
        return job_finish(userdata, -ETIMEDOUT);
}

int systemd_job_new_call(sd_bus *bus, const char *method, sd_bus_message **ret)
{
        return sd_bus_message_new_method_call(bus, ret, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER, method);
}

static int job_send(struct systemd_job *job, sd_bus_message *call, uint64_t timeout_usec)
{
        int r;

        r = sd_event_add_time_relative(sd_bus_get_event(job->bus), &job->timeout, CLOCK_BOOTTIME,
                                       timeout_usec, 0, on_timeout, job);
        if (r < 0)
                return r;
        r = sd_bus_match_signal_async(job->bus, &job->removed, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                      "JobRemoved", on_removed, NULL, job);
        if (r < 0)
                return r;
        /* systemd sends signals only while somebody is subscribed. We need no answer, because it handles
         * calls in order. */
        r = sd_bus_call_method_async(job->bus, NULL, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                     "Subscribe", NULL, NULL, "");
        if (r < 0)
                return r;
        return sd_bus_call_async(job->bus, &job->call, call, on_started, job, timeout_usec);
}

int systemd_job_start(sd_bus *bus, sd_bus_message *call, const char *unit, uint64_t timeout_usec,
                      systemd_job_done_t done, void *userdata, struct systemd_job **ret)
{
        struct systemd_job *job;
        int r;

        assert(bus);
        assert(call);
        assert(unit);
        assert(done);
        assert(ret);

        job = calloc(1, sizeof(*job));
        if (!job)
                return -ENOMEM;
        job->bus = sd_bus_ref(bus);
        job->done = done;
        job->userdata = userdata;
        job->unit = strdup(unit);
        r = job->unit ? job_send(job, call, timeout_usec) : -ENOMEM;
        if (r < 0) {
                systemd_job_cancel(job);
                return r;
        }
        *ret = job;
        return 0;
}
