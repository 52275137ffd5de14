/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trace/keep.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "facts/start.h"
#include "fixture.h"
#include "report/json.h"
#include "test.h"
#include "util/file.h"
#include "util/macro.h"

/* A document of about so many bytes. */
static json_object *new_document(size_t size)
{
        json_object *o = json_new_object();
        _cleanup_free_ char *text = calloc(1, size + 1);

        memset(text, 'x', size);
        json_add_string(o, "text", text);
        return o;
}

static int keep(struct fixture *f, const char *guest, uint64_t time_usec, size_t size)
{
        json_object *document = new_document(size);
        int r = trace_keep(&f->root, guest, time_usec, document);

        json_object_put(document);
        return r;
}

static bool is_kept(struct fixture *f, const char *escaped, uint64_t time_usec)
{
        char file[START_FILE_MAX], path[sizeof(STARTS_DIR "/") + START_FILE_MAX];

        start_file_format(file, escaped, time_usec);
        snprintf(path, sizeof(path), STARTS_DIR "/%s", file);
        return access(fixture_path(f, path), F_OK) >= 0;
}

static size_t count_files(struct fixture *f)
{
        _cleanup_(names_done) struct names names = {};

        assert_ok(list_dir_at(f->root.fd, STARTS_DIR, &names));
        return names.n;
}

static int setup(void **state)
{
        int r = fixture_setup(state);

        fixture_write(*state, STARTS_DIR "/note", "");
        return r;
}

static void test_file(void **state)
{
        struct fixture *f = *state;
        _cleanup_free_ char *text = NULL;
        struct stat st;

        assert_ok(keep(f, "a-b", 1234567, 3));
        assert_true(is_kept(f, "a\\x2db", 1234567));
        assert_ok(
                read_file_at(f->root.fd, STARTS_DIR "/a\\x2db-00000000000001234567.json", 100, &text, NULL));
        assert_string_equal(text, "{\"text\":\"xxx\"}");
        assert_ok(stat_at(f->root.fd, STARTS_DIR "/a\\x2db-00000000000001234567.json", &st));
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(count_files(f), 2);
}

static void test_of_guest(void **state)
{
        struct fixture *f = *state;

        assert_ok(keep(f, "ab", 1, 1));
        for (uint64_t i = 1; i <= STARTS_OF_GUEST_MAX + 5; i++)
                assert_ok(keep(f, "a", i, 1));
        assert_ok(keep(f, "abc", 1, 1));
        for (uint64_t i = 1; i <= STARTS_OF_GUEST_MAX + 5; i++)
                assert_int_equal(is_kept(f, "a", i), i > 5);
        assert_true(is_kept(f, "ab", 1));
        assert_true(is_kept(f, "abc", 1));
}

static void test_bytes(void **state)
{
        const uint64_t fitting = STARTS_SIZE_MAX / START_SIZE_MAX;
        struct fixture *f = *state;
        char guest[16];

        for (uint64_t i = 1; i <= fitting + 2; i++) {
                snprintf(guest, sizeof(guest), "g%ju", (uintmax_t) i);
                assert_ok(keep(f, guest, i, START_SIZE_MAX - 64));
        }
        for (uint64_t i = 1; i <= fitting + 2; i++) {
                snprintf(guest, sizeof(guest), "g%ju", (uintmax_t) i);
                assert_int_equal(is_kept(f, guest, i), i > 2);
        }
        assert_int_equal(keep(f, "large", 100, START_SIZE_MAX), -EFBIG);
        assert_int_equal(count_files(f), fitting + 1);
}

static void test_number(void **state)
{
        struct fixture *f = *state;
        char path[128];

        for (unsigned i = 1; i <= STARTS_MAX + 3; i++) {
                snprintf(path, sizeof(path), STARTS_DIR "/g%u-%020u.json", i, i);
                fixture_write(f, path, "{}");
        }
        assert_ok(keep(f, "last", 1000000, 1));
        assert_int_equal(count_files(f), STARTS_MAX + 1);
        assert_true(is_kept(f, "last", 1000000));
        assert_false(is_kept(f, "g4", 4));
        assert_true(is_kept(f, "g5", 5));
}

/* What a killed writer has left goes; nothing else does. */
static void test_others(void **state)
{
        struct fixture *f = *state;

        fixture_write(f, STARTS_DIR "/a-00000000000000000001.json~", "{");
        fixture_write(f, STARTS_DIR "/a-1.json", "{");
        assert_ok(keep(f, "b", 1, 1));
        assert_int_equal(count_files(f), 3);
        assert_true(access(fixture_path(f, STARTS_DIR "/a-1.json"), F_OK) >= 0);
}

static void test_names(void **state)
{
        struct fixture *f = *state;
        char name[START_NAME_MAX + 2];

        memset(name, 'x', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        assert_int_equal(keep(f, name, 1, 1), -ENAMETOOLONG);
        name[START_NAME_MAX] = '\0';
        assert_ok(keep(f, name, 1, 1));
        assert_ok(keep(f, "../../x", 1, 1));
        assert_true(is_kept(f, "\\x2e.-..-x", 1));
        assert_int_equal(count_files(f), 3);
}

static void test_slots(void **state)
{
        struct fixture *f = *state;
        int slots[TRACE_SLOTS];

        for (unsigned i = 0; i < TRACE_SLOTS; i++) {
                slots[i] = trace_take_slot(&f->root);
                assert_true(slots[i] >= 0);
        }
        assert_int_equal(trace_take_slot(&f->root), -EBUSY);
        close(slots[3]);
        slots[3] = trace_take_slot(&f->root);
        assert_true(slots[3] >= 0);
        for (unsigned i = 0; i < TRACE_SLOTS; i++)
                close(slots[i]);
}

static void test_no_directory(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(trace_take_slot(&f->root), -ENOENT);
        assert_int_equal(keep(f, "a", 1, 1), -ENOENT);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_file, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_of_guest, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_bytes, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_number, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_others, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_names, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_slots, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_no_directory, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
