/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/shell.h"

#include <stdio.h>

#include "test.h"
#include "util/macro.h"

static void test_words(void **state)
{
        static const struct {
                const char *name, *argument;
        } cases[] = {
                { "train-a", "train-a" },
                { "0000:41:00.0", "0000:41:00.0" },
                { "", "''" },
                { "Ana's PC", "'Ana'\\''s PC'" },
                { "Q4OS FreeXP", "'Q4OS FreeXP'" },
                { "$(reboot)", "'$(reboot)'" },
                { "~root", "'~root'" },
                { "a;b", "'a;b'" },
                { "\xc3\xa4", "'\xc3\xa4'" },
                { "-gpu", "-- -gpu" },
                { "--", "-- --" },
                { "-a b", "-- '-a b'" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *argument = shell_argument(cases[i].name);

                assert_string_equal(argument, cases[i].argument);
        }
}

/* A shell reads every byte as it was. */
static void test_shell(void **state)
{
        char name[256], read[257], command[1200];
        _cleanup_free_ char *argument = NULL;
        FILE *shell;

        (void) state;
        for (int c = 1; c < 256; c++)
                name[c - 1] = (char) c;
        name[255] = '\0';
        argument = shell_argument(name);
        snprintf(command, sizeof(command), "printf %%s %s", argument);
        shell = popen(command, "r");
        assert_non_null(shell);
        read[fread(read, 1, sizeof(read) - 1, shell)] = '\0';
        assert_int_equal(pclose(shell), 0);
        assert_string_equal(read, name);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_words), cmocka_unit_test(test_shell) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
