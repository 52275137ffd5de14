/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/device/device-name.h"
#include "facts/device/facts-device.h"

#include <string.h>

#include "fixture.h"
#include "test.h"
#include "util/file-observer.h"
#include "util/macro.h"

#define PCI "sys/bus/pci/devices/"

/* As sysfs prints it: BAR 0 to 5, the ROM, and for a bridge its windows. */
#define RESOURCE_GPU \
        "0x00000000fa000000 0x00000000faffffff 0x0000000000040200\n" \
        "0x0000380000000000 0x000038007fffffff 0x000000000014220c\n" \
        "0x0000000000000000 0x0000000000000000 0x0000000000000000\n" \
        "0x000000000000c000 0x000000000000c07f 0x0000000000040101\n" \
        "0x0000000000000000 0x0000000000000000 0x0000000000000000\n" \
        "0x00000000fb000000 0x00000000fb000fff 0x0000000000040200\n" \
        "0x00000000fc000000 0x00000000fc07ffff 0x0000000000046200\n"

static void write_device(struct fixture *f, const char *bdf, const char *resource, const char *class)
{
        char path[256];

        snprintf(path, sizeof(path), PCI "%s/vendor", bdf);
        fixture_write(f, path, "0x10de\n");
        snprintf(path, sizeof(path), PCI "%s/device", bdf);
        fixture_write(f, path, "0x2330\n");
        snprintf(path, sizeof(path), PCI "%s/class", bdf);
        fixture_write(f, path, class);
        snprintf(path, sizeof(path), PCI "%s/resource", bdf);
        if (resource)
                fixture_write(f, path, resource);
}

static uint64_t largest_bar(const struct device *d)
{
        uint64_t size = 0;

        for (size_t i = 0; i < d->n_bars; i++)
                if (d->bars[i].size > size)
                        size = d->bars[i].size;
        return size;
}

static void test_tree(void **state)
{
        struct fixture *f = *state;
        struct device_facts facts;
        const struct device *d;

        write_device(f, "10000:e1:00.0", RESOURCE_GPU, "0x030200\n");
        write_device(f, "2000:00:00.0", NULL, "0x020000\n");
        write_device(f, "0000:41:00.0", RESOURCE_GPU, "0x030200\n");
        fixture_link(f, PCI "0000:41:00.0/iommu_group", "../../../../kernel/iommu_groups/12");
        fixture_link(f, PCI "0000:41:00.0/driver", "../../../../bus/pci/drivers/vfio-pci");
        write_device(f, "0000:00:01.0", NULL, "0x060400\n");
        fixture_link(f, PCI "0000:00:01.0/iommu_group", "../../../../kernel/iommu_groups/1");
        fixture_write(f, PCI "not-a-device/vendor", "0x1234\n");
        fixture_write(f, PCI "0000:00:02.0/config", ""); /* nearly unplugged */

        assert_ok(device_facts_read(&facts, &f->root));
        assert_int_equal(facts.listed.value, FACT_YES);
        assert_int_equal(facts.n_devices, 5);
        assert_string_equal(facts.devices[0].bdf, "0000:00:01.0");
        assert_string_equal(facts.devices[3].bdf, "2000:00:00.0");
        assert_string_equal(facts.devices[4].bdf, "10000:e1:00.0"); /* a long domain comes last */

        d = device_facts_find(&facts, "0000:41:00.0");
        assert_non_null(d);
        assert_int_equal(d->vendor, 0x10de);
        assert_int_equal(d->device, 0x2330);
        assert_int_equal(d->class, 0x030200);
        assert_int_equal(d->group, 12);
        assert_string_equal(d->driver, "vfio-pci");
        assert_true(device_is_assignable(d));
        assert_int_equal(largest_bar(d), GIB(2));
        assert_int_equal(d->n_bars, 3); /* neither I/O ports nor the ROM */
        assert_int_equal(d->bars[0].index, 0);
        assert_int_equal(d->bars[0].size, MIB(16));
        assert_false(d->bars[0].wide || d->bars[0].prefetchable);
        assert_int_equal(d->bars[1].index, 1);
        assert_int_equal(d->bars[1].size, GIB(2));
        assert_int_equal(d->bars[1].address, 0x380000000000);
        assert_true(d->bars[1].wide && d->bars[1].prefetchable);
        assert_int_equal(d->bars[2].index, 5);
        assert_int_equal(d->bars[2].size, KIB(4));

        assert_false(device_is_assignable(device_facts_find(&facts, "0000:00:01.0"))); /* a bridge */
        d = device_facts_find(&facts, "10000:e1:00.0");
        assert_int_equal(d->group, -1);
        assert_null(d->driver);
        assert_false(device_is_assignable(d));
        d = device_facts_find(&facts, "0000:00:02.0");
        assert_int_equal(d->n_bars, 0);
        assert_int_equal(largest_bar(d), 0);
        assert_null(device_facts_find(&facts, "0000:99:00.0"));
        assert_null(device_facts_find(&facts, "much too long an address to be any"));
        device_facts_done(&facts);
}

/* uevent has most of it in one file; the rest are attributes. */
static void test_attributes(void **state)
{
        struct fixture *f = *state;
        struct device_facts facts;
        const struct device *d;

        fixture_write(f, "proc/sys/kernel/osrelease", "6.12.0\n");
        fixture_write(f, "lib/modules/6.12.0/modules.alias",
                      "alias vfio_pci:v000010DEd00002330sv*sd*bc*sc*i* gpu_vfio_pci\n");
        fixture_write(f, "vfioalign/answers", "hwdb 10DE:2330\tNVIDIA Corporation GH100 [H100 SXM5 80GB]\n");
        fixture_write(f, PCI "0000:41:00.0/uevent",
                      "DRIVER=gpu-vfio-pci\nPCI_CLASS=30200\nPCI_ID=10DE:2330\nPCI_SUBSYS_ID=10DE:16C1\n"
                      "PCI_SLOT_NAME=0000:41:00.0\n"
                      "MODALIAS=pci:v000010DEd00002330sv000010DEsd000016C1bc03sc02i00\n");
        fixture_write(f, PCI "0000:41:00.0/vendor", "0x1111\n"); /* not read */
        fixture_write(f, PCI "0000:41:00.0/resource", RESOURCE_GPU);
        fixture_write(f, PCI "0000:41:00.0/resource1_resize", "00000000000bffc0\n");
        fixture_write(f, PCI "0000:41:00.0/driver_override", "vfio-pci\n");
        fixture_write(f, PCI "0000:41:00.0/numa_node", "1\n");
        fixture_write(f, PCI "0000:41:00.0/reset_method", "flr bus\n");
        fixture_write(f, PCI "0000:41:00.0/boot_vga", "1\n");
        fixture_write(f, PCI "0000:41:00.0/sriov_totalvfs", "20\n");
        fixture_write(f, PCI "0000:41:00.1/uevent",
                      "PCI_CLASS=20000\nPCI_ID=15B3:101E\nDRIVER=unheard_of\n");
        fixture_link(f, PCI "0000:41:00.1/physfn", "../0000:41:00.0");
        fixture_write(f, PCI "0000:41:00.1/vfio-dev/vfio0/dev", "511:0\n");
        fixture_write(f, PCI "0000:41:00.1/driver_override", "(null)\n");
        fixture_write(f, PCI "0000:42:00.0/uevent", "PCI_CLASS=10802\nPCI_ID=144D:A80A\nDRIVER=nvme\n");
        fixture_link(f, PCI "0000:42:00.0/physfn", "../0000:99:00.0"); /* which is not there */
        fixture_write(f, PCI "0000:42:00.0/numa_node", "-1\n");
        fixture_write(f, PCI "0000:42:00.0/reset_method", "\n");

        assert_ok(device_facts_read(&facts, &f->root));
        assert_ok(device_names_read(&facts, &f->root));
        assert_int_equal(facts.variants.value, FACT_YES);
        d = device_facts_find(&facts, "0000:41:00.0");
        assert_int_equal(d->vendor, 0x10de);
        assert_int_equal(d->subsystem_vendor, 0x10de);
        assert_int_equal(d->subsystem_device, 0x16c1);
        assert_int_equal(d->class, 0x030200);
        assert_string_equal(d->name, "NVIDIA Corporation GH100 [H100 SXM5 80GB]");
        assert_string_equal(d->driver, "gpu-vfio-pci");
        assert_string_equal(d->driver_override, "vfio-pci");
        assert_string_equal(d->vfio_driver, "gpu_vfio_pci");
        assert_true(d->driver_is_vfio);
        assert_int_equal(d->numa_node, 1);
        assert_string_equal(d->reset_method, "flr bus");
        assert_true(d->boot_vga);
        assert_int_equal(d->vfs_total, 20);
        assert_int_equal(d->vfs_enabled, 1);
        assert_string_equal(d->physical_function, "");
        assert_int_equal(d->bars[1].sizes, 0xbffc0);
        assert_int_equal(bar_largest_size(&d->bars[1]), GIB(512));
        assert_int_equal(bar_largest_size(&d->bars[0]), 0);

        d = device_facts_find(&facts, "0000:41:00.1");
        assert_string_equal(d->physical_function, "0000:41:00.0");
        assert_true(d->driver_is_vfio); /* by what it made of the device */
        assert_null(d->driver_override);
        assert_null(d->reset_method);
        assert_null(d->name);
        assert_string_equal(d->vfio_driver, "vfio-pci");
        assert_int_equal(d->numa_node, 1); /* the same bus */

        d = device_facts_find(&facts, "0000:42:00.0");
        assert_false(d->driver_is_vfio);
        assert_int_equal(d->numa_node, -1);
        assert_string_equal(d->reset_method, "");
        device_facts_done(&facts);

        assert_ok(device_facts_read_lockless(&facts, &f->root));
        assert_null(device_facts_find(&facts, "0000:41:00.0")->driver_override);
        device_facts_done(&facts);
}

/* Without privilege addresses are zero, but the sizes still show. */
static void test_resource(void **state)
{
        static const struct {
                const char *resource;
                size_t n_bars;
                uint64_t largest;
        } cases[] = {
                { "", 0, 0 },
                { "junk\n", 0, 0 },
                { "0x0000000000000000 0x000000007fffffff 0x000000000014220c\n", 1, GIB(2) },
                { "0x0000000000000000 0x000000007fffffff 0x000000000014220c", 1, GIB(2) },
                { "0x0000000080000000 0x000000007fffffff 0x000000000014220c\n", 0,
                  0 }, /* ends before it starts */
                { "0x0000000000000000 0x000000007fffffff 0x000000000014220c\nxyz\n", 1, GIB(2) },
                { RESOURCE_GPU RESOURCE_GPU, 3, GIB(2) },
        };
        struct fixture *f = *state;
        struct device_facts facts;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                write_device(f, "0000:41:00.0", cases[i].resource, "0x030200\n");
                assert_ok(device_facts_read(&facts, &f->root));
                assert_int_equal(facts.n_devices, 1);
                assert_int_equal(facts.devices[0].n_bars, cases[i].n_bars);
                assert_int_equal(largest_bar(&facts.devices[0]), cases[i].largest);
                device_facts_done(&facts);
        }
}

/* What VFIO cannot map: as xCuri0/ReBarUEFI#10 and siderolabs/talos#14356 show it. */
static void test_obstacles(void **state)
{
        static const uint8_t config[64] = { [0x10] = 0x0c, [0x18] = 0x0c, [0x20] = 0x01, [0x24] = 0x00 };
        struct fixture *f = *state;
        struct device_facts facts;
        const struct device *d;

        write_device(f, "0000:03:00.0",
                     "0x00000000f0000000 0x00000000ffffffff 0x000000000014220c\n"
                     "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
                     "0x0000000000000000 0x00000001ffffffff 0x000000002014220c\n",
                     "0x030000\n");
        write_device(f, "0000:04:00.0", RESOURCE_GPU, "0x030000\n");
        write_device(f, "0000:c3:00.0",
                     "0x0000002800000000 0x0000002fffffffff 0x000000000014220c\n"
                     "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
                     "0x0000003000000000 0x00000030001fffff 0x000000000014220c\n",
                     "0x030000\n");
        fixture_link(f, PCI "0000:c3:00.0/driver", "../../../../bus/pci/drivers/vfio-pci");
        fixture_write(f, "proc/iomem",
                      "2800000000-37ffffffff : PCI Bus 0000:c3\n"
                      "  2800000000-2fffffffff : 0000:c3:00.0\n"
                      "    2800000000-2801fa3fff : BOOTFB\n"
                      "      2800000000-2801fa3fff : simpledrm\n");
        assert_ok(device_facts_read(&facts, &f->root));
        d = device_facts_find(&facts, "0000:03:00.0");
        assert_int_equal(d->n_bars, 2);
        assert_true(bar_is_mappable(&d->bars[0]));
        assert_true(d->bars[1].unassigned && !bar_is_mappable(&d->bars[1]));
        assert_int_equal(d->bars[1].address, 0);
        assert_int_equal(d->bars[1].size, GIB(8));
        d = device_facts_find(&facts, "0000:c3:00.0");
        assert_int_equal(d->n_bars, 2);
        assert_string_equal(d->bars[0].reserved_by, "simpledrm");
        assert_false(bar_is_mappable(&d->bars[0]));
        assert_true(bar_is_mappable(&d->bars[1]));
        device_facts_done(&facts);

        /* Where the kernel has given up, only the register is left; a driver of the host is left alone. */
        fixture_write_bytes(f, PCI "0000:03:00.0/config", config, sizeof(config));
        fixture_write(f, PCI "0000:03:00.0/resource",
                      "0x00000000f0000000 0x00000000ffffffff 0x000000000014220c\n"
                      "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
                      "0x0000000000000000 0x0000000000000000 0x0000000000000000\n");
        fixture_write(f, "proc/iomem", "00000000-00000000 : BOOTFB\n"); /* not root's view */
        for (int i = 0; i < 2; i++) {
                assert_ok(device_facts_read(&facts, &f->root));
                d = device_facts_find(&facts, "0000:03:00.0");
                assert_int_equal(d->n_bars, i == 0 ? 2 : 1);
                if (i == 0) {
                        assert_int_equal(d->bars[1].index, 2);
                        assert_true(d->bars[1].unassigned && d->bars[1].wide && d->bars[1].prefetchable);
                        assert_int_equal(d->bars[1].size, 0);
                }
                assert_null(device_facts_find(&facts, "0000:c3:00.0")->bars[0].reserved_by);
                device_facts_done(&facts);
                if (i == 0)
                        fixture_link(f, PCI "0000:03:00.0/driver", "../../../../bus/pci/drivers/amdgpu");
        }
}

static void keep_excerpt(enum file_kind kind, const char *path, const char *data, size_t size,
                         void *userdata)
{
        char **kept = userdata;

        if (strlen(path) < strlen("/proc/iomem") ||
            !streq(path + strlen(path) - strlen("/proc/iomem"), "/proc/iomem"))
                return;
        if (kind != FILE_EXCERPT && kind != FILE_DENIED)
                return;
        free(*kept);
        *kept = kind == FILE_DENIED ? strdup("denied") : strndup(data, size);
}

/* Whatever has a part of a BAR, unless it is VFIO, or leaves before VFIO comes. */
static void test_reserved(void **state)
{
#define BAR0 "80000000-8fffffff : 0000:01:00.0\n"
        static const struct {
                const char *driver, *class;
                bool vendor;
                const char *iomem, *reserved_by;
        } cases[] = {
                { "vfio-pci", "0x030000", false, BAR0, NULL },
                { "vfio-pci", "0x030000", false, BAR0 "  80000000-807fffff : efifb\n", "efifb" },
                { "vfio-pci", "0x058000", false, BAR0 "  80100000-801fffff : Some Board 00:05\n",
                  "Some Board 00:05" },
                { "vfio-pci", "0x030000", false, BAR0 "  80000000-8fffffff : BOOTFB\n", "BOOTFB" },
                /* only that line was recorded, formerly */
                { "vfio-pci", "0x030000", false, "    80000000-807fffff : vesafb\n", "vesafb" },
                /* a part of it is another's altogether */
                { "vfio-pci", "0x030000", false, "7ff00000-800fffff : PCI Bus 0000:02\n",
                  "PCI Bus 0000:02" },
                /* VFIO's own, while a guest has it */
                { "vfio-pci", "0x030000", false, BAR0 "  80000000-8fffffff : vfio-pci\n", NULL },
                { "vfio-pci", "0x030000", false, BAR0 "  80000000-8fffffff : vfio\n", NULL },
                { "nvidia", "0x030200", true, BAR0 "  80000000-8fffffff : nvidia\n", NULL },
                { "nvidia", "0x030200", true, BAR0 "  80000000-807fffff : simplefb\n", "simplefb" },
                /* windows above it, one of the same size */
                { "vfio-pci", "0x030000", false,
                  "80000000-9fffffff : Reserved\n 80000000-8fffffff : PCI Bus 0000:01\n  " BAR0, NULL },
                { "vfio-pci", "0x030000", false,
                  BAR0 "90000000-9000ffff : BOOTFB\n7fff0000-7fffffff : efifb\n", NULL },
                /* A driver of the host takes its reservations along, and vfio-pci removes them from a VGA
                   device. */
                { "amdgpu", "0x030000", false, BAR0 "  80000000-8fffffff : amdgpu\n", NULL },
                { NULL, "0x030000", false, BAR0 "  80000000-807fffff : BOOTFB\n", NULL },
                { NULL, "0x030200", false, BAR0 "  80000000-807fffff : BOOTFB\n", "BOOTFB" },
                { NULL, "0x030000", false, BAR0 "  80000000-807fffff : phram\n", "phram" },
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct device_facts facts;
                const char *by;

                if (i > 0)
                        fixture_remove(f, PCI "0000:01:00.0");
                write_device(f, "0000:01:00.0", "0x0000000080000000 0x000000008fffffff 0x000000000014220c\n",
                             cases[i].class);
                if (cases[i].driver) {
                        char target[64];

                        snprintf(target, sizeof(target), "../../../../bus/pci/drivers/%s", cases[i].driver);
                        fixture_link(f, PCI "0000:01:00.0/driver", target);
                }
                if (cases[i].vendor)
                        fixture_write(f, PCI "0000:01:00.0/vfio-dev/vfio0/dev", "511:0\n");
                fixture_write(f, "proc/iomem", cases[i].iomem);
                assert_ok(device_facts_read(&facts, &f->root));
                assert_int_equal(facts.reservations.value, FACT_YES);
                by = facts.devices[0].bars[0].reserved_by;
                if (!streq(by ?: "nobody", cases[i].reserved_by ?: "nobody"))
                        fail_msg("case %zu: %s, not %s", i, by, cases[i].reserved_by);
                assert_false(bar_is_unknown(&facts.devices[0].bars[0]));
                device_facts_done(&facts);
        }
}

/* Who is not root sees zeros, and may not be told that the boot display is whole. */
static void test_reserved_unseen(void **state)
{
        struct fixture *f = *state;
        struct device_facts facts;
        char *kept = NULL;

        write_device(f, "0000:01:00.0", "0x0000000080000000 0x000000008fffffff 0x000000000014220c\n",
                     "0x030000\n");
        write_device(f, "0000:02:00.0", "0x0000000090000000 0x000000009fffffff 0x000000000014220c\n",
                     "0x030000\n");
        for (const char *const *bdf = (const char *const[]){ "0000:01:00.0", "0000:02:00.0", NULL }; *bdf;
             bdf++) {
                char path[64];

                snprintf(path, sizeof(path), PCI "%s/driver", *bdf);
                fixture_link(f, path, "../../../../bus/pci/drivers/vfio-pci");
        }
        fixture_write(f, PCI "0000:01:00.0/boot_vga", "1\n");
        fixture_write(f, PCI "0000:02:00.0/boot_vga", "0\n");
        for (int i = 0; i < 2; i++) {
                if (i == 1)
                        fixture_write(f, "proc/iomem",
                                      "00000000-00000000 : System RAM\n00000000-00000000 : 0000:01:00.0\n");
                file_observe(keep_excerpt, &kept);
                assert_ok(device_facts_read(&facts, &f->root));
                file_observe(NULL, NULL);
                assert_int_equal(facts.reservations.value, FACT_UNKNOWN);
                assert_non_null(strstr(facts.reservations.why, i == 0 ? "cannot be read" : "CAP_SYS_ADMIN"));
                assert_true(bar_is_mappable(&facts.devices[0].bars[0]));
                assert_true(bar_is_unknown(&facts.devices[0].bars[0]));
                assert_false(bar_is_unknown(&facts.devices[1].bars[0]));
                device_facts_done(&facts);
        }
        assert_string_equal(kept, "denied");

        /* What is recorded is about BARs alone, and not where the kernel itself lies. */
        fixture_write(f, "proc/iomem",
                      "00001000-7fffffff : System RAM\n  01000000-01ffffff : Kernel code\n"
                      "80000000-efffffff : PCI Bus 0000:00\n  80000000-8fffffff : 0000:01:00.0\n"
                      "    80000000-807fffff : BOOTFB\n  a0000000-a0000fff : 0000:03:00.0\n");
        file_observe(keep_excerpt, &kept);
        assert_ok(device_facts_read(&facts, &f->root));
        file_observe(NULL, NULL);
        assert_string_equal(kept, "  80000000-8fffffff : 0000:01:00.0\n    80000000-807fffff : BOOTFB\n");
        assert_string_equal(facts.devices[0].bars[0].reserved_by, "BOOTFB");
        device_facts_done(&facts);

        /* It may be that there is none. */
        fixture_write(f, "proc/iomem", "");
        assert_ok(device_facts_read(&facts, &f->root));
        assert_int_equal(facts.reservations.value, FACT_YES);
        device_facts_done(&facts);
        free(kept);
}

static void test_missing(void **state)
{
        struct fixture *f = *state;
        struct device_facts facts;

        assert_ok(device_facts_read(&facts, &f->root));
        assert_int_equal(facts.listed.value, FACT_UNKNOWN);
        assert_null(device_facts_find(&facts, "0000:00:01.0"));
        device_facts_done(&facts);

        write_device(f, "0000:41:00.0", RESOURCE_GPU, "0x030200\n");
        assert_ok(device_facts_read(&facts, &f->root));
        device_facts_done(&facts);

        fixture_link(f, PCI "0000:41:00.0/iommu_group", "../../../../kernel/iommu_groups/noiommu");
        assert_ok(device_facts_read(&facts, &f->root));
        assert_int_equal(facts.devices[0].group, -1);
        device_facts_done(&facts);
}

/* By header type, and not all of class 06 */
static void test_bridges(void **state)
{
        static const struct {
                uint32_t class;
                bool bridge, infrastructure;
        } cases[] = {
                { 0x060000, false, true },  { 0x060100, false, true },  { 0x060400, true, true },
                { 0x060401, true, true },   { 0x060700, true, true },   { 0x060940, true, true },
                { 0x068000, false, false }, { 0x060a00, false, false }, { 0x030000, false, false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const struct device d = { .class = cases[i].class, .group = 1 };

                assert_int_equal(device_is_bridge(&d), cases[i].bridge);
                assert_int_equal(device_is_infrastructure(&d), cases[i].infrastructure);
                assert_int_equal(device_is_assignable(&d), !cases[i].infrastructure);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bridges),
                cmocka_unit_test_setup_teardown(test_tree, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_attributes, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_obstacles, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_resource, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_reserved, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_reserved_unseen, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_missing, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
