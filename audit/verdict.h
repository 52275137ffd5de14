/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/emulator/facts-emulator.h"
#include "facts/guest/facts-mapping.h"
#include "facts/kernel/facts-kernel.h"
#include "facts/kernel/facts-module.h"

/* Facts in, verdict out, without any I/O. */

#define COUNT_UNKNOWN UINT64_MAX

/* What keeps a mapping from larger pages. */
enum condition {
        CONDITION_NONE,       /* nothing: it has the largest page there is */
        CONDITION_BAR_SIZE,   /* a larger page does not fit into the BAR */
        CONDITION_HUGE_FAULT, /* the kernel has no huge entries (of that size) for VFIO */
        CONDITION_THP, /* this kernel's huge entries follow transparent_hugepage/enabled, or the process has
                        * disabled them for itself */
        CONDITION_PLACEMENT, /* nothing aligns the address */
        CONDITION_UNKNOWN,   /* a fact that decides is unknown */
        _CONDITION_MAX,
        _CONDITION_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(condition, enum condition);

struct verdict {
        uint64_t page_size; /* bytes: what the mapping surely gets; 0: unknown */
        bool chance;        /* nothing aligns the address: a mapping can get more than page_size by chance */
        uint64_t faults;    /* to fill the whole mapping at page_size, or COUNT_UNKNOWN */
        uint64_t pin_steps; /* of type1, each time it maps the BAR for DMA, or COUNT_UNKNOWN */
        enum condition limit;
};

/* The part of a BAR that is mapped: all of it, unless the driver says otherwise (sparse areas, quirks). In
 * bytes, all multiples of the base page. */
struct area {
        uint64_t region_size, offset, size;
};

/* The program that makes a mapping, and what it asks for. */
struct placer {
        enum emulator_generation generation; /* NONE: it lets the kernel choose the address */
        enum fact_value advises; /* it gives MADV_HUGEPAGE for the mapping, which matters with THP=madvise;
                                  * for QEMU measured with 7.2 on 6.12 */
        bool preload;            /* libvfioalign-preload.so is between it and the kernel */
        bool unpreloadable; /* that cannot be: it is static, or libvirt's QEMU driver does not start it */
};

/* A program that just calls mmap(NULL). */
#define PLACER_PROGRAM ((struct placer){ .generation = GENERATION_NONE, .advises = FACT_NO })

/* e: NULL if it is not known. */
struct placer placer_emulator(const struct emulator *e);

/* What an area of a BAR gets on a host with these facts. */
struct verdict verdict_area(const struct kernel_facts *k, const struct module_facts *m, struct placer placer,
                            const struct area *area);

/* The kernel's facts as they apply to one process. thp: no if the process has huge pages disabled. The
 * result owns nothing. */
struct kernel_facts kernel_facts_of_process(const struct kernel_facts *k, struct fact thp);

/* What an existing mapping can have at its address. `chance` is never set, because the address is known.
 * thp: no if its process has huge pages disabled. placer: who made it; only `advises` counts. */
struct verdict verdict_mapping(const struct kernel_facts *k, struct fact thp, struct placer placer,
                               const struct mapping *mapping);

/* The largest page a BAR of that size can have on any kernel of this page size that runs on this machine. */
uint64_t verdict_best_page(const struct kernel_facts *k, uint64_t size);

/* By which factor the verdict on `size` bytes falls short of the best page: 1 if it does not. An unknown
 * page size counts as the worst. */
uint64_t verdict_shortfall(const struct kernel_facts *k, const struct verdict *v, uint64_t size);
