/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/kernel/kcore.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "fixture.h"
#include "test.h"
#include "util/file-observer.h"
#include "util/file.h"
#include "util/macro.h"

struct core {
        Elf64_Ehdr header;
        Elf64_Phdr segments[3];
        uint8_t memory[64];
};

static struct core new_core(void)
{
        struct core c = {
                .header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64}, .e_type = ET_CORE,
                           .e_phnum = 3, .e_phoff = offsetof(struct core, segments),
                           .e_phentsize = sizeof(Elf64_Phdr)},
                .segments = {
                        {.p_type = PT_NOTE, .p_vaddr = 0xffffffffc0001000, .p_filesz = 4096},
                        {.p_type = PT_LOAD, .p_vaddr = 0xffffffffc0001000, .p_filesz = 32,
                         .p_offset = offsetof(struct core, memory)},
                        {.p_type = PT_LOAD, .p_vaddr = 0xfffffffffffffff0, .p_filesz = 16,
                         .p_offset = offsetof(struct core, memory) + 48},
                },
        };

        for (size_t i = 0; i < sizeof(c.memory); i++)
                c.memory[i] = (uint8_t) i;
        return c;
}

static void write_core(struct fixture *f, const struct core *c)
{
        fixture_write_bytes(f, "proc/kcore", c, sizeof(*c));
}

static void test_read(void **state)
{
        struct fixture *f = *state;
        struct core c = new_core();
        uint8_t b[64] = {};

        write_core(f, &c);
        assert_ok(kcore_read(&f->root, 0xffffffffc0001008, b, 24));
        assert_int_equal(b[0], 8);
        assert_int_equal(b[23], 31);
        assert_ok(kcore_read(&f->root, 0xfffffffffffffff8, b, 8)); /* up to the last byte of all */
        assert_int_equal(b[0], 56);
}

static void test_outside(void **state)
{
        struct fixture *f = *state;
        struct core c = new_core();
        uint8_t b[KCORE_MAX + 1];

        assert_int_equal(kcore_read(&f->root, 0xffffffffc0001000, b, 1), -ENOENT);
        write_core(f, &c);
        assert_int_equal(kcore_read(&f->root, 0xffffffffc0000fff, b, 1), -ENXIO);
        assert_int_equal(kcore_read(&f->root, 0xffffffffc0000fff, b, 2), -ENXIO);
        assert_int_equal(kcore_read(&f->root, 0xffffffffc0001008, b, 25), -ENXIO);
        assert_int_equal(kcore_read(&f->root, 0xffffffffc0001020, b, 1), -ENXIO);
        assert_int_equal(kcore_read(&f->root, 0xfffffffffffffff8, b, 16), -ENXIO); /* past the end of all */
        assert_int_equal(kcore_read(&f->root, 0, b, 8), -ENXIO);
        assert_int_equal(kcore_read(&f->root, 0xffffffffc0001000, b, 0), -EINVAL);
        assert_int_equal(kcore_read(&f->root, 0xffffffffc0001000, b, sizeof(b)), -EINVAL);
}

static void test_broken(void **state)
{
        struct fixture *f = *state;
        struct core c;
        uint8_t b[8];

#define ASSERT_BROKEN(change) \
        do { \
                c = new_core(); \
                change; \
                write_core(f, &c); \
                assert_int_equal(kcore_read(&f->root, 0xffffffffc0001000, b, 8), -EBADMSG); \
        } while (0)
        ASSERT_BROKEN(c.header.e_ident[0] = 0);
        ASSERT_BROKEN(c.header.e_ident[EI_CLASS] = ELFCLASS32);
        ASSERT_BROKEN(c.header.e_phentsize = 32);
        ASSERT_BROKEN(c.header.e_phnum = 0xffff);
        ASSERT_BROKEN(c.header.e_phoff = UINT64_MAX - 8);
        ASSERT_BROKEN(c.header.e_phoff = sizeof(c) - 8);
        ASSERT_BROKEN(c.segments[1].p_offset = UINT64_MAX - 3);
        ASSERT_BROKEN(c.segments[1].p_offset = sizeof(c) - 4);
        fixture_write(f, "proc/kcore", "");
        assert_int_equal(kcore_read(&f->root, 0xffffffffc0001000, b, 8), -EBADMSG);
}

static void keep_answer(enum file_kind kind, const char *path, const char *data, size_t size, void *userdata)
{
        char *kept = userdata;

        if (kind == FILE_ANSWER)
                snprintf(kept, 256, "%s\t%.*s\n", path, (int) size, data);
}

/* The recording has the answers. */
static void test_recorded(void **state)
{
        struct fixture *f = *state;
        struct core c = new_core();
        char kept[256] = "";
        struct root again;
        uint8_t b[4] = {};

        write_core(f, &c);
        file_observe(keep_answer, kept);
        assert_ok(kcore_read(&f->root, 0xffffffffc000101c, b, sizeof(b)));
        file_observe(NULL, NULL);
        assert_string_equal(kept, "kcore ffffffffc000101c 4\t1c1d1e1f\n");

        fixture_remove(f, "proc/kcore");
        fixture_write(f, ANSWERS_FILE,
                      "kcore ffffffffc000101c 4\t1c1d1e1f\nkcore 8 4\t1c1d1e1\nkcore 9 4\t1c1d1e1x\n");
        memset(b, 0, sizeof(b));
        assert_ok(root_open(&again, f->dir)); /* answers are read once */
        assert_ok(kcore_read(&again, 0xffffffffc000101c, b, sizeof(b)));
        assert_int_equal(b[3], 0x1f);
        assert_int_equal(kcore_read(&again, 8, b, sizeof(b)), -EBADMSG);
        assert_int_equal(kcore_read(&again, 9, b, sizeof(b)), -EBADMSG);
        assert_int_equal(kcore_read(&again, 10, b, sizeof(b)), -ENOENT);
        root_close(&again);
}

int main(void)
{
#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(test_read),
                FIXTURE_TEST(test_outside),
                FIXTURE_TEST(test_broken),
                FIXTURE_TEST(test_recorded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
