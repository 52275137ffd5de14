/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/finding.h"
#include "audit/guest-cost.h"
#include "config/fix-id.h"

#include "test.h"
#include "util/macro.h"

#define YES \
        { \
                .value = FACT_YES \
        }
#define NO \
        { \
                .value = FACT_NO \
        }

static void test_table(void **state)
{
        (void) state;
        for (int i = 0; i < _FINDING_MAX; i++) {
                const struct finding_type *type = finding_type(i);

                assert_non_null(type);
                assert_true(type->severity >= 0 && type->severity < _SEVERITY_MAX);
                assert_true(type->text && *type->text && !strchr(type->text, '\n'));
                assert_true(type->remedy && *type->remedy && !strchr(type->remedy, '\n'));
                assert_non_null(type->message_id);
                assert_int_equal(strlen(type->message_id), 32);
                assert_int_equal(strspn(type->message_id, "0123456789abcdef"), 32);
                for (int k = 0; k < i; k++) {
                        assert_string_not_equal(type->message_id, finding_type(k)->message_id);
                        assert_string_not_equal(type->text, finding_type(k)->text);
                        assert_string_not_equal(finding_to_string(i), finding_to_string(k));
                }
        }
        assert_null(finding_type(_FINDING_MAX));
        assert_null(finding_type(_FINDING_INVALID));
}

static const struct finding *find(const struct findings *f, enum finding_id id)
{
        for (size_t i = 0; i < f->n_findings; i++)
                if (f->findings[i].id == id)
                        return &f->findings[i];
        return NULL;
}

static const struct kernel_facts linux_7_3 = {
        .page_size = KIB(4),
        .pmd_size = MIB(2),
        .pud_size = GIB(1),
        .vfio = YES,
        .huge_pmd = YES,
        .huge_pud = YES,
        .fault_fills = NO,
        .places_pmd = NO,
        .places_pud = NO,
        .thp = THP_ALWAYS,
        .pin_by_leaf = YES,
};

/* A GPU that could be handed over. */
static struct device gpu = {
        .bdf = "0000:00:05.0", .group = 5, .n_bars = 1, .bars = { { .index = 1, .size = GIB(2) } }
};

static struct host new_host(void)
{
        return (struct host){
                .kernel = linux_7_3,
                .module = { .installed = YES, .loadable = YES, .loaded = NO, .enabled = NO },
                .devices = { .listed = YES, .devices = &gpu, .n_devices = 1 },
                .uses = { .block = YES, .network = YES, .processes = YES },
                .iommu = { .at_work = YES, .remaps_interrupts = YES },
                .libvirt = { .installed = NO },
                .mappings = { .complete = YES },
        };
}

/* Exactly these findings, the last one being _FINDING_MAX. */
static void assert_findings(const struct host *h, const enum finding_id *wanted)
{
        struct findings f;
        size_t n = 0;

        assert_ok(findings_collect(&f, h));
        for (; wanted[n] != _FINDING_MAX; n++)
                if (!find(&f, wanted[n]))
                        fail_msg("no %s", finding_to_string(wanted[n]));
        for (size_t i = 0; n != f.n_findings && i < f.n_findings; i++)
                print_error("%s\n", finding_to_string(f.findings[i].id));
        assert_int_equal(f.n_findings, n);
        findings_done(&f);
}
#define ASSERT_FINDINGS(h, ...) \
        assert_findings(h, (const enum finding_id[]){ __VA_ARGS__ __VA_OPT__(, ) _FINDING_MAX })

static void test_kernel(void **state)
{
        struct host h = new_host();

        (void) state;
        ASSERT_FINDINGS(&h, FINDING_KERNEL_UNALIGNED, FINDING_MODULE_NOT_LOADED);

        h.module.loaded.value = h.module.enabled.value = FACT_YES;
        ASSERT_FINDINGS(&h, FINDING_FACTS_UNSEEN); /* not read back */
        h.module.alive.value = FACT_YES;
        ASSERT_FINDINGS(&h);
        h.module.alive.value = FACT_NO;
        ASSERT_FINDINGS(&h, FINDING_MODULE_NOT_ALIVE);
        h.module.enabled.value = FACT_NO;
        h.module.alive.value = FACT_NO;
        ASSERT_FINDINGS(&h, FINDING_KERNEL_UNALIGNED, FINDING_MODULE_DISABLED);

        h = new_host();
        h.module.installed.value = FACT_NO;
        ASSERT_FINDINGS(&h, FINDING_KERNEL_UNALIGNED, FINDING_MODULE_NOT_INSTALLED);
        /* Nobody is told to install what this kernel cannot take. */
        h.kernel.takes_module.value = FACT_NO;
        h.module.loadable = (struct fact){ .value = FACT_NO, .why = "no kprobes" };
        ASSERT_FINDINGS(&h, FINDING_KERNEL_UNALIGNED, FINDING_MODULE_FORBIDDEN);
        h = new_host();
        h.module.loadable = (struct fact){ .value = FACT_NO, .why = "because" };
        ASSERT_FINDINGS(&h, FINDING_KERNEL_UNALIGNED, FINDING_MODULE_FORBIDDEN);

        /* 6.12: aligned to 2 MiB by accident, pinned by 4 KiB, THP as the operator set it */
        h = new_host();
        h.kernel.places_pmd.value = FACT_YES;
        h.kernel.pin_by_leaf.value = FACT_NO;
        h.kernel.thp = THP_MADVISE;
        h.kernel.thp_exempt.value = FACT_NO;
        /* The module does nothing for a program that has no huge pages at all, before the setting does. */
        ASSERT_FINDINGS(&h, FINDING_KERNEL_PARTLY_ALIGNED, FINDING_KERNEL_PINS_PAGES, FINDING_THP_ASKS);
        h.kernel.thp = THP_NEVER;
        ASSERT_FINDINGS(&h, FINDING_KERNEL_PARTLY_ALIGNED, FINDING_KERNEL_PINS_PAGES, FINDING_THP_RESTRICTS);
        h.kernel.places_pmd.value = FACT_NO;
        ASSERT_FINDINGS(&h, FINDING_KERNEL_UNALIGNED, FINDING_KERNEL_PINS_PAGES, FINDING_THP_RESTRICTS,
                        FINDING_MODULE_NOT_LOADED);

        /* thp_get_unmapped_area() in the slot: on purpose, and the module gives more */
        h = new_host();
        h.kernel.aligns.value = h.kernel.places_pmd.value = FACT_YES;
        ASSERT_FINDINGS(&h, FINDING_KERNEL_PARTLY_ALIGNED, FINDING_MODULE_NOT_LOADED);
        h.kernel.huge_pud.value = FACT_NO; /* arm64: there is no more */
        ASSERT_FINDINGS(&h, FINDING_KERNEL_ALIGNS);

        /* get_mapping_order(): nothing is left for the module to do */
        h = new_host();
        h.kernel.mapping_order.value = h.kernel.aligns.value = FACT_YES;
        h.kernel.places_pmd.value = h.kernel.places_pud.value = FACT_YES;
        h.module.installed.value = FACT_NO;
        ASSERT_FINDINGS(&h, FINDING_KERNEL_ALIGNS);

        /* 6.1: what it lacks makes all the rest moot */
        h = new_host();
        h.kernel.huge_pmd.value = h.kernel.huge_pud.value = FACT_NO;
        h.kernel.pin_by_leaf.value = FACT_NO;
        h.kernel.thp = THP_NEVER;
        h.kernel.fault_fills.value = FACT_UNKNOWN;
        ASSERT_FINDINGS(&h, FINDING_KERNEL_NO_HUGE_FAULT, FINDING_FACTS_UNSEEN);
        h.kernel.fault_fills.value = FACT_YES;
        ASSERT_FINDINGS(&h, FINDING_KERNEL_NO_HUGE_FAULT);
        h.kernel.fault_fills.value = FACT_NO; /* PREEMPT_RT */
        ASSERT_FINDINGS(&h, FINDING_KERNEL_NO_HUGE_FAULT);

        h = new_host();
        h.iommu.at_work.value = FACT_NO;
        h.kernel.vfio.value = FACT_NO;
        h.kernel.huge_pmd.value = FACT_UNKNOWN;
        ASSERT_FINDINGS(&h, FINDING_NO_IOMMU, FINDING_NO_VFIO);
}

/* A host of which nothing can be seen is accused of nothing. */
static void test_unknown(void **state)
{
        struct host h = { .kernel = { .page_size = KIB(4), .pmd_size = MIB(2), .pud_size = GIB(1) } };

        (void) state;
        h.mappings.complete = fact_unknown("/proc cannot be read");
        ASSERT_FINDINGS(&h, FINDING_MAPPINGS_UNSEEN, FINDING_FACTS_UNSEEN);

        h = new_host();
        h.kernel.places_pmd.value = h.kernel.places_pud.value = FACT_UNKNOWN;
        h.kernel.pin_by_leaf.value = h.kernel.thp_exempt.value = FACT_UNKNOWN;
        h.kernel.thp = THP_MADVISE;
        h.module = (struct module_facts){};
        ASSERT_FINDINGS(&h, FINDING_FACTS_UNSEEN);
}

static void test_subjects(void **state)
{
        struct emulator emulators[] = {
                { .path = (char *) "/usr/bin/a", .generation = GENERATION_NONE },
                { .path = (char *) "/usr/bin/b", .generation = GENERATION_UNKNOWN, .why = "a reason" },
                { .path = (char *) "/usr/bin/c", .generation = GENERATION_PER_AREA },
        };
        struct mapping mappings[] = {
                { .pid = 7,
                  .command = (char *) "qemu",
                  .start = 0x7f1000001000,
                  .size = GIB(2),
                  .bdf = "0000:00:05.0" },
                { .pid = 7, .start = 0x7f2000000000, .size = GIB(2), .bdf = "0000:00:06.0" },
                { .pid = 7, .start = 0x7f3000001000, .size = KIB(4), .bdf = "0000:00:07.0" },
        };
        struct host h = new_host();
        struct findings f;

        (void) state;
        h.emulators = (struct emulator_facts){ emulators, ELEMENTSOF(emulators) };
        h.mappings.mappings = mappings;
        h.mappings.n_mappings = ELEMENTSOF(mappings);
        assert_ok(findings_collect(&f, &h));
        assert_string_equal(find(&f, FINDING_EMULATOR_UNALIGNED)->subject, "/usr/bin/a");
        assert_string_equal(find(&f, FINDING_EMULATOR_UNKNOWN)->subject, "/usr/bin/b");
        assert_string_equal(find(&f, FINDING_EMULATOR_UNKNOWN)->detail, "a reason");
        assert_string_equal(find(&f, FINDING_MAPPING_SMALL_PAGES)->subject, "0000:00:05.0");
        assert_non_null(strstr(find(&f, FINDING_MAPPING_SMALL_PAGES)->detail, "process 7 (qemu): 4 KiB"));
        assert_int_equal(f.n_findings, 2 + 2 + 1);
        assert_int_equal(findings_severity(&f), SEVERITY_WARNING);
        findings_done(&f);
        assert_int_equal(findings_severity(&f), SEVERITY_INFO);
}

static void assert_finding(const struct host *h, enum finding_id id, enum severity severity,
                           const char *remedy)
{
        _cleanup_free_ char *text = NULL;
        const struct finding *finding;
        struct findings f;

        assert_ok(findings_collect(&f, h));
        finding = find(&f, id);
        if (!finding)
                fail_msg("no %s", finding_to_string(id));
        assert_int_equal(finding->severity, severity);
        text = finding_remedy(finding);
        assert_string_equal(text, remedy);
        findings_done(&f);
}

/* What is advised for another VMM is of use for it. */
static void test_other_vmm(void **state)
{
        struct emulator e = { .path = (char *) "/opt/kata/bin/cloud-hypervisor",
                              .generation = GENERATION_NONE,
                              .source = SOURCE_ELF,
                              .program = PROGRAM_CLOUD_HYPERVISOR,
                              .unpreloadable = true };
        struct emulator_process process = { .pid = 7 };
        struct mapping m = { .pid = 7,
                             .command = (char *) "cloud-hyperviso",
                             .start = 0x7f1000001000,
                             .size = GIB(2),
                             .bdf = "0000:00:05.0" };
        struct host h = new_host();
        struct findings f;

        (void) state;
        h.emulators = (struct emulator_facts){ &e, 1, &process, 1 };
        h.mappings.mappings = &m;
        h.mappings.n_mappings = 1;
        h.module.loadable = fact_is(false, SOURCE_PROC);
        h.module.loadable.why = "Secure Boot";
        assert_finding(&h, FINDING_EMULATOR_UNALIGNED, SEVERITY_NOTICE,
                       "Install cloud-hypervisor 53 or later");
        assert_ok(findings_collect(&f, &h));
        assert_int_equal(find(&f, FINDING_MAPPING_SMALL_PAGES)->fixes, 0); /* preload least of all */
        assert_non_null(strstr(find(&f, FINDING_MAPPING_SMALL_PAGES)->detail, "static program"));
        findings_done(&f);

        /* It is not the file but who starts it that keeps libvirt's variable away. */
        e.unpreloadable = false;
        assert_ok(findings_collect(&f, &h));
        assert_int_equal(find(&f, FINDING_MAPPING_SMALL_PAGES)->fixes, 0);
        assert_null(strstr(find(&f, FINDING_MAPPING_SMALL_PAGES)->detail, "static program"));
        findings_done(&f);
        e.program = PROGRAM_QEMU;
        assert_finding(&h, FINDING_EMULATOR_UNALIGNED, SEVERITY_NOTICE, "Install QEMU 9.2 or later");
        assert_ok(findings_collect(&f, &h));
        assert_int_equal(find(&f, FINDING_MAPPING_SMALL_PAGES)->fixes, 0); /* nor is it a guest of libvirt */
        findings_done(&f);
        h.libvirt.installed.value = FACT_YES; /* it may be one */
        assert_ok(findings_collect(&f, &h));
        assert_int_equal(find(&f, FINDING_MAPPING_SMALL_PAGES)->fixes, FIX_BIT(FIX_PRELOAD));
        findings_done(&f);
        h.libvirt.installed.value = FACT_NO;

        e.program = PROGRAM_OTHER;
        e.source = SOURCE_PROC;
        assert_ok(findings_collect(&f, &h));
        assert_string_equal(find(&f, FINDING_EMULATOR_UNALIGNED)->detail,
                            "a process that runs it has mapped a BAR where nobody aligned it");
        findings_done(&f);
        assert_finding(&h, FINDING_EMULATOR_UNALIGNED, SEVERITY_NOTICE,
                       "None but the module: no version of it that aligns is known");
        e.generation = GENERATION_UNKNOWN;
        assert_finding(&h, FINDING_EMULATOR_UNKNOWN, SEVERITY_INFO,
                       "vfioalignctl mappings, while it runs a guest");

        /* The module reaches all of them. */
        h.module.loadable = fact_is(true, SOURCE_PROC);
        assert_ok(findings_collect(&f, &h));
        assert_int_equal(find(&f, FINDING_MAPPING_SMALL_PAGES)->fixes, FIX_BIT(FIX_MODULE));
        findings_done(&f);
}

static void assert_no_finding(const struct host *h, enum finding_id id)
{
        struct findings f;

        assert_ok(findings_collect(&f, h));
        assert_null(find(&f, id));
        findings_done(&f);
}

/* A guest can have any name, also a finding's or a device's, and the command is about the guest. */
static void test_remedy_of_guest(void **state)
{
        static const struct {
                const char *name, *remedy;
        } cases[] = {
                { "web1", "vfioalignctl explain --guest web1" },
                { "hook-missing", "vfioalignctl explain --guest hook-missing" },
                { "Ana's PC", "vfioalignctl explain --guest 'Ana'\\''s PC'" },
                { "-gpu", "vfioalignctl explain --guest -- -gpu" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const struct finding f = { .id = FINDING_GUEST_SMALL_PAGES,
                                           .subject = (char *) cases[i].name };
                _cleanup_free_ char *text = finding_remedy(&f);

                assert_string_equal(text, cases[i].remedy);
        }
}

/* Root is not told to become root, except about a record that somebody else has made. */
static void test_root(void **state)
{
        static const enum finding_id ids[] = { FINDING_BIND_UNSEEN, FINDING_MAPPINGS_UNSEEN,
                                               FINDING_FACTS_UNSEEN };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                const struct finding recorded = { .id = ids[i], .recorded = true };
                _cleanup_free_ char *text = finding_remedy(&recorded);

                assert_non_null(strstr(text, "as root"));
                if (ids[i] != FINDING_BIND_UNSEEN) /* no bind is recorded */
                        assert_non_null(strstr(text, "make the recording as root"));
                assert_true((geteuid() == 0) != (strstr(finding_remedy_text(ids[i]), "as root") != NULL));
        }
}

/* A guest's name is an argument of the command, and nothing else. */
static void test_command(void **state)
{
        const struct finding f = { .id = FINDING_GUEST_SMALL_PAGES, .subject = (char *) "a; reboot" };
        _cleanup_free_ char *text = NULL;

        (void) state;
        text = finding_remedy(&f);
        assert_non_null(strstr(text, "vfioalignctl explain --guest 'a; reboot'"));
}

/* A BAR that VFIO cannot map has a finding where it is for a guest, and no pages. */
static void test_obstacles(void **state)
{
        struct device d = { .bdf = "0000:00:08.0",
                            .class = 0x030000,
                            .group = 8,
                            .n_bars = 2,
                            .bars = { { .index = 0,
                                        .size = GIB(1),
                                        .address = GIB(64),
                                        .reserved_by = (char *) "BOOTFB" },
                                      { .index = 2, .size = GIB(8), .unassigned = true } } };
        struct hostdev hostdev = { .bdf = "0000:00:08.0" };
        struct libvirt_guest guest = {
                .xml = { .name = (char *) "g", .hostdevs = &hostdev, .n_hostdevs = 1 }, .defined = true
        };
        struct host h = new_host();
        struct guest_cost cost;
        struct findings f;

        (void) state;
        h.devices = (struct device_facts){ .listed = YES, .devices = &d, .n_devices = 1 };
        assert_no_finding(&h, FINDING_BAR_NO_ADDRESS);
        assert_no_finding(&h, FINDING_BAR_RESERVED);
        h.libvirt = (struct libvirt_facts){ .readable = YES, .guests = &guest, .n_guests = 1 };
        assert_ok(findings_collect(&f, &h));
        assert_string_equal(find(&f, FINDING_BAR_NO_ADDRESS)->detail, "BAR 2, 8 GiB");
        assert_string_equal(find(&f, FINDING_BAR_RESERVED)->detail, "BAR 0, 1 GiB: BOOTFB");
        assert_null(find(&f, FINDING_GUEST_SMALL_PAGES));
        findings_done(&f);
        cost = guest_cost(&h.devices, &guest.xml, &h.kernel, &h.module, (struct placer){}, 0);
        assert_int_equal(cost.n_bars, 0);
        assert_true(cost.incomplete && cost.faults == COUNT_UNKNOWN);
        assert_string_equal(cost.why, "a BAR of its device has no address");

        /* What is not there, or not known, is said. */
        h.devices.n_devices = 0;
        cost = guest_cost(&h.devices, &guest.xml, &h.kernel, &h.module, (struct placer){}, 0);
        assert_string_equal(cost.why, "its device is not on this host");
        *hostdev.bdf = '\0';
        hostdev.kind = HOSTDEV_NETWORK;
        cost = guest_cost(&h.devices, &guest.xml, &h.kernel, &h.module, (struct placer){}, 0);
        assert_string_equal(cost.why, "which function it gets is decided at its start");
}

/* Who does not answer, and what was left out, is said; of many as much as a person reads. */
static void test_left_out(void **state)
{
        struct unread_process unread[20] = { { .pid = 7, .command = (char *) "staller" } };
        struct mapping_omission omission = { .pid = 8, .command = (char *) "mapper", .mappings = 64000 };
        struct host h = new_host();
        struct findings f;
        size_t n = 0;

        (void) state;
        assert_no_finding(&h, FINDING_PROCESS_UNREAD);
        assert_no_finding(&h, FINDING_MAPPINGS_OMITTED);
        h.unread = (struct unread_processes){ unread, 1, 0 };
        assert_ok(findings_collect(&f, &h));
        assert_string_equal(find(&f, FINDING_PROCESS_UNREAD)->detail, "process 7 (staller)");
        findings_done(&f);
        h.unread = (struct unread_processes){ unread, 20, 5 };
        h.mappings.omissions = &omission;
        h.mappings.n_omissions = 1;
        assert_ok(findings_collect(&f, &h));
        for (size_t i = 0; i < f.n_findings; i++)
                n += f.findings[i].id == FINDING_PROCESS_UNREAD;
        assert_int_equal(n, 16 + 2);
        assert_string_equal(find(&f, FINDING_MAPPINGS_OMITTED)->detail,
                            "64000 further mappings of process 8 (mapper) are not shown");
        findings_done(&f);
}

static void test_damaged(void **state)
{
        char *paths[] = { (char *) "/etc/libvirt/qemu/half.xml" };
        struct host h = new_host();
        struct findings f;

        (void) state;
        assert_no_finding(&h, FINDING_GUEST_DAMAGED);
        h.libvirt.readable = (struct fact) YES;
        h.libvirt.damaged = paths;
        h.libvirt.n_damaged = 1;
        assert_ok(findings_collect(&f, &h));
        assert_string_equal(find(&f, FINDING_GUEST_DAMAGED)->detail, paths[0]);
        assert_null(find(&f, FINDING_FACTS_UNSEEN));
        findings_done(&f);
}

/* How grave a finding is, and what it names as the way out, follows from whom a fix would help. */
static void test_help(void **state)
{
        struct emulator e = { .path = (char *) "/usr/bin/qemu",
                              .generation = GENERATION_NONE,
                              .distribution = true };
        struct hostdev hostdev = { .bdf = "0000:00:05.0" };
        struct libvirt_guest guest = {
                .xml = { .name = (char *) "Ana's PC", .hostdevs = &hostdev, .n_hostdevs = 1 },
                .defined = true
        };
        struct host h = new_host();

        (void) state;
        h.emulators = (struct emulator_facts){ .emulators = &e, .n_emulators = 1 };
        h.libvirt = (struct libvirt_facts){ .installed = YES, .readable = YES };

        /* No guest: the module would help one that comes, and nobody waits for it. */
        assert_finding(&h, FINDING_MODULE_NOT_LOADED, SEVERITY_INFO, "vfioalignctl fix apply module");
        assert_finding(&h, FINDING_KERNEL_UNALIGNED, SEVERITY_INFO, "vfioalignctl fix apply module");
        h.libvirt.readable.value = FACT_UNKNOWN; /* unless it could not be seen */
        assert_finding(&h, FINDING_MODULE_NOT_LOADED, SEVERITY_WARNING, "vfioalignctl fix apply module");
        h.libvirt.readable.value = FACT_YES;

        h.libvirt.guests = &guest;
        h.libvirt.n_guests = 1;
        assert_finding(&h, FINDING_MODULE_NOT_LOADED, SEVERITY_WARNING, "vfioalignctl fix apply module");
        assert_finding(&h, FINDING_GUEST_SMALL_PAGES, SEVERITY_WARNING, "vfioalignctl fix apply module");
        assert_finding(&h, FINDING_EMULATOR_UNALIGNED, SEVERITY_NOTICE, "vfioalignctl fix apply module");

        /* Where it is forbidden, the next fix helps the guest, and is an edit of its domain. */
        h.module.loadable = (struct fact){ .value = FACT_NO, .why = "because" };
        assert_finding(&h, FINDING_MODULE_FORBIDDEN, SEVERITY_WARNING,
                       "Lift what forbids it (for Secure Boot, sign the module and enrol the key: mokutil "
                       "--import KEY, then reboot), or run guests with QEMU 9.2 or later");
        assert_finding(&h, FINDING_KERNEL_UNALIGNED, SEVERITY_WARNING,
                       "Run guests with QEMU 9.2 or later, which aligns BARs by itself");
        assert_finding(&h, FINDING_GUEST_SMALL_PAGES, SEVERITY_WARNING,
                       "vfioalignctl guest apply 'Ana'\\''s PC' preload");
        guest.xml.name = (char *) "-gpu";
        assert_finding(&h, FINDING_GUEST_SMALL_PAGES, SEVERITY_WARNING,
                       "vfioalignctl guest apply -- -gpu preload");
        guest.xml.name = (char *) "train-a";
        assert_finding(&h, FINDING_GUEST_SMALL_PAGES, SEVERITY_WARNING,
                       "vfioalignctl guest apply train-a preload");

        /* Every guest has 1 GiB already: nobody misses the module. */
        e.generation = GENERATION_PER_AREA;
        assert_no_finding(&h, FINDING_MODULE_FORBIDDEN);
        assert_finding(&h, FINDING_KERNEL_UNALIGNED, SEVERITY_INFO,
                       "Run guests with QEMU 9.2 or later, which aligns BARs by itself");
        h.module.loadable = (struct fact) YES;
        assert_no_finding(&h, FINDING_MODULE_NOT_LOADED);

        /* Only the two together help: they are named together. */
        e.generation = GENERATION_NONE;
        h.kernel.thp = THP_NEVER;
        h.kernel.thp_exempt.value = FACT_NO;
        assert_finding(&h, FINDING_THP_RESTRICTS, SEVERITY_WARNING,
                       "vfioalignctl fix apply module && vfioalignctl fix apply thp");
        assert_finding(&h, FINDING_GUEST_SMALL_PAGES, SEVERITY_WARNING,
                       "vfioalignctl fix apply module && vfioalignctl fix apply thp");
}

/* A guest that is off, and what the host does with its device. */
static void test_uses(void **state)
{
        struct hostdev hostdev = { .bdf = "0000:00:05.0", .managed = true };
        struct libvirt_guest guest = {
                .xml = { .name = (char *) "win11", .hostdevs = &hostdev, .n_hostdevs = 1 }, .defined = true
        };
        struct device_use use = { .bdf = "0000:00:05.0",
                                  .kind = USE_PROCESS,
                                  .what = (char *) "Xorg (pid 812, card0)" };
        struct host h = new_host();
        struct findings f;

        (void) state;
        h.kernel.huge_pmd = h.kernel.huge_pud = (struct fact) NO;
        h.libvirt =
                (struct libvirt_facts){ .installed = NO, .readable = YES, .guests = &guest, .n_guests = 1 };
        assert_no_finding(&h, FINDING_DEVICE_IN_USE);
        h.uses.uses = &use;
        h.uses.n_uses = 1;
        for (enum use_kind kind = 0; kind < _USE_KIND_MAX; kind++) {
                use.kind = kind;
                assert_ok(findings_collect(&f, &h));
                if (kind == USE_GUEST)
                        assert_null(find(&f, FINDING_DEVICE_IN_USE));
                else
                        assert_non_null(find(&f, FINDING_DEVICE_IN_USE));
                findings_done(&f);
        }
        use.kind = USE_PROCESS;
        guest.running = true;
        assert_no_finding(&h, FINDING_DEVICE_IN_USE);

        h.uses.block = fact_unknown("a reason");
        assert_ok(findings_collect(&f, &h));
        assert_non_null(
                strstr(find(&f, FINDING_FACTS_UNSEEN)->detail, "which block devices are in use (a reason)"));
        findings_done(&f);
}

/* What a record of a bind amounts to. */
static void test_binds(void **state)
{
        struct bind_unread unread[] = { { "0000:04:00.0", -EACCES }, { "0000:05:00.0", -EBADMSG } };
        struct bind_member members[] = {
                { .bdf = "0000:01:00.0", .vendor = 0x144d, .device = 0xa80a, .before.driver = "nvme" },
                { .bdf = "0000:01:00.1", .vendor = 0x144d, .device = 0xa80a, .before.driver = "nvme" },
                { .bdf = "0000:01:00.2",
                  .vendor = 0x10de,
                  .device = 0x2291,
                  .before.driver = "snd_hda_intel" },
                { .bdf = "0000:01:00.3", .vendor = 0x10de, .device = 0x0001 },
        };
        struct bind_record record = { .state = BIND_STATE_BOUND,
                                      .owner = (char *) "boot",
                                      .members = members,
                                      .n_members = ELEMENTSOF(members) };
        struct device devices[] = {
                { .bdf = "0000:01:00.0", .vendor = 0x144d, .device = 0xa80a, .driver = (char *) "nvme" },
                { .bdf = "0000:02:00.0",
                  .vendor = 0x144d,
                  .device = 0xa80a,
                  .driver = (char *) "vfio-pci",
                  .driver_is_vfio = true },
                { .bdf = "0000:03:00.0", .vendor = 0x144d, .device = 0xa80a },
        };
        struct host h = new_host();
        const struct finding *late;
        struct findings f;

        (void) state;
        h.kernel.huge_pmd = h.kernel.huge_pud = (struct fact) NO;
        h.uses.processes = (struct fact) YES;
        h.devices.devices = devices;
        h.devices.n_devices = 2;
        h.binds = (struct bind_records){ &record, 1 };
        assert_ok(findings_collect(&f, &h));
        late = find(&f, FINDING_BIND_LATE);
        assert_non_null(late);
        assert_string_equal(late->subject, "0000:01:00.0");
        assert_string_equal(
                late->detail,
                "nvme had it first; /etc/modprobe.d/vfioalign.conf: \"softdep nvme pre: vfio-pci\", "
                "\"softdep snd_hda_intel pre: vfio-pci\", \"options vfio-pci ids=144d:a80a,10de:2291\"; "
                "then rebuild the initramfs");
        assert_null(find(&f, FINDING_BIND_QUARANTINED));
        assert_null(find(&f, FINDING_FACTS_UNSEEN));
        findings_done(&f);

        /* Nobody is told to hand the host's own disk over as well. */
        h.devices.n_devices = 3;
        assert_ok(findings_collect(&f, &h));
        late = find(&f, FINDING_BIND_LATE);
        assert_non_null(late);
        assert_null(strstr(late->detail, "ids="));
        assert_non_null(strstr(late->detail, "0000:03:00.0"));
        findings_done(&f);

        /* It had no driver, or VFIO's; it was no boot's; it is on its way. */
        record.owner = (char *) "guest web1";
        assert_ok(findings_collect(&f, &h));
        assert_null(find(&f, FINDING_BIND_LATE));
        findings_done(&f);
        record.owner = (char *) "boot";
        record.state = BIND_STATE_BINDING;
        assert_ok(findings_collect(&f, &h));
        assert_null(find(&f, FINDING_BIND_LATE));
        findings_done(&f);
        record.state = BIND_STATE_BOUND;
        *members[0].before.driver = '\0';
        strcpy(members[1].before.driver, "vfio_pci");
        *members[2].before.driver = '\0';
        assert_ok(findings_collect(&f, &h));
        assert_null(find(&f, FINDING_BIND_LATE));
        findings_done(&f);

        record.state = BIND_STATE_QUARANTINED;
        record.reason = (char *) "100% stuck";
        h.binds_readable = fact_unknown("damaged");
        assert_ok(findings_collect(&f, &h));
        assert_non_null(find(&f, FINDING_BIND_QUARANTINED));
        assert_string_equal(find(&f, FINDING_BIND_QUARANTINED)->subject, "0000:01:00.0");
        assert_string_equal(find(&f, FINDING_BIND_QUARANTINED)->detail, "100% stuck");
        assert_non_null(find(&f, FINDING_FACTS_UNSEEN));
        assert_non_null(strstr(find(&f, FINDING_FACTS_UNSEEN)->detail, "(damaged)"));
        findings_done(&f);

        /* A damaged record names its file, and the way out. */
        h.binds = (struct bind_records){ .unread = unread, .n_unread = ELEMENTSOF(unread) };
        assert_ok(findings_collect(&f, &h));
        assert_non_null(find(&f, FINDING_BIND_QUARANTINED));
        assert_string_equal(find(&f, FINDING_BIND_QUARANTINED)->subject, "0000:05:00.0");
        assert_non_null(strstr(find(&f, FINDING_BIND_QUARANTINED)->detail,
                               "/run/vfioalign/bind/0000:05:00.0 is damaged"));
        assert_non_null(strstr(find(&f, FINDING_BIND_QUARANTINED)->detail,
                               "vfioalignctl unbind 0000:05:00.0 --driver NAME"));
        findings_done(&f);
}

/* Those that want the same driver, and do not undo each other, are no finding. */
static void test_claims(void **state)
{
        static const struct {
                enum claim_tool a, b; /* b: as a for one claim alone */
                const char *driver_a, *driver_b;
                enum guest_manager guest; /* _GUEST_MANAGER_MAX: no guest has it */
                bool found;
        } cases[] = {
                { CLAIM_CMDLINE, CLAIM_MODPROBE, "vfio-pci", "vfio-pci", _GUEST_MANAGER_MAX, false },
                { CLAIM_MODPROBE, CLAIM_DRIVERCTL, "vfio-pci", "vfio-pci", _GUEST_MANAGER_MAX, false },
                { CLAIM_MODPROBE, CLAIM_PROXMOX, "vfio-pci", "vfio-pci", _GUEST_MANAGER_MAX, false },
                { CLAIM_MODPROBE, CLAIM_DRIVERCTL, "vfio-pci", "nouveau", _GUEST_MANAGER_MAX, true },
                { CLAIM_MODPROBE, CLAIM_DRIVERCTL, "vfio-pci", NULL, _GUEST_MANAGER_MAX, true },
                { CLAIM_MODPROBE, CLAIM_MDEVCTL, "vfio-pci", NULL, _GUEST_MANAGER_MAX, true },
                { CLAIM_MODPROBE, CLAIM_LIBVIRT, "vfio-pci", NULL, _GUEST_MANAGER_MAX, false },
                { CLAIM_DRIVERCTL, CLAIM_LIBVIRT, "vfio-pci", NULL, _GUEST_MANAGER_MAX, true },
                { CLAIM_MDEVCTL, CLAIM_LIBVIRT, NULL, NULL, _GUEST_MANAGER_MAX, true },
                { CLAIM_LIBVIRT, CLAIM_LIBVIRT, NULL, NULL, GUEST_OF_LIBVIRT, false },
                { CLAIM_MODPROBE, CLAIM_MODPROBE, "vfio-pci", "vfio-pci", GUEST_OF_LIBVIRT, false },
                { CLAIM_CMDLINE, CLAIM_MODPROBE, "vfio-pci", "vfio-pci", GUEST_OF_PROXMOX, false },
                /* libvirt takes away what driverctl has written. */
                { CLAIM_DRIVERCTL, CLAIM_DRIVERCTL, "vfio-pci", "vfio-pci", GUEST_OF_LIBVIRT, true },
                { CLAIM_MODPROBE, CLAIM_DRIVERCTL, "vfio-pci", "vfio-pci", GUEST_OF_LIBVIRT, true },
                { CLAIM_DRIVERCTL, CLAIM_DRIVERCTL, "vfio-pci", "vfio-pci", GUEST_OF_PROXMOX, false },
                { CLAIM_DRIVERCTL, CLAIM_DRIVERCTL, "nouveau", "nouveau", GUEST_OF_PROXMOX, true },
                { CLAIM_MDEVCTL, CLAIM_MDEVCTL, NULL, NULL, GUEST_OF_LIBVIRT, true },
        };
        struct hostdev hostdev = { .bdf = "0000:00:05.0", .managed = true };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct claim claims[] = {
                        { .tool = cases[i].a,
                          .bdf = "0000:00:05.0",
                          .driver = (char *) cases[i].driver_a,
                          .file = (char *) "/a" },
                        { .tool = cases[i].b,
                          .bdf = "0000:00:05.0",
                          .driver = (char *) cases[i].driver_b,
                          .file = (char *) "/b" },
                };
                struct libvirt_guest guest = {
                        .xml = { .name = (char *) "g", .hostdevs = &hostdev, .n_hostdevs = 1 },
                        .defined = true
                };
                struct host h = new_host();
                struct findings f;

                h.claims = (struct claims){ .claims = claims, .n_claims = ELEMENTSOF(claims) };
                if (cases[i].guest != _GUEST_MANAGER_MAX) {
                        guest.xml.manager = cases[i].guest;
                        h.libvirt.guests = &guest;
                        h.libvirt.n_guests = 1;
                }
                assert_ok(findings_collect(&f, &h));
                if ((find(&f, FINDING_DEVICE_CLAIMED) != NULL) != cases[i].found)
                        fail_msg("case %zu", i);
                findings_done(&f);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),           cmocka_unit_test(test_kernel),
                cmocka_unit_test(test_unknown),         cmocka_unit_test(test_subjects),
                cmocka_unit_test(test_other_vmm),       cmocka_unit_test(test_root),
                cmocka_unit_test(test_remedy_of_guest), cmocka_unit_test(test_damaged),
                cmocka_unit_test(test_left_out),        cmocka_unit_test(test_command),
                cmocka_unit_test(test_obstacles),       cmocka_unit_test(test_help),
                cmocka_unit_test(test_binds),           cmocka_unit_test(test_uses),
                cmocka_unit_test(test_claims),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
