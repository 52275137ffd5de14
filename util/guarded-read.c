/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guarded-read.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "array.h"
#include "clock.h"
#include "descriptor-pass.h"
#include "file.h"
#include "macro.h"
#include "memory.h"

/* The longest line of /proc/PID/maps is a path of 4096 bytes, each of which may be escaped as "\012". */
#define INPUT_SIZE KIB(256)
#define OUTPUT_SIZE (FILE_MAX_SIZE + 1)

enum request_type {
        REQUEST_READ,
        REQUEST_GREP,
        REQUEST_STAT,
};

struct request {
        enum request_type type;
        size_t max; /* bytes, or lines */
        char name[GUARDED_NAME_MAX];
        char words[GUARDED_WORDS_MAX][GUARDED_WORD_MAX];
        size_t n_words;
};

/* Followed by `size` bytes. */
struct reply {
        int result;
        size_t size, more;
        struct statx stat;
};

struct guarded_reader {
        pid_t pid;    /* 0: there is no child */
        int socket;   /* to the child */
        pid_t *dying; /* children that were killed and are not reaped yet */
        size_t n_dying;
};

/* The child. It shares the memory of a program that may have had other threads, one of which may have held a
 * lock at the fork, so it does nothing but system calls and searches in memory of its own. */
struct child {
        int socket;
        char *input, *output;
};

static int child_open(int dirfd, const char *name)
{
        int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW);

        return fd < 0 ? -errno : fd;
}

static ssize_t read_some(int fd, char *buffer, size_t size)
{
        ssize_t n;

        do
                n = read(fd, buffer, size);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : n;
}

static int child_read(struct child *c, int fd, const struct request *request, struct reply *reply)
{
        for (;;) {
                ssize_t n = read_some(fd, c->output + reply->size, request->max + 1 - reply->size);

                if (n < 0)
                        return (int) n;
                if (n == 0)
                        return 0;
                reply->size += (size_t) n;
                if (reply->size > request->max)
                        return -EFBIG;
        }
}

static int child_add_line(struct child *c, const char *line, size_t n, const struct request *request,
                          size_t *lines, struct reply *reply)
{
        if (*lines == request->max || reply->size + n > OUTPUT_SIZE) {
                reply->more++;
                return 0;
        }
        memcpy(c->output + reply->size, line, n);
        reply->size += n;
        (*lines)++;
        return 0;
}

/* Takes the lines with one of the words out of the input, which ends where a line does. */
static void child_grep_block(struct child *c, size_t size, const struct request *request, size_t *lines,
                             struct reply *reply)
{
        const char *next[GUARDED_WORDS_MAX] = {},
                   *end = c->input + size; /* next: where each word comes next */

        for (const char *from = c->input; from < end;) {
                const char *first = end, *begin, *newline;

                for (size_t i = 0; i < request->n_words; i++) {
                        const char *word = request->words[i];

                        if (!next[i] || next[i] < from)
                                next[i] = memmem(from, (size_t) (end - from), word, strlen(word)) ?: end;
                        if (next[i] < first)
                                first = next[i];
                }
                if (first == end)
                        return;
                begin = memrchr(from, '\n', (size_t) (first - from));
                begin = begin ? begin + 1 : from;
                newline = memchr(first, '\n', (size_t) (end - first));
                from = newline ? newline + 1 : end;
                child_add_line(c, begin, (size_t) (from - begin), request, lines, reply);
        }
}

static int child_grep(struct child *c, int fd, const struct request *request, struct reply *reply)
{
        size_t size = 0, lines = 0;

        for (;;) {
                ssize_t n = read_some(fd, c->input + size, INPUT_SIZE - size);
                const char *newline;
                size_t whole;

                if (n < 0)
                        return (int) n;
                if (n == 0)
                        break;
                size += (size_t) n;
                newline = memrchr(c->input, '\n', size);
                whole = newline ? (size_t) (newline + 1 - c->input) : 0;
                if (whole == 0 && size == INPUT_SIZE) /* not a text that we know */
                        whole = size;
                child_grep_block(c, whole, request, &lines, reply);
                size -= whole;
                memmove(c->input, c->input + whole, size);
        }
        child_grep_block(c, size, request, &lines, reply);
        return 0;
}

static int child_answer(struct child *c, int dirfd, const struct request *request, struct reply *reply)
{
        int fd, r;

        if (request->type == REQUEST_STAT)
                return statx(dirfd, request->name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_BASIC_STATS,
                             &reply->stat) < 0
                               ? -errno
                               : 0;
        fd = child_open(dirfd, request->name);
        if (fd < 0)
                return fd;
        r = request->type == REQUEST_READ ? child_read(c, fd, request, reply)
                                          : child_grep(c, fd, request, reply);
        close(fd);
        return r;
}

static int send_all(int fd, const void *bytes, size_t size)
{
        for (const char *p = bytes; size > 0;) {
                ssize_t n = send(fd, p, size, MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p += n;
                size -= (size_t) n;
        }
        return 0;
}

/* Each request comes with the descriptor of its directory. Returns that. */
static int child_receive(struct child *c, struct request *ret)
{
        int fd, r;

        r = descriptor_receive(c->socket, ret, sizeof(*ret), &fd);
        return r < 0 ? r : fd;
}

static char *child_map(size_t size)
{
        void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                       0);

        return p == MAP_FAILED ? NULL : p;
}

/* Serves until the other end is closed. */
static void child_serve(struct child *c)
{
        for (;;) {
                struct request request;
                struct reply reply = {};
                int dirfd = child_receive(c, &request);

                if (dirfd < 0)
                        return;
                reply.result = child_answer(c, dirfd, &request, &reply);
                close(dirfd);
                if (reply.result < 0)
                        reply.size = 0;
                if (send_all(c->socket, &reply, sizeof(reply)) < 0 ||
                    send_all(c->socket, c->output, reply.size) < 0)
                        return;
                if (reply.size > MIB(1))
                        (void) madvise(c->output, OUTPUT_SIZE, MADV_DONTNEED);
        }
}

/* Moves these descriptors to the numbers 0 and 1, and keeps nothing else of ours open: a child that cannot
 * be killed would hold it. */
static bool child_detach(int first, int second, pid_t parent)
{
        _cleanup_close_ int a = fcntl(first, F_DUPFD_CLOEXEC, 2), b = fcntl(second, F_DUPFD_CLOEXEC, 2);
        sigset_t none;

        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        for (int i = 1; i < NSIG; i++)
                (void) signal(i, SIG_DFL);
        return prctl(PR_SET_PDEATHSIG, SIGKILL) >= 0 && getppid() == parent && dup2(a, 0) >= 0 &&
               dup2(b, 1) >= 0 && syscall(SYS_close_range, 2, ~0U, 0) >= 0;
}

_Noreturn static void child_run(int socket, pid_t parent)
{
        struct child c = { .socket = 0 };

        if (!child_detach(socket, socket, parent))
                _exit(EXIT_FAILURE);
        close(1);
        c.input = child_map(INPUT_SIZE);
        c.output = child_map(OUTPUT_SIZE);
        if (c.input && c.output)
                child_serve(&c);
        _exit(EXIT_SUCCESS);
}

struct guarded_reader *guarded_reader_new(void)
{
        struct guarded_reader *g = calloc(1, sizeof(*g));

        if (g)
                g->socket = -EBADF;
        return g;
}

static void reap_dying(struct guarded_reader *g)
{
        size_t n = 0;

        for (size_t i = 0; i < g->n_dying; i++)
                if (waitpid(g->dying[i], NULL, WNOHANG) == 0)
                        g->dying[n++] = g->dying[i];
        g->n_dying = n;
}

/* Kills a child without waiting for its end, which may never come. */
static void kill_child(struct guarded_reader *g, pid_t pid)
{
        pid_t *slot;

        (void) kill(pid, SIGKILL);
        if (waitpid(pid, NULL, WNOHANG) != 0)
                return;
        slot = array_append(g->dying, g->n_dying);
        if (slot)
                *slot = pid;
}

static void abandon_child(struct guarded_reader *g)
{
        if (g->pid == 0)
                return;
        close(TAKE_FD(g->socket));
        kill_child(g, TAKE(g->pid, 0));
}

void guarded_reader_stop(struct guarded_reader *g)
{
        assert(g);

        if (g->pid != 0) {
                /* It has answered, so it waits for us and dies at once. */
                close(TAKE_FD(g->socket));
                (void) kill(g->pid, SIGKILL);
                while (waitpid(g->pid, NULL, 0) < 0 && errno == EINTR)
                        ;
                g->pid = 0;
        }
        reap_dying(g);
}

struct guarded_reader *guarded_reader_free(struct guarded_reader *g)
{
        if (!g)
                return NULL;
        guarded_reader_stop(g);
        free(g->dying);
        free(g);
        return NULL;
}

static int start_child(struct guarded_reader *g)
{
        const pid_t parent = getpid();
        int pair[2];

        reap_dying(g);
        if (g->pid != 0)
                return 0;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        g->pid = fork();
        if (g->pid == 0)
                child_run(pair[1], parent);
        close(pair[1]);
        if (g->pid < 0) {
                int r = -errno;

                g->pid = 0;
                close(pair[0]);
                return r;
        }
        g->socket = pair[0];
        return 0;
}

/* Receives until the buffer is full or the other end is closed; *ret is how much came. Returns 0, -ETIMEDOUT
 * or -ECONNRESET. */
static int receive_until(int fd, char *buffer, size_t size, uint64_t deadline, size_t *ret)
{
        size_t have = 0;

        while (have < size) {
                struct pollfd pollfd = { .fd = fd, .events = POLLIN };
                uint64_t now = clock_usec(CLOCK_MONOTONIC);
                ssize_t n = recv(fd, buffer + have, size - have, MSG_DONTWAIT);

                if (n == 0)
                        break;
                if (n > 0) {
                        have += (size_t) n;
                        continue;
                }
                if (errno != EAGAIN && errno != EINTR)
                        return -ECONNRESET;
                if (now >= deadline)
                        return -ETIMEDOUT;
                (void) poll(&pollfd, 1, (int) ((deadline - now + USEC_PER_MSEC - 1) / USEC_PER_MSEC));
        }
        *ret = have;
        return 0;
}

/* Returns 0, -ETIMEDOUT, or -ECONNRESET where the child has ended. */
static int receive_bytes(struct guarded_reader *g, void *bytes, size_t size, uint64_t deadline)
{
        size_t have;
        int r;

        r = receive_until(g->socket, bytes, size, deadline, &have);
        if (r < 0)
                return r;
        return have == size ? 0 : -ECONNRESET;
}

/* The bytes are the caller's to free, and terminated with NUL. */
static int exchange_messages(struct guarded_reader *g, uint64_t usec, int dirfd, struct request *request,
                             struct reply *reply, char **ret)
{
        uint64_t deadline = clock_usec(CLOCK_MONOTONIC) + usec;
        _cleanup_free_ char *text = NULL;
        int r;

        /* The child waits for it, and the buffer is empty: all of it fits. */
        if (descriptor_send(g->socket, request, sizeof(*request), dirfd) < 0)
                return -ECONNRESET;
        r = receive_bytes(g, reply, sizeof(*reply), deadline);
        if (r < 0)
                return r;
        if (reply->size > OUTPUT_SIZE)
                return -ECONNRESET;
        text = memory_note(malloc(reply->size + 1));
        if (!text)
                return -ENOMEM;
        r = receive_bytes(g, text, reply->size, deadline);
        if (r < 0)
                return r;
        text[reply->size] = '\0';
        *ret = TAKE_PTR(text);
        return 0;
}

static int ask_child(struct guarded_reader *g, uint64_t usec, int dirfd, const char *name,
                     struct request *request, struct reply *reply, char **ret)
{
        int r;

        assert(strlen(name) < sizeof(request->name));

        strcpy(request->name, name);
        r = start_child(g);
        if (r < 0)
                return r;
        r = exchange_messages(g, usec, dirfd, request, reply, ret);
        if (r < 0) {
                /* What comes next from this child would answer the wrong question. */
                abandon_child(g);
                return r;
        }
        if (reply->result < 0) {
                free(TAKE_PTR(*ret));
                return reply->result;
        }
        return 0;
}

int guarded_read(struct guarded_reader *g, uint64_t usec, int dirfd, const char *name, size_t max,
                 char **ret, size_t *ret_size)
{
        struct request request = { .type = REQUEST_READ, .max = max };
        struct reply reply;
        char *text;
        int r;

        assert(g);
        assert(name);
        assert(max <= FILE_MAX_SIZE);
        assert(ret);
        assert(ret_size);

        r = ask_child(g, usec, dirfd, name, &request, &reply, &text);
        if (r < 0)
                return r;
        *ret = text;
        *ret_size = reply.size;
        return 0;
}

int guarded_grep(struct guarded_reader *g, uint64_t usec, int dirfd, const char *name,
                 const char *const words[], size_t max_lines, char **ret, size_t *ret_size, size_t *ret_more)
{
        struct request request = { .type = REQUEST_GREP, .max = max_lines };
        struct reply reply;
        char *text;
        int r;

        assert(g);
        assert(name);
        assert(words);
        assert(ret);
        assert(ret_size);
        assert(ret_more);

        for (; words[request.n_words]; request.n_words++) {
                const char *word = words[request.n_words];

                assert(request.n_words < GUARDED_WORDS_MAX);
                assert(strlen(word) < GUARDED_WORD_MAX);
                strcpy(request.words[request.n_words], word);
        }
        r = ask_child(g, usec, dirfd, name, &request, &reply, &text);
        if (r < 0)
                return r;
        *ret = text;
        *ret_size = reply.size;
        *ret_more = reply.more;
        return 0;
}

int guarded_stat(struct guarded_reader *g, uint64_t usec, int dirfd, const char *name, struct statx *ret)
{
        struct request request = { .type = REQUEST_STAT };
        _cleanup_free_ char *text = NULL;
        struct reply reply;
        int r;

        assert(g);
        assert(name);
        assert(ret);

        r = ask_child(g, usec, dirfd, name, &request, &reply, &text);
        if (r < 0)
                return r;
        *ret = reply.stat;
        return 0;
}

_Noreturn static void child_call(int out, int dirfd, pid_t parent, guarded_function_t f, void *userdata)
{
        if (!child_detach(out, dirfd, parent))
                _exit(EXIT_FAILURE);
        f(1, userdata, 0);
        _exit(EXIT_SUCCESS);
}

int guarded_run(struct guarded_reader *g, uint64_t usec, int dirfd, guarded_function_t f, void *userdata,
                size_t max, char **ret, size_t *ret_size)
{
        uint64_t deadline = clock_usec(CLOCK_MONOTONIC) + usec;
        _cleanup_free_ char *buffer = NULL;
        const pid_t parent = getpid();
        int pair[2], r;
        size_t size = 0;
        char *shorter;
        pid_t pid;

        assert(g);
        assert(f);
        assert(ret);
        assert(ret_size);

        reap_dying(g);
        buffer = memory_note(malloc(max + 1));
        if (!buffer)
                return -ENOMEM;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        pid = fork();
        if (pid == 0)
                child_call(pair[1], dirfd, parent, f, userdata);
        r = pid < 0 ? -errno : 0;
        close(pair[1]);
        if (r == 0) {
                r = receive_until(pair[0], buffer, max, deadline, &size);
                kill_child(g, pid);
                if (r == 0 && size == 0)
                        r = -ECONNRESET;
        }
        close(pair[0]);
        if (r < 0)
                return r;
        buffer[size] = '\0';
        shorter = realloc(buffer, size + 1);
        if (shorter)
                buffer = shorter;
        *ret = TAKE_PTR(buffer);
        *ret_size = size;
        return 0;
}
