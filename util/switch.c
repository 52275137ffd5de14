/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "switch.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "clock.h"
#include "file.h"
#include "macro.h"

#define LOCK_DIRECTORY "run/vfioalign"
#define LOCK_NAME "switch.lock"
#define LOCK_POLL_USEC (50 * USEC_PER_MSEC)

bool switched_off_at_boot(const struct root *root)
{
        _cleanup_free_ char *cmdline = NULL;
        char *save = NULL;

        assert(root);

        (void) read_line_at(root->fd, "proc/cmdline", &cmdline);
        for (char *word = cmdline ? strtok_r(cmdline, " ", &save) : NULL; word;
             word = strtok_r(NULL, " ", &save))
                if (streq(word, "vfioalign=off"))
                        return true;
        return false;
}

const char *switched_off(const struct root *root)
{
        /* The command line comes first, because the daemon creates the file if the word is there. */
        if (switched_off_at_boot(root))
                return "vfioalign=off on the kernel command line";
        if (exists_at(root->fd, SWITCH_FILE_PERSISTENT))
                return "/" SWITCH_FILE_PERSISTENT;
        return exists_at(root->fd, SWITCH_FILE) ? "/" SWITCH_FILE : NULL;
}

/* For root alone: whoever can open it can hold it. */
static int open_lock(const struct root *root)
{
        _cleanup_close_ int dir = -EBADF;
        int fd;

        if (mkdirat(root->fd, LOCK_DIRECTORY, 0755) < 0 && errno != EEXIST)
                return -errno;
        dir = open_at(root->fd, LOCK_DIRECTORY, O_RDONLY | O_DIRECTORY);
        if (dir < 0)
                return dir;
        fd = openat(dir, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        return fd < 0 ? -errno : fd;
}

int switch_lock(const struct root *root, uint64_t timeout_usec)
{
        uint64_t end = clock_usec(CLOCK_MONOTONIC) + timeout_usec;
        _cleanup_close_ int fd = -EBADF;

        assert(root);

        fd = open_lock(root);
        if (fd < 0)
                return fd;
        while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno != EWOULDBLOCK)
                        return -errno;
                if (clock_usec(CLOCK_MONOTONIC) >= end)
                        return -EAGAIN;
                usleep(LOCK_POLL_USEC);
        }
        return TAKE_FD(fd);
}

void switch_unlock(int *lock)
{
        assert(lock);

        if (*lock < 0)
                return;
        (void) flock(*lock, LOCK_UN);
        close(*lock);
        *lock = -EBADF;
}
