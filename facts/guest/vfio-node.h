/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/stat.h>

#include "util/root.h"

/* The name of an open file or a mapping is one that its process can choose: in a mount namespace of its own,
 * "/dev/vfio/12" can be any file. The number of a device cannot be chosen.
 *
 * Whether the file with that state is the device that `path` names on a host: "/dev/vfio/12",
 * "/dev/vfio/noiommu-12", "/dev/vfio/devices/vfio3", "/dev/vfio/vfio" or "/dev/iommu". Returns 1, 0, or
 * -ENODATA where sysfs does not show devices by their numbers. */
int vfio_node_is(const struct root *root, const struct statx *st, const char *path);
