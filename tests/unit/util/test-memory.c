/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

static void test_failures(void **state)
{
        unsigned long before = memory_failures();
        char here;

        (void) state;
        assert_ptr_equal(memory_note(&here), &here);
        assert_int_equal(memory_check(before, 1), 1);
        assert_int_equal(memory_check(before, -ENOENT), -ENOENT);
        assert_null(memory_note(NULL));
        assert_int_equal(memory_check(before, 1), -ENOMEM);
        assert_int_equal(memory_check(before, -ENOENT), -ENOMEM);
        assert_int_equal(memory_check(memory_failures(), 0), 0);
}

static void test_stream(void **state)
{
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        (void) state;
        assert_non_null(f);
        fputs("text", f);
        assert_ok(memory_stream_close(f, &text));
        assert_string_equal(text, "text");
        free(text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_failures),
                cmocka_unit_test(test_stream),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
