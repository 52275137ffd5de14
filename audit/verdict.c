/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verdict.h"

#include "placement.h"
#include "util/macro.h"

/* clang-format off */
static const char *const condition_table[_CONDITION_MAX] = {
        [CONDITION_NONE] = "none",
        [CONDITION_BAR_SIZE] = "bar-size",
        [CONDITION_HUGE_FAULT] = "huge-fault",
        [CONDITION_THP] = "thp",
        [CONDITION_PLACEMENT] = "placement",
        [CONDITION_UNKNOWN] = "unknown",
};
/* clang-format on */
DEFINE_STRING_TABLE(condition, enum condition);

/* One condition allows pages up to `page` bytes; where a fact is missing that is only what is sure. */
struct cap {
        uint64_t page;
        bool sure;
};

/* The largest page size that is no larger than `limit` bytes. */
static uint64_t page_at_most(const struct kernel_facts *k, uint64_t limit)
{
        return limit >= k->pud_size ? k->pud_size : limit >= k->pmd_size ? k->pmd_size : k->page_size;
}

static struct cap cap_from_facts(const struct kernel_facts *k, struct fact pmd, struct fact pud)
{
        if (pmd.value == FACT_YES && pud.value == FACT_YES)
                return (struct cap){ k->pud_size, true };
        if (pmd.value == FACT_YES)
                return (struct cap){ k->pmd_size, pud.value == FACT_NO };
        return (struct cap){ k->page_size, pmd.value == FACT_NO };
}

static struct cap cap_thp(const struct kernel_facts *k, struct placer placer)
{
        if (k->thp == THP_ALWAYS || k->thp_exempt.value == FACT_YES ||
            (k->thp == THP_MADVISE && placer.advises == FACT_YES))
                return (struct cap){ k->pud_size, true };
        return (struct cap){
                k->page_size,
                k->thp_exempt.value == FACT_NO &&
                        (k->thp == THP_NEVER || (k->thp == THP_MADVISE && placer.advises == FACT_NO)),
        };
}

struct placer placer_emulator(const struct emulator *e)
{
        enum emulator_generation g = e ? e->generation : GENERATION_UNKNOWN;

        return (struct placer){ .generation = g,
                                .advises = g == GENERATION_UNKNOWN ? FACT_UNKNOWN : FACT_YES };
}

/* Is there a whole page of that size in the area, where its address is congruent with its offset? */
static bool holds(uint64_t page, uint64_t offset, uint64_t size)
{
        uint64_t before = -offset & (page - 1);

        return size >= before && size - before >= page;
}

/* The largest page that fits into the area. */
static uint64_t page_within(const struct kernel_facts *k, uint64_t offset, uint64_t size)
{
        return holds(k->pud_size, offset, size)   ? k->pud_size
               : holds(k->pmd_size, offset, size) ? k->pmd_size
                                                  : k->page_size;
}

uint64_t verdict_best_page(const struct kernel_facts *k, uint64_t size)
{
        return page_within(k, 0, size);
}

/* Where the kernel puts a mapping if nobody else chooses. */
static struct cap cap_kernel(const struct kernel_facts *k, const struct module_facts *m,
                             const struct area *area)
{
        struct cap cap;

        if (module_works(m))
                return (struct cap){ k->pud_size, true };
        cap = cap_from_facts(k, k->places_pmd, k->places_pud);
        /* By accident it does so only for a size that is a multiple (ed48e87c7df3). */
        if (cap.page > k->page_size && k->aligns.value != FACT_YES && area->size & (k->pmd_size - 1))
                cap = (struct cap){ k->page_size, true };
        /* With the module it can only be more. */
        cap.sure = cap.sure && (m->loaded.value == FACT_NO || m->enabled.value == FACT_NO);
        return cap;
}

/* To what the address is congruent with the offset in the BAR, thanks to whoever chooses it. */
static struct cap cap_placement(const struct kernel_facts *k, const struct module_facts *m,
                                struct placer placer, const struct area *area)
{
        struct cap cap;

        if (generation_aligns(placer.generation))
                return (struct cap){
                        page_at_most(k, emulator_placement(placer.generation, area->region_size,
                                                           area->offset, area->size, k->page_size)),
                        true,
                };
        if (placer.preload)
                return (struct cap){ k->pud_size, true };
        cap = cap_kernel(k, m, area);
        /* An emulator that could not be read may align by itself. Where the kernel aligns it loses nothing,
         * since a BAR is a power of two in size. */
        if (placer.generation == GENERATION_UNKNOWN && cap.page < k->pud_size)
                cap.sure = false;
        return cap;
}

/* Entries that cover [start, end) with pages of at most sizes[level] bytes, addresses relative to a boundary
 * of the largest. */
static uint64_t count_entries(const uint64_t sizes[], size_t level, uint64_t start, uint64_t end)
{
        uint64_t page = sizes[level], first = (start + page - 1) / page * page, last = end / page * page;

        if (level == 0)
                return (end - start + page - 1) / page;
        if (first >= last)
                return count_entries(sizes, level - 1, start, end);
        return count_entries(sizes, level - 1, start, first) + (last - first) / page +
               count_entries(sizes, level - 1, last, end);
}

static uint64_t entries(const struct kernel_facts *k, uint64_t offset, uint64_t size, uint64_t page)
{
        const uint64_t sizes[] = { k->page_size, k->pmd_size, k->pud_size };
        size_t level = page >= k->pud_size ? 2 : page >= k->pmd_size ? 1 : 0;

        return count_entries(sizes, level, offset, offset + size);
}

/* size and offset: of the mapping; placement: how its address is congruent. */
static struct verdict decide(const struct kernel_facts *k, struct cap placement, struct placer placer,
                             uint64_t offset, uint64_t size)
{
        const struct {
                struct cap cap;
                enum condition condition;
        } conditions[] = {
                /* in the order in which they are named when several hold a mapping at the same size */
                { { page_within(k, offset, size), true }, CONDITION_BAR_SIZE },
                { cap_from_facts(k, k->huge_pmd, k->huge_pud), CONDITION_HUGE_FAULT },
                { cap_thp(k, placer), CONDITION_THP },
                { placement, CONDITION_PLACEMENT },
        };
        struct verdict v = { .page_size = k->pud_size, .limit = CONDITION_NONE };
        bool sure = true;

        for (size_t i = 0; i < ELEMENTSOF(conditions); i++) {
                struct cap cap = conditions[i].cap;

                /* A condition that surely holds it there makes up for one of which that is not known. */
                if (cap.page < v.page_size || (cap.page == v.page_size && cap.sure && !sure)) {
                        v.page_size = cap.page;
                        v.limit = conditions[i].condition;
                        sure = cap.sure;
                }
        }

        /* A kernel without a huge fault handler fills the whole mapping at the first fault (abafbc551fdd).
         */
        v.faults = k->huge_pmd.value == FACT_NO ? 1 : entries(k, offset, size, v.page_size);
        if (k->huge_pmd.value == FACT_UNKNOWN || !sure) {
                v.faults = COUNT_UNKNOWN;
                v.page_size = 0;
                v.limit = CONDITION_UNKNOWN;
        }

        if (k->pin_by_leaf.value == FACT_NO)
                v.pin_steps = entries(k, offset, size, k->page_size);
        else if (k->pin_by_leaf.value == FACT_YES && v.page_size > 0)
                v.pin_steps = entries(k, offset, size, v.page_size);
        else
                v.pin_steps = COUNT_UNKNOWN;
        return v;
}

struct verdict verdict_area(const struct kernel_facts *k, const struct module_facts *m, struct placer placer,
                            const struct area *area)
{
        struct verdict v = decide(k, cap_placement(k, m, placer, area), placer, area->offset, area->size);

        /* QEMU 9.2 aims at the lowest bit of the length, and can hit more, unless the offset forbids it. */
        v.luck = v.limit == CONDITION_PLACEMENT &&
                 (placer.generation == GENERATION_NONE ||
                  (placer.generation == GENERATION_PER_AREA &&
                   (area->offset & ((area->size & -area->size) - 1)) == 0));
        return v;
}

struct kernel_facts kernel_facts_of_process(const struct kernel_facts *k, struct fact thp)
{
        struct kernel_facts own = *k;

        /* Whatever the kernel's setting is, PR_SET_THP_DISABLE is obeyed (vma_thp_disabled). */
        if (thp.value == FACT_NO) {
                own.thp = THP_NEVER;
                own.thp_exempt = fact_is(false, thp.source);
        }
        return own;
}

struct verdict verdict_mapping(const struct kernel_facts *k, struct fact thp, struct placer placer,
                               const struct mapping *mapping)
{
        struct kernel_facts own = kernel_facts_of_process(k, thp);
        uint64_t shift = mapping->start - mapping->offset;
        struct cap placement = { page_at_most(k, shift & -shift ?: UINT64_MAX), true };

        return decide(&own, placement, placer, mapping->offset, mapping->size);
}

uint64_t verdict_shortfall(const struct kernel_facts *k, const struct verdict *v, uint64_t size)
{
        return verdict_best_page(k, size) / (v->page_size ?: 1);
}
