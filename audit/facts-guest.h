/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts-device.h"

#define GUEST_XML_MAX (4U << 20) /* bytes; a domain with a hundred disks has 100 KiB */
#define GUEST_HOSTDEVS_MAX 256

struct hostdev {
        bdf_t bdf;
        bool managed; /* libvirt binds it itself, between `prepare` and `start` */
};

/* What one domain XML says about devices that go through VFIO. */
struct guest {
        char *name;
        char *uuid;     /* NULL in an XML that has none */
        char *emulator; /* NULL: libvirt's default */
        struct hostdev *hostdevs; /* <hostdev type='pci'> and <interface type='hostdev'> */
        size_t n_hostdevs;
};

/* Parses a domain XML of `size` bytes: no entities, no network, bounded.
 * Returns 0, -EFBIG over the bounds, -EBADMSG where it is no domain XML, or -ENOMEM. */
int guest_parse(struct guest *g, const char *xml, size_t size);
void guest_done(struct guest *g);
