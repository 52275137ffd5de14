/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report/json.h"

#include <string.h>

#include "test.h"
#include "util/macro.h"
#include "util/memory.h"

static void test_string(void **state)
{
        static const struct {
                const char *value, *member;
        } cases[] = {
                { NULL, NULL },
                { "", "" },
                { "NVIDIA GB200", "NVIDIA GB200" },
                { "\x7f", "\x7f" },
                /* the first and the last character of each length */
                { "\xc2\x80 \xdf\xbf", "\xc2\x80 \xdf\xbf" },
                { "\xe0\xa0\x80 \xef\xbf\xbf", "\xe0\xa0\x80 \xef\xbf\xbf" },
                { "\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf", "\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf" },
                { "\xed\x9f\xbf \xee\x80\x80", "\xed\x9f\xbf \xee\x80\x80" },
                /* a later byte alone, and first bytes that there are not */
                { "a\x80z", "a?z" },
                { "\xbf", "?" },
                { "\xc0\xaf \xc1\xbf", "?? ??" },
                { "\xf5\x80\x80\x80 \xff", "???? ?" },
                /* longer than need be, halves of a pair, over U+10FFFF */
                { "\xe0\x9f\xbf", "???" },
                { "\xf0\x8f\xbf\xbf", "????" },
                { "\xed\xa0\x80", "???" },
                { "\xf4\x90\x80\x80", "????" },
                /* cut, at the end or by another character */
                { "\xc3", "?" },
                { "\xe2\x82", "??" },
                { "\xf0\x9f\x98", "???" },
                { "\xe2\x82z", "??z" },
                { "\xc3\xc3\xa4", "?\xc3\xa4" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                json_object *o = json_object_new_object();
                const char *text;

                json_add_string(o, "s", cases[i].value);
                text = json_get_text(o, "s");
                if (cases[i].member)
                        assert_string_equal(text, cases[i].member);
                else
                        assert_null(text);
                assert_true(json_object_object_get_ex(o, "s", NULL));
                json_object_put(o);
        }
}

static void test_members(void **state)
{
        json_object *o = json_object_new_object();

        (void) state;
        json_add_count(o, "most", UINT64_MAX - 1);
        json_add_count(o, "unknown", UINT64_MAX);
        json_add_bool(o, "flag", true);
        json_add_fact(o, "fact", fact_is(false, SOURCE_BTF));
        json_add_fact(o, "unseen", fact_unknown("nobody looked"));
        assert_string_equal(
                json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN),
                "{\"most\":18446744073709551614,\"unknown\":null,\"flag\":true,"
                "\"fact\":{\"value\":\"no\",\"source\":\"btf\"},"
                "\"unseen\":{\"value\":\"unknown\",\"source\":\"none\",\"why\":\"nobody looked\"}}");
        assert_int_equal(json_get_number(o, "most"), UINT64_MAX - 1);
        assert_int_equal(json_get_number(o, "unknown"), UINT64_MAX);
        assert_int_equal(json_get_number(o, "missing"), UINT64_MAX);
        assert_true(json_get_flag(o, "flag"));
        assert_false(json_get_flag(o, "missing"));
        assert_null(json_get_text(NULL, "missing"));
        assert_int_equal(json_length(json_get(o, "missing")), 0);
        json_object_put(o);
}

/* A terminal may get the document, and the same strings are in it. */
static void test_print_json(void **state)
{
        static const char name[] = "\x1b]0;x\x07\n \x7f \xc2\x9b \xe2\x80\xae \xc3\xbc \xf0\x9f\x90\xa7";
        json_object *o = json_object_new_object(), *again;
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        (void) state;
        json_add_string(o, "name", name);
        assert_ok(report_print_json(o, memory_failures(), f));
        assert_int_equal(fclose(f), 0);
        assert_non_null(strstr(text, " \\u007f \\u009b \\u202e \xc3\xbc \xf0\x9f\x90\xa7\""));
        assert_null(strpbrk(text, "\x1b\x07\x7f"));
        again = json_tokener_parse(text);
        assert_string_equal(json_get_text(again, "name"), name);
        json_object_put(again);
        json_object_put(o);
        free(text);
}

/* Half a document is none. */
static void test_print_out_of_memory(void **state)
{
        unsigned long failures = memory_failures();
        json_object *o = json_new_object();
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        (void) state;
        json_append(o, NULL); /* stands for a value that could not be made */
        assert_int_equal(report_print_json(o, failures, f), -ENOMEM);
        assert_ok(report_print_json(o, memory_failures(), f));
        assert_int_equal(fclose(f), 0);
        assert_null(text[strspn(text, "{ \n}")]); /* json-c 0.18 has the braces on one line */
        json_object_put(o);
        free(text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_string),
                cmocka_unit_test(test_print_json),
                cmocka_unit_test(test_print_out_of_memory),
                cmocka_unit_test(test_members),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
