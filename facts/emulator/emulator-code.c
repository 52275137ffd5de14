/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "emulator-internal.h"

#include <assert.h>

#include "elf-calls.h"
#include "util/macro.h"

/* The function in which QEMU maps a BAR; it is exported because QEMU's own modules may call it. */
#define QEMU_MAP_FUNCTION "vfio_region_mmap"

/* A message that only the second generation has (da02b21cc70e). */
#define QEMU_REGION_TEXT "overlapping sparse mmap regions detected"

/* What --version of each QEMU prints. */
#define QEMU_TEXT "QEMU emulator version "

/* cloud-hypervisor has one message about each BAR that it cannot map, from 24 on at least, and from 53 on an
 * assertion where it trims the address space that it has reserved to align one (pci/src/mmap.rs). Compilers
 * leave these whole, which they do not with the text of every error. */
#define CLOUD_HYPERVISOR_TEXT "Could not mmap sparse area (offset = 0x"
#define CLOUD_HYPERVISOR_ALIGNS_TEXT "assertion failed: tail_len > 0"

/* What its --version prints, and the first version that aligns. Without the assertion, a later one does
 * something that we have not seen. */
#define CLOUD_HYPERVISOR_VERSION_TEXT "cloud-hypervisor v"
#define CLOUD_HYPERVISOR_ALIGNS 53

/* OpenVMM maps BARs into the one reservation for the guest's whole address space, which begins at a multiple
 * of 1 GiB (support/sparse_mmap), at the guest's own address of the BAR. That is a multiple of its size. */
#define OPENVMM_TEXT "failed to query VFIO mmap areas for BAR "
#define OPENVMM_ALIGNS_TEXT "assertion failed: aligned_end <= end"

/* Recorded hosts hold these texts, and emulator_why_from_text() finds them again: one that is reworded is
 * lost in older records. */
static const char *const emulator_whys[_WHY_MAX] = {
        [WHY_NO_ELF] = "not a program (ELF file)",
        [WHY_OTHER_MACHINE] =
                "a program for another processor than 64-bit x86, whose code is not understood",
        [WHY_BROKEN] = "the code of " QEMU_MAP_FUNCTION "() cannot be read",
        [WHY_NO_FUNCTION] = "the binary exports no " QEMU_MAP_FUNCTION "()",
        [WHY_NO_CALL] = QEMU_MAP_FUNCTION "() does not call mmap() itself",
        [WHY_UNREADABLE] = "the binary's data cannot be read",
        [WHY_NOT_REGULAR] = "not a regular file",
        [WHY_NOT_OPENED] = "the file cannot be opened",
        [WHY_SCRIPT] = "a script that does more than to start a program",
        [WHY_NO_TARGET] = "the program that the wrapper script starts is not there",
        [WHY_TWO_SCRIPTS] = "a wrapper script that starts another one",
        [WHY_NO_PERMISSION] = "no permission to see which program the process runs",
        [WHY_PROCESS_GONE] = "the process has ended",
        [WHY_PROBE_NOT_STARTED] = "the emulator cannot be started without privilege",
        [WHY_PROBE_NOT_MAPPED] = "the emulator ended before it had mapped the probe's BARs",
        [WHY_PROBE_CRASHED] = "the emulator crashed before it had mapped the probe's BARs",
        [WHY_PROBE_LATE] = "the emulator did not map the probe's BARs in time",
        [WHY_PROBE_OTHER] = "the emulator places mappings in a way that is not known",
        [WHY_NOT_RECORDED] = "the recorded host does not tell",
        [WHY_PROCESS_LATE] = "the process's program could not be read in time",
        [WHY_OTHER_PROGRAM] = "its code is not QEMU's, and does not show where it maps BARs",
        [WHY_CLOUD_HYPERVISOR] = "a cloud-hypervisor whose code does not show whether it aligns",
        [WHY_PROBE_IS_FOR_QEMU] = "it is not QEMU, and only that can be tried without a device",
        [WHY_FILE_LATE] = "the file system that it is on does not answer",
};

const char *emulator_why(enum emulator_why why)
{
        assert(why >= 0 && why < _WHY_MAX);

        return emulator_whys[why];
}

struct program_text {
        const char *text;
        bool has;
};

/* Which of the texts the binary has: 0, or a negative errno. */
static int search_texts(struct elf_image *image, struct program_text texts[], size_t n)
{
        for (size_t i = 0; i < n; i++) {
                int r = elf_image_has_text(image, texts[i].text);

                if (r < 0)
                        return r;
                texts[i].has = r > 0;
        }
        return 0;
}

static int classify_cloud_hypervisor(struct emulator *e, struct elf_image *image, bool aligns)
{
        unsigned version;
        int r;

        e->program = PROGRAM_CLOUD_HYPERVISOR;
        if (!aligns) {
                r = elf_image_number_after(image, CLOUD_HYPERVISOR_VERSION_TEXT, &version);
                if (r == -ENOMEM)
                        return r;
                if (r <= 0 || version == 0 || version >= CLOUD_HYPERVISOR_ALIGNS) {
                        e->why = emulator_why(WHY_CLOUD_HYPERVISOR);
                        return 0;
                }
        }
        e->generation = aligns ? GENERATION_ROUNDED_AREA : GENERATION_NONE;
        e->source = SOURCE_ELF;
        return 0;
}

/* A binary without QEMU's function. Those that are written in Rust export nothing, and are often static, so
 * only their texts show what they are. */
static int classify_other(struct emulator *e, struct elf_image *image)
{
        enum { QEMU, CLOUD, CLOUD_ALIGNS, OPENVMM, OPENVMM_ALIGNS };
        struct program_text texts[] = {
                [QEMU] = { .text = QEMU_TEXT },
                [CLOUD] = { .text = CLOUD_HYPERVISOR_TEXT },
                [CLOUD_ALIGNS] = { .text = CLOUD_HYPERVISOR_ALIGNS_TEXT },
                [OPENVMM] = { .text = OPENVMM_TEXT },
                [OPENVMM_ALIGNS] = { .text = OPENVMM_ALIGNS_TEXT },
        };
        int r = search_texts(image, texts, ELEMENTSOF(texts));

        if (r < 0) {
                e->why = emulator_why(WHY_UNREADABLE);
                return r == -ENOMEM ? r : 0;
        }
        if (texts[QEMU].has) {
                e->program = PROGRAM_QEMU;
                e->why = emulator_why(WHY_NO_FUNCTION);
                return 0;
        }
        if (texts[CLOUD].has)
                return classify_cloud_hypervisor(e, image, texts[CLOUD_ALIGNS].has);
        e->program = texts[OPENVMM].has ? PROGRAM_OPENVMM : PROGRAM_OTHER;
        if (!texts[OPENVMM].has || !texts[OPENVMM_ALIGNS].has) {
                e->why = emulator_why(WHY_OTHER_PROGRAM);
                return 0;
        }
        e->generation = GENERATION_PER_REGION;
        e->source = SOURCE_ELF;
        return 0;
}

/* The first generation reserves address space and maps over it, with two calls of mmap() where older QEMUs
 * have one, and caps the alignment at 1 GiB. (Seen in the binaries of 7.2, 10.0 and 11.1, for x86-64 and for
 * arm64.) */
static int classify_code(struct emulator *e, struct elf_image *image)
{
        const uint8_t *code;
        uint64_t address;
        size_t size, calls;
        int r;

        r = elf_image_function(image, QEMU_MAP_FUNCTION, &code, &size, &address);
        if (r == -ENOENT)
                return classify_other(e, image);
        if (r < 0) {
                e->why = emulator_why(WHY_BROKEN);
                return r == -ENOMEM ? r : 0;
        }
        e->program = PROGRAM_QEMU;
        calls = elf_image_count_calls(image, code, size, address, "mmap64") +
                elf_image_count_calls(image, code, size, address, "mmap");
        if (calls == 0) {
                e->why = emulator_why(WHY_NO_CALL);
                return 0;
        }
        if (calls < 2 || !elf_image_loads_gib(image, code, size)) {
                e->generation = GENERATION_NONE;
                e->source = SOURCE_ELF;
                return 0;
        }
        r = elf_image_has_text(image, QEMU_REGION_TEXT);
        if (r < 0) {
                e->why = emulator_why(WHY_UNREADABLE);
                return r == -ENOMEM ? r : 0;
        }
        e->generation = r ? GENERATION_PER_REGION : GENERATION_PER_AREA;
        e->source = SOURCE_ELF;
        return 0;
}

DEFINE_TRIVIAL_CLEANUP(struct elf_image *, elf_image_close)

int emulator_code_read(struct emulator *e, int fd)
{
        _cleanup_(elf_image_closep) struct elf_image *image = NULL;
        int r;

        r = elf_image_open(fd, &image);
        if (r == -EPROTOTYPE) {
                e->why = emulator_why(WHY_OTHER_MACHINE);
                return 0;
        }
        if (r < 0) {
                e->why = emulator_why(WHY_NO_ELF);
                return r == -ENOMEM ? r : -ENOEXEC;
        }
        if (elf_image_build_id(image, &e->build_id) == -ENOMEM)
                return -ENOMEM;
        e->unpreloadable = !elf_image_loads_libraries(image);
        return classify_code(e, image);
}

char *emulator_code_to_answer(const struct emulator *e)
{
        char *text, program[32] = "";

        /* The code of a QEMU in older records looks as it always did. */
        if (e->unpreloadable || e->program > PROGRAM_QEMU)
                snprintf(program, sizeof(program), "[%s%s] ", emulator_program_to_string(e->program),
                         e->unpreloadable ? ",static" : "");
        if (asprintf(&text, "%s %s %s %s%s", emulator_generation_to_string(e->generation),
                     fact_source_to_string(e->source), e->build_id ?: "-", program, e->why ?: "") < 0)
                return NULL;
        return text;
}

/* Reads "[PROGRAM,static] ", if it is there; returns what is behind it. */
static const char *program_from_answer(struct emulator *e, const char *text)
{
        const char *end = strchr(text, ']');
        char name[24], property[8] = "";

        if (*text != '[' || !end || sscanf(text, "[%23[^],],%7[^]]", name, property) < 1)
                return text;
        e->program = emulator_program_from_string(name);
        if (e->program < 0)
                e->program = PROGRAM_UNKNOWN;
        e->unpreloadable = streq(property, "static");
        return end + 1 + strspn(end + 1, " ");
}

const char *emulator_why_from_text(const char *text)
{
        for (size_t i = 0; i < _WHY_MAX; i++)
                if (streq(emulator_whys[i], text))
                        return emulator_whys[i];
        return emulator_why(WHY_NOT_RECORDED);
}

int emulator_code_from_answer(struct emulator *e, const char *answer)
{
        char generation[16], source[24], build_id[130];
        const char *rest;
        int end = 0;

        e->generation = GENERATION_UNKNOWN;
        e->why = emulator_why(WHY_NOT_RECORDED);
        if (sscanf(answer, "%15s %23s %129s %n", generation, source, build_id, &end) != 3)
                return 0;
        if (!streq(build_id, "-") && build_id[strspn(build_id, "0123456789abcdef")] == '\0') {
                e->build_id = strdup(build_id);
                if (!e->build_id)
                        return -ENOMEM;
        }
        rest = program_from_answer(e, answer + end);
        if (emulator_generation_from_string(generation) > GENERATION_UNKNOWN &&
            fact_source_from_string(source) > SOURCE_NONE) {
                e->generation = emulator_generation_from_string(generation);
                e->source = fact_source_from_string(source);
                e->why = NULL;
        } else {
                e->why = emulator_why_from_text(rest);
        }
        return 0;
}
