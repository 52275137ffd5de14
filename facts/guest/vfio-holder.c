/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <fcntl.h>

#include "mapping-process.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/parse.h"

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

/* Comma-separated names; "" where there is none, or no privilege to see them. NULL: no memory. Without
 * list_dir_at(), because a recorded host need not have every file that every process has open. */
static char *list_descriptors(int process_fd)
{
        int fd = openat(process_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        _cleanup_closedir_ DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
        _cleanup_free_ char *text = strdup("");
        size_t size = 0;
        struct dirent *entry;

        if (!dir) {
                if (fd >= 0)
                        close(fd);
                return TAKE_PTR(text);
        }
        while (text && (entry = readdir(dir))) {
                char target[64], buffer[32], *grown;
                const char *name;
                ssize_t n = readlinkat(fd, entry->d_name, target, sizeof(target) - 1);

                if (n < 0)
                        continue;
                target[n] = '\0';
                name = name_descriptor(target, buffer);
                if (!name)
                        continue;
                grown = realloc(text, size + strlen(name) + 2);
                if (!grown)
                        return NULL;
                text = grown;
                size += (size_t) sprintf(text + size, "%s%s", size ? "," : "", name);
        }
        return TAKE_PTR(text);
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
static int parse_descriptors(char *text, struct vfio_holder **holders, size_t *n)
{
        struct vfio_holder process = {};
        size_t first = *n;
        char *save = NULL;

        for (char *word = strtok_r(text, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
                int number, r = 0;

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

int vfio_holders_read(const struct root *root, int fd, pid_t pid, struct vfio_holder **holders,
                      size_t *n_holders)
{
        _cleanup_free_ char *text = NULL;
        char question[64];
        size_t first = *n_holders;
        int r;

        snprintf(question, sizeof(question), "vfio-descriptors %d", pid);
        text = root_answer(root, question);
        if (!text) {
                text = list_descriptors(fd);
                if (text && *text)
                        root_note(root, question, text);
        }
        if (!text)
                return -ENOMEM;
        r = parse_descriptors(text, holders, n_holders);
        if (r < 0)
                return r;
        for (size_t i = first; i < *n_holders; i++) {
                (*holders)[i].pid = pid;
                (void) read_line_at(fd, "comm", &(*holders)[i].command);
        }
        return 0;
}
