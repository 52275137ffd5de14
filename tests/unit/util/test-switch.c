/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/switch.h"

#include <string.h>

#include "fixture.h"
#include "test.h"

static void test_switch(void **state)
{
        struct fixture *f = *state;

        assert_null(switched_off(&f->root));
        fixture_write(f, "proc/cmdline",
                      "root=/dev/vda xvfioalign=off vfioalign=offline vfioalign=on quiet\n");
        assert_null(switched_off(&f->root));
        fixture_write(f, "proc/cmdline", "root=/dev/vda vfioalign=off\n");
        assert_string_equal(switched_off(&f->root), "vfioalign=off on the kernel command line");
        /* The daemon creates the file in that case, but the file is not the cause. */
        fixture_write(f, SWITCH_FILE, "");
        assert_string_equal(switched_off(&f->root), "vfioalign=off on the kernel command line");
        fixture_remove(f, "proc");
        assert_string_equal(switched_off(&f->root), "/run/vfioalign/off");
        fixture_write(f, SWITCH_FILE_PERSISTENT, "module\n");
        assert_string_equal(switched_off(&f->root), "/var/lib/vfioalign/off");
        fixture_remove(f, SWITCH_FILE);
        assert_string_equal(switched_off(&f->root), "/var/lib/vfioalign/off");
        fixture_remove(f, SWITCH_FILE_PERSISTENT);
        assert_null(switched_off(&f->root));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_switch, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
