/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts-mapping.h"

/* What /proc tells of one process that has to do with VFIO. fd: its directory in /proc, opened for reading.
 */

/* mappings: its n mappings of VFIO devices. Returns 0 or -ENOMEM. */
int mapping_process_read(struct mapping_process *p, const struct root *root, int fd, pid_t pid,
                         const struct mapping *mappings, size_t n);

/* Adds what it holds open of VFIO. Returns 0 (also where that may not be seen) or -ENOMEM. */
int vfio_holders_read(const struct root *root, int fd, pid_t pid, struct vfio_holder **holders,
                      size_t *n_holders);
