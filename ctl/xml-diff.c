/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xml-diff.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "util/file.h"
#include "util/macro.h"

/* A diff is a few lines longer than both texts together. */
#define DIFF_MAX (16U << 20)

static int memory_file(const char *text)
{
        _cleanup_close_ int fd = memfd_create("vfioalign-diff", MFD_CLOEXEC);
        size_t size = strlen(text);

        if (fd < 0)
                return -errno;
        if (write(fd, text, size) != (ssize_t) size)
                return -EIO;
        return lseek(fd, 0, SEEK_SET) < 0 ? -errno : TAKE_FD(fd);
}

/* Numbers that the child surely has free, where each of fds may be any of 0 to 2. */
#define CHILD_FD 100

/* Prepares that the child finds fds[0] and [1] at CHILD_FD and the number after it, and fds[2] as its
 * standard output. Returns 0 or a positive errno, as the calls do. */
static int set_child_fds(posix_spawn_file_actions_t *actions, const int fds[3])
{
        int r;

        for (int i = 0; i < 3; i++) {
                r = posix_spawn_file_actions_adddup2(actions, fds[i], CHILD_FD + i);
                if (r != 0)
                        return r;
        }
        return posix_spawn_file_actions_adddup2(actions, CHILD_FD + 2, STDOUT_FILENO);
}

static int spawn_diff(char *const argv[], const int fds[3], pid_t *ret)
{
        posix_spawn_file_actions_t actions;
        int r;

        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = set_child_fds(&actions, fds);
        if (r == 0)
                r = posix_spawnp(ret, argv[0], &actions, NULL, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        return -r;
}

int xml_diff(const char *old_name, const char *old, const char *new_name, const char *new, char **ret)
{
        _cleanup_close_ int before = memory_file(old), after = memory_file(new), out = memory_file("");
        const int fds[] = { before, after, out };
        char *const argv[] = {
                (char *) "diff",        (char *) "-u",          (char *) "--label",
                (char *) old_name,      (char *) "--label",     (char *) new_name,
                (char *) "/dev/fd/100", (char *) "/dev/fd/101", NULL,
        };
        size_t size;
        int r, status;
        pid_t pid;

        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                if (fds[i] < 0)
                        return fds[i];
        r = spawn_diff(argv, fds, &pid);
        if (r < 0)
                return r;
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        /* diff(1) exits with 1 where the texts differ. */
        if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
                return -EIO;
        return lseek(out, 0, SEEK_SET) < 0 ? -errno : read_fd(out, DIFF_MAX, ret, &size);
}
