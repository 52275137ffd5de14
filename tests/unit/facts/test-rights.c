/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each right of the service is needed: with all of them the daemon sees what it should, and without this one
 * it does not. And what the service may not do is not needed. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "facts/device/device-use.h"
#include "facts/kernel/facts-kernel.h"
#include "fixture.h"
#include "test.h"
#include "util/file-observer.h"
#include "util/file.h"
#include "util/macro.h"

#define NOBODY 65534

static pid_t stranger; /* a process of another user */

/* bind/worker.c, bind/binding.c: where a task hangs, and the serial number of a device. */
static bool sees_admin(const struct root *root)
{
        _cleanup_free_ char *stack = NULL;

        return read_file_at(root->fd, "proc/self/stack", KIB(64), &stack, NULL) >= 0;
}

/* facts/emulator/emulator-process.c: what a guest runs on; facts/guest/facts-mapping.c: what it got.
 * (Since 6.13 CAP_SYS_ADMIN shows the mappings as well.) */
static bool sees_ptrace(const struct root *root)
{
        char path[32], target[256];

        snprintf(path, sizeof(path), "proc/%d/exe", stranger);
        return readlinkat(root->fd, path, target, sizeof(target)) >= 0;
}

/* facts/device/device-use-process.c, facts/guest/vfio-holder.c: who has a device open */
static bool sees_dac(const struct root *root)
{
        struct names names = {};
        char path[32];
        int r;

        snprintf(path, sizeof(path), "proc/%d/fd", stranger);
        r = list_dir_at(root->fd, path, &names);
        names_done(&names);
        return r >= 0;
}

static const struct right {
        const char *name;
        int number;
        bool (*sees)(const struct root *root);
} rights[] = {
        { "CAP_SYS_PTRACE", CAP_SYS_PTRACE, sees_ptrace },
        { "CAP_DAC_READ_SEARCH", CAP_DAC_READ_SEARCH, sees_dac },
        { "CAP_SYS_ADMIN", CAP_SYS_ADMIN, sees_admin },
};

/* The capabilities of the unit, without this one. */
static void keep_rights(const struct right *without)
{
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = {};

        for (size_t i = 0; i < ELEMENTSOF(rights); i++)
                if (&rights[i] != without)
                        data[rights[i].number / 32].effective |= 1U << rights[i].number % 32;
        data[0].permitted = data[0].effective;
        if (syscall(SYS_capset, &header, data) < 0)
                _exit(99);
}

/* RestrictAddressFamilies= of the unit: no TCP/IP. */
static void forbid_internet(void)
{
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 4),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 1, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { .len = ELEMENTSOF(code), .filter = code };

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 || socket(AF_INET, SOCK_STREAM, 0) >= 0)
                _exit(99);
}

static int wait_for_exit(pid_t pid)
{
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

/* Whether a process with the unit's rights but that one sees it. */
static bool sees_without(const struct right *right, const struct right *without)
{
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0) {
                struct root root;

                keep_rights(without);
                if (root_open(&root, NULL) < 0)
                        _exit(99);
                _exit(right->sees(&root) ? 1 : 0);
        }
        status = wait_for_exit(pid);
        assert_int_not_equal(status, 99);
        return status == 1;
}

static void test_capabilities(void **state)
{
        (void) state;
        if (geteuid() != 0 || prctl(PR_CAPBSET_READ, CAP_SETUID) != 1)
                skip();
        stranger = fork();
        assert_true(stranger >= 0);
        if (stranger == 0) {
                /* The change of user clears both of these; without the second its files stay root's. */
                if (setresuid(NOBODY, NOBODY, NOBODY) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
                    prctl(PR_SET_DUMPABLE, 1) < 0)
                        _exit(99);
                for (;;)
                        pause();
        }
        /* It is somebody else's once its files in /proc are. */
        for (struct stat st = {}; st.st_uid != NOBODY; (void) usleep(1000)) {
                char path[32];

                snprintf(path, sizeof(path), "/proc/%d/fd", stranger);
                assert_int_equal(stat(path, &st), 0);
        }

        for (size_t i = 0; i < ELEMENTSOF(rights); i++) {
                print_message("%s\n", rights[i].name);
                if (!sees_without(&rights[i], NULL)) {
                        print_message("not to be seen here, even with it\n"); /* in a container */
                        continue;
                }
                assert_false(sees_without(&rights[i], &rights[i]));
        }
        assert_int_equal(kill(stranger, SIGKILL), 0);
        assert_int_equal(waitpid(stranger, NULL, 0), stranger);
}

/* The unit grants these, and no others. */
static void test_unit(void **state)
{
        _cleanup_free_ char *text = NULL;
        char expected[256] = "\nCapabilityBoundingSet=";

        (void) state;
        assert_ok(read_file_at(AT_FDCWD, UNIT, KIB(64), &text, NULL));
        for (size_t i = 0; i < ELEMENTSOF(rights); i++) {
                strcat(expected, rights[i].name);
                strcat(expected, i + 1 < ELEMENTSOF(rights) ? " " : "\n");
        }
        assert_non_null(strstr(text, expected));
        assert_non_null(strstr(text, "\nRestrictAddressFamilies=AF_UNIX AF_NETLINK\n"));
}

static void see_address(enum file_kind kind, const char *path, const char *data, size_t size, void *userdata)
{
        (void) size;
        if (kind == FILE_ANSWER && streq(path, "interfaces-with-address"))
                *(bool *) userdata = strstr(data, "lo") != NULL;
}

/* The interfaces with an address are seen without a socket of TCP/IP. */
static void test_addresses(void **state)
{
        const struct device_facts devices = {};
        struct device_uses uses;
        bool before = false, after = false;
        struct root root;
        pid_t pid;

        (void) state;
        assert_ok(root_open(&root, NULL));
        file_observe(see_address, &before);
        assert_ok(device_uses_read(&uses, &root, &devices));
        device_uses_done(&uses);
        file_observe(NULL, NULL);
        if (!before) /* not even lo has one */
                skip();
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                forbid_internet();
                file_observe(see_address, &after);
                if (device_uses_read(&uses, &root, &devices) < 0)
                        _exit(99);
                _exit(after && uses.network.value == FACT_YES ? 0 : 1);
        }
        assert_int_equal(wait_for_exit(pid), 0);
        root_close(&root);
}

/* Where the kernel places mappings is then what --record-kernel found. A damaged record says nothing. */
static void test_probe(void **state)
{
        static const struct {
                const char *record;
                enum fact_value pmd, pud;
        } cases[] = {
                { NULL, FACT_UNKNOWN, FACT_UNKNOWN },
                { "yes no\n", FACT_YES, FACT_NO },
                { "no no\n", FACT_NO, FACT_NO },
                { "yes\n", FACT_UNKNOWN, FACT_UNKNOWN },
                { "yes maybe\n", FACT_UNKNOWN, FACT_UNKNOWN },
        };
        struct fixture *f = *state;

        f->root.live = true;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct kernel_facts k;
                pid_t pid;

                if (cases[i].record)
                        fixture_write(f, KERNEL_PROBE_RECORD, cases[i].record);
                pid = fork();
                assert_true(pid >= 0);
                if (pid == 0) {
                        forbid_internet();
                        if (kernel_facts_read(&k, &f->root) < 0)
                                _exit(99);
                        _exit(k.probed_pmd.value == cases[i].pmd && k.probed_pud.value == cases[i].pud ? 0
                                                                                                       : 1);
                }
                assert_int_equal(wait_for_exit(pid), 0);
        }
        f->root.live = false;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_unit),
                cmocka_unit_test(test_capabilities),
                cmocka_unit_test(test_addresses),
                cmocka_unit_test_setup_teardown(test_probe, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
