/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/kernel/kernel-release.h"

#include <string.h>

#include "test.h"
#include "util/macro.h"

static void test_valid(void **state)
{
        static const char *const good[] = { "6.12.48+deb13-amd64", "7.3~rc7-amd64",
                                            "5.14.0-503.el9_5.x86_64", "6.8.0-45-generic", "7.0.14-14-pve" },
                                 *const bad[] = { "",     ".",     "..",    "../x",  "a b",
                                                  "-rc1", "6.1;x", "6.1$x", "6.1/x", "6.1\n" };
        char longest[KERNEL_RELEASE_SIZE + 1];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_true(kernel_release_is_valid(good[i]));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(kernel_release_is_valid(bad[i]));
        memset(longest, '6', sizeof(longest));
        longest[KERNEL_RELEASE_SIZE] = '\0';
        assert_false(kernel_release_is_valid(longest));
        longest[KERNEL_RELEASE_SIZE - 1] = '\0';
        assert_true(kernel_release_is_valid(longest));
}

static void test_order(void **state)
{
        /* From old to new. */
        static const char *const order[] = {
                "5.14.0-503.14.1.el9_5.x86_64",
                "5.14.0-503.33.1.el9_5.x86_64",
                "6.1.0-9-amd64",
                "6.1.0-38-amd64",
                "6.8.0-9-generic",
                "6.8.0-100-generic",
                "6.12.9+deb13-amd64",
                "6.12.48+deb13-amd64",
                "6.12.48+deb13-amd64-rt",
                "6.12.117+deb13-amd64",
                "7.3~rc7-amd64",
                "7.3-rc8",
                "7.3",
                "7.3.1",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(order); i++)
                for (size_t k = 0; k < ELEMENTSOF(order); k++) {
                        int r = kernel_release_compare(order[i], order[k]);

                        if ((r > 0) - (r < 0) != (i > k) - (i < k))
                                fail_msg("%s, %s: %d", order[i], order[k], r);
                }
        assert_int_equal(kernel_release_compare("6.01", "6.1"), 0);
}

static void test_find(void **state)
{
        static char *const releases[] = { (char *) "6.12.48+deb13-amd64", (char *) "6.12.48+deb13-amd64-rt",
                                          (char *) "6.1.0-9-amd64" };
        static const struct {
                const char *text, *found;
        } cases[] = {
                { "6.12.48+deb13-amd64", "6.12.48+deb13-amd64" },
                { "gnulinux-advanced-0f>gnulinux-6.12.48+deb13-amd64-advanced-0f", "6.12.48+deb13-amd64" },
                { "gnulinux-6.12.48+deb13-amd64-rt-advanced-0f", "6.12.48+deb13-amd64-rt" },
                { "Debian GNU/Linux, with Linux 6.1.0-9-amd64", "6.1.0-9-amd64" },
                { "Debian GNU/Linux, with Linux 6.1.0-9-amd64 (recovery mode)", "6.1.0-9-amd64" },
                { "/0f/6.1.0-9-amd64/linux", "6.1.0-9-amd64" },
                { "0f-6.1.0-9-amd64.conf", "6.1.0-9-amd64" },
                { "kernel 6.1.0-9-amd64 (x86_64)", "6.1.0-9-amd64" },
                /* Names of others, of which it is a part. */
                { "6.1.0-9-amd64-cloud", NULL },
                { "6.1.0-9-amd64.1", NULL },
                { "16.1.0-9-amd64", NULL },
                { "5.6.1.0-9-amd64", NULL },
                { "6.1.0-9-amd64+", NULL },
                { "", NULL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *found = kernel_release_find(cases[i].text, releases, ELEMENTSOF(releases));

                if (!found != !cases[i].found || (found && !streq(found, cases[i].found)))
                        fail_msg("%s: %s", cases[i].text, found ?: "none");
        }
        assert_null(kernel_release_find("6.1.0-9-amd64", NULL, 0));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_valid),
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_find),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
