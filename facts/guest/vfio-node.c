/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vfio-node.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>

#include "util/file.h"
#include "util/macro.h"

#define CHARACTER_DEVICES "sys/dev/char"

/* The class, which is the last folder of the device in sysfs. */
static const char *class_of(const char *path, const char **ret_name)
{
        const char *name;

        *ret_name = name = startswith(path, "/dev/vfio/devices/");
        if (name)
                return "vfio-dev";
        *ret_name = strrchr(path, '/') + 1;
        if (streq(path, "/dev/vfio/vfio") || streq(path, "/dev/iommu"))
                return "misc";
        return "vfio";
}

int vfio_node_is(const struct root *root, const struct statx *st, const char *path)
{
        char link[sizeof(CHARACTER_DEVICES "/:") + 20], target[PATH_MAX], end[NAME_MAX + 16];
        const char *class, *name;
        size_t n_end;
        ssize_t n;

        assert(root);
        assert(st);
        assert(path && strchr(path, '/'));

        if (!S_ISCHR(st->stx_mode))
                return 0;
        if (faccessat(root->fd, CHARACTER_DEVICES, X_OK, 0) < 0)
                return -ENODATA;
        /* Read as it is: a recorded host keeps the answer, and not the numbers of its devices. */
        snprintf(link, sizeof(link), CHARACTER_DEVICES "/%u:%u", st->stx_rdev_major, st->stx_rdev_minor);
        n = readlinkat(root->fd, link, target, sizeof(target) - 1);
        if (n < 0)
                return 0;
        target[n] = '\0';
        class = class_of(path, &name);
        if (snprintf(end, sizeof(end), "/%s/%s", class, name) >= (int) sizeof(end))
                return 0;
        n_end = strlen(end);
        return (size_t) n >= n_end && streq(target + n - n_end, end);
}
