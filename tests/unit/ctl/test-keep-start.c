/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vfioalign-trace --keep on a made-up host, with events of the test's instead of the kernel's (-Wl,--wrap).
 */
#include "ctl/keep-start.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/long-run.h"
#include "facts/start.h"
#include "fixture.h"
#include "test.h"
#include "trace/collect.h"
#include "trace/keep.h"
#include "util/array.h"
#include "util/macro.h"

#define PID 1234
#define MILLISECOND UINT64_C(1000000)

static struct fixture *host;
static struct trace_event events[32];
static size_t n_events;
static trace_event_t function;
static void *function_data;
static unsigned n_waits; /* without an event */
static int refused;      /* what the kernel says to the programs */

int __real_root_open(struct root *root, const char *dir);
int __wrap_root_open(struct root *root, const char *dir);
int __wrap_root_open(struct root *root, const char *dir)
{
        return __real_root_open(root, dir ?: host->dir);
}

int __wrap_trace_watch_new(struct kernel_symbols *symbols, trace_event_t on_event, void *userdata,
                           struct trace_watch **ret, const char **ret_why);
int __wrap_trace_watch_new(struct kernel_symbols *symbols, trace_event_t on_event, void *userdata,
                           struct trace_watch **ret, const char **ret_why)
{
        (void) symbols;
        *ret_why = "of the test";
        if (refused < 0)
                return refused;
        function = on_event;
        function_data = userdata;
        *ret = NULL;
        usleep(20000); /* loading takes a while */
        return 0;
}

struct trace_watch *__wrap_trace_watch_free(struct trace_watch *w);
struct trace_watch *__wrap_trace_watch_free(struct trace_watch *w)
{
        return w;
}

uint64_t __wrap_trace_watch_lost(const struct trace_watch *w);
uint64_t __wrap_trace_watch_lost(const struct trace_watch *w)
{
        (void) w;
        return 0;
}

size_t __wrap_trace_watch_unseen(const struct trace_watch *w,
                                 struct trace_unseen ret[static TRACE_UNSEEN_MAX]);
size_t __wrap_trace_watch_unseen(const struct trace_watch *w,
                                 struct trace_unseen ret[static TRACE_UNSEEN_MAX])
{
        (void) w, (void) ret;
        return 0;
}

/* One event at a time. Who waits once they are over would wait for minutes: it is stopped. */
int __wrap_trace_watch_wait(struct trace_watch *w, int milliseconds);
int __wrap_trace_watch_wait(struct trace_watch *w, int milliseconds)
{
        struct trace_event e = events[0];

        (void) w, (void) milliseconds;
        if (n_events == 0) {
                if (milliseconds > 0 && ++n_waits == 3)
                        long_run_stopped_by = SIGTERM;
                return 0;
        }
        memmove(events, events + 1, --n_events * sizeof(*events));
        e.time = trace_now();
        if (e.started == 1)
                e.started = e.time;
        else if (e.started == 2)
                e.started = e.time - 10 * MILLISECOND; /* within the 20 of above */
        else if (e.started == 3)
                e.started = 1; /* long ago */
        function(&e, function_data);
        return 0;
}

static struct trace_event *add_event(uint32_t kind)
{
        struct trace_event *e = &events[n_events++];

        assert_true(n_events <= ELEMENTSOF(events));
        *e = (struct trace_event){ .kind = kind, .pid = PID, .tid = PID, .started = 1, .duration = 1000 };
        return e;
}

static void add_hook(const char *guest, const char *operation)
{
        struct trace_event *e = add_event(TRACE_HOOK);

        snprintf(e->text, sizeof(e->text), "vfioalignctl%chook%c%s%c%s%cbegin", 0, 0, guest, 0, operation,
                 0);
        e->pid = 77;
        add_event(TRACE_HOOK_END)->pid = 77;
}

/* started: 1 now, 2 before the watch, 3 long ago */
static void add_start(uint64_t started)
{
        struct trace_event *e = add_event(TRACE_MAP);

        e->started = started;
        e->address = 0x7f0000000000;
        e->size = MIB(64);
        e->faults = 32;
        add_event(TRACE_EXIT);
}

static int setup(void **state)
{
        int r = fixture_setup(state);

        host = *state;
        n_events = n_waits = 0;
        refused = 0;
        long_run_stopped_by = 0;
        fixture_write(host, STARTS_DIR "/note", "");
        fixture_write_bytes(host, "proc/1234/cmdline", "qemu\0-name\0guest=a b",
                            sizeof("qemu\0-name\0guest=a b"));
        return r;
}

static void assert_kept(size_t n, bool partial)
{
        struct starts starts;

        assert_int_equal(keep_start("a b"), CTL_OK);
        assert_ok(starts_read_guest(&starts, &host->root, "a b"));
        assert_int_equal(starts.n_damaged, 0);
        assert_int_equal(starts.n_starts, n);
        for (size_t i = 0; i < n; i++) {
                assert_int_equal(starts.starts[i].ram_bytes, MIB(64));
                assert_int_equal(starts.starts[i].ram_faults, 32);
                assert_int_equal(starts.starts[i].partial, partial);
        }
        starts_done(&starts);
}

static void test_start(void **state)
{
        struct starts starts;

        (void) state;
        add_hook("other", "release");
        add_start(1);
        assert_kept(1, false);
        assert_int_equal(n_waits, 0);
        assert_ok(starts_read_guest(&starts, &host->root, "a b"));
        /* It counts from when it was called, which the loading of the programs came after. */
        assert_true(starts.starts[0].libvirt_usec >= 20000);
        assert_true(strstr(starts.starts[0].sentences[0], "from prepare to its last mapping"));
        starts_done(&starts);
}

/* An emulator that began while the programs were loaded may have mapped something before. */
static void test_late(void **state)
{
        struct starts starts;

        (void) state;
        add_start(2);
        assert_kept(1, true);
        assert_ok(starts_read_guest(&starts, &host->root, "a b"));
        assert_true(starts.starts[0].libvirt_usec >= 8000);
        assert_true(starts.starts[0].usec - starts.starts[0].libvirt_usec >= 10000);
        starts_done(&starts);
}

/* Of another guest, or nothing: it goes on until it is stopped, and keeps nothing. */
static void test_none(void **state)
{
        (void) state;
        fixture_write_bytes(host, "proc/1234/cmdline", "qemu\0-name\0a", sizeof("qemu\0-name\0a"));
        add_start(1);
        assert_kept(0, false);
        assert_int_equal(n_waits, 3);
}

/* libvirt has given it up. */
static void test_released(void **state)
{
        (void) state;
        add_hook("a b", "release");
        assert_kept(0, false);
        assert_int_equal(n_waits, 0);
}

/* Before the first one is over another one is prepared, which no one else measures. */
static void test_again(void **state)
{
        struct trace_event exit;

        (void) state;
        add_start(1);
        exit = events[--n_events];
        add_hook("a b", "prepare");
        events[n_events++] = exit;
        add_hook("other", "prepare");
        add_start(1);
        assert_kept(2, false);
        assert_int_equal(n_waits, 0);
}

/* What the kernel and the collector report of a name is cut. */
static void test_long_name(void **state)
{
        char name[151], cmdline[200];
        struct starts starts;
        int n;

        (void) state;
        memset(name, 'x', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        n = snprintf(cmdline, sizeof(cmdline), "qemu%c-name%c%s", 0, 0, name);
        fixture_write_bytes(host, "proc/1234/cmdline", cmdline, (size_t) n + 1);
        add_start(1);
        assert_int_equal(keep_start(name), CTL_OK);
        assert_ok(starts_read_guest(&starts, &host->root, name));
        assert_int_equal(starts.n_starts, 1);
        assert_int_equal(n_waits, 0);
        starts_done(&starts);
}

static void test_busy(void **state)
{
        int slots[TRACE_SLOTS];

        (void) state;
        for (size_t i = 0; i < TRACE_SLOTS; i++)
                slots[i] = trace_take_slot(&host->root);
        add_start(1);
        assert_kept(0, false);
        for (size_t i = 0; i < TRACE_SLOTS; i++)
                close(slots[i]);
}

/* Of what this kernel cannot do nobody is told as of an error at each start. */
static void test_refused(void **state)
{
        (void) state;
        add_start(1);
        refused = -EOPNOTSUPP;
        assert_kept(0, false);
        refused = -EPERM;
        assert_int_equal(keep_start("a b"), CTL_FAILED);
}

static void test_fails(void **state)
{
        (void) state;
        fixture_remove(host, STARTS_DIR "/note");
        assert_int_equal(rmdir(fixture_path(host, STARTS_DIR)), 0);
        assert_int_equal(keep_start("a b"), CTL_FAILED);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_start, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_late, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_none, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_released, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_again, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_long_name, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_busy, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_refused, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_fails, setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
