/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "util/fact.h"
#include "util/file.h"
#include "util/pci-address.h"
#include "util/root.h"

#define PCI_BARS 6 /* BAR 0 to 5, as VFIO numbers its regions; the ROM (6) is never mapped */

struct bar {
        uint8_t index;
        bool prefetchable;
        bool wide;        /* 64-bit */
        uint64_t address; /* host physical; 0 where an unprivileged reader is not told */
        uint64_t size;    /* bytes */
        bool replaced;  /* the VFIO driver shows a region of its own in its place: what that maps is not told
                           by sysfs */
        uint64_t sizes; /* Resizable BAR: bit n set: it can have 2^n MiB (resourceN_resize, since 6.1); else
                           0 */
};

struct device {
        bdf_t bdf;
        bdf_t physical_function; /* of a virtual function; else empty */
        uint16_t vendor, device;
        uint16_t subsystem_vendor, subsystem_device;
        uint32_t class;
        int group;           /* IOMMU group, or -1 */
        int numa_node;       /* or -1: the host has one, or does not say */
        bool boot_vga;       /* the firmware's display */
        bool driver_is_vfio; /* bound to vfio-pci or a variant of it: a guest can have it right now */
        uint16_t vfs_total;  /* virtual functions it can have, and has */
        uint16_t vfs_enabled;
        const char *name; /* from hwdb, or NULL; the facts' */
        const char
                *vfio_driver;  /* what libvirt would bind, see vfio-driver.h; NULL for bridges; the facts' */
        char *driver;          /* bound driver, or NULL */
        char *driver_override; /* or NULL */
        char *reset_method; /* as the kernel lists them, "flr bus"; "": none; NULL: unknown (before 5.15) */
        size_t n_bars;
        struct bar bars[PCI_BARS]; /* memory BARs only: what VFIO lets a process map */
};

/* What people call the devices with one ID. */
struct device_name {
        uint32_t id; /* vendor and device, 16 bits each */
        char *name;  /* or NULL */
};

struct device_facts {
        struct fact listed;     /* the list below is complete; unknown where sysfs could not be read */
        struct fact variants;   /* modules.alias was read, so that vfio_driver is more than the default */
        struct device *devices; /* every PCI function that was asked for, ordered by address */
        size_t n_devices;
        struct device_name *names; /* by ID; filled in by device_names_read() */
        size_t n_names;
        struct vfio_drivers *drivers;
};

/* Some 20 system calls for each function, so that thousands take milliseconds. Returns 0 or -ENOMEM. */
int device_facts_read(struct device_facts *d, const struct root *root);

/* The same without driver_override, for who must not wait: the kernel shows that only while no bind or
 * unbind of the device goes on (driver_override_show() takes the device's lock); where one hangs for ever,
 * so does the reader. */
int device_facts_read_lockless(struct device_facts *d, const struct root *root);

/* Of that, only what binding asks: what a function is, its group, its drivers, PF and VFs, and whether it is
 * the boot display. No BARs, node, reset method nor the virtual functions that it could have. names: only
 * these functions, each named once; NULL: all. */
int device_facts_read_bindings(struct device_facts *d, const struct root *root, const struct names *names);
void device_facts_done(struct device_facts *d);

/* The function with that address, or NULL. */
const struct device *device_facts_find(const struct device_facts *d, const char *bdf);

/* Could a guest get this function: it has an IOMMU group and is no bridge. */
bool device_is_assignable(const struct device *d);
bool device_is_bridge(const struct device *d);

/* What a BAR can be made by its Resizable BAR capability, in bytes; 0 where it has none. */
uint64_t bar_largest_size(const struct bar *b);
