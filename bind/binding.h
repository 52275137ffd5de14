/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <signal.h>

#include "facts/bind-record.h"

/* One function and its driver, by what the kernel offers in sysfs: driver_override, drivers/NAME/unbind and
 * drivers_probe (Documentation/ABI/testing/sysfs-bus-pci). All of it takes the device's lock, which a driver
 * that hangs never gives back, so only a process that may hang calls what writes. */

enum binding_step {
        BINDING_OVERRIDE,
        BINDING_UNBIND,
        BINDING_PROBE,
};

/* One write to sysfs. */
struct binding_write {
        enum binding_step step;
        char path[128];               /* below the root */
        char value[BINDING_NAME_MAX]; /* empty: clears the attribute */
};

struct binding_writes {
        struct binding_write writes[3];
        size_t n;
};

/* The writes that bring a function from one place to the other where the kernel takes each of them and no
 * other driver gets in between, in their order: what binding_bring() starts with. It needs more where the
 * driver was bound by name and the kernel prefers another one, and settings are on top of it. */
void binding_plan(const char *bdf, const struct binding *from, const struct binding *to,
                  struct binding_writes *ret);

/* Stops a change between two writes. */
struct binding_writer {
        const struct root *root;
        const volatile sig_atomic_t
                *stop;          /* where it is not 0, nothing more is written; NULL: never stops */
        uint64_t deadline_usec; /* CLOCK_BOOTTIME, nothing is written after it; 0: none */
        unsigned writes;        /* made so far */
};

/* Returns 0, -ENODEV where the function is gone, -ENAMETOOLONG, or another negative errno. */
int binding_read(const struct root *root, const char *bdf, struct binding *ret);

/* Brings the function to a place from wherever it is, and reads back that it is there. Writes only what has
 * to change. Returns 0; -ECANCELED where it was stopped; -ENODEV where the function is gone; -ENOTUNIQ where
 * the kernel took every write and bound another driver or none; or the errno of a write. */
int binding_bring(struct binding_writer *w, const char *bdf, const struct binding *to);

/* Reads the settings, and brings those that a driver has changed back to what they were. */
int binding_settings_read(const struct root *root, const char *bdf, struct binding_settings *ret);
int binding_settings_bring(struct binding_writer *w, const char *bdf, const struct binding_settings *to);

/* Returns 0 where the function answers: the start of its config space is not all ones. -EHOSTDOWN where it
 * is, -ENODEV where the function is gone, or another negative errno. */
int binding_reachable(const struct root *root, const char *bdf);

/* Its PCIe serial number; empty where it shows none. Returns 0 or a negative errno. *ret_unseen (may be
 * NULL): 0, or the negative errno for which it could not be seen whether there is one; ret is empty then. */
int binding_read_serial(const struct root *root, const char *bdf, char ret[static 24], int *ret_unseen);
