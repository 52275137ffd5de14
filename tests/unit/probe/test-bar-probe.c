/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/bar-probe.h"

#include <string.h>

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

static struct kernel_facts kernel(void)
{
        return (struct kernel_facts){
                .page_size = KIB(4),
                .pmd_size = MIB(2),
                .pud_size = GIB(1),
                .huge_pmd = YES,
                .huge_pud = YES,
                .places_pmd = YES,
                .places_pud = NO,
                .thp = THP_ALWAYS,
                .pin_by_leaf = YES,
        };
}

static void test_page_size(void **state)
{
        struct kernel_facts k = kernel();
        struct probe_area a = { .size = GIB(2), .fault_size = GIB(2) };

        (void) state;
        assert_int_equal(probe_page_size(&k, &a, GIB(1), 2), GIB(1));
        assert_int_equal(probe_page_size(&k, &a, GIB(1), 4), GIB(1)); /* noise */
        assert_int_equal(probe_page_size(&k, &a, GIB(1), 1024), MIB(2));
        assert_int_equal(probe_page_size(&k, &a, MIB(2), 1025), MIB(2));
        assert_int_equal(probe_page_size(&k, &a, MIB(2), 524288), KIB(4)); /* THP is off */
        assert_int_equal(probe_page_size(&k, &a, KIB(4), 524288), KIB(4));
        /* Fewer faults than pages, or none counted */
        assert_int_equal(probe_page_size(&k, &a, KIB(4), 1024), 0);
        assert_int_equal(probe_page_size(&k, &a, GIB(1), 1), 0);
        assert_int_equal(probe_page_size(&k, &a, GIB(1), COUNT_UNKNOWN), 0);
        /* An area at 506 MiB: 259 pages of 2 MiB, then one of 1 GiB */
        a = (struct probe_area){ .offset = MIB(506), .size = MIB(1542), .fault_size = MIB(1542) };
        assert_int_equal(probe_page_size(&k, &a, GIB(1), 259 + 1), GIB(1));
        assert_int_equal(probe_page_size(&k, &a, MIB(2), 771), MIB(2));

        k.huge_pmd.value = FACT_NO;
        assert_int_equal(probe_page_size(&k, &a, GIB(1), 1), KIB(4));
}

static void fill(struct probe_area *a, const struct kernel_facts *k, uint64_t alignment, uint64_t faults)
{
        const struct module_facts m = { .loaded = NO, .enabled = NO };

        a->predicted = verdict_area(k, &m, PLACER_PROGRAM, &(struct area){ a->size, a->offset, a->size });
        for (size_t i = 0; i < PROBE_TIMES; i++)
                a->maps[i] = (struct probe_map){
                        .alignment = alignment,
                        .page_size = probe_page_size(k, a, alignment, faults),
                        .faults = faults,
                        .seconds = (double) (PROBE_TIMES - i),
                };
        probe_area_conclude(a, k);
}

static void test_conclusion(void **state)
{
        struct kernel_facts k = kernel();
        struct probe_area a = { .size = GIB(2), .fault_size = GIB(2) };

        (void) state;
        fill(&a, &k, MIB(2), 1024);
        assert_int_equal(a.expected_faults, 1024);
        assert_int_equal(a.median.page_size, MIB(2));
        assert_int_equal(a.median.faults, 1024);
        assert_true(a.median.seconds > 4.5 && a.median.seconds < 5.5);
        assert_int_equal(a.agrees.value, FACT_YES);
        fill(&a, &k, MIB(2), 1030); /* within 1 % */
        assert_int_equal(a.agrees.value, FACT_YES);
        fill(&a, &k, MIB(2), 1040);
        assert_int_equal(a.agrees.value, FACT_NO);
        fill(&a, &k, KIB(4), 524288);
        assert_int_equal(a.agrees.value, FACT_NO);
        /* This is luck if nobody aligns to that page; if places_pud is known, it is not. */
        fill(&a, &k, GIB(1), 2);
        assert_true(a.predicted.chance);
        assert_int_equal(a.agrees.value, FACT_YES);
        /* One that is worse does not move the median. */
        fill(&a, &k, MIB(2), 1024);
        a.maps[3].faults = 524288;
        a.maps[3].page_size = KIB(4);
        probe_area_conclude(&a, &k);
        assert_int_equal(a.median.faults, 1024);
        assert_int_equal(a.agrees.value, FACT_YES);

        /* The kernel has no larger page, so this is not luck. */
        k.huge_pud.value = FACT_NO;
        fill(&a, &k, GIB(1), 1024);
        assert_false(a.predicted.chance);
        assert_int_equal(a.agrees.value, FACT_YES);
        fill(&a, &k, GIB(1), 2); /* more than the audit knows of */
        assert_int_equal(a.agrees.value, FACT_NO);

        /* Nothing was measured, or nothing was predicted. */
        k = kernel();
        a = (struct probe_area){ .size = GIB(2) };
        fill(&a, &k, MIB(2), COUNT_UNKNOWN);
        assert_int_equal(a.agrees.value, FACT_UNKNOWN);
        a = (struct probe_area){ .size = GIB(2), .fault_size = GIB(2) };
        k.places_pmd.value = FACT_UNKNOWN;
        fill(&a, &k, MIB(2), 1024);
        assert_int_equal(a.agrees.value, FACT_UNKNOWN);
        assert_int_equal(a.expected_faults, COUNT_UNKNOWN);
}

/* Only the start of a huge area is faulted in. */
static void test_limit(void **state)
{
        struct kernel_facts k = kernel();
        struct probe_area a = { .size = GIB(128), .fault_size = VFIO_DMA_MAX };

        (void) state;
        fill(&a, &k, MIB(2), 2048);
        assert_int_equal(a.predicted.faults, 65536);
        assert_int_equal(a.expected_faults, 2048);
        assert_int_equal(a.agrees.value, FACT_YES);
        k.places_pmd.value = FACT_NO;
        fill(&a, &k, KIB(4), 1048576);
        assert_int_equal(a.predicted.faults, GIB(128) / KIB(4));
        assert_int_equal(a.expected_faults, 1048576);
        assert_int_equal(a.agrees.value, FACT_YES);
        k.huge_pmd.value = FACT_NO; /* one fault fills it all */
        fill(&a, &k, KIB(4), 1);
        assert_int_equal(a.expected_faults, 1);
        assert_int_equal(a.agrees.value, FACT_YES);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_page_size),
                cmocka_unit_test(test_conclusion),
                cmocka_unit_test(test_limit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
