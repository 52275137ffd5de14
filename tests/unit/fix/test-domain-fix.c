/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix/domain-fix.h"

#include <string.h>

#include "fix/fix.h"
#include "fixture.h"
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

static struct device device = {
        .bdf = "0000:00:05.0", .group = 5, .n_bars = 1, .bars = { { .size = GIB(2) } }
};

static struct emulator emulators[] = {
        { .path = (char *) "/usr/bin/qemu-system-x86_64",
          .generation = GENERATION_NONE,
          .distribution = true },
        { .path = (char *) "/usr/bin/qemu-system-aarch64", .generation = GENERATION_PER_REGION },
        { .path = (char *) "/opt/old/qemu-system-x86_64",
          .generation = GENERATION_PER_AREA,
          .libvirt = true },
        { .path = (char *) "/opt/new/qemu-system-x86_64",
          .generation = GENERATION_PER_AREA,
          .libvirt = true },
};

/* What it takes to ask a fix: a host on which everything can be had. */
struct asked {
        struct host host;
        struct hostdev hostdevs[3];
        struct guest guest;
        struct domain_subject subject;
        struct domain_changes changes;
        struct fix_plan plan;
};

static void asked_done(struct asked *a)
{
        domain_changes_done(&a->changes);
        fix_plan_done(&a->plan);
}

static struct asked *asked(struct asked *a, struct fixture *f)
{
        asked_done(a);
        *a = (struct asked) {
                .host = {
                        .root = &f->root,
                        .kernel = {
                                .page_size = KIB(4), .pmd_size = MIB(2), .pud_size = GIB(1),
                                .huge_pmd = YES, .huge_pud = YES,
                                .places_pmd = NO, .places_pud = NO, .thp = THP_ALWAYS, .pin_by_leaf = YES,
                        },
                        .module = {.installed = YES, .loadable = YES, .loaded = NO, .enabled = NO},
                        .devices = {.listed = YES, .devices = &device, .n_devices = 1},
                        .emulators = {.emulators = emulators, .n_emulators = ELEMENTSOF(emulators)},
                },
                .hostdevs = {{.kind = HOSTDEV_PCI, .bdf = "0000:00:05.0"}},
                .guest = {
                        .name = (char *) "g", .emulator = (char *) "/usr/bin/qemu-system-x86_64",
                        .n_hostdevs = 1,
                        .arch = (char *) "x86_64", .machine = (char *) "pc-q35-7.2",
                },
        };
        a->guest.hostdevs = a->hostdevs;
        a->subject =
                (struct domain_subject){ .host = &a->host, .guest = &a->guest, .libvirt_version = 12001000 };
        fixture_write_bytes(f, "opt/new/qemu-system-x86_64", "\0pc-q35-7.2-machine\0iommufd\0", 28);
        fixture_write_bytes(f, "opt/old/qemu-system-x86_64", "\0pc-q35-7.2-machineX\0pc-q35-9.0-machine\0",
                            40);
        fixture_write_bytes(f, "usr/bin/qemu-system-x86_64", "\0iommufd\0", 9);
        fixture_write(f, "usr/bin/qemu-system-aarch64", "");
        fixture_write(f, "dev/iommu", "");
        fixture_write(f, PRELOAD_LIBRARY + 1, "");
        fixture_write(f, "proc/kallsyms",
                      "0 d vfio_device_fops [vfio]\n0 t vfio_device_fops_cdev_open [vfio]\n");
        return a;
}

static void ask(struct asked *a, const char *id)
{
        asked_done(a);
        assert_ok(domain_fix_find(id)->plan(&a->subject, &a->changes, &a->plan));
}

static void expect(struct asked *a, const char *id, size_t i, enum domain_place place, const char *key,
                   const char *value)
{
        ask(a, id);
        if (a->plan.refusal)
                fail_msg("%s: %s", id, a->plan.refusal);
        assert_true(i < a->changes.n);
        assert_int_equal(a->changes.changes[i].place, place);
        assert_string_equal(a->changes.changes[i].key, key);
        assert_string_equal(a->changes.changes[i].value, value);
}

static void expect_refusal(struct asked *a, const char *id, const char *words)
{
        ask(a, id);
        assert_int_equal(a->changes.n, 0);
        assert_non_null(a->plan.refusal);
        if (!strstr(a->plan.refusal, words))
                fail_msg("%s: %s", id, a->plan.refusal);
}

static void test_emulator(void **state)
{
        _cleanup_(asked_done) struct asked a = {};

        asked(&a, *state);
        /* not the one of another architecture, nor the one that does not know the machine */
        expect(&a, "emulator", 0, PLACE_EMULATOR, "", "/opt/new/qemu-system-x86_64");
        a.guest.machine = (char *) "pc-q35-9.0";
        expect(&a, "emulator", 0, PLACE_EMULATOR, "", "/opt/old/qemu-system-x86_64");
        a.guest.machine = (char *) "q35";
        expect(&a, "emulator", 0, PLACE_EMULATOR, "", "/opt/old/qemu-system-x86_64");
        a.guest.machine = (char *) "pc-q35-8.1";
        expect_refusal(&a, "emulator", "pc-q35-8.1");

        /* One that only a process runs, or that others can change, is not chosen; who names it gets it. */
        asked(&a, *state);
        emulators[3].libvirt = false;
        expect_refusal(&a, "emulator", "--emulator PATH");
        emulators[3].libvirt = emulators[3].changeable = true;
        expect_refusal(&a, "emulator", "--emulator PATH");
        a.subject.emulator = &emulators[3];
        expect(&a, "emulator", 0, PLACE_EMULATOR, "", "/opt/new/qemu-system-x86_64");
        assert_non_null(strstr(a.plan.note, "/opt/new/qemu-system-x86_64, which users other than root"));
        emulators[3].changeable = false;
        asked(&a, *state);
        expect(&a, "emulator", 0, PLACE_EMULATOR, "", "/opt/new/qemu-system-x86_64");
        assert_string_equal(a.plan.note, "the guest starts with /opt/new/qemu-system-x86_64");
        a.guest.machine = (char *) "pc-q35-8.1";

        /* named */
        a.subject.emulator = &emulators[3];
        expect_refusal(&a, "emulator",
                       "/opt/new/qemu-system-x86_64 does not know the machine type pc-q35-8.1");
        a.subject.emulator = &emulators[0];
        expect_refusal(&a, "emulator", "leaves the address to the kernel");
        emulators[0].generation = GENERATION_UNKNOWN;
        expect_refusal(&a, "emulator", "/usr/bin/qemu-system-x86_64 does not show whether it aligns");
        emulators[0].why = (char *) "the binary exports no vfio_region_mmap()";
        expect_refusal(&a, "emulator", "it aligns: the binary exports no vfio_region_mmap()");
        emulators[0].generation = GENERATION_NONE;
        emulators[0].why = NULL;
        emulators[3].program = PROGRAM_CLOUD_HYPERVISOR;
        emulators[3].generation = GENERATION_ROUNDED_AREA;
        a.subject.emulator = &emulators[3];
        expect_refusal(&a, "emulator", "is not a QEMU");
        emulators[3].program = PROGRAM_UNKNOWN;
        emulators[3].generation = GENERATION_PER_AREA;
        a.subject.emulator = NULL;

        /* its own aligns already */
        a.guest.emulator = (char *) "/opt/old/qemu-system-x86_64";
        expect_refusal(&a, "emulator", "aligns by itself");
}

static void test_preload(void **state)
{
        _cleanup_(asked_done) struct asked a = {};

        asked(&a, *state);
        expect(&a, "preload", 0, PLACE_PRELOAD, "", PRELOAD_LIBRARY);
        a.guest.preload = (char *) "/opt/a.so";
        expect(&a, "preload", 0, PLACE_PRELOAD, "", "/opt/a.so:" PRELOAD_LIBRARY);
        a.guest.preload = (char *) "/opt/a.so:" PRELOAD_LIBRARY;
        ask(&a, "preload");
        assert_int_equal(a.changes.n, 0);
        assert_null(a.plan.refusal);

        a.guest.preload = NULL;
        a.guest.emulator = (char *) "/opt/old/qemu-system-x86_64";
        expect_refusal(&a, "preload", "aligns by itself");
        a.guest.emulator = NULL;
        emulators[0].program = PROGRAM_QEMU;
        emulators[0].unpreloadable = true;
        expect_refusal(&a, "preload", "is a static program, which loads no library");
        emulators[0].unpreloadable = false;
        fixture_remove(*state, PRELOAD_LIBRARY + 1);
        expect_refusal(&a, "preload", PRELOAD_LIBRARY " is not there");
}

static void test_iommufd(void **state)
{
        _cleanup_(asked_done) struct asked a = {};

        asked(&a, *state);
        expect(&a, "iommufd", 0, PLACE_IOMMUFD, "0000:00:05.0", "yes");
        a.hostdevs[0].iommufd = true;
        ask(&a, "iommufd");
        assert_int_equal(a.changes.n, 0);
        a.hostdevs[0].iommufd = false;

        a.subject.libvirt_version = 12000000;
        expect_refusal(&a, "iommufd", "libvirt 12.0 cannot");
        a.subject.libvirt_version = 0;
        expect_refusal(&a, "iommufd", "unknown");
        asked(&a, *state);
        fixture_write(*state, "usr/bin/qemu-system-x86_64", "IOMMUFD");
        expect_refusal(&a, "iommufd", "QEMU has it since 9.0");
        fixture_remove(*state, "usr/bin/qemu-system-x86_64");
        expect_refusal(&a, "iommufd", "unknown");
        asked(&a, *state);
        fixture_write(*state, "proc/kallsyms", "0 d vfio_device_fops [vfio]\n");
        expect_refusal(&a, "iommufd", "CONFIG_VFIO_DEVICE_CDEV");
        fixture_write(*state, "proc/kallsyms", "0 t vfs_read\n");
        expect_refusal(&a, "iommufd", "vfio is not loaded");
        asked(&a, *state);
        fixture_remove(*state, "dev/iommu");
        expect_refusal(&a, "iommufd", "/dev/iommu");
}

static void test_no_mmap(void **state)
{
        _cleanup_(asked_done) struct asked a = {};

        asked(&a, *state);
        expect(&a, "no-mmap", 0, PLACE_ALIAS, "0000:00:05.0", "ua-vfioalign-0");
        expect(&a, "no-mmap", 1, PLACE_NO_MMAP, "ua-vfioalign-0", "true");
        assert_int_equal(a.changes.n, 2);

        /* names that are taken, or libvirt's; what has it already; what takes no such change */
        a.guest.n_hostdevs = 3;
        a.hostdevs[0].alias = (char *) "hostdev0";
        a.hostdevs[1] = (struct hostdev){ .kind = HOSTDEV_MDEV,
                                          .uuid = (char *) "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001",
                                          .alias = (char *) "ua-vfioalign-0" };
        a.hostdevs[2] = (struct hostdev){ .kind = HOSTDEV_NETWORK, .network = (char *) "pool" };
        expect(&a, "no-mmap", 0, PLACE_ALIAS, "0000:00:05.0", "ua-vfioalign-1");
        expect(&a, "no-mmap", 1, PLACE_NO_MMAP, "ua-vfioalign-1", "true");
        expect(&a, "no-mmap", 2, PLACE_NO_MMAP, "ua-vfioalign-0", "true");
        assert_int_equal(a.changes.n, 3);
        assert_non_null(strstr(a.plan.note, "pool"));
        a.hostdevs[1].no_mmap = true;
        ask(&a, "no-mmap");
        assert_int_equal(a.changes.n, 2);

        a.subject.libvirt_version = 8001000;
        expect_refusal(&a, "no-mmap", "libvirt 8.1 has no");
}

static void test_helps(void **state)
{
        _cleanup_(asked_done) struct asked a = {};

        asked(&a, *state);
        assert_true(domain_falls_short(&a.subject));
        for (size_t i = 0; i < DOMAIN_FIXES_MAX; i++) {
                assert_true(domain_fix_helps(&domain_fixes[i], &a.subject));
                assert_true(FIXES_OF_GUEST & FIX_BIT(domain_fixes[i].id));
                assert_ptr_equal(domain_fix_find(fix_id_to_string(domain_fixes[i].id)), &domain_fixes[i]);
                assert_int_equal(domain_fixes[i].consent, domain_fixes[i].id == FIX_NO_MMAP);
        }
        assert_null(domain_fix_find("module"));

        /* The module does it already, or its QEMU. */
        a.host.kernel.places_pmd.value = a.host.kernel.places_pud.value = FACT_YES;
        assert_false(domain_falls_short(&a.subject));
        asked(&a, *state);
        a.guest.emulator = (char *) "/opt/new/qemu-system-x86_64";
        for (size_t i = 0; i < DOMAIN_FIXES_MAX; i++)
                assert_false(domain_fix_helps(&domain_fixes[i], &a.subject));

        /* Who places the BARs is not known, so it is not sure that the guest falls short. */
        asked(&a, *state);
        a.guest.emulator = (char *) "/opt/unknown/qemu-system-x86_64";
        assert_false(domain_falls_short(&a.subject));
        assert_false(domain_fix_helps(domain_fix_find("iommufd"), &a.subject));
        assert_true(domain_fix_helps(domain_fix_find("preload"), &a.subject));

        /* Another condition limits: no address helps. */
        asked(&a, *state);
        a.host.kernel.huge_pmd.value = a.host.kernel.huge_pud.value = FACT_NO;
        assert_false(domain_fix_helps(domain_fix_find("preload"), &a.subject));
        assert_false(domain_fix_helps(domain_fix_find("emulator"), &a.subject));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_emulator, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_preload, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_iommufd, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_no_mmap, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_helps, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
