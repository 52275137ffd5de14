/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/wait.h>

#include "bind-host.h"
#include "driver-load.h"
#include "journal.h"
#include "util/array.h"
#include "util/clock.h"
#include "util/file.h"
#include "worker-order.h"
#include "worker-reply.h"

/* A group past its time is asked to go back, and again in case that the signal came just before its wait;
 * then it is killed. */
#define ASK_EVERY_USEC (250 * USEC_PER_MSEC)
#define ROLL_BACK_USEC (10 * USEC_PER_SEC)
#define DIE_USEC (2 * USEC_PER_SEC)
#define SLOW_USEC (500 * USEC_PER_MSEC)
#define STACK_MAX_SIZE 16384

enum phase {
        PHASE_IDLE,
        PHASE_RUNNING,
        PHASE_ASKED, /* to go back */
        PHASE_KILLED,
};

/* What a process is told to do next. */
struct command {
        uint64_t started_usec, deadline_usec; /* CLOCK_BOOTTIME */
        bool settles;                         /* what a process before it left that had to be killed */
        bdf_t bdf;
};

/* A process that does one group after another. */
struct process {
        pid_t pid;
        int in, out; /* of its commands, of its results: one line each */
        char *text;  /* of a result that is not whole yet */
        size_t size;
        enum phase phase;
        struct command command;
        uint64_t next_usec; /* something has to be done, CLOCK_BOOTTIME */
};

struct worker {
        const struct root *root;
        const struct worker_order *order;
        struct host host;
        FILE *out;
        bdf_t *groups; /* a function of each */
        size_t n_groups, n_started;
        struct process processes[WORKER_GROUPS_AT_ONCE];
        size_t n_processes;
        uint64_t progress_usec; /* when a group was begun or ended last */
};

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
        (void) signal;
        stopped = 1;
}

/* Without SA_RESTART: the wait for a lock ends. */
static void catch_signals(void)
{
        const struct sigaction caught = { .sa_handler = stop }, ignored = { .sa_handler = SIG_IGN };

        sigaction(SIGTERM, &caught, NULL);
        sigaction(SIGINT, &ignored, NULL);
        sigaction(SIGHUP, &ignored, NULL);
        sigaction(SIGPIPE, &ignored, NULL); /* nobody may listen any more: the work is done all the same */
}

static void print(FILE *out, json_object *o)
{
        fprintf(out, "%s\n",
                json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        fflush(out);
        json_object_put(o);
}

static void print_type(FILE *out, const char *type, const char *message)
{
        json_object *o = json_object_new_object();

        json_object_object_add(o, "type", json_object_new_string(type));
        if (message)
                json_object_object_add(o, "message", json_object_new_string(message));
        print(out, o);
}

/* In the process: one group. */
static int run_command(const struct worker *w, const struct command *c, FILE *out)
{
        struct bind_order order = w->order->order;
        struct bind_result result;
        int r;

        order.stop = &stopped;
        order.deadline_usec = c->deadline_usec;
        if (c->settles)
                order.operation = BIND_SETTLE;
        r = transaction_run(&w->host, c->bdf, &order, &result);
        if (r < 0)
                return r;
        result.seconds = (double) (clock_usec(CLOCK_BOOTTIME) - c->started_usec) / 1e6;
        print(out, bind_result_to_json(&result));
        bind_result_done(&result);
        return ferror(out) ? -EIO : 0;
}

static _Noreturn void run_process(const struct worker *w, int in, int out)
{
        FILE *file = fdopen(out, "w");
        struct command c;

        /* What hangs keeps nobody waiting: not for our own output, nor another process for its end. */
        close(STDOUT_FILENO);
        for (size_t i = 0; i < w->n_processes; i++) {
                close(w->processes[i].in);
                close(w->processes[i].out);
        }
        while (file && read(in, &c, sizeof(c)) == sizeof(c))
                if (run_command(w, &c, file) < 0)
                        _exit(EXIT_FAILURE);
        _exit(EXIT_SUCCESS);
}

static int start_process(struct worker *w)
{
        struct process *p = &w->processes[w->n_processes];
        int in[2], out[2];

        if (pipe2(in, O_CLOEXEC) < 0)
                return -errno;
        if (pipe2(out, O_CLOEXEC) < 0) {
                close(in[0]);
                close(in[1]);
                return -errno;
        }
        fflush(w->out);
        *p = (struct process){ .pid = fork(), .in = in[1], .out = out[0], .next_usec = UINT64_MAX };
        if (p->pid == 0) {
                close(in[1]);
                close(out[0]);
                run_process(w, in[0], out[1]);
        }
        close(in[0]);
        close(out[1]);
        if (p->pid < 0) {
                close(p->in);
                close(p->out);
                return -errno;
        }
        w->n_processes++;
        return 0;
}

/* It ends by itself where it is idle. */
static void drop_process(struct worker *w, struct process *p)
{
        close(p->in);
        close(p->out);
        if (p->phase == PHASE_IDLE)
                (void) waitpid(p->pid, NULL, 0);
        free(p->text);
        *p = w->processes[--w->n_processes];
}

static int command(struct worker *w, struct process *p, const char *bdf, bool settles)
{
        uint64_t now = clock_usec(CLOCK_BOOTTIME), deadline = w->order->order.deadline_usec;

        p->command = (struct command){
                .settles = settles,
                .started_usec = now,
                .deadline_usec = now + (settles ? ROLL_BACK_USEC : w->order->timeout_usec),
        };
        memcpy(p->command.bdf, bdf, sizeof(bdf_t));
        if (!settles && deadline > 0 && deadline < p->command.deadline_usec)
                p->command.deadline_usec = deadline;
        p->phase = PHASE_RUNNING;
        p->next_usec = p->command.deadline_usec;
        w->progress_usec = now;
        return write(p->in, &p->command, sizeof(p->command)) == sizeof(p->command) ? 0 : -EIO;
}

/* A result that is not the transaction's own: it has no process any more, or never had one. */
static int print_result(struct worker *w, const char *bdf, enum bind_outcome outcome, enum finding_id id,
                        const char *detail, const struct process *stuck, char *stack)
{
        struct bind_result result = { .outcome = outcome, .pid = stuck ? stuck->pid : 0, .stack = stack };
        const struct device *d = device_facts_find(&w->host.devices, bdf);
        _cleanup_(bind_records_done) struct bind_records records = {};
        const struct bind_record *record;
        json_object *o;
        int r;

        if (stuck)
                result.seconds = (double) (clock_usec(CLOCK_BOOTTIME) - stuck->command.started_usec) / 1e6;
        r = findings_add(&result.findings, id, bdf, detail ? "%s" : NULL, detail);
        if (r >= 0)
                r = bind_records_read(&records, w->root, NULL);
        if (r >= 0) {
                record = bind_records_find(&records, bdf);
                if (record)
                        result.record = *record;
                o = bind_result_to_json(&result);
                if (!record && d)
                        json_object_object_add(o, "group", json_object_new_int(d->group));
                print(w->out, o);
        }
        result.record = (struct bind_record){}; /* the list has it */
        bind_result_done(&result);
        return r;
}

static char *read_stack(const struct root *root, pid_t pid)
{
        char path[sizeof("proc//stack") + 10], *text = NULL;

        snprintf(path, sizeof(path), "proc/%d/stack", pid);
        if (read_file_at(root->fd, path, STACK_MAX_SIZE, &text, NULL) >= 0)
                return text;
        /* Without the right to see the stack, the function in which it sleeps. */
        snprintf(path, sizeof(path), "proc/%d/wchan", pid);
        return read_line_at(root->fd, path, &text) >= 0 ? text : NULL;
}

/* The process is dead to itself: it has SIGKILL pending, and writes nothing any more. */
static int quarantine(struct worker *w, const char *bdf, const char *reason)
{
        _cleanup_(bind_records_done) struct bind_records records = {};
        const struct bind_record *found;
        int r = bind_records_read(&records, w->root, NULL);

        if (r < 0)
                return r;
        found = bind_records_find(&records, bdf);
        if (!found || (found->state != BIND_STATE_BINDING && found->state != BIND_STATE_RETURNING))
                return 0;
        r = journal_write(w->root, (struct bind_record *) found, BIND_STATE_QUARANTINED, reason);
        return r == -ENOMEM ? r : 0;
}

static int give_up(struct worker *w, struct process *p)
{
        char *stack = read_stack(w->root, p->pid), detail[200];
        int r;

        snprintf(detail, sizeof(detail), "process %d hangs in the kernel, in %.*s", p->pid,
                 stack ? (int) strcspn(stack, "\n") : 1, stack ?: "?");
        r = quarantine(w, p->command.bdf, detail);
        if (r >= 0)
                r = print_result(w, p->command.bdf, BIND_STUCK, FINDING_BIND_QUARANTINED, detail, p, stack);
        drop_process(w, p);
        return r;
}

/* It was killed, by us or by others, or had no memory: what it left is for another to settle. */
static int process_died(struct worker *w, struct process *p)
{
        struct command c = p->command;
        bool idle = p->phase == PHASE_IDLE;

        p->phase = PHASE_IDLE; /* its end is at hand */
        drop_process(w, p);
        if (idle)
                return 0;
        if (!c.settles && !w->order->order.dry_run && start_process(w) >= 0 &&
            command(w, &w->processes[w->n_processes - 1], c.bdf, true) >= 0)
                return 0;
        return print_result(w, c.bdf, BIND_FAILED, FINDING_BIND_FAILED,
                            "its process was killed, and what it left is not settled", NULL, NULL);
}

/* One line is there. */
static int command_done(struct worker *w, struct process *p)
{
        int r = 0;

        w->progress_usec = clock_usec(CLOCK_BOOTTIME);
        if (p->command.settles && w->order->order.operation != BIND_SETTLE)
                /* What was asked for did not come to pass, however well it was cleared up. */
                r = print_result(w, p->command.bdf, BIND_FAILED, FINDING_BIND_FAILED,
                                 "its process was killed; all is settled as far as the kernel lets it", NULL,
                                 NULL);
        else {
                fputs(p->text, w->out);
                fflush(w->out);
        }
        free(TAKE_PTR(p->text));
        p->size = 0;
        p->next_usec = UINT64_MAX;
        if (p->phase == PHASE_RUNNING && !p->command.settles) {
                p->phase = PHASE_IDLE;
                return r;
        }
        /* It was told to stop, and would stop whatever comes. */
        p->phase = PHASE_IDLE;
        drop_process(w, p);
        return r;
}

/* Something has to be done about a group whose time has come. */
static int act(struct worker *w, struct process *p, uint64_t now)
{
        if (p->phase == PHASE_KILLED)
                return give_up(w, p);
        if (p->phase == PHASE_ASKED && now >= p->command.deadline_usec + ROLL_BACK_USEC) {
                p->phase = PHASE_KILLED;
                p->next_usec = now + DIE_USEC;
                (void) kill(p->pid, SIGKILL);
                return 0;
        }
        if (p->phase == PHASE_RUNNING && now < p->command.deadline_usec)
                p->command.deadline_usec = now; /* asked to stop before its time */
        p->phase = PHASE_ASKED;
        p->next_usec = now + ASK_EVERY_USEC;
        (void) kill(p->pid, SIGTERM);
        return 0;
}

/* Reads what there is. Returns whether a line is whole, or -EPIPE where the process has ended. */
static int read_result(struct process *p)
{
        char buffer[4096], *text;
        ssize_t n = read(p->out, buffer, sizeof(buffer));

        if (n < 0)
                return errno == EINTR ? 0 : -EPIPE;
        if (n == 0 || p->size + (size_t) n > WORKER_LINE_MAX)
                return -EPIPE;
        text = realloc(p->text, p->size + (size_t) n + 1);
        if (!text)
                return -EPIPE;
        memcpy(text + p->size, buffer, (size_t) n);
        p->text = text;
        p->size += (size_t) n;
        text[p->size] = '\0';
        return text[p->size - 1] == '\n';
}

static int poll_timeout(const struct worker *w, uint64_t now)
{
        uint64_t next = w->n_started < w->n_groups ? w->progress_usec + SLOW_USEC : UINT64_MAX;

        for (size_t i = 0; i < w->n_processes; i++)
                if (w->processes[i].next_usec < next)
                        next = w->processes[i].next_usec;
        if (next == UINT64_MAX)
                return -1;
        return next <= now ? 0 : (int) ((next - now + USEC_PER_MSEC - 1) / USEC_PER_MSEC);
}

static int wait_for_results(struct worker *w)
{
        struct pollfd fds[WORKER_GROUPS_AT_ONCE];
        uint64_t now = clock_usec(CLOCK_BOOTTIME);
        int r = 0, timeout = poll_timeout(w, now);

        for (size_t i = 0; i < w->n_processes; i++)
                fds[i] = (struct pollfd){ .fd = w->processes[i].out, .events = POLLIN };
        if (poll(fds, w->n_processes, timeout) < 0) {
                if (errno != EINTR)
                        return -errno;
                for (size_t i = 0; i < w->n_processes; i++)
                        fds[i].revents = 0;
        }
        now = clock_usec(CLOCK_BOOTTIME);
        /* From the last, as one that is dropped gets the last one's place. */
        for (size_t i = w->n_processes; i-- > 0 && r >= 0;) {
                struct process *p = &w->processes[i];

                if (stopped && p->phase == PHASE_RUNNING && !p->command.settles)
                        p->next_usec = now;
                if (fds[i].revents) {
                        r = read_result(p);
                        r = r < 0 ? process_died(w, p) : r > 0 ? command_done(w, p) : 0;
                } else if (now >= p->next_usec)
                        r = act(w, p, now);
        }
        return r;
}

/* One function stands for its group; of groups that are named twice, one. */
static int find_groups(struct worker *w)
{
        const struct worker_order *o = w->order;
        _cleanup_(bind_records_done) struct bind_records records = {};
        size_t n = o->n_devices;
        int r = 0;

        if (o->order.operation == BIND_SETTLE) {
                r = bind_records_read(&records, w->root, NULL);
                n = records.n_records;
        }
        for (size_t i = 0; i < n && r >= 0; i++) {
                const char *bdf = o->order.operation == BIND_SETTLE ? records.records[i].members[0].bdf
                                                                    : o->devices[i];
                const struct device *d = device_facts_find(&w->host.devices, bdf);
                bool known = false;
                bdf_t *slot;

                for (size_t k = 0; k < w->n_groups && !known; k++) {
                        const struct device *other = device_facts_find(&w->host.devices, w->groups[k]);

                        known = streq(w->groups[k], bdf) ||
                                (d && other && d->group >= 0 && d->group == other->group);
                }
                if (known)
                        continue;
                slot = array_append(w->groups, w->n_groups);
                if (!slot)
                        return -ENOMEM;
                memcpy(*slot, bdf, sizeof(bdf_t));
        }
        return 0;
}

/* The drivers that will be wanted, one after another: mostly all are there. */
static void load_drivers(struct worker *w)
{
        const struct bind_order *order = &w->order->order;

        if (order->dry_run)
                return;
        if (order->driver)
                driver_load(w->root, order->driver);
        for (size_t i = 0; i < w->n_groups; i++) {
                const struct bind_record *record = bind_records_find(&w->host.binds, w->groups[i]);
                const struct device *d = device_facts_find(&w->host.devices, w->groups[i]);
                const struct iommu_group *g = d ? iommu_facts_find_group(&w->host.iommu, d->group) : NULL;

                for (size_t k = 0; record && order->operation != BIND_BIND && k < record->n_members; k++)
                        if (*record->members[k].before.driver)
                                driver_load(w->root, record->members[k].before.driver);
                for (size_t k = 0; g && order->operation == BIND_BIND && !order->driver && k < g->n_members;
                     k++)
                        if (g->members[k]->vfio_driver && !g->members[k]->driver_is_vfio)
                                driver_load(w->root, g->members[k]->vfio_driver);
        }
}

static struct process *find_idle(struct worker *w)
{
        for (size_t i = 0; i < w->n_processes; i++)
                if (w->processes[i].phase == PHASE_IDLE)
                        return &w->processes[i];
        return NULL;
}

static size_t count_cpus(void)
{
        cpu_set_t set;

        return sched_getaffinity(0, sizeof(set), &set) < 0 ? 1 : (size_t) CPU_COUNT(&set);
}

/* As many processes as processors; where a group takes its time, as one that waits for its device does, one
 * more. */
static int start_groups(struct worker *w, size_t n_cpus)
{
        int r = 0;

        while (r >= 0 && w->n_started < w->n_groups) {
                const char *bdf = w->groups[w->n_started];
                bool slow = clock_usec(CLOCK_BOOTTIME) >= w->progress_usec + SLOW_USEC;
                struct process *p = find_idle(w);

                if (!p &&
                    (w->n_processes == ELEMENTSOF(w->processes) || (w->n_processes >= n_cpus && !slow)))
                        return 0;
                w->n_started++;
                if (stopped) {
                        r = print_result(w, bdf, BIND_REFUSED, FINDING_BIND_BUSY, "stopped before it began",
                                         NULL, NULL);
                        continue;
                }
                if (!p) {
                        r = start_process(w);
                        if (r < 0)
                                return r;
                        p = &w->processes[w->n_processes - 1];
                }
                r = command(w, p, bdf, false);
        }
        return r;
}

static bool is_busy(const struct worker *w)
{
        for (size_t i = 0; i < w->n_processes; i++)
                if (w->processes[i].phase != PHASE_IDLE)
                        return true;
        return false;
}

static int run_groups(struct worker *w)
{
        size_t n_cpus = count_cpus();
        int r = 0;

        while (r >= 0 && (w->n_started < w->n_groups || is_busy(w))) {
                r = start_groups(w, n_cpus);
                if (r >= 0 && is_busy(w))
                        r = wait_for_results(w);
        }
        while (w->n_processes > 0)
                drop_process(w, &w->processes[w->n_processes - 1]);
        return r;
}

static int read_order(FILE *in, struct worker_order *ret, const char **why)
{
        _cleanup_free_ char *text = malloc(ORDER_MAX_SIZE + 1);
        size_t n;

        if (!text)
                return -ENOMEM;
        n = fread(text, 1, ORDER_MAX_SIZE, in);
        text[n] = '\0';
        *why = "it is too large, or has a NUL byte";
        return n == ORDER_MAX_SIZE || strlen(text) != n ? -EBADMSG : worker_order_parse(ret, text, why);
}

int worker_run(const struct root *root, FILE *in, FILE *out)
{
        struct worker_order order;
        struct worker w = { .root = root, .order = &order, .out = out };
        const char *why = NULL;
        char message[200];
        int r;

        catch_signals();
        r = read_order(in, &order, &why);
        if (r < 0) {
                snprintf(message, sizeof(message), "the order cannot be carried out: %s",
                         r == -EBADMSG ? why : strerror(-r));
                print_type(out, "error", message);
                return EXIT_FAILURE;
        }
        r = bind_host_read(&w.host, root, order.devices, order.n_devices);
        if (r >= 0) {
                r = find_groups(&w);
                if (r >= 0) {
                        load_drivers(&w);
                        r = run_groups(&w);
                }
                bind_host_done(&w.host);
        }
        free(w.groups);
        worker_order_done(&order);
        if (r < 0) {
                print_type(out, "error", strerror(-r));
                return EXIT_FAILURE;
        }
        print_type(out, "done", NULL);
        return EXIT_SUCCESS;
}
