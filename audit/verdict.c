/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verdict.h"

#include <assert.h>

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

/* A condition allows pages of up to `page` bytes, or if that is not sure, possibly larger ones. */
struct cap {
        uint64_t page;
        bool sure;
};

/* The largest page size that is no larger than `limit` bytes. */
static uint64_t page_at_most(const struct kernel_facts *k, uint64_t limit)
{
        if (limit >= k->pud_size)
                return k->pud_size;
        return limit >= k->pmd_size ? k->pmd_size : k->page_size;
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
        if (!e)
                return (struct placer){ .generation = GENERATION_UNKNOWN, .advises = FACT_UNKNOWN };
        return (struct placer){
                .generation = e->generation,
                .advises = emulator_advises(e),
                .unpreloadable = !emulator_takes_preload(e),
        };
}

/* Does the area hold a whole page of that size, if its address is congruent with its offset? */
static bool area_holds_page(uint64_t page, uint64_t offset, uint64_t size)
{
        uint64_t before = -offset & (page - 1);

        return size >= before && size - before >= page;
}

/* The largest page that fits into the area. */
static uint64_t page_within(const struct kernel_facts *k, uint64_t offset, uint64_t size)
{
        if (area_holds_page(k->pud_size, offset, size))
                return k->pud_size;
        return area_holds_page(k->pmd_size, offset, size) ? k->pmd_size : k->page_size;
}

uint64_t verdict_best_page(const struct kernel_facts *k, uint64_t size)
{
        uint64_t page;

        assert(k);

        page = page_within(k, 0, size);
        /* A kernel that has PMD entries and no PUD entries runs on a machine for which Linux has none
         * (arm64). No other kernel would give more there. */
        if (page > k->pmd_size && k->huge_pmd.value == FACT_YES && k->huge_pud.value == FACT_NO)
                return k->pmd_size;
        return page;
}

/* Where the kernel puts a mapping if nobody else chooses. */
static struct cap cap_kernel(const struct kernel_facts *k, const struct module_facts *m,
                             const struct area *area)
{
        struct cap cap;

        if (module_works(m))
                return (struct cap){ k->pud_size, true };
        cap = cap_from_facts(k, k->places_pmd, k->places_pud);
        /* The accidental alignment applies only to sizes that are a multiple of 2 MiB (ed48e87c7df3). */
        if (cap.page > k->page_size && k->aligns.value != FACT_YES && area->size & (k->pmd_size - 1))
                cap = (struct cap){ k->page_size, true };
        /* As proposed, get_mapping_order() goes by the length alone: an area that is as long as a page, and
         * holds no whole one, is not aligned to the next smaller one either. */
        if (k->mapping_order.value == FACT_YES &&
            page_at_most(k, area->size) > page_within(k, area->offset, area->size))
                cap = (struct cap){ k->page_size, false };
        /* If the module may be active, the mapping may get more. */
        cap.sure = cap.sure && (m->loaded.value == FACT_NO || m->enabled.value == FACT_NO);
        return cap;
}

/* At which page size the address is congruent with the offset in the BAR, given what chooses it. */
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
        /* An emulator that could not be read may align by itself. If the kernel aligns, it loses nothing by
         * that, because the size of a BAR is a power of two. */
        if (placer.generation == GENERATION_UNKNOWN && cap.page < k->pud_size)
                cap.sure = false;
        return cap;
}

/* How many entries of at most sizes[level] bytes cover [start, end). start and end count from a boundary of
 * the largest size. */
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

static uint64_t mapping_entries(const struct kernel_facts *k, uint64_t offset, uint64_t size, uint64_t page)
{
        const uint64_t sizes[] = { k->page_size, k->pmd_size, k->pud_size };
        size_t level = 0;

        while (level + 1 < ELEMENTSOF(sizes) && page >= sizes[level + 1])
                level++;

        return count_entries(sizes, level, offset, offset + size);
}

/* size, offset: those of the mapping. placement: to what its address is congruent with the offset. */
static struct verdict mapping_verdict(const struct kernel_facts *k, struct cap placement,
                                      struct placer placer, uint64_t offset, uint64_t size)
{
        const struct {
                struct cap cap;
                enum condition condition;
        } conditions[] = {
                /* If several limit a mapping to the same size, the first is named. */
                { { page_within(k, offset, size), true }, CONDITION_BAR_SIZE },
                { cap_from_facts(k, k->huge_pmd, k->huge_pud), CONDITION_HUGE_FAULT },
                { cap_thp(k, placer), CONDITION_THP },
                { placement, CONDITION_PLACEMENT },
        };
        struct verdict v = { .page_size = k->pud_size, .limit = CONDITION_NONE };
        bool sure = true;

        for (size_t i = 0; i < ELEMENTSOF(conditions); i++) {
                struct cap cap = conditions[i].cap;

                /* A limit we are sure of wins over an equal one we only suspect. */
                if (cap.page < v.page_size || (cap.page == v.page_size && cap.sure && !sure)) {
                        v.page_size = cap.page;
                        v.limit = conditions[i].condition;
                        sure = cap.sure;
                }
        }

        v.faults = mapping_entries(k, offset, size, v.page_size);
        if (k->huge_pmd.value == FACT_NO && k->fault_fills.value != FACT_NO)
                v.faults = k->fault_fills.value == FACT_YES ? 1 : COUNT_UNKNOWN;
        if (k->huge_pmd.value == FACT_UNKNOWN || !sure) {
                v.faults = COUNT_UNKNOWN;
                v.page_size = 0;
                v.limit = CONDITION_UNKNOWN;
        }

        if (k->pin_by_leaf.value == FACT_NO)
                v.pin_steps = mapping_entries(k, offset, size, k->page_size);
        else if (k->pin_by_leaf.value == FACT_YES && v.page_size > 0)
                v.pin_steps = mapping_entries(k, offset, size, v.page_size);
        else
                v.pin_steps = COUNT_UNKNOWN;
        return v;
}

struct verdict verdict_area(const struct kernel_facts *k, const struct module_facts *m, struct placer placer,
                            const struct area *area)
{
        struct verdict v;

        assert(k);
        assert(m);
        assert(area);

        v = mapping_verdict(k, cap_placement(k, m, placer, area), placer, area->offset, area->size);
        /* QEMU 9.2 aligns to the lowest bit of the length. The address can be a multiple of more, unless the
         * offset rules that out. */
        v.chance = v.limit == CONDITION_PLACEMENT &&
                   (placer.generation == GENERATION_NONE ||
                    (placer.generation == GENERATION_PER_AREA &&
                     (area->offset & ((area->size & -area->size) - 1)) == 0));
        return v;
}

struct kernel_facts kernel_facts_of_process(const struct kernel_facts *k, struct fact thp)
{
        struct kernel_facts own;

        assert(k);

        own = *k;
        /* The kernel obeys PR_SET_THP_DISABLE, whatever its own setting is (vma_thp_disabled). */
        if (thp.value == FACT_NO) {
                own.thp = THP_NEVER;
                own.thp_exempt = fact_is(false, thp.source);
        }
        return own;
}

struct verdict verdict_mapping(const struct kernel_facts *k, struct fact thp, struct placer placer,
                               const struct mapping *mapping)
{
        struct kernel_facts own;
        struct cap placement;
        uint64_t shift;

        assert(k);
        assert(mapping);

        own = kernel_facts_of_process(k, thp);
        shift = mapping->start - mapping->offset;
        placement = (struct cap){ page_at_most(k, shift & -shift ?: UINT64_MAX), true };
        return mapping_verdict(&own, placement, placer, mapping->offset, mapping->size);
}

uint64_t verdict_shortfall(const struct kernel_facts *k, const struct verdict *v, uint64_t size)
{
        assert(k);
        assert(v);

        return verdict_best_page(k, size) / (v->page_size ?: 1);
}
