/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* Where facts are read: the running host ("/"), or a directory that holds the recorded files of another. */
struct root {
        int fd;        /* O_PATH directory; every path is relative to it, without a leading slash */
        char *path;    /* as the user named it; what libraries that take no descriptor are given */
        bool live;     /* the running host: probes and /proc/self make sense */
};

/* Opens dir (NULL: the running host). Returns 0 or a negative errno; release with root_close(). */
int root_open(struct root *root, const char *dir);
void root_close(struct root *root);
