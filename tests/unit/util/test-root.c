/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/root.h"

#include <errno.h>
#include <fcntl.h>

#include "fixture.h"
#include "test.h"
#include "util/file-observer.h"
#include "util/file.h"
#include "util/macro.h"

static void test_links_stay_inside(void **state)
{
        struct fixture *f = *state;
        _cleanup_free_ char *absolute = NULL, *up = NULL, *outside = NULL, *through = NULL, *name = NULL;

        fixture_write(f, "etc/inside", "inside\n");
        fixture_link(f, "etc/absolute", "/etc/inside");
        fixture_link(f, "etc/up", "../../../../etc/inside");
        fixture_link(f, "etc/outside", "/etc/passwd");
        fixture_link(f, "bus/folder", "/etc");
        fixture_link(f, "etc/driver", "../bus/drivers/vfio-pci");

        assert_ok(read_line_at(f->root.fd, "etc/absolute", &absolute));
        assert_string_equal(absolute, "inside");
        assert_ok(read_line_at(f->root.fd, "etc/up", &up));
        assert_string_equal(up, "inside");
        assert_int_equal(read_line_at(f->root.fd, "etc/outside", &outside), -ENOENT);
        assert_int_equal(open_at(f->root.fd, "../../../../../../etc/passwd", O_RDONLY), -ENOENT);
        assert_ok(read_line_at(f->root.fd, "bus/folder/inside", &through));
        assert_ok(read_link_name_at(f->root.fd, "bus/folder/driver", &name));
        assert_string_equal(name, "vfio-pci");
        assert_true(exists_at(f->root.fd, "bus/folder/inside"));
        assert_false(exists_at(f->root.fd, "etc/outside"));
}

static void test_grep(void **state)
{
        struct fixture *f = *state;
        const char *const words[] = { "one", "three", NULL };
        _cleanup_free_ char *text = NULL, *none = NULL;

        fixture_write(f, "lines", "one\ntwo\nthree\ntwenty-one");
        assert_ok(grep_file_at(f->root.fd, "lines", words, &text));
        assert_string_equal(text, "one\nthree\ntwenty-one");
        fixture_write(f, "empty", "");
        assert_ok(grep_file_at(f->root.fd, "empty", words, &none));
        assert_string_equal(none, "");
}

/* The file is read once, however often it is searched and whatever becomes of it. */
static void test_read_once(void **state)
{
        struct fixture *f = *state;
        _cleanup_(file_lines_close) struct file_lines lines = FILE_LINES_NONE;
        _cleanup_free_ char *one = NULL, *two = NULL;

        assert_int_equal(file_lines_open_at(f->root.fd, "lines", &lines), -ENOENT);
        fixture_write(f, "lines", "one\ntwo\n");
        assert_ok(file_lines_open_at(f->root.fd, "lines", &lines));
        assert_ok(file_lines_grep(&lines, (const char *const[]){ "one", NULL }, &one));
        fixture_write(f, "lines", "three\n");
        assert_ok(file_lines_grep(&lines, (const char *const[]){ "two", NULL }, &two));
        assert_string_equal(one, "one\n");
        assert_string_equal(two, "two\n");
}

static void test_list(void **state)
{
        struct fixture *f = *state;
        _cleanup_(names_done) struct names names = {}, missing = {};

        fixture_write(f, "d/b", "");
        fixture_write(f, "d/a", "");
        fixture_write(f, "d/c/x", "");
        assert_ok(list_dir_at(f->root.fd, "d", &names));
        assert_int_equal(names.n, 3);
        assert_string_equal(names.names[0], "a");
        assert_string_equal(names.names[2], "c");
        assert_int_equal(list_dir_at(f->root.fd, "none", &missing), -ENOENT);
}

static void test_answers(void **state)
{
        struct fixture *f = *state;
        _cleanup_free_ char *yes = NULL;

        fixture_write(f, ANSWERS_FILE, "z\tlast\nsocket-probe pmd\tyes\nno tab\n");
        yes = root_answer(&f->root, "socket-probe pmd");
        assert_string_equal(yes, "yes");
        assert_null(root_answer(&f->root, "no tab"));
        assert_null(root_answer(&f->root, "socket-probe"));
}

struct log {
        char text[4096];
        const char *prefix;
};

static void observe(enum file_kind kind, const char *path, const char *data, size_t size, void *userdata)
{
        struct log *log = userdata;
        size_t n = strlen(log->text);

        path = kind == FILE_ANSWER ? path : startswith(path, log->prefix) ?: path;
        snprintf(log->text + n, sizeof(log->text) - n, "%d %s %.*s;", kind, path, (int) size, data ?: "");
}

static void test_observer(void **state)
{
        struct fixture *f = *state;
        char real[4096];
        struct log log = { .prefix = realpath(f->dir, real) };
        _cleanup_(names_done) struct names names = {};
        _cleanup_free_ char *text = NULL, *line = NULL;
        const char *const words[] = { "b", NULL };

        fixture_write(f, "devices/x/vendor", "0x1234\n");
        fixture_link(f, "bus/x", "../devices/x");
        fixture_write(f, "big", "a\nb\n");

        file_observe(observe, &log);
        assert_ok(read_line_at(f->root.fd, "bus/x/vendor", &line));
        assert_ok(grep_file_at(f->root.fd, "big", words, &text));
        assert_ok(list_dir_at(f->root.fd, "bus", &names));
        root_note(&f->root, "question", "answer");
        file_observe(NULL, NULL);

        assert_non_null(strstr(log.text, "0 /devices/x/vendor 0x1234\n;"));
        assert_non_null(strstr(log.text, "1 /big b\n;"));
        assert_non_null(strstr(log.text, "3 /bus ;"));
        assert_non_null(strstr(log.text, "2 /bus/x ../devices/x;"));
        assert_non_null(strstr(log.text, "5 question answer;"));
        assert_null(strstr(log.text, "a\nb"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_links_stay_inside, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_grep, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_read_once, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_list, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_answers, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_observer, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
