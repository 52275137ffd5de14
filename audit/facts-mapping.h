/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "facts-device.h"

/* One mapping of a VFIO device in one process, as /proc/PID/maps has it. */
struct mapping {
        pid_t pid;
        char *command;   /* the process's name */
        uint64_t start;  /* virtual address */
        uint64_t size;   /* bytes */
        uint64_t offset; /* within the region */
        int region;      /* VFIO region: 0 to 5 are the BARs; -1 where the kernel does not show it (before 6.12) */
        bdf_t bdf;       /* empty where the function cannot be told */
};

struct mapping_facts {
        struct fact complete; /* every process could be looked into */
        struct mapping *mappings; /* by process, then by address */
        size_t n_mappings;
};

/* Reads one process. devices: to tell which function a mapping belongs to. hint: functions that the process is
 * known to have, where the process itself does not show them; may be NULL. Returns 0 or a negative errno:
 * -ESRCH where it is gone, -EACCES where it may not be looked into. Adds to f. */
int mapping_facts_read_process(struct mapping_facts *f, const struct root *root, pid_t pid,
                               const struct device_facts *devices, const bdf_t *hint, size_t n_hint);

/* Reads all processes. Returns 0 or -ENOMEM. */
int mapping_facts_read(struct mapping_facts *f, const struct root *root, const struct device_facts *devices);
void mapping_facts_done(struct mapping_facts *f);

/* Parses one line of /proc/PID/maps: 1 and *ret (without pid, command, bdf) for a VFIO device's mapping, else 0. */
int mapping_parse(const char *line, struct mapping *ret);
