/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/guest/mapping-process.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "test.h"
#include "util/clock.h"
#include "util/macro.h"
#include "util/process-file.h"

#define LINE_DMA_BUF \
        "7f10c0000000-7f1140000000 rw-s 00000000 00:0d 77                         " \
        "/dmabuf:vfio0:0000:00:05.0/2\n"
#define LINE_BAR2 \
        "7f10c0000000-7f1140000000 rw-s 20000000000 00:13 1065                     " \
        "anon_inode:[vfio-device]\n"

static void test_parse(void **state)
{
        static const struct {
                const char *line;
                uint64_t start, size, offset;
                int region;
                const char *bdf;
        } cases[] = {
                { LINE_BAR2, 0x7f10c0000000, GIB(2), 0, 2, "" },
                /* A BAR that is mapped through a dma-buf, as proposed in 2026 */
                { LINE_DMA_BUF, 0x7f10c0000000, GIB(2), 0, 2, "0000:00:05.0" },
                { "7f10c0000000-7f10c0002000 rw-s 10000003000 00:0d 77 /dmabuf:vfio12:10000:e1:00.0/4\n",
                  0x7f10c0000000, KIB(8), 0x10000003000, 4, "10000:e1:00.0" },
                { "7f10c0000000-7f10c0002000 rw-s 10000003000 00:13 1065 anon_inode:[vfio-device]",
                  0x7f10c0000000, KIB(8), 0x3000, 1 },
                /* A device file of its own, 6.6 */
                { "7f1000000000-7f1080000000 rw-s 00000000000 00:05 733                        "
                  "/dev/vfio/devices/vfio12\n",
                  0x7f1000000000, GIB(2), 0, 0 },
                /* 6.1: the physical address stands for the offset */
                { "7fa870c00000-7fa8f0c00000 rw-s 380000000000 00:0e 1058                      "
                  "anon_inode:[vfio-device]\n",
                  0x7fa870c00000, GIB(2), 0, 56 },
                { "7fa870c00000-7fa8f0c00000 rw-s 7f8000000000 00:0e 1058                      "
                  "anon_inode:[vfio-device]\n",
                  0x7fa870c00000, GIB(2), 0x7f8000000000, -1 },
        };
        static const char *const others[] = {
                "",
                "junk",
                "7f10c0000000-7f1140000000",
                "7f10c0000000-7f1140000000 rw-p 00000000 00:00 0 ",
                "7f10c0000000-7f1140000000 rw-p 00000000 00:00 0 [heap]",
                "7f10c0000000-7f1140000000 rw-s 00000000 00:01 1028 /memfd:anon_inode:[vfio-device] "
                "(deleted)",
                "7f10c0000000-7f10c0001000 rw-s 00000000 00:0e 1058 anon_inode:kvm-vcpu:0",
                "7f10c0000000-7f10c0001000 rw-s 00000000 00:05 1058 /dev/vfio/vfio",
                "7f1140000000-7f10c0000000 rw-s 20000000000 00:13 1065 anon_inode:[vfio-device]",
                "7f1140000000-7f1140000000 rw-s 20000000000 00:13 1065 anon_inode:[vfio-device]",
                "zz10c0000000-7f1140000000 rw-s 20000000000 00:13 1065 anon_inode:[vfio-device]",
                "7f10c0000000-7f1140000000 rw-s 20000000000 00:13 anon_inode:[vfio-device]",
                "7f10c0000000-7f1140000000 rw-s 00000000 00:0d 77 /dmabuf:vfio0:0000:00:05.0",
                "7f10c0000000-7f1140000000 rw-s 00000000 00:0d 77 /dmabuf:vfio0:0000:00:05.0/",
                "7f10c0000000-7f1140000000 rw-s 00000000 00:0d 77 /dmabuf:vfio0:0000:00:05.0/2/3",
                "7f10c0000000-7f1140000000 rw-s 00000000 00:0d 77 /dmabuf:vfio0:0000:00:05.0/99",
                "7f10c0000000-7f1140000000 rw-s 00000000 00:0d 77 /dmabuf:vfio0:00:05/2",
                "7f10c0000000-7f1140000000 rw-s 00000000 00:0d 77 /dmabuf:vfio",
                "7f10c0000000-7f1140000000 rw-s 00000000 00:0d 77 /dmabuf:udmabuf",
        };
        struct mapping m;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_int_equal(mapping_parse(cases[i].line, &m), 1);
                assert_int_equal(m.start, cases[i].start);
                assert_int_equal(m.size, cases[i].size);
                assert_int_equal(m.offset, cases[i].offset);
                assert_int_equal(m.region, cases[i].region);
                assert_string_equal(m.bdf, cases[i].bdf ?: "");
        }
        memset(&m, 0x55, sizeof(m));
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                assert_int_equal(mapping_parse(others[i], &m), 0);
        assert_int_equal(m.pid, 0x55555555);
}

#define PCI "sys/bus/pci/devices/"
#define NONE "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"

/* Two functions with a BAR 2 of 2 GiB, one with 256 MiB. */
static void write_devices(struct fixture *f)
{
        fixture_write(f, PCI "0000:00:05.0/resource",
                      NONE NONE "0x0000380000000000 0x000038007fffffff 0x000000000014220c\n");
        fixture_write(f, PCI "0000:00:06.0/resource",
                      NONE NONE "0x0000380080000000 0x00003800ffffffff 0x000000000014220c\n");
        fixture_write(f, PCI "0000:00:07.0/resource",
                      NONE NONE "0x0000380100000000 0x000038010fffffff 0x000000000014220c\n");
}

static void read_all(struct fixture *f, struct mapping_facts *m)
{
        struct device_facts devices;

        assert_ok(device_facts_read(&devices, &f->root));
        assert_ok(mapping_facts_read(m, &f->root, &devices));
        device_facts_done(&devices);
}

static void write_process(struct fixture *f, const char *maps, const void *cmdline, size_t size)
{
        fixture_write(f, "proc/4242/maps", maps);
        fixture_write(f, "proc/4242/comm", "qemu-system-x86\n");
        fixture_write_bytes(f, "proc/4242/cmdline", cmdline, size);
}
#define WRITE_PROCESS(f, maps, cmdline) write_process(f, maps, cmdline, sizeof(cmdline))

static void assert_device(struct fixture *f, const char *bdf)
{
        struct mapping_facts m;

        read_all(f, &m);
        assert_int_equal(m.n_mappings, 1);
        assert_string_equal(m.mappings[0].bdf, bdf);
        mapping_facts_done(&m);
}

static void test_resolve(void **state)
{
        struct fixture *f = *state;
        struct mapping_facts m;

        write_devices(f);
        WRITE_PROCESS(
                f,
                "555555554000-555555558000 r-xp 00000000 08:01 42 /usr/bin/qemu-system-x86_64\n" LINE_BAR2,
                "qemu\0-device\0vfio-pci,id=hostdev0,host=00:05.0,bus=pci.1");
        fixture_write(f, "proc/1/maps", "7f10c0000000-7f1140000000 rw-p 00000000 00:00 0 [heap]\n");
        fixture_write(f, "proc/self/maps", LINE_BAR2); /* a link to a process that is there already */
        read_all(f, &m);
        assert_int_equal(m.complete.value, FACT_YES);
        assert_int_equal(m.n_mappings, 1);
        assert_int_equal(m.mappings[0].pid, 4242);
        assert_string_equal(m.mappings[0].command, "qemu-system-x86");
        assert_string_equal(m.mappings[0].bdf, "0000:00:05.0");
        mapping_facts_done(&m);

        /* as libvirt writes it */
        WRITE_PROCESS(
                f, LINE_BAR2,
                "qemu\0-device\0{\"driver\":\"vfio-pci\",\"host\":\"0000:00:06.0\",\"id\":\"hostdev0\"}");
        assert_device(f, "0000:00:06.0");

        /* Two that fit: no guess */
        WRITE_PROCESS(f, LINE_BAR2,
                      "qemu\0-device\0vfio-pci,host=0000:00:05.0\0-device\0vfio-pci,host=0000:00:06.0");
        assert_device(f, "");
        /* One fits, one is too small; named twice is still one */
        WRITE_PROCESS(f, LINE_BAR2,
                      "qemu\0-device\0vfio-pci,host=0000:00:05.0\0-device\0vfio-pci,host=0000:00:07.0\0"
                      "-set\0vfio-pci,host=00:05.0");
        assert_device(f, "0000:00:05.0");

        /* Other VMMs' ways to name one; and what looks like one */
        WRITE_PROCESS(f, LINE_BAR2,
                      "cloud-hypervisor\0--device\0path=/sys/bus/pci/devices/0000:00:06.0/,iommu=off\0"
                      "--disk\0path=/a/0000:00:05.0/b,x-0000:00:05.0,0000:00:05.0x\0--net\0mac=00:05:0.0");
        assert_device(f, "0000:00:06.0");
        WRITE_PROCESS(f, LINE_BAR2, "crosvm\0run\0--vfio\0/sys/bus/pci/devices/0000:00:05.0");
        assert_device(f, "0000:00:05.0");
        WRITE_PROCESS(f, LINE_BAR2,
                      "testpmd\0-a\0"
                      "0000:00:06.0");
        assert_device(f, "0000:00:06.0");
        WRITE_PROCESS(f, LINE_BAR2,
                      "qemu\0-device\0vfio-pci,sysfsdev=/sys/bus/pci/devices/0000:00:05.0/uuid");
        assert_device(f, "");

        /* A kernel that names the device, a VMM that does not */
        WRITE_PROCESS(f, LINE_BAR2, "vmm");
        assert_device(f, "");
        fixture_write(f, "proc/4242/fdinfo/1", "pos:\t0\nflags:\t02\n");
        fixture_write(
                f, "proc/4242/fdinfo/31",
                "pos:\t0\nflags:\t02000002\nvfio-device-syspath: /sys/devices/pci0000:00/0000:00:06.0\n");
        assert_device(f, "0000:00:06.0");

        /* Told by address alone, where the kernel shows the physical one; also past one whole region number
         */
        fixture_remove(f, "proc/4242/fdinfo");
        WRITE_PROCESS(f, "7fa870c00000-7fa8f0c00000 rw-s 380080000000 00:0e 1058 anon_inode:[vfio-device]\n",
                      "vmm");
        read_all(f, &m);
        assert_string_equal(m.mappings[0].bdf, "0000:00:06.0");
        assert_int_equal(m.mappings[0].region, 2);
        assert_int_equal(m.mappings[0].offset, 0);
        mapping_facts_done(&m);

        /* A BAR of 256 bytes, mapped as a page */
        fixture_write(f, PCI "0000:00:09.0/resource",
                      "0x00000000fe000000 0x00000000fe0000ff 0x0000000000040200\n");
        WRITE_PROCESS(f, "7f6597f82000-7f6597f83000 rw-s 00000000 00:0e 1058 anon_inode:[vfio-device]\n",
                      "qemu\0-device\0vfio-pci,host=0000:00:09.0");
        assert_device(f, "0000:00:09.0");

        /* Region 2 reads as 2 TiB, where another function's BAR lies: the region decides */
        fixture_write(f, PCI "0000:00:08.0/resource",
                      "0x0000020000000000 0x000002ffffffffff 0x000000000014220c\n");
        WRITE_PROCESS(f, LINE_BAR2, "qemu\0-device\0vfio-pci,host=0000:00:05.0");
        assert_device(f, "0000:00:05.0");
}

/* A process holds groups, or character devices: their functions are what it can map. */
static void test_resolve_held(void **state)
{
#define CDEV3 "7f1000000000-7f1080000000 rw-s 20000000000 00:05 733 /dev/vfio/devices/vfio3\n"
        static const struct {
                const char *answer, *maps, *cmdline, *expected;
        } cases[] = {
                { "group 27,device", LINE_BAR2, "vmm", "0000:00:05.0" },
                { "group 27,group 28,device,device", LINE_BAR2, "vmm", "" },
                /* a group of two, of which one has such a BAR; and of two, of which one was named */
                { "group 29,device", LINE_BAR2, "vmm", "0000:00:0a.0" },
                { "group 30,device", LINE_BAR2, "vmm", "" },
                { "group 30,device", LINE_BAR2, "vmm --device 0000:00:0b.1", "0000:00:0b.1" },
                /* what it was started with is gone, or something came later */
                { "group 28,device", LINE_BAR2, "vmm --device 0000:00:05.0", "0000:00:06.0" },
                { "group 27,group 28,device", LINE_BAR2, "vmm --device 0000:00:05.0", "" },
                { "group 27,group 28,device", LINE_BAR2, "vmm --device 0000:00:05.0 0000:00:06.0", "" },
                { "group 99,device", LINE_BAR2, "vmm", "" },
                /* the name of a mapping names its device, and a link or its directory has that */
                { "cdev 3,cdev 4", CDEV3, "vmm", "0000:00:06.0" },
                { "cdev 4", LINE_BAR2, "vmm", "0000:00:05.0" },
        };
        struct fixture *f = *state;

        write_devices(f);
        fixture_write(f, PCI "0000:00:0a.0/resource",
                      NONE NONE "0x0000390000000000 0x000039007fffffff 0x000000000014220c\n");
        fixture_write(f, PCI "0000:00:0a.1/resource",
                      NONE NONE "0x00000000f0000000 0x00000000f0000fff 0x0000000000040200\n");
        fixture_write(f, PCI "0000:00:0b.0/resource",
                      NONE NONE "0x00003a0000000000 0x00003a007fffffff 0x000000000014220c\n");
        fixture_write(f, PCI "0000:00:0b.1/resource",
                      NONE NONE "0x00003a0080000000 0x00003a00ffffffff 0x000000000014220c\n");
        fixture_link(f, PCI "0000:00:05.0/iommu_group", "../../../../kernel/iommu_groups/27");
        fixture_link(f, PCI "0000:00:06.0/iommu_group", "../../../../kernel/iommu_groups/28");
        fixture_link(f, PCI "0000:00:0a.0/iommu_group", "../../../../kernel/iommu_groups/29");
        fixture_link(f, PCI "0000:00:0a.1/iommu_group", "../../../../kernel/iommu_groups/29");
        fixture_link(f, PCI "0000:00:0b.0/iommu_group", "../../../../kernel/iommu_groups/30");
        fixture_link(f, PCI "0000:00:0b.1/iommu_group", "../../../../kernel/iommu_groups/30");
        fixture_link(f, "sys/class/vfio-dev/vfio3", "../../devices/pci0000:00/0000:00:06.0/vfio-dev/vfio3");
        fixture_write(f, PCI "0000:00:05.0/uevent", "DRIVER=vfio-pci\nPCI_ID=10DE:2330\n");
        fixture_write(f, PCI "0000:00:05.0/vfio-dev/vfio4/dev", "511:4\n");

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct mapping_facts m;
                struct root root = f->root;
                char answers[128], cmdline[128];

                snprintf(answers, sizeof(answers), "vfio-descriptors 4242\t%s\n", cases[i].answer);
                fixture_write(f, ANSWERS_FILE, answers);
                snprintf(cmdline, sizeof(cmdline), "%s", cases[i].cmdline);
                for (char *s = cmdline; *s; s++)
                        if (*s == ' ')
                                *s = '\0';
                write_process(f, cases[i].maps, cmdline, strlen(cases[i].cmdline) + 1);
                assert_ok(root_open(&f->root, f->dir)); /* answers are read once */
                read_all(f, &m);
                assert_int_equal(m.n_mappings, 1);
                if (!streq(m.mappings[0].bdf, cases[i].expected))
                        fail_msg("case %zu: '%s', not '%s'", i, m.mappings[0].bdf, cases[i].expected);
                mapping_facts_done(&m);
                root_close(&f->root);
                f->root = root;
        }
}

static void test_hint(void **state)
{
        const bdf_t hint[] = { "0000:00:06.0" };
        struct fixture *f = *state;
        struct device_facts devices;
        struct mapping_facts m = {};

        write_devices(f);
        WRITE_PROCESS(f, LINE_BAR2 LINE_BAR2, "vmm");
        assert_ok(device_facts_read(&devices, &f->root));
        assert_ok(mapping_facts_read_process(&m, &f->root, 4242, &devices, hint, 1));
        assert_int_equal(m.n_mappings, 2);
        assert_string_equal(m.mappings[0].bdf, "0000:00:06.0");
        assert_string_equal(m.mappings[1].bdf, "0000:00:06.0");

        assert_int_equal(mapping_facts_read_process(&m, &f->root, 4243, &devices, NULL, 0), -ESRCH);
        assert_int_equal(m.n_mappings, 2);
        mapping_facts_done(&m);
        device_facts_done(&devices);
}

static void test_missing(void **state)
{
        struct fixture *f = *state;
        struct mapping_facts m;

        read_all(f, &m);
        assert_int_equal(m.complete.value, FACT_UNKNOWN);
        assert_int_equal(m.n_mappings, 0);
        mapping_facts_done(&m);

        /* Of a process that goes away while it is read, files are missing. */
        fixture_write(f, "proc/4242/comm", "gone\n");
        read_all(f, &m);
        assert_int_equal(m.complete.value, FACT_YES);
        assert_int_equal(m.n_mappings, 0);
        mapping_facts_done(&m);
        fixture_write(f, "proc/4242/maps", LINE_BAR2);
        fixture_remove(f, "proc/4242/comm");
        read_all(f, &m);
        assert_int_equal(m.n_mappings, 1);
        assert_null(m.mappings[0].command);
        assert_string_equal(m.mappings[0].bdf, "");
        mapping_facts_done(&m);
}

/* A process with 2 GiB of a BAR, and what /proc/PID/status says of it. */
static void write_status(struct fixture *f, unsigned page_tables, unsigned anonymous, const char *more)
{
        char text[256];

        snprintf(text, sizeof(text),
                 "Name:\tqemu\nVmPTE:\t%8u kB\nRssAnon:\t%8u kB\nVmSwap:\t       0 kB\n%s", page_tables,
                 anonymous, more);
        fixture_write(f, "proc/4242/status", text);
}

static void assert_huge(struct fixture *f, enum fact_value expected)
{
        struct mapping_facts m;
        struct root root = f->root;

        assert_ok(root_open(&f->root, f->dir)); /* answers are read once */
        read_all(f, &m);
        if (m.processes[0].huge.value != expected)
                fail_msg("%s (%s), %llu to %llu MiB", fact_value_to_string(m.processes[0].huge.value),
                         m.processes[0].huge.why, (unsigned long long) m.processes[0].small_min >> 20,
                         (unsigned long long) m.processes[0].small_max >> 20);
        assert_non_null(m.processes[0].huge.why);
        assert_true(m.processes[0].small_min <= m.processes[0].small_max);
        assert_int_equal(m.mappings[0].huge.value, expected);
        mapping_facts_done(&m);
        root_close(&f->root);
        f->root = root;
}

#define PAGES_4K "page-size\t4096\n"

static void test_huge(void **state)
{
        struct fixture *f = *state;

        write_devices(f);
        /* 64 MiB of heap, 1 MiB of a library, a stack */
        WRITE_PROCESS(f,
                      "555500000000-555504000000 rw-p 00000000 00:00 0 [heap]\n" LINE_BAR2
                      "7f2000000000-7f2000100000 r-xp 00000000 08:01 42 /usr/lib/libc.so.6\n"
                      "7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0 [stack]\n",
                      "qemu");
        write_status(f, 4300, 60000, "HugetlbPages:\t       0 kB\nTHP_enabled:\t1\n");

        /* 2 GiB of 4 KiB pages take 4 MiB of tables; it was not recorded how large pages are */
        assert_huge(f, FACT_UNKNOWN);
        fixture_write(f, ANSWERS_FILE, PAGES_4K);
        assert_huge(f, FACT_NO);
        write_status(f, 200, 60000, "");
        assert_huge(f, FACT_YES);
        /* half of it */
        write_status(f, 2500, 60000, "");
        assert_huge(f, FACT_NO);
        write_status(f, 1500, 60000, "");
        assert_huge(f, FACT_UNKNOWN);
        write_status(f, 0, 60000, "");
        assert_huge(f, FACT_UNKNOWN);

        /* 16 GiB of memory: the tables may be its own, unless its pages are counted */
        WRITE_PROCESS(f, "7e1000000000-7e1400000000 rw-p 00000000 00:00 0 \n" LINE_BAR2, "qemu");
        write_status(f, 4300, 1000, "");
        assert_huge(f, FACT_UNKNOWN);
        write_status(f, 32900, 16777216, "");
        assert_huge(f, FACT_UNKNOWN);
        write_status(f, 37100, 16777216, "");
        assert_huge(f, FACT_NO);
        /* of hugetlbfs: it has none */
        write_status(f, 4300, 1000, "HugetlbPages:\t16777216 kB\n");
        assert_huge(f, FACT_NO);
        write_status(f, 200, 1000, "HugetlbPages:\t16777216 kB\n");
        assert_huge(f, FACT_YES);

        /* 16 GiB of memory, all there, next to 16 GiB of BARs: the tables are the memory's */
        WRITE_PROCESS(f,
                      "7e1000000000-7e1400000000 rw-p 00000000 00:00 0 \n"
                      "7f1000000000-7f1400000000 rw-s 20000000000 00:13 1065 anon_inode:[vfio-device]\n",
                      "qemu");
        write_status(f, 32900, 16777216, "");
        assert_huge(f, FACT_YES);
        write_status(f, 65800, 16777216, "");
        assert_huge(f, FACT_NO);

        /* what was counted on the host itself */
        WRITE_PROCESS(f, LINE_BAR2, "qemu");
        fixture_write(f, ANSWERS_FILE, PAGES_4K "page-tables-elsewhere 4242\t10\n");
        write_status(f, 4300, 1000, "");
        assert_huge(f, FACT_NO);
        fixture_write(f, ANSWERS_FILE, PAGES_4K "page-tables-elsewhere 4242\tjunk\n");
        assert_huge(f, FACT_UNKNOWN);

        /* status that lacks something */
        fixture_write(f, ANSWERS_FILE, PAGES_4K);
        fixture_write(f, "proc/4242/status", "VmPTE:\t 4300 kB\n");
        assert_huge(f, FACT_UNKNOWN);
        fixture_remove(f, "proc/4242/status");
        assert_huge(f, FACT_UNKNOWN);
}

/* With pages of 16 KiB a table of 16 KiB holds the entries of 32 MiB: 2 GiB take 1 MiB of tables. */
static void test_huge_16k(void **state)
{
        struct fixture *f = *state;
        char maps[4096];
        size_t n = 0;

        write_devices(f);
        WRITE_PROCESS(f,
                      "555500000000-555504000000 rw-p 00000000 00:00 0 [heap]\n" LINE_BAR2
                      "7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0 [stack]\n",
                      "qemu");
        fixture_write(f, ANSWERS_FILE, "page-size\t16384\n");
        write_status(f, 1200, 60000, "");
        assert_huge(f, FACT_NO);
        write_status(f, 96, 60000, "");
        assert_huge(f, FACT_YES);
        write_status(f, 600, 60000, "");
        assert_huge(f, FACT_UNKNOWN);

        /* 16 GiB of hugetlbfs have no tables. */
        WRITE_PROCESS(f, "7e1000000000-7e1400000000 rw-p 00000000 00:00 0 \n" LINE_BAR2, "qemu");
        write_status(f, 1200, 1000, "");
        assert_huge(f, FACT_UNKNOWN);
        write_status(f, 1200, 1000, "HugetlbPages:\t16777216 kB\n");
        assert_huge(f, FACT_NO);

        /* One of the next level covers 64 GiB: 8 of them for 32 mappings that are 16 GiB apart. */
        for (unsigned i = 0; i < 32; i++)
                n += (size_t) snprintf(maps + n, sizeof(maps) - n,
                                       "%x00000000-%x00100000 rw-p 00000000 00:00 0 \n", 0x6000 + 4 * i,
                                       0x6000 + 4 * i);
        snprintf(maps + n, sizeof(maps) - n, LINE_BAR2);
        fixture_write(f, "proc/4242/maps", maps);
        write_status(f, 16 * (32 + 8 + 3 + 34), 1000, "");
        assert_huge(f, FACT_NO);

        /* With pages of 64 KiB 2 GiB are four tables, which show as much. */
        WRITE_PROCESS(f, LINE_BAR2, "qemu");
        fixture_write(f, ANSWERS_FILE, "page-size\t65536\n");
        write_status(f, 64 * 7, 1000, "");
        assert_huge(f, FACT_NO);
        write_status(f, 64 * 3, 1000, "");
        assert_huge(f, FACT_UNKNOWN);
}

static void test_process(void **state)
{
        struct fixture *f = *state;
        struct mapping_facts m;
        const struct mapping_process *p;

        write_devices(f);
        WRITE_PROCESS(f, LINE_BAR2 LINE_BAR2, "qemu");
        fixture_link(f, "proc/4242/exe", "/usr/bin/qemu-system-x86_64 (deleted)");
        write_status(f, 4300, 60000, "THP_enabled:\t0\n");
        read_all(f, &m);
        assert_int_equal(m.n_processes, 1);
        p = mapping_facts_find_process(&m, 4242);
        assert_non_null(p);
        assert_null(mapping_facts_find_process(&m, 1));
        assert_string_equal(p->command, "qemu-system-x86");
        assert_string_equal(p->exe, "/usr/bin/qemu-system-x86_64");
        assert_true(p->exe_deleted);
        assert_int_equal(p->mapped, GIB(4));
        assert_int_equal(p->page_tables, KIB(4300));
        assert_int_equal(p->thp.value, FACT_NO);
        mapping_facts_done(&m);

        fixture_remove(f, "proc/4242/exe");
        fixture_link(f, "proc/4242/exe", "/opt/qemu");
        write_status(f, 4300, 60000, "");
        read_all(f, &m);
        assert_string_equal(m.processes[0].exe, "/opt/qemu");
        assert_false(m.processes[0].exe_deleted);
        assert_int_equal(m.processes[0].thp.value, FACT_UNKNOWN);
        mapping_facts_done(&m);
}

static void test_holders(void **state)
{
        struct fixture *f = *state;
        struct mapping_facts m;

        fixture_write(f, "proc/10/comm", "sshd\n");
        fixture_write(f, "proc/10/maps", "");
        fixture_link(f, "proc/10/fd/0", "/dev/null");
        fixture_link(f, "proc/10/fd/1", "/dev/vfio/devices/vfiox");
        fixture_link(f, "proc/10/fd/2", "/dev/vfio/x");
        fixture_write(f, "proc/9/comm", "dpdk\n");
        fixture_write(f, "proc/9/maps", "");
        fixture_link(f, "proc/9/fd/3", "/dev/vfio/vfio");
        fixture_link(f, "proc/9/fd/4", "/dev/vfio/12");
        fixture_link(f, "proc/9/fd/5", "/dev/vfio/12");
        fixture_link(f, "proc/9/fd/6", "anon_inode:[vfio-device]");
        fixture_link(f, "proc/9/fd/7", "anon_inode:[vfio-device]");
        fixture_link(f, "proc/9/fd/8", "/dev/vfio/noiommu-3");
        fixture_write(f, "proc/11/comm", "qemu\n");
        fixture_write(f, "proc/11/maps", "");
        fixture_link(f, "proc/11/fd/3", "/dev/iommu");
        fixture_link(f, "proc/11/fd/4", "/dev/vfio/devices/vfio7");
        /* as recorded */
        fixture_write(f, "proc/12/maps", "");
        fixture_write(f, ANSWERS_FILE,
                      "vfio-descriptors 12\tgroup 5,device,container\nall-processes-seen\tno\n");

        read_all(f, &m);
        assert_int_equal(m.complete.value, FACT_UNKNOWN);
        assert_int_equal(m.n_holders, 4);
        for (size_t i = 0; i < 2; i++) {
                assert_int_equal(m.holders[i].pid, 9);
                assert_string_equal(m.holders[i].command, "dpdk");
                assert_int_equal(m.holders[i].group + m.holders[!i].group, 15);
                assert_int_equal(m.holders[i].cdev, -1);
                assert_int_equal(m.holders[i].n_devices, 2);
                assert_true(m.holders[i].container && !m.holders[i].iommufd);
        }
        assert_int_equal(m.holders[2].pid, 11);
        assert_int_equal(m.holders[2].cdev, 7);
        assert_int_equal(m.holders[2].group, -1);
        assert_true(!m.holders[2].container && m.holders[2].iommufd);
        assert_int_equal(m.holders[3].pid, 12);
        assert_int_equal(m.holders[3].group, 5);
        mapping_facts_done(&m);
}

/* A device that is named by where it is in sysfs. */
static void test_sysfsdev(void **state)
{
        struct fixture *f = *state;

        write_devices(f);
        WRITE_PROCESS(f, LINE_BAR2, "qemu\0-device\0vfio-pci,sysfsdev=/sys/bus/pci/devices/0000:00:06.0");
        assert_device(f, "0000:00:06.0");
        WRITE_PROCESS(f, LINE_BAR2,
                      "qemu\0-device\0"
                      "{\"driver\":\"vfio-pci\",\"sysfsdev\":\"/sys/bus/pci/devices/0000:00:05.0/\"}");
        assert_device(f, "0000:00:05.0");
}

#define STRANGER 12345

#define LINE_NODE "7f1000000000-7f1080000000 rw-s 00000000000 00:05 733 /dev/vfio/devices/vfio0\n"

/* A process that never answers is left out, and all others are read. */
static void test_stall(void **state)
{
        struct fixture *f = *state;
        uint64_t start = clock_usec(CLOCK_MONOTONIC);
        struct unread_processes unread;
        struct mapping_facts m;

        write_devices(f);
        WRITE_PROCESS(f, LINE_BAR2, "qemu\0-device\0vfio-pci,host=0000:00:05.0");
        fixture_write(f, "proc/7/comm", "staller\n");
        assert_int_equal(mkfifo(fixture_path(f, "proc/7/maps"), 0600), 0);
        f->root.live = true;
        process_round_begin(&f->root);
        read_all(f, &m);
        assert_ok(process_round_end(&f->root, &unread));
        assert_true(clock_usec(CLOCK_MONOTONIC) - start < test_slower() * 3 * USEC_PER_SEC);
        assert_int_equal(m.n_mappings, 1);
        assert_string_equal(m.mappings[0].bdf, "0000:00:05.0");
        assert_int_equal(m.complete.value, FACT_UNKNOWN);
        assert_int_equal(unread.n, 1);
        assert_int_equal(unread.processes[0].pid, 7);
        unread_processes_done(&unread);
        mapping_facts_done(&m);
}

static size_t count_live(struct fixture *f)
{
        struct mapping_facts m;
        size_t n;

        f->root.live = true;
        read_all(f, &m);
        f->root.live = false;
        n = m.n_mappings;
        assert_int_equal(m.n_processes, n > 0);
        mapping_facts_done(&m);
        return n;
}

/* In a mount namespace of its own, a process can give any file the name of a device. The number of the
 * host's /dev/null stands for that of a VFIO device. */
static void test_forged(void **state)
{
        struct fixture *f = *state;
        struct mapping_facts m;

        write_devices(f);
        WRITE_PROCESS(f, LINE_NODE, "qemu");
        fixture_link(f, "sys/dev/char/1:3", "../../devices/pci0000:00/0000:00:05.0/vfio-dev/vfio0");
        fixture_link(f, "sys/dev/char/1:5", "../../devices/pci0000:00/0000:00:05.0/vfio-dev/vfio1");
        fixture_link(f, "proc/4242/map_files/7f1000000000-7f1080000000", "/dev/null");
        assert_int_equal(count_live(f), 1);

        fixture_remove(f, "proc/4242/map_files/7f1000000000-7f1080000000");
        fixture_link(f, "proc/4242/map_files/7f1000000000-7f1080000000", "/dev/zero");
        assert_int_equal(count_live(f), 0);
        fixture_remove(f, "proc/4242/map_files/7f1000000000-7f1080000000");
        fixture_link(f, "proc/4242/map_files/7f1000000000-7f1080000000", "/etc/passwd");
        assert_int_equal(count_live(f), 0);

        /* Where that cannot be seen, only root's processes and our own are believed ... */
        fixture_remove(f, "proc/4242/map_files");
        assert_int_equal(count_live(f), 1);
        if (geteuid() == 0) {
                assert_int_equal(chown(fixture_path(f, "proc/4242"), STRANGER, STRANGER), 0);
                assert_int_equal(count_live(f), 0);
                /* ... and libvirt's guests, whose /dev is a private one. */
                fixture_write(f, "run/libvirt/qemu/web.pid", "4242");
                assert_int_equal(count_live(f), 1);
        }

        /* A recorded host has what was found, and an older one nothing. */
        read_all(f, &m);
        assert_int_equal(m.n_mappings, 1);
        mapping_facts_done(&m);
        fixture_write(f, ANSWERS_FILE, "vfio-mapping 4242 7f1000000000\tno\n");
        root_close(&f->root);
        assert_ok(root_open(&f->root, f->dir));
        read_all(f, &m);
        assert_int_equal(m.n_mappings, 0);
        mapping_facts_done(&m);
}

/* A dma-buf's name can be chosen by whoever has one, so a stranger has to have the device open as well. */
static void test_dma_buf(void **state)
{
        struct fixture *f = *state;
        struct mapping_facts m;

        write_devices(f);
        WRITE_PROCESS(f, LINE_DMA_BUF, "qemu\0-device\0vfio-pci,host=0000:00:06.0");
        read_all(f, &m);
        assert_int_equal(m.n_mappings, 1);
        assert_string_equal(m.mappings[0].bdf, "0000:00:05.0"); /* though 0000:00:06.0 has such a BAR, too */
        assert_int_equal(m.mappings[0].region, 2);
        mapping_facts_done(&m);

        assert_int_equal(count_live(f), 1);
        if (geteuid() != 0)
                return;
        assert_int_equal(chown(fixture_path(f, "proc/4242"), STRANGER, STRANGER), 0);
        assert_int_equal(count_live(f), 0);
        fixture_link(f, "proc/4242/fd/9", "anon_inode:[vfio-device]");
        fixture_write(f, "proc/4242/fdinfo/9",
                      "vfio-device-syspath: /sys/devices/pci0000:00/0000:00:06.0\n");
        assert_int_equal(count_live(f), 0);
        fixture_write(f, "proc/4242/fdinfo/9",
                      "vfio-device-syspath: /sys/devices/pci0000:00/0000:00:05.0\n");
        assert_int_equal(count_live(f), 1);
}

static void test_forged_holder(void **state)
{
        struct fixture *f = *state;
        struct mapping_facts m;

        if (geteuid() != 0)
                skip();
        fixture_write(f, "proc/7/maps", "");
        fixture_link(f, "proc/7/fd/3", "/dev/vfio/devices/vfio0"); /* which is not there */
        fixture_link(f, "proc/7/fd/4", "anon_inode:[vfio-device]");
        assert_int_equal(chown(fixture_path(f, "proc/7"), STRANGER, STRANGER), 0);
        f->root.live = true;
        read_all(f, &m);
        assert_int_equal(m.n_holders, 0);
        mapping_facts_done(&m);
}

/* A stranger's take of the time that all strangers have: it can have a million. */
static void test_descriptor_time(void **state)
{
        struct fixture *f = *state;
        struct process stranger = { .pid = 7, .uid = STRANGER }, guest = { .pid = 7, .trusted = true };
        _cleanup_close_ int fd = -EBADF;
        struct vfio_holder *holders = NULL;
        struct process_time time;
        size_t n = 0, more;

        fixture_link(f, "proc/7/fd/3", "anon_inode:[vfio-device]");
        fd = open(fixture_path(f, "proc/7"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        f->root.live = true;
        process_round_begin(&f->root);
        assert_ok(vfio_holders_read(&f->root, &stranger, fd, &holders, &n, &more));
        for (int i = 0; i < 2; i++) {
                assert_ok(process_time_begin(&f->root, &stranger, &time));
                time.start -= USEC_PER_SEC;
                assert_int_equal(process_time_end(&f->root, &stranger, &time, -ETIMEDOUT), -ETIMEDOUT);
        }
        assert_int_equal(vfio_holders_read(&f->root, &stranger, fd, &holders, &n, &more), -EBUSY);
        assert_ok(vfio_holders_read(&f->root, &guest, fd, &holders, &n, &more));
        assert_ok(process_round_end(&f->root, NULL));
}

/* A process with so many mappings. */
static void write_many(struct fixture *f, pid_t pid, uid_t uid, unsigned n)
{
        char *text = malloc(MIB(8)), path[32];
        size_t size = 0;

        assert_non_null(text);
        for (unsigned i = 0; i < n; i++)
                size += (size_t) sprintf(
                        text + size, "%x000-%x000 rw-s 20000000000 00:13 1065 anon_inode:[vfio-device]\n",
                        0x700000 + i, 0x700001 + i);
        snprintf(path, sizeof(path), "proc/%d/maps", pid);
        fixture_write(f, path, text);
        snprintf(path, sizeof(path), "proc/%d", pid);
        if (geteuid() == 0)
                assert_int_equal(chown(fixture_path(f, path), uid, uid), 0);
        free(text);
}

static void test_bounds(void **state)
{
        struct fixture *f = *state;
        uint64_t start = clock_usec(CLOCK_MONOTONIC);
        struct mapping_facts m;

        write_devices(f);
        for (pid_t pid = 10; pid < 15; pid++)
                write_many(f, pid, STRANGER, 65000);
        WRITE_PROCESS(f, LINE_BAR2, "qemu\0-device\0vfio-pci,host=0000:00:05.0");
        read_all(f, &m);
        assert_int_equal(m.n_mappings, 5 * PROCESS_MAPPINGS_MAX + 1);
        assert_int_equal(m.complete.value, FACT_UNKNOWN);
        assert_int_equal(m.n_omissions, 5);
        assert_int_equal(m.omissions[0].pid, 10);
        assert_int_equal(m.omissions[0].mappings, 65000 - PROCESS_MAPPINGS_MAX);
        mapping_facts_done(&m);

        f->root.live = true;
        read_all(f, &m);
        /* The bound by user does not touch root. Whoever else runs this test owns all of these processes. */
        assert_int_equal(m.n_mappings, USER_MAPPINGS_MAX + (geteuid() == 0));
        assert_int_equal(m.omissions[m.n_omissions - 1].mappings, geteuid() == 0 ? 65000 : 1);
        mapping_facts_done(&m);
        assert_true(clock_usec(CLOCK_MONOTONIC) - start < test_slower() * 10 * USEC_PER_SEC);
}

/* Strangers can have as many users as a host gives them. */
static void test_users_bound(void **state)
{
        struct fixture *f = *state;
        struct mapping_facts m;

        if (geteuid() != 0)
                skip();
        write_devices(f);
        for (pid_t pid = 10; pid < 30; pid++)
                write_many(f, pid, STRANGER + (uid_t) pid / 4, PROCESS_MAPPINGS_MAX);
        write_many(f, 30, 0, PROCESS_MAPPINGS_MAX);
        f->root.live = true;
        read_all(f, &m);
        assert_int_equal(m.n_mappings, USERS_MAPPINGS_MAX + PROCESS_MAPPINGS_MAX);
        assert_int_equal(m.complete.value, FACT_UNKNOWN);
        assert_int_equal(m.n_omissions, 4);
        for (size_t i = 0; i < m.n_omissions; i++)
                assert_int_equal(m.omissions[i].mappings, PROCESS_MAPPINGS_MAX);
        mapping_facts_done(&m);
}

static void write_descriptors(struct fixture *f, pid_t pid, unsigned first, unsigned n, const char *target)
{
        char path[64];

        for (unsigned i = first; i < first + n; i++) {
                snprintf(path, sizeof(path), "proc/%d/fd/%u", pid, i);
                fixture_link(f, path, target);
        }
}

/* Of a stranger's so many descriptors are looked at, whatever they are; of others all. */
static void test_stranger_descriptors(void **state)
{
        struct fixture *f = *state;
        struct mapping_facts m;

        if (geteuid() != 0)
                skip();
        for (pid_t pid = 7; pid < 9; pid++) {
                fixture_write(f, pid == 7 ? "proc/7/maps" : "proc/8/maps", "");
                write_descriptors(f, pid, 0, PROCESS_DESCRIPTORS_MAX + 100, "/dev/null");
        }
        assert_int_equal(chown(fixture_path(f, "proc/7"), STRANGER, STRANGER), 0);
        f->root.live = true;
        read_all(f, &m);
        assert_int_equal(m.n_omissions, 1);
        assert_int_equal(m.omissions[0].pid, 7);
        assert_int_equal(m.omissions[0].descriptors, 100);
        mapping_facts_done(&m);
}

/* Which function a mapping belongs to is not concluded from a part of the descriptors. */
static void test_open_bounds(void **state)
{
        static const struct {
                unsigned devices, others;
                bool known;
        } cases[] = {
                { 1, 0, true },
                { 60, 0, true },
                { 70, 0, false },
                { 1, PROCESS_DESCRIPTORS_MAX, false },
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct mapping_facts m;

                write_devices(f);
                WRITE_PROCESS(f, LINE_BAR2, "qemu");
                write_descriptors(f, 4242, 0, cases[i].devices, "anon_inode:[vfio-device]");
                write_descriptors(f, 4242, cases[i].devices, cases[i].others, "/dev/null");
                for (unsigned fd = 0; fd < cases[i].devices; fd++) {
                        char path[64];

                        snprintf(path, sizeof(path), "proc/4242/fdinfo/%u", fd);
                        fixture_write(f, path,
                                      "vfio-device-syspath: /sys/devices/pci0000:00/0000:00:05.0\n");
                }
                f->root.live = true;
                read_all(f, &m);
                f->root.live = false;
                assert_int_equal(m.n_mappings, 1);
                if (streq(m.mappings[0].bdf, "0000:00:05.0") != cases[i].known)
                        fail_msg("case %zu: '%s'", i, m.mappings[0].bdf);
                mapping_facts_done(&m);
                fixture_remove(f, "proc/4242");
        }
}

static void test_descriptor_bounds(void **state)
{
        struct fixture *f = *state;
        char *text = malloc(MIB(1));
        struct mapping_facts m;
        size_t size;

        assert_non_null(text);
        fixture_write(f, "proc/7/maps", "");
        size = (size_t) sprintf(text, "vfio-descriptors 7\tgroup 0");
        for (unsigned i = 1; i < 12000; i++)
                size += (size_t) sprintf(text + size, ",group %u", i);
        fixture_write(f, ANSWERS_FILE, text);
        free(text);
        read_all(f, &m);
        assert_int_equal(m.n_holders, 4096);
        assert_int_equal(m.n_omissions, 1);
        assert_int_equal(m.omissions[0].descriptors, 12000 - 4096);
        mapping_facts_done(&m);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test_setup_teardown(test_resolve, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_resolve_held, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_hint, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_missing, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_huge, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_huge_16k, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_process, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_holders, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_sysfsdev, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_stall, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_forged, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_dma_buf, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_forged_holder, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_bounds, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_users_bound, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_stranger_descriptors, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_open_bounds, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_descriptor_time, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_descriptor_bounds, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
