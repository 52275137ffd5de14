/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/format.h"

#include <stdio.h>
#include <string.h>

#include "test.h"
#include "util/macro.h"

static void test_size(void **state)
{
        static const struct {
                uint64_t bytes;
                const char *text;
        } cases[] = {
                { 0, "0 B" },
                { 1023, "1023 B" },
                { 1024, "1 KiB" },
                { 4608, "4.5 KiB" },
                { MIB(2), "2 MiB" },
                { MIB(6), "6 MiB" },
                { GIB(1) - 1, "1024 MiB" },
                { GIB(1), "1 GiB" },
                { GIB(128), "128 GiB" },
                { GIB(1) * 4096, "4 TiB" },
                { UINT64_MAX, "16 EiB" },
        };
        format_t buffer;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_string_equal(format_size(cases[i].bytes, buffer), cases[i].text);
}

static void test_count(void **state)
{
        format_t buffer;

        (void) state;
        assert_string_equal(format_count(0, buffer), "0");
        assert_string_equal(format_count(999, buffer), "999");
        assert_string_equal(format_count(1000, buffer), "1,000");
        assert_string_equal(format_count(524288, buffer), "524,288");
        assert_string_equal(format_count(UINT64_MAX, buffer), "18,446,744,073,709,551,615");
}

static void test_time(void **state)
{
        format_t buffer;

        (void) state;
        assert_string_equal(format_time(UINT64_C(1795352529999999), buffer), "2026-11-22T13:02:09Z");
        assert_string_equal(format_time(0, buffer), "1970-01-01T00:00:00Z");
}

static void test_seconds(void **state)
{
        format_t buffer;

        (void) state;
        assert_string_equal(format_seconds(0, buffer), "0 us");
        assert_string_equal(format_seconds(0.000014, buffer), "14 us");
        assert_string_equal(format_seconds(0.0123, buffer), "0.012 s");
        assert_string_equal(format_seconds(0.66, buffer), "0.66 s");
        assert_string_equal(format_seconds(12.46, buffer), "12.5 s");
        assert_string_equal(format_seconds(214.4, buffer), "214 s");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_size),
                cmocka_unit_test(test_count),
                cmocka_unit_test(test_time),
                cmocka_unit_test(test_seconds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
