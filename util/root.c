/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "root.h"

#include <errno.h>
#include <fcntl.h>

#include "macro.h"

int root_open(struct root *root, const char *dir)
{
        const char *path = dir ?: "/";
        _cleanup_free_ char *copy = strdup(path);
        _cleanup_close_ int fd = -EBADF;

        if (!copy)
                return -ENOMEM;
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        *root = (struct root) {.fd = TAKE_FD(fd), .path = TAKE_PTR(copy), .live = !dir};
        return 0;
}

void root_close(struct root *root)
{
        if (root->fd >= 0)
                close(root->fd);
        free(root->path);
        *root = (struct root) {.fd = -EBADF};
}
