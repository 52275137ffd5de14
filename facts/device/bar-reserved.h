/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts-device.h"

/* Reads /proc/iomem, where only CAP_SYS_ADMIN sees the addresses, and marks the BARs of which somebody else
 * has a part (bar.reserved_by, bar.unseen); sets f->reservations. f: with the details of its functions,
 * ordered. Of the file, only the lines about BARs are reported to whoever records the host. Returns 0 or
 * -ENOMEM. */
int bar_reservations_read(struct device_facts *f, const struct root *root);
