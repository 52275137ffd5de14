/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/fact.h"
#include "util/root.h"

/* The VFIO drivers that depmod knows: vfio-pci, and variants of it for some devices (mlx5_vfio_pci, ...),
 * which can do more than the plain one, such as migration. */
struct vfio_drivers;

/* Reads the "alias vfio_pci:..." lines of modules.alias for that release (NULL: not known). *ret_read says
 * whether that could be read; if not, *ret has no variants. Returns 0 or -ENOMEM. */
int vfio_drivers_read(const struct root *root, const char *release, struct vfio_drivers **ret,
                      struct fact *ret_read);
void vfio_drivers_free(struct vfio_drivers *v);

/* The driver for a device with that modalias ("pci:v000015B3d..."), as libvirt picks it since 10.0
 * (virPCIDeviceFindBestVFIOVariant): of the lines that match, the first with the fewest wildcards; otherwise
 * "vfio-pci". It is spelled as in modules.alias, except for "vfio-pci". Lives as long as v. */
const char *vfio_drivers_best(const struct vfio_drivers *v, const char *modalias);

/* Whether that driver (with "-" or "_") is one of them. */
bool vfio_drivers_has(const struct vfio_drivers *v, const char *driver);
