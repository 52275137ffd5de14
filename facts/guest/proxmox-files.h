/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/root.h"

/* The files of Proxmox's cluster (proxmox-conf.h). They are in a file system of FUSE, pmxcfs, which can
 * hang, so all of them are read at once by a child (util/guarded-file.h). */
struct proxmox_file {
        char *path; /* below the root */
        char *text; /* of a link, the last component of its target; "" where it could not be read */
        int error;  /* 0, or the negative errno of reading it */
};

/* First PROXMOX_DEFINED_DIR, which has no text but an error if it cannot be listed; then each ID.conf in it,
 * by name; then PROXMOX_MAPPINGS_FILE and PROXMOX_NODE_LINK. */
struct proxmox_files {
        struct proxmox_file *files;
        size_t n;
};

/* Returns 0; -ETIMEDOUT where the file system does not answer, and then f is empty; or -ENOMEM or another
 * negative errno (also). */
int proxmox_files_read(struct proxmox_files *f, const struct root *root);
void proxmox_files_done(struct proxmox_files *f);

/* NULL: it is not among them. */
const struct proxmox_file *proxmox_files_find(const struct proxmox_files *f, const char *path);

/* The number in the path of an ID.conf; false for any other file. */
bool proxmox_file_id(const struct proxmox_file *file, char id[static 16]);
