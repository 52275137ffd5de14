/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/start-time.h"

#include <string.h>

#include "audit/finding.h"
#include "audit/rank.h"
#include "audit/remedy.h"
#include "fixture.h"
#include "sample-host.h"
#include "test.h"
#include "util/macro.h"

static const struct start_rates published = { .fault_ns = START_FAULT_NS,
                                              .step_ns = START_STEP_NS,
                                              .maps = 1 };

static void assert_seconds(double got, double expected)
{
        if (got < expected - 1e-6 || got > expected + 1e-6)
                fail_msg("%f s where %f s are expected", got, expected);
}

/* The figures of the kernel's commits, and of the lab, come out as they went in. */
static void test_published(void **state)
{
        struct start_time t;

        (void) state;
        t = start_time(&published, 0, GIB(32) / KIB(4)); /* 0fd06844de5d: some 1 s */
        assert_true(t.seconds > 0.99 && t.seconds < 1.01);
        t = start_time(&published, 0, GIB(16) / KIB(4)); /* 356e88ebe447: 0.4 s */
        assert_true(t.seconds > 0.4 && t.seconds < 0.6);
        t = start_time(&published, GIB(2) / KIB(4), 0); /* the lab: 2.0 to 3.2 s */
        assert_true(t.seconds > 2.0 && t.seconds < 3.2);
        assert_true(t.estimated);
}

static void test_unknown(void **state)
{
        struct start_time none = start_time(&published, 0, 0),
                          faults = start_time(&published, COUNT_UNKNOWN, 3),
                          steps = start_time(&published, 3, COUNT_UNKNOWN);

        (void) state;
        assert_true(faults.seconds < 0 && faults.estimated);
        assert_true(steps.seconds < 0 && steps.estimated);
        assert_seconds(none.seconds, 0);
        assert_false(none.estimated); /* nothing takes no time on any host */
        assert_true(start_time_saved(none, faults) < 0);
        assert_true(start_time_saved(faults, none) < 0);
        assert_true(start_time_saved(none, none) < 0);
}

/* What was measured here is not called an estimate, where it is what counts. */
static void test_measured(void **state)
{
        const struct start_rates rates = {
                .fault_ns = 500, .step_ns = 100, .fault_measured = true, .maps = 1
        };
        struct start_time t = start_time(&rates, 4000000, 1000);

        (void) state;
        assert_seconds(t.seconds, 2.0001);
        assert_false(t.estimated);
        t = start_time(&rates, 4, 1000000000);
        assert_seconds(t.seconds, 100.000002);
        assert_true(t.estimated);
}

static void test_format(void **state)
{
        static const struct {
                double seconds;
                bool estimated;
                const char *text;
        } cases[] = {
                { -1, true, "unknown" },  { 0, false, "< 0.1 s" },   { 0.049, true, "< 0.1 s" },
                { 0.05, true, "~0.1 s" }, { 1.049, true, "~1.0 s" }, { 9.94, false, "9.9 s" },
                { 9.96, false, "10 s" },  { 17.2, true, "~17 s" },   { 1234.5, false, "1,235 s" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                seconds_t text;

                assert_string_equal(format_start_seconds(cases[i].seconds, cases[i].estimated, text),
                                    cases[i].text);
        }
}

/* A guest with a BAR of 2 GiB, started with a QEMU that does not align. */
static struct emulator emulator = { .path = (char *) "/usr/bin/qemu",
                                    .generation = GENERATION_NONE,
                                    .distribution = true };
static struct hostdev hostdev = { .bdf = "0000:00:05.0" };
static struct libvirt_guest guest = {
        .xml = { .name = (char *) "train-a", .hostdevs = &hostdev, .n_hostdevs = 1 }, .defined = true
};

static struct host host_with_guest(const struct root *root)
{
        struct host h = new_host(root);

        emulator.generation = GENERATION_NONE;
        h.emulators = (struct emulator_facts){ .emulators = &emulator, .n_emulators = 1 };
        h.libvirt =
                (struct libvirt_facts){ .installed = YES, .readable = YES, .guests = &guest, .n_guests = 1 };
        return h;
}

static void assert_remedy(const struct remedy *r, unsigned fixes, bool newer_kernel, const char *name)
{
        _cleanup_free_ char *text = remedy_name(r);

        assert_int_equal(r->fixes, fixes);
        assert_int_equal(r->newer_kernel, newer_kernel);
        assert_string_equal(text, name);
}

/* 7.3: the faults are all there is, and each fix takes them away. */
static void test_remedies(void **state)
{
        struct fixture *f = *state;
        struct host h = host_with_guest(&f->root);
        struct remedies r = remedies_of_guest(&h, &guest.xml);
        _cleanup_free_ char *price = NULL, *command = NULL;

        assert_true(r.now.seconds > 2.1 && r.now.seconds < 2.2);
        assert_int_equal(r.n, 2);
        assert_remedy(&r.remedies[0], FIX_BIT(FIX_MODULE), false, "the module"); /* costs least */
        assert_remedy(&r.remedies[1], FIX_BIT(FIX_PRELOAD), false, "the preload library");
        assert_seconds(r.remedies[0].saves, r.now.seconds - r.remedies[0].after.seconds);
        assert_true(r.remedies[0].after.seconds < 0.001);
        price = remedy_price(&r.remedies[0]);
        assert_string_equal(price, "taints the kernel");
        command = remedy_command(&r.remedies[1], "train-a");
        assert_string_equal(command, "vfioalignctl guest apply train-a preload");
        assert_null(remedies_find_kernel(&r));
}

/* 6.12: it walks page by page, and that is most of it. A newer kernel does not, and aligns nothing. */
static void test_newer_kernel(void **state)
{
        struct fixture *f = *state;
        struct host h = host_with_guest(&f->root);
        _cleanup_free_ char *price = NULL;
        struct device gpu = {
                .bdf = "0000:00:05.0", .group = 5, .n_bars = 1, .bars = { { .size = GIB(128) } }
        };
        const struct remedy *kernel;
        struct remedies r;

        h.kernel.pin_by_leaf.value = FACT_NO;
        h.kernel.places_pmd.value = FACT_YES;
        h.devices.devices = &gpu;
        h.devices.n_devices = 1;
        r = remedies_of_guest(&h, &guest.xml);
        assert_true(r.now.seconds > 4 && r.now.seconds < 5);
        assert_int_equal(r.n, 3);
        assert_remedy(&r.remedies[0], FIX_BIT(FIX_MODULE), true, "Linux 6.15 or later with the module");
        assert_true(r.remedies[0].saves > 4);
        assert_remedy(&r.remedies[1], FIX_BIT(FIX_MODULE), false, "the module");
        assert_true(r.remedies[1].saves > 0.2 && r.remedies[1].saves < 0.3);
        assert_true(r.without_others > 100); /* 33,554,432 faults instead of 65,536 */
        price = remedy_price(&r.remedies[0]);
        assert_string_equal(price, "needs a reboot; taints the kernel");
        assert_null(remedy_command(&r.remedies[0], "train-a"));

        /* With a QEMU that aligns, the kernel is all it needs. */
        emulator.generation = GENERATION_PER_REGION;
        r = remedies_of_guest(&h, &guest.xml);
        kernel = remedies_find_kernel(&r);
        assert_int_equal(r.n, 1);
        assert_remedy(kernel, 0, true, "Linux 6.15 or later");
        assert_true(r.without_others < 0);

        /* Where it is unknown how the kernel walks, no number is made up. */
        h.kernel.pin_by_leaf.value = FACT_UNKNOWN;
        r = remedies_of_guest(&h, &guest.xml);
        assert_true(r.now.seconds < 0);
        assert_null(remedies_find_kernel(&r));

        /* A kernel with PREEMPT_RT has no huge entries, and its successor has none either. */
        h.kernel.pin_by_leaf.value = FACT_NO;
        h.kernel.huge_pmd.value = h.kernel.huge_pud.value = FACT_NO;
        h.kernel.fault_fills.value = FACT_NO;
        r = remedies_of_guest(&h, &guest.xml);
        assert_true(r.now.seconds > 100);
        assert_null(remedies_find_kernel(&r));

        /* 6.1 fills a BAR at once, and has to walk it all the same. */
        h.kernel.fault_fills.value = FACT_YES;
        r = remedies_of_guest(&h, &guest.xml);
        assert_true(r.now.seconds > 3.9 && r.now.seconds < 4.1);
        kernel = remedies_find_kernel(&r);
        assert_remedy(kernel, 0, true, "Linux 6.15 or later");
        assert_true(kernel->after.seconds < 0.5); /* on 2 MiB pages at least */
}

/* A kept start of the guest: its BAR of 128 GiB was mapped three times. */
static void test_kept_start(void **state)
{
        struct fixture *f = *state;
        struct host h = host_with_guest(&f->root);
        struct device gpu = {
                .bdf = "0000:00:05.0", .group = 5, .n_bars = 1, .bars = { { .size = GIB(128) } }
        };
        struct start_bar bar = {
                .region = 0, .size = GIB(128), .calls = 4, .failed = 1, .faults = 65536, .usec = 20132660
        };
        struct start kept = { .guest = (char *) "train-a",
                              .kernel = "6.12.48",
                              .usec = 30000000,
                              .bars_usec = 20132660,
                              .bar_faults = 65536,
                              .bars = &bar,
                              .n_bars = 1 };
        struct start_rates rates;
        struct guest_cost cost;
        struct start_time t;
        struct remedies r;

        h.devices.devices = &gpu;
        h.devices.n_devices = 1;
        h.kernel.release = (char *) "6.12.48";
        h.kernel.pin_by_leaf.value = FACT_NO;
        h.kernel.places_pmd.value = FACT_YES;
        h.starts = (struct starts){ .starts = &kept, .n_starts = 1 };

        rates = start_rates(&h);
        assert_true(rates.step_measured && !rates.fault_measured);
        assert_true(rates.step_ns > 199.9 && rates.step_ns < 200.1); /* 3 x 33,554,432 steps */
        cost = guest_cost(&h.devices, &guest.xml, &h.kernel, &h.module, guest_placer(&h, &guest.xml), 0);
        t = start_time_of_cost(&h, &guest.xml, &cost);
        assert_false(t.estimated);
        assert_true(t.seconds > 20.8 && t.seconds < 21.0);
        t = start_time_now(&h, &guest.xml, &cost);
        assert_seconds(t.seconds, 20.13266);
        assert_false(t.estimated);
        r = remedies_of_guest(&h, &guest.xml);
        assert_seconds(r.now.seconds, 20.13266);
        assert_true(r.remedies[0].newer_kernel && r.remedies[0].after.estimated);
        assert_seconds(r.remedies[0].saves, 20.13266); /* and no more than there is */
        assert_true(r.remedies[1].after.seconds > 19 && !r.remedies[1].after.estimated);

        /* It had other pages then: the rates hold, and the time does not. */
        kept.bar_faults = 33554432;
        t = start_time_now(&h, &guest.xml, &cost);
        assert_true(t.seconds > 20.3 && !t.estimated);
        kept.bar_faults = 65536;
        kept.ended = true;
        t = start_time_now(&h, &guest.xml, &cost);
        assert_true(t.seconds > 20.3);
        kept.ended = false;

        /* Another kernel, or not all was seen: nothing of it holds. */
        kept.partial = true;
        rates = start_rates(&h);
        assert_false(rates.step_measured);
        kept.partial = false;
        strcpy(kept.kernel, "6.12.49");
        rates = start_rates(&h);
        assert_false(rates.step_measured);
        t = start_time_now(&h, &guest.xml, &cost);
        assert_true(t.estimated && t.seconds > 4 && t.seconds < 5);

        /* A kernel that pins by entries shows what a fault takes. */
        h.kernel.release = (char *) "6.12.49";
        h.kernel.pin_by_leaf.value = FACT_YES;
        rates = start_rates(&h);
        assert_true(rates.fault_measured && !rates.step_measured);
        assert_true(rates.fault_ns > 307100 && rates.fault_ns < 307300);
        bar.faults = 999; /* too few to tell */
        rates = start_rates(&h);
        assert_false(rates.fault_measured);
}

static const struct finding *find(const struct findings *f, enum finding_id id)
{
        for (size_t i = 0; i < f->n_findings; i++)
                if (f->findings[i].id == id)
                        return &f->findings[i];
        fail_msg("no %s", finding_to_string(id));
        return NULL;
}

/* What costs most is the warning, and first; what costs a tenth of that is a notice. */
static void test_rank(void **state)
{
        struct fixture *f = *state;
        struct host h = host_with_guest(&f->root);
        struct device gpu = {
                .bdf = "0000:00:05.0", .group = 5, .n_bars = 1, .bars = { { .size = GIB(128) } }
        };
        struct findings found;

        h.devices.devices = &gpu;
        h.devices.n_devices = 1;
        h.kernel.pin_by_leaf.value = FACT_NO;
        h.kernel.places_pmd.value = FACT_YES;
        assert_ok(findings_collect(&found, &h));
        assert_int_equal(found.findings[0].id, FINDING_KERNEL_PINS_PAGES);
        assert_int_equal(found.findings[0].severity, SEVERITY_WARNING);
        assert_string_equal(found.findings[0].costs_guest, "train-a");
        assert_true(found.findings[0].costs > 4 && found.findings[0].costs_estimated);
        assert_non_null(strstr(found.findings[0].remedy, "load the module vfio_align there"));
        assert_int_equal(find(&found, FINDING_MODULE_NOT_LOADED)->severity, SEVERITY_NOTICE);
        assert_int_equal(find(&found, FINDING_GUEST_SMALL_PAGES)->severity, SEVERITY_NOTICE);
        findings_done(&found);

        /* 7.3: the pages are what costs. */
        h.kernel.pin_by_leaf.value = FACT_YES;
        h.kernel.places_pmd.value = FACT_NO;
        assert_ok(findings_collect(&found, &h));
        assert_int_equal(find(&found, FINDING_MODULE_NOT_LOADED)->severity, SEVERITY_WARNING);
        assert_int_equal(find(&found, FINDING_GUEST_SMALL_PAGES)->severity, SEVERITY_WARNING);
        assert_true(find(&found, FINDING_GUEST_SMALL_PAGES)->costs > 100);
        findings_done(&found);

        /* A small BAR costs next to nothing. */
        gpu.bars[0].size = MIB(64);
        assert_ok(findings_collect(&found, &h));
        assert_int_equal(find(&found, FINDING_MODULE_NOT_LOADED)->severity, SEVERITY_NOTICE);
        assert_int_equal(find(&found, FINDING_GUEST_SMALL_PAGES)->severity, SEVERITY_NOTICE);
        findings_done(&found);

        /* What is forbidden is judged by what it would save. */
        gpu.bars[0].size = GIB(128);
        h.module.loadable = (struct fact){ .value = FACT_NO, .why = "Secure Boot" };
        assert_ok(findings_collect(&found, &h));
        assert_true(find(&found, FINDING_MODULE_FORBIDDEN)->costs > 100);
        findings_done(&found);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_published),
                cmocka_unit_test(test_unknown),
                cmocka_unit_test(test_measured),
                cmocka_unit_test(test_format),
                cmocka_unit_test_setup_teardown(test_remedies, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_newer_kernel, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_kept_start, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_rank, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
