/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "device-use.h"

/* What device-use.c and its helpers share. All return 0 or -ENOMEM. */

/* A set of functions: indices into device_facts. */
struct functions {
        size_t *indices;
        size_t n;
};

struct use_reader {
        struct device_uses *uses;
        const struct root *root;
        const struct device_facts *devices;
        struct block {
                char *name;    /* "nvme0n1p2" */
                char *dm_name; /* "vg-root", or NULL */
                char *whole;   /* of a partition on a virtual device: the device; else NULL */
                unsigned major, minor;
                bool stacked; /* it has others below it, as dm and md do */
                bool visited, mounted;
                bool seen;                  /* a mount of it shows on the host, as a whole or not */
                struct functions functions; /* on which it stands, through all layers */
        } * blocks;                         /* by name, as listed */
        size_t n_blocks;
};

int functions_add(struct functions *f, size_t index);
/* Every function on the way to a device in sysfs, but for bridges: a VMD controller has disks below it as
 * well. */
int functions_of_path(const struct use_reader *r, const char *path, struct functions *f);
void functions_done(struct functions *f);

/* Notes the use for each of them, with a copy of the text in which nothing but printable characters are
 * left. */
int use_add(struct use_reader *r, const struct functions *f, enum use_kind kind, pid_t pid,
            const char *what);

int blocks_read(struct use_reader *r);
void blocks_done(struct use_reader *r);

int uses_read_blocks(struct use_reader *r); /* the list of them; mounts, swap, holders */
int uses_read_network(struct use_reader *r);
int uses_read_input(struct use_reader *r);     /* the only keyboards */
int uses_read_processes(struct use_reader *r); /* wants blocks_read() before */
