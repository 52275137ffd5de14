/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/escape.h"

#include <errno.h>
#include <string.h>

#include "test.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/print.h"

static void test_characters(void **state)
{
        static const struct {
                const char *text, *escaped;
        } cases[] = {
                { "", "" },
                { "/usr/bin/qemu-system-x86_64", "/usr/bin/qemu-system-x86_64" },
                { "a\\x1b", "a\\x1b" }, /* a backslash stays: systemd has it in the names of units */
                /* letters, and what surrounds the characters that are escaped */
                { "Gr\xc3\xbc\xc3\x9f\x65 \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x90\xa7",
                  "Gr\xc3\xbc\xc3\x9f\x65 \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x90\xa7" },
                { " ~\xc2\xa0\xe2\x80\x8d\xe2\x80\x90\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa",
                  " ~\xc2\xa0\xe2\x80\x8d\xe2\x80\x90\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa" },
                /* C0, DEL and C1 */
                { "\x1b]0;x\x07\n\t\r\x01\x1f\x7f", "\\x1b]0;x\\x07\\x0a\\x09\\x0d\\x01\\x1f\\x7f" },
                { "\xc2\x80\xc2\x9b\xc2\x9f", "\\xc2\\x80\\xc2\\x9b\\xc2\\x9f" },
                /* lines and directions */
                { "\xe2\x80\xa8\xe2\x80\xa9", "\\xe2\\x80\\xa8\\xe2\\x80\\xa9" },
                { "\xe2\x80\xaa\xe2\x80\xae", "\\xe2\\x80\\xaa\\xe2\\x80\\xae" },
                { "\xe2\x81\xa6\xe2\x81\xa9", "\\xe2\\x81\\xa6\\xe2\\x81\\xa9" },
                { "\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c", "\\xe2\\x80\\x8e\\xe2\\x80\\x8f\\xd8\\x9c" },
                /* not UTF-8: C1 alone, cut, overlong, a surrogate */
                { "\x9b\x80z", "\\x9b\\x80z" },
                { "\xc3", "\\xc3" },
                { "\xe2\x82z", "\\xe2\\x82z" },
                { "\xc0\x9b", "\\xc0\\x9b" },
                { "\xe0\x80\x9b", "\\xe0\\x80\\x9b" },
                { "\xed\xa0\x80", "\\xed\\xa0\\x80" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *escaped = escape(cases[i].text);

                assert_string_equal(escaped, cases[i].escaped);
        }
}

static void test_buffer(void **state)
{
        char buffer[8];

        (void) state;
        assert_string_equal(escape_to(buffer, sizeof(buffer), "abcdefgh", ""), "abcdefg");
        assert_string_equal(escape_to(buffer, sizeof(buffer), "abc\n", ""), "abc\\x0a");
        assert_string_equal(escape_to(buffer, sizeof(buffer), "abcd\ne", ""), "abcd");
        assert_string_equal(escape_to(buffer, sizeof(buffer), "abcdef\xc3\xbc", ""), "abcdef");
        assert_string_equal(escape_to(buffer, 1, "a", ""), "");
        assert_string_equal(escape_to(buffer, sizeof(buffer), "a\tb\r", "\n\t"), "a\tb\\x0d");
}

static void test_print(void **state)
{
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        (void) state;
        assert_int_equal(print(f, "%s, ", "a\n"), 7);
        print_line(f, "%d: %.*s", 1, 2, "\x1b[m");
        print_lines(f, "-a\n+\tb\x1b\n");
        assert_int_equal(fclose(f), 0);
        assert_string_equal(text, "a\\x0a, 1: \\x1b[\n-a\n+\tb\\x1b\n");
        free(text);
}

static char logged[4096], logged_field[4096];

static void take_line(int priority, const char *message_id, const char *const *fields, const char *text)
{
        (void) priority, (void) message_id;
        if (fields)
                assert_ok(snprintf(logged_field, sizeof(logged_field), "%s", fields[0] ?: ""));
        snprintf(logged, sizeof(logged), "%s", text);
}

static void test_log(void **state)
{
        char name[2048];

        (void) state;
        log_sink = take_line;
        assert_int_equal(log_error(-ENOENT, "Failed to open '%s': %m", "a\n<0>forged\xe2\x80\xae"), -ENOENT);
        assert_string_equal(logged,
                            "Failed to open 'a\\x0a<0>forged\\xe2\\x80\\xae': No such file or directory");
        assert_ok(log_struct(LOG_NOTICE, NULL, NULL, "Guest %s started", "\x1b[2J"));
        assert_string_equal(logged, "Guest \\x1b[2J started");

        memset(name, '\x1b', sizeof(name));
        name[sizeof(name) - 1] = '\0';
        log_info("%s", name);
        assert_true(strlen(logged) > 900 && strlen(logged) % 4 == 0);
        log_sink = NULL;
}

/* A field is whole, however long the name is: part of one is another guest's. */
static void test_guest_field(void **state)
{
        static const size_t lengths[] = { 0, 1, 238, 239, 240, 255, 256, 1024, 3000 };

        (void) state;
        log_sink = take_line;
        for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
                _cleanup_free_ char *field = NULL;
                char name[4000] = "";
                const char *fields[2] = {};

                memset(name, 'n', lengths[i]);
                field = log_guest_field(name);
                assert_non_null(field);
                fields[0] = field;
                assert_ok(log_struct(LOG_NOTICE, NULL, fields, "Guest"));
                assert_string_equal(startswith(logged_field, "VFIOALIGN_GUEST="), name);
        }
        log_sink = NULL;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_characters),  cmocka_unit_test(test_buffer),
                cmocka_unit_test(test_print),       cmocka_unit_test(test_log),
                cmocka_unit_test(test_guest_field),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
