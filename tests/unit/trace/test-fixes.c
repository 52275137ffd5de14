/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trace/fixes.h"

#include "fixture.h"
#include "sample-events.h"
#include "sample-host.h"
#include "test.h"
#include "trace/report.h"

static struct trace_account account;
static struct mapping mapping;
static struct mapping_process process;

/* A process that runs and has mapped its BAR twice, with the faults in the first; and the host that it runs
 * on. */
static struct host begin_start(struct fixture *f, uint64_t faults)
{
        struct host h = new_host(&f->root);
        struct trace_process *p;
        struct trace_event events[] = {
                sample_region(1, SAMPLE_BAR, GIB(2), SAMPLE_REGION(1, 0)),
                sample_map(10, 2000, SAMPLE_BAR, GIB(2), faults),
                sample_map(2010, 10, SAMPLE_BAR, GIB(2), 0),
        };

        trace_account_done(&account);
        account = (struct trace_account){ .page_size = KIB(4) };
        for (size_t i = 0; i < ELEMENTSOF(events); i++)
                assert_ok(trace_account_add(&account, &events[i], &p));
        mapping = (struct mapping){
                .pid = SAMPLE_PID, .start = SAMPLE_BAR, .size = GIB(2), .bdf = SAMPLE_DEVICE, .region = 1
        };
        process = (struct mapping_process){ .pid = SAMPLE_PID, .thp = YES };
        h.mappings.mappings = &mapping;
        h.mappings.processes = &process;
        h.mappings.n_mappings = h.mappings.n_processes = 1;
        return h;
}

static const struct trace_bar *bar_with_fixes(const struct host *h)
{
        trace_fixes_add(&account, h);
        return &account.processes[0].bars[0];
}

static void assert_says(const char *words)
{
        json_object *verdict = trace_verdict(&account, &account.processes[0]);

        assert_non_null(
                strstr(json_object_to_json_string_ext(verdict, JSON_C_TO_STRING_NOSLASHESCAPE), words));
        json_object_put(verdict);
}

static void test_helps(void **state)
{
        struct host h = begin_start(*state, 524288);
        const struct trace_bar *bar;
        struct trace_estimate e;

        assert_true(trace_wants_fixes(&account));
        bar = bar_with_fixes(&h);
        assert_int_equal(bar->n_fixes, 2);
        assert_string_equal(bar->fixes[0].name, "module");
        assert_string_equal(bar->fixes[1].name, "preload");
        assert_int_equal(bar->fixes[0].page_size, GIB(1));
        assert_int_equal(bar->fixes[0].faults, 2);
        /* two faults of 2 s / 524,288, and the second call as it was */
        assert_true(trace_bar_estimate(bar, &bar->fixes[0], &e));
        assert_int_equal((uint64_t) e.ns, 10 * SAMPLE_MS + 7629);
        assert_int_equal((uint64_t) e.least_ns, 10 * SAMPLE_MS + 7629);
        assert_int_equal((uint64_t) e.most_ns, 10 * SAMPLE_MS + 7629);
}

/* The calls took 3.8, 1.9 and 5.7 us a fault; one with few faults says nothing of them. */
static void test_spread(void **state)
{
        struct trace_event events[] = {
                sample_map(3000, 1000, SAMPLE_BAR, GIB(2), 524288),
                sample_map(4000, 3000, SAMPLE_BAR, GIB(2), 524288),
                sample_map(7000, 10, SAMPLE_BAR, GIB(2), 63),
        };
        struct host h = begin_start(*state, 524288);
        struct trace_estimate e;
        const struct trace_bar *bar;
        struct trace_process *p;

        for (size_t i = 0; i < ELEMENTSOF(events); i++)
                assert_ok(trace_account_add(&account, &events[i], &p));
        bar = bar_with_fixes(&h);
        assert_true(trace_bar_estimate(bar, &bar->fixes[0], &e));
        assert_int_equal((uint64_t) e.ns, 10 * SAMPLE_MS + 30567);
        assert_int_equal((uint64_t) e.least_ns, 10 * SAMPLE_MS + 15258);
        assert_int_equal((uint64_t) e.most_ns, 10 * SAMPLE_MS + 45776);
        assert_says(
                "With the module vfio_align that would have been 8 faults and 0.010 s (0.010 s to 0.010 s), "
                "as a fault took 1.91 to 5.72 us here.");
        assert_says("With the preload library that would have been 8 faults");
}

/* Nothing is said where nothing is known. */
static void test_silent(void **state)
{
        struct host h = begin_start(*state, 0);
        struct trace_event exit = sample_event(TRACE_EXIT, 5000, 0, "");
        struct trace_process *p;

        assert_false(trace_wants_fixes(&account)); /* it had its pages before */
        assert_int_equal(bar_with_fixes(&h)->n_fixes, 0);

        h = begin_start(*state, 2); /* it has the largest pages */
        assert_false(trace_wants_fixes(&account));
        assert_int_equal(bar_with_fixes(&h)->n_fixes, 0);

        h = begin_start(*state, 524288);
        h.kernel.pin_by_leaf.value = FACT_NO; /* 524,288 steps remain */
        assert_int_equal(bar_with_fixes(&h)->n_fixes, 0);

        h = begin_start(*state, 524288);
        mapping.start += KIB(4);
        assert_int_equal(bar_with_fixes(&h)->n_fixes, 0);

        h = begin_start(*state, 524288);
        mapping.pid++;
        assert_int_equal(bar_with_fixes(&h)->n_fixes, 0);

        h = begin_start(*state, 524288);
        assert_ok(trace_account_add(&account, &exit, &p));
        assert_false(trace_wants_fixes(&account));
        assert_int_equal(bar_with_fixes(&h)->n_fixes, 0);
}

/* Where only two of them together help. */
static void test_together(void **state)
{
        struct emulator emulator = { .generation = GENERATION_NONE, .path = (char *) "/usr/bin/qemu" };
        struct emulator_process runs = { .pid = SAMPLE_PID };
        struct host h = begin_start(*state, 524288);

        h.emulators.emulators = &emulator;
        h.emulators.processes = &runs;
        h.emulators.n_emulators = h.emulators.n_processes = 1;
        h.kernel.thp = THP_NEVER;
        h.kernel.thp_exempt.value = FACT_NO;
        assert_int_equal(bar_with_fixes(&h)->n_fixes, 1);
        assert_string_equal(account.processes[0].bars[0].fixes[0].name, "module+thp");
        assert_int_equal(account.processes[0].bars[0].fixes[0].page_size, GIB(1));
}

static int teardown(void **state)
{
        trace_account_done(&account);
        return fixture_teardown(state);
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, teardown)
        const struct CMUnitTest tests[] = {
                ONE(test_helps),
                ONE(test_spread),
                ONE(test_silent),
                ONE(test_together),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
