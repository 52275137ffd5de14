/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/file-write.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fixture.h"
#include "test.h"
#include "util/file.h"
#include "util/macro.h"

#define FILE_NAME "var/lib/file"

static void assert_written(struct fixture *f)
{
        _cleanup_free_ char *text = NULL;
        struct stat st;

        alarm(test_slower() * 10); /* it must not wait for anybody */
        assert_ok(write_file_at(f->root.fd, FILE_NAME, "new", 3, 0640));
        alarm(0);
        assert_int_equal(lstat(fixture_path(f, FILE_NAME), &st), 0);
        assert_true(S_ISREG(st.st_mode));
        assert_int_equal(st.st_nlink, 1);
        assert_ok(read_file_at(f->root.fd, FILE_NAME, 100, &text, NULL));
        assert_string_equal(text, "new");
        assert_int_equal(access(fixture_path(f, FILE_NAME "~"), F_OK), -1);
}

static void test_write(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(write_file_at(f->root.fd, FILE_NAME, "new", 3, 0640), -ENOENT);
        fixture_write(f, "var/lib/other", "");
        assert_written(f);
        assert_written(f);
        fixture_write(f, FILE_NAME, "something longer");
        assert_written(f);
}

/* Whatever has the name of the temporary, or of the file, gives way to the file, and nothing else changes.
 */
static void test_in_the_way(void **state)
{
        struct fixture *f = *state;
        static const char *const names[] = { FILE_NAME "~", FILE_NAME };

        fixture_write(f, "var/lib/victim", "old");
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_free_ char *text = NULL, *path = strdup(fixture_path(f, names[i]));

                (void) unlink(path);
                assert_int_equal(mkfifo(path, 0600), 0);
                assert_written(f);
                (void) unlink(path);
                fixture_link(f, names[i], "victim");
                assert_written(f);
                (void) unlink(path);
                fixture_link(f, names[i], "nothing");
                assert_written(f);
                (void) unlink(path);
                fixture_link(f, names[i], "file~");
                assert_written(f);
                (void) unlink(path);
                assert_int_equal(linkat(f->root.fd, "var/lib/victim", f->root.fd, names[i], 0), 0);
                assert_written(f);
                fixture_write(f, names[i], "what a killed writer left, which is longer");
                assert_written(f);
                assert_ok(read_file_at(f->root.fd, "var/lib/victim", 100, &text, NULL));
                assert_string_equal(text, "old");
        }
        assert_int_equal(mkdir(fixture_path(f, FILE_NAME "~"), 0700), 0);
        assert_written(f);
}

/* In a directory of somebody else's: nothing that is there already is touched, whatever its name. */
static void test_foreign(void **state)
{
        struct fixture *f = *state;
        _cleanup_(names_done) struct names names = {};
        _cleanup_free_ char *text = NULL;
        struct stat st;

        assert_int_equal(write_foreign_file_at(f->root.fd, FILE_NAME, "new", 3, 0644), -ENOENT);
        fixture_write(f, "var/lib/victim", "old");
        assert_int_equal(mkfifo(fixture_path(f, FILE_NAME "~"), 0600), 0);
        fixture_link(f, FILE_NAME, "victim");
        alarm(test_slower() * 10);
        umask(0077);
        assert_ok(write_foreign_file_at(f->root.fd, FILE_NAME, "new", 3, 0644));
        umask(0022);
        alarm(0);
        assert_int_equal(lstat(fixture_path(f, FILE_NAME), &st), 0);
        assert_int_equal(st.st_mode, S_IFREG | 0644);
        assert_ok(read_file_at(f->root.fd, "var/lib/victim", 100, &text, NULL));
        assert_string_equal(text, "old");

        /* The temporary is hidden, and is gone if the file cannot have its name. */
        fixture_remove(f, FILE_NAME);
        assert_int_equal(mkdir(fixture_path(f, FILE_NAME), 0700), 0);
        assert_int_equal(write_foreign_file_at(f->root.fd, FILE_NAME, "new", 3, 0644), -EISDIR);
        assert_ok(list_dir_at(f->root.fd, "var/lib", &names));
        assert_int_equal(names.n, 3);
}

/* What cannot be removed is an error, and the old file stays. */
static void test_blocked(void **state)
{
        struct fixture *f = *state;
        _cleanup_free_ char *text = NULL;

        fixture_write(f, FILE_NAME, "old");
        fixture_write(f, FILE_NAME "~/x", "");
        assert_int_equal(write_file_at(f->root.fd, FILE_NAME, "new", 3, 0640), -ENOTEMPTY);
        assert_ok(read_file_at(f->root.fd, FILE_NAME, 100, &text, NULL));
        assert_string_equal(text, "old");
}

/* A full disk: the old file stays, and nothing is left of the new one. */
static void test_full(void **state)
{
        struct fixture *f = *state;
        _cleanup_free_ char *text = NULL;
        int r;

        fixture_write(f, FILE_NAME, "old");
        (void) signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 1, RLIM_INFINITY }), 0);
        r = write_file_at(f->root.fd, FILE_NAME, "new", 3, 0640);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY }), 0);
        assert_int_equal(r, -EFBIG);
        assert_ok(read_file_at(f->root.fd, FILE_NAME, 100, &text, NULL));
        assert_string_equal(text, "old");
        assert_int_equal(access(fixture_path(f, FILE_NAME "~"), F_OK), -1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_write, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_foreign, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_in_the_way, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_blocked, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_full, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
