/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "device-use.h"

#define MDEV "sys/bus/mdev/devices"

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
        bool used;                  /* somebody is known to use it */
        struct functions functions; /* those that it stands on, through all layers */
};

/* A file system or a pool in use whose block devices neither its mount nor sysfs names. */
struct pool {
        char *type; /* "zfs", as mounts name it; its members carry a signature that begins with it */
        char *name; /* "tank"; "" if it is not known */
};

/* One pass over a host. */
struct use_reader {
        struct device_uses *uses;
        const struct root *root;
        const struct device_facts *devices;
        struct block *blocks; /* by name */
        size_t n_blocks;
        struct pool *pools; /* none twice */
        size_t n_pools;
        bool first_display_is_console; /* the use of fb0 is noted */
};

int functions_add(struct functions *f, size_t index);
void functions_done(struct functions *f);

/* Adds every function on the way to a device in sysfs, except bridges. There can be several: a VMD
 * controller has disks below it. */
int functions_of_path(const struct use_reader *reader, const char *path, struct functions *f);

/* Adds the function of a virtio device: "virtio3". */
int functions_of_virtio(const struct use_reader *reader, const char *name, struct functions *f);

/* Whether there is a bus of virtio devices. */
bool has_virtio(const struct use_reader *reader);

/* Adds what a mount has from a virtio device, if it is of such a file system. options: NULL is fine. */
int uses_add_virtio_mount(struct use_reader *reader, const char *type, const char *source, const char *where,
                          const char *options);

/* hvc0 does not say whose it is: any virtio console can be the one. */
int uses_add_virtio_console(struct use_reader *reader, const char *what);

/* Notes the use for each of the functions, with a copy of the text in which control characters are replaced.
 */
int use_add(struct use_reader *reader, const struct functions *f, enum use_kind kind, pid_t pid,
            const char *what);

/* Lists the block devices. uses_read_blocks() and uses_read_processes() need them. */
int blocks_read(struct use_reader *reader);
void blocks_done(struct use_reader *reader);

/* The block device of that name, or of a node: "/dev/nvme0n1p2", "/dev/mapper/vg-root". NULL if there is
 * none. */
struct block *block_find(struct use_reader *reader, const char *name);
struct block *block_find_node(struct use_reader *reader, const char *node);

/* Notes the use for the functions below the block device, which then counts as used. */
int block_add_use(struct use_reader *reader, struct block *b, enum use_kind kind, const char *what);

/* Keeps a file system in use for pools_trace(). source: as a mount names it. */
int pools_add(struct use_reader *reader, const char *type, const char *source);

/* Finds the pools that no mount shows and the block devices of all pools: a use where it is certain, or
 * USE_UNKNOWN. All other uses of block devices have to be known before. */
int pools_trace(struct use_reader *reader);
void pools_done(struct use_reader *reader);

/* Interfaces that rtnetlink knows to carry something, as text for a recording: names between spaces. */
struct link_answers {
        char *with_xdp; /* " eth0 " */
        char *below;    /* " eth0:vxlan0 ": a device of this network namespace stands on it */
};
/* Asks the running kernel. Returns 0, -ENOMEM, or another negative errno where it does not answer. */
int links_ask(struct link_answers *ret);
void link_answers_done(struct link_answers *a);

int uses_read_blocks(struct use_reader *reader); /* mounts, swap, holders; and device_uses.blocks */
int uses_read_memory(struct use_reader *reader); /* memory of a device that the host uses as its own */
int uses_read_network(struct use_reader *reader);
int uses_read_input(struct use_reader *reader); /* keyboards, if nothing else has one */
int uses_read_processes(struct use_reader *reader);
