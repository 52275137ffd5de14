/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record/record.h"

#include <errno.h>
#include <fcntl.h>

#include "fixture.h"
#include "test.h"
#include "util/file.h"
#include "util/macro.h"

DEFINE_TRIVIAL_CLEANUP(struct record *, record_free)

static const struct record_entry *find(const struct record_entry *entries, size_t n, const char *path)
{
        const struct record_entry *found = NULL;

        for (size_t i = 0; i < n; i++)
                if (streq(entries[i].path, path)) {
                        assert_null(found); /* once */
                        found = &entries[i];
                }
        return found;
}

static void assert_entry(const struct record_entry *entries, size_t n, const char *path, enum file_kind kind,
                         const char *data)
{
        const struct record_entry *e = find(entries, n, path);

        if (!e)
                fail_msg("no %s", path);
        assert_int_equal(e->kind, kind);
        assert_string_equal(e->data, data);
}

static void test_record(void **state)
{
        struct fixture *f = *state;
        const char *const one[] = { "one", NULL }, *const two[] = { "two", "one", NULL };
        _cleanup_(record_freep) struct record *record = NULL;
        _cleanup_free_ char *vendor = NULL, *first = NULL, *second = NULL, *idle = NULL, *xml = NULL,
                            *args = NULL;
        _cleanup_(names_done) struct names names = {};
        const struct record_entry *entries;
        size_t n;

        fixture_write(f, "sys/devices/x/vendor", "0x1234\n");
        fixture_link(f, "sys/bus/x", "../devices/x");
        fixture_write(f, "sys/bus/x-y/z", "");
        fixture_write(f, "proc/kallsyms", "one\ntwo\nthree\n");
        fixture_write(f, "proc/7/maps", "");
        fixture_link(f, "etc/denied", "denied"); /* as a record says it */
        fixture_link(f, "lib", "usr/lib");
        fixture_write(f, "usr/lib/x", "y");
        fixture_write(f, "etc/libvirt/qemu/g.xml", "<domain><graphics passwd='hidden'/></domain>");
        fixture_write_bytes(f, "proc/8/cmdline", "qemu\0-secret\0-device\0vfio-pci,host=1\0", 37);

        assert_ok(record_begin(&f->root, &record));
        assert_ok(list_dir_at(f->root.fd, "sys/bus", &names));
        assert_ok(read_line_at(f->root.fd, "sys/bus/x/vendor", &vendor));
        assert_true(exists_at(f->root.fd, "sys/bus/x-y"));
        assert_true(exists_at(f->root.fd, "sys/devices/x/vendor"));
        assert_ok(grep_file_at(f->root.fd, "proc/kallsyms", one, &first));
        assert_ok(grep_file_at(f->root.fd, "proc/kallsyms", two, &second));
        assert_ok(grep_file_at(f->root.fd, "proc/7/maps", one, &idle));
        assert_ok(read_file_at(f->root.fd, "etc/libvirt/qemu/g.xml", 4096, &xml, NULL));
        assert_ok(read_file_at(f->root.fd, "proc/8/cmdline", 4096, &args, NULL));
        assert_false(exists_at(f->root.fd, "etc/denied"));
        assert_int_equal(open_at(f->root.fd, "etc/denied", O_RDONLY), -EACCES);
        assert_true(exists_at(f->root.fd, "lib/x"));
        root_note(&f->root, "question", "old");
        root_note(&f->root, "another", "yes");
        root_note(&f->root, "question", "answer");
        assert_ok(record_end(record, &entries, &n));

        assert_entry(entries, n, "sys/bus/x", FILE_LINK, "../devices/x");
        assert_entry(entries, n, "sys/devices/x/vendor", FILE_CONTENT, "0x1234\n");
        assert_null(find(entries, n, "sys/bus/x/vendor"));
        assert_entry(entries, n, "sys/bus/x-y", FILE_DIRECTORY, "");
        assert_non_null(strstr(find(entries, n, "proc/kallsyms")->data, "one\n"));
        assert_non_null(strstr(find(entries, n, "proc/kallsyms")->data, "two\n"));
        assert_null(strstr(find(entries, n, "proc/kallsyms")->data, "three"));
        assert_entry(entries, n, "etc/denied", FILE_LINK, "denied");
        assert_entry(entries, n, "lib/x", FILE_LINK, "/usr/lib/x");
        assert_null(find(entries, n, "proc/7/maps"));
        assert_null(strstr(find(entries, n, "etc/libvirt/qemu/g.xml")->data, "hidden"));
        assert_int_equal(find(entries, n, "proc/8/cmdline")->size, 5 + 16);
        assert_non_null(strstr(find(entries, n, ANSWERS_FILE)->data, "another\tyes\nquestion\t"));
}

/* Nothing is told any more once a record has ended. */
static void test_end(void **state)
{
        struct fixture *f = *state;
        _cleanup_(record_freep) struct record *record = NULL;
        const struct record_entry *entries;
        size_t n;

        fixture_write(f, "file", "text");
        assert_ok(record_begin(&f->root, &record));
        assert_true(file_is_observed());
        assert_ok(record_end(record, &entries, &n));
        assert_int_equal(n, 0);
        assert_false(file_is_observed());
}

/* What a recorded host answers is recorded again, in one file. */
static void test_answers(void **state)
{
        struct fixture *f = *state;
        _cleanup_(record_freep) struct record *record = NULL;
        const struct record_entry *entries;
        _cleanup_free_ char *answer = NULL;
        size_t n;

        fixture_write(f, ANSWERS_FILE, "question\tyes\nanother\tno\n");
        assert_ok(record_begin(&f->root, &record));
        answer = root_answer(&f->root, "question");
        assert_string_equal(answer, "yes");
        assert_ok(record_end(record, &entries, &n));
        assert_entry(entries, n, ANSWERS_FILE, FILE_CONTENT, "question\tyes\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_record, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_answers, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_end, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
