/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "process-file.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "array.h"
#include "clock.h"
#include "file-observer.h"
#include "file.h"
#include "guarded-read.h"
#include "macro.h"
#include "memory.h"
#include "parse.h"

/* How long one process is waited for, and one that did not answer in an earlier round. */
#define WAIT_USEC USEC_PER_SEC
#define WAIT_AGAIN_USEC (20 * USEC_PER_MSEC)

/* How long all strangers are waited for in a round, and root's processes and libvirt's guests. What any
 * process takes at least is not counted, so a host may have as many as it likes. */
#define STRANGERS_USEC (2 * USEC_PER_SEC)
#define TRUSTED_USEC (5 * USEC_PER_SEC)
#define FREE_USEC (2 * USEC_PER_MSEC)

#define UNREAD_MAX 1024
#define ANSWER_MAX KIB(64) /* of process_run() */

struct process_reads {
        struct guarded_reader *reader;
        uint64_t waited[2]; /* for strangers, for trusted ones */
        struct unread_processes unread;
        size_t unasked_in_pass;
        pid_t *before; /* those that did not answer when they were asked last, in an earlier round */
        size_t n_before;
        pid_t *trusted;
        size_t n_trusted;
};

struct process_reads *process_reads_new(void)
{
        struct process_reads *reads = calloc(1, sizeof(*reads));

        if (!reads)
                return NULL;
        reads->reader = guarded_reader_new();
        if (!reads->reader)
                return process_reads_free(reads);
        return reads;
}

struct process_reads *process_reads_free(struct process_reads *reads)
{
        if (!reads)
                return NULL;
        guarded_reader_free(reads->reader);
        unread_processes_done(&reads->unread);
        free(reads->before);
        free(reads->trusted);
        free(reads);
        return NULL;
}

void unread_processes_done(struct unread_processes *u)
{
        for (size_t i = 0; i < u->n; i++)
                free(u->processes[i].command);
        free(u->processes);
        *u = (struct unread_processes){};
}

static bool has_pid(const pid_t *pids, size_t n, pid_t pid)
{
        for (size_t i = 0; i < n; i++)
                if (pids[i] == pid)
                        return true;
        return false;
}

static void remove_pid(pid_t *pids, size_t *n, pid_t pid)
{
        for (size_t i = 0; i < *n; i++)
                if (pids[i] == pid) {
                        pids[i] = pids[--*n];
                        return;
                }
}

static int add_pid(pid_t **pids, size_t *n, pid_t pid)
{
        pid_t *slot = array_append(*pids, *n);

        if (!slot)
                return -ENOMEM;
        *slot = pid;
        return 0;
}

void process_round_begin(const struct root *root)
{
        struct process_reads *reads;

        assert(root);

        reads = root->reads;
        for (size_t i = 0; i < reads->unread.n; i++) {
                pid_t pid = reads->unread.processes[i].pid;

                if (!has_pid(reads->before, reads->n_before, pid) && reads->n_before < UNREAD_MAX &&
                    add_pid(&reads->before, &reads->n_before, pid) < 0)
                        break; /* it is only waited for longer */
        }
        unread_processes_done(&reads->unread);
        memset(reads->waited, 0, sizeof(reads->waited));
        free(TAKE_PTR(reads->trusted));
        reads->n_trusted = 0;
}

static int add_unread(struct unread_processes *u, const struct root *root, pid_t pid, bool trusted)
{
        struct unread_process *slot;
        char path[sizeof("proc//comm") + 10];

        if (u->n >= UNREAD_MAX)
                return 0;
        for (size_t i = 0; i < u->n; i++)
                if (u->processes[i].pid == pid)
                        return 0;
        slot = array_append(u->processes, u->n);
        if (!slot)
                return -ENOMEM;
        slot->pid = pid;
        slot->trusted = trusted;
        snprintf(path, sizeof(path), "proc/%d/comm", pid);
        (void) read_line_at(root->fd, path, &slot->command); /* this never stalls */
        return 0;
}

/* A record cannot show who did not answer, so that is an answer in it: "UNASKED PID PID ...". */
#define QUESTION_UNREAD "processes-unread"

static void note_unread(const struct root *root, const struct unread_processes *u)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f;

        if (!file_is_observed())
                return;
        f = open_memstream(&text, &size);
        if (!f)
                return;
        fprintf(f, "%zu", u->n_unasked);
        for (size_t i = 0; i < u->n; i++)
                fprintf(f, " %d", u->processes[i].pid);
        if (memory_stream_close(f, &text) == 0)
                root_note(root, QUESTION_UNREAD, text);
}

static int read_recorded(const struct root *root, struct unread_processes *u)
{
        _cleanup_free_ char *answer = root_answer(root, QUESTION_UNREAD);
        char *save = NULL, *word = answer ? strtok_r(answer, " ", &save) : NULL;
        uint64_t number;

        if (!word || parse_u64(word, 10, &number) < 0)
                return 0;
        u->n_unasked = number;
        while ((word = strtok_r(NULL, " ", &save)))
                if (parse_u64(word, 10, &number) >= 0 && number <= INT32_MAX &&
                    add_unread(u, root, (pid_t) number, true) < 0)
                        return -ENOMEM;
        return 0;
}

static int copy_unread(const struct unread_processes *from, struct unread_processes *to)
{
        to->n_unasked = from->n_unasked;
        for (size_t i = 0; i < from->n; i++) {
                struct unread_process *slot = array_append(to->processes, to->n);

                if (!slot)
                        return -ENOMEM;
                slot->pid = from->processes[i].pid;
                slot->trusted = from->processes[i].trusted;
                if (from->processes[i].command)
                        slot->command = memory_note(strdup(from->processes[i].command));
        }
        return 0;
}

int process_round_end(const struct root *root, struct unread_processes *ret)
{
        _cleanup_(unread_processes_done) struct unread_processes u = {};
        int r;

        assert(root);

        guarded_reader_stop(root->reads->reader);
        if (root->live) {
                note_unread(root, &root->reads->unread);
                r = copy_unread(&root->reads->unread, &u);
        } else {
                r = read_recorded(root, &u);
        }
        if (r < 0)
                return r;
        if (ret)
                *ret = TAKE(u, (struct unread_processes){});
        return 0;
}

void process_trust(const struct root *root, pid_t pid)
{
        assert(root);

        /* Without memory it is a stranger, and asked later. */
        (void) add_pid(&root->reads->trusted, &root->reads->n_trusted, pid);
}

static struct process classify_process(const struct root *root, pid_t pid, uid_t uid)
{
        return (struct process){
                .pid = pid,
                .uid = uid,
                .trusted = !root->live || uid == 0 ||
                           has_pid(root->reads->trusted, root->reads->n_trusted, pid),
        };
}

/* The directory itself belongs to the effective user even where the kernel gives what is in it to root. */
struct process process_of(const struct root *root, pid_t pid, int fd)
{
        struct stat st;

        assert(root);

        return classify_process(root, pid, fstat(fd, &st) < 0 ? (uid_t) -1 : st.st_uid);
}

bool process_is_believed(const struct process *p)
{
        assert(p);

        return p->trusted || p->uid == geteuid();
}

static int compare_processes(const void *a, const void *b)
{
        const struct process *x = a, *y = b;

        return y->trusted - x->trusted ?: (x->pid > y->pid) - (x->pid < y->pid);
}

/* Of a thread of the kernel, of which a large host has thousands, and of a process that has ended the link
 * is there and leads nowhere. To read it waits for nobody. */
static bool runs_no_program(int proc, const char *pid)
{
        char path[32], target[1];
        struct stat st;

        snprintf(path, sizeof(path), "%.20s/exe", pid);
        return readlinkat(proc, path, target, sizeof(target)) < 0 && errno == ENOENT &&
               fstatat(proc, path, &st, AT_SYMLINK_NOFOLLOW) >= 0;
}

int process_list(const struct root *root, struct process **ret, size_t *ret_n)
{
        _cleanup_close_ int proc = -EBADF;
        _cleanup_(names_done) struct names names = {};
        _cleanup_free_ struct process *list = NULL;
        size_t n = 0;
        int r;

        assert(root);
        assert(ret);
        assert(ret_n);

        r = list_dir_at(root->fd, "proc", &names);
        if (r < 0)
                return r;
        proc = openat(root->fd, "proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        list = calloc(names.n + 1, sizeof(*list));
        if (!list)
                return -ENOMEM;
        for (size_t i = 0; i < names.n; i++) {
                struct stat st = { .st_uid = (uid_t) -1 };
                uint64_t pid;

                if (!isdigit((unsigned char) *names.names[i]) || parse_u64(names.names[i], 10, &pid) < 0 ||
                    pid > INT32_MAX || (root->live && runs_no_program(proc, names.names[i])))
                        continue;
                if (root->live)
                        (void) fstatat(proc, names.names[i], &st, AT_SYMLINK_NOFOLLOW);
                list[n++] = classify_process(root, (pid_t) pid, st.st_uid);
        }
        qsort(list, n, sizeof(*list), compare_processes);
        root->reads->unasked_in_pass = 0;
        *ret = TAKE_PTR(list);
        *ret_n = n;
        return 0;
}

bool process_is_unread(int r)
{
        return r == -ETIMEDOUT || r == -EBUSY || r == -ECONNRESET;
}

/* Returns how long processes of this kind may still be waited for in all; 0: there is no time left, and that
 * is noted. */
static uint64_t time_left(struct process_reads *reads, const struct process *p)
{
        uint64_t all = p->trusted ? TRUSTED_USEC : STRANGERS_USEC, waited = reads->waited[p->trusted];

        /* What is left has to be worth asking, or each process would get the time that is free. */
        if (waited + WAIT_AGAIN_USEC <= all)
                return all - waited;
        if (++reads->unasked_in_pass > reads->unread.n_unasked)
                reads->unread.n_unasked = reads->unasked_in_pass;
        return 0;
}

/* Sets how long the process may be waited for now. Returns 0, -ETIMEDOUT or -EBUSY. */
static int grant_time(struct process_reads *reads, const struct process *p, uint64_t *ret)
{
        uint64_t left;

        for (size_t i = 0; i < reads->unread.n; i++)
                if (reads->unread.processes[i].pid == p->pid)
                        return -ETIMEDOUT;
        left = time_left(reads, p);
        if (left == 0)
                return -EBUSY;
        *ret = has_pid(reads->before, reads->n_before, p->pid) ? WAIT_AGAIN_USEC : WAIT_USEC;
        if (*ret > left)
                *ret = left;
        return 0;
}

static void spend_time(const struct root *root, const struct process *p, uint64_t start)
{
        uint64_t took = clock_usec(CLOCK_MONOTONIC) - start;

        if (took > FREE_USEC)
                root->reads->waited[p->trusted] += took - FREE_USEC;
}

/* r: what reading gave, which began at `start`. Returns it. */
static int settle_read(const struct root *root, const struct process *p, int fd, const char *name,
                       uint64_t start, int r)
{
        spend_time(root, p, start);
        if (process_is_unread(r)) {
                if (add_unread(&root->reads->unread, root, p->pid, p->trusted) < 0)
                        return -ENOMEM;
                return r;
        }
        remove_pid(root->reads->before, &root->reads->n_before, p->pid);
        return file_report_denied(fd, name, r);
}

/* The descriptor is only for the observer to see where the file is. */
static void report_read(enum file_kind kind, int dirfd, const char *name, const char *text, size_t size)
{
        _cleanup_close_ int fd = -EBADF;

        if (!file_is_observed())
                return;
        fd = openat(dirfd, name, O_PATH | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0)
                file_report_opened(kind, dirfd, name, fd, text, size);
}

int process_read_private(const struct root *root, const struct process *p, int fd, const char *name,
                         size_t max, char **ret, size_t *ret_size)
{
        uint64_t start = clock_usec(CLOCK_MONOTONIC), usec;
        int r;

        assert(root);
        assert(p);
        assert(name);
        assert(ret);
        assert(ret_size);

        if (!root->live) {
                _cleanup_close_ int file = openat(fd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);

                return file < 0 ? -errno : read_fd(file, max, ret, ret_size);
        }
        r = grant_time(root->reads, p, &usec);
        if (r < 0)
                return r;
        r = guarded_read(root->reads->reader, usec, fd, name, max, ret, ret_size);
        return settle_read(root, p, fd, name, start, r);
}

int process_read_file(const struct root *root, const struct process *p, int fd, const char *name, size_t max,
                      char **ret, size_t *ret_size)
{
        int r;

        assert(root);

        if (!root->live)
                return read_file_at(fd, name, max, ret, ret_size);
        r = process_read_private(root, p, fd, name, max, ret, ret_size);
        if (r < 0)
                return r;
        report_read(FILE_CONTENT, fd, name, *ret, *ret_size);
        return 0;
}

/* Keeps the first max lines, and returns how many there were besides. */
static size_t cut_lines(char *text, size_t max)
{
        char *p = text;
        size_t more = 0;

        for (size_t i = 0; i < max && *p; i++) {
                p += strcspn(p, "\n");
                p += *p == '\n';
        }
        for (const char *rest = p; *rest; more++) {
                rest += strcspn(rest, "\n");
                rest += *rest == '\n';
        }
        *p = '\0';
        return more;
}

static int grep_live(const struct root *root, const struct process *p, int fd, const char *name,
                     const char *const words[], size_t max_lines, char **ret, size_t *ret_size,
                     size_t *ret_more)
{
        uint64_t start = clock_usec(CLOCK_MONOTONIC), usec;
        int r;

        r = grant_time(root->reads, p, &usec);
        if (r < 0)
                return r;
        r = guarded_grep(root->reads->reader, usec, fd, name, words, max_lines, ret, ret_size, ret_more);
        return settle_read(root, p, fd, name, start, r);
}

int process_grep(const struct root *root, const struct process *p, int fd, const char *name,
                 const char *const words[], size_t max_lines, char **ret, size_t *ret_more)
{
        size_t size;
        int r;

        assert(root);
        assert(p);
        assert(name);
        assert(words);
        assert(ret);
        assert(ret_more);

        if (!root->live) {
                r = grep_file_at(fd, name, words, ret);
                if (r < 0)
                        return r;
                *ret_more = cut_lines(*ret, max_lines);
                return 0;
        }
        r = grep_live(root, p, fd, name, words, max_lines, ret, &size, ret_more);
        if (r < 0)
                return r;
        report_read(FILE_EXCERPT, fd, name, *ret, size);
        return 0;
}

int process_grep_private(const struct root *root, const struct process *p, int fd, const char *name,
                         const char *const words[], size_t max_lines, char **ret, size_t *ret_more)
{
        size_t size;

        assert(root && root->live);
        assert(p);
        assert(name);
        assert(words);
        assert(ret);
        assert(ret_more);

        return grep_live(root, p, fd, name, words, max_lines, ret, &size, ret_more);
}

int process_stat(const struct root *root, const struct process *p, int fd, const char *name,
                 struct statx *ret)
{
        uint64_t start = clock_usec(CLOCK_MONOTONIC), usec;
        int r;

        assert(root);
        assert(p);
        assert(name);
        assert(ret);

        if (!root->live)
                return -EOPNOTSUPP;
        r = grant_time(root->reads, p, &usec);
        if (r < 0)
                return r;
        r = guarded_stat(root->reads->reader, usec, fd, name, ret);
        return settle_read(root, p, fd, name, start, r);
}

int process_run(const struct root *root, const struct process *p, int dirfd, guarded_function_t f,
                void *userdata, char **ret, size_t *ret_size)
{
        uint64_t start = clock_usec(CLOCK_MONOTONIC), usec;
        int r;

        assert(root && root->live);
        assert(p);
        assert(f);
        assert(ret);
        assert(ret_size);

        r = grant_time(root->reads, p, &usec);
        if (r < 0)
                return r;
        r = guarded_run(root->reads->reader, usec, dirfd, f, userdata, ANSWER_MAX, ret, ret_size);
        return settle_read(root, p, -EBADF, "", start, r);
}

int process_time_begin(const struct root *root, const struct process *p, struct process_time *ret)
{
        uint64_t left;

        assert(root);
        assert(p);
        assert(ret);

        *ret = (struct process_time){ clock_usec(CLOCK_MONOTONIC), UINT64_MAX };
        if (!root->live || p->trusted)
                return 0;
        left = time_left(root->reads, p);
        if (left == 0)
                return -EBUSY;
        ret->end = ret->start + (left < WAIT_USEC ? left : WAIT_USEC);
        return 0;
}

bool process_time_is_over(const struct process_time *t)
{
        assert(t);

        return t->end != UINT64_MAX && clock_usec(CLOCK_MONOTONIC) >= t->end;
}

int process_time_end(const struct root *root, const struct process *p, const struct process_time *t, int r)
{
        assert(root);
        assert(p);
        assert(t);

        if (t->end == UINT64_MAX)
                return r;
        spend_time(root, p, t->start);
        if (r == -ETIMEDOUT && add_unread(&root->reads->unread, root, p->pid, p->trusted) < 0)
                return -ENOMEM;
        return r;
}
