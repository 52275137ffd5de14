/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/root.h"

/* Has systemd load the module of a PCI driver (modprobe@.service: this process needs no right to do that)
 * where the kernel does not know the driver yet, and waits for it. What came of it shows in
 * sys/bus/pci/drivers; no error is told. */
void driver_load(const struct root *root, const char *driver);
