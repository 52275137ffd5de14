/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "fixture.h"
#include "test.h"
#include "util/macro.h"

static void test_read(void **state)
{
        struct fixture *f = *state;
        _cleanup_free_ char *text = NULL, *line = NULL, *name = NULL;
        char big[10000];
        size_t size;
        uint64_t v;

        memset(big, 'x', sizeof(big));
        fixture_write_bytes(f, "big", big, sizeof(big));
        assert_ok(read_file_at(f->root.fd, "big", sizeof(big), &text, &size));
        assert_int_equal(size, sizeof(big));
        assert_int_equal(text[size], '\0');
        assert_int_equal(read_file_at(f->root.fd, "big", sizeof(big) - 1, &text, &size), -EFBIG);
        assert_int_equal(read_file_at(f->root.fd, "none", 1, &text, &size), -ENOENT);

        fixture_write(f, "line", "  some words \t\r\nsecond line\n");
        assert_ok(read_line_at(f->root.fd, "line", &line));
        assert_string_equal(line, "  some words");
        fixture_write(f, "number", "4096\n");
        assert_ok(read_u64_at(f->root.fd, "number", 10, &v));
        assert_int_equal(v, 4096);

        fixture_link(f, "group", "../../../kernel/iommu_groups/12");
        assert_ok(read_link_name_at(f->root.fd, "group", &name));
        assert_string_equal(name, "12");
        assert_int_equal(read_link_name_at(f->root.fd, "line", &name), -EINVAL);
}

static void test_attribute(void **state)
{
        struct fixture *f = *state;
        char text[8] = "before";

        assert_int_equal(read_attribute_at(f->root.fd, "none", text, sizeof(text)), -ENOENT);
        fixture_write(f, "attribute", "eth0 \n");
        fixture_link(f, "link", "attribute");
        assert_int_equal(read_attribute_at(f->root.fd, "link", text, sizeof(text)), -ELOOP);
        assert_string_equal(text, "before");

        assert_ok(read_attribute_at(f->root.fd, "attribute", text, sizeof(text)));
        assert_string_equal(text, "eth0");
        fixture_write(f, "long", "0123456789\n");
        assert_ok(read_attribute_at(f->root.fd, "long", text, sizeof(text)));
        assert_string_equal(text, "0123456");
        fixture_write(f, "empty", "");
        assert_ok(read_attribute_at(f->root.fd, "empty", text, sizeof(text)));
        assert_string_equal(text, "");
}

/* What the next open() will return: another number after a descriptor was left open. */
static int next_fd(void)
{
        int fd = dup(STDIN_FILENO);

        assert_true(fd >= 0);
        close(fd);
        return fd;
}

static void test_open(void **state)
{
        struct fixture *f = *state;
        _cleanup_close_ int writer = -EBADF;
        const int next = next_fd();
        struct stat st;
        int fd;

        fixture_write(f, "file", "text");
        fixture_write(f, "d/file", "");
        assert_int_equal(open_regular_at(f->root.fd, "none", &st), -ENOENT);
        assert_int_equal(open_regular_at(f->root.fd, "d", &st), -EBADMSG);
        fd = open_regular_at(f->root.fd, "file", &st);
        assert_int_equal(fd, next);
        assert_int_equal(st.st_size, 4);
        close(fd);

        assert_int_equal(stat_at(f->root.fd, "none", &st), -ENOENT);
        assert_ok(stat_at(f->root.fd, "d", &st));
        assert_true(S_ISDIR(st.st_mode));
        assert_int_equal(next_fd(), next);

        writer = open_at(f->root.fd, "file", O_WRONLY);
        assert_ok(ftruncate(writer, (off_t) FILE_MAX_SIZE + 1));
        assert_int_equal(open_regular_at(f->root.fd, "file", NULL), -EFBIG);
        assert_int_equal(next_fd(), next + 1);
}

/* The kernel answers EPERM to O_NOATIME on a file of somebody else, as it does for /proc/kcore under
 * lockdown. That must not be taken for a sandbox without openat2(), nor leave a descriptor open. */
/* A recorded host can have a FIFO where a file is expected; nobody waits for who would write to it. */
static void test_fifo(void **state)
{
        struct fixture *f = *state;
        _cleanup_free_ char *text = NULL;
        struct file_lines lines;
        char buffer[8];

        assert_ok(mkfifoat(f->root.fd, "fifo", 0600));
        alarm(10 * test_slower());
        (void) read_file_at(f->root.fd, "fifo", sizeof(buffer), &text, NULL);
        (void) read_attribute_at(f->root.fd, "fifo", buffer, sizeof(buffer));
        if (file_lines_open_at(f->root.fd, "fifo", &lines) >= 0)
                file_lines_close(&lines);
        assert_int_equal(open_regular_at(f->root.fd, "fifo", NULL), -EBADMSG);
        alarm(0);
}

static void test_not_permitted(void **state)
{
        _cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        const int next = next_fd();
        const uid_t uid = geteuid();
        int r;

        (void) state;
        assert_true(root >= 0);
        if (uid == 0 && seteuid(12345) < 0)
                skip();
        r = open_at(root, "etc/passwd", O_RDONLY | O_NOATIME);
        assert_ok(seteuid(uid));
        assert_int_equal(r, -EPERM);
        assert_int_equal(next_fd(), next);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_read, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_attribute, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_open, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_fifo, fixture_setup, fixture_teardown),
                cmocka_unit_test(test_not_permitted),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
