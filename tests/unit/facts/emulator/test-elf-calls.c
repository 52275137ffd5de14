/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/emulator/elf-calls.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "facts/emulator/emulator-internal.h"
#include "facts/emulator/facts-emulator.h"
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

#define NO_FUNCTION "the binary exports no vfio_region_mmap()"
#define NOT_QEMU "its code is not QEMU's, and does not show where it maps BARs"
#define NO_CLOUD "a cloud-hypervisor whose code does not show whether it aligns"

static const struct {
        const char *name;
        size_t calls;
        enum emulator_generation generation;
        const char *why;
        enum emulator_program program;
        bool unpreloadable;
} samples[] = {
        { SAMPLE("plain"), 1, GENERATION_NONE, NULL, PROGRAM_QEMU, false },
        { SAMPLE("plain-no-plt"), 1, GENERATION_NONE, NULL, PROGRAM_QEMU, false },
        { SAMPLE("plain-gib"), 1, GENERATION_NONE, NULL, PROGRAM_QEMU, false },
        { SAMPLE("area"), 2, GENERATION_PER_AREA, NULL, PROGRAM_QEMU, false },
        { SAMPLE("area-no-plt"), 2, GENERATION_PER_AREA, NULL, PROGRAM_QEMU, false },
        { SAMPLE("area-ibt"), 2, GENERATION_PER_AREA, NULL, PROGRAM_QEMU, false },
        { SAMPLE("area-no-pie"), 2, GENERATION_PER_AREA, NULL, PROGRAM_QEMU, false },
        { SAMPLE("area-stripped"), 2, GENERATION_PER_AREA, NULL, PROGRAM_QEMU, false },
        { SAMPLE("region"), 2, GENERATION_PER_REGION, NULL, PROGRAM_QEMU, false },
        { SAMPLE("hidden"), 0, GENERATION_UNKNOWN, NO_FUNCTION, PROGRAM_QEMU, false },
        { SAMPLE("static"), 0, GENERATION_UNKNOWN, NO_FUNCTION, PROGRAM_QEMU, true },
        { SAMPLE("other"), 0, GENERATION_UNKNOWN, NOT_QEMU, PROGRAM_OTHER, false },
        { SAMPLE("cloud-52"), 0, GENERATION_NONE, NULL, PROGRAM_CLOUD_HYPERVISOR, true },
        { SAMPLE("cloud-53"), 0, GENERATION_ROUNDED_AREA, NULL, PROGRAM_CLOUD_HYPERVISOR, true },
        { SAMPLE("cloud-patched"), 0, GENERATION_ROUNDED_AREA, NULL, PROGRAM_CLOUD_HYPERVISOR, false },
        { SAMPLE("cloud-unseen"), 0, GENERATION_UNKNOWN, NO_CLOUD, PROGRAM_CLOUD_HYPERVISOR, true },
        { SAMPLE("cloud-nameless"), 0, GENERATION_UNKNOWN, NO_CLOUD, PROGRAM_CLOUD_HYPERVISOR, false },
        { SAMPLE("openvmm"), 0, GENERATION_PER_REGION, NULL, PROGRAM_OPENVMM, false },
        { SAMPLE("openvmm-unseen"), 0, GENERATION_UNKNOWN, NOT_QEMU, PROGRAM_OPENVMM, false },
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
                if (e.program != samples[i].program || e.unpreloadable != samples[i].unpreloadable)
                        fail_msg("%s: %s%s", samples[i].name, emulator_program_to_string(e.program),
                                 e.unpreloadable ? ", static" : "");
                emulator_done(&e);
        }
}

/* What a record keeps of a binary is what was read. */
static void test_answers(void **state)
{
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(samples); i++) {
                _cleanup_close_ int fd = open(sample(samples[i].name), O_RDONLY | O_CLOEXEC);
                _cleanup_(emulator_done) struct emulator read = {}, recorded = {};
                _cleanup_free_ char *answer = NULL;

                assert_ok(emulator_code_read(&read, fd));
                answer = emulator_code_to_answer(&read);
                assert_ok(emulator_code_from_answer(&recorded, answer));
                if (read.generation != recorded.generation || read.why != recorded.why ||
                    read.unpreloadable != recorded.unpreloadable)
                        fail_msg("%s: %s", samples[i].name, answer);
                /* Only that it is a QEMU is not written down, as it never was. */
                assert_int_equal(recorded.program, read.program == PROGRAM_QEMU && !read.unpreloadable
                                                           ? PROGRAM_UNKNOWN
                                                           : read.program);
                assert_int_equal(emulator_advises(&recorded), emulator_advises(&read));
        }
}

/* Older records, and what nobody wrote */
static void test_odd_answers(void **state)
{
        static const struct {
                const char *answer;
                enum emulator_program program;
                bool unpreloadable;
                const char *why;
        } odd[] = {
                { "none elf 0a1b ", PROGRAM_UNKNOWN, false, NULL },
                { "none elf - [cloud-hypervisor] ", PROGRAM_CLOUD_HYPERVISOR, false, NULL },
                { "none elf - [cloud-hypervisor,static] ", PROGRAM_CLOUD_HYPERVISOR, true, NULL },
                { "none elf - [cloud-hypervisor,other] ", PROGRAM_CLOUD_HYPERVISOR, false, NULL },
                { "none elf - [a program of a later version,static] ", PROGRAM_UNKNOWN, false, NULL },
                { "none elf - [later,static] ", PROGRAM_UNKNOWN, true, NULL },
                { "none elf - [", PROGRAM_UNKNOWN, false, NULL },
                { "none elf - []", PROGRAM_UNKNOWN, false, NULL },
                { "unknown none 0a1b [other] " NOT_QEMU, PROGRAM_OTHER, false, NOT_QEMU },
                { "unknown none 0a1b " NO_FUNCTION, PROGRAM_UNKNOWN, false, NO_FUNCTION },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(odd); i++) {
                _cleanup_(emulator_done) struct emulator e = {};

                assert_ok(emulator_code_from_answer(&e, odd[i].answer));
                if (e.program != odd[i].program || e.unpreloadable != odd[i].unpreloadable ||
                    !!e.why != !!odd[i].why || (e.why && !streq(e.why, odd[i].why)))
                        fail_msg("%s: %s, %s", odd[i].answer, emulator_program_to_string(e.program), e.why);
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
        bytes[18] = (char) 243; /* e_machine: RISC-V */
        fixture_write_bytes(f, QEMU, bytes, size);
        assert_ok(emulator_read(&e, &f->root, "/" QEMU));
        assert_int_equal(e.generation, GENERATION_UNKNOWN);
        emulator_done(&e);
}

/* A program for arm64, with all that is looked at: vfio_region_mmap() calls mmap64() through the PLT. */
struct arm_program {
        Elf64_Ehdr header;
        Elf64_Sym symbols[3];
        char names[32];
        Elf64_Rela slots[1];
        uint32_t code[8], plt[4];
        char text[64], section_names[8];
        Elf64_Shdr sections[7];
};

#define PLACE(member) offsetof(struct arm_program, member)
#define SECTION(type, flags, member, link, entry) \
        { \
                .sh_type = (type), .sh_flags = (flags), .sh_addr = PLACE(member), \
                .sh_offset = PLACE(member), .sh_size = sizeof(((struct arm_program *) NULL)->member), \
                .sh_link = (link), .sh_entsize = (entry), \
        }

#define ARM_SLOT UINT64_C(0x23ff8) /* in the GOT, far behind the code */
#define ARM_MOV_GIB 0xd2a80002     /* mov x2, #0x40000000 */
#define ARM_RET 0xd65f03c0

static struct arm_program new_arm_program(void)
{
        const uint64_t plt = PLACE(plt) + 4; /* behind "bti c" */
        struct arm_program p = {
                .header = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                                         EV_CURRENT },
                            .e_type = ET_DYN,
                            .e_machine = EM_AARCH64,
                            .e_version = EV_CURRENT,
                            .e_shoff = PLACE(sections),
                            .e_ehsize = sizeof(Elf64_Ehdr),
                            .e_shentsize = sizeof(Elf64_Shdr),
                            .e_shnum = 7,
                            .e_shstrndx = 6 },
                .symbols = { {},
                             { .st_name = 1,
                               .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
                               .st_shndx = 4,
                               .st_value = PLACE(code),
                               .st_size = sizeof(p.code) },
                             { .st_name = 18, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC) } },
                .names = "\0vfio_region_mmap\0mmap64",
                .slots = { { .r_offset = ARM_SLOT,
                             .r_info = ELF64_R_INFO(2, 1026 /* R_AARCH64_JUMP_SLOT */) } },
                .plt = { 0xd503245f, 0, 0, ARM_RET },
                .sections = { {},
                              SECTION(SHT_DYNSYM, SHF_ALLOC, symbols, 2, sizeof(Elf64_Sym)),
                              SECTION(SHT_STRTAB, SHF_ALLOC, names, 0, 0),
                              SECTION(SHT_RELA, SHF_ALLOC, slots, 1, sizeof(Elf64_Rela)),
                              SECTION(SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, code, 0, 0),
                              SECTION(SHT_PROGBITS, SHF_ALLOC, text, 0, 0),
                              SECTION(SHT_STRTAB, 0, section_names, 0, 0) },
        };
        uint64_t pages = (ARM_SLOT >> 12) - (plt >> 12);

        p.sections[4].sh_size += sizeof(p.plt); /* the PLT follows the function */
        p.plt[1] = 0x90000010 | (uint32_t) (pages & 3) << 29 | (uint32_t) (pages >> 2) << 5; /* adrp x16 */
        p.plt[2] = 0xf9400211 | (uint32_t) (ARM_SLOT & 0xfff) / 8 << 10; /* ldr x17, [x16, #offset] */
        for (size_t i = 0; i < ELEMENTSOF(p.code); i++)
                p.code[i] = ARM_RET;
        return p;
}

/* bl, from code[i] to the PLT */
static void call_mmap(struct arm_program *p, size_t i)
{
        p->code[i] = 0x94000000 | (uint32_t) (PLACE(plt) - (PLACE(code) + 4 * i)) / 4;
}

static enum emulator_generation arm_generation(struct fixture *f, const struct arm_program *p)
{
        enum emulator_generation g;
        struct emulator e;

        fixture_write_bytes(f, QEMU, p, sizeof(*p));
        assert_ok(emulator_read(&e, &f->root, "/" QEMU));
        g = e.generation;
        assert_int_equal(e.why == NULL, g != GENERATION_UNKNOWN);
        emulator_done(&e);
        return g;
}

static void test_arm(void **state)
{
        struct fixture *f = *state;
        struct arm_program p = new_arm_program();

        assert_int_equal(arm_generation(f, &p), GENERATION_UNKNOWN); /* no call */
        call_mmap(&p, 1);
        assert_int_equal(arm_generation(f, &p), GENERATION_NONE);
        p.code[2] = ARM_MOV_GIB;
        assert_int_equal(arm_generation(f, &p), GENERATION_NONE); /* the number alone is no proof */
        call_mmap(&p, 5);
        assert_int_equal(arm_generation(f, &p), GENERATION_PER_AREA);
        p.code[2] = 0x52a80017; /* mov w23 */
        assert_int_equal(arm_generation(f, &p), GENERATION_PER_AREA);
        p.code[2] = 0xd2a00817; /* mov x23, #0x400000 */
        assert_int_equal(arm_generation(f, &p), GENERATION_NONE);
        p.code[2] = 0xb26203e1; /* mov x1, as orr */
        strcpy(p.text, "overlapping sparse mmap regions detected");
        assert_int_equal(arm_generation(f, &p), GENERATION_PER_REGION);
        p.slots[0].r_offset += 8; /* another function's slot */
        assert_int_equal(arm_generation(f, &p), GENERATION_UNKNOWN);
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

/* More damage, at random but always the same: to headers, tables and lengths most of all. RANDOM_ROUNDS in
 * the environment for a longer try, best under a sanitizer. */
static void test_random(void **state)
{
        static const char *const names[] = { SAMPLE("area"), SAMPLE("area-no-plt"), SAMPLE("region") };
        static const unsigned char values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
        const char *rounds = getenv("RANDOM_ROUNDS");
        struct fixture *f = *state;

        srandom(rounds ? (unsigned) atoi(rounds) : 1);
        for (size_t n = 0; n < ELEMENTSOF(names); n++) {
                _cleanup_free_ char *bytes = NULL, *broken = NULL;
                size_t size;

                assert_ok(read_file_at(AT_FDCWD, sample(names[n]), FILE_MAX_SIZE, &bytes, &size));
                broken = malloc(size);
                assert_non_null(broken);
                for (long i = 0; i < (rounds ? atol(rounds) : 200); i++) {
                        struct emulator e;

                        memcpy(broken, bytes, size);
                        for (long k = random() % 8; k >= 0; k--) {
                                /* the file's header and its last 3 KiB, where the sections' headers are; or
                                 * anywhere */
                                size_t where = random() % 4 == 0 ? (size_t) random() % 64
                                               : random() % 2    ? size - 1 - (size_t) random() % 3072
                                                                 : (size_t) random() % size;

                                broken[where] = (char) (random() % 2 ? values[random() % 5] : random());
                        }
                        fixture_write_bytes(f, QEMU, broken, random() % 8 ? size : (size_t) random() % size);
                        assert_ok(emulator_read(&e, &f->root, "/" QEMU));
                        emulator_done(&e);
                }
        }
}

/* Where the section starts that has the byte at `at` of the file */
static size_t section_start(const char *bytes, size_t at)
{
        const Elf64_Ehdr *header = (const void *) bytes;
        const Elf64_Shdr *sections = (const void *) (bytes + header->e_shoff);

        for (size_t i = 1; i < header->e_shnum; i++)
                if (at >= sections[i].sh_offset && at < sections[i].sh_offset + sections[i].sh_size)
                        return sections[i].sh_offset;
        fail_msg("no section");
        return 0;
}

/* Read-only data are searched in pieces: the text is found on every edge. */
static void test_pieces(void **state)
{
        static const char start[] = "the filler starts here",
                          text[] = "overlapping sparse mmap regions detected";
        _cleanup_free_ char *bytes = NULL;
        struct fixture *f = *state;
        struct emulator e;
        size_t size, edge;
        char *filler;

        assert_ok(read_file_at(AT_FDCWD, sample(SAMPLE("big")), FILE_MAX_SIZE, &bytes, &size));
        filler = memmem(bytes, size, start, sizeof(start));
        assert_non_null(filler);
        edge = section_start(bytes, (size_t) (filler - bytes)) + KIB(256);
        fixture_copy(f, QEMU, sample(SAMPLE("big")));
        assert_ok(emulator_read(&e, &f->root, "/" QEMU));
        assert_int_equal(e.generation, GENERATION_PER_AREA);
        emulator_done(&e);
        for (size_t at = edge - sizeof(text); at <= edge; at++) {
                memcpy(bytes + at, text, sizeof(text) - 1);
                fixture_write_bytes(f, QEMU, bytes, size);
                memset(bytes + at, 0, sizeof(text) - 1);
                assert_ok(emulator_read(&e, &f->root, "/" QEMU));
                assert_int_equal(e.generation, GENERATION_PER_REGION);
                emulator_done(&e);
        }
}

/* The same with a number: nowhere is it cut off. */
static void test_number_in_pieces(void **state)
{
        static const char text[] = "version v7312 ", start[] = "the filler starts here";
        _cleanup_free_ char *bytes = NULL;
        struct fixture *f = *state;
        size_t size, edge;

        assert_ok(read_file_at(AT_FDCWD, sample(SAMPLE("big")), FILE_MAX_SIZE, &bytes, &size));
        edge = (size_t) ((char *) memmem(bytes, size, start, sizeof(start)) - bytes);
        edge = section_start(bytes, edge) + KIB(256);
        for (size_t at = edge - sizeof(text) - 4; at <= edge; at++) {
                _cleanup_close_ int fd = -EBADF;
                struct elf_image *image;
                unsigned number = 0;

                memcpy(bytes + at, text, sizeof(text) - 1);
                fixture_write_bytes(f, QEMU, bytes, size);
                memset(bytes + at, 0, sizeof(text) - 1);
                fd = openat(f->root.fd, QEMU, O_RDONLY | O_CLOEXEC);
                assert_ok(elf_image_open(fd, &image));
                assert_int_equal(elf_image_number_after(image, "version v", &number), 1);
                assert_int_equal(number, 7312);
                assert_int_equal(elf_image_number_after(image, "version w", &number), 0);
                elf_image_close(image);
        }
}

static void test_build_id(void **state)
{
        struct fixture *f = *state;
        struct emulator e;

        fixture_copy(f, QEMU, sample(SAMPLE("area")));
        assert_ok(emulator_read(&e, &f->root, "/" QEMU));
        assert_string_equal(e.build_id, "0123456789abcdef");
        emulator_done(&e);
        fixture_copy(f, QEMU, sample(SAMPLE("plain")));
        assert_ok(emulator_read(&e, &f->root, "/" QEMU));
        assert_null(e.build_id);
        emulator_done(&e);
}

int main(int argc, char *argv[])
{
#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_calls),
                FIXTURE_TEST(test_generations),
                FIXTURE_TEST(test_junk),
                FIXTURE_TEST(test_broken),
                FIXTURE_TEST(test_random),
                FIXTURE_TEST(test_pieces),
                FIXTURE_TEST(test_build_id),
                FIXTURE_TEST(test_arm),
                cmocka_unit_test(test_answers),
                cmocka_unit_test(test_odd_answers),
                FIXTURE_TEST(test_number_in_pieces),
        };

        if (argc != 2)
                return 77;
        sample_dir = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
