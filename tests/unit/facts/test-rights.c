/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each right of the service is needed: with all of them the daemon sees what it should, and without this one
 * it does not. What the service may not do is not needed, or vfioalign-open does it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bind/opener.h"
#include "facts/device/device-use.h"
#include "facts/kernel/facts-kernel.h"
#include "fixture.h"
#include "test.h"
#include "util/file-observer.h"
#include "util/file.h"
#include "util/kallsyms.h"
#include "util/macro.h"

#define NOBODY 65534

static pid_t stranger; /* a process of another user */

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

/* facts/guest/facts-mapping.c, facts/device/device-use-process.c: which device a mapping is really of */
static bool sees_restore(const struct root *root)
{
        struct names names = {};
        char path[32], link[NAME_MAX + 40];
        bool seen = false;

        snprintf(path, sizeof(path), "proc/%d/map_files", stranger);
        if (list_dir_at(root->fd, path, &names) >= 0 && names.n > 0) {
                struct statx st;

                snprintf(link, sizeof(link), "%s/%s", path, names.names[0]);
                seen = statx(root->fd, link, AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &st) >= 0;
        }
        names_done(&names);
        return seen;
}

static const struct right {
        const char *name;
        int number;
        bool (*sees)(const struct root *root);
} rights[] = {
        { "CAP_SYS_PTRACE", CAP_SYS_PTRACE, sees_ptrace },
        { "CAP_DAC_READ_SEARCH", CAP_DAC_READ_SEARCH, sees_dac },
        { "CAP_CHECKPOINT_RESTORE", CAP_CHECKPOINT_RESTORE, sees_restore },
};

static void keep_capabilities(uint64_t capabilities)
{
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = {
                { .effective = (uint32_t) capabilities, .permitted = (uint32_t) capabilities },
                { .effective = (uint32_t) (capabilities >> 32),
                  .permitted = (uint32_t) (capabilities >> 32) },
        };

        if (syscall(SYS_capset, &header, data) < 0)
                _exit(99);
}

/* The capabilities of the unit, without this one. */
static void keep_rights(const struct right *without)
{
        uint64_t capabilities = 0;

        for (size_t i = 0; i < ELEMENTSOF(rights); i++)
                if (&rights[i] != without)
                        capabilities |= 1ULL << rights[i].number;
        keep_capabilities(capabilities);
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

/* A process of another user, as a guest is. */
static void start_stranger(void)
{
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
}

static void end_stranger(void)
{
        assert_int_equal(kill(stranger, SIGKILL), 0);
        assert_int_equal(waitpid(stranger, NULL, 0), stranger);
}

static void test_capabilities(void **state)
{
        (void) state;
        if (geteuid() != 0 || prctl(PR_CAPBSET_READ, CAP_SETUID) != 1)
                skip();
        start_stranger();
        for (size_t i = 0; i < ELEMENTSOF(rights); i++) {
                print_message("%s\n", rights[i].name);
                if (!sees_without(&rights[i], NULL)) {
                        print_message("not to be seen here, even with it\n"); /* in a container */
                        continue;
                }
                assert_false(sees_without(&rights[i], &rights[i]));
        }
        end_stranger();
}

/* ProtectProc=ptraceable hides all processes of others but from who has CAP_SYS_PTRACE. */
static bool sees_through(uint64_t capabilities)
{
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0) {
                char path[32];

                if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
                    mount("proc", "/proc", "proc", 0, "hidepid=ptraceable") < 0)
                        _exit(98);
                keep_capabilities(capabilities);
                snprintf(path, sizeof(path), "/proc/%d/comm", stranger);
                _exit(access(path, F_OK) == 0 ? 1 : 0);
        }
        status = wait_for_exit(pid);
        assert_int_not_equal(status, 99);
        if (status == 98)
                skip(); /* a container */
        return status == 1;
}

static void test_hidden_processes(void **state)
{
        (void) state;
        if (geteuid() != 0 || prctl(PR_CAPBSET_READ, CAP_SETUID) != 1)
                skip();
        start_stranger();
        assert_true(sees_through(1ULL << CAP_SYS_PTRACE | 1ULL << CAP_DAC_READ_SEARCH));
        assert_false(sees_through(1ULL << CAP_DAC_READ_SEARCH));
        end_stranger();
}

/* bind/worker.c: where a task hangs. The worker has the rights of the unit, vfioalign-open has these, and
 * the socket is elsewhere than on the host. */
static bool sees_stack(struct fixture *f, uint64_t opener_capabilities)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        pid_t opener, worker;
        int listening, seen;

        listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        assert_true(listening >= 0);
        fixture_write(f, OPENER_SOCKET, "");
        fixture_remove(f, OPENER_SOCKET);
        snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" OPENER_SOCKET, f->root.fd);
        assert_int_equal(bind(listening, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(listen(listening, 1), 0);

        opener = fork();
        assert_true(opener >= 0);
        if (opener == 0) {
                struct root root;

                if (root_open(&root, NULL) < 0)
                        _exit(99);
                keep_capabilities(opener_capabilities);
                _exit(opener_serve(&root, listening, 300) == 0 ? 0 : 99);
        }
        close(listening);
        worker = fork();
        assert_true(worker >= 0);
        if (worker == 0) {
                _cleanup_free_ char *stack = NULL;
                opener_path_t path;
                int fd;

                keep_rights(NULL);
                opener_stack_path(getpid(), path);
                if (read_file_at(AT_FDCWD, fixture_path(f, path), KIB(64), &stack, NULL) >= 0)
                        _exit(99);
                fd = opener_open(&f->root, path);
                _exit(fd >= 0 && read_fd(fd, KIB(64), &stack, NULL) >= 0 ? 1 : 0);
        }
        seen = wait_for_exit(worker);
        assert_int_not_equal(seen, 99);
        assert_int_equal(wait_for_exit(opener), 0);
        fixture_remove(f, OPENER_SOCKET);
        return seen == 1;
}

static void test_opener(void **state)
{
        struct fixture *f = *state;
        _cleanup_free_ char *stack = NULL;

        if (geteuid() != 0 || prctl(PR_CAPBSET_READ, CAP_SETUID) != 1 ||
            read_file_at(AT_FDCWD, "/proc/self/stack", KIB(64), &stack, NULL) < 0)
                skip(); /* a container */
        assert_true(sees_stack(f, 1ULL << CAP_SYS_ADMIN));
        assert_false(sees_stack(f, 0));
}

/* The units grant these, and no others. */
static void test_unit(void **state)
{
        _cleanup_free_ char *text = NULL, *opener = NULL;
        char expected[256] = "\nCapabilityBoundingSet=";

        (void) state;
        assert_ok(read_file_at(AT_FDCWD, UNIT, KIB(64), &text, NULL));
        for (size_t i = 0; i < ELEMENTSOF(rights); i++) {
                strcat(expected, rights[i].name);
                strcat(expected, i + 1 < ELEMENTSOF(rights) ? " " : "\n");
        }
        assert_non_null(strstr(text, expected));
        assert_non_null(strstr(text, "\nRestrictAddressFamilies=AF_UNIX AF_NETLINK\n"));
        assert_non_null(strstr(text, "\nBindReadOnlyPaths=-/proc/kallsyms:/" KALLSYMS_SHOWN "\n"));

        assert_ok(read_file_at(AT_FDCWD, OPEN_UNIT, KIB(64), &opener, NULL));
        assert_non_null(strstr(opener, "\nCapabilityBoundingSet=CAP_SYS_ADMIN\n"));
        assert_null(strstr(opener, "ReadWritePaths="));
}

/* The kernel's symbols, where the sandbox has an empty file instead of them. */
static void test_kallsyms(void **state)
{
        static const struct {
                const char *proc, *shown, *expected; /* NULL: there is no file */
        } cases[] = {
                { "1 T a\n", NULL, "1 T a\n" },
                { "1 T a\n", "2 T b\n", "1 T a\n" },
                { "", "2 T b\n", "2 T b\n" },
                { NULL, "2 T b\n", "2 T b\n" },
                { "", "", "" },
                { "", NULL, "" },
        };
        struct fixture *f = *state;

        f->root.live = true;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(file_lines_close) struct file_lines lines = FILE_LINES_NONE;

                fixture_write(f, "proc/kallsyms", cases[i].proc ?: "");
                fixture_write(f, KALLSYMS_SHOWN, cases[i].shown ?: "");
                if (!cases[i].proc)
                        fixture_remove(f, "proc/kallsyms");
                if (!cases[i].shown)
                        fixture_remove(f, KALLSYMS_SHOWN);
                assert_ok(kallsyms_open(&f->root, &lines));
                assert_string_equal(lines.text, cases[i].expected);
        }
        f->root.live = false;
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
                cmocka_unit_test(test_hidden_processes),
                cmocka_unit_test_setup_teardown(test_opener, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_kallsyms, fixture_setup, fixture_teardown),
                cmocka_unit_test(test_addresses),
                cmocka_unit_test_setup_teardown(test_probe, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
