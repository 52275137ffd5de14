/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/wait.h>

#include "bind-host.h"
#include "journal.h"
#include "opener.h"
#include "util/array.h"
#include "util/clock.h"
#include "util/file.h"
#include "worker-order.h"
#include "worker-reply.h"

/* A group past its deadline is asked to roll back with SIGTERM, again and again, because the signal may
 * arrive just before the child starts to wait. Then the child is killed. */
#define ASK_EVERY_USEC (250 * USEC_PER_MSEC)
#define ROLL_BACK_USEC (10 * USEC_PER_SEC)
#define DIE_USEC (2 * USEC_PER_SEC)

/* Where no group begins or ends for so long, one more is started beside those that run. */
#define SLOW_USEC (500 * USEC_PER_MSEC)

#define STACK_MAX_SIZE 16384

enum child_state {
        CHILD_IDLE,
        CHILD_RUNNING,
        CHILD_STOPPING, /* it was asked to roll back */
        CHILD_KILLED,
};

/* One group, as it is sent to a child. */
struct assignment {
        uint64_t started_usec, deadline_usec; /* CLOCK_BOOTTIME */
        bool settles; /* clears up after a child that was killed, whatever the order's operation */
        bdf_t bdf;    /* any function of the group */
};

/* A process that handles one group after another. */
struct child {
        pid_t pid;
        int assignments, results; /* pipes to it and from it */
        char *line;               /* what has come of the next result, one line of JSON */
        size_t line_size;
        enum child_state state;
        struct assignment current;
        uint64_t wakeup_usec; /* CLOCK_BOOTTIME of child_on_deadline(); UINT64_MAX: never */
};

struct worker {
        const struct root *root;
        const struct worker_order *order;
        struct host host;
        FILE *out;
        bdf_t *groups; /* a function of each */
        size_t n_groups, n_started;
        struct child children[WORKER_GROUPS_AT_ONCE];
        size_t n_children;
        uint64_t progress_usec; /* CLOCK_BOOTTIME of the last begin or end of a group */
};

static volatile sig_atomic_t sigterm_received;

static void on_sigterm(int signal)
{
        (void) signal;
        sigterm_received = 1;
}

static void set_signal_handlers(void)
{
        /* Without SA_RESTART, so the signal ends a wait for a lock. */
        const struct sigaction caught = { .sa_handler = on_sigterm }, ignored = { .sa_handler = SIG_IGN };

        sigaction(SIGTERM, &caught, NULL);
        sigaction(SIGINT, &ignored, NULL);
        sigaction(SIGHUP, &ignored, NULL);
        sigaction(SIGPIPE, &ignored, NULL); /* the work is finished even if nobody listens any more */
}

static void print_json(FILE *out, json_object *o)
{
        fprintf(out, "%s\n",
                json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        fflush(out);
        json_object_put(o);
}

static void print_status(FILE *out, const char *type, const char *message)
{
        json_object *o = json_object_new_object();

        json_object_object_add(o, "type", json_object_new_string(type));
        if (message)
                json_object_object_add(o, "message", json_object_new_string(message));
        print_json(out, o);
}

/* Runs in the child. */
static int carry_out_assignment(const struct worker *w, const struct assignment *a, FILE *out)
{
        struct bind_order order = w->order->order;
        struct bind_result result;
        int r;

        order.named = w->order->devices;
        order.n_named = w->order->n_devices;
        order.stop = &sigterm_received;
        order.deadline_usec = a->deadline_usec;
        if (a->settles)
                order.operation = BIND_SETTLE;
        r = transaction_run(&w->host, a->bdf, &order, &result);
        if (r < 0)
                return r;
        result.seconds = (double) (clock_usec(CLOCK_BOOTTIME) - a->started_usec) / 1e6;
        print_json(out, bind_result_to_json(&result));
        bind_result_done(&result);
        return ferror(out) ? -EIO : 0;
}

/* Runs in the child, until the parent closes the pipe of assignments. */
static _Noreturn void child_main(const struct worker *w, int assignments, int results)
{
        FILE *out = fdopen(results, "w");
        struct assignment a;

        /* A child that hangs in the kernel never closes what it holds open. So it must not hold the worker's
         * output, whose reader waits for its end, nor the pipes of its siblings. */
        close(STDOUT_FILENO);
        for (size_t i = 0; i < w->n_children; i++) {
                close(w->children[i].assignments);
                close(w->children[i].results);
        }
        while (out && read(assignments, &a, sizeof(a)) == sizeof(a))
                if (carry_out_assignment(w, &a, out) < 0)
                        _exit(EXIT_FAILURE);
        _exit(EXIT_SUCCESS);
}

/* Appends a child to w->children. */
static int start_child(struct worker *w)
{
        struct child *c = &w->children[w->n_children];
        int assignments[2], results[2];

        if (pipe2(assignments, O_CLOEXEC) < 0)
                return -errno;
        if (pipe2(results, O_CLOEXEC) < 0) {
                close(assignments[0]);
                close(assignments[1]);
                return -errno;
        }
        fflush(w->out);
        *c = (struct child){
                .pid = fork(),
                .assignments = assignments[1],
                .results = results[0],
                .wakeup_usec = UINT64_MAX,
        };
        if (c->pid == 0) {
                close(assignments[1]);
                close(results[0]);
                child_main(w, assignments[0], results[1]);
        }
        close(assignments[0]);
        close(results[1]);
        if (c->pid < 0) {
                close(c->assignments);
                close(c->results);
                return -errno;
        }
        w->n_children++;
        return 0;
}

/* Closes the pipes, and waits for the child's end if it is idle: an idle child exits once its pipe is
 * closed, another one may never do. The last child moves to its place. */
static void drop_child(struct worker *w, struct child *c)
{
        close(c->assignments);
        close(c->results);
        if (c->state == CHILD_IDLE)
                (void) waitpid(c->pid, NULL, 0);
        free(c->line);
        *c = w->children[--w->n_children];
}

static int child_assign(struct worker *w, struct child *c, const char *bdf, bool settles)
{
        uint64_t now = clock_usec(CLOCK_BOOTTIME), deadline = w->order->order.deadline_usec;

        c->current = (struct assignment){
                .settles = settles,
                .started_usec = now,
                .deadline_usec = now + (settles ? ROLL_BACK_USEC : w->order->timeout_usec),
        };
        memcpy(c->current.bdf, bdf, sizeof(bdf_t));
        if (!settles && deadline > 0 && deadline < c->current.deadline_usec)
                c->current.deadline_usec = deadline;
        c->state = CHILD_RUNNING;
        c->wakeup_usec = c->current.deadline_usec;
        w->progress_usec = now;
        /* Less than PIPE_BUF, and the pipe is empty: this does not block. */
        return write(c->assignments, &c->current, sizeof(c->current)) == sizeof(c->current) ? 0 : -EIO;
}

/* Prints a result for a group that no transaction reports on: its child is gone or stuck, or there never was
 * one. Takes over the stack. */
static int print_result(struct worker *w, const char *bdf, enum bind_outcome outcome, enum finding_id id,
                        const char *detail, const struct child *stuck, char *stack)
{
        struct bind_result result = { .outcome = outcome, .pid = stuck ? stuck->pid : 0, .stack = stack };
        const struct device *d = device_facts_find(&w->host.devices, bdf);
        _cleanup_(bind_records_done) struct bind_records records = {};
        const struct bind_record *record;
        json_object *o;
        int r;

        if (stuck)
                result.seconds = (double) (clock_usec(CLOCK_BOOTTIME) - stuck->current.started_usec) / 1e6;
        r = bind_records_read(&records, w->root, NULL);
        if (r < 0) {
                bind_result_done(&result);
                return r;
        }
        r = findings_add(&result.findings, id, bdf, detail ? "%s" : NULL, detail);
        if (r < 0) {
                bind_result_done(&result);
                return r;
        }
        record = bind_records_find(&records, bdf);
        if (record)
                result.record = *record;
        o = bind_result_to_json(&result);
        if (!record && d)
                json_object_object_add(o, "group", json_object_new_int(d->group));
        print_json(w->out, o);

        result.record = (struct bind_record){}; /* it belongs to `records` */
        bind_result_done(&result);
        return 0;
}

/* Reads a file that the kernel shows to CAP_SYS_ADMIN only, which vfioalign-open has if we do not. */
static int read_hidden(const struct root *root, const char *path, char **ret)
{
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = read_file_at(root->fd, path, STACK_MAX_SIZE, ret, NULL);
        if (r != -EACCES && r != -EPERM)
                return r;
        fd = opener_open(root, path);
        return fd < 0 ? fd : read_fd(fd, STACK_MAX_SIZE, ret, NULL);
}

static char *read_stack(const struct root *root, pid_t pid)
{
        opener_path_t path;
        char *text = NULL;

        if (read_hidden(root, opener_stack_path(pid, path), &text) >= 0)
                return text;
        /* Without the right to see the stack, at least the function in which the process sleeps. */
        snprintf(path, sizeof(path), "proc/%d/wchan", pid);
        return read_line_at(root->fd, path, &text) >= 0 ? text : NULL;
}

/* SIGKILL is pending, so the child can no longer write its own record, and we may. */
static int quarantine_group(struct worker *w, const char *bdf, const char *reason)
{
        _cleanup_(bind_records_done) struct bind_records records = {};
        const struct bind_record *found;
        int r;

        r = bind_records_read(&records, w->root, NULL);
        if (r < 0)
                return r;
        found = bind_records_find(&records, bdf);
        if (!found || (found->state != BIND_STATE_BINDING && found->state != BIND_STATE_RETURNING))
                return 0;
        r = journal_write(w->root, (struct bind_record *) found, BIND_STATE_QUARANTINED, reason);
        return r == -ENOMEM ? r : 0;
}

/* The child does not even die of SIGKILL: it hangs in the kernel, and is left behind with its group. */
static int abandon_child(struct worker *w, struct child *c)
{
        char *stack = read_stack(w->root, c->pid), detail[200];
        int r;

        snprintf(detail, sizeof(detail), "process %d hangs in the kernel, in %.*s", c->pid,
                 stack ? (int) strcspn(stack, "\n") : 1, stack ?: "?");
        r = quarantine_group(w, c->current.bdf, detail);
        if (r < 0)
                free(stack);
        else
                r = print_result(w, c->current.bdf, BIND_STUCK, FINDING_BIND_QUARANTINED, detail, c, stack);
        drop_child(w, c);
        return r;
}

/* The child was killed, by us or by somebody else, or ran out of memory. A new one settles what it left. */
static int on_child_death(struct worker *w, struct child *c)
{
        struct assignment lost = c->current;
        bool was_idle = c->state == CHILD_IDLE;

        c->state = CHILD_IDLE; /* it has ended, or ends now that its pipes are closed */
        drop_child(w, c);
        if (was_idle)
                return 0;
        if (!lost.settles && !w->order->order.dry_run && start_child(w) >= 0 &&
            child_assign(w, &w->children[w->n_children - 1], lost.bdf, true) >= 0)
                return 0;
        return print_result(w, lost.bdf, BIND_FAILED, FINDING_BIND_FAILED,
                            "its process was killed, and what it left is not settled", NULL, NULL);
}

/* c->line is a whole result. */
static int on_child_result(struct worker *w, struct child *c)
{
        bool reusable = c->state == CHILD_RUNNING && !c->current.settles;
        int r = 0;

        w->progress_usec = clock_usec(CLOCK_BOOTTIME);
        if (c->current.settles && w->order->order.operation != BIND_SETTLE) {
                /* However well it was settled, what was asked for was not done. */
                r = print_result(w, c->current.bdf, BIND_FAILED, FINDING_BIND_FAILED,
                                 "its process was killed; all is settled as far as the kernel lets it", NULL,
                                 NULL);
        } else {
                fputs(c->line, w->out);
                fflush(w->out);
        }
        free(TAKE_PTR(c->line));
        c->line_size = 0;
        c->wakeup_usec = UINT64_MAX;
        c->state = CHILD_IDLE;
        /* A child that got SIGTERM would abort its next group as well. */
        if (!reusable)
                drop_child(w, c);
        return r;
}

/* The child's group has passed its deadline, or we were asked to stop: SIGTERM, then SIGKILL, then give up.
 */
static int child_on_deadline(struct worker *w, struct child *c, uint64_t now)
{
        if (c->state == CHILD_KILLED)
                return abandon_child(w, c);
        if (c->state == CHILD_STOPPING && now >= c->current.deadline_usec + ROLL_BACK_USEC) {
                c->state = CHILD_KILLED;
                c->wakeup_usec = now + DIE_USEC;
                (void) kill(c->pid, SIGKILL);
                return 0;
        }
        if (c->state == CHILD_RUNNING && now < c->current.deadline_usec)
                c->current.deadline_usec = now; /* stopped early: the time to roll back starts now */
        c->state = CHILD_STOPPING;
        c->wakeup_usec = now + ASK_EVERY_USEC;
        (void) kill(c->pid, SIGTERM);
        return 0;
}

/* Reads what there is. Returns whether c->line is whole, or -EPIPE where the child has ended or cannot be
 * understood. */
static int child_read_result(struct child *c)
{
        char buffer[4096], *line;
        ssize_t n;

        n = read(c->results, buffer, sizeof(buffer));
        if (n < 0)
                return errno == EINTR ? 0 : -EPIPE;
        if (n == 0 || c->line_size + (size_t) n > WORKER_LINE_MAX)
                return -EPIPE;
        line = realloc(c->line, c->line_size + (size_t) n + 1);
        if (!line)
                return -EPIPE;
        memcpy(line + c->line_size, buffer, (size_t) n);
        c->line = line;
        c->line_size += (size_t) n;
        line[c->line_size] = '\0';
        return line[c->line_size - 1] == '\n';
}

static int child_on_output(struct worker *w, struct child *c)
{
        int r;

        r = child_read_result(c);
        if (r < 0)
                return on_child_death(w, c);
        return r > 0 ? on_child_result(w, c) : 0;
}

/* In milliseconds, as poll() has it. */
static int poll_timeout(const struct worker *w, uint64_t now)
{
        uint64_t next = w->n_started < w->n_groups ? w->progress_usec + SLOW_USEC : UINT64_MAX;

        for (size_t i = 0; i < w->n_children; i++)
                if (w->children[i].wakeup_usec < next)
                        next = w->children[i].wakeup_usec;
        if (next == UINT64_MAX)
                return -1;
        return next <= now ? 0 : (int) ((next - now + USEC_PER_MSEC - 1) / USEC_PER_MSEC);
}

/* Waits for a result, a deadline or a signal, and does what that asks for. */
static int wait_for_children(struct worker *w)
{
        struct pollfd fds[WORKER_GROUPS_AT_ONCE];
        uint64_t now = clock_usec(CLOCK_BOOTTIME);
        int timeout = poll_timeout(w, now);

        for (size_t i = 0; i < w->n_children; i++)
                fds[i] = (struct pollfd){ .fd = w->children[i].results, .events = POLLIN };
        if (poll(fds, w->n_children, timeout) < 0) {
                if (errno != EINTR)
                        return -errno;
                for (size_t i = 0; i < w->n_children; i++)
                        fds[i].revents = 0;
        }
        now = clock_usec(CLOCK_BOOTTIME);
        /* From the last one on, because drop_child() moves the last child, which has had its turn then. */
        for (size_t i = w->n_children; i-- > 0;) {
                struct child *c = &w->children[i];
                int r = 0;

                if (sigterm_received && c->state == CHILD_RUNNING && !c->current.settles)
                        c->wakeup_usec = now;
                if (fds[i].revents)
                        r = child_on_output(w, c);
                else if (now >= c->wakeup_usec)
                        r = child_on_deadline(w, c, now);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* A group whose function is on the list already. */
static bool is_listed(const struct worker *w, const char *bdf)
{
        const struct device *d = device_facts_find(&w->host.devices, bdf);

        for (size_t i = 0; i < w->n_groups; i++) {
                const struct device *other = device_facts_find(&w->host.devices, w->groups[i]);

                if (streq(w->groups[i], bdf) || (d && other && d->group >= 0 && d->group == other->group))
                        return true;
        }
        return false;
}

static int list_group(struct worker *w, const char *bdf)
{
        bdf_t *slot;

        if (is_listed(w, bdf))
                return 0;
        slot = array_append(w->groups, w->n_groups);
        if (!slot)
                return -ENOMEM;
        memcpy(*slot, bdf, sizeof(bdf_t));
        return 0;
}

/* Lists each group of the order once, by one of its functions. */
static int list_groups(struct worker *w)
{
        _cleanup_(bind_records_done) struct bind_records records = {};
        const struct worker_order *o = w->order;
        int r;

        if (o->order.operation == BIND_SETTLE) {
                r = bind_records_read(&records, w->root, NULL);
                if (r < 0)
                        return r;
                for (size_t i = 0; i < records.n_records; i++) {
                        r = list_group(w, records.records[i].members[0].bdf);
                        if (r < 0)
                                return r;
                }
                return 0;
        }
        for (size_t i = 0; i < o->n_devices; i++) {
                r = list_group(w, o->devices[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static struct child *find_idle_child(struct worker *w)
{
        for (size_t i = 0; i < w->n_children; i++)
                if (w->children[i].state == CHILD_IDLE)
                        return &w->children[i];
        return NULL;
}

static size_t count_cpus(void)
{
        cpu_set_t set;

        return sched_getaffinity(0, sizeof(set), &set) < 0 ? 1 : (size_t) CPU_COUNT(&set);
}

/* Runs as many children as there are processors, and one more whenever the groups under way take their time,
 * as those do that wait for their device. */
static int start_groups(struct worker *w, size_t n_cpus)
{
        while (w->n_started < w->n_groups) {
                const char *bdf = w->groups[w->n_started];
                bool slow = clock_usec(CLOCK_BOOTTIME) >= w->progress_usec + SLOW_USEC;
                struct child *c = find_idle_child(w);
                int r;

                if (!c && (w->n_children == ELEMENTSOF(w->children) || (w->n_children >= n_cpus && !slow)))
                        return 0;
                w->n_started++;
                if (sigterm_received) {
                        r = print_result(w, bdf, BIND_REFUSED, FINDING_BIND_BUSY, "stopped before it began",
                                         NULL, NULL);
                        if (r < 0)
                                return r;
                        continue;
                }
                if (!c) {
                        r = start_child(w);
                        if (r < 0)
                                return r;
                        c = &w->children[w->n_children - 1];
                }
                r = child_assign(w, c, bdf, false);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool is_busy(const struct worker *w)
{
        for (size_t i = 0; i < w->n_children; i++)
                if (w->children[i].state != CHILD_IDLE)
                        return true;
        return false;
}

static int run_groups(struct worker *w)
{
        size_t n_cpus = count_cpus();
        int r;

        while (w->n_started < w->n_groups || is_busy(w)) {
                r = start_groups(w, n_cpus);
                if (r < 0)
                        return r;
                if (!is_busy(w))
                        continue;
                r = wait_for_children(w);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_order(FILE *in, struct worker_order *ret, const char **ret_why)
{
        _cleanup_free_ char *text = malloc(ORDER_MAX_SIZE + 1);
        size_t n;

        if (!text)
                return -ENOMEM;
        n = fread(text, 1, ORDER_MAX_SIZE, in);
        text[n] = '\0';
        if (n == ORDER_MAX_SIZE || strlen(text) != n) {
                *ret_why = "it is too large, or has a NUL byte";
                return -EBADMSG;
        }
        return worker_order_parse(ret, text, ret_why);
}

static int list_and_run_groups(struct worker *w)
{
        int r;

        r = list_groups(w);
        if (r < 0)
                return r;
        return run_groups(w);
}

static int carry_out_order(struct worker *w)
{
        int r;

        r = bind_host_read(&w->host, w->root, w->order->devices, w->order->n_devices);
        if (r < 0)
                return r;
        r = list_and_run_groups(w);
        while (w->n_children > 0)
                drop_child(w, &w->children[w->n_children - 1]);
        free(w->groups);
        bind_host_done(&w->host);
        return r;
}

int worker_run(const struct root *root, FILE *in, FILE *out)
{
        struct worker_order order;
        struct worker w = { .root = root, .order = &order, .out = out };
        const char *why = NULL;
        char message[200];
        int r;

        assert(root && in && out);

        set_signal_handlers();
        r = read_order(in, &order, &why);
        if (r < 0) {
                snprintf(message, sizeof(message), "the order cannot be carried out: %s",
                         r == -EBADMSG ? why : strerror(-r));
                print_status(out, "error", message);
                return EXIT_FAILURE;
        }
        r = carry_out_order(&w);
        worker_order_done(&order);
        if (r < 0) {
                print_status(out, "error", strerror(-r));
                return EXIT_FAILURE;
        }
        print_status(out, "done", NULL);
        return EXIT_SUCCESS;
}
