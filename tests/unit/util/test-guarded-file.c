/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files on a file server that does not answer, as a real one of FUSE. */
#include "util/guarded-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "test.h"
#include "util/clock.h"
#include "util/file-observer.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"

static int read_text(const struct root *root, const void *userdata, FILE *out)
{
        _cleanup_free_ char *text = NULL;
        int r;

        r = read_file_at(root->fd, userdata, KIB(4), &text, NULL);
        if (r < 0)
                return r;
        fputs(text, out);
        return 0;
}

static int run(struct fixture *f, const char *path, char **ret)
{
        size_t size;
        int r;

        r = guarded_file_run(&f->root, path, read_text, path, ret, &size);
        if (r >= 0)
                assert_int_equal(size, strlen(*ret));
        return r;
}

/* On a live host and on a recorded one */
static void test_read(void **state)
{
        struct fixture *f = *state;

        for (int live = 0; live < 2; live++) {
                _cleanup_free_ char *text = NULL, *empty = NULL;
                struct stat st, expected;

                f->root.live = live;
                fixture_write(f, "etc/file", "text");
                fixture_write(f, "etc/empty", "");
                fixture_link(f, "etc/loop", "loop");
                assert_ok(run(f, "etc/file", &text));
                assert_string_equal(text, "text");
                assert_ok(run(f, "etc/empty", &empty));
                assert_string_equal(empty, "");
                assert_int_equal(run(f, "etc/nothing", &text), -ENOENT);
                assert_int_equal(run(f, "etc/loop", &text), -EACCES);
                assert_ok(guarded_file_stat(&f->root, "etc/file", &st));
                assert_ok(stat_at(f->root.fd, "etc/file", &expected));
                assert_int_equal(st.st_ino, expected.st_ino);
                assert_int_equal(guarded_file_stat(&f->root, "etc/nothing", &st), -ENOENT);
                fixture_remove(f, "etc/loop");
                assert_false(guarded_files_are_late(&f->root));
        }
}

static int die(const struct root *root, const void *userdata, FILE *out)
{
        (void) root, (void) userdata, (void) out;
        abort();
}

static int run_out_of_memory(const struct root *root, const void *userdata, FILE *out)
{
        (void) root, (void) userdata;
        fputs("half", out);
        memory_note_failure();
        return 0;
}

static void test_failures(void **state)
{
        struct fixture *f = *state;
        char *text = NULL;
        size_t size;

        f->root.live = true;
        assert_int_equal(guarded_file_run(&f->root, "x", die, NULL, &text, &size), -ECONNRESET);
        assert_int_equal(guarded_file_run(&f->root, "x", run_out_of_memory, NULL, &text, &size), -ENOMEM);
        assert_null(text);
}

static uint64_t time_run(struct fixture *f, const char *path, int expected)
{
        uint64_t start = clock_usec(CLOCK_MONOTONIC);
        _cleanup_free_ char *text = NULL;

        assert_int_equal(run(f, path, &text), expected);
        return clock_usec(CLOCK_MONOTONIC) - start;
}

/* It is waited for once, and others are still read; there is an end to all waiting. */
static void test_stalled(void **state)
{
        struct fixture *f = *state;
        uint64_t first, all = 0;
        struct stat st;
        char path[32];

        fixture_stall(f, "mnt");
        fixture_write(f, "etc/file", "text");
        f->root.live = true;
        first = time_run(f, "mnt/a", -ETIMEDOUT);
        assert_true(first > USEC_PER_SEC);
        assert_true(time_run(f, "mnt/a", -ETIMEDOUT) < USEC_PER_SEC / 2);
        assert_int_equal(guarded_file_stat(&f->root, "mnt/a", &st), -ETIMEDOUT);
        assert_true(guarded_files_are_late(&f->root));
        time_run(f, "etc/file", 0);
        for (int i = 0; i < 8; i++) {
                snprintf(path, sizeof(path), "mnt/%d", i);
                all += time_run(f, path, -ETIMEDOUT);
        }
        assert_true(all < 6 * USEC_PER_SEC * test_slower());
}

struct seen {
        size_t files, links, answers;
};

static void observe(enum file_kind kind, const char *path, const char *data, size_t size, void *userdata)
{
        struct seen *seen = userdata;

        seen->files += kind == FILE_CONTENT && strstr(path, "/etc/file") && size == 4 &&
                       memcmp(data, "text", 4) == 0;
        seen->links += kind == FILE_LINK && strstr(path, "/etc/link") && size > 0 &&
                       strstr(data, "/etc/file");
        seen->answers += kind == FILE_ANSWER && streq(path, "late-file mnt/a") && size == 3 &&
                         memcmp(data, "yes", 3) == 0;
}

/* A record has what the child has read, and that nothing could be read. */
static void test_record(void **state)
{
        struct fixture *f = *state;
        _cleanup_free_ char *text = NULL;
        struct seen seen = {};

        fixture_stall(f, "mnt");
        fixture_write(f, "etc/file", "text");
        fixture_link(f, "etc/link", "file");
        f->root.live = true;
        file_observe(observe, &seen);
        assert_ok(run(f, "etc/link", &text));
        time_run(f, "mnt/a", -ETIMEDOUT);
        file_observe(NULL, NULL);
        assert_int_equal(seen.files, 1);
        assert_int_equal(seen.links, 1);
        assert_int_equal(seen.answers, 1);

        fixture_write(f, ANSWERS_FILE, "late-file etc/file\tyes\n");
        f->root.live = false;
        time_run(f, "etc/file", -ETIMEDOUT);
        time_run(f, "etc/link", 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_read),
                TEST(test_failures),
                TEST(test_stalled),
                TEST(test_record),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
