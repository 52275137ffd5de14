/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/fact.h"
#include "util/root.h"

/* The VFIO drivers that depmod knows: vfio-pci, and variants of it for some devices (mlx5_vfio_pci, ...),
 * which can do more than the plain one, such as migrate. */
struct vfio_drivers;

/* Reads the "alias vfio_pci:..." lines for that release (NULL: not known). *ret_read: modules.alias could be
 * read. *ret is never NULL after success. Returns 0 or -ENOMEM. */
int vfio_drivers_read(const struct root *root, const char *release, struct vfio_drivers **ret,
                      struct fact *ret_read);
void vfio_drivers_free(struct vfio_drivers *v);

/* The driver for a device by its modalias ("pci:v000015B3d..."), as libvirt picks it since 10.0
 * (virPCIDeviceFindBestVFIOVariant): of the lines that match, the first with the fewest wildcards; else
 * "vfio-pci". As modules.alias spells it, but "vfio-pci". Lives as long as v. */
const char *vfio_drivers_best(const struct vfio_drivers *v, const char *modalias);

/* Is that driver (with - or _) one of them. */
bool vfio_drivers_has(const struct vfio_drivers *v, const char *driver);
