/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/identity.h"

#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "test.h"
#include "util/file-observer.h"
#include "util/macro.h"

/* A recorded host has no name, and the id that was recorded. */
static void test_recorded(void **state)
{
        struct fixture *f = *state;
        struct identity i;

        fixture_write(f, "vfioalign/answers", "host-id\t29f7e9218a9c44d0b1f429f4ecf123fe\n");
        fixture_write(f, "proc/sys/kernel/random/boot_id", "5d3f6a0e-3c1b-4b52-9f43-1f5f3f8f0c77\n");
        fixture_write(f, "proc/sys/kernel/hostname", "secret\n");
        fixture_write(f, "etc/machine-id", "0123456789abcdef0123456789abcdef\n");
        identity_read(&i, &f->root);
        assert_string_equal(i.name, "");
        assert_string_equal(i.id, "29f7e9218a9c44d0b1f429f4ecf123fe");
        assert_string_equal(i.boot_id, "5d3f6a0e3c1b4b529f431f5f3f8f0c77");
}

/* What is not an id is unknown. */
static void test_wrong(void **state)
{
        struct fixture *f = *state;
        struct identity i;

        fixture_write(f, "vfioalign/answers", "host-id\tnone\n");
        fixture_write(f, "proc/sys/kernel/random/boot_id", "5d3f6a0e-3c1b\n");
        identity_read(&i, &f->root);
        assert_string_equal(i.id, "");
        assert_string_equal(i.boot_id, "");
}

static void keep_answer(enum file_kind kind, const char *path, const char *data, size_t size, void *userdata)
{
        struct identity *i = userdata;

        (void) size;
        assert_null(strstr(path, "hostname"));
        assert_null(strstr(path, "machine-id"));
        if (kind == FILE_ANSWER && streq(path, "host-id"))
                snprintf(i->id, sizeof(i->id), "%s", data);
}

/* Of this host, a record gets the id, and neither its name nor its machine-id. */
static void test_live(void **state)
{
        struct identity i, noted = {};
        struct root root;
        char name[sizeof(i.name)];

        (void) state;
        assert_ok(root_open(&root, NULL));
        file_observe(keep_answer, &noted);
        identity_read(&i, &root);
        file_observe(NULL, NULL);
        assert_string_equal(i.id, noted.id);
        assert_ok(gethostname(name, sizeof(name)));
        assert_string_equal(i.name, name);
        root_close(&root);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_recorded, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_wrong, fixture_setup, fixture_teardown),
                cmocka_unit_test(test_live),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
