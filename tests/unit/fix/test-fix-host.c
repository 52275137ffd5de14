/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#include "fix/fix-module.h"
#include "fix/fix-record.h"
#include "fix/fix-thp.h"
#include "fixture.h"
#include "test.h"
#include "util/file.h"
#include "util/switch.h"

#define SETTING "sys/kernel/mm/transparent_hugepage/enabled"
#define RECORD "run/vfioalign/fix/thp"

static struct host host_with(struct fixture *f, enum thp_mode thp)
{
        return (struct host){ .root = &f->root, .kernel = { .thp = thp, .thp_exempt.value = FACT_NO } };
}

static void assert_file(struct fixture *f, const char *path, const char *text)
{
        _cleanup_free_ char *found = NULL;

        if (!text) {
                assert_false(exists_at(f->root.fd, path));
                return;
        }
        assert_ok(read_line_at(f->root.fd, path, &found));
        assert_string_equal(found, text);
}

/* Runs it, and checks how many steps it had and whether it was refused. */
static void run(int (*fix)(const struct host *, enum fix_action, bool, struct fix_plan *),
                const struct host *h, enum fix_action action, bool dry_run, size_t steps, bool refused)
{
        _cleanup_(fix_plan_done) struct fix_plan plan = {};

        assert_ok(fix(h, action, dry_run, &plan));
        assert_int_equal(plan.n_steps, steps);
        assert_int_equal(plan.refusal != NULL, refused);
        assert_true(steps > 0 || refused || plan.note);
}

static void test_thp(void **state)
{
        struct fixture *f = *state;
        struct host h = host_with(f, THP_MADVISE);

        fixture_write(f, SETTING, "\n"); /* a plain file: what is written stands there as it is */
        fixture_write(f, "run/lock", "");
        assert_int_equal(fix_thp_state(&h), FIX_ABSENT);

        run(fix_thp, &h, FIX_APPLY, true, 1, false);
        assert_file(f, SETTING, "");
        assert_file(f, RECORD, NULL);

        run(fix_thp, &h, FIX_APPLY, false, 1, false);
        assert_file(f, SETTING, "always");
        assert_file(f, RECORD, "madvise");
        assert_int_equal(fix_thp_state(&h),
                         FIX_PARTIAL); /* by these facts: as if cut off between the two writes */
        run(fix_thp, &h, FIX_APPLY, false, 1, false);
        assert_file(f, RECORD, "madvise");

        h.kernel.thp = THP_ALWAYS;
        assert_int_equal(fix_thp_state(&h), FIX_APPLIED);
        run(fix_thp, &h, FIX_APPLY, false, 0, false);

        run(fix_thp, &h, FIX_REVERT, true, 1, false);
        assert_file(f, SETTING, "always");
        assert_false(fix_is_held_off(&f->root, FIX_THP));
        run(fix_thp, &h, FIX_REVERT, false, 1, false);
        assert_file(f, SETTING, "madvise");
        assert_file(f, RECORD, NULL);
        assert_true(fix_is_held_off(&f->root, FIX_THP));
        h.kernel.thp = THP_MADVISE;
        assert_int_equal(fix_thp_state(&h), FIX_ABSENT);
        run(fix_thp, &h, FIX_REVERT, false, 0, false);

        /* Not while all is switched off; then whoever asks for it has it again. */
        fixture_write(f, "run/vfioalign/off", "");
        run(fix_thp, &h, FIX_APPLY, false, 0, true);
        assert_true(fix_is_held_off(&f->root, FIX_THP));
        unlinkat(f->root.fd, "run/vfioalign/off", 0);
        run(fix_thp, &h, FIX_APPLY, false, 1, false);
        assert_false(fix_is_held_off(&f->root, FIX_THP));
}

/* What somebody else has set since is theirs; what needs nothing, or cannot be seen, is not touched. */
static void test_thp_not_ours(void **state)
{
        struct fixture *f = *state;
        struct host h = host_with(f, THP_NEVER);

        fixture_write(f, SETTING, "always madvise [never]\n");
        fixture_write(f, RECORD, "madvise\n");
        run(fix_thp, &h, FIX_REVERT, false, 0, false);
        assert_file(f, SETTING, "always madvise [never]");
        assert_file(f, RECORD, NULL);

        h.kernel.thp_exempt.value = FACT_YES;
        run(fix_thp, &h, FIX_APPLY, false, 0, false);
        h.kernel.thp = THP_UNKNOWN;
        run(fix_thp, &h, FIX_APPLY, false, 0, true);
        h.kernel.thp = THP_ALWAYS;
        run(fix_thp, &h, FIX_APPLY, false, 0, false);
        run(fix_thp, &h, FIX_REVERT, false, 0, false);
        assert_file(f, SETTING, "always madvise [never]");
}

static void test_module_refused(void **state)
{
        struct fixture *f = *state;
        struct host h = { .root = &f->root };

        h.kernel.huge_pmd.value = FACT_NO;
        run(fix_module, &h, FIX_APPLY, false, 0, true);
        h.kernel.huge_pmd.value = FACT_YES;
        h.module.installed.value = FACT_NO;
        run(fix_module, &h, FIX_APPLY, false, 0, true);
        h.module.installed.value = FACT_YES;
        h.module.loadable = (struct fact){ .value = FACT_NO, .why = "panic_on_taint=" };
        run(fix_module, &h, FIX_APPLY, false, 0, true);
        h.module.loadable.value = FACT_YES;
        fixture_write(f, "run/vfioalign/off", "");
        run(fix_module, &h, FIX_APPLY, false, 0, true);
        fixture_remove(f, "run/vfioalign/off");
        run(fix_module, &h, FIX_APPLY, true, 1, false);
}

/* Switched off by its parameter: switched on again, and read back. */
static void test_module_enable(void **state)
{
        _cleanup_(fix_plan_done) struct fix_plan plan = {};
        struct fixture *f = *state;
        struct host h = { .root = &f->root };

        h.kernel.huge_pmd.value = FACT_YES;
        h.module.installed.value = h.module.loadable.value = h.module.loaded.value = FACT_YES;
        h.module.enabled.value = FACT_NO;
        assert_int_equal(fix_module_state(&h), FIX_PARTIAL);
        fixture_write(f, "run/vfioalign/fix/module-off", "");
        fixture_write(f, "sys/module/vfio_align/parameters/enabled", "N\n");
        assert_true(fix_is_held_off(&f->root, FIX_MODULE));

        /* The parameter is a plain file here, and says "1" afterwards, which is not how a kernel says yes.
         */
        assert_int_equal(fix_module(&h, FIX_APPLY, false, &plan), -EIO);
        assert_int_equal(plan.n_steps, 1);
        assert_non_null(plan.refusal);
        assert_file(f, "sys/module/vfio_align/parameters/enabled", "1");
        assert_false(fix_is_held_off(&f->root, FIX_MODULE));
}

static void test_module_state(void **state)
{
        struct fixture *f = *state;
        struct host h = { .root = &f->root };

        assert_int_equal(fix_module_state(&h), FIX_UNKNOWN);
        h.module.loaded.value = FACT_NO;
        assert_int_equal(fix_module_state(&h), FIX_ABSENT);
        run(fix_module, &h, FIX_REVERT, false, 0, false);
        h.module.loaded.value = h.module.enabled.value = FACT_YES;
        assert_int_equal(fix_module_state(&h), FIX_APPLIED);
        run(fix_module, &h, FIX_APPLY, false, 0, false);
        run(fix_module, &h, FIX_REVERT, true, 1, false);
        h.module.alive.value = FACT_NO;
        assert_int_equal(fix_module_state(&h), FIX_PARTIAL);
}

/* A load that is under way when it is to be undone: what comes of it is unloaded. */
static void test_module_revert_while_it_loads(void **state)
{
        _cleanup_(fix_plan_done) struct fix_plan plan = {};
        _cleanup_free_ char *search = NULL;
        struct fixture *f = *state;
        struct host h = { .root = &f->root, .module.loaded.value = FACT_NO };
        int lock, status;
        pid_t loader;

        fixture_write(f, "run/lock", "");
        fixture_write(f, "run/vfioalign/x", "");
        fixture_write(f, "bin/modprobe", "#!/bin/sh\necho \"$*\" >\"$(dirname \"$0\")/said\"\n");
        assert_return_code(fchmodat(f->root.fd, "bin/modprobe", 0755, 0), errno);
        assert_true(asprintf(&search, "%s/bin:%s", f->dir, getenv("PATH")) > 0);
        assert_return_code(setenv("PATH", search, 1), errno);
        lock = switch_lock(&f->root, 0);
        assert_true(lock >= 0);
        loader = fork();
        if (loader == 0) {
                usleep(300000);
                fixture_write(f, "sys/module/vfio_align/parameters/enabled", "Y\n");
                switch_unlock(&lock);
                _exit(0);
        }
        close(lock); /* the child's descriptor keeps it locked */
        assert_ok(fix_module(&h, FIX_REVERT, false, &plan));
        assert_int_equal(waitpid(loader, &status, 0), loader);
        assert_int_equal(plan.n_steps, 1);
        assert_file(f, "bin/said", "-r vfio_align");
        assert_true(fix_is_held_off(&f->root, FIX_MODULE));
}

static void test_plan(void **state)
{
        struct fix_plan p = {};

        (void) state;
        assert_ok(fix_plan_step(&p, "%s", "one"));
        assert_ok(fix_plan_step(&p, "two"));
        assert_int_equal(p.n_steps, 2);
        assert_string_equal(p.steps[1], "two");
        assert_ok(fix_plan_note(&p, "a"));
        assert_ok(fix_plan_note(&p, "%d", 5));
        assert_string_equal(p.note, "a; 5");
        assert_ok(fix_plan_refuse(&p, "no"));
        assert_string_equal(p.refusal, "no");
        fix_plan_done(&p);
        assert_int_equal(p.n_steps, 0);
}

int main(void)
{
#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(test_thp),
                FIXTURE_TEST(test_thp_not_ours),
                FIXTURE_TEST(test_module_refused),
                FIXTURE_TEST(test_module_enable),
                FIXTURE_TEST(test_module_state),
                FIXTURE_TEST(test_module_revert_while_it_loads),
                cmocka_unit_test(test_plan),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
