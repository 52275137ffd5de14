/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "facts-device.h"

/* Who uses a function now, in words for a person. Whether it can be taken away is for the kernel to say. */
enum use_kind {
        USE_MOUNT,     /* "/boot": a file system on it is mounted, or alive, also through device mapper, md,
                          btrfs, multipath, virtio, or a pool */
        USE_SWAP,      /* "nvme0n1p3" */
        USE_HOLDER,    /* "dm-0 (vg-root)", "mediated device UUID": another device stands on it */
        USE_MEMORY,    /* "region0": its memory is, or may be, the host's */
        USE_INTERFACE, /* "eth0 (default route)": up, with an address, a route, PPPoE, an XDP program or a
                          packet socket */
        USE_ENSLAVED,  /* "eth0 (below br0)": part of a bridge, bond, VLAN, ... */
        USE_NAMESPACE, /* "an interface in another network namespace" */
        USE_CONSOLE,   /* "boot display", "ttyS4 (console)", "fb1 (framebuffer)" */
        USE_KEYBOARD,  /* "AT Translated Set 2 keyboard": no other keyboard has keys to type with */
        USE_PROCESS,   /* "Xorg (pid 812, card0)": it holds a device node open, or maps a BAR by sysfs */
        USE_GUEST,     /* "web1 (pid 4242)": through VFIO; the guest's name where the command line has one */
        USE_VFS,       /* "8 virtual functions" */
        USE_UNKNOWN,   /* "nvme0n1 may belong to tank (zfs)": a block device that only an exclusive open of
                          it could prove to be free */
        _USE_KIND_MAX,
        _USE_KIND_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(use_kind, enum use_kind);

struct device_use {
        bdf_t bdf;
        enum use_kind kind;
        pid_t pid;  /* of a process or guest; else 0 */
        char *what; /* as in the examples above; printable */
};

/* A block device that stands on a function, through all layers: its disks and partitions, the head of an
 * NVMe subsystem with several paths, what dm and md make of them. */
struct device_block {
        bdf_t bdf;
        char *name; /* "nvme0n1p2" */
        unsigned major, minor;
};

struct device_uses {
        struct fact block;       /* block devices, mounts and swap could be read */
        struct fact network;     /* the interfaces and their addresses could be read */
        struct fact processes;   /* the open files of every process could be read: unknown without root */
        struct device_use *uses; /* by device (as device_facts orders them), kind, what; none twice */
        size_t n_uses;
        struct device_block *blocks; /* by device, then name; all of them only if `block` is yes */
        size_t n_blocks;
};

/* One pass over the host for all devices. Returns 0 or -ENOMEM; *u is then empty. */
int device_uses_read(struct device_uses *u, const struct root *root, const struct device_facts *devices);
void device_uses_done(struct device_uses *u);

/* The uses of one function, *ret_n of them; NULL where there are none. */
const struct device_use *device_uses_find(const struct device_uses *u, const char *bdf, size_t *ret_n);

/* What the host itself does with a function, the gravest use first; NULL where nothing is known. A use by a
 * guest is none of these. */
const struct device_use *device_uses_host(const struct device_uses *u, const char *bdf);
