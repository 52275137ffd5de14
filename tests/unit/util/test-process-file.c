/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/process-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#include "fixture.h"
#include "test.h"
#include "util/clock.h"
#include "util/file-observer.h"
#include "util/macro.h"

#define STRANGER 12345

/* A file that never answers whoever opens it. */
static void make_stall(struct fixture *f, const char *path)
{
        assert_int_equal(mkfifo(fixture_path(f, path), 0600), 0);
}

static int open_process(struct fixture *f, pid_t pid, struct process *ret)
{
        char path[32];
        int fd;

        snprintf(path, sizeof(path), "proc/%d", pid);
        fd = openat(f->root.fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        *ret = process_of(&f->root, pid, fd);
        return fd;
}

static int read_maps(struct fixture *f, pid_t pid)
{
        _cleanup_free_ char *text = NULL;
        struct process p;
        _cleanup_close_ int fd = open_process(f, pid, &p);
        size_t size;

        return process_read_file(&f->root, &p, fd, "maps", 1U << 20, &text, &size);
}

static int setup(void **state)
{
        int r = fixture_setup(state);

        ((struct fixture *) *state)->root.live = true;
        return r;
}

static void test_read(void **state)
{
        struct fixture *f = *state;
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int fd = -EBADF;
        struct process p;
        size_t size = 0;

        fixture_write_bytes(f, "proc/7/cmdline", "a\0b", 4);
        fd = open_process(f, 7, &p);
        process_round_begin(&f->root);
        assert_ok(process_read_file(&f->root, &p, fd, "cmdline", 4, &text, &size));
        assert_int_equal(size, 4);
        assert_memory_equal(text, "a\0b", 4);
        assert_int_equal(process_read_file(&f->root, &p, fd, "cmdline", 3, &text, &size), -EFBIG);
        assert_int_equal(process_read_file(&f->root, &p, fd, "environ", 3, &text, &size), -ENOENT);
        fixture_link(f, "proc/7/maps", "cmdline");
        assert_int_equal(process_read_file(&f->root, &p, fd, "maps", 3, &text, &size), -ELOOP);
        assert_ok(process_round_end(&f->root, NULL));
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* the child is gone */
        assert_int_equal(errno, ECHILD);
}

/* Lines that lie across the reader's blocks, and one that is longer than a block. */
static void test_grep(void **state)
{
        static const char *const words[] = { "needle", "pin", NULL };
        struct fixture *f = *state;
        _cleanup_free_ char *file = calloc(1, MIB(4)), *text = NULL;
        _cleanup_close_ int fd = -EBADF;
        struct process p;
        size_t size = 0, more, expected = 0;

        assert_non_null(file);
        for (int i = 0; i < 20000; i++) {
                int n = sprintf(file + size, "%d %s\n", i,
                                i % 10 ? "just hay that is passed over" : "a pin");

                if (i % 10 == 0)
                        expected += (size_t) n;
                size += (size_t) n;
        }
        memset(file + size, 'x', MIB(1));
        size += MIB(1);
        size += (size_t) sprintf(file + size, "\nthe needle");
        expected += strlen("the needle");
        fixture_write_bytes(f, "proc/7/maps", file, size);
        fd = open_process(f, 7, &p);
        process_round_begin(&f->root);
        assert_ok(process_grep(&f->root, &p, fd, "maps", words, 5000, &text, &more));
        assert_int_equal(more, 0);
        assert_int_equal(strlen(text), expected);
        assert_non_null(strstr(text, "\n19990 a pin\nthe needle"));
        free(TAKE_PTR(text));

        /* The rest is counted, on a recorded host as well */
        for (int live = 0; live < 2; live++) {
                f->root.live = live;
                assert_ok(process_grep(&f->root, &p, fd, "maps", words, 2, &text, &more));
                assert_string_equal(text, "0 a pin\n10 a pin\n");
                assert_int_equal(more, 1999);
                free(TAKE_PTR(text));
        }
        assert_ok(process_round_end(&f->root, NULL));
}

/* One process that never answers costs a second, and once; the others are read. */
static void test_stall(void **state)
{
        struct fixture *f = *state;
        struct unread_processes u;
        uint64_t start;

        fixture_write(f, "proc/7/comm", "staller\n");
        make_stall(f, "proc/7/maps");
        fixture_write(f, "proc/8/maps", "maps\n");
        for (int round = 0; round < 2; round++) {
                start = clock_usec(CLOCK_MONOTONIC);
                process_round_begin(&f->root);
                assert_int_equal(read_maps(f, 7), -ETIMEDOUT);
                assert_int_equal(read_maps(f, 7), -ETIMEDOUT);
                assert_ok(read_maps(f, 8));
                assert_ok(process_round_end(&f->root, &u));
                /* It is known in the second round. */
                assert_true(clock_usec(CLOCK_MONOTONIC) - start <
                            test_slower() * (round ? 900 : 1900) * USEC_PER_MSEC);
                assert_int_equal(u.n, 1);
                assert_int_equal(u.processes[0].pid, 7);
                assert_string_equal(u.processes[0].command, "staller");
                assert_int_equal(u.n_unasked, 0);
                unread_processes_done(&u);
        }
}

/* Many of them cost no more than the time for all strangers. Root's come first, and have a time of their
 * own.
 */
static void test_many(void **state)
{
        struct fixture *f = *state;
        _cleanup_free_ struct process *list = NULL;
        struct unread_processes u;
        char path[64];
        size_t n;

        if (geteuid() != 0)
                skip();
        for (int pid = 10; pid < 30; pid++) {
                snprintf(path, sizeof(path), "proc/%d/comm", pid);
                fixture_write(f, path, "staller\n");
                snprintf(path, sizeof(path), "proc/%d/maps", pid);
                make_stall(f, path);
                snprintf(path, sizeof(path), "proc/%d", pid);
                assert_int_equal(chown(fixture_path(f, path), STRANGER, STRANGER), 0);
        }
        fixture_write(f, "proc/40/maps", "root's\n");
        fixture_write(f, "proc/50/maps", "a guest's\n");
        assert_int_equal(chown(fixture_path(f, "proc/50"), STRANGER, STRANGER), 0);

        process_round_begin(&f->root);
        process_trust(&f->root, 50);
        assert_ok(process_list(&f->root, &list, &n));
        assert_int_equal(n, 22);
        assert_int_equal(list[0].pid, 40);
        assert_int_equal(list[1].pid, 50);
        assert_int_equal(list[2].pid, 10);
        assert_int_equal(list[2].uid, STRANGER);
        assert_true(list[1].trusted && !list[2].trusted);
        for (size_t i = 2; i < n; i++)
                assert_true(process_is_unread(read_maps(f, list[i].pid)));
        assert_ok(read_maps(f, 40));
        assert_ok(read_maps(f, 50));
        assert_ok(process_round_end(&f->root, &u));
        /* One each second for two seconds; fewer where this process waits for its processor. */
        assert_true(u.n >= 1 && u.n <= 4);
        assert_int_equal(u.n + u.n_unasked, 20);
        unread_processes_done(&u);
}

static bool is_listed(const struct root *root, pid_t pid)
{
        _cleanup_free_ struct process *list = NULL;
        size_t n;

        assert_ok(process_list(root, &list, &n));
        for (size_t i = 0; i < n; i++)
                if (list[i].pid == pid)
                        return true;
        return false;
}

/* Threads of the kernel run no program, nor does a process that has ended: that is what a test can make. */
static void test_runs_no_program(void **state)
{
        _cleanup_(root_close) struct root live = { .fd = -EBADF };
        siginfo_t info;
        pid_t child;

        (void) state;
        assert_ok(root_open(&live, NULL));
        child = fork();
        if (child == 0)
                _exit(0);
        assert_true(child > 0);
        assert_int_equal(waitid(P_PID, (id_t) child, &info, WEXITED | WNOWAIT), 0);
        assert_false(is_listed(&live, child));
        assert_true(is_listed(&live, getpid()));
        assert_int_equal(waitpid(child, NULL, 0), child);
}

/* What is read without a child: it takes of the same time, and of root's processes all that there is. */
static void test_time(void **state)
{
        struct fixture *f = *state;
        struct process stranger = { .pid = 7, .uid = STRANGER }, other = { .pid = 8, .uid = STRANGER },
                       roots = { .pid = 9, .trusted = true };
        struct process_time t;
        struct unread_processes u;

        process_round_begin(&f->root);
        for (int i = 0; i < 2; i++) {
                uint64_t start = clock_usec(CLOCK_MONOTONIC);

                assert_ok(process_time_begin(&f->root, i ? &other : &stranger, &t));
                assert_false(process_time_is_over(&t));
                while (!process_time_is_over(&t))
                        assert_true(clock_usec(CLOCK_MONOTONIC) < start + 2 * USEC_PER_SEC);
                assert_int_equal(process_time_end(&f->root, i ? &other : &stranger, &t, -ETIMEDOUT),
                                 -ETIMEDOUT);
        }
        assert_int_equal(process_time_begin(&f->root, &stranger, &t), -EBUSY);
        assert_ok(process_time_begin(&f->root, &roots, &t));
        t.start = 0;
        assert_false(process_time_is_over(&t));
        assert_ok(process_time_end(&f->root, &roots, &t, 0));
        assert_ok(process_time_begin(&f->root, &roots, &t));
        assert_ok(process_round_end(&f->root, &u));
        assert_int_equal(u.n, 2);
        assert_int_equal(u.n_unasked, 1);
        unread_processes_done(&u);
        process_round_begin(&f->root);
        assert_ok(process_time_begin(&f->root, &stranger, &t));
        assert_int_equal(process_time_end(&f->root, &stranger, &t, -ENOENT), -ENOENT);
        assert_ok(process_round_end(&f->root, &u));
        assert_int_equal(u.n, 0);
        unread_processes_done(&u);
}

static void test_stat(void **state)
{
        struct fixture *f = *state;
        _cleanup_close_ int fd = -EBADF;
        struct process p;
        struct statx st;

        fixture_write(f, "proc/7/comm", "");
        fixture_link(f, "proc/7/map_files/1-2", "/dev/null");
        fd = open_process(f, 7, &p);
        assert_ok(process_stat(&f->root, &p, fd, "map_files/1-2", &st));
        assert_true(S_ISCHR(st.stx_mode));
        assert_int_equal(st.stx_rdev_major, 1);
        assert_int_equal(st.stx_rdev_minor, 3);
        assert_int_equal(process_stat(&f->root, &p, fd, "map_files/2-3", &st), -ENOENT);
        assert_ok(process_round_end(&f->root, NULL));
}

static void observe(enum file_kind kind, const char *path, const char *data, size_t size, void *userdata)
{
        const char **seen = userdata;

        if (kind == FILE_CONTENT && strstr(path, "/proc/7/maps") && size == 5 &&
            memcmp(data, "maps\n", 5) == 0)
                seen[0] = "maps";
        if (kind == FILE_ANSWER && strcmp(path, "processes-unread") == 0 && strcmp(data, "0 8") == 0)
                seen[1] = "answer";
}

/* A record has what the child read, and who did not answer. */
static void test_record(void **state)
{
        struct fixture *f = *state;
        struct unread_processes u;
        const char *seen[2] = {};

        fixture_write(f, "proc/7/maps", "maps\n");
        fixture_write(f, "proc/8/comm", "staller\n");
        make_stall(f, "proc/8/maps");
        file_observe(observe, seen);
        process_round_begin(&f->root);
        assert_ok(read_maps(f, 7));
        assert_int_equal(read_maps(f, 8), -ETIMEDOUT);
        assert_ok(process_round_end(&f->root, NULL));
        file_observe(NULL, NULL);
        assert_non_null(seen[0]);
        assert_non_null(seen[1]);

        f->root.live = false;
        fixture_write(f, ANSWERS_FILE, "processes-unread\t3 8\n");
        assert_ok(process_round_end(&f->root, &u));
        assert_int_equal(u.n, 1);
        assert_int_equal(u.n_unasked, 3);
        assert_string_equal(u.processes[0].command, "staller");
        unread_processes_done(&u);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_read, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_grep, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_stall, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_many, setup, fixture_teardown),
                cmocka_unit_test(test_runs_no_program),
                cmocka_unit_test_setup_teardown(test_time, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_stat, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_record, setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
