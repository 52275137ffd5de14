/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/root.h"

/* Has systemd load the module of a PCI driver where the kernel does not know the driver yet, and waits for
 * it. modprobe@.service does it, so this process needs no right to. Errors are not reported: whether the
 * driver is there shows in sys/bus/pci/drivers. */
void driver_load(const struct root *root, const char *driver);

/* Whether a module of the running kernel with the driver's name is made for that function (modules.alias),
 * or takes any function that it is given and does nothing with it (pci-stub). */
bool driver_is_for(const struct root *root, const char *bdf, const char *driver);
