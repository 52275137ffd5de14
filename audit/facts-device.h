/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "fact.h"
#include "util/root.h"

#define PCI_BARS 6 /* BAR 0 to 5, as VFIO numbers its regions; the ROM (6) is never mapped */

/* A PCI address as text, "0000:00:05.0"; domains can have up to 8 digits (VMD, Hyper-V). */
typedef char bdf_t[sizeof("00010000:00:00.0")];

/* Brings an address into the kernel's spelling: "0:5.0", "00:05.0", "0000:00:05.0". -EINVAL if it is none. */
int bdf_parse(const char *s, bdf_t ret);

struct bar {
        uint8_t index;
        bool prefetchable;
        bool wide;        /* 64-bit */
        uint64_t address; /* host physical; 0 where an unprivileged reader is not told */
        uint64_t size;    /* bytes */
};

struct device {
        bdf_t bdf;
        uint16_t vendor, device;
        uint32_t class;
        char *name;   /* from hwdb, or NULL */
        char *driver; /* bound driver, or NULL */
        int group;    /* IOMMU group, or -1 */
        size_t n_bars;
        struct bar bars[PCI_BARS]; /* memory BARs only: what VFIO lets a process map */
};

struct device_facts {
        struct fact iommu; /* any IOMMU at work: without groups no device can be handed to a guest */
        struct fact listed; /* the list below is complete; unknown where sysfs could not be read */
        struct device *devices; /* every PCI function, ordered by address */
        size_t n_devices;
};

/* Returns 0 or -ENOMEM. */
int device_facts_read(struct device_facts *d, const struct root *root);
void device_facts_done(struct device_facts *d);

/* The function with that address, or NULL. */
const struct device *device_facts_find(const struct device_facts *d, const char *bdf);

/* Could a guest get this function: it has an IOMMU group and is no bridge. */
bool device_is_assignable(const struct device *d);

/* Its largest memory BAR, or 0. */
uint64_t device_largest_bar(const struct device *d);
