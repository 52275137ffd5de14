/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "processors.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "util/file.h"
#include "util/macro.h"

/* Whether a line of /proc/PID/task/TID/stat (proc_pid_stat(5)) is of a guest's processor, and its minor and
 * major faults. The name can hold anything but is at most 15 characters long, and the last parenthesis ends
 * it. */
static bool parse_processor(const char *stat, uint64_t *ret_faults)
{
        static const char *const prefixes[] = { "CPU ", "vcpu", "crosvm_vcpu" };
        const char *name = strchr(stat, '('), *rest = strrchr(stat, ')');
        uint64_t minor, major;

        if (!name || !rest ||
            sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %" SCNu64 " %*u %" SCNu64, &minor, &major) != 2)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++)
                if (strncmp(name + 1, prefixes[i], strlen(prefixes[i])) == 0) {
                        *ret_faults = minor + major;
                        return true;
                }
        return false;
}

/* Of a thread that has ended nothing is known any more. */
static int add_thread(int task, const char *tid, struct trace_processors *found)
{
        _cleanup_free_ char *stat = NULL;
        char file[32];
        uint64_t faults;
        int r;

        snprintf(file, sizeof(file), "%.20s/stat", tid);
        r = read_line_at(task, file, &stat);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        if (parse_processor(stat, &faults)) {
                found->threads++;
                found->faults += faults;
        }
        return 0;
}

int trace_processors_read(const struct root *root, pid_t pid, struct trace_processors *ret)
{
        _cleanup_(names_done) struct names threads = {};
        _cleanup_close_ int task = -EBADF;
        struct trace_processors found = {};
        char path[sizeof("proc//task") + 10];
        int r;

        assert(root);
        assert(ret);
        snprintf(path, sizeof(path), "proc/%d/task", pid);
        task = open_at(root->fd, path, O_RDONLY | O_DIRECTORY);
        r = task < 0 ? task : list_dir_at(task, "", &threads);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        for (size_t i = 0; i < threads.n; i++) {
                r = add_thread(task, threads.names[i], &found);
                if (r < 0)
                        return r;
        }
        if (found.threads > 0)
                *ret = found;
        return 0;
}
