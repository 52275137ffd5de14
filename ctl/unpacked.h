/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

/* A directory for the files of an archive, which is gone with this process, however that ends: another
 * process waits for that and removes it. */
struct unpacked {
        char *path; /* NULL: none */
        int fd;     /* the directory; valid with a path */
        int keeper; /* a socket, whose other end the other process has */
        pid_t pid;
};

/* Returns 0 or a negative errno. */
int unpacked_open(struct unpacked *u);

/* The directory is removed when this returns. Does nothing where there is none. */
void unpacked_close(struct unpacked *u);

/* Removes a directory with all that is in it. Links are not followed. */
void remove_tree(const char *dir);
