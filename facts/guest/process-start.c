/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "process-start.h"

#include <inttypes.h>

#include "util/file.h"
#include "util/macro.h"

#define USER_HZ \
        100 /* in which /proc counts, proc_pid_stat(5); the same on every architecture that has VFIO */

static uint64_t boot_usec(const struct root *root)
{
        static const char *const words[] = { "btime ", NULL };
        _cleanup_free_ char *text = NULL;
        uint64_t seconds;

        return grep_file_at(root->fd, "proc/stat", words, &text) >= 0 &&
                               sscanf(text, "btime %" SCNu64, &seconds) == 1
                       ? seconds * USEC_PER_SEC
                       : 0;
}

/* Field 22; the fields stand behind the command's name in parentheses. The time of the boot is cut to a
 * second, so that the result is never later than the truth. */
uint64_t process_start_usec(const struct root *root, pid_t pid)
{
        char path[sizeof("proc//stat") + 10];
        _cleanup_free_ char *stat = NULL;
        uint64_t ticks, boot = boot_usec(root);
        const char *rest;

        snprintf(path, sizeof(path), "proc/%d/stat", pid);
        if (!boot || read_line_at(root->fd, path, &stat) < 0 || !(rest = strrchr(stat, ')')) ||
            sscanf(rest,
                   ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %" SCNu64,
                   &ticks) != 1)
                return 0;
        return boot + ticks * (USEC_PER_SEC / USER_HZ);
}
