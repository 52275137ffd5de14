/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "facts/device/facts-device.h"

/* Reading /proc/PID/maps takes the process's mmap_lock: where a process hangs with it held (a BAR that takes
 * minutes to pin), the reader hangs with it. Processes in other pid and mount namespaces are seen like any
 * other, by the pid that they have in ours; the path of their executable is one of their own namespace. */

/* One mapping of a VFIO device in one process, as /proc/PID/maps has it. */
struct mapping {
        pid_t pid;
        char *command;   /* the process's name */
        uint64_t start;  /* virtual address */
        uint64_t size;   /* bytes */
        uint64_t offset; /* within the region */
        int region; /* VFIO region: 0 to 5 are the BARs; -1 where the kernel does not show it (before 6.12)
                     */
        bdf_t bdf;  /* empty where the function cannot be told */
        struct fact huge; /* of its process, below */
};

/* A process that maps a VFIO device. Of page sizes the kernel shows but one number: how large the process's
 * page tables are in all (VmPTE). 2 MiB of 4 KiB pages take one table of 4 KiB, and so does an anonymous
 * huge page; a huge entry of a BAR takes none. */
struct mapping_process {
        pid_t pid;
        char *command;
        char *exe;            /* its program, NULL where that cannot be seen */
        bool exe_deleted;     /* it was replaced since: an upgrade, and the process runs the old one */
        uint64_t mapped;      /* bytes of VFIO devices */
        uint64_t page_tables; /* bytes, VmPTE; 0: unknown */
        uint64_t small_min,
                small_max; /* bytes of `mapped` that surely are, and at most can be, on 4 KiB pages */
        struct fact thp;   /* huge pages are not forbidden to it (PR_SET_THP_DISABLE) */
        /* No: at least half of what is mapped has 4 KiB pages. Yes: less than an eighth can have them; what
         * nobody has touched yet has no entries at all and cannot be told from huge ones. */
        struct fact huge;
};

/* A process with VFIO descriptors, whether or not it maps anything. One for each group or character device.
 */
struct vfio_holder {
        pid_t pid;
        char *command;
        int group;        /* /dev/vfio/GROUP, or -1 */
        int cdev;         /* /dev/vfio/devices/vfioCDEV, or -1 */
        size_t n_devices; /* of the process: open devices that came from a group */
        bool container;   /* of the process: /dev/vfio/vfio, where type1 maps each BAR for the IOMMU */
        bool iommufd;     /* of the process: /dev/iommu */
};

struct mapping_facts {
        struct fact complete;     /* every process could be looked into */
        struct mapping *mappings; /* by process, then by address */
        size_t n_mappings;
        struct mapping_process *processes; /* by process */
        size_t n_processes;
        struct vfio_holder *holders; /* by process */
        size_t n_holders;
};

/* Reads one process. devices: to tell which function a mapping belongs to. hint: functions that the process
 * is known to have, where the process itself does not show them; may be NULL. Returns 0 or a negative errno:
 * -ESRCH where it is gone, -EACCES where it may not be looked into. Adds to f. */
int mapping_facts_read_process(struct mapping_facts *f, const struct root *root, pid_t pid,
                               const struct device_facts *devices, const bdf_t *hint, size_t n_hint);

/* Reads all processes. Returns 0 or -ENOMEM. */
int mapping_facts_read(struct mapping_facts *f, const struct root *root, const struct device_facts *devices);
void mapping_facts_done(struct mapping_facts *f);

/* The process with that id, or NULL. */
const struct mapping_process *mapping_facts_find_process(const struct mapping_facts *f, pid_t pid);

/* Parses one line of /proc/PID/maps: 1 and *ret (without pid, command, bdf) for a VFIO device's mapping,
 * else 0. */
int mapping_parse(const char *line, struct mapping *ret);
