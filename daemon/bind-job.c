/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bind-job.h"

#include <assert.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "bind/worker-reply.h"
#include "bind/worker.h"
#include "manager-export.h"
#include "manager.h"
#include "messages.h"
#include "util/array.h"
#include "util/clock.h"
#include "util/log.h"

#define AT_ONCE 8
#define WAITING_MAX 256

/* The worker keeps its own deadline. It is ended where even the latest end that this allows has passed (see
 * job_start()). */
#define KILL_AFTER_USEC (3 * USEC_PER_SEC)  /* after SIGTERM */
#define LEAVE_AFTER_USEC (2 * USEC_PER_SEC) /* after SIGKILL */
#define STOP_USEC (20 * USEC_PER_SEC)       /* how long the daemon's end waits; TimeoutStopSec= is longer */

/* A settle names no groups, so this many rounds of WORKER_GROUPS_AT_ONCE are allowed for. */
#define SETTLE_BATCHES 16

enum job_state {
        JOB_WAITING,
        JOB_RUNNING,
        JOB_LEFT, /* its process cannot be killed and was reported; only its end is still waited for */
};

struct bind_job {
        struct manager *manager;
        struct bind_job *next; /* the one asked for after it */
        enum job_state state;

        struct bind_order order;
        char *driver, *owner;
        bdf_t *devices;
        size_t n_devices;
        bind_job_done_t done;
        void *userdata;

        int pidfd;
        sd_event_source *exit, *output, *backstop;
        unsigned signals; /* sent to end it */

        struct worker_reader reader;
        json_object *groups;
        char failed[256]; /* why; empty: it has not failed */
};

static void job_free(struct bind_job *job)
{
        if (!job)
                return;
        for (struct bind_job **p = &job->manager->bind_jobs; *p; p = &(*p)->next)
                if (*p == job) {
                        *p = job->next;
                        break;
                }
        sd_event_source_disable_unref(job->exit);
        sd_event_source_disable_unref(job->output);
        sd_event_source_disable_unref(job->backstop);
        json_object_put(job->groups);
        worker_reader_done(&job->reader);
        free(job->driver);
        free(job->owner);
        free(job->devices);
        free(job);
}

DEFINE_TRIVIAL_CLEANUP(struct bind_job *, job_free)

static size_t count_jobs(const struct manager *m, enum job_state state)
{
        size_t n = 0;

        for (const struct bind_job *job = m->bind_jobs; job; job = job->next)
                n += job->state == state;
        return n;
}

static void schedule_jobs(struct manager *m)
{
        if (m->bind_jobs_start)
                (void) sd_event_source_set_enabled(m->bind_jobs_start, SD_EVENT_ONESHOT);
        if (m->stopping && m->event && count_jobs(m, JOB_RUNNING) == 0)
                (void) sd_event_exit(m->event, 0);
}

/* Logs the result and hands it to whoever asked for the job. */
static void job_report(struct bind_job *job)
{
        const char *failed = *job->failed ? job->failed : NULL;

        for (size_t i = 0; i < json_object_array_length(job->groups); i++) {
                json_object *group = json_object_array_get_idx(job->groups, i);

                bind_outcome_log(group, job->owner, job->order.dry_run);
                if (!job->order.dry_run)
                        manager_export_count_bind(job->manager, job->order.operation, group);
        }
        if (failed)
                log_struct(LOG_ERR, MESSAGE_WORKER_FAILED, NULL, "vfioalign-worker (%s): %s", job->owner,
                           failed);
        job->done(job->groups, failed, job->userdata);
}

static void on_settled_after(json_object *groups, const char *failed, void *userdata)
{
        (void) groups, (void) failed, (void) userdata;
}

/* A worker settles what a child of its own left when it was killed. What the worker itself leaves is settled
 * by another one; a settle that fails is not tried again before the next start. */
static void settle_after(struct manager *m)
{
        const struct bind_order order = { .operation = BIND_SETTLE, .owner = "settle" };
        int r;

        if (m->stopping) /* the next start settles */
                return;
        r = bind_job_new(m, &order, NULL, 0, on_settled_after, m);
        if (r < 0)
                log_warning(r, "Failed to settle what a worker left, ignoring: %m");
}

static void job_finish(struct bind_job *job)
{
        struct manager *m = job->manager;
        bool unsettled = job->state != JOB_WAITING && *job->failed && !job->order.dry_run &&
                         job->order.operation != BIND_SETTLE;

        if (job->state != JOB_LEFT) /* reported already */
                job_report(job);
        job_free(job);
        if (unsettled)
                settle_after(m);
        schedule_jobs(m);
}

/* The first reason counts. */
static _printf_(2, 3) void job_fail(struct bind_job *job, const char *format, ...)
{
        va_list args;

        if (*job->failed)
                return;
        va_start(args, format);
        vsnprintf(job->failed, sizeof(job->failed), format, args);
        va_end(args);
}

static void job_send_signal(struct bind_job *job, int number)
{
        (void) syscall(SYS_pidfd_send_signal, job->pidfd, number, NULL, 0);
}

static void on_reply(const struct worker_reply *reply, void *userdata)
{
        struct bind_job *job = userdata;

        switch (reply->type) {
        case WORKER_REPLY_GROUP:
                json_object_array_add(job->groups, json_object_get(reply->group));
                break;
        case WORKER_REPLY_ERROR:
                job_fail(job, "%s", reply->message);
                break;
        case WORKER_REPLY_BAD:
                job_fail(job, "the worker misbehaved: %s", reply->message);
                job_send_signal(job, SIGTERM); /* it cannot be trusted to go on, only to roll back */
                break;
        default:
                break;
        }
}

static int on_output(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct bind_job *job = userdata;
        ssize_t n = worker_reader_read(&job->reader, fd);

        (void) revents;
        if (n == 0 || (n < 0 && n != -EAGAIN && n != -EINTR))
                (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return 0;
}

static int on_exit_of_worker(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct bind_job *job = userdata;
        siginfo_t info = {};

        (void) source, (void) revents;
        if (waitid(P_PIDFD, (id_t) fd, &info, WEXITED | WNOHANG) < 0)
                info.si_code = CLD_EXITED;
        if (job->state == JOB_LEFT)
                log_notice("A vfioalign-worker that was left behind has ended at last (%s)", job->owner);
        else
                /* All of its output is there. The end of the output may never come, because a child that
                 * hangs in the kernel can hold the pipe open. */
                while (worker_reader_read(&job->reader, sd_event_source_get_io_fd(job->output)) > 0)
                        ;
        if (!job->reader.done && info.si_code == CLD_EXITED)
                job_fail(job, "the worker ended with status %d before it was through", info.si_status);
        else if (!job->reader.done)
                job_fail(job, "the worker was ended by signal %d (%s) before it was through", info.si_status,
                         strsignal(info.si_status));
        job_finish(job);
        return 0;
}

static void job_set_backstop(struct bind_job *job, uint64_t usec)
{
        (void) sd_event_source_set_time(job->backstop, usec);
        (void) sd_event_source_set_enabled(job->backstop, SD_EVENT_ONESHOT);
}

static int on_backstop(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct bind_job *job = userdata;
        struct manager *m = job->manager;
        uint64_t now = clock_usec(CLOCK_BOOTTIME);

        (void) source, (void) usec;
        switch (job->signals++) {
        case 0:
                job_fail(job, "the worker did not end in time, giving up");
                job_send_signal(job, SIGTERM);
                job_set_backstop(job, now + KILL_AFTER_USEC);
                return 0;
        case 1:
                job_send_signal(job, SIGKILL);
                job_set_backstop(job, now + LEAVE_AFTER_USEC);
                return 0;
        }
        log_error(0, "vfioalign-worker (%s) hangs in the kernel and cannot be killed, leaving it behind",
                  job->owner);
        job->output = sd_event_source_disable_unref(job->output);
        job_report(job);
        job->state = JOB_LEFT;
        schedule_jobs(m);
        return 0;
}

/* Takes over both descriptors. */
static int job_watch(struct bind_job *job, int pidfd, int out)
{
        _cleanup_close_ int own_pidfd = pidfd, own_out = out;
        sd_event *event = job->manager->event;
        int r;

        job->pidfd = pidfd;
        r = sd_event_add_io(event, &job->exit, pidfd, EPOLLIN, on_exit_of_worker, job);
        if (r < 0)
                return r;
        r = sd_event_source_set_io_fd_own(job->exit, true);
        if (r < 0)
                return r;
        TAKE_FD(own_pidfd);
        /* After the output, so what it wrote before it ended is read first. */
        (void) sd_event_source_set_priority(job->exit, SD_EVENT_PRIORITY_NORMAL + 1);

        r = sd_event_add_io(event, &job->output, out, EPOLLIN, on_output, job);
        if (r < 0)
                return r;
        r = sd_event_source_set_io_fd_own(job->output, true);
        if (r < 0)
                return r;
        TAKE_FD(own_out);
        return 0;
}

static char *job_format_order(const struct bind_job *job)
{
        _cleanup_free_ const char **devices = calloc(job->n_devices ?: 1, sizeof(*devices));
        const struct bind_order *o = &job->order;

        if (!devices)
                return NULL;
        for (size_t i = 0; i < job->n_devices; i++)
                devices[i] = job->devices[i];
        return worker_order_format(o->operation, devices, job->n_devices, job->driver, job->owner,
                                   o->dry_run, o->force, job->manager->config.bind_deadline_usec,
                                   o->deadline_usec);
}

/* The latest time, CLOCK_BOOTTIME, at which a worker that keeps its deadlines ends. */
static uint64_t job_latest_end(const struct bind_job *job, uint64_t now)
{
        const struct manager *m = job->manager;
        size_t batches = (job->n_devices + WORKER_GROUPS_AT_ONCE - 1) / WORKER_GROUPS_AT_ONCE;

        if (job->order.deadline_usec)
                return job->order.deadline_usec + m->grace_usec;
        if (job->order.operation == BIND_SETTLE)
                batches = SETTLE_BATCHES;
        return now + batches * (m->config.bind_deadline_usec + m->grace_usec);
}

static int job_start(struct bind_job *job)
{
        _cleanup_free_ char *text = NULL;
        const char *program = secure_getenv("VFIOALIGN_WORKER") ?: WORKER_PROGRAM;
        uint64_t now = clock_usec(CLOCK_BOOTTIME);
        int pidfd, out, r;

        if (job->order.deadline_usec && job->order.deadline_usec <= now) {
                job_fail(job, "the deadline passed before its turn came");
                return -ETIMEDOUT;
        }
        text = job_format_order(job);
        if (!text)
                return -ENOMEM;
        log_debug("vfioalign-worker (%s) begins: %s, %zu functions", job->owner,
                  bind_operation_to_string(job->order.operation), job->n_devices);
        r = sd_event_add_time(job->manager->event, &job->backstop, CLOCK_BOOTTIME, job_latest_end(job, now),
                              0, on_backstop, job);
        if (r < 0)
                return r;
        r = worker_spawn(program, text, &pidfd, &out);
        if (r < 0) {
                job_fail(job, "'%s' could not be started: %s", program, strerror(-r));
                return r;
        }
        return job_watch(job, pidfd, out);
}

/* Only a guest that starts has a deadline, and somebody waits for it. */
static struct bind_job *next_job(struct manager *m)
{
        struct bind_job *first = NULL;

        for (struct bind_job *job = m->bind_jobs; job; job = job->next) {
                if (job->state != JOB_WAITING)
                        continue;
                if (job->order.deadline_usec)
                        return job;
                first = first ?: job;
        }
        return first;
}

static int on_start(sd_event_source *source, void *userdata)
{
        struct manager *m = userdata;
        struct bind_job *job;

        (void) source;
        while (!m->stopping && count_jobs(m, JOB_RUNNING) < AT_ONCE && (job = next_job(m))) {
                int r = job_start(job);

                if (r < 0) {
                        job_fail(job, "the worker could not be started: %s", strerror(-r));
                        job_finish(job);
                        continue;
                }
                job->state = JOB_RUNNING;
        }
        return 0;
}

int bind_job_new(struct manager *m, const struct bind_order *order, const bdf_t *devices, size_t n_devices,
                 bind_job_done_t done, void *userdata)
{
        _cleanup_(job_freep) struct bind_job *job = NULL;
        struct bind_job **last = &m->bind_jobs;
        int r;

        assert(m && order && order->owner && done);
        assert(devices || n_devices == 0);

        if (m->stopping)
                return -ESHUTDOWN;
        if (count_jobs(m, JOB_WAITING) >= WAITING_MAX)
                return -EBUSY;
        if (!m->bind_jobs_start) {
                r = sd_event_add_defer(m->event, &m->bind_jobs_start, on_start, m);
                if (r < 0)
                        return r;
        }

        job = calloc(1, sizeof(*job));
        if (!job)
                return -ENOMEM;
        job->manager = m;
        job->order = *order;
        job->reader = (struct worker_reader){ .on_reply = on_reply, .userdata = job };
        job->done = done;
        job->userdata = userdata;
        job->groups = json_object_new_array();
        job->devices = calloc(n_devices ?: 1, sizeof(bdf_t));
        job->owner = strdup(order->owner);
        if (!job->groups || !job->devices || !job->owner)
                return -ENOMEM;
        if (order->driver) {
                job->driver = strdup(order->driver);
                if (!job->driver)
                        return -ENOMEM;
        }
        if (n_devices > 0)
                memcpy(job->devices, devices, n_devices * sizeof(bdf_t));
        job->n_devices = n_devices;

        while (*last)
                last = &(*last)->next;
        *last = TAKE_PTR(job);
        schedule_jobs(m);
        return 0;
}

static void drop_waiting_jobs(struct manager *m)
{
        struct bind_job *next;

        for (struct bind_job *job = m->bind_jobs; job; job = next) {
                next = job->next;
                if (job->state != JOB_WAITING)
                        continue;
                job_fail(job, "vfioalignd stopped before its turn came");
                job_finish(job);
        }
}

static int on_stop_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
        (void) source, (void) usec;
        bind_jobs_close(userdata);
        return 0;
}

void bind_jobs_stop(struct manager *m)
{
        if (m->stopping) { /* the second request does not wait */
                bind_jobs_close(m);
                return;
        }
        m->stopping = true;
        for (struct bind_job *job = m->bind_jobs; job; job = job->next)
                if (job->state == JOB_RUNNING)
                        job_send_signal(job, SIGTERM);
        if (sd_event_add_time_relative(m->event, NULL, CLOCK_BOOTTIME, STOP_USEC, 0, on_stop_timeout, m) < 0)
                bind_jobs_close(m);
        drop_waiting_jobs(m);
        schedule_jobs(m);
}

void bind_jobs_close(struct manager *m)
{
        m->stopping = true;
        while (m->bind_jobs) {
                job_fail(m->bind_jobs, "vfioalignd stopped before the worker did");
                job_finish(m->bind_jobs);
        }
        m->bind_jobs_start = sd_event_source_disable_unref(m->bind_jobs_start);
        schedule_jobs(m);
}
