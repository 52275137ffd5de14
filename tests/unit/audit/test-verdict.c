/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/verdict.h"

#include "test.h"
#include "util/macro.h"

#define YES \
        { \
                .value = FACT_YES \
        }
#define NO \
        { \
                .value = FACT_NO \
        }
#define UNKNOWN \
        { \
                .value = FACT_UNKNOWN \
        }
#define X86 .page_size = KIB(4), .pmd_size = MIB(2), .pud_size = GIB(1)

/* As measured on Debian's kernels. */
static const struct kernel_facts linux_6_1 = {
        X86,
        .vfio = YES,
        .huge_pmd = NO,
        .huge_pud = NO,
        .fault_fills = YES,
        .places_pmd = NO,
        .places_pud = NO,
        .thp = THP_ALWAYS,
        .pin_by_leaf = NO,
};
static const struct kernel_facts linux_6_12 = {
        X86,
        .vfio = YES,
        .huge_pmd = YES,
        .huge_pud = YES,
        .places_pmd = YES,
        .places_pud = NO,
        .thp = THP_ALWAYS,
        .pin_by_leaf = NO,
};
static const struct kernel_facts linux_7_3 = {
        X86,
        .vfio = YES,
        .huge_pmd = YES,
        .huge_pud = YES,
        .places_pmd = NO,
        .places_pud = NO,
        .thp = THP_ALWAYS,
        .pin_by_leaf = YES,
};

/* vfio has thp_get_unmapped_area(). */
static const struct kernel_facts linux_thp = {
        X86,
        .vfio = YES,
        .huge_pmd = YES,
        .huge_pud = YES,
        .places_pmd = YES,
        .places_pud = NO,
        .aligns = YES,
        .thp = THP_ALWAYS,
        .pin_by_leaf = YES,
};

/* vfio has get_mapping_order(). */
static const struct kernel_facts linux_order = {
        X86,
        .vfio = YES,
        .huge_pmd = YES,
        .huge_pud = YES,
        .places_pmd = YES,
        .places_pud = YES,
        .aligns = YES,
        .mapping_order = YES,
        .thp = THP_ALWAYS,
        .pin_by_leaf = YES,
};
/* PREEMPT_RT, where there is no THP */
static const struct kernel_facts linux_7_3_rt = {
        X86,
        .vfio = YES,
        .huge_pmd = NO,
        .huge_pud = NO,
        .fault_fills = NO,
        .places_pmd = NO,
        .places_pud = NO,
        .thp = THP_UNKNOWN,
        .pin_by_leaf = YES,
};
static const struct kernel_facts linux_unknown_fault = {
        X86,
        .vfio = YES,
        .huge_pmd = NO,
        .huge_pud = NO,
        .fault_fills = UNKNOWN,
        .places_pmd = NO,
        .places_pud = NO,
        .thp = THP_ALWAYS,
        .pin_by_leaf = NO,
};
/* arm64 has no entries of the third size. */
static const struct kernel_facts arm64_6_12 = {
        X86,
        .vfio = YES,
        .huge_pmd = YES,
        .huge_pud = NO,
        .places_pmd = YES,
        .places_pud = NO,
        .thp = THP_ALWAYS,
        .pin_by_leaf = NO,
};
static const struct kernel_facts arm64_7_3 = {
        X86,
        .vfio = YES,
        .huge_pmd = YES,
        .huge_pud = NO,
        .places_pmd = NO,
        .places_pud = NO,
        .thp = THP_ALWAYS,
        .pin_by_leaf = YES,
};
static const struct kernel_facts arm64_16k = {
        .page_size = KIB(16),
        .pmd_size = MIB(32),
        .pud_size = GIB(64),
        .vfio = YES,
        .huge_pmd = YES,
        .huge_pud = NO,
        .places_pmd = NO,
        .places_pud = NO,
        .thp = THP_ALWAYS,
        .pin_by_leaf = YES,
};
static const struct kernel_facts arm64_64k = {
        .page_size = KIB(64),
        .pmd_size = MIB(512),
        .pud_size = MIB(512) * 8192,
        .vfio = YES,
        .huge_pmd = YES,
        .huge_pud = NO,
        .places_pmd = NO,
        .places_pud = NO,
        .thp = THP_ALWAYS,
        .pin_by_leaf = YES,
};

static const struct module_facts no_module = {
        .installed = NO, .loadable = YES, .loaded = NO, .enabled = NO
};
static const struct module_facts module_on = {
        .installed = YES, .loadable = YES, .loaded = YES, .enabled = YES
};
static const struct module_facts module_off = {
        .installed = YES, .loadable = YES, .loaded = YES, .enabled = NO
};

/* A whole BAR; an emulator that leaves the address to the kernel is no other than a program here. */
static struct verdict verdict_bar(const struct kernel_facts *k, const struct module_facts *m,
                                  enum emulator_generation g, uint64_t size)
{
        const struct area whole = { .region_size = size, .size = size };
        const struct emulator e = { .generation = g };

        return verdict_area(k, m, g == GENERATION_NONE ? PLACER_PROGRAM : placer_emulator(&e), &whole);
}

static const struct {
        const char *name;
        const struct kernel_facts *kernel;
        const struct module_facts *module;
        enum emulator_generation by;
        uint64_t size;
        uint64_t page_size, faults, pin_steps;
        enum condition limit;
        bool chance;
} rows[] = {
        /* Without huge faults, a kernel up to 6.11 fills the whole mapping at its first fault. */
        { "6.1", &linux_6_1, &no_module, GENERATION_NONE, GIB(2), KIB(4), 1, 524288, CONDITION_HUGE_FAULT,
          false },
        { "6.1, QEMU that aligns", &linux_6_1, &no_module, GENERATION_PER_REGION, GIB(2), KIB(4), 1, 524288,
          CONDITION_HUGE_FAULT, false },
        { "6.1, module", &linux_6_1, &module_on, GENERATION_NONE, GIB(2), KIB(4), 1, 524288,
          CONDITION_HUGE_FAULT, false },

        { "7.3-rt", &linux_7_3_rt, &no_module, GENERATION_NONE, GIB(2), KIB(4), 524288, 524288,
          CONDITION_HUGE_FAULT, false },
        { "7.3-rt, QEMU that aligns", &linux_7_3_rt, &no_module, GENERATION_PER_REGION, GIB(2), KIB(4),
          524288, 524288, CONDITION_HUGE_FAULT, false },
        { "no huge faults, and which handler is unknown", &linux_unknown_fault, &no_module, GENERATION_NONE,
          GIB(2), KIB(4), COUNT_UNKNOWN, 524288, CONDITION_HUGE_FAULT, false },

        { "6.12", &linux_6_12, &no_module, GENERATION_NONE, GIB(2), MIB(2), 1024, 524288,
          CONDITION_PLACEMENT, true },
        { "6.12, QEMU 9.2", &linux_6_12, &no_module, GENERATION_PER_AREA, GIB(2), GIB(1), 2, 524288,
          CONDITION_NONE, false },
        { "6.12, module", &linux_6_12, &module_on, GENERATION_NONE, GIB(2), GIB(1), 2, 524288,
          CONDITION_NONE, false },

        { "7.3", &linux_7_3, &no_module, GENERATION_NONE, GIB(2), KIB(4), 524288, 524288,
          CONDITION_PLACEMENT, true },
        { "7.3, module off", &linux_7_3, &module_off, GENERATION_NONE, GIB(2), KIB(4), 524288, 524288,
          CONDITION_PLACEMENT, true },
        { "7.3, module", &linux_7_3, &module_on, GENERATION_NONE, GIB(2), GIB(1), 2, 2, CONDITION_NONE,
          false },
        { "7.3, QEMU 9.2", &linux_7_3, &no_module, GENERATION_PER_AREA, GIB(2), GIB(1), 2, 2, CONDITION_NONE,
          false },
        { "7.3, QEMU 11", &linux_7_3, &no_module, GENERATION_PER_REGION, GIB(2), GIB(1), 2, 2,
          CONDITION_NONE, false },
        { "7.3, emulator unknown", &linux_7_3, &no_module, GENERATION_UNKNOWN, GIB(2), 0, COUNT_UNKNOWN,
          COUNT_UNKNOWN, CONDITION_UNKNOWN, false },
        { "7.3, emulator unknown, module", &linux_7_3, &module_on, GENERATION_UNKNOWN, GIB(2), GIB(1), 2, 2,
          CONDITION_NONE, false },

        { "thp_get_unmapped_area()", &linux_thp, &no_module, GENERATION_NONE, GIB(2), MIB(2), 1024, 1024,
          CONDITION_PLACEMENT, true },
        { "thp_get_unmapped_area(), odd size", &linux_thp, &no_module, GENERATION_NONE, MIB(6) + KIB(4),
          MIB(2), 4, 4, CONDITION_BAR_SIZE, false },
        { "thp_get_unmapped_area(), module", &linux_thp, &module_on, GENERATION_NONE, GIB(2), GIB(1), 2, 2,
          CONDITION_NONE, false },
        { "thp_get_unmapped_area(), module off", &linux_thp, &module_off, GENERATION_NONE, GIB(2), MIB(2),
          1024, 1024, CONDITION_PLACEMENT, true },
        { "thp_get_unmapped_area(), QEMU 9.2", &linux_thp, &no_module, GENERATION_PER_AREA, GIB(2), GIB(1),
          2, 2, CONDITION_NONE, false },
        { "get_mapping_order()", &linux_order, &no_module, GENERATION_NONE, GIB(2), GIB(1), 2, 2,
          CONDITION_NONE, false },
        { "get_mapping_order(), 256 MiB", &linux_order, &no_module, GENERATION_NONE, MIB(256), MIB(2), 128,
          128, CONDITION_BAR_SIZE, false },

        /* Sizes that are no power of two: the generations differ. */
        { "3 GiB, QEMU 9.2", &linux_7_3, &no_module, GENERATION_PER_AREA, GIB(3), GIB(1), 3, 3,
          CONDITION_NONE, false },
        { "3 GiB, QEMU 11", &linux_7_3, &no_module, GENERATION_PER_REGION, GIB(3), GIB(1), 3, 3,
          CONDITION_NONE, false },
        { "3 GiB + 64 KiB, QEMU 9.2", &linux_7_3, &no_module, GENERATION_PER_AREA, GIB(3) + KIB(64), KIB(4),
          786432 + 16, 786432 + 16, CONDITION_PLACEMENT, true },
        { "3 GiB + 64 KiB, QEMU 11", &linux_7_3, &no_module, GENERATION_PER_REGION, GIB(3) + KIB(64), GIB(1),
          3 + 16, 3 + 16, CONDITION_NONE, false },
        { "1 GiB - 2 MiB, QEMU 9.2", &linux_7_3, &no_module, GENERATION_PER_AREA, GIB(1) - MIB(2), MIB(2),
          511, 511, CONDITION_BAR_SIZE, false },
        { "1 GiB - 2 MiB, QEMU 11", &linux_7_3, &no_module, GENERATION_PER_REGION, GIB(1) - MIB(2), MIB(2),
          511, 511, CONDITION_BAR_SIZE, false },

        /* What does not fit */
        { "1 MiB, module", &linux_7_3, &module_on, GENERATION_NONE, MIB(1), KIB(4), 256, 256,
          CONDITION_BAR_SIZE, false },
        { "2 MiB, module", &linux_7_3, &module_on, GENERATION_NONE, MIB(2), MIB(2), 1, 1, CONDITION_BAR_SIZE,
          false },
        { "256 MiB, module", &linux_7_3, &module_on, GENERATION_NONE, MIB(256), MIB(2), 128, 128,
          CONDITION_BAR_SIZE, false },
        { "128 GiB", &linux_7_3, &no_module, GENERATION_NONE, GIB(128), KIB(4), 33554432, 33554432,
          CONDITION_PLACEMENT, true },
        { "128 GiB, module", &linux_7_3, &module_on, GENERATION_NONE, GIB(128), GIB(1), 128, 128,
          CONDITION_NONE, false },

        { "arm64 6.12", &arm64_6_12, &no_module, GENERATION_NONE, GIB(2), MIB(2), 1024, 524288,
          CONDITION_HUGE_FAULT, false },
        { "arm64 6.12, module", &arm64_6_12, &module_on, GENERATION_NONE, GIB(2), MIB(2), 1024, 524288,
          CONDITION_HUGE_FAULT, false },
        { "arm64 7.3", &arm64_7_3, &no_module, GENERATION_NONE, GIB(2), KIB(4), 524288, 524288,
          CONDITION_PLACEMENT, true },
        { "arm64 7.3, module", &arm64_7_3, &module_on, GENERATION_NONE, GIB(2), MIB(2), 1024, 1024,
          CONDITION_HUGE_FAULT, false },
        { "arm64 7.3, QEMU 9.2", &arm64_7_3, &no_module, GENERATION_PER_AREA, GIB(2), MIB(2), 1024, 1024,
          CONDITION_HUGE_FAULT, false },

        { "arm64, 16 KiB", &arm64_16k, &no_module, GENERATION_NONE, GIB(2), KIB(16), 131072, 131072,
          CONDITION_PLACEMENT, true },
        { "arm64, 16 KiB, module", &arm64_16k, &module_on, GENERATION_NONE, GIB(2), MIB(32), 64, 64,
          CONDITION_BAR_SIZE, false },
        { "arm64, 16 KiB, QEMU 9.2", &arm64_16k, &no_module, GENERATION_PER_AREA, GIB(2), MIB(32), 64, 64,
          CONDITION_BAR_SIZE, false },
        { "arm64, 16 KiB, 16 MiB", &arm64_16k, &module_on, GENERATION_NONE, MIB(16), KIB(16), 1024, 1024,
          CONDITION_BAR_SIZE, false },

        { "arm64, 64 KiB", &arm64_64k, &no_module, GENERATION_NONE, GIB(2), KIB(64), 32768, 32768,
          CONDITION_PLACEMENT, true },
        { "arm64, 64 KiB, module", &arm64_64k, &module_on, GENERATION_NONE, GIB(2), MIB(512), 4, 4,
          CONDITION_BAR_SIZE, false },
        { "arm64, 64 KiB, 256 MiB", &arm64_64k, &module_on, GENERATION_NONE, MIB(256), KIB(64), 4096, 4096,
          CONDITION_BAR_SIZE, false },
};

static void test_table(void **state)
{
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct verdict v = verdict_bar(rows[i].kernel, rows[i].module, rows[i].by, rows[i].size);

                if (v.page_size != rows[i].page_size || v.faults != rows[i].faults ||
                    v.pin_steps != rows[i].pin_steps || v.limit != rows[i].limit ||
                    v.chance != rows[i].chance)
                        fail_msg("%s: %ju bytes, %ju faults, %ju steps, %s%s", rows[i].name,
                                 (uintmax_t) v.page_size, (uintmax_t) v.faults, (uintmax_t) v.pin_steps,
                                 condition_to_string(v.limit), v.chance ? ", by chance" : "");
        }
}

/* get_mapping_order(), as proposed, does not look whether the area holds a whole page of its length. */
static void test_order_of_length(void **state)
{
        static const struct {
                uint64_t offset, size, page_size;
        } cases[] = {
                { 0, GIB(1), GIB(1) },      { KIB(12), GIB(2) - KIB(12), GIB(1) },
                { MIB(512), GIB(1), 0 },    { MIB(512), GIB(1) - KIB(4), MIB(2) },
                { MIB(1), MIB(2), KIB(4) },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const struct area area = { .region_size = GIB(4),
                                           .offset = cases[i].offset,
                                           .size = cases[i].size };

                assert_int_equal(verdict_area(&linux_order, &no_module, PLACER_PROGRAM, &area).page_size,
                                 cases[i].page_size);
        }
}

static void test_thp(void **state)
{
        static const struct {
                enum thp_mode thp;
                enum fact_value exempt;
                uint64_t page_size, faults;
                enum condition limit;
        } cases[] = {
                { THP_ALWAYS, FACT_NO, GIB(1), 2, CONDITION_NONE },
                { THP_ALWAYS, FACT_UNKNOWN, GIB(1), 2, CONDITION_NONE },
                { THP_MADVISE, FACT_NO, KIB(4), 524288, CONDITION_THP },
                { THP_MADVISE, FACT_UNKNOWN, 0, COUNT_UNKNOWN, CONDITION_UNKNOWN },
                { THP_MADVISE, FACT_YES, GIB(1), 2, CONDITION_NONE },
                { THP_NEVER, FACT_NO, KIB(4), 524288, CONDITION_THP },
                { THP_NEVER, FACT_YES, GIB(1), 2, CONDITION_NONE },
                { THP_UNKNOWN, FACT_NO, 0, COUNT_UNKNOWN, CONDITION_UNKNOWN },
                { THP_UNKNOWN, FACT_YES, GIB(1), 2, CONDITION_NONE },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct kernel_facts k = linux_6_12;
                struct verdict v;

                k.thp = cases[i].thp;
                k.thp_exempt.value = cases[i].exempt;
                v = verdict_bar(&k, &module_on, GENERATION_NONE, GIB(2));
                assert_int_equal(v.page_size, cases[i].page_size);
                assert_int_equal(v.faults, cases[i].faults);
                assert_int_equal(v.limit, cases[i].limit);
                assert_int_equal(v.pin_steps, 524288); /* 6.12 pins by 4 KiB, whatever THP is */
        }
}

/* Of what a verdict is made; -1 in `known` leaves a fact as it is. */
enum { HUGE_PUD, PLACES_PMD, PLACES_PUD, THP, THP_EXEMPT, LOADED, ENABLED, GENERATION, N_FACTS };

static const int n_values[N_FACTS] = {
        [HUGE_PUD] = _FACT_VALUE_MAX, [PLACES_PMD] = _FACT_VALUE_MAX, [PLACES_PUD] = _FACT_VALUE_MAX,
        [THP] = _THP_MODE_MAX,        [THP_EXEMPT] = _FACT_VALUE_MAX, [LOADED] = _FACT_VALUE_MAX,
        [ENABLED] = _FACT_VALUE_MAX,  [GENERATION] = _GENERATION_MAX,
};

static struct verdict verdict_of(const int values[N_FACTS], uint64_t size)
{
        struct kernel_facts k = {
                X86,
                .huge_pmd = YES,
                .pin_by_leaf = YES,
                .thp = (enum thp_mode) values[THP],
                .huge_pud = { (enum fact_value) values[HUGE_PUD] },
                .places_pmd = { (enum fact_value) values[PLACES_PMD] },
                .places_pud = { (enum fact_value) values[PLACES_PUD] },
                .thp_exempt = { (enum fact_value) values[THP_EXEMPT] },
        };
        struct module_facts m = {
                .loaded = { (enum fact_value) values[LOADED] },
                .enabled = { (enum fact_value) values[ENABLED] },
        };

        return verdict_bar(&k, &m, (enum emulator_generation) values[GENERATION], size);
}

/* The smallest and the largest page that the facts allow, over all that the unknown ones could be. Every
 * enum has "unknown" as 0. */
static void bounds(int values[N_FACTS], size_t from, uint64_t size, uint64_t *least, uint64_t *most)
{
        while (from < N_FACTS && values[from] != 0)
                from++;
        if (from == N_FACTS) {
                struct verdict v = verdict_of(values, size);

                assert_true(v.page_size > 0);
                *least = v.page_size < *least ? v.page_size : *least;
                *most = v.page_size > *most ? v.page_size : *most;
                return;
        }
        for (values[from] = 1; values[from] < n_values[from]; values[from]++)
                bounds(values, from + 1, size, least, most);
        values[from] = 0;
}

static void print_facts(const int values[N_FACTS], uint64_t size)
{
        print_error("huge_pud %s, places %s/%s, thp %s, exempt %s, module %s/%s, emulator %s, %ju MiB\n",
                    fact_value_to_string(values[HUGE_PUD]), fact_value_to_string(values[PLACES_PMD]),
                    fact_value_to_string(values[PLACES_PUD]), thp_mode_to_string(values[THP]),
                    fact_value_to_string(values[THP_EXEMPT]), fact_value_to_string(values[LOADED]),
                    fact_value_to_string(values[ENABLED]), emulator_generation_to_string(values[GENERATION]),
                    (uintmax_t) (size / MIB(1)));
}

/* Unknown is never read as no, nor as yes: all combinations of facts. A verdict is certain exactly where all
 * that the unknown facts could be come to the same page. */
static void test_unknown(void **state)
{
        static const uint64_t sizes[] = { MIB(1), MIB(64), GIB(2) }; /* powers of two, as BARs are */
        int values[N_FACTS] = {};
        size_t f;

        (void) state;
        do {
                for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                        struct verdict v = verdict_of(values, sizes[i]);
                        uint64_t least = UINT64_MAX, most = 0;

                        bounds(values, 0, sizes[i], &least, &most);
                        if (v.page_size != (least == most ? least : 0)) {
                                print_facts(values, sizes[i]);
                                fail_msg("page %ju, can be %ju to %ju", (uintmax_t) v.page_size,
                                         (uintmax_t) least, (uintmax_t) most);
                        }
                        assert_int_equal(v.page_size == 0, v.limit == CONDITION_UNKNOWN);
                        assert_int_equal(v.page_size == 0, v.faults == COUNT_UNKNOWN);
                }
                for (f = 0; f < N_FACTS && ++values[f] == n_values[f]; f++)
                        values[f] = 0;
        } while (f < N_FACTS);
}

static void test_unknown_kernel(void **state)
{
        struct kernel_facts k = linux_7_3;
        struct verdict v;

        (void) state;
        k.huge_pmd.value = FACT_UNKNOWN;
        v = verdict_bar(&k, &no_module, GENERATION_PER_AREA, GIB(2));
        assert_int_equal(v.page_size, 0);
        assert_int_equal(v.faults, COUNT_UNKNOWN);
        assert_int_equal(v.limit, CONDITION_UNKNOWN);

        k = linux_7_3;
        k.pin_by_leaf.value = FACT_UNKNOWN;
        v = verdict_bar(&k, &module_on, GENERATION_NONE, GIB(2));
        assert_int_equal(v.page_size, GIB(1));
        assert_int_equal(v.pin_steps, COUNT_UNKNOWN);

        /* A kernel of which nothing is known but its page sizes */
        k = (struct kernel_facts){ X86 };
        v = verdict_bar(&k, &(struct module_facts){}, GENERATION_UNKNOWN, GIB(2));
        assert_int_equal(v.page_size, 0);
        assert_int_equal(v.faults, COUNT_UNKNOWN);
        assert_int_equal(v.pin_steps, COUNT_UNKNOWN);
}

static void test_mapping(void **state)
{
        static const struct {
                uint64_t start, offset, size, page_size, faults;
        } cases[] = {
                { 0x7f1000000000, 0, GIB(2), GIB(1), 2 },
                { 0x7f1000200000, 0, GIB(2), MIB(2), 1024 },
                { 0x7f1000201000, 0, GIB(2), KIB(4), 524288 },
                /* Congruent, and not at a boundary: small entries up to the next one. */
                { 0x7f1000001000, 0x1000, GIB(2) - 0x1000, GIB(1), 511 + 511 + 1 },
                { 0x7f103fe00000, GIB(1) - MIB(2), MIB(2) + GIB(1), GIB(1), 1 + 1 },
                { 0x7f103fe00000, GIB(1) - MIB(2), MIB(2) + GIB(1) + KIB(4), GIB(1), 1 + 1 + 1 },
                { 0x7f1000001000, 0x1000, MIB(4), MIB(2), 511 + 1 + 1 },
                /* An area that a guest's MSI-X table splits off */
                { 0x7f1000100000, MIB(1), MIB(1), KIB(4), 256 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const struct mapping m = { .start = cases[i].start,
                                           .offset = cases[i].offset,
                                           .size = cases[i].size };
                struct verdict v = verdict_mapping(&linux_7_3, fact_unknown(NULL), PLACER_PROGRAM, &m);

                assert_int_equal(v.page_size, cases[i].page_size);
                assert_int_equal(v.faults, cases[i].faults);
                assert_int_equal(v.pin_steps, cases[i].faults);
                assert_false(v.chance);
        }
}

static void test_shortfall(void **state)
{
        struct verdict v = { .page_size = GIB(1) };

        (void) state;
        assert_int_equal(verdict_best_page(&linux_7_3, GIB(2)), GIB(1));
        assert_int_equal(verdict_best_page(&linux_7_3, GIB(1) - 1), MIB(2));
        assert_int_equal(verdict_best_page(&linux_7_3, MIB(2) - 1), KIB(4));
        assert_int_equal(verdict_best_page(&arm64_64k, GIB(2)), MIB(512));
        assert_int_equal(verdict_best_page(&arm64_16k, GIB(2)), MIB(32));
        assert_int_equal(verdict_best_page(&arm64_16k, MIB(32) - 1), KIB(16));
        /* Without PUD entries 2 MiB is the best there is; a kernel without any can be replaced. */
        assert_int_equal(verdict_best_page(&arm64_7_3, GIB(2)), MIB(2));
        assert_int_equal(verdict_best_page(&linux_6_1, GIB(2)), GIB(1));

        assert_int_equal(verdict_shortfall(&linux_7_3, &v, GIB(2)), 1);
        v.page_size = KIB(4);
        assert_int_equal(verdict_shortfall(&linux_7_3, &v, GIB(2)), 262144);
        v.page_size = 0; /* unknown is worse than the worst that is known */
        assert_true(verdict_shortfall(&linux_7_3, &v, GIB(2)) > 262144);
}

/* 1 GiB + 6 MiB from 512 MiB on: no 1 GiB page fits in it, and how it is placed depends on who does it. */
static void test_area(void **state)
{
        const struct area area = { .region_size = GIB(2), .offset = MIB(512), .size = GIB(1) + MIB(6) };
        const struct area odd = { .region_size = GIB(2), .size = MIB(6) + KIB(4) };
        const struct area inner = { .region_size = GIB(4), .offset = MIB(512), .size = GIB(2) };
        struct verdict v;

        (void) state;
        v = verdict_area(&linux_7_3, &no_module, (struct placer){ .generation = GENERATION_PER_REGION },
                         &area);
        assert_int_equal(v.page_size, MIB(2));
        assert_int_equal(v.faults, 515);
        assert_int_equal(v.limit, CONDITION_BAR_SIZE);
        v = verdict_area(&linux_7_3, &no_module, PLACER_PROGRAM, &area);
        assert_int_equal(v.page_size, KIB(4));
        assert_true(v.chance);
        v = verdict_area(&linux_7_3, &module_on, PLACER_PROGRAM, &inner);
        assert_int_equal(v.page_size, GIB(1));
        assert_int_equal(v.faults, 256 + 1 + 256);

        /* 6.12's accident asks for a multiple of 2 MiB; the module does not. */
        v = verdict_area(&linux_6_12, &no_module, PLACER_PROGRAM, &odd);
        assert_int_equal(v.page_size, KIB(4));
        assert_true(v.chance);
        v = verdict_area(&linux_6_12, &module_on, PLACER_PROGRAM, &odd);
        assert_int_equal(v.page_size, MIB(2));
        assert_int_equal(v.faults, 4);
}

/* 6.12 with THP=madvise: QEMU asks for huge pages, a plain program does not, and of others it is not known.
 */
static void test_advice(void **state)
{
        const struct area whole = { .region_size = GIB(2), .size = GIB(2) };
        struct kernel_facts k = linux_6_12;
        const struct emulator qemu = { .generation = GENERATION_NONE };
        const struct mapping m = { .start = GIB(7), .size = GIB(2) };
        struct verdict v;

        (void) state;
        k.thp = THP_MADVISE;
        k.thp_exempt.value = FACT_NO;
        v = verdict_area(&k, &module_on, PLACER_PROGRAM, &whole);
        assert_int_equal(v.page_size, KIB(4));
        assert_int_equal(v.limit, CONDITION_THP);
        v = verdict_area(&k, &module_on, placer_emulator(&qemu), &whole);
        assert_int_equal(v.page_size, GIB(1));
        v = verdict_area(&k, &no_module, placer_emulator(&qemu), &whole);
        assert_int_equal(v.page_size, MIB(2));
        assert_true(v.chance);
        v = verdict_area(&k, &module_on, placer_emulator(NULL), &whole);
        assert_int_equal(v.limit, CONDITION_UNKNOWN);
        v = verdict_mapping(&k, fact_unknown(NULL), placer_emulator(&qemu), &m);
        assert_int_equal(v.page_size, GIB(1));
        v = verdict_mapping(&k, fact_unknown(NULL), placer_emulator(NULL), &m);
        assert_int_equal(v.page_size, 0);
        v = verdict_mapping(&k, fact_is(false, SOURCE_PROC), placer_emulator(&qemu),
                            &m); /* PR_SET_THP_DISABLE */
        assert_int_equal(v.page_size, KIB(4));

        k.thp = THP_NEVER;
        v = verdict_area(&k, &module_on, placer_emulator(&qemu), &whole);
        assert_int_equal(v.page_size, KIB(4));
}

/* cloud-hypervisor aligns since 53, and asks for no huge pages. */
static void test_cloud_hypervisor(void **state)
{
        const struct area whole = { .region_size = GIB(2), .size = GIB(2) },
                          odd = { .region_size = GIB(1), .size = GIB(1) - KIB(64) },
                          sparse = { .region_size = GIB(2), .offset = MIB(6), .size = GIB(1) };
        const struct emulator old = { .generation = GENERATION_NONE, .program = PROGRAM_CLOUD_HYPERVISOR },
                              new = { .generation = GENERATION_ROUNDED_AREA,
                                      .program = PROGRAM_CLOUD_HYPERVISOR };
        struct kernel_facts k = linux_7_3;
        struct verdict v;

        (void) state;
        v = verdict_area(&k, &no_module, placer_emulator(&old), &whole);
        assert_int_equal(v.page_size, KIB(4));
        assert_int_equal(v.limit, CONDITION_PLACEMENT);
        assert_true(v.chance);
        v = verdict_area(&k, &no_module, placer_emulator(&new), &whole);
        assert_int_equal(v.page_size, GIB(1));
        assert_int_equal(v.faults, 2);
        v = verdict_area(&k, &no_module, placer_emulator(&new), &odd);
        assert_int_equal(v.page_size, MIB(2));
        v = verdict_area(&k, &module_on, placer_emulator(&new), &sparse); /* who chooses has to bear it */
        assert_int_equal(v.page_size, MIB(2));
        assert_false(v.chance);

        k.thp = THP_MADVISE;
        k.thp_exempt.value = FACT_NO;
        v = verdict_area(&k, &no_module, placer_emulator(&new), &whole);
        assert_int_equal(v.page_size, KIB(4));
        assert_int_equal(v.limit, CONDITION_THP);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),
                cmocka_unit_test(test_order_of_length),
                cmocka_unit_test(test_thp),
                cmocka_unit_test(test_unknown),
                cmocka_unit_test(test_unknown_kernel),
                cmocka_unit_test(test_mapping),
                cmocka_unit_test(test_shortfall),
                cmocka_unit_test(test_area),
                cmocka_unit_test(test_advice),
                cmocka_unit_test(test_cloud_hypervisor),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
