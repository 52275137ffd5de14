/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/emulator/facts-emulator.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "facts/emulator/emulator-wrapper.h"
#include "fixture.h"
#include "test.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/macro.h"

static const char *sample_dir;

static const char *sample(const char *name)
{
        static char path[4096];

        snprintf(path, sizeof(path), "%s/elf-sample-%s", sample_dir, name);
        return path;
}

#define QEMU "usr/bin/qemu-system-x86_64"

/* A package manager gives files the time of their build. */
static void keep_time(struct fixture *f, const struct stat *st)
{
        const struct timespec times[] = { st->st_mtim, st->st_mtim };

        assert_int_equal(utimensat(f->root.fd, QEMU, times, 0), 0);
}

static void test_list(void **state)
{
        struct fixture *f = *state;
        struct emulator_facts facts;
        const struct emulator *e;

        fixture_copy(f, QEMU, sample("plain"));
        fixture_link(f, "usr/bin/kvm", "qemu-system-x86_64"); /* no second emulator */
        fixture_copy(f, "usr/libexec/qemu-kvm", sample("area"));
        fixture_link(f, "usr/bin/qemu-kvm", "/usr/libexec/qemu-kvm");
        assert_ok(emulator_facts_read(&facts, &f->root));
        assert_int_equal(facts.n_emulators, 2);
        assert_true(facts.emulators[0].distribution && !facts.emulators[0].libvirt);

        e = emulator_facts_get(&facts, &f->root, "/" QEMU);
        assert_int_equal(e->generation, GENERATION_NONE);
        assert_true(e->distribution && e->libvirt);
        assert_ptr_equal(emulator_facts_get(&facts, &f->root, "/usr/bin/kvm"), e);
        assert_string_equal(emulator_facts_get(&facts, &f->root, "/usr/bin/qemu-kvm")->path,
                            "/usr/libexec/qemu-kvm");
        assert_null(emulator_facts_get(&facts, &f->root, "/opt/qemu/none"));
        assert_null(emulator_facts_by_name(&facts, "/opt/qemu/none"));
        fixture_copy(f, "opt/qemu/bin/qemu", sample("region"));
        e = emulator_facts_get(&facts, &f->root, "/opt/qemu/bin/qemu");
        assert_int_equal(e->generation, GENERATION_PER_REGION);
        assert_true(e->libvirt && !e->distribution);
        assert_int_equal(facts.n_emulators, 3);

        /* Upgraded in between: the path has another binary. */
        fixture_remove(f, QEMU);
        fixture_copy(f, QEMU, sample("area"));
        keep_time(f, &facts.emulators[0].stat);
        e = emulator_facts_get(&facts, &f->root, "/" QEMU);
        assert_int_equal(e->generation, GENERATION_PER_AREA);
        assert_true(e->distribution);
        /* Written over, later */
        fixture_copy(f, QEMU, sample("region"));
        assert_int_equal(emulator_facts_get(&facts, &f->root, "/" QEMU)->generation, GENERATION_PER_REGION);
        fixture_remove(f, QEMU);
        assert_null(emulator_facts_get(&facts, &f->root, "/" QEMU));
        assert_int_equal(facts.n_emulators, 3);
        emulator_facts_done(&facts);
}

/* What is proposed to guests, and tried: not what a process alone shows, nor what others can change. */
static void test_hosts(void **state)
{
        const struct emulator process = {}, installed = { .distribution = true },
                              named = { .libvirt = true },
                              replaced = { .distribution = true, .replaced = true },
                              container = { .libvirt = true, .container = true },
                              changeable = { .libvirt = true, .changeable = true };

        (void) state;
        assert_true(emulator_is_hosts(&installed) && emulator_is_hosts(&named));
        assert_false(emulator_is_hosts(&process) || emulator_is_hosts(&replaced));
        assert_false(emulator_is_hosts(&container) || emulator_is_hosts(&changeable));
}

/* QEMU's driver of libvirt may start what stands at QEMU's place, whatever it is, but not another VMM. */
static void test_other_programs(void **state)
{
        const struct emulator other = { .program = PROGRAM_OTHER, .unpreloadable = true },
                              wrapper = { .program = PROGRAM_OTHER, .unpreloadable = true, .libvirt = true },
                              cloud = { .program = PROGRAM_CLOUD_HYPERVISOR, .libvirt = true },
                              openvmm = { .program = PROGRAM_OPENVMM, .distribution = true }, unknown = {},
                              fixed = { .program = PROGRAM_QEMU, .unpreloadable = true };

        (void) state;
        assert_false(emulator_may_be_qemu(&other) || emulator_takes_preload(&other));
        assert_true(emulator_may_be_qemu(&wrapper) && emulator_takes_preload(&wrapper));
        assert_false(emulator_may_be_qemu(&cloud) || emulator_takes_preload(&cloud));
        assert_false(emulator_may_be_qemu(&openvmm));
        assert_true(emulator_may_be_qemu(&unknown) && emulator_takes_preload(&unknown));
        assert_true(emulator_may_be_qemu(&fixed));
        assert_false(emulator_takes_preload(&fixed));
}

static void test_advice(void **state)
{
        static const struct {
                struct emulator e;
                enum fact_value advises;
        } cases[] = {
                { { .generation = GENERATION_NONE, .source = SOURCE_ELF }, FACT_YES }, /* an older record */
                { { .program = PROGRAM_QEMU, .generation = GENERATION_NONE }, FACT_YES },
                { { .program = PROGRAM_QEMU, .generation = GENERATION_NONE, .source = SOURCE_PROC },
                  FACT_YES },
                { { .program = PROGRAM_QEMU }, FACT_UNKNOWN },
                { { .program = PROGRAM_CLOUD_HYPERVISOR }, FACT_NO },
                { { .program = PROGRAM_OPENVMM, .generation = GENERATION_PER_REGION }, FACT_NO },
                { { .program = PROGRAM_OTHER, .generation = GENERATION_NONE }, FACT_UNKNOWN },
                { { .generation = GENERATION_NONE, .source = SOURCE_PROC }, FACT_UNKNOWN },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (emulator_advises(&cases[i].e) != cases[i].advises)
                        fail_msg("%zu", i);
}

/* A domain may name its emulator by any path; what counts is the file. */
static void test_names(void **state)
{
        struct fixture *f = *state;
        struct emulator_facts facts;
        const struct emulator *plain, *area;

        fixture_copy(f, QEMU, sample("plain"));
        fixture_copy(f, "opt/qemu", sample("area"));
        fixture_link(f, "usr/bin/kvm", "qemu-system-x86_64");
        fixture_link(f, "usr/bin/kvm-spice", "/usr/bin/kvm");
        fixture_link(f, "nix", "/usr");
        assert_ok(emulator_facts_read(&facts, &f->root));
        plain = emulator_facts_by_name(&facts, "/" QEMU);
        assert_non_null(plain);
        assert_ptr_equal(emulator_facts_by_name(&facts, "/usr/bin/kvm"), plain);
        /* Nobody has asked for these yet. */
        assert_null(emulator_facts_by_name(&facts, "/usr/bin/kvm-spice"));
        assert_null(emulator_facts_by_name(&facts, "/nix/bin/qemu-system-x86_64"));
        assert_ptr_equal(emulator_facts_get(&facts, &f->root, "/usr/bin/kvm-spice"), plain);
        assert_ptr_equal(emulator_facts_get(&facts, &f->root, "/nix/bin/qemu-system-x86_64"), plain);
        assert_ptr_equal(emulator_facts_by_name(&facts, "/usr/bin/kvm-spice"), plain);
        assert_ptr_equal(emulator_facts_by_name(&facts, "/nix/bin/qemu-system-x86_64"), plain);
        assert_int_equal(facts.n_emulators, 1);

        /* The link leads elsewhere by now. */
        fixture_remove(f, "usr/bin/kvm");
        fixture_link(f, "usr/bin/kvm", "/opt/qemu");
        area = emulator_facts_get(&facts, &f->root, "/usr/bin/kvm");
        assert_int_equal(area->generation, GENERATION_PER_AREA);
        assert_ptr_equal(emulator_facts_by_name(&facts, "/usr/bin/kvm"), area);
        area = emulator_facts_get(&facts, &f->root, "/usr/bin/kvm-spice");
        assert_ptr_equal(emulator_facts_by_name(&facts, "/usr/bin/kvm-spice"), area);
        assert_int_equal(emulator_facts_by_name(&facts, "/" QEMU)->generation, GENERATION_NONE);
        fixture_remove(f, "usr/bin/kvm");
        assert_null(emulator_facts_get(&facts, &f->root, "/usr/bin/kvm-spice"));
        assert_null(emulator_facts_by_name(&facts, "/usr/bin/kvm-spice"));

        /* What processes still run is not what a guest is started with. */
        facts.emulators[0].replaced = true;
        assert_null(emulator_facts_by_name(&facts, "/" QEMU));
        emulator_facts_done(&facts);
}

static void test_wrapper_text(void **state)
{
        static const struct {
                const char *text, *program;
                int r;
        } cases[] = {
                { "#!/bin/sh\nexec /usr/bin/qemu \"$@\"\n", "/usr/bin/qemu", 0 },
                { "#! /bin/sh -e\n\n# why\n  exec \"/usr/bin/qemu\" -enable-kvm '-cpu' host \"$@\"",
                  "/usr/bin/qemu", 0 },
                { "#!/usr/bin/env bash\nexec /opt/a_b-c+1/qemu \"$@\"  \n", "/opt/a_b-c+1/qemu", 0 },
                { "", NULL, -ENOEXEC },
                { "#", NULL, -ENOEXEC },
                { "\x7f"
                  "ELF",
                  NULL, -ENOEXEC },
                { "exec /usr/bin/qemu \"$@\"\n", NULL, -ENOEXEC },
                { "#!", NULL, -EINVAL },
                { "#!/bin/sh", NULL, -EINVAL },
                { "#!/bin/sh\n", NULL, -EINVAL },
                { "#!/bin/sh -c true\nexec /usr/bin/qemu \"$@\"\n", NULL, -EINVAL },
                { "#!/usr/bin/python3\nexec /usr/bin/qemu \"$@\"\n", NULL, -EINVAL },
                { "#!/usr/bin/env LD_PRELOAD=x sh\nexec /usr/bin/qemu \"$@\"\n", NULL, -EINVAL },
                { "#!/bin/sh\n/usr/bin/qemu \"$@\"\n", NULL, -EINVAL },
                /* Debian's /usr/bin/kvm */
                { "#! /bin/sh\nexec qemu-system-x86_64 -enable-kvm \"$@\"", "qemu-system-x86_64", 0 },
                { "#!/bin/sh\nexec bin/qemu \"$@\"\n", NULL, -EINVAL },
                { "#!/bin/sh\nexec -x \"$@\"\n", NULL, -EINVAL },
                { "#!/bin/sh\nexec \"\" \"$@\"\n", NULL, -EINVAL },
                /* NixOS */
                { "#! /nix/store/0c-bash/bin/bash -e\nexec -a \"$0\" \"/nix/store/1d-qemu/bin/.qemu\"  "
                  "\"$@\"\n",
                  "/nix/store/1d-qemu/bin/.qemu", 0 },
                { "#!/bin/sh\nexec -a qemu /usr/bin/qemu \"$@\"\n", "/usr/bin/qemu", 0 },
                { "#!/bin/sh\nexec -a \"$X\" /usr/bin/qemu \"$@\"\n", NULL, -EINVAL },
                { "#!/bin/sh\nexec -a\n", NULL, -EINVAL },
                { "#!/nix/store/0c-bash/bin/bash -c\nexec /usr/bin/qemu \"$@\"\n", NULL, -EINVAL },
                { "#!/nix/store/0c-python/bin/python3\nexec /usr/bin/qemu \"$@\"\n", NULL, -EINVAL },
                { "#!/nix/store/bash\nexec /usr/bin/qemu \"$@\"\n", NULL, -EINVAL },
                { "#!/nix/store//bin/sh\nexec /usr/bin/qemu \"$@\"\n", NULL, -EINVAL },
                { "#!/bin/sh\nexec /usr/bin/qemu\n", NULL, -EINVAL },
                { "#!/bin/sh\nexec /usr/bin/qemu $@\n", NULL, -EINVAL },
                { "#!/bin/sh\nexec /usr/bin/qemu '$@'\n", NULL, -EINVAL },
                { "#!/bin/sh\nexec /usr/bin/qemu \"$@\" -S\n", NULL, -EINVAL },
                { "#!/bin/sh\nexec /usr/bin/qemu \"$@\"; rm x\n", NULL, -EINVAL },
                { "#!/bin/sh\nexec /usr/bin/$X \"$@\"\n", NULL, -EINVAL },
                { "#!/bin/sh\nexec \"/usr/bin/$X\" \"$@\"\n", NULL, -EINVAL },
                { "#!/bin/sh\nexec /usr/bin/qemu `id` \"$@\"\n", NULL, -EINVAL },
                { "#!/bin/sh\nexec /usr/bin/qemu \"$X\" \"$@\"\n", NULL, -EINVAL },
                { "#!/bin/sh\nexec \"/usr/bin/qemu \"$@\"\n", NULL, -EINVAL },
                { "#!/bin/sh\nexec '/usr/bin/qemu", NULL, -EINVAL },
                { "#!/bin/sh\nexec /usr/bin/a\"b\" \"$@\"\n", NULL, -EINVAL },
                { "#!/bin/sh\nexport LD_PRELOAD=x\nexec /usr/bin/qemu \"$@\"\n", NULL, -EINVAL },
                { "#!/bin/sh\nLD_PRELOAD=x exec /usr/bin/qemu \"$@\"\n", NULL, -EINVAL },
                { "#!/bin/sh\nexec env /usr/bin/qemu \"$@\"\n", NULL, -EINVAL },
                { "#!/bin/sh\nexec /usr/bin/qemu \"$@\"\nexec /usr/bin/qemu \"$@\"\n", NULL, -EINVAL },
                { "#!/bin/sh\nexec /usr/bin/qemu \\\n \"$@\"\n", NULL, -EINVAL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *copy = NULL, *program = NULL;
                size_t size = strlen(cases[i].text);
                int r;

                copy = malloc(size + !size); /* without a NUL, for what watches over memory */
                memcpy(copy, cases[i].text, size);
                r = emulator_wrapper_parse(copy, size, &program);
                if (r != cases[i].r)
                        fail_msg("%s: %d", cases[i].text, r);
                if (r >= 0)
                        assert_string_equal(program, cases[i].program);
                else
                        assert_null(program);
        }
}

static void expect_unknown(struct fixture *f, const char *why)
{
        struct emulator e;

        assert_ok(emulator_read(&e, &f->root, "/" QEMU));
        assert_int_equal(e.generation, GENERATION_UNKNOWN);
        assert_int_equal(e.source, SOURCE_NONE);
        assert_non_null(e.why);
        assert_string_equal(e.why, why);
        emulator_done(&e);
}

#define WRAPPER "#!/bin/sh\nexec /opt/qemu \"$@\"\n"

static void test_wrapper(void **state)
{
        struct fixture *f = *state;
        struct emulator_facts facts;
        const struct emulator *e;
        struct emulator one;

        fixture_write(f, QEMU, WRAPPER);
        expect_unknown(f, "the program that the wrapper script starts is not there");
        fixture_write(f, "opt/qemu", WRAPPER);
        expect_unknown(f, "a wrapper script that starts another one");
        fixture_write(f, "opt/qemu", "text");
        expect_unknown(f, "not a program (ELF file)");
        fixture_copy(f, "opt/qemu", sample("hidden"));
        expect_unknown(f, "the binary exports no vfio_region_mmap()");

        fixture_copy(f, "opt/qemu", sample("area"));
        assert_ok(emulator_facts_read(&facts, &f->root));
        e = emulator_facts_get(&facts, &f->root, "/" QEMU);
        assert_int_equal(e->generation, GENERATION_PER_AREA);
        assert_null(e->why);
        assert_string_equal(e->path, "/" QEMU);
        assert_string_equal(e->target, "/opt/qemu");
        /* An upgrade of the real program, which the wrapper's own times do not show */
        fixture_remove(f, "opt/qemu");
        fixture_copy(f, "opt/qemu", sample("region"));
        assert_int_equal(emulator_facts_get(&facts, &f->root, "/" QEMU)->generation, GENERATION_PER_REGION);
        emulator_facts_done(&facts);

        /* A name alone is looked up where services look: the first place counts. */
        fixture_write(f, QEMU, "#!/bin/sh\nexec qemu-real -enable-kvm \"$@\"\n");
        expect_unknown(f, "the program that the wrapper script starts is not there");
        fixture_copy(f, "usr/bin/qemu-real", sample("area"));
        fixture_copy(f, "opt/qemu-real", sample("region"));
        assert_ok(emulator_read(&one, &f->root, "/" QEMU));
        assert_int_equal(one.generation, GENERATION_PER_AREA);
        assert_string_equal(one.target, "/usr/bin/qemu-real");
        emulator_done(&one);
        fixture_copy(f, "usr/local/bin/qemu-real", sample("region"));
        assert_ok(emulator_read(&one, &f->root, "/" QEMU));
        assert_string_equal(one.target, "/usr/local/bin/qemu-real");
        emulator_done(&one);

        fixture_write(f, QEMU, "#!/bin/sh\nx=/opt/qemu\nexec $x \"$@\"\n");
        expect_unknown(f, "a script that does more than to start a program");
        fixture_remove(f, QEMU);
        fixture_write(f, QEMU "/file", "");
        expect_unknown(f, "not a regular file");
}

/* A host without the binaries tells what they were. */
static void test_recorded(void **state)
{
        struct fixture *f = *state;
        struct emulator_facts facts;
        const struct emulator *e;

        fixture_write(f, "vfioalign/answers",
                      "emulator /" QEMU "\tper-area elf 0123abcd \n"
                      "emulator /usr/bin/kvm\tsame /" QEMU "\n"
                      "emulator /usr/bin/qemu-kvm\twrapper /opt/qemu\n"
                      "emulator /opt/qemu\tnone elf - \n"
                      "emulator /usr/bin/qemu-system-aarch64\tunknown none ff "
                      "the binary exports no vfio_region_mmap()\n"
                      "emulator /usr/libexec/qemu-kvm\tper-galaxy elf zz\n");
        assert_ok(emulator_facts_read(&facts, &f->root));
        assert_int_equal(facts.n_emulators, 4);
        e = emulator_facts_get(&facts, &f->root, "/usr/bin/kvm");
        assert_string_equal(e->path, "/" QEMU);
        assert_ptr_equal(emulator_facts_by_name(&facts, "/usr/bin/kvm"), e);
        assert_int_equal(e->generation, GENERATION_PER_AREA);
        assert_int_equal(e->source, SOURCE_ELF);
        assert_string_equal(e->build_id, "0123abcd");
        assert_null(e->why);
        e = emulator_facts_get(&facts, &f->root, "/usr/bin/qemu-kvm");
        assert_int_equal(e->generation, GENERATION_NONE);
        assert_string_equal(e->target, "/opt/qemu");
        assert_null(e->build_id);
        e = emulator_facts_get(&facts, &f->root, "/usr/bin/qemu-system-aarch64");
        assert_int_equal(e->generation, GENERATION_UNKNOWN);
        assert_string_equal(e->why, "the binary exports no vfio_region_mmap()");
        e = emulator_facts_get(&facts, &f->root, "/usr/libexec/qemu-kvm");
        assert_int_equal(e->generation, GENERATION_UNKNOWN);
        assert_string_equal(e->why, "the recorded host does not tell");
        assert_null(e->build_id);
        assert_null(emulator_facts_get(&facts, &f->root, "/opt/other"));
        assert_int_equal(facts.n_emulators, 4);
        emulator_facts_done(&facts);
}

/* A domain's emulator on a file system that does not answer: it is there, for all that anybody knows, and
 * nothing of it is known. */
static void test_stalled(void **state)
{
        struct fixture *f = *state;
        struct emulator_facts facts;
        const struct emulator *e;
        uint64_t start;

        fixture_stall(f, "srv");
        fixture_copy(f, QEMU, sample("area"));
        fixture_write(f, "usr/bin/kvm", "#!/bin/sh\nexec /srv/qemu \"$@\"\n");
        f->root.live = true;
        start = clock_usec(CLOCK_MONOTONIC);
        assert_ok(emulator_facts_read(&facts, &f->root));
        e = emulator_facts_get(&facts, &f->root, "/srv/qemu");
        assert_non_null(e);
        assert_int_equal(e->generation, GENERATION_UNKNOWN);
        assert_string_equal(e->why, "the file system that it is on does not answer");
        /* nor of what starts it */
        e = emulator_facts_by_name(&facts, "/usr/bin/kvm");
        assert_non_null(e);
        assert_string_equal(e->why, "the file system that it is on does not answer");
        assert_int_equal(emulator_facts_by_name(&facts, "/" QEMU)->generation, GENERATION_PER_AREA);
        assert_true(clock_usec(CLOCK_MONOTONIC) - start < test_slower() * 10 * USEC_PER_SEC);
        emulator_facts_done(&facts);
}

int main(int argc, char *argv[])
{
#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_other_programs),
                cmocka_unit_test(test_advice),
                cmocka_unit_test(test_hosts),
                FIXTURE_TEST(test_list),
                FIXTURE_TEST(test_names),
                cmocka_unit_test(test_wrapper_text),
                FIXTURE_TEST(test_wrapper),
                FIXTURE_TEST(test_recorded),
                FIXTURE_TEST(test_stalled),
        };

        if (argc != 2)
                return 77;
        sample_dir = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
