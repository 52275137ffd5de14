/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "kernel-symbols.h"
#include "util/fact.h"

/* What only the memory of the running kernel tells (kcore.h). Needs root. */

/* The names that these ask for, for kernel_symbols_open(). "vfio_device_fops" finds "vfio_device_fops_mmap"
 * too. */
#define KERNEL_LIVE_SYMBOLS \
        "vfio_device_fops", "__thp_vma_allowable_orders", "entry_SYSCALL_64", KERNEL_LIVE_EXEMPTION

/* The parts of THP's exemption of device memory, where a compiler leaves them functions. */
#define KERNEL_LIVE_EXEMPTION \
        "vma_file_bypass_thp_tuneables", "vma_file_check_thp_tuneables", "vma_can_map_huge_file"

/* "yes" or "no": the exemption, recorded by root in this boot for those who may not read the kernel's
 * memory. */
#define KERNEL_LIVE_EXEMPT_RECORD "run/vfioalign/thp-exempt"

/* Where the hook was found, so that it is found again without a search through kallsyms. */
struct hook_place {
        uint64_t mmap_offset, hook_offset; /* of two members of struct file_operations, in bytes; 0 where
                                            * unknown, for at 0 is `owner` */
        uint64_t fops, mmap; /* the addresses of vfio_device_fops and of vfio_device_fops_mmap(), or 0 */
        uint64_t hook;       /* what the slot held */
        bool vfio;           /* whether there was /sys/module/vfio */
};

/* struct file_operations is laid out in BTF. */
void kernel_live_layout(struct hook_place *place, struct kernel_symbols *symbols);

/* What is in the slot get_unmapped_area of vfio_device_fops: reads *hook, whether it is filled, *function
 * and *module, whose function that is; NULL where the slot is empty or leads to no symbol, *module also
 * where it is the kernel's own. What is read is believed only if `mmap`, next to it, is
 * vfio_device_fops_mmap().
 *
 * Can be called again with what it left there: what has not changed is left alone. The caller frees both
 * strings. */
void kernel_live_hook(const struct root *root, struct kernel_symbols *symbols, struct hook_place *place,
                      struct fact *hook, char **function, char **module);

/* Do VFIO mappings get huge entries whatever THP is set to? It came with 7.x, and to 6.12 by 6.12.115, so
 * that the release says nothing. Yes where one of its functions is there, or where they are inlined in the
 * code that decides about huge pages, __thp_vma_allowable_orders(): that tests for VM_PFNMAP by itself,
 * elsewhere one flag of a mask. No where neither is seen and the kernel is from before enum tva_type (6.18):
 * later ones were not at hand without the exemption. The code needs root, and x86-64; who cannot read it has
 * what is recorded. */
struct fact kernel_live_exempt(const struct root *root, struct kernel_symbols *symbols);
