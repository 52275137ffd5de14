/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "kernel-symbols.h"
#include "util/fact.h"

/* What only the memory of the running kernel shows (kcore.h). This needs root. */

/* The names that these functions look up, for kernel_symbols_open(). "vfio_device_fops" finds
 * "vfio_device_fops_mmap" as well. */
#define KERNEL_LIVE_SYMBOLS \
        "vfio_device_fops", "__thp_vma_allowable_orders", "entry_SYSCALL_64", KERNEL_LIVE_EXEMPTION

/* The parts of THP's exemption of device memory, if the compiler did not inline them. */
#define KERNEL_LIVE_EXEMPTION \
        "vma_file_bypass_thp_tuneables", "vma_file_check_thp_tuneables", "vma_can_map_huge_file"

/* The exemption as root found it in this boot, "yes" or "no", for those who may not read the kernel's
 * memory. */
#define KERNEL_LIVE_EXEMPT_RECORD "run/vfioalign/thp-exempt"

/* Where the hook was found, so it is found again without a search through kallsyms. */
struct hook_place {
        uint64_t mmap_offset, hook_offset; /* of two members of struct file_operations, in bytes; 0 if
                                            * unknown, because `owner` is at 0 */
        uint64_t fops, mmap; /* the addresses of vfio_device_fops and of vfio_device_fops_mmap(), or 0 */
        uint64_t hook;       /* what the slot held */
        bool vfio;           /* whether there was /sys/module/vfio */
};

/* Reads the offsets in struct file_operations from BTF; without BTF they are left alone. */
void kernel_live_layout(struct hook_place *place, struct kernel_symbols *symbols);

/* Reads the slot get_unmapped_area of vfio_device_fops. *hook: whether it is filled. *function and *module:
 * whose function that is; NULL if the slot is empty or leads to no symbol, and *module is also NULL if it is
 * the kernel's own. What is read is believed only if the member `mmap` is vfio_device_fops_mmap().
 *
 * All outputs are valid before the first call (empty), and can be given to the next one: what has not
 * changed is left alone. The caller frees both strings. Returns 0, or -ENOMEM, where all is left alone. */
int kernel_live_hook(const struct root *root, struct kernel_symbols *symbols, struct hook_place *place,
                     struct fact *hook, char **function, char **module);

/* Whether VFIO mappings get huge entries whatever THP is set to. The exemption came with 7.x, and to 6.12 by
 * 6.12.115, so the release says nothing. It is there if one of its functions is, or if they are inlined in
 * the code that decides about huge pages, __thp_vma_allowable_orders(): with the exemption that tests
 * VM_PFNMAP alone, and without it only as one flag of a mask. It is not there if neither is seen and the
 * kernel is from before enum tva_type (6.18); no later kernel without the exemption was at hand to compare
 * with. Reading the code needs root, and x86-64; who cannot read it gets what root recorded. */
struct fact kernel_live_exempt(const struct root *root, struct kernel_symbols *symbols);
