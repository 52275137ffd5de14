/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report/csv.h"

#include <string.h>

#include "test.h"
#include "util/macro.h"
#include "util/memory.h"

static char *print_record(const char *const cells[], size_t n)
{
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        assert_non_null(f);
        csv_print_record(cells, n, f);
        assert_ok(memory_stream_close(f, &text));
        return text;
}

static void test_cells(void **state)
{
        static const struct {
                const char *cell, *printed;
        } cases[] = {
                { "a b", "a b\r\n" },
                { "a,b", "\"a,b\"\r\n" },
                { "say \"a\"", "\"say \"\"a\"\"\"\r\n" },
                { " a", "\" a\"\r\n" },
                { "", "\"\"\r\n" },
                { NULL, "\"\"\r\n" },
                /* formulas, and numbers that look like them */
                { "=1+1", "\"'=1+1\"\r\n" },
                { "@SUM(A1)", "\"'@SUM(A1)\"\r\n" },
                { "+cmd|' /C calc'!A0", "\"'+cmd|' /C calc'!A0\"\r\n" },
                { "-1+1", "\"'-1+1\"\r\n" },
                { "-", "\"'-\"\r\n" },
                { "-1", "-1\r\n" },
                { "+2.5", "+2.5\r\n" },
                { "1=1", "1=1\r\n" },
                /* what would command a terminal, or begin another record or a formula behind it */
                { "a\r\nb", "a\\x0d\\x0ab\r\n" },
                { "\t=1", "\\x09=1\r\n" },
                { "\033[2J", "\\x1b[2J\r\n" },
                { "Gr\xc3\xbc\xc3\x9f"
                  "e \xff",
                  "Gr\xc3\xbc\xc3\x9f"
                  "e \\xff\r\n" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = print_record(&cases[i].cell, 1);

                assert_string_equal(text, cases[i].printed);
        }
}

static void test_record(void **state)
{
        static const char *const cells[] = { "a", NULL, "b, c", "" };
        _cleanup_free_ char *text = print_record(cells, ELEMENTSOF(cells)), *empty = print_record(NULL, 0);

        (void) state;
        assert_string_equal(text, "a,,\"b, c\",\r\n");
        assert_string_equal(empty, "\r\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_cells),
                cmocka_unit_test(test_record),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
