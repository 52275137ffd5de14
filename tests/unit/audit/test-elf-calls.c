/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/elf-calls.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/facts-emulator.h"
#include "fixture.h"
#include "test.h"
#include "util/file.h"
#include "util/macro.h"

/* The samples are built next to this test, from elf-sample.c. */
#define SAMPLE(name) "elf-sample-" name

static const char *sample_dir;

static const char *sample(const char *name)
{
        static char path[4096];

        snprintf(path, sizeof(path), "%s/%s", sample_dir, name);
        return path;
}

static const struct {
        const char *name;
        size_t calls;
        enum emulator_generation generation;
        const char *why;
} samples[] = {
        {SAMPLE("plain"), 1, GENERATION_NONE, NULL},
        {SAMPLE("plain-no-plt"), 1, GENERATION_NONE, NULL},
        {SAMPLE("plain-gib"), 1, GENERATION_NONE, NULL},
        {SAMPLE("area"), 2, GENERATION_PER_AREA, NULL},
        {SAMPLE("area-no-plt"), 2, GENERATION_PER_AREA, NULL},
        {SAMPLE("area-ibt"), 2, GENERATION_PER_AREA, NULL},
        {SAMPLE("area-no-pie"), 2, GENERATION_PER_AREA, NULL},
        {SAMPLE("area-stripped"), 2, GENERATION_PER_AREA, NULL},
        {SAMPLE("region"), 2, GENERATION_PER_REGION, NULL},
        {SAMPLE("hidden"), 0, GENERATION_UNKNOWN, "the binary exports no vfio_region_mmap()"},
        {SAMPLE("static"), 0, GENERATION_UNKNOWN, "the binary exports no vfio_region_mmap()"},
};

static size_t count_calls(struct elf_image *image)
{
        const uint8_t *code;
        uint64_t address;
        size_t size;
        int r = elf_image_function(image, "vfio_region_mmap", &code, &size, &address);

        if (r < 0) {
                assert_int_equal(r, -ENOENT);
                return 0;
        }
        assert_int_equal(elf_image_count_calls(image, code, size, address, "munmap"), 0);
        return elf_image_count_calls(image, code, size, address, "mmap") +
               elf_image_count_calls(image, code, size, address, "mmap64");
}

static void test_calls(void **state)
{
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(samples); i++) {
                _cleanup_close_ int fd = open(sample(samples[i].name), O_RDONLY | O_CLOEXEC);
                struct elf_image *image;

                if (fd < 0)
                        fail_msg("%s: %s", samples[i].name, strerror(errno));
                assert_ok(elf_image_open(fd, &image));
                if (count_calls(image) != samples[i].calls)
                        fail_msg("%s: %zu calls", samples[i].name, count_calls(image));
                assert_false(elf_image_has_text(image, "a text that no sample has"));
                elf_image_close(image);
        }
}

#define QEMU "usr/bin/qemu-system-x86_64"

static void test_generations(void **state)
{
        struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(samples); i++) {
                struct emulator e;

                fixture_copy(f, QEMU, sample(samples[i].name));
                assert_ok(emulator_read(&e, &f->root, "/" QEMU));
                assert_string_equal(e.path, "/" QEMU);
                if (e.generation != samples[i].generation)
                        fail_msg("%s: %s", samples[i].name, emulator_generation_to_string(e.generation));
                if (samples[i].why)
                        assert_string_equal(e.why, samples[i].why);
                else
                        assert_int_equal(e.source, SOURCE_ELF);
                emulator_done(&e);
        }
}

/* Not an ELF file for this machine, or not one at all, or one that ends too early */
static void test_junk(void **state)
{
        _cleanup_free_ char *bytes = NULL;
        struct fixture *f = *state;
        struct emulator e;
        size_t size;

        assert_int_equal(emulator_read(&e, &f->root, "/" QEMU), -ENOENT);
        fixture_write(f, QEMU, "#!/bin/sh\nexec qemu-real \"$@\"\n");
        assert_ok(emulator_read(&e, &f->root, "/" QEMU));
        assert_int_equal(e.generation, GENERATION_UNKNOWN);
        assert_non_null(e.why);
        emulator_done(&e);

        assert_ok(read_file_at(AT_FDCWD, sample(SAMPLE("area")), FILE_MAX_SIZE, &bytes, &size));
        for (size_t n = 0; n < size; n += n < 4096 ? 61 : 509) {
                fixture_write_bytes(f, QEMU, bytes, n);
                assert_ok(emulator_read(&e, &f->root, "/" QEMU));
                assert_int_equal(e.generation, GENERATION_UNKNOWN);
                assert_non_null(e.why);
                emulator_done(&e);
        }
        bytes[18] = 183; /* e_machine: aarch64 */
        fixture_write_bytes(f, QEMU, bytes, size);
        assert_ok(emulator_read(&e, &f->root, "/" QEMU));
        assert_int_equal(e.generation, GENERATION_UNKNOWN);
        emulator_done(&e);
}

/* Every byte broken in turn, in what is read first: wrong answers are fine, crashes are not. */
static void test_broken(void **state)
{
        _cleanup_free_ char *bytes = NULL;
        struct fixture *f = *state;
        struct emulator e;
        size_t size;

        assert_ok(read_file_at(AT_FDCWD, sample(SAMPLE("area-stripped")), FILE_MAX_SIZE, &bytes, &size));
        for (size_t i = 0; i < size; i += i < 1024 || i + 2048 > size ? 1 : 7) {
                char old = bytes[i];

                bytes[i] = (char) ~old;
                fixture_write_bytes(f, QEMU, bytes, size);
                assert_ok(emulator_read(&e, &f->root, "/" QEMU));
                emulator_done(&e);
                bytes[i] = old;
        }
}

/* A package manager gives files the time of their build. */
static void keep_time(struct fixture *f, const struct stat *st)
{
        const struct timespec times[] = {st->st_mtim, st->st_mtim};

        assert_int_equal(utimensat(f->root.fd, QEMU, times, 0), 0);
}

static void test_list(void **state)
{
        struct fixture *f = *state;
        struct emulator_facts facts;
        const struct emulator *e;

        fixture_copy(f, QEMU, sample(SAMPLE("plain")));
        fixture_copy(f, "usr/libexec/qemu-kvm", sample(SAMPLE("area")));
        assert_ok(emulator_facts_read(&facts, &f->root));
        assert_int_equal(facts.n_emulators, 2);

        assert_int_equal(emulator_facts_get(&facts, &f->root, "/" QEMU)->generation, GENERATION_NONE);
        assert_null(emulator_facts_get(&facts, &f->root, "/opt/qemu/none"));
        fixture_copy(f, "opt/qemu/bin/qemu", sample(SAMPLE("region")));
        e = emulator_facts_get(&facts, &f->root, "/opt/qemu/bin/qemu");
        assert_int_equal(e->generation, GENERATION_PER_REGION);
        assert_int_equal(facts.n_emulators, 3);

        /* Upgraded in between: the path has another binary. */
        fixture_remove(f, QEMU);
        fixture_copy(f, QEMU, sample(SAMPLE("area")));
        keep_time(f, &facts.emulators[0].stat);
        assert_int_equal(emulator_facts_get(&facts, &f->root, "/" QEMU)->generation, GENERATION_PER_AREA);
        /* Written over, later */
        fixture_copy(f, QEMU, sample(SAMPLE("region")));
        assert_int_equal(emulator_facts_get(&facts, &f->root, "/" QEMU)->generation, GENERATION_PER_REGION);
        fixture_remove(f, QEMU);
        assert_null(emulator_facts_get(&facts, &f->root, "/" QEMU));
        assert_int_equal(facts.n_emulators, 3);
        emulator_facts_done(&facts);
}

int main(int argc, char *argv[])
{
#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_calls), FIXTURE_TEST(test_generations), FIXTURE_TEST(test_junk),
                FIXTURE_TEST(test_broken),    FIXTURE_TEST(test_list),
        };

        if (argc != 2)
                return 77;
        sample_dir = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
