/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts-device.h"

/* Gives each device the name that people know it by, from hwdb(7), looked up once for each vendor and
 * device. Names are an ornament: a host without hwdb shows IDs. A recorded host has the names that it was
 * recorded with, whatever this host knows. Called once, after the devices were read. Returns 0 or -ENOMEM.
 *
 * This is apart from facts-device.h because many read devices that need neither names nor hwdb's library. */
int device_names_read(struct device_facts *devices, const struct root *root);
