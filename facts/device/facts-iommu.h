/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "facts-device.h"
#include "util/fact.h"
#include "util/root.h"

enum iommu_type {
        IOMMU_UNKNOWN,
        IOMMU_INTEL, /* /sys/class/iommu/dmarN */
        IOMMU_AMD,   /* ivhdN */
        IOMMU_ARM,   /* smmu.ADDRESS, smmu3.ADDRESS */
        _IOMMU_TYPE_MAX,
        _IOMMU_TYPE_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(iommu_type, enum iommu_type);

/* One unit, as /sys/class/iommu lists them. */
struct iommu {
        char *name;
        enum iommu_type type;
        struct fact remaps_interrupts; /* it can; whether that is switched on is in iommu_facts */

        /* Whether its tables have entries of 2 MiB, and of 1 GiB: Intel's SLLPS (VT-d specification,
         * 11.4.2). intel_iommu=sp_off and amd_iommu=nohugepages switch them off. */
        struct fact huge_pmd;
        struct fact huge_pud;
};

/* Functions that can go to VFIO only together. */
struct iommu_group {
        int number;
        const struct device **members; /* in the device_facts that were given, ordered by address */
        size_t n_members;
        struct fact viable;             /* no: a member is bound to a driver of the host
                                           (Documentation/driver-api/vfio.rst) */
        const struct device **culprits; /* such members, ordered by address */
        size_t n_culprits;
        const struct device *culprit; /* the first of them, or NULL */
};

struct iommu_facts {
        struct fact at_work; /* there are units or groups, whatever the vendor and the command line say */
        struct iommu *iommus;
        size_t n_iommus;

        struct fact remaps_interrupts;        /* seen in use in /proc/interrupts */
        struct fact allows_unsafe_interrupts; /* the parameter of vfio_iommu_type1, or of iommufd */
        struct fact huge_pmd;                 /* of all units: no if one of them has no such entries */
        struct fact huge_pud;
        struct fact passthrough;  /* iommu=pt or iommu.passthrough=1: the host's own DMA is not translated,
                                   * which does not concern guests */
        uint64_t dma_entry_limit; /* mappings per container, parameter of vfio_iommu_type1; 0: unknown */

        struct fact kvm;               /* the host has KVM */
        struct fact kvm_huge_pud;      /* second-level page tables with entries of 1 GiB */
        unsigned phys_bits;            /* width of physical addresses, /proc/cpuinfo; 0: unknown */
        struct fact kvm_tdp_mmu;       /* parameters of kvm; unknown if it is not loaded */
        struct fact kvm_nx_huge_pages; /* huge pages are split where a guest executes from them
                                          (CVE-2018-12207) */

        struct iommu_group *groups; /* by number */
        size_t n_groups;
        const struct device **members; /* what the groups' members and culprits point into */
};

/* The groups point into `devices`, which must live as long and not move. Returns 0 or -ENOMEM; *f is then
 * empty. */
int iommu_facts_read(struct iommu_facts *f, const struct root *root, const struct device_facts *devices);
void iommu_facts_done(struct iommu_facts *f);

/* The part of iommu_facts_read() that makes the groups. *f is released by iommu_facts_done() in any case.
 * Returns 0 or -ENOMEM. */
int iommu_groups_read(struct iommu_facts *f, const struct root *root, const struct device_facts *devices);

/* The group with that number, or NULL. */
const struct iommu_group *iommu_facts_find_group(const struct iommu_facts *f, int number);

/* Whether VFIO takes a group with that member as it is bound, although its driver is not made for VFIO: it
 * has no driver, is a bridge, or its driver does no DMA of its own (pci_driver.driver_managed_dma). */
bool iommu_group_tolerates(const struct device *d);
