/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/path-roots.h"

#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "test.h"

static bool is_roots(struct fixture *f, const char *path)
{
        return path_is_roots(f->root.fd, path);
}

static void test_owners(void **state)
{
        struct fixture *f = *state;

        if (geteuid() != 0)
                skip();
        fixture_write(f, "usr/bin/qemu", "");
        fixture_write(f, "home/user/qemu", "");
        assert_int_equal(chmod(fixture_path(f, "usr/bin/qemu"), 0755), 0);
        assert_true(is_roots(f, "/usr/bin/qemu"));
        assert_true(is_roots(f, "/usr//bin/./../bin/qemu"));
        assert_false(is_roots(f, "/usr/bin/missing"));
        assert_false(is_roots(f, "/usr/bin/qemu/below"));

        /* A file of root's below a directory of a user */
        assert_int_equal(chown(fixture_path(f, "home/user"), 12345, 12345), 0);
        assert_false(is_roots(f, "/home/user/qemu"));
        assert_false(is_roots(f, "/home/user/../../usr/bin/qemu"));

        /* Through links */
        fixture_link(f, "usr/bin/kvm", "qemu");
        fixture_link(f, "usr/lib", "/usr/bin");
        fixture_link(f, "usr/bin/theirs", "/home/user/qemu");
        fixture_link(f, "usr/bin/up", "../../../../usr/lib/kvm");
        fixture_link(f, "usr/bin/loop", "loop");
        assert_true(is_roots(f, "/usr/bin/kvm"));
        assert_true(is_roots(f, "/usr/lib/kvm"));
        assert_true(is_roots(f, "/usr/bin/up"));
        assert_false(is_roots(f, "/usr/bin/theirs"));
        assert_false(is_roots(f, "/usr/bin/loop"));
}

static void test_modes(void **state)
{
        static const struct {
                mode_t mode;
                gid_t gid;
                bool roots;
        } cases[] = {
                { 0755, 0, true },   { 0777, 0, false },      { 01777, 0, true },
                { 02775, 50, true }, { 02775, 12345, false }, { 01775, 12345, true },
        };
        struct fixture *f = *state;

        if (geteuid() != 0)
                skip();
        fixture_write(f, "usr/local/qemu", "");
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                assert_int_equal(chown(fixture_path(f, "usr/local"), 0, cases[i].gid), 0);
                assert_int_equal(chmod(fixture_path(f, "usr/local"), cases[i].mode), 0);
                assert_int_equal(is_roots(f, "/usr/local/qemu"), cases[i].roots);
        }
        assert_int_equal(chmod(fixture_path(f, "usr/local/qemu"), 01777), 0);
        assert_false(is_roots(f, "/usr/local/qemu"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_owners, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_modes, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
