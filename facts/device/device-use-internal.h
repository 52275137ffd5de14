/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "device-use.h"

/* What device-use.c and its helpers share. Every function that returns int returns 0 or -ENOMEM. */

/* A set of functions: indices into device_facts. */
struct functions {
        size_t *indices;
        size_t n;
};

/* A block device of the host. */
struct block {
        char *name;    /* "nvme0n1p2" */
        char *dm_name; /* "vg-root", or NULL */
        char *whole;   /* the virtual device that this is, or is a partition of; NULL if it is not virtual */
        unsigned major, minor;      /* 0:0 if it cannot be opened */
        bool stacked;               /* others are below it, as with dm and md */
        bool visited;               /* its layers are in `functions` */
        bool mounted;               /* a mount shows all of it */
        bool seen;                  /* a mount of it, or of a part of it, shows on the host */
        struct functions functions; /* those that it stands on, through all layers */
};

/* One pass over a host. */
struct use_reader {
        struct device_uses *uses;
        const struct root *root;
        const struct device_facts *devices;
        struct block *blocks; /* by name */
        size_t n_blocks;
};

int functions_add(struct functions *f, size_t index);
void functions_done(struct functions *f);

/* Adds every function on the way to a device in sysfs, except bridges. There can be several: a VMD
 * controller has disks below it. */
int functions_of_path(const struct use_reader *reader, const char *path, struct functions *f);

/* Notes the use for each of the functions, with a copy of the text in which control characters are replaced.
 */
int use_add(struct use_reader *reader, const struct functions *f, enum use_kind kind, pid_t pid,
            const char *what);

/* Lists the block devices. uses_read_blocks() and uses_read_processes() need them. */
int blocks_read(struct use_reader *reader);
void blocks_done(struct use_reader *reader);

int uses_read_blocks(struct use_reader *reader); /* mounts, swap, holders; and device_uses.blocks */
int uses_read_network(struct use_reader *reader);
int uses_read_input(struct use_reader *reader); /* keyboards, if nothing else has one */
int uses_read_processes(struct use_reader *reader);
