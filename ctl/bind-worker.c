/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bind-worker.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "bind/worker-reply.h"
#include "bind/worker.h"
#include "long-run.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/macro.h"

/* A worker reports a group WORKER_GRACE_USEC after its time at most. This is for one that does not. */
#define SLACK_USEC (5 * USEC_PER_SEC)

struct follower {
        const char *operation, *program;
        int pidfd, out;
        struct worker_reader reader;
        bool failed;
        unsigned groups;
        uint64_t timeout_usec;          /* for each group */
        uint64_t start_usec, last_usec; /* CLOCK_BOOTTIME of the start and of the last reply */
        void (*on_group)(json_object *group, void *userdata);
        void *userdata;
};

/* Signals are delivered in ppoll() only. The first one lets the worker roll back. The second one ends us at
 * once, and the worker goes on by itself. */
static void catch_signals(sigset_t *ret_while_waiting)
{
        sigset_t mask = long_run_catch_signals();

        sigprocmask(SIG_BLOCK, &mask, ret_while_waiting);
}

static void show_waiting(const struct follower *f, uint64_t now_usec)
{
        char text[128];

        if (now_usec < f->start_usec + USEC_PER_SEC)
                return;
        snprintf(text, sizeof(text), "%s: %u group%s through, %ju s", f->operation, f->groups,
                 f->groups == 1 ? "" : "s", (uintmax_t) ((now_usec - f->start_usec) / USEC_PER_SEC));
        long_run_show_progress(text);
}

static void on_reply(const struct worker_reply *reply, void *userdata)
{
        struct follower *f = userdata;

        f->last_usec = clock_usec(CLOCK_BOOTTIME);
        long_run_show_progress(NULL);
        switch (reply->type) {
        case WORKER_REPLY_GROUP:
                f->groups++;
                f->on_group(json_object_get(reply->group), f->userdata);
                break;
        case WORKER_REPLY_ERROR:
                f->failed = true;
                log_error(0, "%s", reply->message);
                break;
        case WORKER_REPLY_BAD:
                f->failed = true;
                log_error(0, "%s: %s, ignoring", f->program, reply->message);
                break;
        default:
                break;
        }
}

/* Reads everything that is there. Returns 1 where more can come, 0 at the end, or a negative errno. */
static int read_replies(struct follower *f)
{
        while (!f->reader.done) {
                ssize_t n = worker_reader_read(&f->reader, f->out);

                if (n == -EAGAIN)
                        return 1;
                if (n == 0)
                        return 0;
                if (n < 0 && n != -EINTR)
                        return (int) n;
        }
        return 0;
}

static int report_early_end(struct follower *f)
{
        siginfo_t info = {};
        char how[64] = "";

        if (waitid(P_PIDFD, (id_t) f->pidfd, &info, WEXITED | WNOHANG) >= 0 && info.si_pid > 0)
                snprintf(how, sizeof(how),
                         info.si_code == CLD_EXITED ? ", with exit status %d" : ", by signal %d",
                         info.si_status);
        return log_error(-EPIPE, "%s ended before it was through%s", f->program, how);
}

/* Waits for output (unless out is negative), for the worker's end or for a signal, a second at most. Returns
 * whether the worker has ended, or a negative errno with the reason logged. */
static int wait_for_worker(struct follower *f, int out, const sigset_t *while_waiting)
{
        struct pollfd fds[] = {
                { .fd = out, .events = POLLIN },
                { .fd = f->pidfd, .events = POLLIN },
        };
        uint64_t now = clock_usec(CLOCK_BOOTTIME), wait = USEC_PER_SEC;
        uint64_t end = f->last_usec + f->timeout_usec + WORKER_GRACE_USEC + SLACK_USEC;
        struct timespec timeout;

        if (now >= end)
                return log_error(-ETIMEDOUT, "%s does not end, leaving it behind", f->program);
        show_waiting(f, now);
        if (end - now < wait)
                wait = end - now;
        timeout = (struct timespec){
                .tv_sec = (time_t) (wait / USEC_PER_SEC),
                .tv_nsec = (long) (wait % USEC_PER_SEC * 1000),
        };
        if (ppoll(fds, ELEMENTSOF(fds), &timeout, while_waiting) < 0 && errno != EINTR)
                return log_error(-errno, "Failed to wait for %s: %m", f->program);
        return fds[1].revents != 0;
}

static void ask_to_stop(struct follower *f)
{
        long_run_show_progress(NULL);
        log_notice("Stopping: changes under way are rolled back");
        (void) pidfd_send_signal(f->pidfd, SIGTERM, NULL, 0);
}

static int follow_worker(struct follower *f, const sigset_t *while_waiting)
{
        bool asked_to_stop = false, closed = false;

        for (;;) {
                int ended, r;

                ended = wait_for_worker(f, closed ? -1 : f->out, while_waiting);
                if (ended < 0)
                        return ended;
                if (long_run_stopped_by && !asked_to_stop) {
                        ask_to_stop(f);
                        asked_to_stop = true;
                }

                /* Once the worker has ended, all of its output is there. The output's own end may never
                 * come, because a child of the worker that hangs in the kernel holds it open. */
                if (!closed) {
                        r = read_replies(f);
                        if (r < 0)
                                return log_error(r, "Failed to read from %s: %m", f->program);
                        closed = r == 0;
                }
                if (!f->reader.done && !ended)
                        continue;
                if (f->failed)
                        return -EBADMSG;
                return f->reader.done ? 0 : report_early_end(f);
        }
}

int bind_worker_run(const char *operation, const char *order, uint64_t timeout_usec,
                    void (*on_group)(json_object *group, void *userdata), void *userdata)
{
        _cleanup_close_ int pidfd = -EBADF, out = -EBADF;
        struct follower f = {
                .operation = operation,
                .program = secure_getenv("VFIOALIGN_WORKER") ?: WORKER_PROGRAM,
                .reader = { .on_reply = on_reply, .userdata = &f },
                .timeout_usec = timeout_usec,
                .on_group = on_group,
                .userdata = userdata,
        };
        sigset_t while_waiting;
        int r;

        assert(operation && order && on_group);

        r = worker_spawn(f.program, order, &pidfd, &out);
        if (r < 0)
                return log_error(r, "Failed to start %s: %m", f.program);
        catch_signals(&while_waiting);
        f.pidfd = pidfd;
        f.out = out;
        f.start_usec = f.last_usec = clock_usec(CLOCK_BOOTTIME);
        r = follow_worker(&f, &while_waiting);
        long_run_show_progress(NULL);
        sigprocmask(SIG_SETMASK, &while_waiting, NULL);
        worker_reader_done(&f.reader);
        return r;
}
