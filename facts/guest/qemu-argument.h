/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define MDEV_UUID_LENGTH 36

/* Arguments of QEMU's command line, as a user or libvirt writes them: "driver,key=value,..." or a JSON
 * object. What is given is taken from other processes and from XML: nothing is assumed of it. */

/* Is it the value of -device for a PCI function or an mdev that goes through VFIO? */
bool qemu_argument_is_vfio(const char *arg);

/* The value of one key, cut to size. False where there is none (or it is empty). */
bool qemu_argument_get(const char *arg, const char *key, char *ret, size_t size);

/* A switch is on: "on", "yes", "true", "y"; JSON's true. */
bool qemu_argument_is_on(const char *arg, const char *key);

/* Its device's name in sysfs (a PCI address as the user wrote it, or an mdev's UUID): of host= or sysfsdev=.
 */
bool qemu_argument_device(const char *arg, char *ret, size_t size);

/* Is it a UUID, as mdevs are named? */
bool is_uuid(const char *s);
