/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A file server (FUSE) that does not answer: what the kernel then does with whoever asks it is not made up.
 */

/* Mounts there, for all users, in the mount namespace of the caller, and returns the device, or -1. As long
 * as nobody serves it, who asks for anything in there waits. When all of its descriptors are closed, they
 * get an error. */
int fuse_mount(const char *dir);

/* One directory, in which any name is the same file. */
struct fuse_file {
        uint64_t size;
        /* Fills the buffer from that offset on. Returns how much there is, or a negative errno; 0: no
         * answer. */
        ssize_t (*read)(uint64_t offset, char *buffer, size_t size, void *userdata);
        void *userdata;
};

/* Serves until the file system is gone. */
void fuse_serve(int device, const struct fuse_file *file);
