/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts-mapping.h"
#include "util/process-file.h"

/* How many of its descriptors are looked at: of a stranger's all that it has open, of others those of VFIO.
 */
#define PROCESS_DESCRIPTORS_MAX 4096

/* What /proc shows of one process that uses VFIO. fd: its directory in /proc, opened for reading. */

/* p->mapped is known before. What cannot be read is unknown. */
void mapping_process_read(struct mapping_process *p, const struct root *root, const struct process *process,
                          int fd);

/* Adds the VFIO files that it holds open. *ret_more: how many of its descriptors were left out. Returns 0,
 * also without the privilege to see them; -ENOMEM; or a negative errno of process_is_unread(), with those
 * that were seen before the time was over. */
int vfio_holders_read(const struct root *root, const struct process *p, int fd, struct vfio_holder **holders,
                      size_t *n_holders, size_t *ret_more);
