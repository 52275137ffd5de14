/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "kernel-symbols.h"
#include "util/fact.h"

/* What only the memory of the running kernel shows (kcore.h). This needs root. */

/* The name that these functions look up, for kernel_symbols_open(). It finds "vfio_device_fops_mmap" as
 * well. */
#define KERNEL_LIVE_SYMBOLS "vfio_device_fops"

/* Where the hook was found, so it is found again without a search through kallsyms. */
struct hook_place {
        uint64_t mmap_offset, hook_offset; /* of two members of struct file_operations, in bytes; 0 if
                                            * unknown, because `owner` is at 0 */
        uint64_t order_offset;             /* of its get_mapping_order; 0 if it has none, or unknown */
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

/* Whether vfio_device_fops has get_mapping_order(). Call it after kernel_live_hook(), which finds the place.
 */
struct fact kernel_live_orders(const struct root *root, const struct hook_place *place,
                               const struct fact *hook);
