/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "facts/emulator/facts-emulator.h"
#include "fixture.h"
#include "fuse-server.h"
#include "test.h"
#include "util/clock.h"
#include "util/file-observer.h"
#include "util/file.h"
#include "util/macro.h"

static const char *sample_dir;

static const char *sample(const char *name)
{
        static char path[4096];

        snprintf(path, sizeof(path), "%s/elf-sample-%s", sample_dir, name);
        return path;
}

static struct root live;

static uid_t start_uid; /* of those that are started */

/* Starts a program that waits, perhaps in a mount namespace of its own, with another root. */
static pid_t start_process(const char *root, const char *path)
{
        int ready[2];
        char byte;
        pid_t pid;

        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL); /* should the test fail */
                if (root &&
                    (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
                     mount(root, root, NULL, MS_BIND, NULL) < 0 || chdir(root) < 0 ||
                     syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0))
                        _exit(1);
                if (start_uid != 0 && setuid(start_uid) < 0)
                        _exit(1);
                execl(path, path, "wait", NULL);
                _exit(1);
        }
        close(ready[1]);
        assert_int_equal(read(ready[0], &byte, 1), 0); /* closed by execve() */
        close(ready[0]);
        return pid;
}

static void stop_process(pid_t pid)
{
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* The host being recorded writes into an answers file. */
static void record(enum file_kind kind, const char *path, const char *data, size_t size, void *userdata)
{
        if (kind == FILE_ANSWER)
                fprintf(userdata, "%s\t%.*s\n", path, (int) size, data);
}

static void test_process(void **state)
{
        struct fixture *f = *state;
        struct emulator_facts facts = {};
        const struct emulator *e;
        char path[4096];
        pid_t one, two;

        fixture_copy(f, "qemu", sample("area"));
        snprintf(path, sizeof(path), "%s", fixture_path(f, "qemu"));
        one = start_process(NULL, path);
        two = start_process(NULL, path);

        assert_ok(emulator_facts_add_process(&facts, &live, one));
        assert_ok(emulator_facts_add_process(&facts, &live, two));
        assert_ok(emulator_facts_add_process(&facts, &live, two));
        assert_int_equal(facts.n_processes, 2);
        assert_int_equal(facts.n_emulators, 1);
        e = emulator_facts_of_process(&facts, one);
        assert_ptr_equal(e, emulator_facts_of_process(&facts, two));
        assert_string_equal(e->path, path);
        assert_int_equal(e->generation, GENERATION_PER_AREA);
        assert_string_equal(e->build_id, "0123456789abcdef");
        assert_int_equal(e->n_processes, 2);
        assert_false(e->replaced || e->container || e->distribution || e->libvirt);

        /* An upgrade: the same list learns of the new file, and keeps what runs. */
        fixture_copy(f, "new", sample("region"));
        assert_int_equal(renameat(f->root.fd, "new", f->root.fd, "qemu"), 0);
        assert_int_equal(emulator_facts_get(&facts, &live, path)->generation, GENERATION_PER_REGION);
        e = emulator_facts_of_process(&facts, two);
        assert_int_equal(e->generation, GENERATION_PER_AREA);
        assert_true(e->replaced && !e->libvirt);
        assert_int_equal(facts.n_emulators, 2);
        emulator_facts_done(&facts);

        stop_process(one);
        stop_process(two);
}

/* The program of a stranger is looked at by a child, with the same result, and is not one of the host's. */
static void test_stranger(void **state)
{
        struct fixture *f = *state;
        struct emulator_facts facts = {};
        const struct emulator *e;
        char path[4096];
        pid_t one, two;

        if (geteuid() != 0)
                skip();
        assert_int_equal(chmod(f->dir, 0755), 0);
        fixture_write(f, "home/x", "");
        fixture_copy(f, "home/qemu", sample("area"));
        assert_int_equal(chown(fixture_path(f, "home"), 12345, 12345), 0);
        snprintf(path, sizeof(path), "%s", fixture_path(f, "home/qemu"));
        start_uid = 12345;
        one = start_process(NULL, path);
        two = start_process(NULL, path);
        start_uid = 0;

        assert_ok(emulator_facts_add_process(&facts, &live, one));
        assert_int_equal(facts.n_emulators, 1);
        e = emulator_facts_of_process(&facts, one);
        assert_non_null(e);
        assert_string_equal(e->path, path);
        assert_int_equal(e->generation, GENERATION_PER_AREA);
        assert_string_equal(e->build_id, "0123456789abcdef");
        assert_true(e->changeable && !e->replaced && !e->container);
        fixture_remove(f, "home/qemu");
        assert_ok(emulator_facts_add_process(&facts, &live, two));
        e = emulator_facts_of_process(&facts, two);
        assert_non_null(e);
        assert_true(e->replaced && !e->container);
        assert_int_equal(e->generation, GENERATION_PER_AREA);
        emulator_facts_done(&facts);

        stop_process(one);
        stop_process(two);
}

static ssize_t read_sample(uint64_t offset, char *buffer, size_t size, void *userdata)
{
        ssize_t n = pread(*(const int *) userdata, buffer, size, (off_t) offset);

        return n < 0 ? -errno : n;
}

/* Serves a program below "mnt", up to SIGSTOP. */
static pid_t serve_sample(struct fixture *f)
{
        int fd = open(sample("static"), O_RDONLY | O_CLOEXEC);
        struct fuse_file file = { .read = read_sample, .userdata = &fd };
        struct stat st;
        pid_t pid;

        assert_int_equal(fstat(fd, &st), 0);
        file.size = (uint64_t) st.st_size;
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                fuse_serve(f->stalled_device, &file);
                _exit(1);
        }
        close(fd);
        return pid;
}

/* A program on a file server that answers no more is left out, whoever runs it. */
static void test_stalled(void **state)
{
        struct fixture *f = *state;
        struct emulator_facts facts = {};
        char path[4096];
        pid_t pids[2], server;
        uint64_t start_usec;

        assert_int_equal(chmod(f->dir, 0755), 0);
        fixture_stall(f, "mnt");
        server = serve_sample(f);
        snprintf(path, sizeof(path), "%s", fixture_path(f, "mnt/qemu"));
        for (int i = 0; i < 2; i++) {
                start_uid = i == 0 ? 0 : 12345;
                pids[i] = start_process(NULL, path);
        }
        start_uid = 0;
        assert_int_equal(kill(server, SIGSTOP), 0);

        start_usec = clock_usec(CLOCK_MONOTONIC);
        for (int i = 0; i < 2; i++)
                assert_ok(emulator_facts_add_process(&facts, &live, pids[i]));
        assert_true(clock_usec(CLOCK_MONOTONIC) - start_usec < test_slower() * 5 * USEC_PER_SEC);
        assert_int_equal(facts.n_processes, 2);
        for (int i = 0; i < 2; i++) {
                assert_int_equal(facts.processes[i].emulator, EMULATOR_NOT_SEEN);
                assert_string_equal(facts.processes[i].why,
                                    "the process's program could not be read in time");
        }
        emulator_facts_done(&facts);
        /* Nobody has the device then, and what still waits gets an error. */
        stop_process(server);
        close(TAKE_FD(f->stalled_device));
        for (int i = 0; i < 2; i++)
                stop_process(pids[i]);
}

/* The file is gone or another one; what runs is still looked at. */
static void test_replaced(void **state)
{
        struct fixture *f = *state;
        struct emulator_facts facts = {};
        const struct emulator *e;
        char path[4096];
        pid_t old, new, older;

        snprintf(path, sizeof(path), "%s", fixture_path(f, "qemu"));
        fixture_copy(f, "qemu", sample("plain"));
        old = start_process(NULL, path);
        older = start_process(NULL, path);
        fixture_remove(f, "qemu");
        assert_ok(emulator_facts_add_process(&facts, &live, old));
        fixture_copy(f, "qemu", sample("region"));
        new = start_process(NULL, path);
        assert_ok(emulator_facts_add_process(&facts, &live, new));
        assert_ok(emulator_facts_add_process(&facts, &live, older));

        assert_int_equal(facts.n_emulators, 2);
        e = emulator_facts_of_process(&facts, old);
        assert_ptr_equal(e, emulator_facts_of_process(&facts, older));
        assert_string_equal(e->path, path); /* without "(deleted)" */
        assert_true(e->replaced && !e->container);
        assert_int_equal(e->generation, GENERATION_NONE);
        assert_int_equal(e->n_processes, 2);
        e = emulator_facts_of_process(&facts, new);
        assert_false(e->replaced);
        assert_int_equal(e->generation, GENERATION_PER_REGION);
        emulator_facts_done(&facts);

        stop_process(old);
        stop_process(older);
        stop_process(new);
}

/* As many builders of packages are: what another mount namespace has is shown there by its path from
 * outside. */
static bool in_chroot(void)
{
        struct stat here, first;

        return stat("/", &here) >= 0 && stat("/proc/1/root", &first) >= 0 &&
               (here.st_dev != first.st_dev || here.st_ino != first.st_ino);
}

static void test_container(void **state)
{
        struct fixture *f = *state;
        struct emulator_facts facts = {};
        char roots[2][4096];
        pid_t pids[2];

        if (geteuid() != 0 || in_chroot())
                skip(); /* a mount namespace */
        for (int i = 0; i < 2; i++) {
                snprintf(roots[i], sizeof(roots[i]), "%s", fixture_path(f, i ? "b" : "a"));
                fixture_copy(f, i ? "b/usr/bin/qemu" : "a/usr/bin/qemu", sample("static"));
                pids[i] = start_process(roots[i], "/usr/bin/qemu");
                assert_ok(emulator_facts_add_process(&facts, &live, pids[i]));
        }
        /* Two files, one build */
        assert_int_equal(facts.n_emulators, 1);
        assert_string_equal(facts.emulators[0].path, "/usr/bin/qemu");
        assert_true(facts.emulators[0].container && !facts.emulators[0].replaced);
        assert_int_equal(facts.emulators[0].n_processes, 2);
        assert_non_null(facts.emulators[0].why);
        emulator_facts_done(&facts);

        /* Upgraded inside the container */
        facts = (struct emulator_facts){};
        fixture_remove(f, "a/usr/bin/qemu");
        assert_ok(emulator_facts_add_process(&facts, &live, pids[0]));
        assert_true(facts.emulators[0].container && facts.emulators[0].replaced);
        /* and never taken for the host's */
        assert_null(emulator_facts_get(&facts, &live, "/usr/bin/qemu"));
        emulator_facts_done(&facts);
        stop_process(pids[0]);
        stop_process(pids[1]);
}

static void test_gone(void **state)
{
        struct fixture *f = *state;
        struct emulator_facts facts = {};
        pid_t pid;

        fixture_copy(f, "qemu", sample("area"));
        pid = start_process(NULL, fixture_path(f, "qemu"));
        stop_process(pid);
        assert_ok(emulator_facts_add_process(&facts, &live, pid));
        assert_int_equal(facts.n_processes, 1);
        assert_int_equal(facts.processes[0].emulator, EMULATOR_NOT_SEEN);
        assert_string_equal(facts.processes[0].why, "the process has ended");
        assert_null(emulator_facts_of_process(&facts, pid));
        assert_int_equal(facts.n_emulators, 0);
        emulator_facts_done(&facts);
}

/* What a live host told, told again by its record. */
static void test_recorded(void **state)
{
        struct fixture *f = *state;
        struct emulator_facts facts = {}, again = {};
        _cleanup_free_ char *answers = NULL;
        char path[4096];
        size_t size;
        pid_t pids[3];
        FILE *out;

        out = open_memstream(&answers, &size);
        snprintf(path, sizeof(path), "%s", fixture_path(f, "qemu"));
        fixture_copy(f, "qemu", sample("plain"));
        pids[0] = start_process(NULL, path);
        fixture_remove(f, "qemu");
        fixture_copy(f, "qemu", sample("area"));
        pids[1] = start_process(NULL, path);
        pids[2] = start_process(NULL, path);
        stop_process(pids[2]);
        file_observe(record, out);
        for (int i = 0; i < 3; i++)
                assert_ok(emulator_facts_add_process(&facts, &live, pids[i]));
        file_observe(NULL, NULL);
        fclose(out);
        stop_process(pids[0]);
        stop_process(pids[1]);

        fixture_remove(f, "qemu");
        fixture_write(f, "vfioalign/answers", answers);
        for (int i = 0; i < 3; i++)
                assert_ok(emulator_facts_add_process(&again, &f->root, pids[i]));
        assert_int_equal(again.n_emulators, 2);
        for (size_t i = 0; i < 2; i++) {
                const struct emulator *a = &facts.emulators[i], *b = &again.emulators[i];

                assert_string_equal(a->path, b->path);
                assert_int_equal(a->generation, b->generation);
                assert_int_equal(a->source, b->source);
                assert_int_equal(a->replaced, b->replaced);
                assert_int_equal(a->n_processes, b->n_processes);
                assert_true((!a->build_id && !b->build_id) || streq(a->build_id, b->build_id));
        }
        for (size_t i = 0; i < 3; i++) {
                assert_int_equal(facts.processes[i].emulator, again.processes[i].emulator);
                assert_ptr_equal(facts.processes[i].why, again.processes[i].why);
        }
        emulator_facts_done(&facts);
        emulator_facts_done(&again);
}

/* A record made by hand: links alone */
static void test_links(void **state)
{
        struct fixture *f = *state;
        struct emulator_facts facts = {};

        fixture_copy(f, "usr/bin/qemu", sample("area"));
        fixture_link(f, "proc/10/exe", "/usr/bin/qemu");
        fixture_link(f, "proc/11/exe", "/usr/bin/qemu (deleted)");
        for (pid_t pid = 10; pid < 13; pid++)
                assert_ok(emulator_facts_add_process(&facts, &f->root, pid));
        assert_int_equal(emulator_facts_of_process(&facts, 10)->generation, GENERATION_PER_AREA);
        assert_int_equal(emulator_facts_of_process(&facts, 11)->generation, GENERATION_UNKNOWN);
        assert_true(emulator_facts_of_process(&facts, 11)->replaced);
        assert_string_equal(emulator_facts_of_process(&facts, 11)->path, "/usr/bin/qemu");
        assert_null(emulator_facts_of_process(&facts, 12));
        emulator_facts_done(&facts);
}

int main(int argc, char *argv[])
{
#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(test_process),   FIXTURE_TEST(test_stranger), FIXTURE_TEST(test_replaced),
                FIXTURE_TEST(test_container), FIXTURE_TEST(test_gone),     FIXTURE_TEST(test_recorded),
                FIXTURE_TEST(test_links),     FIXTURE_TEST(test_stalled), /* in a namespace of its own from
                                                                             there on */
        };
        int r;

        if (argc != 2 || root_open(&live, NULL) < 0)
                return 77;
        sample_dir = argv[1];
        r = cmocka_run_group_tests(tests, NULL, NULL);
        root_close(&live);
        return r;
}
