/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The collector on a made-up host, with a ring that the test fills instead of the kernel (-Wl,--wrap). */
#include "trace/collect.h"

#include <errno.h>

#include "facts/kernel/kernel-symbols.h"
#include "fixture.h"
#include "sample-events.h"
#include "test.h"
#include "util/process-file.h"

#define RING_MAX 32
#define MINUTE (60 * SAMPLE_SECOND)
#define PROC "proc/1234/"
#define NONE "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"

static struct trace_event ring[RING_MAX];
static size_t n_ring;
static trace_event_t ring_function;
static void *ring_userdata;

static struct fixture *host; /* the made-up one */
static bool ends_soon;       /* its processes end while the kernel's symbols are read */
static unsigned unanswered;  /* so often a process does not answer */
static uint64_t start;       /* when the sample's emulator starts */

static struct trace_collector collector;
static unsigned n_reported;

int __real_root_open(struct root *root, const char *dir);
int __wrap_root_open(struct root *root, const char *dir);
int __wrap_root_open(struct root *root, const char *dir)
{
        return __real_root_open(root, dir ?: host->dir);
}

int __real_process_read_file(const struct root *root, const struct process *p, int fd, const char *name,
                             size_t max, char **ret, size_t *ret_size);
int __wrap_process_read_file(const struct root *root, const struct process *p, int fd, const char *name,
                             size_t max, char **ret, size_t *ret_size);
int __wrap_process_read_file(const struct root *root, const struct process *p, int fd, const char *name,
                             size_t max, char **ret, size_t *ret_size)
{
        if (unanswered == 0)
                return __real_process_read_file(root, p, fd, name, max, ret, ret_size);
        unanswered--;
        return -ETIMEDOUT;
}

int __real_kernel_symbols_open(const struct root *root, const char *module, const char *const names[],
                               struct kernel_symbols **ret);
int __wrap_kernel_symbols_open(const struct root *root, const char *module, const char *const names[],
                               struct kernel_symbols **ret);
int __wrap_kernel_symbols_open(const struct root *root, const char *module, const char *const names[],
                               struct kernel_symbols **ret)
{
        if (ends_soon)
                fixture_write(host, PROC "cmdline", "");
        return __real_kernel_symbols_open(root, module, names, ret);
}

int __wrap_trace_watch_new(struct kernel_symbols *symbols, trace_event_t on_event, void *userdata,
                           struct trace_watch **ret, const char **ret_why);
int __wrap_trace_watch_new(struct kernel_symbols *symbols, trace_event_t on_event, void *userdata,
                           struct trace_watch **ret, const char **ret_why)
{
        (void) symbols, (void) ret_why;
        ring_function = on_event;
        ring_userdata = userdata;
        *ret = NULL;
        return 0;
}

struct trace_watch *__wrap_trace_watch_free(struct trace_watch *w);
struct trace_watch *__wrap_trace_watch_free(struct trace_watch *w)
{
        return w;
}

int __wrap_trace_watch_wait(struct trace_watch *w, int milliseconds);
int __wrap_trace_watch_wait(struct trace_watch *w, int milliseconds)
{
        (void) w, (void) milliseconds;
        for (size_t i = 0; i < n_ring; i++)
                ring_function(&ring[i], ring_userdata);
        n_ring = 0;
        return 0;
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

static void on_event(const struct trace_process *p, const struct trace_event *e, void *userdata)
{
        (void) userdata;
        assert_int_equal(p->pid, e->pid);
        n_reported++;
}

static int begin_collector(void **state)
{
        int r = fixture_setup(state);

        host = *state;
        ends_soon = false;
        unanswered = n_reported = 0;
        n_ring = 0;
        collector = (struct trace_collector){ .on_event = on_event };
        start = trace_now() + MINUTE; /* the watch begins before */
        return r;
}

static int end_collector(void **state)
{
        trace_collector_done(&collector);
        return fixture_teardown(state);
}

static void open_collector(uint32_t pid)
{
        const char *why = NULL;

        assert_ok(trace_collector_open(&collector, pid, &why));
        assert_null(why);
}

/* The kernel reports it of the sample's emulator, which started at `start`. */
static void ring_add(struct trace_event e)
{
        assert_true(n_ring < RING_MAX);
        e.time = e.time - SAMPLE_START + start;
        if (e.started)
                e.started = start;
        ring[n_ring++] = e;
}

static const struct trace_process *take_ring(void)
{
        assert_ok(trace_collector_wait(&collector, 0));
        return collector.account.n_processes > 0 ? &collector.account.processes[0] : NULL;
}

/* cmdline: its last argument is terminated by the literal. */
#define WRITE_CMDLINE(f, cmdline) fixture_write_bytes(f, PROC "cmdline", cmdline, sizeof(cmdline))
#define CMDLINE_OF_LIBVIRT "qemu-system-x86_64\0-name\0guest=train-a,debug-threads=on\0-S"

static void write_mapped_bar(struct fixture *f)
{
        fixture_write(f, "sys/bus/pci/devices/" SAMPLE_DEVICE "/resource",
                      NONE NONE "0x0000380000000000 0x000038007fffffff 0x000000000014220c\n");
        fixture_write(f, PROC "comm", "qemu-system-x86\n");
        fixture_write(f, PROC "maps",
                      "7f1200201000-7f1280201000 rw-s 20000000000 00:13 1065 anon_inode:[vfio-device]\n");
        WRITE_CMDLINE(f, "qemu\0-device\0vfio-pci,host=00:05.0\0-name\0train-a");
}

/* A start that is watched from its beginning: all but the guest's name comes from the kernel. */
static void test_start(void **state)
{
        struct trace_event events[SAMPLE_EVENTS];
        size_t n = sample_start(events), n_of_process = 0;
        const struct trace_process *p;
        struct trace_phases phases;
        struct fixture *f = *state;

        WRITE_CMDLINE(f, CMDLINE_OF_LIBVIRT);
        fixture_write(f, PROC "maps",
                      "7f0000000000-7f0000001000 rw-s 10000000000 00:13 1 anon_inode:[vfio-device]\n");
        open_collector(0);
        for (size_t i = 0; i < n; i++) {
                if (events[i].kind == TRACE_GUEST)
                        continue;
                ring_add(events[i]);
                n_of_process += events[i].kind != TRACE_HOOK && events[i].kind != TRACE_HOOK_END;
        }
        p = take_ring();
        assert_int_equal(collector.account.n_processes, 1);
        assert_string_equal(p->guest, "train-a");
        assert_false(p->was_running);
        assert_true(p->ended);
        assert_int_equal(p->n_bars, 1);
        assert_int_equal(p->bars[0].maps.faults, 524288);
        assert_int_equal(n_reported, n_of_process);
        phases = trace_phases_of(&collector.account, p);
        assert_true(phases.from_hook);
        assert_int_equal(phases.libvirt, 3 * SAMPLE_SECOND);
}

static void test_guest(void **state)
{
        static const struct {
                const char *cmdline, *guest;
                size_t size;
        } cases[] = {
#define CASE(cmdline, guest) { cmdline, guest, sizeof(cmdline) }
                CASE(CMDLINE_OF_LIBVIRT, "train-a"),
                CASE("qemu\0-S\0-name\0web 1", "web 1"),
                CASE("qemu\0-name\0a,,b,process=x", "a,b"),
                CASE("qemu\0-name\0guest=,debug-threads=on", ""),
                CASE("qemu\0-drive\0file=-name\0-S", ""),
                CASE("qemu\0-name", ""),
                CASE("", ""),
        };
        struct fixture *f = *state;

        open_collector(0);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct trace_event e = sample_event(TRACE_OPEN, 1, 1, SAMPLE_DEVICE);

                fixture_write_bytes(f, PROC "cmdline", cases[i].cmdline, cases[i].size);
                ring_add(e);
                ring_add(sample_event(TRACE_EXIT, 2, 0, "")); /* the next has the same pid */
                take_ring();
                assert_int_equal(collector.account.n_processes, i + 1);
                assert_string_equal(collector.account.processes[i].guest, cases[i].guest);
        }
        fixture_remove(f, PROC "cmdline");
        ring_add(sample_event(TRACE_OPEN, 1, 1, SAMPLE_DEVICE));
        take_ring();
        assert_string_equal(collector.account.processes[ELEMENTSOF(cases)].guest, "");
}

/* A process that holds its memory map when it is asked, as while it maps a BAR, is asked again at each
 * event. */
static void test_no_answer(void **state)
{
        struct fixture *f = *state;

        WRITE_CMDLINE(f, CMDLINE_OF_LIBVIRT);
        open_collector(0);
        unanswered = 2;
        ring_add(sample_event(TRACE_OPEN, 1, 1, SAMPLE_DEVICE));
        ring_add(sample_event(TRACE_OPEN, 2, 1, SAMPLE_DEVICE));
        assert_string_equal(take_ring()->guest, "");
        ring_add(sample_event(TRACE_OPEN, 3, 1, SAMPLE_DEVICE));
        assert_string_equal(take_ring()->guest, "train-a");
        assert_int_equal(collector.account.processes[0].devices[0].opens, 3);
        /* and not once more */
        WRITE_CMDLINE(f, "qemu\0-name\0other");
        ring_add(sample_event(TRACE_OPEN, 4, 1, SAMPLE_DEVICE));
        assert_string_equal(take_ring()->guest, "train-a");
}

/* Reading the kernel's symbols takes longer than some processes live. */
static void test_short_lived(void **state)
{
        WRITE_CMDLINE(*state, CMDLINE_OF_LIBVIRT);
        open_collector(0);
        ends_soon = true;
        ring_add(sample_map(1, 1, 0x7f0000000000, MIB(64), 7));
        ring_add(sample_event(TRACE_EXIT, 2, 0, ""));
        assert_string_equal(take_ring()->guest, "train-a");
}

static void assert_maps_bar(const struct trace_process *p)
{
        assert_string_equal(p->guest, "train-a");
        assert_true(p->was_running);
        assert_int_equal(p->n_bars, 1);
        assert_string_equal(p->bars[0].device, SAMPLE_DEVICE);
        assert_int_equal(p->bars[0].region, 2);
        assert_int_equal(p->bars[0].address, SAMPLE_BAR);
        assert_int_equal(p->bars[0].maps.faults, 7);
        assert_int_equal(p->ram.calls, 0);
}

/* The BARs of a process that was asked for have addresses from before the watch. */
static void test_running(void **state)
{
        struct fixture *f = *state;

        write_mapped_bar(f);
        open_collector(SAMPLE_PID);
        assert_int_equal(collector.account.n_processes, 1);
        assert_string_equal(collector.account.processes[0].command, "qemu-system-x86");
        ring_add(sample_map(1, 1, SAMPLE_BAR, GIB(2), 7));
        ring[0].started = 1;
        assert_maps_bar(take_ring());
}

/* So have those of one that is seen only later. */
static void test_seen_late(void **state)
{
        struct fixture *f = *state;

        write_mapped_bar(f);
        open_collector(0);
        assert_int_equal(collector.account.n_processes, 0);
        ring_add(sample_map(1, 1, SAMPLE_BAR, GIB(2), 7));
        ring[0].started = 1;
        assert_maps_bar(take_ring());
}

static void test_no_process(void **state)
{
        const char *why = NULL;

        (void) state;
        assert_int_equal(trace_collector_open(&collector, SAMPLE_PID, &why), -ENOENT);
        assert_string_equal(why, "there is no such process");
}

/* How a kernel fills BARs is read when one is first seen: vfio-pci may be loaded only then. */
static void test_kernel(void **state)
{
        static const struct {
                const char *function;
                uint64_t page;
        } cases[] = {
                { "vfio_pci_mmap_fault", KIB(4) },
                { "vfio_pci_mmap_page_fault", GIB(1) }, /* by the number of faults */
        };
        struct fixture *f = *state;
        char kallsyms[128];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                open_collector(0);
                snprintf(kallsyms, sizeof(kallsyms), "0000000000000000 t %s\t[vfio_pci_core]\n",
                         cases[i].function);
                fixture_write(f, "proc/kallsyms", kallsyms);
                ring_add(sample_region(1, SAMPLE_BAR, GIB(1), SAMPLE_REGION(2, 0)));
                ring_add(sample_map(2, 1, SAMPLE_BAR, GIB(1), 1));
                assert_int_equal(take_ring()->bars[0].page_size, cases[i].page);
                trace_collector_done(&collector);
                collector = (struct trace_collector){};
        }
}

static void test_unknown_event(void **state)
{
        struct trace_event e = sample_event(TRACE_OPEN, 1, 1, SAMPLE_DEVICE);

        (void) state;
        open_collector(0);
        e.kind = _TRACE_KIND_MAX;
        ring_add(e);
        assert_non_null(take_ring()); /* of its process no more is known */
        assert_int_equal(n_reported, 0);
}

static void write_thread(struct fixture *f, const char *tid, const char *name, const char *faults)
{
        char path[64], stat[128];

        snprintf(path, sizeof(path), PROC "task/%s/stat", tid);
        snprintf(stat, sizeof(stat), "%s (%s) S 1 1 1 0 -1 1077936192 %s 2 3 0 0\n", tid, name, faults);
        fixture_write(f, path, stat);
}

static struct trace_processors report_processors(const struct trace_selection *s)
{
        json_object_put(trace_collector_report(&collector, s));
        return collector.account.processes[0].processors;
}

/* The faults of a guest's processors are those of its threads of that name, also after a ")" in another's.
 */
static void test_processors(void **state)
{
        static const struct trace_selection all = {}, other = { .guest = "other" };
        struct fixture *f = *state;

        open_collector(0);
        ring_add(sample_event(TRACE_OPEN, 1, 1, SAMPLE_DEVICE));
        take_ring();
        assert_int_equal(report_processors(&all).threads, 0);

        write_thread(f, "1234", "qemu-system-x86", "1000 99 100");
        write_thread(f, "1235", "CPU 0/KVM", "20 99 3");
        write_thread(f, "1236", "CPU) (1/KVM", "1 99 0");
        write_thread(f, "1237", "CPU 1/KVM", "700 99 0");
        write_thread(f, "1238", "vcpu3", "5 99 0");
        fixture_write(f, PROC "task/1239/stat", "1239 (CPU 2/KVM) S 1\n");
        assert_int_equal(report_processors(&other).threads, 0);
        assert_int_equal(report_processors(&all).threads, 3);
        assert_int_equal(report_processors(&all).faults, 728);

        /* What was read once stays. */
        ring_add(sample_event(TRACE_EXIT, 2, 0, ""));
        take_ring();
        write_thread(f, "1237", "CPU 1/KVM", "900 99 0");
        assert_int_equal(report_processors(&all).faults, 728);
}

static void test_over(void **state)
{
        uint64_t end;

        (void) state;
        open_collector(0);
        ring_add(sample_region(1, SAMPLE_BAR, GIB(2), SAMPLE_REGION(2, 0)));
        assert_false(trace_start_is_over(take_ring(), start + 10 * MINUTE)); /* it has not mapped anything */
        ring_add(sample_map(10, 90, 0x7f0000000000, MIB(64), 1));
        end = start + 100 * SAMPLE_MS;
        assert_false(trace_start_is_over(take_ring(), end - 1));
        assert_false(trace_start_is_over(take_ring(), end + 59 * SAMPLE_SECOND));
        assert_true(trace_start_is_over(take_ring(), end + 60 * SAMPLE_SECOND));
        ring_add(sample_map(110, 90, SAMPLE_BAR, GIB(2), 2));
        end = start + 200 * SAMPLE_MS;
        assert_false(trace_start_is_over(take_ring(), end + 10 * SAMPLE_SECOND - 1));
        assert_true(trace_start_is_over(take_ring(), end + 10 * SAMPLE_SECOND));
        ring_add(sample_event(TRACE_EXIT, 300, 0, ""));
        assert_true(trace_start_is_over(take_ring(), end));
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, begin_collector, end_collector)
        const struct CMUnitTest tests[] = {
                ONE(test_start),         ONE(test_guest),      ONE(test_no_answer),   ONE(test_running),
                ONE(test_seen_late),     ONE(test_no_process), ONE(test_short_lived), ONE(test_kernel),
                ONE(test_unknown_event), ONE(test_processors), ONE(test_over),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
