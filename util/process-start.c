/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "process-start.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "file.h"
#include "macro.h"

/* In which /proc counts, proc_pid_stat(5); the same on every architecture that has VFIO, so a recorded
 * host's too. */
#define USER_HZ 100

/* Since the boot. The command's name, in parentheses, can hold anything, so the fields are counted from the
 * last parenthesis. */
static int read_start(int dirfd, const char *path, uint64_t *ret_usec)
{
        _cleanup_free_ char *stat = NULL;
        const char *rest;
        uint64_t ticks;
        int r;

        r = read_line_at(dirfd, path, &stat);
        if (r < 0)
                return r;
        rest = strrchr(stat, ')');
        if (!rest ||
            sscanf(rest,
                   ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %" SCNu64,
                   &ticks) != 1)
                return -EBADMSG;
        *ret_usec = ticks * (USEC_PER_SEC / USER_HZ);
        return 0;
}

static uint64_t read_boot_time(const struct root *root)
{
        static const char *const words[] = { "btime ", NULL };
        _cleanup_free_ char *text = NULL;
        uint64_t seconds;

        if (grep_file_at(root->fd, "proc/stat", words, &text) < 0 ||
            sscanf(text, "btime %" SCNu64, &seconds) != 1)
                return 0;
        return seconds * USEC_PER_SEC;
}

uint64_t process_start_usec(const struct root *root, pid_t pid)
{
        char path[sizeof("proc//stat") + 10];
        uint64_t boot = read_boot_time(root), start;

        snprintf(path, sizeof(path), "proc/%d/stat", pid);
        if (boot == 0 || read_start(root->fd, path, &start) < 0)
                return 0;
        return boot + start;
}

bool process_is_older(const struct root *root, pid_t pid)
{
        uint64_t start = process_start_usec(root, pid), ours = process_start_usec(root, getpid());

        return start == 0 || ours == 0 || start < ours;
}

uint64_t own_start_boottime_usec(void)
{
        uint64_t start;

        return read_start(AT_FDCWD, "/proc/self/stat", &start) < 0 ? 0 : start;
}
