/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "kernel-live.h"
#include "util/fact.h"
#include "util/root.h"

/* /sys/kernel/mm/transparent_hugepage/enabled */
enum thp_mode {
        THP_UNKNOWN,
        THP_ALWAYS,
        THP_MADVISE,
        THP_NEVER,
        _THP_MODE_MAX,
        _THP_MODE_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(thp_mode, enum thp_mode);

/* What decides, in the kernel, how large the entries of a VFIO mapping can be. */
struct kernel_facts {
        char *release;      /* uname -r; NULL where unknown */
        uint64_t driver_id; /* inode of /sys/module/vfio_pci_core, another one at each load; 0 where it is
                               not loaded */
        uint64_t page_size; /* bytes: the base page, and the two sizes of huge entry above it */
        uint64_t pmd_size;
        uint64_t pud_size;

        struct fact vfio; /* vfio-pci is loaded, built in, or installed for this kernel */
        struct fact
                huge_pmd; /* vfio-pci's fault handler inserts PMD entries (vfio_pci_mmap_huge_fault, 6.12;
                           * also in distribution kernels with an older number) */
        struct fact huge_pud; /* the same for PUD entries: x86 only, up to 7.3 */

        struct fact places_pmd; /* mmap() of any file without an alignment hook lands on a PMD boundary: the
                                 * accident of ed48e87c7df3, ended by 34d7cf637c43 */
        struct fact places_pud;
        struct fact probed_pmd, probed_pud; /* what the socket probe said of it; the above where nobody fills
                                             * the hook, or vfio_align does */

        /* The slot get_unmapped_area of vfio_device_fops, read back from the running kernel: is it filled,
         * and by whom. Needs root (/proc/kcore), and that vfio is loaded. */
        struct fact hook;
        char *hook_function; /* NULL where the slot is empty, unknown, or points to no known function */
        char *hook_module;   /* whose function that is; NULL: the kernel's own */

        /* The kernel aligns VFIO mappings on purpose (no release does, up to 7.3): its own function is in
         * the slot, or it has get_mapping_order(), as proposed since 2025. The places_* above follow from it
         * where it is yes. */
        struct fact aligns;
        struct fact mapping_order;    /* file_operations, or vfio_device_ops, has get_mapping_order() */
        struct hook_place hook_place; /* for a refresh */

        enum thp_mode thp;
        struct fact thp_exempt;  /* VFIO mappings get huge entries whatever THP is set to (7.2, 6.12.115) */
        struct fact pin_by_leaf; /* type1 pins a mapping by page-table leaf, not by base page (0fd06844de5d,
                                  * 6.15): follow_pfnmap_args has addr_mask */
};

/* Reads what can be read; whatever cannot stays unknown. Returns 0 or -ENOMEM. */
int kernel_facts_read(struct kernel_facts *k, const struct root *root);

/* The same for a kernel that runs on, and only what can have changed since `before`: kallsyms, which takes
 * longer than all else of an audit, is not read again while the same vfio_pci_core is loaded and nothing was
 * unknown. */
int kernel_facts_read_again(struct kernel_facts *k, const struct root *root,
                            const struct kernel_facts *before);

/* Reads again what changes while a kernel runs: THP, the hook, and what rests on the hook. */
void kernel_facts_refresh(struct kernel_facts *k, const struct root *root);
void kernel_facts_done(struct kernel_facts *k);
