/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kernel-symbols.h"
#include "util/fact.h"
#include "util/root.h"

/* The names that are looked up, for kernel_symbols_open() */
#define KERNEL_EXEMPT_SYMBOLS \
        "__thp_vma_allowable_orders", "transparent_hugepage_flags", "entry_SYSCALL_64", \
                "el0t_64_sync_handler", KERNEL_EXEMPT_FUNCTIONS

/* The parts of THP's exemption of device memory, if the compiler did not inline them. */
#define KERNEL_EXEMPT_FUNCTIONS \
        "vma_file_bypass_thp_tuneables", "vma_file_check_thp_tuneables", "vma_can_map_huge_file"

/* The exemption as root found it in this boot, "yes" or "no", for those who may not read the kernel's
 * memory. */
#define KERNEL_LIVE_EXEMPT_RECORD "run/vfioalign/thp-exempt"

/* Whether VFIO mappings get huge entries whatever THP is set to. The exemption came with 7.3, and
 * with 7.2.8, 6.18.55 and 6.12.115, so the release says nothing. It is there if one of its functions is.
 * Else the code that decides about huge pages, __thp_vma_allowable_orders(), is asked by code_run(): what
 * does it allow a mapping that has VM_PFNMAP and a huge_fault() while THP is "never"? The answer is believed
 * only if the code also allows that mapping huge pages while THP is "always", and refuses them to one
 * without VM_PFNMAP while it is "never".
 *
 * Where that gives no answer, and on arm64, whose code code_run() does not know, a test of VM_PFNMAP alone
 * in the code says yes; without the exemption it is tested only as one flag of a mask. Where there is none,
 * a kernel from before enum tva_type (6.18) does not have it.
 *
 * Reading the code needs root, and x86-64 or arm64; who cannot read it gets what root recorded. */
struct fact kernel_exempt_read(const struct root *root, struct kernel_symbols *symbols);
