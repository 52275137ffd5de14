/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trace/account.h"

#include <errno.h>
#include <string.h>

#include "sample-events.h"
#include "test.h"
#include "trace/report.h"
#include "util/macro.h"

static struct trace_account account;

static int begin_account(void **state)
{
        (void) state;
        account = (struct trace_account){ .page_size = KIB(4) };
        return 0;
}

static int end_account(void **state)
{
        (void) state;
        trace_account_done(&account);
        return 0;
}

static struct trace_process *add(struct trace_event e)
{
        struct trace_process *p;

        assert_ok(trace_account_add(&account, &e, &p));
        return p;
}

static const struct trace_process *add_sample(void)
{
        struct trace_event events[SAMPLE_EVENTS];
        size_t n = sample_start(events);

        assert_int_equal(n, SAMPLE_EVENTS);
        for (size_t i = 0; i < n; i++)
                add(events[i]);
        assert_int_equal(account.n_processes, 1);
        return &account.processes[0];
}

static void test_start(void **state)
{
        const struct trace_process *p = add_sample();

        (void) state;
        assert_string_equal(p->guest, "train-a");
        assert_string_equal(p->command, "qemu-system-x86");
        assert_true(p->ended);
        assert_int_equal(p->ram.calls, 2);
        assert_int_equal(p->ram.bytes, MIB(64) + KIB(128));
        assert_int_equal(p->ram.faults, 32);
        assert_int_equal(p->ram.ns, 660 * SAMPLE_MS);
        assert_int_equal(p->unmap.calls, 2);
        assert_int_equal(p->n_devices, 1);
        assert_string_equal(p->devices[0].name, SAMPLE_DEVICE);
        assert_int_equal(p->devices[0].opens, 1);
        assert_int_equal(p->devices[0].resets, 2);
        assert_int_equal(p->n_bars, 1);
        assert_int_equal(p->bars[0].region, 2);
        assert_int_equal(p->bars[0].offset, 0);
        assert_int_equal(p->bars[0].maps.calls, 1);
        assert_int_equal(p->bars[0].maps.faults, 524288);
        assert_int_equal(p->bars[0].page_size, KIB(4));
        assert_int_equal(trace_bar_largest_page(&account, &p->bars[0]), GIB(1));
        assert_int_equal(trace_bar_least_faults(&account, &p->bars[0]), 2);
}

/* They are the whole, each second once: a reset within the opening of its device is counted as a reset, and
 * what comes after the last mapping not at all. */
static void test_phases(void **state)
{
        struct trace_phases f = trace_phases_of(&account, add_sample());

        (void) state;
        assert_true(f.from_hook);
        assert_int_equal(f.begin, SAMPLE_START - 4 * SAMPLE_SECOND);
        assert_int_equal(f.end, SAMPLE_START + 15500 * SAMPLE_MS);
        assert_int_equal(f.hook, SAMPLE_SECOND);
        assert_int_equal(f.libvirt, 3 * SAMPLE_SECOND);
        assert_int_equal(f.open, 20 * SAMPLE_MS);
        assert_int_equal(f.reset, 80 * SAMPLE_MS);
        assert_int_equal(f.ram, 660 * SAMPLE_MS);
        assert_int_equal(f.bars, 3700 * SAMPLE_MS);
        assert_int_equal(f.unmap, 16 * SAMPLE_MS);
        assert_int_equal(f.other, (15500 - 20 - 80 - 660 - 3700 - 16) * SAMPLE_MS);
        assert_int_equal(f.hook + f.libvirt + f.open + f.reset + f.ram + f.bars + f.unmap + f.other,
                         f.end - f.begin);
}

/* Only the newest "prepare" of this very guest, and none that came later, begins its start. */
static void test_hooks(void **state)
{
        struct trace_event later = sample_hook(0, 5, "train-a", "prepare");
        struct trace_phases f;

        (void) state;
        later.time += SAMPLE_SECOND;
        add(sample_hook(60, 1, "train-a", "prepare"));
        add(sample_hook(9, 2, "train-a", "prepare"));
        add(sample_hook(8, 3, "train-b", "prepare"));
        add(sample_hook(7, 4, "train-a", "started"));
        add(later);
        add(sample_event(TRACE_OPEN, 1, 1, SAMPLE_DEVICE));
        f = trace_phases_of(&account, &account.processes[0]);
        assert_false(f.from_hook);
        assert_int_equal(f.begin, SAMPLE_START);
        add(sample_event(TRACE_GUEST, 2, 0, "train-a"));
        f = trace_phases_of(&account, &account.processes[0]);
        assert_true(f.from_hook);
        assert_int_equal(f.begin, SAMPLE_START - 9 * SAMPLE_SECOND);
}

static void test_hooks_bounded(void **state)
{
        (void) state;
        for (unsigned i = 0; i < TRACE_HOOKS_MAX + 3; i++)
                add(sample_hook(9, i + 1, "train-a", "prepare"));
        assert_int_equal(account.n_hooks, TRACE_HOOKS_MAX);
        assert_int_equal(account.hooks[0].pid, 4);
        assert_int_equal(account.hooks[TRACE_HOOKS_MAX - 1].pid, TRACE_HOOKS_MAX + 3);
}

static void test_pages(void **state)
{
        static const struct {
                uint64_t offset, size, faults, page, largest, least;
        } cases[] = {
                { 0, GIB(2), 2, GIB(1), GIB(1), 2 },
                { 0, GIB(2), 1024, MIB(2), GIB(1), 2 },
                { 0, GIB(2), 524288, KIB(4), GIB(1), 2 },
                { 0, MIB(256), 128, MIB(2), MIB(2), 128 },
                { 0, MIB(1), 256, KIB(4), KIB(4), 256 },
                { 0, KIB(4), 1, KIB(4), KIB(4), 1 },
                /* an area around one whole page of 1 GiB: 2 MiB, 1 GiB, 62 MiB */
                { MIB(1022), MIB(1088), 33, GIB(1), GIB(1), 1 + 1 + 31 },
                { MIB(1022), MIB(1088), 544, MIB(2), GIB(1), 33 },
                /* without its last page */
                { 0, MIB(2) - KIB(4), 511, KIB(4), KIB(4), 511 },
                { KIB(4), MIB(4) - KIB(4), 512, MIB(2), MIB(2), 1 + 511 },
                /* as large as a page of 2 MiB, and none fits */
                { KIB(4), MIB(2), 512, KIB(4), KIB(4), 512 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct trace_event e = sample_region(1, SAMPLE_BAR, cases[i].size,
                                                     SAMPLE_REGION(i % 6, cases[i].offset));
                const struct trace_bar *bar;

                e.pid = 10 + (uint32_t) i;
                add(e);
                e = sample_map(2, 3, SAMPLE_BAR, cases[i].size, cases[i].faults);
                e.pid = 10 + (uint32_t) i;
                bar = add(e)->bars;
                assert_int_equal(bar->region, i % 6);
                assert_int_equal(bar->offset, cases[i].offset);
                assert_int_equal(bar->page_size, cases[i].page);
                assert_int_equal(trace_bar_largest_page(&account, bar), cases[i].largest);
                assert_int_equal(trace_bar_least_faults(&account, bar), cases[i].least);
        }
}

/* Linux up to 6.11: one fault, and pages of 4 KiB. */
static void test_fills_at_once(void **state)
{
        const struct trace_process *p;

        (void) state;
        account.fills_at_once = true;
        add(sample_region(1, SAMPLE_BAR, GIB(1), SAMPLE_REGION(2, 0)));
        p = add(sample_map(2, 3, SAMPLE_BAR, GIB(1), 1));
        assert_int_equal(p->bars[0].page_size, KIB(4));
}

/* A BAR that is mapped again has its pages, and a call that fails maps nothing. */
static void test_again_and_failed(void **state)
{
        const struct trace_process *p;
        struct trace_event e;

        (void) state;
        add(sample_region(1, SAMPLE_BAR, GIB(2), SAMPLE_REGION(2, 0)));
        add(sample_map(2, 3, SAMPLE_BAR, GIB(2), 2));
        p = add(sample_map(20, 1, SAMPLE_BAR, GIB(2), 0));
        assert_int_equal(p->bars[0].maps.calls, 2);
        assert_int_equal(p->bars[0].maps.bytes, GIB(4));
        assert_int_equal(p->bars[0].page_size, GIB(1));
        e = sample_map(30, 9, SAMPLE_BAR, GIB(2), 7);
        e.result = -EINVAL;
        p = add(e);
        assert_int_equal(p->bars[0].maps.calls, 3);
        assert_int_equal(p->bars[0].maps.failed, 1);
        assert_int_equal(p->bars[0].maps.faults, 2);
        assert_int_equal(p->bars[0].page_size, GIB(1));
        /* beside it is RAM */
        p = add(sample_map(40, 1, SAMPLE_BAR + GIB(2), GIB(1), 0));
        assert_int_equal(p->ram.bytes, GIB(1));
        p = add(sample_map(40, 1, SAMPLE_BAR - KIB(4), KIB(4), 0));
        assert_int_equal(p->ram.calls, 2);
}

/* A region that gets another address is the same BAR; an address that another region took is of that. */
static void test_moved(void **state)
{
        const struct trace_process *p;

        (void) state;
        add(sample_region(1, SAMPLE_BAR, GIB(2), SAMPLE_REGION(2, 0)));
        add(sample_map(2, 3, SAMPLE_BAR, GIB(2), 2));
        add(sample_region(5, SAMPLE_BAR + GIB(8), GIB(2), SAMPLE_REGION(2, 0)));
        p = add(sample_map(6, 3, SAMPLE_BAR + GIB(8), GIB(2), 2));
        assert_int_equal(p->n_bars, 1);
        assert_int_equal(p->bars[0].maps.faults, 4);
        assert_null(trace_process_find_bar(p, SAMPLE_BAR));
        p = add(sample_region(7, SAMPLE_BAR + GIB(8), MIB(4), SAMPLE_REGION(0, 0)));
        assert_int_equal(trace_process_find_bar(p, SAMPLE_BAR + GIB(8))->region, 0);
}

/* iommufd maps a BAR as a dma-buf, by a descriptor of which only the device is known. */
static void test_dma_bufs(void **state)
{
        struct trace_event map = sample_map(4, 3, 0, GIB(2), 0), ram = sample_map(9, 1, 0, MIB(64), 0);
        const struct trace_process *p;
        json_object *verdict;

        (void) state;
        add(sample_region(1, SAMPLE_BAR, MIB(256), SAMPLE_REGION(0, 0)));
        add(sample_region(2, SAMPLE_BAR + GIB(4), GIB(2), SAMPLE_REGION(2, 0)));
        add(sample_region(3, SAMPLE_BAR + GIB(8), GIB(2), SAMPLE_REGION(4, 0)));
        map.kind = ram.kind = TRACE_MAP_FILE;
        strcpy(map.text, SAMPLE_DEVICE);
        for (unsigned i = 0; i < 2; i++) {
                map.time += i;
                p = add(map);
                assert_ptr_equal(trace_process_find_mapped(p, &map), &p->bars[1 + i]);
        }
        map.time++;
        map.size = MIB(1);
        p = add(map);
        p = add(ram);
        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(p->bars[i].maps.calls, 1);
        assert_int_equal(p->file.calls, 1);
        assert_int_equal(p->file.bytes, MIB(64));
        verdict = trace_verdict(&account, p);
        assert_non_null(strstr(json_object_to_json_string(verdict), "3 of them as dma-bufs, without a "));
        json_object_put(verdict);
        strcpy(map.text, "0000:ff:00.0");
        assert_int_equal(add(map)->file.calls, 2);
}

/* Two guests at once, and a pid that comes again. */
static void test_processes(void **state)
{
        struct trace_event e = sample_map(1, 2, 0x1000, KIB(4), 1);

        (void) state;
        add(e);
        e.pid++;
        add(e);
        e.faults = 5;
        assert_int_equal(add(e)->ram.faults, 6);
        assert_int_equal(account.n_processes, 2);
        assert_int_equal(account.processes[0].ram.faults, 1);
        e.kind = TRACE_EXIT;
        assert_true(add(e)->ended);
        assert_null(add(e));
        e.kind = TRACE_MAP;
        assert_int_equal(add(e)->ram.calls, 1);
        assert_int_equal(account.n_processes, 3);
}

static void test_bounds(void **state)
{
        struct trace_event e = sample_region(1, SAMPLE_BAR, KIB(4), SAMPLE_REGION(0, 0));
        const struct trace_process *p = NULL;

        (void) state;
        for (unsigned i = 0; i < TRACE_BARS_MAX + 5; i++) {
                e.offset = SAMPLE_REGION(0, i * KIB(4));
                p = add(e);
        }
        assert_int_equal(p->n_bars, TRACE_BARS_MAX);
        assert_int_equal(p->n_omitted, 5);
        for (unsigned i = 0; i < TRACE_PROCESSES_MAX; i++) {
                e.pid++;
                add(e);
        }
        assert_int_equal(account.n_processes, TRACE_PROCESSES_MAX);
        assert_int_equal(account.n_omitted, 1);
        assert_false(trace_process_is_vmm(&account.processes[0]));
}

static void test_spans_bounded(void **state)
{
        const struct trace_process *p = NULL;

        (void) state;
        for (unsigned i = 0; i < TRACE_SPANS_MAX + 2; i++)
                p = add(sample_map(i, 1, 0x1000, KIB(4), 1));
        assert_int_equal(p->n_spans, TRACE_SPANS_MAX);
        assert_int_equal(p->n_omitted, 2);
        assert_int_equal(p->ram.calls, TRACE_SPANS_MAX + 2);
}

/* What is wrong is refused, and a text that no NUL ends is cut. */
static void test_bad_events(void **state)
{
        struct trace_event e = sample_event(TRACE_OPEN, 1, 1, "");
        struct trace_process *p;

        (void) state;
        e.kind = 0;
        assert_int_equal(trace_account_add(&account, &e, &p), -EBADMSG);
        e.kind = _TRACE_KIND_MAX;
        assert_int_equal(trace_account_add(&account, &e, &p), -EBADMSG);
        assert_int_equal(account.n_processes, 0);
        e.kind = TRACE_OPEN;
        memset(e.text, 'x', sizeof(e.text));
        memset(e.command, 'y', sizeof(e.command));
        p = add(e);
        assert_int_equal(strlen(p->devices[0].name), TRACE_TEXT_MAX - 1);
        assert_int_equal(strlen(p->command), TRACE_COMMAND_MAX);
        memcpy(e.text, "\xc3\xa4 \x1b", 5);
        assert_string_equal(add(e)->devices[1].name, "?? ?");
        e.kind = TRACE_HOOK;
        add(e);
        assert_string_equal(account.hooks[0].guest, "");
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, begin_account, end_account)
        const struct CMUnitTest tests[] = {
                ONE(test_start),         ONE(test_phases),        ONE(test_hooks),
                ONE(test_pages),         ONE(test_fills_at_once), ONE(test_again_and_failed),
                ONE(test_moved),         ONE(test_dma_bufs),      ONE(test_processes),
                ONE(test_bounds),        ONE(test_hooks_bounded), ONE(test_bad_events),
                ONE(test_spans_bounded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
