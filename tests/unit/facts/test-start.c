/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/start.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "test.h"
#include "util/macro.h"

#define SMALL "calls\":0,\"failed\":0,\"bytes\":0,\"faults\":0,\"seconds\":0"
#define PATH STARTS_DIR "/train\\x2da-%020llu.json"

static const char document[] =
        "{\"schema_version\":1,\"version\":\"0.1\",\"time\":\"2026-11-30T18:00:00Z\",\"kernel\":\"7.3.4\","
        "\"watched_seconds\":22.5,\"lost\":0,\"omitted\":0,\"unseen\":[],\"processes\":[{\"pid\":812,"
        "\"command\":\"qemu-system-x86\",\"guest\":\"train-a\",\"ended\":false,\"from_hook\":true,"
        "\"was_running\":false,\"seconds\":12.5,\"phases\":{\"hook\":0.01,\"libvirt\":0.25,\"open\":0.125,"
        "\"reset\":1,\"ram\":3.5,\"bars\":0.9,\"unmap\":0,\"other\":6.715},\"ram\":{\"calls\":2,"
        "\"failed\":0,\"bytes\":4294967296,\"faults\":2048,\"seconds\":3},\"file\":{\"calls\":1,"
        "\"failed\":0,\"bytes\":4096,\"faults\":1,\"seconds\":0.5},\"unmap\":{\"" SMALL "},"
        "\"devices\":[{\"address\":\"0000:41:00.0\",\"opens\":1,\"open_seconds\":0.125,\"resets\":2,"
        "\"reset_seconds\":1}],\"bars\":[{\"device\":\"0000:41:00.0\",\"region\":2,\"offset\":0,"
        "\"size\":2147483648,\"address\":\"0x7f00\",\"calls\":3,\"failed\":1,\"bytes\":4294967296,"
        "\"faults\":4,\"seconds\":0.9,\"page_size\":1073741824,\"largest_page\":1073741824,"
        "\"least_faults\":2,\"after\":{}},{\"device\":null,\"region\":0,\"offset\":4096,\"size\":8192,"
        "\"address\":\"0x9000\",\"" SMALL ",\"page_size\":null,\"largest_page\":4096,\"least_faults\":2,"
        "\"after\":{}}],\"omitted\":0,\"verdict\":[\"train-a took 12.5 s.\",\"3.50 s: RAM of wäb1.\"]}]}\n";

static struct guest xml_of(const char *name)
{
        static struct hostdev device;

        return (struct guest){ .name = (char *) name, .hostdevs = &device, .n_hostdevs = 1 };
}

static const char *path_of(uint64_t time_usec)
{
        static char path[128];

        snprintf(path, sizeof(path), PATH, (unsigned long long) time_usec);
        return path;
}

/* A start of "train-a", with one word replaced. */
static void write_start(struct fixture *f, uint64_t time_usec, const char *word, const char *by)
{
        const char *at = strstr(document, word);
        _cleanup_free_ char *text = NULL;

        assert_non_null(at);
        assert_true(asprintf(&text, "%.*s%s%s", (int) (at - document), document, by, at + strlen(word)) > 0);
        fixture_write(f, path_of(time_usec), text);
}

static void read_starts(struct starts *s, struct fixture *f)
{
        struct libvirt_guest guests[] = { { .xml = xml_of("other") },
                                          { .xml = xml_of("train-a") },
                                          { .xml = { .name = (char *) "train-b" } } };
        const struct libvirt_facts l = { .guests = guests, .n_guests = ELEMENTSOF(guests) };

        assert_ok(starts_read(s, &f->root, &l));
}

static void test_read(void **state)
{
        struct fixture *f = *state;
        const struct start *s;
        struct starts starts;

        read_starts(&starts, f); /* without the directory */
        assert_int_equal(starts.n_starts, 0);
        assert_false(starts.unread);
        write_start(f, 1000, "12.5", "99");
        write_start(f, 2000, "", "");
        /* Of a guest without VFIO devices, of others whose names begin the same, and no start at all. */
        fixture_write(f, STARTS_DIR "/train\\x2db-00000000000000003000.json", document);
        fixture_write(f, STARTS_DIR "/train\\x2da\\x2d2-00000000000000003000.json", document);
        fixture_write(f, STARTS_DIR "/train\\x2da-00000000000000003000.json~", document);
        fixture_write(f, STARTS_DIR "/train\\x2da-3000.json", document);
        fixture_write(f, STARTS_DIR "/slot-0", "");
        read_starts(&starts, f);
        assert_int_equal(starts.n_starts, 1);
        assert_int_equal(starts.n_damaged, 0);
        assert_null(starts_find(&starts, "other"));
        s = starts_find(&starts, "train-a");
        assert_non_null(s);
        assert_string_equal(s->guest, "train-a");
        assert_int_equal(s->time_usec, 2000);
        assert_string_equal(s->file, "train\\x2da-00000000000000002000.json");
        assert_string_equal(s->kernel, "7.3.4");
        assert_false(s->partial);
        assert_false(s->ended);
        assert_int_equal(s->usec, 12500000);
        assert_int_equal(s->hook_usec, 10000);
        assert_int_equal(s->libvirt_usec, 250000);
        assert_int_equal(s->open_usec, 125000);
        assert_int_equal(s->reset_usec, 1000000);
        assert_int_equal(s->ram_usec, 3500000);
        assert_int_equal(s->bars_usec, 900000);
        assert_int_equal(s->unmap_usec, 0);
        assert_int_equal(s->other_usec, 6715000);
        assert_int_equal(s->ram_bytes, GIB(4) + 4096);
        assert_int_equal(s->ram_faults, 2049);
        assert_int_equal(s->bar_faults, 4);
        assert_int_equal(s->n_bars, 2);
        assert_string_equal(s->bars[0].device, "0000:41:00.0");
        assert_int_equal(s->bars[0].region, 2);
        assert_int_equal(s->bars[0].size, GIB(2));
        assert_int_equal(s->bars[0].calls, 3);
        assert_int_equal(s->bars[0].failed, 1);
        assert_int_equal(s->bars[0].faults, 4);
        assert_int_equal(s->bars[0].usec, 900000);
        assert_int_equal(s->bars[0].page_size, GIB(1));
        assert_string_equal(s->bars[1].device, "");
        assert_int_equal(s->bars[1].offset, 4096);
        assert_int_equal(s->bars[1].page_size, 0);
        assert_int_equal(s->n_devices, 1);
        assert_string_equal(s->devices[0].address, "0000:41:00.0");
        assert_int_equal(s->devices[0].resets, 2);
        assert_int_equal(s->devices[0].reset_usec, 1000000);
        assert_int_equal(s->n_sentences, 2);
        assert_string_equal(s->sentences[1], "3.50 s: RAM of wäb1.");
        starts_done(&starts);
}

/* Whatever was not seen may be missing in the sums. */
static void test_partial(void **state)
{
        static const char *const words[][2] = {
                { "\"was_running\":false", "\"was_running\":true" },
                { "\"lost\":0", "\"lost\":1" },
                { "\"omitted\":0,\"verdict\"", "\"omitted\":3,\"verdict\"" },
        };
        struct fixture *f = *state;
        struct starts starts;

        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                write_start(f, 1000, words[i][0], words[i][1]);
                read_starts(&starts, f);
                assert_int_equal(starts.n_starts, 1);
                assert_true(starts.starts[0].partial);
                starts_done(&starts);
        }
}

static void assert_damaged(struct fixture *f, const char *what)
{
        struct starts starts;

        read_starts(&starts, f);
        if (starts.n_starts != 0 || starts.n_damaged != 1)
                fail_msg("%s: %zu read, %zu damaged", what, starts.n_starts, starts.n_damaged);
        assert_string_equal(starts.damaged[0], "train\\x2da-00000000000000002000.json");
        starts_done(&starts);
}

static void test_damaged(void **state)
{
        static const char *const words[][2] = {
                { "{", "" },
                { "]}]}", "]}]" },
                { "]}]}", "]}]} x" },
                { "\"processes\"", "\"other\"" },
                { "\"processes\":[{", "\"processes\":[{},{" },
                { "\"processes\":[{", "\"processes\":[7,{" },
                { "\"7.3.4\"", "7" },
                { "\"7.3.4\"", "\"a\\u0000b\"" },
                { "\"lost\":0", "\"lost\":-1" },
                { "\"ended\":false", "\"ended\":0" },
                { "\"was_running\":false", "\"was_running\":null" },
                { "\"seconds\":12.5", "\"seconds\":-12.5" },
                { "\"seconds\":12.5", "\"seconds\":1e300" },
                { "\"seconds\":12.5", "\"seconds\":NaN" },
                { "\"seconds\":12.5", "\"seconds\":\"12.5\"" },
                { "\"phases\":{", "\"phases\":[],\"p\":{" },
                { "\"bars\":0.9,", "" },
                { "4294967296", "9223372036854775807" },
                { "\"faults\":2048", "\"faults\":1.5" },
                { "\"devices\":[{", "\"devices\":[[],{" },
                { "\"opens\":1,", "" },
                { "\"bars\":[{", "\"bars\":{},\"b\":[{" },
                { "\"bars\":[{", "\"bars\":[null,{" },
                { "\"region\":2", "\"region\":4294967296" },
                { "\"failed\":1", "\"failed\":4" },
                { "\"page_size\":1073741824", "\"page_size\":\"1\"" },
                { "\"3.50 s: RAM of wäb1.\"", "7" },
        };
        struct fixture *f = *state;
        _cleanup_free_ char *large = malloc(START_SIZE_MAX + 2);

        write_start(f, 1000, "", ""); /* an older one, which is not the last */
        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                write_start(f, 2000, words[i][0], words[i][1]);
                assert_damaged(f, words[i][1]);
        }
        fixture_write(f, path_of(2000), "");
        assert_damaged(f, "empty");
        memset(large, ' ', START_SIZE_MAX + 1);
        memcpy(large, document, strlen(document));
        large[START_SIZE_MAX + 1] = '\0';
        fixture_write(f, path_of(2000), large);
        assert_damaged(f, "large");
        fixture_remove(f, path_of(2000));
        assert_int_equal(mkfifo(fixture_path(f, path_of(2000)), 0600), 0);
        alarm(test_slower() * 10);
        assert_damaged(f, "FIFO");
        alarm(0);
}

static void test_guest(void **state)
{
        struct fixture *f = *state;
        struct starts starts;

        for (uint64_t i = 1; i <= STARTS_OF_GUEST_MAX + 2; i++)
                write_start(f, 1000 * i, "", "");
        write_start(f, 5000, "{", "");
        assert_ok(starts_read_guest(&starts, &f->root, "train-a"));
        assert_int_equal(starts.n_starts, STARTS_OF_GUEST_MAX - 1);
        assert_int_equal(starts.n_damaged, 1);
        for (size_t i = 1; i < starts.n_starts; i++)
                assert_true(starts.starts[i].time_usec < starts.starts[i - 1].time_usec);
        assert_int_equal(starts.starts[0].time_usec, 1000 * (STARTS_OF_GUEST_MAX + 2));
        starts_done(&starts);
        fixture_write(f, STARTS_DIR "/trainer-00000000000000003000.json", document);
        assert_ok(starts_read_guest(&starts, &f->root, "train"));
        assert_int_equal(starts.n_starts, 0);
        starts_done(&starts);
        fixture_write(f, STARTS_DIR "/train-00000000000000003000.json", document);
        assert_ok(starts_read_guest(&starts, &f->root, "trainer"));
        assert_int_equal(starts.n_starts, 1);
        starts_done(&starts);
}

static void test_file_names(void **state)
{
        char file[START_FILE_MAX], name[START_NAME_MAX + 2];
        uint64_t time_usec;
        size_t length;

        (void) state;
        memset(name, 'x', sizeof(name) - 1);
        name[START_NAME_MAX] = '\0';
        start_file_format(file, name, UINT64_MAX);
        assert_true(strlen(file) < 255); /* with the "~" of a temporary file */
        assert_true(start_file_parse(file, &length, &time_usec));
        assert_int_equal(length, START_NAME_MAX);
        assert_true(time_usec == UINT64_MAX);
        assert_false(start_file_parse("x-99999999999999999999.json", &length, &time_usec));
        assert_false(start_file_parse("-00000000000000000001.json", &length, &time_usec));
        assert_false(start_file_parse("x-0000000000000000000a.json", &length, &time_usec));
        assert_false(start_file_parse("x_00000000000000000001.json", &length, &time_usec));
        assert_false(start_file_parse("", &length, &time_usec));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_read, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_partial, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_damaged, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_guest, fixture_setup, fixture_teardown),
                cmocka_unit_test(test_file_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
