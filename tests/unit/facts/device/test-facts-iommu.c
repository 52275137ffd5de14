/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/device/facts-iommu.h"

#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "test.h"
#include "util/macro.h"

#define DMAR "sys/class/iommu/dmar0/intel-iommu/"
#define TYPE1 "sys/module/vfio_iommu_type1/parameters/"

static struct iommu_facts read_facts(struct fixture *f)
{
        struct device_facts none = {};
        struct iommu_facts i;

        assert_ok(iommu_facts_read(&i, &f->root, &none));
        return i;
}

/* An Intel host as QEMU 7.2 emulates it: entries of 2 MiB and 1 GiB, interrupt remapping. */
static void write_intel(struct fixture *f)
{
        fixture_write(f, DMAR "cap", "d2008c222f0686\n");
        fixture_write(f, DMAR "ecap", "f00f4a\n");
        fixture_write(f, "sys/kernel/iommu_groups/0/type", "DMA\n");
        fixture_write(f, "proc/cmdline", "quiet intel_iommu=on\n");
        fixture_write(f, "proc/interrupts",
                      "            CPU0\n"
                      "   1:         13  IR-IO-APIC                  1-edge      i8042\n"
                      "  24:          0  DMAR-MSI                    0-edge      dmar0\n");
        fixture_write(f, TYPE1 "allow_unsafe_interrupts", "N\n");
        fixture_write(f, TYPE1 "dma_entry_limit", "65535\n");
        fixture_write(f, "proc/cpuinfo",
                      "processor\t: 0\n"
                      "flags\t\t: fpu vme vmx pdpe1gb\n"
                      "vmx flags\t: vnmi ept ept_ad ept_1gb flexpriority\n");
        fixture_write(f, "sys/module/kvm/parameters/tdp_mmu", "Y\n");
        fixture_write(f, "sys/module/kvm/parameters/nx_huge_pages", "N\n");
        fixture_write(f, "sys/module/kvm_intel/parameters/ept", "Y\n");
}

static void test_intel(void **state)
{
        struct fixture *f = *state;
        struct iommu_facts i;

        write_intel(f);
        i = read_facts(f);
        assert_int_equal(i.at_work.value, FACT_YES);
        assert_int_equal(i.n_iommus, 1);
        assert_string_equal(i.iommus[0].name, "dmar0");
        assert_int_equal(i.iommus[0].type, IOMMU_INTEL);
        assert_int_equal(i.iommus[0].remaps_interrupts.value, FACT_YES);
        assert_int_equal(i.huge_pmd.value, FACT_YES);
        assert_int_equal(i.huge_pud.value, FACT_YES); /* 0xd2008c222f0686 has bits 34 and 35 */
        assert_int_equal(i.remaps_interrupts.value, FACT_YES);
        assert_int_equal(i.allows_unsafe_interrupts.value, FACT_NO);
        assert_int_equal(i.passthrough.value, FACT_NO);
        assert_int_equal(i.dma_entry_limit, 65535);
        assert_int_equal(i.kvm.value, FACT_YES);
        assert_int_equal(i.kvm_huge_pud.value, FACT_YES);
        assert_int_equal(i.kvm_tdp_mmu.value, FACT_YES);
        assert_int_equal(i.kvm_nx_huge_pages.value, FACT_NO);
        iommu_facts_done(&i);

        /* A second one without any, and all but one word of the command line. */
        fixture_write(f, "sys/class/iommu/dmar1/intel-iommu/cap", "d20088222f0686\n");
        fixture_write(f, "sys/class/iommu/dmar1/intel-iommu/ecap", "f00f42\n");
        fixture_write(f, "proc/cmdline", "iommu=pt\n");
        i = read_facts(f);
        assert_int_equal(i.n_iommus, 2);
        assert_int_equal(i.huge_pmd.value, FACT_NO); /* bit 35 without bit 34 */
        assert_int_equal(i.huge_pud.value, FACT_YES);
        assert_int_equal(i.iommus[0].huge_pmd.value, FACT_YES);
        assert_int_equal(i.iommus[1].remaps_interrupts.value, FACT_NO);
        assert_int_equal(i.passthrough.value, FACT_YES);
        iommu_facts_done(&i);

        fixture_remove(f, "sys/class/iommu/dmar1");
        fixture_write(f, "proc/cmdline", "intel_iommu=on,sp_off\n");
        fixture_write(f, "sys/module/kvm_intel/parameters/ept", "N\n");
        i = read_facts(f);
        assert_int_equal(i.huge_pmd.value, FACT_NO);
        assert_int_equal(i.huge_pmd.source, SOURCE_CMDLINE);
        assert_int_equal(i.kvm_huge_pud.value, FACT_NO);
        iommu_facts_done(&i);
}

static void test_amd(void **state)
{
        struct fixture *f = *state;
        struct iommu_facts i;

        fixture_write(f, "sys/class/iommu/ivhd0/amd-iommu/cap", "40\n");
        fixture_write(f, "proc/cmdline", "quiet\n");
        fixture_write(f, "proc/interrupts", "  24:  0  PCI-MSI-0000:00:02.0  0-edge  nvme0q0\n");
        fixture_write(f, "proc/cpuinfo",
                      "processor\t: 0\nflags\t\t: fpu pdpe1gb svm npt\npower management:\n"
                      "processor\t: 1\nflags\t\t: fpu svm npt\n");
        fixture_write(f, TYPE1 "allow_unsafe_interrupts", "Y\n");
        i = read_facts(f);
        assert_int_equal(i.iommus[0].type, IOMMU_AMD);
        assert_int_equal(i.huge_pud.value, FACT_YES);
        assert_int_equal(i.remaps_interrupts.value, FACT_NO);
        assert_int_equal(i.iommus[0].remaps_interrupts.value, FACT_UNKNOWN);
        assert_int_equal(i.allows_unsafe_interrupts.value, FACT_YES);
        assert_int_equal(i.kvm_huge_pud.value, FACT_YES);
        iommu_facts_done(&i);

        fixture_write(f, "proc/cpuinfo", "flags\t\t: fpu svm npt\n");
        fixture_write(f, "proc/cmdline", "amd_iommu=nohugepages\n");
        i = read_facts(f);
        assert_int_equal(i.huge_pmd.value, FACT_NO);
        assert_int_equal(i.kvm_huge_pud.value, FACT_NO);
        iommu_facts_done(&i);
}

static void test_arm(void **state)
{
        struct fixture *f = *state;
        struct iommu_facts i;

        fixture_write(f, "sys/class/iommu/smmu3.0x0000000009050000/uevent", "");
        fixture_write(f, "proc/interrupts", " 35:  0  ITS-PCI-MSIX-0000:00:01.0  0 Edge  virtio0-config\n");
        i = read_facts(f);
        assert_int_equal(i.at_work.value, FACT_YES);
        assert_int_equal(i.iommus[0].type, IOMMU_ARM);
        assert_int_equal(i.huge_pmd.value, FACT_UNKNOWN);
        assert_int_equal(i.remaps_interrupts.value, FACT_YES);
        iommu_facts_done(&i);
}

/* What cannot be seen is unknown, never no. */
static void test_missing(void **state)
{
        static const char *const paths[] = { "sys/class",    "sys/class/iommu/dmar0/intel-iommu",
                                             "sys/kernel",   "sys/module",
                                             "sys",          "proc/interrupts",
                                             "proc/cpuinfo", "proc/cmdline",
                                             "proc" };
        struct fixture *f = *state;
        struct iommu_facts whole, i;

        write_intel(f);
        whole = read_facts(f);
        for (size_t n = 0; n < ELEMENTSOF(paths); n++) {
                fixture_remove(f, paths[n]);
                i = read_facts(f);
#define NOT_TURNED(fact) \
        if (i.fact.value == FACT_NO && whole.fact.value != FACT_NO) \
        fail_msg("%s turns to no without %s", #fact, paths[n])
                NOT_TURNED(at_work);
                NOT_TURNED(remaps_interrupts);
                NOT_TURNED(huge_pmd);
                NOT_TURNED(kvm);
                NOT_TURNED(kvm_huge_pud);
                NOT_TURNED(kvm_tdp_mmu);
                iommu_facts_done(&i);
                write_intel(f);
        }
        iommu_facts_done(&whole);
}

static void test_off(void **state)
{
        struct fixture *f = *state;
        struct iommu_facts i = read_facts(f);

        assert_int_equal(i.at_work.value, FACT_UNKNOWN);
        assert_int_equal(i.huge_pmd.value, FACT_UNKNOWN);
        assert_int_equal(i.dma_entry_limit, 0);
        iommu_facts_done(&i);

        fixture_write(f, "sys/class/iommu/x", "");
        fixture_remove(f, "sys/class/iommu/x");
        i = read_facts(f);
        assert_int_equal(i.at_work.value, FACT_UNKNOWN); /* there can be groups that are not seen */
        iommu_facts_done(&i);
        fixture_write(f, "sys/kernel/iommu_groups/x", "");
        fixture_remove(f, "sys/kernel/iommu_groups/x");
        i = read_facts(f);
        assert_int_equal(i.at_work.value, FACT_NO);
        iommu_facts_done(&i);

        /* VFIO without an IOMMU makes groups of its own. */
        fixture_write(f, "sys/kernel/iommu_groups/0/name", "vfio-noiommu\n");
        i = read_facts(f);
        assert_int_equal(i.at_work.value, FACT_NO);
        iommu_facts_done(&i);

        fixture_write(f, "sys/kernel/iommu_groups/1/name", "another\n");
        i = read_facts(f);
        assert_int_equal(i.at_work.value, FACT_YES);
        iommu_facts_done(&i);
}

static void add_device(struct device_facts *d, const char *bdf, int group, const char *driver,
                       uint32_t class)
{
        struct device *device = &d->devices[d->n_devices++];

        *device = (struct device){ .group = group, .driver = (char *) driver, .class = class };
        strcpy(device->bdf, bdf);
}

static void test_groups(void **state)
{
        struct fixture *f = *state;
        struct device devices[16];
        struct device_facts d = { .devices = devices };
        const struct iommu_group *g;
        struct iommu_facts i;

        add_device(&d, "0000:00:00.0", 0, "skl_uncore",
                   0x060000); /* a host bridge with a driver of the host */
        add_device(&d, "0000:00:01.0", 7, "pcieport", 0x060400);
        add_device(&d, "0000:00:01.1", 7, "shpchp", 0x060400);
        add_device(&d, "0000:00:02.0", -1, "i915", 0x030000);
        add_device(&d, "0000:01:00.0", 7, "vfio-pci", 0x030000);
        add_device(&d, "0000:01:00.1", 7, NULL, 0x040300);
        add_device(&d, "0000:02:00.0", 3, "pci-stub", 0x020000);
        add_device(&d, "0000:02:00.1", 3, "e1000e", 0x020000);
        add_device(&d, "0000:02:00.2", 3, "igb", 0x020000);
        add_device(&d, "0000:03:00.0", 12, "special", 0x020000);
        add_device(&d, "0000:04:00.0", 13, "special2", 0x020000);
        add_device(&d, "0000:05:00.0", 14, "mlx5_vfio_pci", 0x020000);
        fixture_link(f, "sys/bus/pci/drivers/special/module", "../../../../module/special_module");
        fixture_write(f, "sys/module/vfio_pci_core/holders/special_module/refcnt", "");
        fixture_link(f, "sys/bus/pci/drivers/special2/module", "../../../../module/special2_module");

        assert_ok(iommu_facts_read(&i, &f->root, &d));
        assert_int_equal(i.n_groups, 6);
        for (size_t n = 1; n < i.n_groups; n++)
                assert_true(i.groups[n - 1].number < i.groups[n].number);

        g = iommu_facts_find_group(&i, 7);
        assert_non_null(g);
        assert_int_equal(g->n_members, 4);
        assert_string_equal(g->members[0]->bdf, "0000:00:01.0");
        assert_string_equal(g->members[3]->bdf, "0000:01:00.1");
        assert_int_equal(g->viable.value, FACT_YES);
        assert_null(g->culprit);

        g = iommu_facts_find_group(&i, 3);
        assert_int_equal(g->viable.value, FACT_NO);
        assert_string_equal(g->culprit->bdf, "0000:02:00.1");

        assert_int_equal(iommu_facts_find_group(&i, 0)->viable.value, FACT_NO);
        assert_int_equal(iommu_facts_find_group(&i, 12)->viable.value,
                         FACT_YES); /* its module uses vfio_pci_core */
        assert_int_equal(iommu_facts_find_group(&i, 13)->viable.value, FACT_NO);
        assert_int_equal(iommu_facts_find_group(&i, 14)->viable.value, FACT_YES);
        assert_null(iommu_facts_find_group(&i, 1));
        iommu_facts_done(&i);
}

/* A vendor's driver of vGPUs is VFIO's on a function that it has registered with VFIO, and the host's on the
 * physical one. */
static void test_group_of_vendor_driver(void **state)
{
        struct fixture *f = *state;
        struct device devices[4];
        struct device_facts d = { .devices = devices };
        struct iommu_facts i;

        add_device(&d, "0000:41:00.0", 61, "nvidia", 0x030200);
        add_device(&d, "0000:41:00.4", 66, "nvidia", 0x030200);
        add_device(&d, "0000:41:00.5", 67, "nvidia", 0x030200);
        devices[2].driver_is_vfio = true;
        add_device(&d, "0000:41:00.6", 67, NULL, 0x030200);

        assert_ok(iommu_facts_read(&i, &f->root, &d));
        assert_int_equal(iommu_facts_find_group(&i, 61)->viable.value, FACT_NO);
        assert_int_equal(iommu_facts_find_group(&i, 66)->viable.value, FACT_NO);
        assert_int_equal(iommu_facts_find_group(&i, 67)->viable.value, FACT_YES);
        assert_null(iommu_facts_find_group(&i, 67)->culprit);
        iommu_facts_done(&i);
}

int main(void)
{
#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(test_intel),
                FIXTURE_TEST(test_amd),
                FIXTURE_TEST(test_arm),
                FIXTURE_TEST(test_missing),
                FIXTURE_TEST(test_off),
                FIXTURE_TEST(test_groups),
                FIXTURE_TEST(test_group_of_vendor_driver),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
