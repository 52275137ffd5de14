/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/emulator/emulator-probe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/placement.h"
#include "fixture.h"
#include "test.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/macro.h"

/* Arguments: the fake emulator, the library, and perhaps a real emulator */
static const char *emulator, *library, *qemu;

/* A directory that nobody can read too: the probe drops its privilege. */
struct place {
        struct fixture *fixture;
        struct root live;
        char library[4096], path[4096];
};

static void place_make(struct place *p, void **state, const char *way)
{
        char name[64];

        p->fixture = *state;
        assert_int_equal(fchmodat(AT_FDCWD, p->fixture->dir, 0755, 0), 0);
        assert_ok(root_open(&p->live, NULL));
        snprintf(name, sizeof(name), "qemu-%s", way);
        fixture_copy(p->fixture, name, emulator);
        fixture_copy(p->fixture, "fake.so", library);
        snprintf(p->path, sizeof(p->path), "%s", fixture_path(p->fixture, name));
        snprintf(p->library, sizeof(p->library), "%s", fixture_path(p->fixture, "fake.so"));
}

static const struct probe_bar bars[] = {
        { .size = GIB(3) + KIB(64) }, /* no power of two: the last of its run */
        { .size = MIB(1) },
        { .size = GIB(2) },
        { .size = MIB(256), .areas = { { MIB(2), MIB(32) }, { MIB(128) + KIB(4), MIB(64) } }, .n_areas = 2 },
        { .size = GIB(128) },
};

static int probe(struct place *p, struct emulator *e, struct probe_result *results, const char **ret_why)
{
        *e = (struct emulator){ .path = p->path };
        return emulator_probe(e, &p->live, p->library, bars, ELEMENTSOF(bars), results, ret_why);
}

static void expect_area(const struct probe_seen *a, bool fixed, uint64_t alignment)
{
        assert_true(a->seen);
        assert_int_equal(a->fixed, fixed);
        if (fixed)
                assert_true(a->alignment >= alignment);
        else
                assert_int_equal(a->address, 0);
}

static void test_generations(void **state)
{
        static const struct {
                const char *way;
                enum emulator_generation generation;
                uint64_t alignment[ELEMENTSOF(bars) + 1]; /* the sparse BAR has two */
        } cases[] = {
                { "none", GENERATION_NONE, {} },
                { "per-area", GENERATION_PER_AREA, { KIB(64), MIB(1), GIB(1), MIB(2), KIB(4), GIB(1) } },
                { "per-region",
                  GENERATION_PER_REGION,
                  { GIB(1), MIB(1), GIB(1), MIB(256), MIB(256), GIB(1) } },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct probe_result results[ELEMENTSOF(bars)];
                const char *why = NULL;
                struct emulator e;
                struct place p;
                size_t k = 0;

                place_make(&p, state, cases[i].way);
                assert_int_equal(probe(&p, &e, results, &why), 1);
                assert_int_equal(e.generation, cases[i].generation);
                assert_int_equal(e.source, SOURCE_EMULATOR_PROBE);
                assert_false(e.contradicted);
                assert_null(why);
                for (size_t b = 0; b < ELEMENTSOF(bars); b++)
                        for (size_t a = 0; a < (bars[b].n_areas ?: 1); a++)
                                expect_area(&results[b].areas[a], i > 0, cases[i].alignment[k++]);
                assert_int_equal(k, ELEMENTSOF(bars) + 1);
                /* Exactly what the generation gives, no more: the worst of the areas of a per-area emulator
                 */
                if (cases[i].generation == GENERATION_PER_AREA)
                        assert_int_equal(results[3].areas[1].alignment, KIB(4));
                root_close(&p.live);
        }
}

static bool runs_now(const char *path)
{
        struct names names = {};
        bool found = false;

        assert_ok(list_dir_at(AT_FDCWD, "/proc", &names));
        for (size_t i = 0; i < names.n; i++) {
                char link[300], target[4096];
                ssize_t n;

                snprintf(link, sizeof(link), "/proc/%s/exe", names.names[i]);
                n = readlink(link, target, sizeof(target) - 1);
                target[n < 0 ? 0 : n] = '\0';
                found = found || streq(target, path);
        }
        names_done(&names);
        return found;
}

/* A process that was killed takes a moment to end. */
static bool runs(const char *path)
{
        uint64_t start = clock_usec(CLOCK_MONOTONIC);

        while (runs_now(path))
                if (clock_usec(CLOCK_MONOTONIC) - start > test_slower() * 5 * USEC_PER_SEC)
                        return true;
        return false;
}

/* No answer is unknown with a reason, never none. */
static void test_failures(void **state)
{
        static const struct {
                const char *way, *why;
        } cases[] = {
                { "refuse", "the emulator ended before it had mapped the probe's BARs" },
                { "crash-first", "the emulator crashed before it had mapped the probe's BARs" },
                { "hang", "the emulator did not map the probe's BARs in time" },
                { "linger", "the emulator did not map the probe's BARs in time" },
                { "odd-way", "the emulator places mappings in a way that is not known" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint64_t start = clock_usec(CLOCK_MONOTONIC);
                const char *why = NULL;
                struct emulator e;
                struct place p;

                place_make(&p, state, cases[i].way);
                assert_int_equal(probe(&p, &e, NULL, &why), 0);
                assert_int_equal(e.generation, GENERATION_UNKNOWN);
                assert_non_null(why);
                assert_string_equal(why, cases[i].why);
                assert_ptr_equal(e.why, why);
                assert_true(clock_usec(CLOCK_MONOTONIC) - start < test_slower() * 20 * USEC_PER_SEC);
                assert_false(runs(p.path));
                root_close(&p.live);
        }
}

/* What was seen before the crash counts, for what it is. */
static void test_partial(void **state)
{
        struct probe_result results[ELEMENTSOF(bars)];
        const char *why = NULL;
        struct emulator e;
        struct place p;

        place_make(&p, state, "crash-later");
        assert_int_equal(probe(&p, &e, results, &why), 1);
        assert_int_equal(e.generation, GENERATION_NONE);
        assert_false(results[0].areas[0].seen);
        assert_true(results[1].areas[0].seen); /* the first of its run */
        root_close(&p.live);
}

static void test_known(void **state)
{
        const char *why = NULL;
        struct place p;

        /* The code promised what the probe does not see. */
        place_make(&p, state, "none");
        struct emulator e = { .path = p.path, .generation = GENERATION_PER_AREA, .source = SOURCE_ELF };
        assert_int_equal(emulator_probe(&e, &p.live, p.library, NULL, 0, NULL, &why), 1);
        assert_int_equal(e.generation, GENERATION_NONE);
        assert_true(e.contradicted);
        root_close(&p.live);

        /* A refusal takes nothing back. */
        place_make(&p, state, "refuse");
        e = (struct emulator){ .path = p.path, .generation = GENERATION_PER_AREA, .source = SOURCE_ELF };
        assert_int_equal(emulator_probe(&e, &p.live, p.library, NULL, 0, NULL, &why), 0);
        assert_int_equal(e.generation, GENERATION_PER_AREA);
        assert_int_equal(e.source, SOURCE_ELF);
        assert_null(e.why);
        root_close(&p.live);
}

static void test_not_possible(void **state)
{
        const struct probe_bar small = { .size = 256 };
        const struct probe_bar outside = { .size = MIB(1), .areas = { { MIB(1), 4096 } }, .n_areas = 1 };
        struct fixture *f = *state;
        const char *why = NULL;
        struct place p;

        place_make(&p, state, "none");
        struct emulator e = { .path = p.path };
        assert_int_equal(emulator_probe(&e, &p.live, p.library, &small, 1, NULL, &why), -EINVAL);
        assert_int_equal(emulator_probe(&e, &p.live, p.library, &outside, 1, NULL, &why), -EINVAL);
        assert_int_equal(emulator_probe(&e, &p.live, "fake.so", NULL, 0, NULL, &why), -EINVAL);
        e.container = true;
        assert_int_equal(emulator_probe(&e, &p.live, p.library, NULL, 0, NULL, &why), -EOPNOTSUPP);
        e = (struct emulator){ .path = p.path, .replaced = true };
        assert_int_equal(emulator_probe(&e, &p.live, p.library, NULL, 0, NULL, &why), -EOPNOTSUPP);

        /* What others can change is not run by root. */
        e = (struct emulator){ .path = p.path, .changeable = true };
        if (geteuid() == 0)
                assert_int_equal(emulator_probe(&e, &p.live, p.library, NULL, 0, NULL, &why), -EPERM);

        /* Another VMM does not know what a QEMU is started with. */
        e = (struct emulator){ .path = p.path, .program = PROGRAM_CLOUD_HYPERVISOR };
        assert_int_equal(emulator_probe(&e, &p.live, p.library, NULL, 0, NULL, &why), 0);
        assert_string_equal(why, "it is not QEMU, and only that can be tried without a device");

        /* A library that is not there: the emulator finds no device. */
        e = (struct emulator){ .path = p.path };
        assert_int_equal(emulator_probe(&e, &p.live, "/nonexistent.so", NULL, 0, NULL, &why), 0);
        assert_int_equal(e.generation, GENERATION_UNKNOWN);
        /* Nor is the emulator */
        e = (struct emulator){ .path = (char *) "/nonexistent" };
        assert_int_equal(emulator_probe(&e, &p.live, p.library, NULL, 0, NULL, &why), 0);
        assert_string_equal(why, "the emulator cannot be started without privilege");

        /* Recorded: nothing is run. */
        e = (struct emulator){ .path = (char *) "/usr/bin/qemu" };
        assert_int_equal(emulator_probe(&e, &f->root, p.library, NULL, 0, NULL, &why), -EOPNOTSUPP);
        assert_int_equal(e.generation, GENERATION_UNKNOWN);
        root_close(&p.live);
}

static void test_recorded(void **state)
{
        struct fixture *f = *state;
        struct emulator e = { .path = (char *) "/usr/bin/qemu" },
                        other = { .path = (char *) "/usr/bin/other" };
        const char *why = NULL;

        fixture_write(f, "vfioalign/answers",
                      "emulator-probe /usr/bin/qemu\tper-region\n"
                      "emulator-probe /usr/bin/other\tthe emulator crashed before it had mapped the probe's "
                      "BARs\n");
        assert_int_equal(emulator_probe(&e, &f->root, "/fake.so", NULL, 0, NULL, &why), 1);
        assert_int_equal(e.generation, GENERATION_PER_REGION);
        assert_int_equal(emulator_probe(&other, &f->root, "/fake.so", NULL, 0, NULL, &why), 0);
        assert_int_equal(other.generation, GENERATION_UNKNOWN);
        assert_string_equal(other.why, "the emulator crashed before it had mapped the probe's BARs");
}

/* The real one agrees with what its code says. */
static void test_qemu(void **state)
{
        struct probe_result results[ELEMENTSOF(bars)];
        const char *why = NULL;
        struct emulator e;
        struct place p;

        if (!qemu)
                skip();
        place_make(&p, state, "none");
        assert_ok(emulator_read(&e, &p.live, qemu));
        if (emulator_probe(&e, &p.live, p.library, bars, ELEMENTSOF(bars), results, &why) != 1)
                fail_msg("%s: %s", qemu, why);
        assert_int_equal(e.source, SOURCE_EMULATOR_PROBE);
        assert_false(e.contradicted);
        for (size_t b = 0; b < ELEMENTSOF(bars); b++)
                for (size_t a = 0; a < (bars[b].n_areas ?: 1); a++)
                        expect_area(&results[b].areas[a], e.generation != GENERATION_NONE,
                                    emulator_placement(e.generation, bars[b].size, bars[b].areas[a].offset,
                                                       bars[b].areas[a].size ?: bars[b].size, 4096));
        print_message("%s: %s\n", qemu, emulator_generation_to_string(e.generation));
        emulator_done(&e);
        root_close(&p.live);
}

int main(int argc, char *argv[])
{
#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(test_generations), FIXTURE_TEST(test_failures),     FIXTURE_TEST(test_partial),
                FIXTURE_TEST(test_known),       FIXTURE_TEST(test_not_possible), FIXTURE_TEST(test_recorded),
                FIXTURE_TEST(test_qemu),
        };

        if (argc < 3)
                return 77;
        emulator = argv[1];
        library = argv[2];
        qemu = argc > 3 ? argv[3] : NULL;
        /* What the emulator must not see */
        setenv("SECRET", "of the caller", 1);
        for (int i = 0; i < 8; i++)
                if (open("/dev/null", O_RDONLY) < 0) /* and no O_CLOEXEC */
                        return 99;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
