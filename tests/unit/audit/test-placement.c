/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/placement.h"

#include "test.h"
#include "util/macro.h"

static const struct {
        const char *what;
        uint64_t region, offset, size; /* bytes */
        uint64_t per_area, per_region, rounded;
} cases[] = {
        { "one page", KIB(4), 0, KIB(4), KIB(4), KIB(4), KIB(4) },
        { "1 MiB", MIB(1), 0, MIB(1), MIB(1), MIB(1), MIB(1) },
        { "256 MiB", MIB(256), 0, MIB(256), MIB(256), MIB(256), MIB(256) },
        { "2 GiB", GIB(2), 0, GIB(2), GIB(1), GIB(1), GIB(1) },
        { "128 GiB", GIB(128), 0, GIB(128), GIB(1), GIB(1), GIB(1) },
        { "3 GiB", GIB(3), 0, GIB(3), GIB(1), GIB(1), GIB(1) },
        { "3 GiB + 64 KiB", GIB(3) + KIB(64), 0, GIB(3) + KIB(64), KIB(64), GIB(1), GIB(1) },
        { "1 GiB - 2 MiB", GIB(1) - MIB(2), 0, GIB(1) - MIB(2), MIB(2), GIB(1), GIB(1) },
        { "512 MiB + 4 KiB", MIB(512) + KIB(4), 0, MIB(512) + KIB(4), KIB(4), GIB(1), GIB(1) },

        /* Areas: aligned to their size, which the offset may not be a multiple of */
        { "first half", GIB(2), 0, GIB(1), GIB(1), GIB(1), GIB(1) },
        { "second half", GIB(2), GIB(1), GIB(1), GIB(1), GIB(1), GIB(1) },
        { "1 GiB at 2 MiB", GIB(2), MIB(2), GIB(1), MIB(2), GIB(1), MIB(2) },
        { "16 MiB at 64 KiB", MIB(64), KIB(64), MIB(16), KIB(64), MIB(64), KIB(64) },
        { "behind an MSI-X table", MIB(16), KIB(8), MIB(16) - KIB(8), KIB(8), MIB(16), KIB(8) },
        { "4 MiB at 12 MiB", MIB(16), MIB(12), MIB(4), MIB(4), MIB(16), MIB(4) },
        { "12 MiB at 4 MiB", MIB(16), MIB(4), MIB(12), MIB(4), MIB(16), MIB(4) },
        { "2 MiB at 512 GiB", GIB(1024), GIB(512), MIB(2), MIB(2), GIB(1), MIB(2) },
        { "the largest there is", UINT64_MAX & ~(uint64_t) 4095, 0, KIB(4), KIB(4), GIB(1), KIB(4) },
};

static void expect(const char *what, enum emulator_generation g, size_t i, uint64_t page, uint64_t expected)
{
        uint64_t got = emulator_placement(g, cases[i].region, cases[i].offset, cases[i].size, page);

        if (got != expected)
                fail_msg("%s, %s: 0x%llx, not 0x%llx", cases[i].what, what, (unsigned long long) got,
                         (unsigned long long) expected);
}

static void test_cases(void **state)
{
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                expect("none", GENERATION_NONE, i, 4096, 4096);
                expect("unknown", GENERATION_UNKNOWN, i, 4096, 4096);
                expect("per area", GENERATION_PER_AREA, i, 4096, cases[i].per_area);
                expect("per region", GENERATION_PER_REGION, i, 4096, cases[i].per_region);
                expect("rounded", GENERATION_ROUNDED_AREA, i, 4096, cases[i].rounded);
        }
        /* Never below the page that mmap() gives to all. */
        expect("64 KiB pages", GENERATION_PER_AREA, 0, KIB(64), KIB(64));
        expect("64 KiB pages", GENERATION_NONE, 0, KIB(64), KIB(64));
}

/* What QEMU does with the worst address it can be given, done here: the promise holds, and no larger one
 * would. */
static void test_against_model(void **state)
{
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases) - 1; i++) {
                uint64_t align = cases[i].size & -cases[i].size, base = 1, shift;
                uint64_t promise = emulator_placement(GENERATION_PER_AREA, cases[i].region, cases[i].offset,
                                                      cases[i].size, 4096);

                align = align > GIB(1) ? GIB(1) : align;
                shift = 5 * align - cases[i].offset; /* an odd multiple of what is aimed at */
                assert_int_equal(shift % promise, 0);
                assert_true(promise == GIB(1) || shift % (2 * promise) != 0 || align != promise ||
                            cases[i].offset % (2 * promise) != 0);

                /* cloud-hypervisor: the address is an odd multiple of this at worst. */
                align = 1;
                while (align < cases[i].size && align < GIB(1))
                        align *= 2;
                shift = 5 * align - cases[i].offset;
                promise = emulator_placement(GENERATION_ROUNDED_AREA, cases[i].region, cases[i].offset,
                                             cases[i].size, 4096);
                assert_int_equal(shift % promise, 0);
                assert_true(promise == align || shift % (2 * promise) != 0);

                while (base < cases[i].region && base < GIB(1))
                        base *= 2;
                assert_int_equal(emulator_placement(GENERATION_PER_REGION, cases[i].region, cases[i].offset,
                                                    cases[i].size, 4096),
                                 base < 4096 ? 4096 : base);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_cases),
                cmocka_unit_test(test_against_model),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
