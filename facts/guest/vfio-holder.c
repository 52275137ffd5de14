/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <fcntl.h>

#include "mapping-process.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/parse.h"
#include "util/process-file.h"
#include "vfio-node.h"

/* "group 12", "cdev 3", "device", "container", "iommufd"; NULL for anything else. */
static const char *name_descriptor(const char *target, char buffer[static 32])
{
        const char *number;
        uint64_t v;

        if (startswith(target, "anon_inode:[vfio-device]"))
                return "device";
        if (streq(target, "/dev/vfio/vfio"))
                return "container";
        if (streq(target, "/dev/iommu"))
                return "iommufd";
        number = startswith(target, "/dev/vfio/devices/vfio");
        if (number && isdigit((unsigned char) *number) && parse_u64(number, 10, &v) >= 0 && v <= INT32_MAX) {
                snprintf(buffer, 32, "cdev %d", (int) v);
                return buffer;
        }
        number = startswith(target, "/dev/vfio/noiommu-") ?: startswith(target, "/dev/vfio/");
        if (number && isdigit((unsigned char) *number) && parse_u64(number, 10, &v) >= 0 && v <= INT32_MAX) {
                snprintf(buffer, 32, "group %d", (int) v);
                return buffer;
        }
        return NULL;
}

/* Whether the descriptor is what its name says. A group's device is an anonymous file, whose name nobody can
 * choose. */
static bool is_genuine(const struct root *root, const struct process *p, int dirfd, const char *number,
                       const char *target)
{
        struct statx st;
        int r;

        if (target[0] != '/' || !root->live)
                return true;
        if (statx(dirfd, number, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &st) < 0)
                return false;
        r = vfio_node_is(root, &st, target);
        return r < 0 ? process_is_believed(p) : r > 0;
}

/* The name of one descriptor, or NULL. */
static const char *read_descriptor(const struct root *root, const struct process *p, int dirfd,
                                   const char *number, char buffer[static 32])
{
        char target[64];
        ssize_t n = readlinkat(dirfd, number, target, sizeof(target) - 1);
        const char *name;

        if (n < 0)
                return NULL;
        target[n] = '\0';
        name = name_descriptor(target, buffer);
        return name && is_genuine(root, p, dirfd, number, target) ? name : NULL;
}

/* Looks at the descriptors one after another, up to the end of the process's time, and of a stranger's only
 * at so many. *ret_more: how many were left out. Returns 0 or -ETIMEDOUT. */
static int print_descriptors(const struct root *root, const struct process *p, DIR *dir,
                             const struct process_time *time, FILE *out, size_t *ret_more)
{
        size_t n_seen = 0, n_names = 0;
        struct dirent *entry;

        while ((entry = readdir(dir))) {
                char buffer[32];
                const char *name;

                if (entry->d_name[0] == '.')
                        continue;
                if (process_time_is_over(time))
                        return -ETIMEDOUT;
                if (!p->trusted && n_seen++ >= PROCESS_DESCRIPTORS_MAX) {
                        ++*ret_more;
                        continue;
                }
                name = read_descriptor(root, p, dirfd(dir), entry->d_name, buffer);
                if (name)
                        fprintf(out, "%s%s", n_names++ ? "," : "", name);
        }
        return 0;
}

/* Comma-separated names; "" where there is none, or no privilege to see them. Returns 0, -ENOMEM, or a
 * negative errno of process_is_unread(), with the names that were seen before. Without list_dir_at(),
 * because a recorded host need not have every file that every process has open. */
static int list_descriptors(const struct root *root, const struct process *p, int process_fd, char **ret,
                            size_t *ret_more)
{
        int fd = openat(process_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        _cleanup_closedir_ DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
        struct process_time time;
        size_t size = 0;
        char *text = NULL;
        FILE *out;
        int r;

        *ret_more = 0;
        out = open_memstream(&text, &size);
        if (!dir && fd >= 0)
                close(fd);
        if (!out)
                return -ENOMEM;
        r = dir ? process_time_begin(root, p, &time) : 0;
        if (dir && r == 0) {
                r = print_descriptors(root, p, dir, &time, out, ret_more);
                r = process_time_end(root, p, &time, r);
        }
        if (memory_stream_close(out, &text) < 0) {
                free(text);
                return -ENOMEM;
        }
        *ret = text;
        return r;
}

static int add_holder(struct vfio_holder **holders, size_t *n, size_t first, int group, int cdev)
{
        struct vfio_holder *h;

        for (size_t i = first; i < *n; i++)
                if ((*holders)[i].group == group && (*holders)[i].cdev == cdev)
                        return 0;
        h = array_append(*holders, *n);
        if (!h)
                return -ENOMEM;
        h->group = group;
        h->cdev = cdev;
        return 0;
}

/* Adds an entry for each group and character device among the names. */
static int parse_descriptors(char *text, struct vfio_holder **holders, size_t *n, size_t *more)
{
        struct vfio_holder process = {};
        size_t first = *n, n_words = 0;
        char *save = NULL;

        for (char *word = strtok_r(text, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
                int number, r = 0;

                if (n_words++ >= PROCESS_DESCRIPTORS_MAX) {
                        ++*more;
                        continue;
                }
                if (sscanf(word, "group %d", &number) == 1)
                        r = add_holder(holders, n, first, number, -1);
                else if (sscanf(word, "cdev %d", &number) == 1)
                        r = add_holder(holders, n, first, -1, number);
                if (r < 0)
                        return r;
                process.n_devices += streq(word, "device");
                process.container |= streq(word, "container");
                process.iommufd |= streq(word, "iommufd");
        }
        for (size_t i = first; i < *n; i++) {
                (*holders)[i].n_devices = process.n_devices;
                (*holders)[i].container = process.container;
                (*holders)[i].iommufd = process.iommufd;
        }
        return 0;
}

static int read_holders(const struct root *root, const struct process *p, int fd, char **ret,
                        size_t *ret_more)
{
        char question[64];
        int r;

        snprintf(question, sizeof(question), "vfio-descriptors %d", p->pid);
        *ret = root_answer(root, question);
        if (*ret)
                return 0;
        r = list_descriptors(root, p, fd, ret, ret_more);
        if (r == -ENOMEM)
                return r;
        if (**ret)
                root_note(root, question, *ret);
        return r;
}

int vfio_holders_read(const struct root *root, const struct process *p, int fd, struct vfio_holder **holders,
                      size_t *n_holders, size_t *ret_more)
{
        _cleanup_free_ char *text = NULL, *command = NULL;
        size_t first = *n_holders;
        int read, r;

        *ret_more = 0;
        read = read_holders(root, p, fd, &text, ret_more);
        if (read == -ENOMEM)
                return read;
        r = parse_descriptors(text, holders, n_holders, ret_more);
        if (r < 0)
                return r;
        if (*n_holders > first)
                (void) read_line_at(fd, "comm", &command);
        for (size_t i = first; i < *n_holders; i++) {
                (*holders)[i].pid = p->pid;
                (*holders)[i].command = command ? memory_note(strdup(command)) : NULL;
        }
        return read;
}
