/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts-device.h"

/* What people call a device, by hwdb(7): looked up once for each vendor and device. Names are an ornament: a
 * host without hwdb shows IDs. A recorded host has the names it was recorded with, whatever this host knows.
 */
struct device_names {
        size_t n;
        struct device_name {
                uint32_t id; /* vendor, device */
                char *name;
        } entries[]; /* by id */
};

/* Gives each device its name. Returns 0 or -ENOMEM. Apart from what reads devices (device-name-read.c),
 * which many do who need neither names nor hwdb's library. */
int device_names_read(struct device_facts *devices, const struct root *root);
void device_names_free(struct device_names *n);

/* NULL where there is none; lives as long as n. */
const char *device_names_find(const struct device_names *n, uint16_t vendor, uint16_t device);
