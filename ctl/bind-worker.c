/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bind-worker.h"

#include <errno.h>
#include <poll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "bind-report.h"
#include "bind/worker.h"
#include "report/table.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/macro.h"

/* A worker tells of a group after the time that this may take and WORKER_GRACE_USEC at most: for one that
 * does not. */
#define SLACK_USEC (5 * USEC_PER_SEC)

/* What it tells of a group is some hundred bytes for each function; it cuts off at 8 MiB. */
#define LINE_MAX_SIZE MIB(16)
#define JSON_DEPTH 16

struct follower {
        const char *operation, *program;
        int pidfd, out;
        char *line; /* what is there of the next one */
        size_t n;
        bool skip; /* the line is too long */
        bool done, failed;
        unsigned groups;
        uint64_t timeout_usec;          /* for each group */
        uint64_t start_usec, last_usec; /* CLOCK_BOOTTIME: since it began, and since its last line */
        void (*on_group)(json_object *group, void *userdata);
        void *userdata;
};

volatile sig_atomic_t bind_worker_stopped_by;

static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

static void stop(int signal)
{
        bind_worker_stopped_by = signal;
}

/* They get through in ppoll() only. The first lets the worker roll back, the second ends us at once: then it
 * goes on by itself. What was ignored (nohup) stays so. */
static void catch_signals(sigset_t *ret_while_waiting)
{
        const struct sigaction action = { .sa_handler = stop, .sa_flags = (int) SA_RESETHAND };
        struct sigaction old;
        sigset_t mask;

        sigemptyset(&mask);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
                        sigaction(signals[i], &action, NULL);
                sigaddset(&mask, signals[i]);
        }
        sigprocmask(SIG_BLOCK, &mask, ret_while_waiting);
}

/* A line that is written over again and again; NULL removes it. For a terminal only. */
static void show_progress(const char *text)
{
        if (isatty(STDERR_FILENO))
                fprintf(stderr, "\r%s\033[K", text ?: "");
}

static void show_waiting(const struct follower *f, uint64_t now_usec)
{
        char text[128];

        if (now_usec < f->start_usec + USEC_PER_SEC)
                return;
        snprintf(text, sizeof(text), "%s: %u group%s through, %ju s", f->operation, f->groups,
                 f->groups == 1 ? "" : "s", (uintmax_t) ((now_usec - f->start_usec) / USEC_PER_SEC));
        show_progress(text);
}

static json_object *parse(const char *line, size_t n)
{
        json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH);
        json_object *o = tokener ? json_tokener_parse_ex(tokener, line, (int) n) : NULL;

        if (o && (json_tokener_get_parse_end(tokener) != n || !json_object_is_type(o, json_type_object))) {
                json_object_put(o);
                o = NULL;
        }
        if (tokener)
                json_tokener_free(tokener);
        return o;
}

static void take_line(struct follower *f)
{
        json_object *o = f->skip ? NULL : parse(f->line, f->n);
        const char *type = json_get_text(o, "type") ?: "";

        show_progress(NULL);
        if (streq(type, "group") && bind_group_is_valid(o)) {
                f->groups++;
                f->on_group(o, f->userdata);
                return;
        }
        if (streq(type, "done"))
                f->done = true;
        else {
                f->failed = true;
                if (streq(type, "error"))
                        log_error(0, "%s",
                                  json_get_text(o, "message") ?: "The worker does not name its error");
                else
                        log_error(0,
                                  "%s wrote a line that is none of a worker's; what it was about is unknown",
                                  f->program);
        }
        json_object_put(o);
}

static int take_bytes(struct follower *f, const char *bytes, size_t n)
{
        while (n > 0 && !f->done) {
                const char *newline = memchr(bytes, '\n', n);
                size_t k = newline ? (size_t) (newline - bytes) : n;

                f->skip |= f->n + k > LINE_MAX_SIZE;
                if (!f->skip && k > 0) {
                        char *line = realloc(f->line, f->n + k);

                        if (!line)
                                return -ENOMEM;
                        f->line = line;
                        memcpy(f->line + f->n, bytes, k);
                        f->n += k;
                }
                if (newline) {
                        take_line(f);
                        f->n = 0;
                        f->skip = false;
                        f->last_usec = clock_usec(CLOCK_BOOTTIME);
                        k++;
                }
                bytes += k;
                n -= k;
        }
        return 0;
}

/* All that is there. Returns 1 where more can come, 0 at the end. */
static int take_output(struct follower *f)
{
        char buffer[65536];

        while (!f->done) {
                ssize_t n = read(f->out, buffer, sizeof(buffer));
                int r;

                if (n < 0 && errno != EINTR)
                        return errno == EAGAIN ? 1 : -errno;
                if (n == 0)
                        return 0;
                r = n < 0 ? 0 : take_bytes(f, buffer, (size_t) n);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int report_end(struct follower *f)
{
        siginfo_t info = {};
        char how[64] = "";

        if (waitid(P_PIDFD, (id_t) f->pidfd, &info, WEXITED | WNOHANG) >= 0 && info.si_pid > 0)
                snprintf(how, sizeof(how),
                         info.si_code == CLD_EXITED ? ", with exit status %d" : ", by signal %d",
                         info.si_status);
        return log_error(-EPIPE, "%s ended before it was through%s", f->program, how);
}

static int follow(struct follower *f, const sigset_t *while_waiting)
{
        bool told = false, closed = false;

        for (;;) {
                struct pollfd fds[] = {
                        { .fd = closed ? -1 : f->out, .events = POLLIN },
                        { .fd = f->pidfd, .events = POLLIN },
                };
                uint64_t now = clock_usec(CLOCK_BOOTTIME), wait;
                uint64_t end = f->last_usec + f->timeout_usec + WORKER_GRACE_USEC + SLACK_USEC;
                struct timespec timeout;
                int r;

                if (now >= end)
                        return log_error(-ETIMEDOUT, "%s does not end, and is left to itself", f->program);
                show_waiting(f, now);
                wait = end - now < USEC_PER_SEC ? end - now : USEC_PER_SEC;
                timeout = (struct timespec){
                        .tv_sec = (time_t) (wait / USEC_PER_SEC),
                        .tv_nsec = (long) (wait % USEC_PER_SEC * 1000),
                };
                if (ppoll(fds, ELEMENTSOF(fds), &timeout, while_waiting) < 0 && errno != EINTR)
                        return log_error(-errno, "Failed to wait for %s: %m", f->program);
                if (bind_worker_stopped_by && !told) {
                        show_progress(NULL);
                        log_notice("Stopping: what is under way is taken back");
                        (void) pidfd_send_signal(f->pidfd, SIGTERM, NULL, 0);
                        told = true;
                }

                /* All that it wrote is there once it has ended; the end of its output may never come, where
                 * a process of its own that hangs holds that open. */
                r = closed ? 0 : take_output(f);
                if (r < 0)
                        return log_error(r, "Failed to read what %s writes: %m", f->program);
                if (f->done || fds[1].revents)
                        return f->failed ? -EBADMSG : f->done ? 0 : report_end(f);
                closed = r == 0;
        }
}

int bind_worker_run(const char *operation, const char *order, uint64_t timeout_usec,
                    void (*on_group)(json_object *group, void *userdata), void *userdata)
{
        _cleanup_close_ int pidfd = -EBADF, out = -EBADF;
        struct follower f = {
                .operation = operation,
                .program = secure_getenv("VFIOALIGN_WORKER") ?: WORKER_PROGRAM,
                .timeout_usec = timeout_usec,
                .on_group = on_group,
                .userdata = userdata,
        };
        sigset_t while_waiting;
        int r;

        r = worker_spawn(f.program, order, &pidfd, &out);
        if (r < 0)
                return log_error(r, "Failed to start %s: %m", f.program);
        catch_signals(&while_waiting);
        f.pidfd = pidfd;
        f.out = out;
        f.start_usec = f.last_usec = clock_usec(CLOCK_BOOTTIME);
        r = follow(&f, &while_waiting);
        show_progress(NULL);
        sigprocmask(SIG_SETMASK, &while_waiting, NULL);
        free(f.line);
        return r;
}
