/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel-exempt.h"
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
        char *release;      /* uname -r; NULL if unknown */
        uint64_t driver_id; /* inode of /sys/module/vfio_pci_core, which is another one after each load; 0 if
                             * it is not loaded */
        uint64_t page_size; /* bytes: the base page, and the two sizes of huge entries above it */
        uint64_t pmd_size;
        uint64_t pud_size;

        struct fact vfio; /* vfio-pci is loaded, built in, or installed for this kernel */

        /* vfio-pci's fault handler inserts PMD entries (vfio_pci_mmap_huge_fault, 6.12; also in distribution
         * kernels with an older number), and PUD entries (x86-64; riscv64 since 7.3). */
        struct fact huge_pmd;
        struct fact huge_pud;

        /* The first fault in a BAR fills the whole mapping with base pages (vfio_pci_mmap_fault, up
         * to 6.11). f9e54c3a2f5b ended that: where a later kernel has no huge entries, because of
         * PREEMPT_RT, without THP, or on an architecture that has none, each base page takes a fault of its
         * own. */
        struct fact fault_fills;

        /* mmap() of any file without an alignment hook lands on a PMD boundary, or a PUD boundary. That was
         * an accident of ed48e87c7df3, which 34d7cf637c43 ended. */
        struct fact places_pmd;
        struct fact places_pud;

        /* What the socket probe found. It is places_* as well if nobody fills the hook, or vfio_align does.
         */
        struct fact probed_pmd, probed_pud;

        /* The slot get_unmapped_area of vfio_device_fops, read back from the running kernel: whether it is
         * filled, and by whom. This needs root (/proc/kcore), and vfio has to be loaded. */
        struct fact hook;
        char *hook_function; /* NULL if the slot is empty or unknown, or points to no known function */
        char *hook_module;   /* the module of that function; NULL: the kernel itself */

        /* vfio was built with thp_get_unmapped_area() in the slot, as proposed in June 2026: read where the
         * slot cannot be, or where vfio_align has it, from vfio's file, or else from what root recorded. */
        struct fact built_with_thp;

        /* The kernel aligns VFIO mappings on purpose (no release does, up to 7.3): its own function is in
         * the slot (thp_get_unmapped_area() aligns to PMD, never to PUD), or it has get_mapping_order(), as
         * proposed since 2025. If it is yes, places_* follow from it. */
        struct fact aligns;
        struct fact
                takes_module; /* the kernel has what vfio_align needs of it: modules, kprobes, and the names
                               * of data (CONFIG_KALLSYMS_ALL). If not, `why` says what is missing. */
        struct fact mapping_order;    /* vfio has get_mapping_order(), by which the kernel aligns to PUD */
        struct hook_place hook_place; /* for a refresh */

        enum thp_mode thp;
        struct fact thp_exempt;  /* VFIO mappings get huge entries whatever THP is set to
                                  * (7.3, 7.2.8, 6.18.55,  6.12.115) */
        struct fact dma_buf;     /* vfio-pci exports BARs as dma-bufs that iommufd maps for DMA (6.19, with
                                  * CONFIG_VFIO_PCI_DMABUF); without them iommufd maps no BAR, because it
                                  * refuses the addresses of one (VM_PFNMAP) */
        struct fact pin_by_leaf; /* type1 pins a mapping by page-table leaf, not by base page (0fd06844de5d,
                                  * 6.15): struct follow_pfnmap_args has addr_mask */
};

/* What the socket probe found in this boot, "yes no" for PMD and PUD, for those who may not open a socket.
 */
#define KERNEL_PROBE_RECORD "run/vfioalign/socket-probe"

/* built_with_thp as root found it in this boot, "yes" or "no", for a kernel with VFIO built in. */
#define KERNEL_HOOK_RECORD "run/vfioalign/vfio-hook"

/* Whether the slot holds thp_get_unmapped_area(), which vfio_align takes over from. */
bool kernel_hook_is_thp(const struct kernel_facts *k);

/* Reads what can be read; the rest stays unknown. Returns 0 or -ENOMEM; *k is then empty. */
int kernel_facts_read(struct kernel_facts *k, const struct root *root);

/* The same for a kernel that was read before and still runs, but reads only what can have changed since:
 * kallsyms, which takes longer than the rest of an audit, is not read again while the same vfio_pci_core is
 * loaded and nothing was unknown. */
int kernel_facts_read_again(struct kernel_facts *k, const struct root *root,
                            const struct kernel_facts *before);

/* Reads again what changes while a kernel runs: THP, the hook, and what follows from the hook. Returns 0, or
 * -ENOMEM, where all stays as it was. */
int kernel_facts_refresh(struct kernel_facts *k, const struct root *root);
void kernel_facts_done(struct kernel_facts *k);
