/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bind-job.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "bind/worker.h"
#include "manager.h"
#include "messages.h"
#include "util/array.h"
#include "util/clock.h"
#include "util/log.h"

#define AT_ONCE 8
#define WAITING_MAX 256

/* The worker keeps its time by itself. Past what that can be at most (see start()), it is ended. */
#define KILL_AFTER_USEC (3 * USEC_PER_SEC)  /* from SIGTERM on */
#define LEAVE_AFTER_USEC (2 * USEC_PER_SEC) /* from SIGKILL on */
#define STOP_USEC (20 * USEC_PER_SEC) /* the daemon's own end waits so long; TimeoutStopSec= is longer */

#define SETTLE_BATCHES 16 /* of groups that go side by side, of which a settle names none */

/* A group of hundreds of functions, each with its findings, stays far below. */
#define LINE_SIZE_MAX (1U << 20)
#define OUTPUT_SIZE_MAX (16U << 20)

enum job_state {
        JOB_WAITING,
        JOB_RUNNING,
        JOB_LEFT, /* its process does not die, and was told of; only its end is waited for */
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
        unsigned signals; /* sent for it to end */

        char *line; /* what has come of the next line */
        size_t line_size, output_size;
        json_object *groups;
        bool through;     /* its last line has come */
        char failed[256]; /* empty: not */
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
        free(job->line);
        free(job->driver);
        free(job->owner);
        free(job->devices);
        free(job);
}

DEFINE_TRIVIAL_CLEANUP(struct bind_job *, job_free)

static size_t count(const struct manager *m, enum job_state state)
{
        size_t n = 0;

        for (const struct bind_job *job = m->bind_jobs; job; job = job->next)
                n += job->state == state;
        return n;
}

static void schedule(struct manager *m)
{
        if (m->bind_jobs_start)
                (void) sd_event_source_set_enabled(m->bind_jobs_start, SD_EVENT_ONESHOT);
        if (m->stopping && m->event && count(m, JOB_RUNNING) == 0)
                (void) sd_event_exit(m->event, 0);
}

/* Tells of the job what there is to tell. */
static void conclude(struct bind_job *job)
{
        const char *failed = *job->failed ? job->failed : NULL;

        for (size_t i = 0; i < json_object_array_length(job->groups); i++)
                bind_outcome_log(json_object_array_get_idx(job->groups, i), job->owner, job->order.dry_run);
        if (failed)
                log_struct(LOG_ERR, MESSAGE_WORKER_FAILED, NULL, "vfioalign-worker (%s): %s", job->owner,
                           failed);
        job->done(job->groups, failed, job->userdata);
}

/* What was done is told no second time. */
static void finish(struct bind_job *job)
{
        struct manager *m = job->manager;

        if (job->state != JOB_LEFT)
                conclude(job);
        job_free(job);
        schedule(m);
}

static _printf_(2, 3) void fail(struct bind_job *job, const char *format, ...)
{
        va_list args;

        if (*job->failed)
                return;
        va_start(args, format);
        vsnprintf(job->failed, sizeof(job->failed), format, args);
        va_end(args);
}

static void send_signal(struct bind_job *job, int number)
{
        (void) syscall(SYS_pidfd_send_signal, job->pidfd, number, NULL, 0);
}

static void take_line(struct bind_job *job)
{
        json_object *o = json_tokener_parse(job->line), *type = NULL;
        const char *word;

        if (json_object_is_type(o, json_type_object))
                type = json_object_object_get(o, "type");
        word = json_object_is_type(type, json_type_string) ? json_object_get_string(type) : "";
        if (streq(word, "group") && bind_outcome_is_valid(o))
                json_object_array_add(job->groups, json_object_get(o));
        else if (streq(word, "done"))
                job->through = true;
        else if (streq(word, "error"))
                fail(job, "%s",
                     json_object_get_string(json_object_object_get(o, "message")) ?: "it does not say why");
        else {
                fail(job, "it says what is no answer");
                send_signal(job, SIGTERM);
        }
        json_object_put(o);
}

/* A worker that talks nonsense is still read from, lest it block in the middle of its way back. */
static int take_output(struct bind_job *job, const char *data, size_t size)
{
        job->output_size += size;
        if (job->output_size > OUTPUT_SIZE_MAX && !*job->failed) {
                fail(job, "it says more than %u MiB", OUTPUT_SIZE_MAX >> 20);
                send_signal(job, SIGTERM);
        }
        while (size > 0 && !*job->failed) {
                const char *end = memchr(data, '\n', size);
                size_t n = end ? (size_t) (end - data) : size;
                char *line;

                if (job->line_size + n > LINE_SIZE_MAX) {
                        fail(job, "it says a line of more than %u KiB", LINE_SIZE_MAX >> 10);
                        send_signal(job, SIGTERM);
                        break;
                }
                line = realloc(job->line, job->line_size + n + 1);
                if (!line)
                        return -ENOMEM;
                job->line = line;
                memcpy(line + job->line_size, data, n);
                job->line_size += n;
                line[job->line_size] = '\0';
                if (!end)
                        break;
                take_line(job);
                job->line_size = 0;
                data += n + 1;
                size -= n + 1;
        }
        return 0;
}

/* Returns how much came, 0 at the end, or a negative errno. */
static ssize_t read_output(struct bind_job *job, int fd)
{
        char buffer[16 << 10];
        ssize_t n = read(fd, buffer, sizeof(buffer));

        if (n < 0)
                return -errno;
        if (n > 0 && take_output(job, buffer, (size_t) n) < 0)
                fail(job, "%s", strerror(ENOMEM));
        return n;
}

static int on_output(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        ssize_t n = read_output(userdata, fd);

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
                /* A process of its own that hangs may hold the pipe open: what is there is all. */
                while (read_output(job, sd_event_source_get_io_fd(job->output)) > 0)
                        ;
        if (!job->through && info.si_code == CLD_EXITED)
                fail(job, "it ended with status %d before it was through", info.si_status);
        else if (!job->through)
                fail(job, "it was ended by signal %d (%s) before it was through", info.si_status,
                     strsignal(info.si_status));
        finish(job);
        return 0;
}

static void arm(struct bind_job *job, uint64_t usec)
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
                fail(job, "it did not end in its time, and is given up");
                send_signal(job, SIGTERM);
                arm(job, now + KILL_AFTER_USEC);
                return 0;
        case 1:
                send_signal(job, SIGKILL);
                arm(job, now + LEAVE_AFTER_USEC);
                return 0;
        }
        log_error(0, "vfioalign-worker (%s) hangs in the kernel and cannot be killed, it is left behind",
                  job->owner);
        job->output = sd_event_source_disable_unref(job->output);
        conclude(job);
        job->state = JOB_LEFT;
        schedule(m);
        return 0;
}

static int watch(struct bind_job *job, int pidfd, int out)
{
        sd_event *event = job->manager->event;
        int r;

        job->pidfd = pidfd;
        r = sd_event_add_io(event, &job->exit, pidfd, EPOLLIN, on_exit_of_worker, job);
        if (r >= 0)
                r = sd_event_source_set_io_fd_own(job->exit, true);
        if (r < 0) {
                close(pidfd);
                close(out);
                return r;
        }
        /* What it said before it ended is read before. */
        (void) sd_event_source_set_priority(job->exit, SD_EVENT_PRIORITY_NORMAL + 1);
        r = sd_event_add_io(event, &job->output, out, EPOLLIN, on_output, job);
        if (r < 0) {
                close(out);
                return r;
        }
        return sd_event_source_set_io_fd_own(job->output, true);
}

static int start(struct bind_job *job)
{
        struct manager *m = job->manager;
        const struct bind_order *o = &job->order;
        _cleanup_free_ const char **devices = calloc(job->n_devices ?: 1, sizeof(*devices));
        _cleanup_free_ char *text = NULL;
        const char *program = secure_getenv("VFIOALIGN_WORKER") ?: WORKER_PROGRAM;
        size_t batches = o->operation == BIND_SETTLE
                                 ? SETTLE_BATCHES
                                 : (job->n_devices + WORKER_GROUPS_AT_ONCE - 1) / WORKER_GROUPS_AT_ONCE;
        uint64_t now = clock_usec(CLOCK_BOOTTIME), timeout = m->config.bind_deadline_usec;
        uint64_t end = o->deadline_usec ? o->deadline_usec + m->grace_usec
                                        : now + batches * (timeout + m->grace_usec);
        int pidfd, out, r;

        if (o->deadline_usec && o->deadline_usec <= now) {
                fail(job, "its deadline passed before its turn came");
                return -ETIMEDOUT;
        }
        if (!devices)
                return -ENOMEM;
        for (size_t i = 0; i < job->n_devices; i++)
                devices[i] = job->devices[i];
        text = worker_order_format(o->operation, devices, job->n_devices, job->driver, job->owner,
                                   o->dry_run, o->force, timeout, o->deadline_usec);
        if (!text)
                return -ENOMEM;
        log_debug("vfioalign-worker (%s) begins: %s, %zu functions", job->owner,
                  bind_operation_to_string(o->operation), job->n_devices);
        r = sd_event_add_time(m->event, &job->backstop, CLOCK_BOOTTIME, end, 0, on_backstop, job);
        if (r >= 0)
                r = worker_spawn(program, text, &pidfd, &out);
        if (r >= 0)
                r = watch(job, pidfd, out);
        if (r < 0)
                fail(job, "%s could not be started: %s", program, strerror(-r));
        return r;
}

/* Somebody waits for a guest to start; the others have time. */
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
        while (!m->stopping && count(m, JOB_RUNNING) < AT_ONCE && (job = next_job(m))) {
                int r = start(job);

                if (r < 0) {
                        fail(job, "%s", strerror(-r));
                        finish(job);
                } else
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

        if (m->stopping)
                return -ESHUTDOWN;
        if (count(m, JOB_WAITING) >= WAITING_MAX)
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
        job->done = done;
        job->userdata = userdata;
        job->groups = json_object_new_array();
        job->devices = calloc(n_devices ?: 1, sizeof(bdf_t));
        if (!job->groups || !job->devices || (order->driver && !(job->driver = strdup(order->driver))) ||
            !(job->owner = strdup(order->owner)))
                return -ENOMEM;
        if (n_devices > 0)
                memcpy(job->devices, devices, n_devices * sizeof(bdf_t));
        job->n_devices = n_devices;

        while (*last)
                last = &(*last)->next;
        *last = TAKE_PTR(job);
        schedule(m);
        return 0;
}

static void drop_waiting(struct manager *m)
{
        struct bind_job *next;

        for (struct bind_job *job = m->bind_jobs; job; job = next) {
                next = job->next;
                if (job->state != JOB_WAITING)
                        continue;
                fail(job, "vfioalignd ends before its turn came");
                finish(job);
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
        if (m->stopping) { /* asked twice: at once */
                bind_jobs_close(m);
                return;
        }
        m->stopping = true;
        for (struct bind_job *job = m->bind_jobs; job; job = job->next)
                if (job->state == JOB_RUNNING)
                        send_signal(job, SIGTERM);
        if (sd_event_add_time_relative(m->event, NULL, CLOCK_BOOTTIME, STOP_USEC, 0, on_stop_timeout, m) < 0)
                bind_jobs_close(m);
        drop_waiting(m);
        schedule(m);
}

void bind_jobs_close(struct manager *m)
{
        m->stopping = true;
        while (m->bind_jobs) {
                fail(m->bind_jobs, "vfioalignd ends before it");
                finish(m->bind_jobs);
        }
        m->bind_jobs_start = sd_event_source_disable_unref(m->bind_jobs_start);
        schedule(m);
}
