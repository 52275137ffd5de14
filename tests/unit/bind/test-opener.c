/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vfioalign-open opens two kinds of files for whoever is root, and nothing else. (That it has a right which
 * the worker lacks: facts/test-rights.c.) */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bind/opener.h"
#include "fixture.h"
#include "test.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/macro.h"

#define BDF "0000:01:00.0"
#define CONFIG "sys/bus/pci/devices/" BDF "/config"
#define IDLE_MSEC 300
#define NOBODY 65534

static int listen_at(struct fixture *f)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        fixture_write(f, OPENER_SOCKET, "");
        fixture_remove(f, OPENER_SOCKET);
        snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" OPENER_SOCKET, f->root.fd);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 16), 0);
        return fd;
}

static pid_t serve(struct fixture *f, int listening)
{
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
                _exit(opener_serve(&f->root, listening, IDLE_MSEC) == 0 ? 0 : 1);
        close(listening);
        return pid;
}

static void assert_ends_well(pid_t pid)
{
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_paths(void **state)
{
        opener_path_t path;

        (void) state;
        assert_string_equal(opener_config_path(BDF, path), CONFIG);
        assert_string_equal(opener_config_path("00010000:00:00.0", path),
                            "sys/bus/pci/devices/00010000:00:00.0/config");
        assert_string_equal(opener_stack_path(2147483647, path), "proc/2147483647/stack");
}

/* Both files can be read through it, and it ends when nobody asks any more. */
static void test_opens(void **state)
{
        static const char *const paths[] = { CONFIG, "proc/4242/stack" };
        struct fixture *f = *state;
        pid_t pid;

        for (size_t i = 0; i < ELEMENTSOF(paths); i++)
                fixture_write(f, paths[i], paths[i]);
        pid = serve(f, listen_at(f));
        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                int fd = opener_open(&f->root, paths[i]);
                _cleanup_free_ char *text = NULL;

                assert_ok(fd);
                assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
                assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
                assert_ok(read_fd(fd, KIB(4), &text, NULL));
                assert_string_equal(text, paths[i]);
                close(fd);
        }
        assert_int_equal(opener_open(&f->root, "proc/4243/stack"), -ENOENT);
        assert_ends_well(pid);
}

static void test_refuses(void **state)
{
        static const char *const paths[] = {
                "etc/shadow",
                "/etc/shadow",
                "",
                "proc/1/mem",
                "proc/self/stack",
                "proc/1/stack/",
                "proc//stack",
                "proc/-1/stack",
                "proc/01/stack",
                "proc/1/../1/stack",
                "proc/99999999999/stack",
                "sys/bus/pci/devices/config",
                "sys/bus/pci/devices//config",
                "sys/bus/pci/devices/../config",
                "sys/bus/pci/devices/" BDF "/resource0",
                "sys/bus/pci/devices/" BDF "/config/",
                "sys/bus/pci/devices/01:00.0/config",
                "sys/bus/pci/devices/" BDF "/../" BDF "/config",
                "sys/bus/pci/devices/" BDF " /config",
        };
        struct fixture *f = *state;
        char longer[OPENER_PATH_MAX + 1] = CONFIG;
        pid_t pid;

        for (size_t i = 0; i < ELEMENTSOF(paths); i++)
                if (*paths[i] && paths[i][strlen(paths[i]) - 1] != '/')
                        fixture_write(f, paths[i] + strspn(paths[i], "/"), "secret");
        fixture_write(f, "proc/1/stack", "secret");
        fixture_write(f, CONFIG, "secret");
        pid = serve(f, listen_at(f));
        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                int r = opener_open(&f->root, paths[i]);

                if (r != -EPERM)
                        fail_msg("%s: %d", paths[i], r);
        }
        memset(longer + strlen(longer), '/', sizeof(longer) - strlen(longer) - 1);
        assert_int_equal(opener_open(&f->root, longer), -ENAMETOOLONG);
        assert_ends_well(pid);
}

/* Whoever may connect, only root is answered. */
static void test_stranger(void **state)
{
        static const char *const dirs[] = { "", "run", "run/vfioalign" };
        struct fixture *f = *state;
        pid_t server, stranger;
        int listening, status;

        if (geteuid() != 0)
                skip();
        fixture_write(f, CONFIG, "secret");
        listening = listen_at(f);
        for (size_t i = 0; i < ELEMENTSOF(dirs); i++)
                assert_int_equal(chmod(fixture_path(f, dirs[i]), 0755), 0);
        assert_int_equal(chmod(fixture_path(f, OPENER_SOCKET), 0666), 0);
        server = serve(f, listening);
        stranger = fork();
        assert_true(stranger >= 0);
        if (stranger == 0) {
                /* Its own /proc/self/fd is root's without the second. */
                if (setresuid(NOBODY, NOBODY, NOBODY) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0)
                        _exit(99);
                _exit(opener_open(&f->root, CONFIG) == -EPERM ? 0 : 1);
        }
        assert_int_equal(waitpid(stranger, &status, 0), stranger);
        assert_int_equal(status, 0);
        assert_ends_well(server);
}

/* A link in the place of the file is not followed. */
static void test_link(void **state)
{
        struct fixture *f = *state;
        pid_t pid;

        fixture_write(f, "etc/shadow", "secret");
        fixture_link(f, "proc/7/stack", "/etc/shadow");
        pid = serve(f, listen_at(f));
        assert_true(opener_open(&f->root, "proc/7/stack") < 0);
        assert_ends_well(pid);
}

/* Where there is nobody, or nobody who answers, the worker goes on: once it waits, and then no more. */
static void test_absent(void **state)
{
        struct fixture *f = *state;
        uint64_t begin;
        int listening;

        assert_int_equal(opener_open(&f->root, CONFIG), -ENOENT);
        listening = listen_at(f);
        assert_int_equal(opener_open(&f->root, CONFIG), -ETIMEDOUT);
        begin = clock_usec(CLOCK_MONOTONIC);
        assert_int_equal(opener_open(&f->root, CONFIG), -ETIMEDOUT);
        assert_true(clock_usec(CLOCK_MONOTONIC) - begin < USEC_PER_SEC);
        close(listening);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_paths),
                cmocka_unit_test_setup_teardown(test_opens, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_refuses, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_stranger, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_link, fixture_setup, fixture_teardown),
                /* It is the last, because this process asks no more. */
                cmocka_unit_test_setup_teardown(test_absent, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
