/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "worker.h"

/* A file rather than a pipe, so nothing waits for a worker that does not read. */
static int order_fd(const char *order)
{
        _cleanup_close_ int fd = memfd_create("vfioalign-order", MFD_CLOEXEC);
        size_t size = strlen(order);

        if (fd < 0)
                return -errno;
        if (write(fd, order, size) != (ssize_t) size)
                return -EIO;
        return lseek(fd, 0, SEEK_SET) < 0 ? -errno : TAKE_FD(fd);
}

static int spawn_program(const char *program, int in, int out, pid_t *ret)
{
        char *const argv[] = { (char *) program, NULL };
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none;
        int r;

        sigemptyset(&none);
        posix_spawn_file_actions_init(&actions);
        posix_spawnattr_init(&attributes);
        r = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
        if (r == 0)
                r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
        if (r == 0)
                r = posix_spawnattr_setsigmask(&attributes, &none);
        if (r == 0)
                r = posix_spawn(ret, program, &actions, &attributes, argv, environ);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        return -r;
}

int worker_spawn(const char *program, const char *order, int *ret_pidfd, int *ret_out)
{
        _cleanup_close_ int in = -EBADF, reading = -EBADF, writing = -EBADF;
        int out[2], pidfd, r;
        pid_t pid;

        assert(program && order && ret_pidfd && ret_out);

        in = order_fd(order);
        if (in < 0)
                return in;
        if (pipe2(out, O_CLOEXEC) < 0)
                return -errno;
        reading = out[0];
        writing = out[1];
        if (fcntl(reading, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        r = spawn_program(program, in, writing, &pid);
        if (r < 0)
                return r;
        pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0)
                return -errno;
        *ret_pidfd = pidfd;
        *ret_out = TAKE_FD(reading);
        return 0;
}
