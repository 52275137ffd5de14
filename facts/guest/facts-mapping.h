/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "facts/device/facts-device.h"

/* Reading /proc/PID/maps takes the process's mmap_lock: where a process hangs with it held (a BAR that takes
 * minutes to pin, or a stranger that does it on purpose), it is left out (util/process-file.h). Processes in
 * other pid and mount namespaces are seen like any other, by the pid that they have in ours; the path of
 * their executable is one of their own namespace. */

/* One mapping of a VFIO device in one process, as /proc/PID/maps has it. */
struct mapping {
        pid_t pid;
        char *command;    /* the process's name */
        uint64_t start;   /* virtual address */
        uint64_t size;    /* bytes */
        uint64_t offset;  /* within the region */
        int region;       /* VFIO's: 0 to 5 are the BARs; -1: the kernel does not show it (before 6.12) */
        int cdev;         /* of /dev/vfio/devices/vfioCDEV; -1: it came from a group */
        bdf_t bdf;        /* empty where the function is unknown */
        struct fact huge; /* of its process, below */
};

/* A process that maps a VFIO device. The kernel does not show the size of its pages, only how large the
 * process's page tables are in all (VmPTE). A table has the size of a base page, and its entries are those
 * of as many base pages as a huge page has: 2 MiB of 4 KiB pages take one table of 4 KiB, and so does an
 * anonymous huge page; a huge entry of a BAR takes none. */
struct mapping_process {
        pid_t pid;
        char *command;
        char *exe;            /* its program, NULL where that cannot be seen */
        bool exe_deleted;     /* it was replaced, as by an upgrade, and the process runs the old one */
        uint64_t mapped;      /* bytes of VFIO devices */
        uint64_t page_tables; /* bytes, VmPTE; 0: unknown */
        uint64_t small_min;   /* bytes of `mapped` that surely are on base pages */
        uint64_t small_max;   /* and that at most can be */
        struct fact thp;      /* huge pages are not forbidden to it (PR_SET_THP_DISABLE) */
        /* No: at least half of what is mapped has base pages. Yes: less than an eighth can have them. What
         * nobody has touched yet has no entries at all and looks like huge ones. */
        struct fact huge;
};

/* A process with VFIO descriptors, whether or not it maps anything. A process has one entry for each group
 * or character device that it holds open. */
struct vfio_holder {
        pid_t pid;
        char *command;
        int group;        /* /dev/vfio/GROUP, or -1 */
        int cdev;         /* /dev/vfio/devices/vfioCDEV, or -1 */
        size_t n_devices; /* of the process: open devices that came from a group */
        bool container;   /* of the process: /dev/vfio/vfio, where type1 maps each BAR for the IOMMU */
        bool iommufd;     /* of the process: /dev/iommu */
};

/* How many mappings are kept: of one process, and of all processes of one user and of all users, where that
 * is neither root nor who runs libvirt's guests. */
#define PROCESS_MAPPINGS_MAX 1024
#define USER_MAPPINGS_MAX 4096
#define USERS_MAPPINGS_MAX 16384

/* A process of which not everything is kept. */
struct mapping_omission {
        pid_t pid;
        char *command;
        size_t mappings;    /* how many more it has than are kept */
        size_t descriptors; /* how many of its descriptors were not looked at */
};
#define OMISSIONS_MAX 64

struct mapping_facts {
        struct fact complete;     /* every process could be looked into */
        struct mapping *mappings; /* by process, then by address */
        size_t n_mappings;
        struct mapping_process *processes; /* by process */
        size_t n_processes;
        struct vfio_holder *holders; /* by process */
        size_t n_holders;
        pid_t denied; /* one that could not be looked into, or 0; and how many there are */
        char *denied_command;
        size_t n_denied;
        struct mapping_omission *omissions;
        size_t n_omissions, n_more_omissions; /* of the latter, only the number is kept */
        struct mapping_count *counts;         /* internal: by user */
        size_t n_counts, n_counted;
};

/* Reads one process and adds it to f. devices: whose BARs are compared, to find the function of a mapping.
 * hint: n_hint functions that the process is known to have, in case it does not show them itself; may be
 * NULL. Returns 0 or a negative errno: -ESRCH where the process is gone, -EACCES or -EPERM without the
 * privilege, -ETIMEDOUT or another of process_is_unread() where it did not answer in time. */
int mapping_facts_read_process(struct mapping_facts *f, const struct root *root, pid_t pid,
                               const struct device_facts *devices, const bdf_t *hint, size_t n_hint);

/* Reads all processes. Returns 0 or -ENOMEM; mapping_facts_done() in both cases. */
int mapping_facts_read(struct mapping_facts *f, const struct root *root, const struct device_facts *devices);
void mapping_facts_done(struct mapping_facts *f);

/* The process with that id, or NULL. */
const struct mapping_process *mapping_facts_find_process(const struct mapping_facts *f, pid_t pid);

/* Parses one line of /proc/PID/maps: 1 and *ret (without pid, command, and unless the line has it bdf) for
 * what has the name of a VFIO device's mapping, else 0. A process can choose that name, unless it is
 * anonymous. */
int mapping_parse(const char *line, struct mapping *ret);
