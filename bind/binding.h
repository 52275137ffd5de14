/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <signal.h>

#include "facts/bind-record.h"

/* One function and its driver, by what the kernel offers in sysfs: driver_override, drivers/NAME/unbind and
 * drivers_probe (Documentation/ABI/testing/sysfs-bus-pci). All of it takes the device's lock, which a driver
 * that hangs never gives back: only a process that may hang calls this. */

/* Stops a change between two writes. */
struct binding_writer {
        const struct root *root;
        const volatile sig_atomic_t *stop; /* not zero: no further write; NULL: never */
        uint64_t deadline_usec;            /* CLOCK_BOOTTIME, past it the same; 0: none */
        unsigned writes;                   /* made so far */
};

/* -ENODEV where the function is gone, -ENAMETOOLONG, or another negative errno. */
int binding_read(const struct root *root, const char *bdf, struct binding *ret);

/* Brings the function where it shall be, from wherever it stands, and reads back that it is there. Writes
 * only what has to change: where nothing has, nothing. Returns 0; -ECANCELED where it was stopped; -ENODEV
 * where the function is gone; -ENOTUNIQ where the kernel took every write and bound another driver or none;
 * or the errno of a write. */
int binding_bring(struct binding_writer *w, const char *bdf, const struct binding *to);

/* The settings as they read now; and back to what they were, as far as a driver has changed them. */
int binding_settings_read(const struct root *root, const char *bdf, struct binding_settings *ret);
int binding_settings_bring(struct binding_writer *w, const char *bdf, const struct binding_settings *to);

/* The first bytes of its config space are not all ones: it answers. -EHOSTDOWN where they are, -ENODEV where
 * it is gone. */
int binding_reachable(const struct root *root, const char *bdf);

/* Its PCIe serial number; empty where it shows none. Returns 0 or a negative errno. */
int binding_read_serial(const struct root *root, const char *bdf, char ret[static 24]);
