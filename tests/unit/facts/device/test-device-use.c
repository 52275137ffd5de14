/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/device/device-use-internal.h"

#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "test.h"
#include "util/macro.h"
#include "util/process-file.h"

#define STRANGER 12345

#define DISK "0000:01:00.0"
#define OTHER_DISK "0000:02:00.0"
#define NIC "0000:03:00.0"
#define VF "0000:03:00.1"
#define GPU "0000:04:00.0"
#define AUDIO "0000:04:00.1"
#define IN_NIC "sys/devices/pci0000:00/0000:00:01.0/" NIC "/net/"

static void add_function(struct fixture *f, const char *bdf, const char *class, const char *driver,
                         int group)
{
        char path[128], text[128];

        snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/uevent", bdf);
        snprintf(text, sizeof(text), "DRIVER=%s\nPCI_CLASS=%s\nPCI_ID=1234:5678\n", driver, class);
        fixture_write(f, path, text);
        snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/iommu_group", bdf);
        snprintf(text, sizeof(text), "../../../kernel/iommu_groups/%d", group);
        fixture_link(f, path, text);
}

/* A device of a class: where it is below the first root port, or in devices/virtual. */
static void add_class(struct fixture *f, const char *class, const char *name, const char *place,
                      const char *number)
{
        char path[128], target[256];

        snprintf(path, sizeof(path), "sys/class/%s/%s", class, name);
        snprintf(target, sizeof(target), "../../devices/%s%s/%s",
                 *place == '0' ? "pci0000:00/0000:00:01.0/" : "", place, name);
        fixture_link(f, path, target);
        snprintf(path, sizeof(path), "sys/devices/%s%s/%s/dev",
                 *place == '0' ? "pci0000:00/0000:00:01.0/" : "", place, name);
        fixture_write(f, path, number);
}

static int setup(void **state)
{
        struct fixture *f;

        if (fixture_setup(state) < 0)
                return -1;
        f = *state;
        add_function(f, "0000:00:01.0", "60400", "pcieport", 0);
        add_function(f, DISK, "10802", "nvme", 1);
        add_function(f, OTHER_DISK, "10802", "nvme", 2);
        add_function(f, NIC, "20000", "igb", 3);
        add_function(f, VF, "20000", "igbvf", 4);
        fixture_link(f, "sys/bus/pci/devices/" VF "/physfn", "../" NIC);
        add_function(f, GPU, "30000", "vfio-pci", 5);
        add_function(f, AUDIO, "40300", "vfio-pci", 5);
        return 0;
}

static void read_uses(struct fixture *f, struct device_uses *u)
{
        struct device_facts devices;

        assert_ok(device_facts_read(&devices, &f->root));
        assert_ok(device_uses_read(u, &f->root, &devices));
        device_facts_done(&devices);
}

/* expected: "kind:what", separated by | */
static void assert_uses(const struct device_uses *u, const char *bdf, const char *expected)
{
        char text[1024] = "";
        size_t n;
        const struct device_use *use = device_uses_find(u, bdf, &n);

        for (size_t i = 0; i < n; i++)
                snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s:%s", i ? "|" : "",
                         use_kind_to_string(use[i].kind), use[i].what);
        assert_string_equal(text, expected);
}

/* expected: "name:major:minor", separated by | */
static void assert_blocks(const struct device_uses *u, const char *bdf, const char *expected)
{
        char text[1024] = "";

        for (size_t i = 0; i < u->n_blocks; i++) {
                if (i > 0)
                        assert_true(bdf_compare(u->blocks[i - 1].bdf, u->blocks[i].bdf) <= 0);
                if (streq(u->blocks[i].bdf, bdf))
                        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s:%u:%u",
                                 *text ? "|" : "", u->blocks[i].name, u->blocks[i].major,
                                 u->blocks[i].minor);
        }
        assert_string_equal(text, expected);
}

static void test_block(void **state)
{
        struct fixture *f = *state;
        struct device_uses u;

        add_class(f, "block", "nvme0n1", DISK "/nvme/nvme0", "259:0\n");
        add_class(f, "block", "nvme0n1p1", DISK "/nvme/nvme0/nvme0n1", "259:1\n");
        add_class(f, "block", "nvme0n1p2", DISK "/nvme/nvme0/nvme0n1", "259:2\n");
        add_class(f, "block", "nvme1n1", OTHER_DISK "/nvme/nvme1", "259:3\n");
        add_class(f, "block", "dm-0", "virtual/block", "253:0\n");
        fixture_write(f, "sys/devices/virtual/block/dm-0/dm/name", "vg-root\n");
        fixture_link(f, "sys/devices/virtual/block/dm-0/slaves/nvme0n1p2", "x");
        add_class(f, "block", "dm-1", "virtual/block", "253:1\n");
        fixture_write(f, "sys/devices/virtual/block/dm-1/dm/name", "vg-swap\n");
        fixture_link(f, "sys/devices/virtual/block/dm-1/slaves/dm-0", "x");
        fixture_link(f, "sys/devices/virtual/block/dm-1/slaves/dm-1", "x"); /* a circle */
        add_class(f, "block", "loop0", "virtual/block", "7:0\n");
        fixture_write(f, "proc/self/mountinfo",
                      "22 1 253:0 / / rw shared:1 - ext4 /dev/mapper/vg-root rw\n"
                      "23 22 259:1 / /boot\\040dir rw - vfat /dev/nvme0n1p1 rw\n"
                      "24 22 253:0 /var/x /mnt/bound rw - ext4 /dev/mapper/vg-root rw\n"
                      "25 22 0:22 / /proc rw - proc proc rw\n"
                      "26 22 259:3 /part /only-bound rw - xfs /dev/nvme1n1 rw\n"
                      "27 22 7:0 / /snap rw - squashfs /dev/loop0 rw\njunk\n");
        fixture_write(f, "proc/swaps", "Filename Type Size Used Priority\n/dev/dm-1 partition 8 0 -2\n");
        read_uses(f, &u);
        assert_int_equal(u.block.value, FACT_YES);
        assert_int_equal(u.processes.value, FACT_UNKNOWN);
        assert_uses(&u, DISK,
                    "mount:/|mount:/boot dir|swap:vg-swap|holder:dm-0 (vg-root)|holder:dm-1 (vg-swap)");
        assert_uses(&u, OTHER_DISK, "mount:/only-bound");
        assert_blocks(&u, DISK, "dm-0:253:0|dm-1:253:1|nvme0n1:259:0|nvme0n1p1:259:1|nvme0n1p2:259:2");
        assert_blocks(&u, OTHER_DISK, "nvme1n1:259:3");
        assert_uses(&u, "0000:00:01.0", ""); /* a bridge */
        device_uses_done(&u);
}

/* Multipath hides the disk from its controllers, Btrfs all but one of its disks from the mounts. */
static void test_hidden_block(void **state)
{
        struct fixture *f = *state;
        struct device_uses u;

        add_class(f, "block", "nvme0n1", "virtual/nvme-subsystem/nvme-subsys0", "259:0\n");
        fixture_link(f, "sys/class/nvme-subsystem/nvme-subsys0/nvme0",
                     "../../pci0000:00/" DISK "/nvme/nvme0");
        fixture_link(f, "sys/class/nvme-subsystem/nvme-subsys0/nvme3",
                     "../../pci0000:00/" OTHER_DISK "/nvme/nvme3");
        fixture_link(f, "sys/class/nvme-subsystem/nvme-subsys0/nvme0n1",
                     "../../pci0000:00/" GPU "/nvme/nvme0");
        add_class(f, "block", "nvme0n1p1", "virtual/nvme-subsystem/nvme-subsys0/nvme0n1", "259:1\n");
        fixture_link(f, "sys/class/block/nvme0c0n1",
                     "../../devices/pci0000:00/" DISK "/nvme/nvme0/nvme0c0n1");
        add_class(f, "block", "sda", AUDIO "/ata1/host0/target0:0:0/0:0:0:0/block", "8:0\n");
        add_class(f, "block", "sdb", NIC "/ata1/host0/target0:0:1/0:0:1:0/block", "8:16\n");
        fixture_write(f, "sys/fs/btrfs/features/x", "");
        fixture_write(f, "sys/fs/btrfs/8c5e/devices/sda", "");
        fixture_write(f, "sys/fs/btrfs/8c5e/devices/sdb", "");
        fixture_write(f, "proc/1/mountinfo",
                      "22 1 259:0 / / rw - ext4 /dev/nvme0n1 rw\n"
                      "23 1 0:40 /@home /home rw - btrfs /dev/sdb rw\n");
        read_uses(f, &u);
        assert_uses(&u, DISK, "mount:/");
        assert_uses(&u, OTHER_DISK, "mount:/");
        assert_uses(&u, GPU, "");
        assert_uses(&u, AUDIO, "mount:/home");
        assert_uses(&u, NIC, "mount:/home|virtual-functions:1 virtual function");
        assert_blocks(&u, DISK,
                      "nvme0n1:259:0|nvme0n1p1:259:1"); /* and not the single path, which has no node */
        assert_blocks(&u, OTHER_DISK, "nvme0n1:259:0|nvme0n1p1:259:1");
        assert_blocks(&u, NIC, "sdb:8:16");
        assert_int_equal(u.block.value, FACT_YES);
        device_uses_done(&u);

        fixture_write(f, "sys/class/block/sdb/dev", "junk\n");
        read_uses(f, &u);
        assert_int_equal(u.block.value, FACT_UNKNOWN);
        device_uses_done(&u);
}

/* No list of the host shows what a container has mounted. What it shares with the host is reported once. */
static void test_mounts_elsewhere(void **state)
{
        static const char root[] = "22 1 259:0 / / rw - ext4 /dev/nvme0n1 rw\n";
        struct fixture *f = *state;
        struct device_uses u;

        add_class(f, "block", "nvme0n1", DISK "/nvme/nvme0", "259:0\n");
        add_class(f, "block", "nvme1n1", OTHER_DISK "/nvme/nvme1", "259:3\n");
        add_class(f, "block", "sda", NIC "/ata1/block", "8:0\n");
        fixture_write(f, "proc/1/mountinfo", root);
        fixture_link(f, "proc/1/ns/mnt", "mnt:[4026531841]");
        fixture_write(f, "proc/100/mountinfo",
                      "30 1 259:0 / /copy rw - ext4 /dev/nvme0n1 rw\n"
                      "31 1 259:3 / /data rw - ext4 /dev/nvme1n1 rw\n");
        fixture_link(f, "proc/100/ns/mnt", "mnt:[4026531842]");
        fixture_write(f, "proc/200/mountinfo",
                      "31 1 8:0 / /x rw - ext4 /dev/sda rw\n"); /* of a namespace that was read */
        fixture_link(f, "proc/200/ns/mnt", "mnt:[4026531842]");
        f->root.live = true;
        read_uses(f, &u);
        assert_uses(&u, DISK, "mount:/");
        assert_uses(&u, OTHER_DISK, "mount:in another mount namespace");
        assert_uses(&u, NIC, "virtual-functions:1 virtual function");
        device_uses_done(&u);

        f->root.live = false;
        fixture_write(f, "vfioalign/answers", "block-devices-mounted-elsewhere\t8:0 x 9:9 \n");
        read_uses(f, &u);
        assert_uses(&u, DISK, "mount:/");
        assert_uses(&u, OTHER_DISK, "");
        assert_uses(&u, NIC, "mount:in another mount namespace|virtual-functions:1 virtual function");
        device_uses_done(&u);
}

static void add_disks(struct fixture *f)
{
        add_class(f, "block", "nvme0n1", DISK "/nvme/nvme0", "259:0\n");
        add_class(f, "block", "nvme0n1p1", DISK "/nvme/nvme0/nvme0n1", "259:1\n");
        add_class(f, "block", "nvme0n1p3", DISK "/nvme/nvme0/nvme0n1", "259:3\n");
        add_class(f, "block", "nvme0n10", OTHER_DISK "/nvme/nvme1", "259:10\n");
        add_class(f, "block", "sda", NIC "/ata1/block", "8:0\n");
        add_class(f, "block", "sr0", NIC "/ata2/block", "11:0\n");
        fixture_write(f, "sys/class/block/sr0/size", "0\n");
}

#define ZFS_MOUNTS \
        "22 1 0:30 / / rw - zfs rpool/ROOT/pve-1 rw,xattr\n" \
        "23 1 0:31 / /tank rw - zfs tank@monday rw,xattr\n" \
        "24 1 259:1 / /boot rw - ext4 /dev/nvme0n1p1 rw\n" \
        "25 1 0:32 / /run rw - tmpfs tmpfs rw\n" \
        "26 1 0:33 / /net rw - nfs4 host:/x rw\n" \
        "27 1 0:34 / /image rw - erofs /images/a.erofs ro\n"

/* The source of ZFS is a pool. Without anything that tells which block devices it has, it can have any that
 * is not in use otherwise. */
static void test_pool_unknown(void **state)
{
        struct fixture *f = *state;
        struct device_uses u;

        add_disks(f);
        fixture_write(f, "proc/self/mountinfo", ZFS_MOUNTS);
        read_uses(f, &u);
        assert_uses(&u, DISK, "mount:/boot|unknown:nvme0n1p3 may belong to rpool (zfs), tank (zfs)");
        assert_uses(&u, OTHER_DISK, "unknown:nvme0n10 may belong to rpool (zfs), tank (zfs)");
        assert_uses(
                &u, NIC,
                "virtual-functions:1 virtual function|unknown:sda may belong to rpool (zfs), tank (zfs)");
        assert_int_equal(u.block.value, FACT_YES);
        device_uses_done(&u);

        fixture_write(f, "proc/self/mountinfo",
                      "25 1 0:32 / /run rw - tmpfs tmpfs rw\n"
                      "26 1 0:33 / /net rw - nfs4 host:/x rw\n"
                      "27 1 0:34 / /image rw - erofs /images/a.erofs ro\n"
                      "28 1 0:35 / /user rw - fuse.sshfs x@y: rw\n");
        read_uses(f, &u);
        assert_uses(&u, DISK, "");
        assert_uses(&u, OTHER_DISK, "");
        device_uses_done(&u);
}

/* udev knows what is on a block device. */
static void test_pool_members(void **state)
{
        struct fixture *f = *state;
        struct device_uses u;

        add_disks(f);
        fixture_write(f, "proc/self/mountinfo", ZFS_MOUNTS);
        fixture_write(f, "run/udev/data/b259:3", "S:x\nE:ID_FS_TYPE=zfs_member\nE:ID_FS_LABEL=rpool\n");
        fixture_write(f, "run/udev/data/b259:10", "E:ID_FS_TYPE=zfs_member\nE:ID_FS_LABEL=exported\n");
        fixture_write(f, "run/udev/data/b8:0", "E:ID_FS_TYPE=ext4\nE:ID_FS_LABEL=tank\n");
        read_uses(f, &u);
        assert_uses(&u, DISK, "mount:/boot|mount:rpool (zfs)");
        assert_uses(&u, OTHER_DISK, "");
        assert_uses(&u, NIC, "virtual-functions:1 virtual function");
        device_uses_done(&u);

        /* a pool without a mount, in which there are only volumes */
        fixture_write(f, "proc/spl/kstat/zfs/arcstats", "");
        fixture_write(f, "proc/spl/kstat/zfs/exported/state", "ONLINE\n");
        fixture_write(f, "run/udev/data/b8:0",
                      "E:ID_PART_ENTRY_TYPE=6a898cc3-1dd2-11b2-99a6-080020736631\n");
        read_uses(f, &u);
        assert_uses(&u, OTHER_DISK, "mount:exported (zfs)");
        assert_uses(&u, NIC,
                    "virtual-functions:1 virtual function|"
                    "unknown:sda may belong to rpool (zfs), tank (zfs), exported (zfs)");
        device_uses_done(&u);
}

/* ZFS without its statistics, and without a mount: its pools have no names. */
static void test_pool_nameless(void **state)
{
        struct fixture *f = *state;
        struct device_uses u;

        add_disks(f);
        fixture_write(f, "proc/self/mountinfo", "25 1 0:32 / /run rw - tmpfs tmpfs rw\n");
        fixture_write(f, "sys/module/zfs/refcnt", "3\n");
        read_uses(f, &u);
        assert_uses(&u, OTHER_DISK, "unknown:nvme0n10 may belong to (zfs)");
        device_uses_done(&u);

        fixture_write(f, "proc/spl/kstat/zfs/arcstats", "");
        read_uses(f, &u);
        assert_uses(&u, OTHER_DISK, "");
        device_uses_done(&u);
}

/* Layers and pools that show in one place each. */
static void test_other_pools(void **state)
{
        struct fixture *f = *state;
        struct device_uses u;

        add_disks(f);
        add_class(f, "block", "loop0", "virtual/block", "7:0\n");
        fixture_write(f, "sys/devices/virtual/block/loop0/loop/backing_file", "/dev/sda\n");
        add_class(f, "block", "sdb", AUDIO "/ata3/block", "8:16\n");
        add_class(f, "block", "sdc", GPU "/ata4/block", "8:32\n");
        add_class(f, "block", "sdd", VF "/ata5/block", "8:48\n");
        fixture_write(f, "proc/self/mountinfo",
                      "22 1 0:30 / / rw - bcachefs /dev/nvme0n1p3:/dev/nvme0n10 rw\n"
                      "23 1 7:0 / /loop rw - xfs /dev/loop0 rw,logdev=/dev/sdb,noquota\n");
        fixture_link(f, "sys/fs/bcachefs/8c5e/dev-0/block", "../../../../block/nvme0n1p3");
        fixture_write(f, "sys/kernel/config/nvmet/subsystems/nqn/namespaces/1/device_path", "/dev/sdc\n");
        fixture_write(f, "sys/fs/btrfs/8c5e/devices/sdd", "");
        read_uses(f, &u);
        assert_uses(&u, DISK, "mount:/");
        assert_uses(&u, OTHER_DISK, "mount:/");
        assert_uses(&u, NIC, "mount:/loop|holder:loop0|virtual-functions:1 virtual function");
        assert_uses(&u, AUDIO, "mount:/loop");
        assert_uses(&u, GPU, "holder:an NVMe target");
        assert_uses(&u, VF, "mount:a Btrfs file system");
        device_uses_done(&u);

        /* an unknown file system */
        fixture_write(f, "proc/self/mountinfo", "22 1 0:30 / /x rw - newfs some-name rw\n");
        fixture_write(f, "run/udev/data/b259:1", "E:ID_FS_TYPE=vfat\n");
        fixture_write(f, "run/udev/data/b259:10", "E:ID_FS_TYPE=swap\n");
        read_uses(f, &u);
        assert_uses(&u, DISK, "mount:a bcachefs file system");
        assert_uses(&u, OTHER_DISK, "");
        assert_uses(&u, AUDIO, "unknown:sdb may belong to some-name (newfs)");
        device_uses_done(&u);

        fixture_write(f, "sys/class/block/nvme0n10/bcache/x", "");
        read_uses(f, &u);
        assert_uses(&u, OTHER_DISK, "holder:bcache");
        device_uses_done(&u);
}

/* A file that tells of uses and cannot be read */
static void test_unreadable_swaps(void **state)
{
        struct fixture *f = *state;
        struct device_uses u;

        add_disks(f);
        fixture_write(f, "proc/self/mountinfo", "25 1 0:32 / /run rw - tmpfs tmpfs rw\n");
        fixture_link(f, "proc/swaps", "swaps");
        read_uses(f, &u);
        assert_int_equal(u.block.value, FACT_UNKNOWN);
        device_uses_done(&u);
}

#define CXL "0000:05:00.0"
#define OTHER_CXL "0000:06:00.0"

static void test_memory(void **state)
{
        struct fixture *f = *state;
        struct device_uses u;

        add_function(f, CXL, "50210", "cxl_pci", 7);
        add_function(f, OTHER_CXL, "50210", "cxl_pci", 8);
        fixture_link(f, "sys/bus/cxl/devices/mem0", "../../../devices/pci0000:00/" CXL "/mem0");
        fixture_link(f, "sys/bus/cxl/devices/mem1", "../../../devices/pci0000:00/" OTHER_CXL "/mem1");
        read_uses(f, &u);
        assert_uses(&u, CXL, "");
        device_uses_done(&u);

        /* a region of one of the two: nothing tells which */
        fixture_write(f, "sys/bus/cxl/devices/region0/size", "0x1000000000\n");
        read_uses(f, &u);
        assert_uses(&u, CXL, "memory:region0");
        assert_uses(&u, OTHER_CXL, "memory:region0");
        device_uses_done(&u);

        /* the decoders of both are shown, and only one of them has a region */
        fixture_write(f, "sys/devices/e/endpoint2/decoder2.0/region", "region0\n");
        fixture_write(f, "sys/devices/e/endpoint3/decoder3.0/region", "\n");
        fixture_write(f, "sys/devices/e/endpoint3/decoder3.0/size", "0x0\n");
        for (int i = 2; i < 4; i++) {
                char path[80], target[80];

                snprintf(path, sizeof(path), "sys/bus/cxl/devices/endpoint%d", i);
                snprintf(target, sizeof(target), "../../../devices/e/endpoint%d", i);
                fixture_link(f, path, target);
                snprintf(path, sizeof(path), "sys/devices/e/endpoint%d/uport", i);
                snprintf(target, sizeof(target), "../../pci0000:00/x/mem%d", i - 2);
                fixture_link(f, path, target);
                snprintf(path, sizeof(path), "sys/bus/cxl/devices/decoder%d.0", i);
                snprintf(target, sizeof(target), "../../../devices/e/endpoint%d/decoder%d.0", i, i);
                fixture_link(f, path, target);
        }
        read_uses(f, &u);
        assert_uses(&u, CXL, "memory:region0");
        assert_uses(&u, OTHER_CXL, "");
        device_uses_done(&u);

        /* System RAM in a BAR, whatever the device is */
        fixture_write(f, "proc/iomem",
                      "80000000-8fffffff : PCI Bus 0000:00\n"
                      "  80000000-807fffff : " OTHER_DISK "\n"
                      "    80000000-807fffff : dax0.0\n"
                      "      80000000-807fffff : System RAM (kmem)\n"
                      "  80800000-808fffff : " DISK "\n"
                      "    80800000-808fffff : nvme\n"
                      "90000000-9fffffff : System RAM\n");
        read_uses(f, &u);
        assert_uses(&u, OTHER_DISK, "memory:System RAM in a BAR");
        assert_uses(&u, DISK, "");
        device_uses_done(&u);
}

static void test_network(void **state)
{
        static const struct {
                const char *flags, *route, *inet6, *answer, *uses;
        } cases[] = {
                { "0x1003\n", NULL, NULL, NULL, "" },
                { "0x1003\n",
                  "Iface\tDestination\neth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n", NULL,
                  NULL, "interface:eth0 (default route)|" },
                { "0x1003\n", "eth0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n", NULL, NULL,
                  "interface:eth0|" },
                { "0x1002\n", "eth0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n", NULL, NULL,
                  "" },
                { "0x1003\n", NULL, "fe800000000000000000000000000001 02 40 20 80     eth0\n", NULL, "" },
                { "0x1003\n", NULL, "20010db8000000000000000000000001 02 40 00 80     eth0\n", NULL,
                  "interface:eth0|" },
                { "0x1003\n", NULL, "20010db8000000000000000000000001 02 40 00 80     eth01\n", NULL, "" },
                { "0x1003\n", NULL, NULL, "interfaces-with-address\tlo eth0\n", "interface:eth0|" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct device_uses u;
                struct fixture *f;
                char expected[128];

                assert_int_equal(setup(state), 0);
                f = *state;
                add_class(f, "net", "eth0", NIC "/net", "");
                fixture_write(f, "sys/devices/pci0000:00/0000:00:01.0/" NIC "/net/eth0/flags",
                              cases[i].flags);
                if (cases[i].route)
                        fixture_write(f, "proc/net/route", cases[i].route);
                if (cases[i].inet6)
                        fixture_write(f, "proc/net/if_inet6", cases[i].inet6);
                if (cases[i].answer)
                        fixture_write(f, "vfioalign/answers", cases[i].answer);
                read_uses(f, &u);
                snprintf(expected, sizeof(expected), "%svirtual-functions:1 virtual function",
                         cases[i].uses);
                assert_uses(&u, NIC, expected);
                assert_int_equal(u.network.value, FACT_YES);
                device_uses_done(&u);
                fixture_teardown(state);
        }
}

static void test_enslaved(void **state)
{
        struct fixture *f = *state;
        struct device_uses u;

        add_class(f, "net", "eth0", NIC "/net", "");
        fixture_link(f, IN_NIC "eth0/master", "../../../virtual/net/br0"); /* as upper_X too: one use */
        fixture_link(f, IN_NIC "eth0/upper_br0", "x");
        add_class(f, "net", "eth1", NIC "/net", "");
        fixture_link(f, IN_NIC "eth1/master", "../../../virtual/net/bond0");
        add_class(f, "net", "eth2", NIC "/net", "");
        fixture_link(f, IN_NIC "eth2/upper_eth2.7", "x");
        fixture_write(f, "sys/class/net/lo/flags", "0x9\n");
        fixture_write(f, "sys/bus/pci/devices/" VF "/net/x", ""); /* its own is elsewhere */
        read_uses(f, &u);
        assert_int_equal(u.network.value, FACT_UNKNOWN); /* no flags */
        assert_uses(&u, NIC,
                    "enslaved:eth0 (below br0)|enslaved:eth1 (below bond0)|enslaved:eth2 (below eth2.7)|"
                    "virtual-functions:1 virtual function");
        assert_uses(&u, VF, "namespace:an interface in another network namespace");
        device_uses_done(&u);
}

/* An interface without an address that carries something all the same. */
static void test_network_load(void **state)
{
        static const struct {
                const char *path, *text, *uses;
        } cases[] = {
                { "proc/net/pppoe", "Id Address Device\n00000011 02:00:00:00:00:01    eth0\n",
                  "interface:eth0 (PPPoE)|" },
                { "proc/net/pppoe", "Id Address Device\n00000011 02:00:00:00:00:01    eth1\n", "" },
                { "proc/net/packet",
                  "sk RefCnt Type Proto  Iface R Rmem User Inode\n"
                  "0000000000000000 3      3    0003   7     1 0 0 1\n",
                  "interface:eth0 (packet socket)|" },
                /* LLDP; any interface; another one */
                { "proc/net/packet",
                  "0000000000000000 3      3    88cc   7     1 0 0 1\n"
                  "0000000000000000 3      3    0003   0     1 0 0 1\n"
                  "0000000000000000 3      3    0003   77    1 0 0 1\n",
                  "" },
                { "vfioalign/answers", "interfaces-with-xdp\t eth1 eth0 \n",
                  "interface:eth0 (XDP program)|" },
                { "vfioalign/answers", "interfaces-below\t eth01:a eth0:vxlan0 eth0:gre1 x:eth0 \n",
                  "enslaved:eth0 (below gre1)|enslaved:eth0 (below vxlan0)|" },
                { "proc/net/ipv6_route",
                  "20010db8000000000000000000000000 20 00000000000000000000000000000000 00 "
                  "fe800000000000000000000000000002 00000400 00000001 00000000 00000003     eth0\n",
                  "interface:eth0|" },
                { "proc/net/ipv6_route",
                  "fe800000000000000000000000000000 40 00000000000000000000000000000000 00 "
                  "00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n",
                  "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct device_uses u;
                struct fixture *f;
                char expected[128];

                assert_int_equal(setup(state), 0);
                f = *state;
                add_class(f, "net", "eth0", NIC "/net", "");
                fixture_write(f, IN_NIC "eth0/flags", "0x1003\n");
                fixture_write(f, IN_NIC "eth0/ifindex", "7\n");
                fixture_write(f, cases[i].path, cases[i].text);
                read_uses(f, &u);
                snprintf(expected, sizeof(expected), "%svirtual-functions:1 virtual function",
                         cases[i].uses);
                assert_uses(&u, NIC, expected);
                assert_int_equal(u.network.value, FACT_YES);
                device_uses_done(&u);
                fixture_teardown(state);
        }
}

/* A recording without the answer of rtnetlink shows tunnels by their type. The number that a veth gives is
 * of another namespace. */
static void test_tunnels_of_sysfs(void **state)
{
        struct fixture *f = *state;
        struct device_uses u;

        add_class(f, "net", "eth0", NIC "/net", "");
        fixture_write(f, IN_NIC "eth0/flags", "0x1003\n");
        fixture_write(f, IN_NIC "eth0/ifindex", "7\n");
        fixture_write(f, "sys/class/net/gre1/ifindex", "8\n");
        fixture_write(f, "sys/class/net/gre1/iflink", "7\n");
        fixture_write(f, "sys/class/net/gre1/type", "778\n");
        fixture_write(f, "sys/class/net/veth1/ifindex", "9\n");
        fixture_write(f, "sys/class/net/veth1/iflink", "7\n");
        fixture_write(f, "sys/class/net/veth1/type", "1\n");
        fixture_write(f, "sys/class/net/vx/ifindex", "10\n");
        fixture_write(f, "sys/class/net/vx/iflink", "7\n");
        fixture_write(f, "sys/class/net/vx/uevent", "DEVTYPE=vxlan\nINTERFACE=vx\n");
        read_uses(f, &u);
        assert_uses(&u, NIC,
                    "enslaved:eth0 (below gre1)|enslaved:eth0 (below vx)|"
                    "virtual-functions:1 virtual function");
        device_uses_done(&u);

        fixture_link(f, "proc/net/packet", "packet"); /* a recording where it could not be read */
        read_uses(f, &u);
        assert_int_equal(u.network.value, FACT_UNKNOWN);
        device_uses_done(&u);
}

/* The kernel of the host that runs the test */
static void test_links_of_kernel(void **state)
{
        struct link_answers a = {};
        int r = links_ask(&a);

        (void) state;
        if (r < 0)
                skip();
        assert_int_equal(*a.with_xdp, ' ');
        assert_int_equal(*a.below, ' ');
        link_answers_done(&a);
}

static void test_console(void **state)
{
        struct fixture *f = *state;
        struct device_uses u;

        fixture_write(f, "sys/class/tty/console/active", "tty0 ttyS4 ../../x\n");
        add_class(f, "tty", "ttyS4", VF "/tty", "");
        add_class(f, "graphics", "fb0", AUDIO "/graphics", "");
        fixture_write(f, "sys/bus/pci/devices/" GPU "/boot_vga", "1\n");
        read_uses(f, &u);
        assert_uses(&u, VF, "console:ttyS4 (console)");
        assert_uses(&u, AUDIO, "console:tty0 (console)");
        assert_uses(&u, GPU, ""); /* the boot display, but VFIO has it */
        device_uses_done(&u);

        fixture_write(f, "sys/bus/pci/devices/" GPU "/uevent",
                      "DRIVER=amdgpu\nPCI_CLASS=30000\nPCI_ID=1002:744C\n");
        read_uses(f, &u);
        assert_uses(&u, GPU, "console:boot display");
        device_uses_done(&u);
}

/* The kernel draws on any framebuffer, and lights up any connector that is enabled. */
static void test_displays(void **state)
{
        struct fixture *f = *state;
        struct device_uses u;

        add_class(f, "graphics", "fb0", NIC "/graphics", "");
        add_class(f, "graphics", "fb1", AUDIO "/graphics", ""); /* VFIO has it */
        add_class(f, "graphics", "fb2", VF "/graphics", "");
        add_class(f, "graphics", "fbcon", "virtual/graphics", "");
        add_class(f, "drm", "card1-HDMI-A-1", VF "/drm/card1", "");
        fixture_write(f, "sys/class/drm/card1-HDMI-A-1/enabled", "enabled\n");
        add_class(f, "drm", "card1-DP-1", VF "/drm/card1", "");
        fixture_write(f, "sys/class/drm/card1-DP-1/enabled", "disabled\n");
        read_uses(f, &u);
        assert_uses(&u, NIC, "console:fb0 (framebuffer)|virtual-functions:1 virtual function");
        assert_uses(&u, VF, "console:card1-HDMI-A-1 (display)|console:fb2 (framebuffer)");
        assert_uses(&u, AUDIO, "");
        device_uses_done(&u);
}

/* A PNP device and its port are called 00:03, 00:03:0 and 00:03:0.0. None of these names a function. */
static void test_console_no_function(void **state)
{
        struct fixture *f = *state;
        struct device_uses u;

        fixture_write(f, "sys/class/tty/console/active", "ttyS0\n");
        fixture_link(f, "sys/class/tty/ttyS0",
                     "../../devices/pnp0/00:03/00:03:0/00:03:0.0/03:00.0/tty/ttyS0");
        read_uses(f, &u);
        assert_uses(&u, NIC, "virtual-functions:1 virtual function");
        device_uses_done(&u);
}

static void add_input(struct fixture *f, const char *event, const char *place, const char *name,
                      const char *keys)
{
        char path[128];

        add_class(f, "input", event, place, "13:64\n");
        snprintf(path, sizeof(path), "sys/class/input/%s/device/name", event);
        fixture_write(f, path, name);
        snprintf(path, sizeof(path), "sys/class/input/%s/device/capabilities/key", event);
        fixture_write(f, path, keys);
}

#define TYPING "10000 7 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe\n"
#define USB(bdf) bdf "/usb1/1-1/1-1:1.0/0003:046D:C31C.0001/input/input5"

/* A function is used if all keyboards depend on it; if one is elsewhere, it is not. */
static void test_keyboard(void **state)
{
        static const struct {
                const char *place[2], *keys[2];
                const char *on_nic, *on_vf;
        } cases[] = {
                { { USB(NIC) }, { TYPING }, "keyboard:K0|", "" },
                { { USB(NIC), USB(NIC) }, { TYPING, TYPING }, "keyboard:K0|keyboard:K1|", "" },
                { { USB(NIC), USB(VF) }, { TYPING, TYPING }, "", "" },
                { { "platform/i8042/serio0/input/input1", USB(NIC) }, { TYPING, TYPING }, "", "" },
                { { USB(NIC), "platform/i8042/serio0/input/input1" }, { TYPING, TYPING }, "", "" },
                { { USB(NIC), "virtual/input/input9" }, { TYPING, TYPING }, "keyboard:K0|", "" },
                /* a power button and a mouse: KEY_POWER; BTN_LEFT and others */
                { { "LNXSYSTM:00/LNXPWRBN:00/input/input0", USB(NIC) },
                  { "10000000000000 0\n", TYPING },
                  "keyboard:K1|",
                  "" },
                { { USB(VF), USB(NIC) }, { "1f0000 0 0 0 0\n", TYPING }, "keyboard:K1|", "" },
                { { USB(NIC) }, { "fffffffffffffffe 0\n" }, "", "" },
                { { USB(NIC) }, { "fdfffffffffffffe\n" }, "", "" }, /* no KEY_SPACE */
                { { USB(NIC) }, { "\n" }, "", "" },
                { { USB(VF) }, { TYPING }, "", "keyboard:K0" },
                { { USB(GPU) }, { TYPING }, "", "" }, /* bound to VFIO */
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct device_uses u;
                struct fixture *f;
                char expected[128];

                assert_int_equal(setup(state), 0);
                f = *state;
                for (size_t k = 0; k < 2 && cases[i].place[k]; k++)
                        add_input(f, k ? "event1" : "event0", cases[i].place[k], k ? "K1\n" : "K0\n",
                                  cases[i].keys[k]);
                read_uses(f, &u);
                snprintf(expected, sizeof(expected), "%svirtual-functions:1 virtual function",
                         cases[i].on_nic);
                assert_uses(&u, NIC, expected);
                assert_uses(&u, VF, cases[i].on_vf);
                assert_uses(&u, GPU, "");
                device_uses_done(&u);
                fixture_teardown(state);
        }
}

static void test_processes(void **state)
{
        static const char cmdline[] = "/usr/bin/qemu-system-x86_64\0-name\0guest=w,,1,debug-threads=on\0-S";
        struct fixture *f = *state;
        struct device_uses u;

        add_class(f, "block", "nvme0n1", DISK "/nvme/nvme0", "259:0\n");
        fixture_link(f, "sys/dev/char/116:5", "../../devices/pci0000:00/" NIC "/sound/card0/controlC0");
        fixture_link(f, "sys/dev/char/244:5", "../../devices/virtual/vfio/5");
        fixture_link(f, "sys/dev/char/511:0", "../../devices/pci0000:00/" VF "/vfio-dev/vfio0");
        fixture_link(f, "sys/dev/char/1:3", "../../devices/virtual/mem/null");
        fixture_write(f, "proc/driver/nvidia/gpus/" OTHER_DISK "/information",
                      "Model: \t X\nDevice Minor: \t 2\n");
        fixture_write(f, "proc/100/comm", "pipe\twire\n");
        fixture_write(f, "proc/200/comm", "qemu-system-x86\n");
        fixture_write_bytes(f, "proc/200/cmdline", cmdline, sizeof(cmdline));
        fixture_write(f, "proc/300/comm", "cloud-hyperviso\n");
        fixture_write(f, "vfioalign/answers",
                      "open-device-nodes\tall 100:c:116:5 200:c:244:5 200:b:259:0 300:c:511:0 400:c:195:2 "
                      "100:c:1:3 x 1:c\n");
        read_uses(f, &u);
        assert_int_equal(u.processes.value, FACT_YES);
        assert_uses(&u, NIC, "process:pipe?wire (pid 100, controlC0)|virtual-functions:1 virtual function");
        assert_uses(&u, GPU, "vfio:w,1 (pid 200)");
        assert_uses(&u, AUDIO, "vfio:w,1 (pid 200)"); /* the same group */
        assert_uses(&u, DISK, "process:qemu-system-x86 (pid 200, nvme0n1)");
        assert_uses(&u, VF, "vfio:cloud-hyperviso (pid 300)");
        assert_uses(&u, OTHER_DISK, "process:? (pid 400, nvidia2)");
        device_uses_done(&u);

        /* the same group without an IOMMU */
        fixture_link(f, "sys/dev/char/244:6", "../../devices/virtual/vfio/noiommu-5");
        fixture_write(f, "vfioalign/answers", "open-device-nodes\tall 200:c:244:6\n");
        root_close(&f->root); /* which keeps the answers */
        assert_ok(root_open(&f->root, f->dir));
        read_uses(f, &u);
        assert_uses(&u, GPU, "vfio:w,1 (pid 200)");
        assert_uses(&u, AUDIO, "vfio:w,1 (pid 200)");
        device_uses_done(&u);
}

/* The nodes of the host that runs the test stand for those of a function. */
static void test_live_processes(void **state)
{
        struct fixture *f = *state;
        struct device_uses u;

        fixture_link(f, "sys/dev/char/1:3", "../../devices/pci0000:00/" NIC "/sound/card0/controlC0");
        fixture_link(f, "sys/dev/char/1:5", "../../devices/pci0000:00/" GPU "/drm/card0");
        fixture_link(f, "sys/dev/char/1:7", "../../devices/pci0000:00/" DISK "/drm/card1");
        fixture_link(f, "sys/dev/char/1:8", "../../devices/pci0000:00/" VF "/vfio-dev/vfio0");
        fixture_link(f, "sys/dev/char/1:9", "../../devices/pci0000:00/" OTHER_DISK "/drm/card2");
        fixture_write(f, "proc/1/fd/x", "");
        fixture_write(f, "proc/1/maps", "");
        fixture_write(f, "proc/100/comm", "open\n");
        fixture_link(f, "proc/100/fd/3", "/dev/null");
        fixture_link(f, "proc/100/fd/4", "/dev/full");
        fixture_link(f, "proc/100/fd/5", "/dev/null");
        fixture_link(f, "proc/100/fd/6", "/etc/passwd");
        fixture_write(f, "proc/200/comm", "mapped\n");
        fixture_write(f, "proc/200/fd/x", "");
        fixture_write(f, "proc/200/maps",
                      "00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/x\n"
                      "00500000-00501000 rw-s 00000000 00:06 11          /dev/anything (deleted)\n"
                      "00600000-00601000 rw-s 00000000 00:06 12          /dev/dri/card1\n"
                      "00700000-00701000 rw-s 00000000 00:06 13          /dev/vfio/devices/vfio0 (deleted)\n"
                      "00800000-00801000 rw-s 00000000 00:06 14          /dev/shm/card2\n"
                      "00900000-00901000 rw-s 00000000 00:06 15          /dev/vfio/devices/card2\n"
                      "00a00000-00a01000 rw-s 00000000 00:06 16 /sys/devices/pci0/" GPU "/resource0\n"
                      "00b00000-00b01000 rw-s 00000000 00:06 17 /sys/devices/pci0/" NIC "/resource0\n"
                      "7ffd0000-7ffd1000 rw-p 00000000 00:00 0           [stack]\n");
        fixture_link(f, "proc/200/map_files/500000-501000", "/dev/zero");
        fixture_link(f, "proc/200/map_files/800000-801000", "/dev/urandom");
        fixture_link(f, "proc/200/map_files/a00000-a01000", "../../../sys/dev/char");
        fixture_link(f, "proc/200/map_files/b00000-b01000", "/proc/version"); /* it only has such a name */
        f->root.live = true;
        read_uses(f, &u);
        assert_int_equal(u.processes.value, FACT_YES);
        assert_uses(&u, NIC, "process:open (pid 100, controlC0)|virtual-functions:1 virtual function");
        assert_uses(&u, DISK, "process:mapped (pid 200, card1)|process:open (pid 100, card1)");
        assert_uses(&u, GPU, "process:mapped (pid 200, card0)|process:mapped (pid 200, resource0)");
        assert_uses(&u, VF, "vfio:mapped (pid 200)");
        assert_uses(&u, OTHER_DISK, "");
        device_uses_done(&u);
}

/* What a stranger has open takes of the time that all strangers have: it can be a million files. */
static void test_many_files(void **state)
{
        struct fixture *f = *state;
        struct device_uses u;

        if (geteuid() != 0)
                skip();
        fixture_link(f, "sys/dev/char/1:3", "../../devices/pci0000:00/" NIC "/sound/card0/controlC0");
        fixture_write(f, "proc/1/fd/x", "");
        fixture_write(f, "proc/1/maps", "");
        for (int pid = 10; pid < 13; pid++) {
                char path[32];

                snprintf(path, sizeof(path), "proc/%d/fd/3", pid);
                fixture_link(f, path, "/dev/null");
                snprintf(path, sizeof(path), "proc/%d/maps", pid); /* the first two take all of the time */
                assert_int_equal(mkfifo(fixture_path(f, path), 0600), 0);
                snprintf(path, sizeof(path), "proc/%d", pid);
                assert_int_equal(chown(fixture_path(f, path), STRANGER, STRANGER), 0);
        }
        f->root.live = true;
        process_round_begin(&f->root);
        read_uses(f, &u);
        assert_ok(process_round_end(&f->root, NULL));
        assert_int_equal(u.processes.value, FACT_UNKNOWN);
        assert_uses(&u, NIC,
                    "process:? (pid 10, controlC0)|process:? (pid 11, controlC0)|"
                    "virtual-functions:1 virtual function");
        device_uses_done(&u);
}

/* A reader that could not look into all processes reports what it saw, and that there may be more. */
static void test_some_processes(void **state)
{
        struct fixture *f = *state;
        struct device_uses u;

        fixture_link(f, "sys/dev/char/116:5", "../../devices/pci0000:00/" NIC "/sound/card0/controlC0");
        fixture_write(f, "vfioalign/answers", "open-device-nodes\tsome 100:c:116:5\n");
        read_uses(f, &u);
        assert_int_equal(u.processes.value, FACT_UNKNOWN);
        assert_non_null(u.processes.why);
        assert_uses(&u, NIC, "process:? (pid 100, controlC0)|virtual-functions:1 virtual function");
        device_uses_done(&u);
}

static void test_missing(void **state)
{
        struct device_facts devices = {};
        struct fixture *f = *state;
        struct device_uses u;
        size_t n;

        assert_ok(device_uses_read(&u, &f->root, &devices));
        assert_int_equal(u.block.value, FACT_UNKNOWN);
        assert_int_equal(u.network.value, FACT_UNKNOWN);
        assert_int_equal(u.processes.value, FACT_UNKNOWN);
        assert_null(device_uses_find(&u, DISK, &n));
        assert_int_equal(n, 0);
        device_uses_done(&u);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_block, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_hidden_block, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_mounts_elsewhere, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_pool_unknown, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_pool_members, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_pool_nameless, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_other_pools, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_unreadable_swaps, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_memory, setup, fixture_teardown),
                cmocka_unit_test(test_network),
                cmocka_unit_test(test_network_load),
                cmocka_unit_test_setup_teardown(test_tunnels_of_sysfs, setup, fixture_teardown),
                cmocka_unit_test(test_links_of_kernel),
                cmocka_unit_test_setup_teardown(test_enslaved, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_console, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_displays, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_console_no_function, setup, fixture_teardown),
                cmocka_unit_test(test_keyboard),
                cmocka_unit_test_setup_teardown(test_processes, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_live_processes, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_many_files, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_some_processes, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_missing, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
