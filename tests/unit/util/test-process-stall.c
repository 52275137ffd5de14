/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A process whose memory is a file of a file server that does not answer: what the kernel then does with
 * whoever reads of it in /proc is not made up. Other tests have a FIFO in its place. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "fuse-server.h"
#include "test.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/process-file.h"

#define PAGE KIB(4)
#define STRANGER 12345

/* What the process reports of itself. */
struct staller {
        bool is_there;
        pid_t pid, server;
        uintptr_t mapped;
};

/* The first page never comes; of the second the first try fails, so the kernel tries it again, and then
 * holds the lock of the process's memory. */
static ssize_t read_page(uint64_t offset, char *buffer, size_t size, void *userdata)
{
        bool *failed = userdata;

        (void) buffer, (void) size;
        if (offset != PAGE || *failed)
                return 0;
        *failed = true;
        return -EIO;
}

static void serve(int device)
{
        bool failed = false;
        const struct fuse_file file = { .size = 2 * PAGE, .read = read_page, .userdata = &failed };

        fuse_serve(device, &file);
}

static bool write_text(const char *path, const char *text)
{
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

        return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text);
}

/* In a user and mount namespace, as anybody can. Returns the server's pid, or -1. */
static pid_t mount_server(const char *dir)
{
        char user[32], group[32];
        _cleanup_close_ int device = -EBADF;
        pid_t server;

        snprintf(user, sizeof(user), "0 %u 1", geteuid());
        snprintf(group, sizeof(group), "0 %u 1", getegid());
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 || !write_text("/proc/self/setgroups", "deny") ||
            !write_text("/proc/self/uid_map", user) || !write_text("/proc/self/gid_map", group))
                return -1;
        device = fuse_mount(dir);
        if (device < 0)
                return -1;
        server = fork();
        if (server == 0) {
                /* Nobody else has the device: at this process's end the kernel answers what still waits. */
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                serve(device);
                _exit(0);
        }
        return server;
}

/* From the touch on, nobody in the process gets memory: both threads are there before it. */
static void *touch_page(void *page)
{
        usleep(100000);
        return (void *) (uintptr_t) * (volatile char *) page;
}

/* Waits to change the mappings, and all who want to read them wait behind it. */
static void *map_page(void *unused)
{
        (void) unused;
        usleep(300000);
        return mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Where the process's arguments are. */
static uintptr_t arguments_start(void)
{
        _cleanup_free_ char *text = NULL;
        unsigned long start = 0;
        const char *p;

        if (read_file_at(AT_FDCWD, "/proc/self/stat", KIB(64), &text, NULL) < 0)
                return 0;
        p = strrchr(text, ')');
        for (int field = 2; p && field < 48; field++) /* proc_pid_stat(5): arg_start is field 48 */
                p = strchr(p + 1, ' ');
        return p && sscanf(p, " %lu", &start) == 1 ? start : 0;
}

static void run_staller(const char *dir, int out)
{
        struct staller s = { .pid = getpid() };
        uintptr_t arguments = arguments_start() & ~(uintptr_t) (PAGE - 1);
        char path[4096], *page;
        pthread_t thread;
        int fd;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        s.server = mount_server(dir);
        snprintf(path, sizeof(path), "%s/file", dir);
        fd = s.server > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        page = fd < 0 ? MAP_FAILED : mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, PAGE);
        s.is_there = arguments && page != MAP_FAILED && madvise(page, PAGE, MADV_RANDOM) == 0 &&
                     mmap((void *) arguments, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) !=
                             MAP_FAILED &&
                     pthread_create(&thread, NULL, map_page, NULL) == 0 &&
                     pthread_create(&thread, NULL, touch_page, page) == 0;
        s.mapped = (uintptr_t) page;
        usleep(500000); /* both wait by now */
        (void) !write(out, &s, sizeof(s));
        for (;;)
                pause();
}

static struct staller start_staller(struct fixture *f)
{
        struct staller s = {};
        int ends[2];
        pid_t pid;

        fixture_write(f, "mnt/x", "");
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                run_staller(fixture_path(f, "mnt"), ends[1]);
        close(ends[1]);
        assert_int_equal(read(ends[0], &s, sizeof(s)), sizeof(s));
        close(ends[0]);
        return s;
}

static void stop_staller(const struct staller *s)
{
        if (s->server > 0)
                (void) kill(s->server, SIGKILL); /* first: nothing waits for it any more */
        (void) kill(s->pid, SIGKILL);
        assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
}

/* Whether whoever simply reads the file is still at it after a while. */
static bool stalls(pid_t pid, const char *name)
{
        char path[64], byte;
        pid_t reader = fork();
        int status;

        assert_true(reader >= 0);
        if (reader == 0) {
                int fd;

                snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
                fd = open(path, O_RDONLY | O_CLOEXEC);
                _exit(fd >= 0 && read(fd, &byte, 1) >= 0 ? 0 : 1);
        }
        usleep(300000);
        if (waitpid(reader, &status, WNOHANG) == reader)
                return false;
        (void) kill(reader, SIGKILL);
        assert_int_equal(waitpid(reader, NULL, 0), reader);
        return true;
}

/* Returns what came of it; it came in time. */
static int read_in_time(const struct root *root, const struct staller *s, const char *name, pid_t label)
{
        static const char *const words[] = { "x", NULL };
        const struct process p = { .pid = label, .uid = STRANGER };
        uint64_t start = clock_usec(CLOCK_MONOTONIC);
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *text = NULL;
        char path[32];
        struct statx st;
        size_t size;
        int r;

        snprintf(path, sizeof(path), "/proc/%d", s->pid);
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        process_round_begin(root); /* each has the whole time */
        if (startswith(name, "map_files/"))
                r = process_stat(root, &p, fd, name, &st);
        else if (streq(name, "maps"))
                r = process_grep(root, &p, fd, name, words, 100, &text, &size);
        else
                r = process_read_file(root, &p, fd, name, MIB(1), &text, &size);
        assert_ok(process_round_end(root, NULL));
        assert_true(clock_usec(CLOCK_MONOTONIC) - start < 5 * USEC_PER_SEC);
        return r;
}

static void test_stalled_memory(void **state)
{
        struct fixture *f = *state;
        struct staller s = start_staller(f);
        char link[64];
        struct root live;
        int r;

        if (!s.is_there) {
                stop_staller(&s);
                skip(); /* no user namespaces, or no /dev/fuse */
        }
        assert_ok(root_open(&live, NULL));
        assert_true(live.live);

        assert_true(stalls(s.pid, "cmdline"));
        assert_int_equal(read_in_time(&live, &s, "cmdline", 1), -ETIMEDOUT);
        assert_int_equal(read_in_time(&live, &s, "cmdline", 1), -ETIMEDOUT);
        /* From 6.17 on the kernel reads this without the lock that the process holds. */
        r = read_in_time(&live, &s, "maps", 2);
        assert_true(stalls(s.pid, "maps") ? r == -ETIMEDOUT : r == 0);
        snprintf(link, sizeof(link), "map_files/%lx-%lx", (unsigned long) s.mapped,
                 (unsigned long) (s.mapped + PAGE));
        r = read_in_time(&live, &s, link, 3);
        if (geteuid() == 0)
                assert_int_equal(r, -ETIMEDOUT);

        stop_staller(&s);
        /* The children that hung have ended as well, and others are read. */
        s.pid = getpid();
        assert_ok(read_in_time(&live, &s, "cmdline", 4));
        root_close(&live);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_stalled_memory, fixture_setup, fixture_teardown),
        };

        /* Who reads without a deadline waits until it is ended. */
        alarm(120);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
