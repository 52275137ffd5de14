/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/near.h"

#include <stdint.h>
#include <string.h>

#include "test.h"
#include "util/macro.h"

static void test_distance(void **state)
{
        static const struct {
                const char *a, *b;
                size_t distance;
        } cases[] = {
                { "", "", 0 },
                { "abc", "abc", 0 },
                { "abc", "ABC", 0 },
                { "", "abc", 3 },
                { "abc", "", 3 },
                { "guest", "guests", 1 },
                { "gests", "guests", 1 },
                { "gursts", "guests", 1 },
                { "gusets", "guests", 1 },
                { "ugests", "guests", 1 },
                { "kitten", "sitting", 3 },
                { "ca", "abc", 3 }, /* what was swapped is not edited again */
                { "a-very-long-name-of-a-finding-that-is-longer-than-any-that-there-can-be", "", SIZE_MAX },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_int_equal(near_distance(cases[i].a, cases[i].b), cases[i].distance);
                assert_int_equal(near_distance(cases[i].b, cases[i].a), cases[i].distance);
        }
}

static void test_question(void **state)
{
        static const char *const names[] = { "audit",
                                             "guests",
                                             "guest",
                                             "guest",
                                             "fix",
                                             "status",
                                             "0000:1b:00.0",
                                             "0000:1b:00.1",
                                             "0000:1b:00.2",
                                             "0000:1b:00.3",
                                             "module-not-loaded" };
        static const struct {
                const char *word, *question;
        } cases[] = {
                { "gest", "; did you mean 'guest'?" },
                { "guess", "; did you mean 'guests' or 'guest'?" },
                { "stauts", "; did you mean 'status'?" },
                { "AUDT", "; did you mean 'audit'?" },
                { "fx", "; did you mean 'fix'?" },
                { "module", "; did you mean 'module-not-loaded'?" },
                { "0000:1b:00.7", "; did you mean '0000:1b:00.0', '0000:1b:00.1' or '0000:1b:00.2'?" },
                { "x", "" },
                { "", "" },
                { "reboot", "" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct near near = { .word = cases[i].word };
                near_t question;

                for (size_t k = 0; k < ELEMENTSOF(names); k++)
                        near_offer(&near, names[k]);
                assert_string_equal(near_question(&near, question), cases[i].question);
        }
}

/* What does not fit is cut. */
static void test_long(void **state)
{
        struct near near = { .word = "n" };
        char names[NEAR_MAX][201];
        near_t question;

        (void) state;
        for (size_t i = 0; i < NEAR_MAX; i++) {
                memset(names[i], 'n', sizeof(names[i]) - 1);
                names[i][200] = '\0';
                near.names[near.n++] = names[i];
        }
        assert_int_equal(strlen(near_question(&near, question)), sizeof(near_t) - 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_distance),
                cmocka_unit_test(test_question),
                cmocka_unit_test(test_long),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
