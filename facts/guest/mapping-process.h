/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts-mapping.h"

/* What /proc shows of one process that uses VFIO. fd: its directory in /proc, opened for reading. */

/* mappings: its n mappings of VFIO devices. What cannot be read is unknown. */
void mapping_process_read(struct mapping_process *p, const struct root *root, int fd, pid_t pid,
                          const struct mapping *mappings, size_t n);

/* Adds the VFIO files that it holds open. Returns 0, also without the privilege to see them, or -ENOMEM. */
int vfio_holders_read(const struct root *root, int fd, pid_t pid, struct vfio_holder **holders,
                      size_t *n_holders);
