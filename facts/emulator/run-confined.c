/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "run-confined.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "util/clock.h"
#include "util/macro.h"

#define NOBODY 65534 /* the kernel's overflow uid, which systemd and the distributions call nobody */
#define EXIT_UNCONFINED 126
#define EXIT_NOT_STARTED 127

static bool set_limits(void)
{
        static const struct {
                __rlimit_resource_t resource;
                rlim_t value;
        } limits[] = {
                { RLIMIT_CORE, 0 },         { RLIMIT_CPU, 10 },      { RLIMIT_NOFILE, 256 },
                { RLIMIT_FSIZE, MIB(256) }, { RLIMIT_DATA, GIB(2) }, { RLIMIT_MEMLOCK, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(limits); i++) {
                struct rlimit now, l = { limits[i].value, limits[i].value };

                if (getrlimit(limits[i].resource, &now) < 0)
                        return false;
                if (now.rlim_max < l.rlim_max)
                        l.rlim_cur = l.rlim_max = now.rlim_max;
                if (setrlimit(limits[i].resource, &l) < 0)
                        return false;
        }
        return true;
}

static bool drop_privileges(void)
{
        if (geteuid() == 0) {
                (void) unshare(CLONE_NEWNET | CLONE_NEWIPC); /* a bonus that not every kernel gives */
                if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
                    setresuid(NOBODY, NOBODY, NOBODY) < 0)
                        return false;
        }
        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) >= 0;
}

/* Puts the pipe in its place, /dev/null below it, and closes everything else. */
static bool arrange_descriptors(int pipe)
{
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        /* First out of the way, because either may be open at a number that the other will get. */
        pipe = fcntl(pipe, F_DUPFD_CLOEXEC, CONFINED_PIPE + 1);
        null = fcntl(null, F_DUPFD_CLOEXEC, CONFINED_PIPE + 1);
        if (pipe < 0 || null < 0)
                return false;
        for (int fd = 0; fd < CONFINED_PIPE; fd++)
                if (dup2(null, fd) < 0)
                        return false;
        return dup2(pipe, CONFINED_PIPE) >= 0 &&
               syscall(SYS_close_range, CONFINED_PIPE + 1, ~0U, CLOSE_RANGE_UNSHARE) >= 0;
}

/* Runs in the child, where only async-signal-safe functions may be called. */
static void __attribute__((noreturn)) run_child(const char *program, char *const argv[], char *const env[],
                                                const char *directory, int pipe, pid_t parent)
{
        sigset_t none;

        sigemptyset(&none);
        for (int i = 1; i < NSIG; i++)
                (void) signal(i, SIG_DFL);
        if (sigprocmask(SIG_SETMASK, &none, NULL) < 0 || setsid() < 0 || !arrange_descriptors(pipe) ||
            chdir(directory) < 0 || !drop_privileges() || !set_limits())
                _exit(EXIT_UNCONFINED);
        /* After the change of user, which would undo it. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
                _exit(EXIT_UNCONFINED);
        execve(program, argv, env);
        _exit(EXIT_NOT_STARTED);
}

/* Reads until the end of the pipe; false where the deadline comes first. What does not fit is dropped. */
static bool collect_output(int pipe, uint64_t deadline, void *bytes, size_t size, size_t *ret_size)
{
        char more[256];
        size_t n = 0;

        for (;;) {
                uint64_t now = clock_usec(CLOCK_MONOTONIC);
                struct pollfd p = { .fd = pipe, .events = POLLIN };
                ssize_t r;

                *ret_size = n;
                if (now >= deadline)
                        return false;
                if (poll(&p, 1, (int) ((deadline - now) / USEC_PER_MSEC) + 1) <= 0)
                        continue;
                r = n < size ? read(pipe, (char *) bytes + n, size - n) : read(pipe, more, sizeof(more));
                if (r == 0)
                        return true;
                if (r < 0 && errno != EINTR)
                        return true;
                if (r > 0 && n < size)
                        n += (size_t) r;
        }
}

/* Waits for the process itself, which may have closed the pipe long before it ends. */
static bool wait_until(pid_t pid, uint64_t deadline)
{
        _cleanup_close_ int fd = (int) syscall(SYS_pidfd_open, pid, 0);
        struct pollfd p = { .fd = fd, .events = POLLIN };

        for (;;) {
                uint64_t now = clock_usec(CLOCK_MONOTONIC);

                if (fd < 0 || now >= deadline)
                        return false;
                if (poll(&p, 1, (int) ((deadline - now) / USEC_PER_MSEC) + 1) > 0)
                        return true;
        }
}

static enum run_end reap_child(pid_t pid, bool late)
{
        int status;

        (void) kill(-pid, SIGKILL); /* the leader is not reaped yet, so the group is still its own */
        (void) kill(pid, SIGKILL);  /* it may not have come to setsid() */
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return RUN_REFUSED;
        if (late)
                return RUN_LATE;
        if (WIFSIGNALED(status))
                return RUN_CRASHED;
        if (WEXITSTATUS(status) == EXIT_UNCONFINED || WEXITSTATUS(status) == EXIT_NOT_STARTED)
                return RUN_REFUSED;
        return RUN_EXITED;
}

int run_confined(const char *program, char *const argv[], char *const env[], const char *directory,
                 uint64_t timeout_usec, void *bytes, size_t size, size_t *ret_size, enum run_end *ret_end)
{
        uint64_t deadline = clock_usec(CLOCK_MONOTONIC) + timeout_usec;
        _cleanup_close_ int ours = -EBADF, its = -EBADF;
        pid_t pid, parent = getpid();
        int fds[2];
        bool ended;

        assert(program);
        assert(argv);
        assert(env);
        assert(directory);
        assert(bytes || size == 0);
        assert(ret_size);
        assert(ret_end);

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        ours = fds[0];
        its = fds[1];
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                run_child(program, argv, env, directory, its, parent);
        close(TAKE_FD(its));

        ended = collect_output(ours, deadline, bytes, size, ret_size) && wait_until(pid, deadline);
        *ret_end = reap_child(pid, !ended);
        return 0;
}
