/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report/table-layout.h"

#include <locale.h>
#include <string.h>

#include "test.h"
#include "util/macro.h"

static void test_width(void **state)
{
        (void) state;
        assert_int_equal(layout_text_width(""), 0);
        assert_int_equal(layout_text_width("a b"), 3);
        assert_int_equal(layout_text_width("Gr\xc3\xbc\xc3\x9f"
                                           "e"),
                         5);
        assert_int_equal(layout_text_width("\xe6\xbc\xa2\xe5\xad\x97"), 4); /* two wide characters */
        assert_int_equal(layout_text_width("e\xcc\x81"), 1);                /* an accent that is added */
        assert_int_equal(layout_word_width("a longer word"), 6);
        assert_int_equal(layout_word_width(" "), 0);
}

static void test_fit(void **state)
{
        enum { N = 4 };
        static const struct layout_column columns[N] = {
                { .natural = 12, .least = 12 },
                { .natural = 40, .least = 8 },
                { .natural = 5, .least = 5, .rank = 2 },
                { .natural = 11, .least = 11, .rank = 1 },
        };
        static const struct {
                size_t width;
                size_t widths[N];
        } cases[] = {
                { 0, { 12, 40, 5, 11 } },  { 200, { 12, 40, 5, 11 } }, { 71, { 12, 40, 5, 11 } },
                { 70, { 12, 39, 5, 11 } }, { 43, { 12, 12, 5, 11 } }, /* all that can be broken are as narrow
                                                                         as is comfortable */
                { 42, { 12, 17, 0, 11 } }, { 37, { 12, 12, 0, 11 } },  { 36, { 12, 23, 0, 0 } },
                { 24, { 12, 11, 0, 0 } },  { 10, { 12, 8, 0, 0 } }, /* nothing is cut */
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct layout_column fitted[N];

                memcpy(fitted, columns, sizeof(columns));
                layout_fit(fitted, N, cases[i].width);
                for (size_t k = 0; k < N; k++)
                        assert_int_equal(fitted[k].width, cases[i].widths[k]);
        }
}

static void test_wrap(void **state)
{
        static const struct {
                const char *text;
                size_t width;
                const char *lines;
        } cases[] = {
                { "", 5, "" },
                { "one two three", 13, "one two three" },
                { "one two three", 12, "one two\nthree" },
                { "one two three", 3, "one\ntwo\nthree" },
                { "a verylongword b", 4, "a\nverylongword\nb" },
                { "Gr\xc3\xbc\xc3\x9f"
                  "e an alle",
                  8,
                  "Gr\xc3\xbc\xc3\x9f"
                  "e an\nalle" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *lines = layout_wrap(cases[i].text, cases[i].width);

                assert_string_equal(lines, cases[i].lines);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_width),
                cmocka_unit_test(test_fit),
                cmocka_unit_test(test_wrap),
        };

        setlocale(LC_ALL, "C.UTF-8");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
