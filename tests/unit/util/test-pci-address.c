/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/pci-address.h"

#include "test.h"
#include "util/macro.h"

static void test_bdf(void **state)
{
        static const struct {
                const char *text, *bdf;
        } good[] = {
                { "0000:00:05.0", "0000:00:05.0" },
                { "00:05.0", "0000:00:05.0" },
                { "0:5.0", "0000:00:05.0" },
                { "10000:e1:1f.7", "10000:e1:1f.7" },
                { "ffffffff:ff:1f.7", "ffffffff:ff:1f.7" },
                { "0000:FF:0A.1", "0000:ff:0a.1" },
        };
        static const char *const bad[] = {
                "",
                "0",
                "0000:00:05",
                "0000:00:05.8",
                "0000:00:20.0",
                "0000:00:05.0x",
                "100000000:00:05.0",
                "0000:00:05.10",
                "pci0000:00",
                "0000:000:05.0",
                "-1:00:05.0",
                " 0000:00:05.0",
        };
        bdf_t bdf = "untouched";

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (bdf_parse(bad[i], bdf) >= 0)
                        fail_msg("\"%s\" was taken for %s", bad[i], bdf);
        assert_string_equal(bdf, "untouched");
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                assert_ok(bdf_parse(good[i].text, bdf));
                assert_string_equal(bdf, good[i].bdf);
        }
}

static void test_driver_name(void **state)
{
        char name[65] = "";

        (void) state;
        assert_true(driver_name_is_valid("vfio-pci"));
        assert_true(driver_name_is_valid("3w-9xxx"));
        assert_true(driver_name_is_valid("..."));
        assert_false(driver_name_is_valid(""));
        assert_false(driver_name_is_valid("."));
        assert_false(driver_name_is_valid(".."));
        assert_false(driver_name_is_valid("a/b"));
        assert_false(driver_name_is_valid("a b"));
        assert_false(driver_name_is_valid("a\n"));
        assert_false(driver_name_is_valid("\x7f"));
        assert_false(driver_name_is_valid("\xc3\xa4"));
        memset(name, 'x', 63);
        assert_true(driver_name_is_valid(name));
        name[63] = 'x';
        assert_false(driver_name_is_valid(name));
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_bdf), cmocka_unit_test(test_driver_name) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
