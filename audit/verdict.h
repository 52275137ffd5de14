/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/emulator/facts-emulator.h"
#include "facts/guest/facts-mapping.h"
#include "facts/kernel/facts-kernel.h"
#include "facts/kernel/facts-module.h"

/* Facts in, verdict out: no I/O, nothing else to know. */

#define COUNT_UNKNOWN UINT64_MAX

/* What keeps a mapping from larger pages. */
enum condition {
        CONDITION_NONE,       /* nothing: the largest page there is */
        CONDITION_BAR_SIZE,   /* a larger page does not fit into the BAR */
        CONDITION_HUGE_FAULT, /* the kernel has no huge entries (of that size) for VFIO */
        CONDITION_THP, /* this kernel's huge entries follow transparent_hugepage/enabled, or the process has
                        * switched them off for itself */
        CONDITION_PLACEMENT, /* nobody aligns the address */
        CONDITION_UNKNOWN,   /* a fact that decides could not be seen */
        _CONDITION_MAX,
        _CONDITION_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(condition, enum condition);

struct verdict {
        uint64_t page_size; /* bytes: what is sure to be had; 0 unknown */
        bool luck;          /* nobody aligns: more than page_size can come by chance, and go again */
        uint64_t faults;    /* to fill the whole mapping at page_size; COUNT_UNKNOWN */
        uint64_t pin_steps; /* of type1, each time it maps the BAR for DMA; COUNT_UNKNOWN */
        enum condition limit;
};

/* The part of a BAR that is mapped: all of it, unless the driver says otherwise (sparse areas, quirks).
 * Bytes, all multiples of the base page. */
struct area {
        uint64_t region_size, offset, size;
};

/* Who asks for the mapping, and how. */
struct placer {
        enum emulator_generation generation; /* NONE: lets the kernel choose the address */
        enum fact_value advises; /* it gives MADV_HUGEPAGE for the mapping, which THP=madvise asks for. QEMU
                                  * does, as for any memory that it hands to a guest (ram_block_add; measured
                                  * with 7.2 on 6.12) */
        bool preload;            /* libvfioalign-preload.so is between it and the kernel */
};

/* A program that does nothing in particular: mmap(NULL). */
#define PLACER_PROGRAM ((struct placer){ .generation = GENERATION_NONE, .advises = FACT_NO })

/* e: NULL where it is not known. Whose generation is known is a QEMU. */
struct placer placer_emulator(const struct emulator *e);

/* What an area of a BAR gets on a host with these facts. */
struct verdict verdict_area(const struct kernel_facts *k, const struct module_facts *m, struct placer placer,
                            const struct area *area);

/* The kernel's facts as they hold for one process. thp: no where the process may have no huge pages. The
 * result owns nothing. */
struct kernel_facts kernel_facts_of_process(const struct kernel_facts *k, struct fact thp);

/* What a mapping that exists can have where it is. No luck in it: the address is known. thp: of its process;
 * no where the process may have no huge pages. placer: who made it; only what it advises counts. */
struct verdict verdict_mapping(const struct kernel_facts *k, struct fact thp, struct placer placer,
                               const struct mapping *mapping);

/* The largest page a BAR of that size can have on any kernel of this page size. */
uint64_t verdict_best_page(const struct kernel_facts *k, uint64_t size);

/* By which factor the verdict on `size` bytes falls short of the best page: 1 where it does not; what is
 * unknown counts as the worst. */
uint64_t verdict_shortfall(const struct kernel_facts *k, const struct verdict *v, uint64_t size);
