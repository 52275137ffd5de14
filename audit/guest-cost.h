/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/guest/facts-guest.h"
#include "facts/host.h"
#include "verdict.h"

/* How the BARs of a device get into the IOMMU, for DMA of other devices to them. */
enum dma_route {
        DMA_ROUTE_UNKNOWN, /* by iommufd; which of the last two is unknown */
        DMA_ROUTE_TYPE1,   /* type1 looks up each page, and so fills the mapping */
        DMA_ROUTE_NONE,    /* not at all: with iommufd, up to Linux 6.18 or QEMU 10 */
        DMA_ROUTE_DMA_BUF, /* by iommufd, as ranges of physical addresses */
        _DMA_ROUTE_MAX,
        _DMA_ROUTE_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(dma_route, enum dma_route);

/* What a guest's BARs cost it: predicted from its XML, or measured at the mappings that it has. */
struct guest_cost {
        struct verdict worst;    /* of the BAR that falls furthest short of what it could have */
        uint64_t best_page_size; /* bytes, of that BAR; 0: no known BAR could have huge pages */
        bdf_t bdf;               /* the device of that BAR */
        uint64_t largest;        /* bytes: the size of that BAR */
        uint64_t faults;         /* at its start, of all BARs; COUNT_UNKNOWN if that of one is unknown. With
                                  * iommufd nothing fills a BAR until the guest uses it. */
        uint64_t pin_steps;      /* likewise */
        size_t n_bars;
        bool incomplete; /* the function of a device is chosen at the start, or its driver replaces a BAR */
        const char
                *why; /* static: why nothing is predicted of some BARs, as a sentence; NULL: all are known */
};

/* Adds to a sum of faults or steps. What is unknown makes the sum unknown. */
void count_add(uint64_t *sum, uint64_t n);

/* The emulator that starts the guest: the file to which its <emulator> leads, or else the first of the
 * distribution; NULL if it is not known. */
const struct emulator *guest_emulator(const struct host *h, const struct guest *g);

/* What places the BARs of the guest. */
struct placer guest_placer(const struct host *h, const struct guest *g);

/* Of one of its devices. */
enum dma_route guest_dma_route(const struct host *h, const struct guest *g, const struct hostdev *hostdev);

/* Whether that process has devices by iommufd only. */
bool process_uses_iommufd(const struct mapping_facts *f, pid_t pid);

/* k, m, placer: as they are, or as they would be after a fix. Devices that the host does not have cost
 * nothing. from: bytes; smaller BARs do not count as the worst. */
struct guest_cost guest_cost(const struct device_facts *devices, const struct guest *g,
                             const struct kernel_facts *k, const struct module_facts *m,
                             struct placer placer, uint64_t from);

/* The same for a process that maps devices. */
struct placer process_placer(const struct host *h, pid_t pid);

/* What process `pid` really maps. */
struct guest_cost process_cost(const struct host *h, pid_t pid);

/* The sum over every guest that libvirt knows: as mapped if it runs, or else as predicted for its start. */
struct guest_cost host_cost(const struct host *h);
