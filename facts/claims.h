/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/guest/facts-libvirt.h"

/* Other tools that are configured to hand functions over. */
enum claim_tool {
        CLAIM_DRIVERCTL, /* /etc/driverctl.d/pci-ADDRESS holds a driver's name */
        CLAIM_CMDLINE,   /* vfio-pci.ids= on the kernel's command line */
        CLAIM_MODPROBE,  /* options vfio-pci ids= in modprobe.d(5) */
        CLAIM_MDEVCTL,   /* /etc/mdevctl.d/PARENT/UUID: a mediated device on that function */
        CLAIM_PROXMOX,   /* /etc/pve/mapping/pci.cfg: one of several that a guest can get by one name */
        CLAIM_LIBVIRT,   /* a network that is a pool: libvirt binds one of it for each guest in it */
        _CLAIM_TOOL_MAX,
        _CLAIM_TOOL_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(claim_tool, enum claim_tool);

/* vendor:device[:subvendor[:subdevice[:class[:class_mask]]]] of vfio-pci. An ID that is left out is
 * UINT32_MAX and matches any; class and mask are then 0 (drivers/vfio/pci/vfio_pci.c, vfio_pci_fill_ids). */
struct pci_id_match {
        uint32_t vendor, device, subsystem_vendor, subsystem_device, class, class_mask;
};

struct claim {
        enum claim_tool tool;
        bdf_t bdf;               /* the function; empty: see the next */
        bdf_t physical_function; /* each virtual function of it; empty: each that matches `ids` */
        struct pci_id_match ids;
        char *driver; /* that it is to have; NULL: its own (mdevctl), the best VFIO driver (libvirt), or none
                       * at all (driverctl "none") */
        char *file;   /* absolute path of the configuration */
        char *network; /* libvirt's name of the network; NULL for other tools */
        unsigned line; /* in that file, from 1; 0: the file as a whole */
};

struct claims {
        struct fact complete; /* no file was unreadable */
        struct claim *claims; /* in the order of the tools, then of the files */
        size_t n_claims;
};

/* l: has read the networks and Proxmox's mappings; NULL: nobody has, and then the networks are left out.
 * What cannot be read leaves `complete` unknown. Returns 0 or -ENOMEM (c is then empty). */
int claims_read(struct claims *c, const struct root *root, const struct libvirt_facts *l);

/* Adds those of libvirt's networks, which claims_read() cannot know by itself: reading XML takes a large
 * library, and not all programs that ask for claims have it. Returns 0 or -ENOMEM (c is then to be released
 * as before).
 */
int claims_add_networks(struct claims *c, const struct libvirt_facts *l);
void claims_done(struct claims *c);

/* Does the claim include that function? */
bool claim_matches(const struct claim *c, const struct device *d);
