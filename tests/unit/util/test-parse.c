/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/parse.h"

#include "test.h"
#include "util/macro.h"

static void test_parse_u64(void **state)
{
        static const char *const bad[] = { "",   " 1",  "-1",  "+1", "1 ",
                                           "0x", "0xg", "1.5", "x1", "18446744073709551616" };
        uint64_t v = 7;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                assert_true(parse_u64(bad[i], 0, &v) < 0);
                assert_int_equal(v, 7);
        }
        assert_ok(parse_u64("18446744073709551615", 10, &v));
        assert_true(v == UINT64_MAX);
        assert_ok(parse_u64("0x10", 16, &v));
        assert_int_equal(v, 16);
        assert_ok(parse_u64("ff", 16, &v));
        assert_int_equal(v, 255);
}

static void test_word_is_no(void **state)
{
        (void) state;
        assert_true(word_is_no("0"));
        assert_true(word_is_no("No"));
        assert_true(word_is_no("off"));
        assert_false(word_is_no(""));
        assert_false(word_is_no("1"));
        assert_false(word_is_no("none"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse_u64),
                cmocka_unit_test(test_word_is_no),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
