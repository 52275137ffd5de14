/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/process-start.h"

#include <string.h>

#include "fixture.h"
#include "test.h"
#include "util/clock.h"

#define FIELDS_4_TO_21 " 1 700 700 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 17 0"

static void test_process(void **state)
{
        struct fixture *f = *state;

        fixture_write(f, "proc/700/stat", "700 (virtqemud) S" FIELDS_4_TO_21 " 5025 1 2\n");
        assert_int_equal(process_start_usec(&f->root, 700), 0); /* the time of the boot is unknown */
        fixture_write(f, "proc/stat", "cpu  1 2 3\nintr 4\nbtime 1000\nprocesses 5\n");
        assert_int_equal(process_start_usec(&f->root, 700), 1050250000);
        assert_int_equal(process_start_usec(&f->root, 701), 0);

        fixture_write(f, "proc/700/stat", "700 (a) S 1 (b) S" FIELDS_4_TO_21 " 6000 1 2\n");
        assert_int_equal(process_start_usec(&f->root, 700), 1060000000);
        fixture_write(f, "proc/700/stat", "700 (init) S" FIELDS_4_TO_21 " 0 1 2\n");
        assert_int_equal(process_start_usec(&f->root, 700), 1000000000);
        fixture_write(f, "proc/700/stat", "700 (virtqemud) S" FIELDS_4_TO_21 "\n");
        assert_int_equal(process_start_usec(&f->root, 700), 0);
        fixture_write(f, "proc/700/stat", "700\n");
        assert_int_equal(process_start_usec(&f->root, 700), 0);
}

static void test_own(void **state)
{
        uint64_t start = own_start_boottime_usec();

        (void) state;
        assert_int_not_equal(start, 0);
        assert_true(start <= clock_usec(CLOCK_BOOTTIME));
        assert_int_equal(own_start_boottime_usec(), start);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_process, fixture_setup, fixture_teardown),
                cmocka_unit_test(test_own),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
