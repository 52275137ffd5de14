/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/unit-name.h"

#include <stdio.h>
#include <string.h>

#include "test.h"
#include "util/macro.h"

/* As systemd-escape(1) of systemd 257 writes them. */
static void test_names(void **state)
{
        static const char *const cases[][2] = {
                { "train", "train" },
                { "train-a", "train\\x2da" },
                { "a b.c:d_e@f", "a\\x20b.c:d_e\\x40f" },
                { ".x.y", "\\x2ex.y" },
                { "a/b", "a-b" },
                { "a\\b", "a\\x5cb" },
                { "$(reboot)", "\\x24\\x28reboot\\x29" },
                { "a\nb\x7f", "a\\x0ab\\x7f" },
                { "\xc3\xa4", "\\xc3\\xa4" },
                { "%i", "\\x25i" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *escaped = unit_name_escape(cases[i][0]);

                assert_string_equal(escaped, cases[i][1]);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_names) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
