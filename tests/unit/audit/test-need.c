/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/need.h"

#include <string.h>

#include "fixture.h"
#include "sample-host.h"
#include "test.h"
#include "util/macro.h"

/* Two guests of a QEMU that aligns nothing, and a program that maps a BAR where nobody aligned it. */
struct world {
        struct host host;
        struct emulator emulator;
        struct hostdev hostdevs[2];
        struct libvirt_guest guests[2];
        struct mapping_process process;
        struct mapping mapping;
        struct findings findings;
};

static void world_make(struct world *w, struct fixture *f)
{
        *w = (struct world){ .host = new_host(&f->root) };
        w->emulator = (struct emulator){ .path = (char *) "/usr/bin/qemu",
                                         .generation = GENERATION_NONE,
                                         .distribution = true };
        w->host.emulators = (struct emulator_facts){ .emulators = &w->emulator, .n_emulators = 1 };
        for (size_t i = 0; i < ELEMENTSOF(w->guests); i++) {
                strcpy(w->hostdevs[i].bdf, i == 0 ? "0000:00:05.0" : "0000:00:06.0");
                w->guests[i].xml = (struct guest){ .name = (char *) "guest",
                                                   .hostdevs = &w->hostdevs[i],
                                                   .n_hostdevs = 1 };
        }
        w->host.libvirt = (struct libvirt_facts){
                .installed = YES, .readable = YES, .guests = w->guests, .n_guests = ELEMENTSOF(w->guests)
        };
        w->process = (struct mapping_process){ .pid = 7 };
        w->mapping = (struct mapping){
                .pid = 7, .start = GIB(7) + KIB(4), .size = GIB(2), .bdf = "0000:00:05.0", .region = 1
        };
}

static void world_add_process(struct world *w)
{
        w->host.mappings.processes = &w->process;
        w->host.mappings.n_processes = 1;
        w->host.mappings.mappings = &w->mapping;
        w->host.mappings.n_mappings = 1;
}

static const char *found(const struct world *w)
{
        return need_to_string(need_of_host(&w->host, &w->findings).id);
}

static void test_module(void **state)
{
        struct world w;
        struct need n;

        world_make(&w, *state);
        n = need_of_host(&w.host, &w.findings);
        assert_string_equal(need_to_string(n.id), "module");
        assert_int_equal(n.fixes, FIX_BIT(FIX_MODULE));
        assert_int_equal(n.n_guests, 2);
        assert_int_equal(n.n_short, 2);
        assert_int_equal(n.page_size, KIB(4));
        /* 2 GiB, 64 MiB and 4 KiB by 4 KiB; then by 1 GiB, 2 MiB and 4 KiB */
        assert_int_equal(n.faults, 524288 + 16384 + 1);
        assert_int_equal(n.faults_after, 2 + 32 + 1);
        assert_int_equal(n.pin_steps, n.faults);
        assert_int_equal(n.pin_steps_after, n.faults_after);

        w.host.module.installed.value = FACT_NO;
        assert_string_equal(found(&w), "module-install");

        w.host.module.installed.value = FACT_YES;
        w.host.module.loadable = fact_is(false, SOURCE_SYSFS);
        w.host.module.signature_enforced.value = FACT_YES;
        w.host.module.is_signed.value = FACT_YES;
        w.host.module.key_enrolled.value = FACT_NO;
        n = need_of_host(&w.host, &w.findings);
        assert_string_equal(need_to_string(n.id), "module-key");
        assert_int_equal(n.faults_after, 2 + 32 + 1);

        /* What forbids it otherwise is not to be undone. */
        w.host.module.loadable.source = SOURCE_CMDLINE;
        assert_string_equal(found(&w), "preload");
}

/* The remedy has to do for all. */
static void test_all(void **state)
{
        struct world w;
        struct need n;

        world_make(&w, *state);
        w.host.module.loadable = fact_is(false, SOURCE_CMDLINE);
        w.guests[1].xml.manager = GUEST_OF_PROXMOX; /* whose environment is not libvirt's */
        n = need_of_host(&w.host, &w.findings);
        assert_string_equal(need_to_string(n.id), "preload");
        assert_int_equal(n.faults_after, 2 + 16384 + 1);

        /* With THP in the way, the module does not help alone. */
        world_make(&w, *state);
        w.host.kernel.thp = THP_NEVER;
        w.host.kernel.thp_exempt.value = FACT_NO;
        n = need_of_host(&w.host, &w.findings);
        assert_string_equal(need_to_string(n.id), "thp");
        assert_int_equal(n.fixes, FIX_BIT(FIX_MODULE) | FIX_BIT(FIX_THP));
        w.host.kernel.thp = THP_MADVISE; /* as QEMU does */
        assert_string_equal(found(&w), "module");
        w.emulator.generation = GENERATION_PER_REGION; /* and advises nothing */
        w.emulator.program = PROGRAM_OPENVMM;
        assert_string_equal(found(&w), "thp");
        assert_int_equal(need_of_host(&w.host, &w.findings).fixes, FIX_BIT(FIX_THP));
}

static void test_process(void **state)
{
        struct world w;
        struct need n;

        world_make(&w, *state);
        w.host.libvirt.n_guests = 0;
        world_add_process(&w);
        n = need_of_host(&w.host, &w.findings);
        assert_string_equal(need_to_string(n.id), "module");
        assert_int_equal(n.n_guests, 1);
        assert_int_equal(n.faults, 524288);

        /* The mappings of a guest are the guest's. */
        w.host.libvirt.n_guests = 1;
        w.guests[0].running = true;
        w.guests[0].pid = 7;
        n = need_of_host(&w.host, &w.findings);
        assert_int_equal(n.n_guests, 1);

        /* Its next start will be well. */
        w.host.module.loaded.value = w.host.module.enabled.value = FACT_YES;
        n = need_of_host(&w.host, &w.findings);
        assert_string_equal(need_to_string(n.id), "none");
        assert_int_equal(n.n_short, 1);
        assert_int_equal(n.faults, 524288);
        assert_int_equal(n.faults_after, 3);
}

static void test_none(void **state)
{
        struct world w;
        struct need n;

        world_make(&w, *state);
        w.host.kernel.huge_pmd.value = w.host.kernel.huge_pud.value = FACT_NO;
        w.host.kernel.fault_fills.value = FACT_YES;
        n = need_of_host(&w.host, &w.findings);
        assert_string_equal(need_to_string(n.id), "kernel");
        assert_int_equal(n.faults, 3);
        assert_int_equal(n.faults_after, 3);
        assert_int_equal(n.fixes, 0);

        world_make(&w, *state);
        w.emulator.generation = GENERATION_PER_REGION;
        n = need_of_host(&w.host, &w.findings);
        assert_string_equal(need_to_string(n.id), "none");
        assert_int_equal(n.n_short, 0);
        assert_int_equal(n.faults, 0);

        /* No guest, nothing to do, whatever is missing. */
        world_make(&w, *state);
        w.host.libvirt.n_guests = 0;
        assert_string_equal(found(&w), "none");

        /* Unknown is not none. */
        w.host.libvirt.readable.value = FACT_UNKNOWN;
        assert_string_equal(found(&w), "unseen");
        w.host.devices.n_devices = 0;
        assert_string_equal(found(&w), "none");
        world_make(&w, *state);
        w.emulator.generation = GENERATION_UNKNOWN;
        w.host.module.loadable = fact_is(false, SOURCE_CMDLINE);
        w.guests[0].xml.manager = w.guests[1].xml.manager = GUEST_OF_PROXMOX;
        n = need_of_host(&w.host, &w.findings);
        assert_string_equal(need_to_string(n.id), "unseen");
        assert_int_equal(n.n_unknown, 2);
}

/* As the doctor has it: where another kernel saves the most, a host needs that, too; or only that. */
static void test_newer_kernel(void **state)
{
        struct world w;
        struct need n;

        world_make(&w, *state);
        assert_ok(findings_add(&w.findings, FINDING_KERNEL_PINS_PAGES, NULL, NULL));
        w.findings.findings[0].costs = 0.5;
        assert_false(need_of_host(&w.host, &w.findings).newer_kernel);
        w.findings.findings[0].costs = 17;
        w.findings.findings[0].severity = SEVERITY_WARNING;
        n = need_of_host(&w.host, &w.findings);
        assert_string_equal(need_to_string(n.id), "module");
        assert_true(n.newer_kernel);
        w.emulator.generation = GENERATION_PER_REGION;
        n = need_of_host(&w.host, &w.findings);
        assert_string_equal(need_to_string(n.id), "kernel");
        assert_int_equal(n.n_short, 0);
        w.findings.findings[0].severity = SEVERITY_NOTICE;
        assert_string_equal(found(&w), "none");
        findings_done(&w.findings);
}

/* What is broken comes before what is slow. */
static void test_findings(void **state)
{
        struct world w;

        world_make(&w, *state);
        assert_ok(findings_add(&w.findings, FINDING_HOOK_UNSEEN, NULL, NULL));
        assert_string_equal(found(&w), "module");
        w.emulator.generation = GENERATION_PER_REGION;
        assert_string_equal(found(&w), "hook");
        assert_ok(findings_add(&w.findings, FINDING_MODULE_NOT_ALIVE, NULL, NULL));
        assert_string_equal(found(&w), "module-dead");
        assert_ok(findings_add(&w.findings, FINDING_BIND_QUARANTINED, "0000:00:05.0", NULL));
        assert_string_equal(found(&w), "quarantine");
        findings_done(&w.findings);
}

static void test_words(void **state)
{
        (void) state;
        for (enum need_id id = 0; id < _NEED_MAX; id++) {
                assert_int_equal(need_from_string(need_to_string(id)), id);
                assert_true(need_type(id)->text && (need_type(id)->help || id == NEED_NONE));
        }
        assert_int_equal(need_from_string("nothing"), _NEED_INVALID);
        assert_int_equal(need_from_string(NULL), _NEED_INVALID);
        assert_null(need_to_string(_NEED_MAX));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_module, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_all, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_process, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_none, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_newer_kernel, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_findings, fixture_setup, fixture_teardown),
                cmocka_unit_test(test_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
