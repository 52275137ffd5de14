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
        uint64_t address; /* host physical; 0 if the kernel hides it from an unprivileged reader */
        uint64_t size;    /* bytes */
        uint64_t sizes;   /* Resizable BAR: bit n: it can have 2^n MiB (resourceN_resize, since 6.1) */
        /* Why VFIO cannot map it, or a guest cannot have its device at all. The firmware and the kernel
         * found no room for it (IORESOURCE_UNSET, or a register without a resource; the size is then 0):
         * vfio-pci cannot enable the device ("BAR 2 [mem size ...]: not assigned"). */
        bool unassigned;
        char *reserved_by; /* what else has a part of it, as /proc/iomem names it; VFIO "can't reserve" it */
        bool unseen; /* whether something else has a part of it cannot be seen, and may be: the boot display
                      */
        bool replaced; /* the VFIO driver exposes its own region here; sysfs does not say how it is mapped */
};

struct device {
        bdf_t bdf;
        bdf_t physical_function; /* of a virtual function; else empty */
        uint16_t vendor, device;
        uint16_t subsystem_vendor, subsystem_device;
        uint32_t class;
        int group;            /* IOMMU group, or -1 */
        int numa_node;        /* or -1: the host has only one, or does not say */
        bool boot_vga;        /* the firmware uses it as the display */
        bool driver_is_vfio;  /* bound to vfio-pci or a variant of it: a guest can have it right now */
        uint16_t vfs_total;   /* virtual functions that it can have */
        uint16_t vfs_enabled; /* and those that it has */

        /* These two are owned by the facts. */
        const char *name;        /* from device_names_read(), or NULL */
        const char *vfio_driver; /* what libvirt would bind, see vfio-driver.h; NULL for bridges */

        char *driver;          /* the one that it is bound to, or NULL */
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
        struct fact listed;       /* the list below is complete; unknown if sysfs could not be read */
        struct fact reservations; /* what else has a part of a BAR could be seen */
        struct fact variants;     /* modules.alias was read, so vfio_driver is more than the default */
        struct device *devices;   /* every PCI function that was asked for, ordered by address */
        size_t n_devices;
        struct device_name *names; /* by ID; filled in by device_names_read() */
        size_t n_names;
        struct vfio_drivers *drivers;
};

/* Takes some 20 system calls for each function, so thousands take milliseconds. Returns 0 or -ENOMEM; *d is
 * then empty. */
int device_facts_read(struct device_facts *d, const struct root *root);

/* The same without driver_override, for callers that must not wait: the kernel shows that only while no bind
 * or unbind of the device is in progress (driver_override_show() takes the device's lock). If one hangs
 * forever, so does the reader. */
int device_facts_read_lockless(struct device_facts *d, const struct root *root);

/* The same, but only what binding needs: what a function is, its group, its drivers, PF and VFs, and whether
 * it is the boot display. BARs, NUMA node, reset method, driver_override and the number of possible VFs stay
 * empty. names: only these functions, each named once; NULL: all. */
int device_facts_read_bindings(struct device_facts *d, const struct root *root, const struct names *names);
void device_facts_done(struct device_facts *d);

/* The function with that address, in the kernel's spelling, or NULL. */
const struct device *device_facts_find(const struct device_facts *d, const char *bdf);

/* Whether a guest could get this function: it has an IOMMU group and does not belong to the infrastructure.
 */
bool device_is_assignable(const struct device *d);

/* Whether its header is of type 1 or 2, as its class says: VFIO takes no such function, and does not mind
 * its driver. Others of class 06 (an NVSwitch, a non-transparent bridge) are functions like all. */
bool device_is_bridge(const struct device *d);

/* Whether it stays with the host, whoever asks: it is a bridge, or the host or ISA bridge of the chipset,
 * which VFIO would take. */
bool device_is_infrastructure(const struct device *d);

/* Whether the kernel lets VFIO map it: it has an address, and nobody else has reserved it. */
bool bar_is_mappable(const struct bar *b);

/* Whether nothing can be said about how it is mapped, although VFIO lets it be: it is replaced or unseen. */
bool bar_is_unknown(const struct bar *b);

/* The largest size in bytes that its Resizable BAR capability allows; 0 if it has none. */
uint64_t bar_largest_size(const struct bar *b);
