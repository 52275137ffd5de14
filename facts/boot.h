/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bind-record.h"
#include "claims.h"
#include "util/fact.h"
#include "util/root.h"

/* A driver that functions on record had before they were handed to VFIO. */
struct boot_driver {
        char *driver;
        char *module;         /* the one that has the driver; they can be spelled differently (xhci_hcd) */
        struct fact built_in; /* the module is part of the kernel's image */
};

/* What decides which driver is first at boot: nothing in modprobe.d(5) has an effect on what is built in.
 * All of it is empty or unknown where vfioalign has bound nothing, but for the first where modprobe.d(5)
 * claims something. */
struct boot_facts {
        struct fact vfio_built_in; /* vfio-pci is, so it takes its options from the kernel's command line */
        const char *initramfs;     /* static: the command that rebuilds the initramfs; NULL: none is known */
        struct boot_driver *drivers;
        size_t n_drivers;
};

/* release: of the running kernel; may be NULL. Returns 0 or -ENOMEM (b is then empty). */
int boot_facts_read(struct boot_facts *b, const struct root *root, const char *release,
                    const struct bind_records *binds, const struct claims *claims);
void boot_facts_done(struct boot_facts *b);

/* Is it a line of modprobe.d(5) for a driver that is built in, and so without effect? */
bool boot_ignores_claim(const struct boot_facts *b, const struct claim *c);

/* The driver of that name, or NULL. */
const struct boot_driver *boot_facts_find(const struct boot_facts *b, const char *driver);
