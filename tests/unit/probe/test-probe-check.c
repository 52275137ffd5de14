/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/probe-check.h"

#include <string.h>

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

static const struct device devices[] = {
        { .bdf = "0000:00:01.0", .class = 0x060400, .group = 1, .driver = (char *) "pcieport" },
        { .bdf = "0000:05:00.0", .group = 12, .driver = (char *) "vfio-pci", .driver_is_vfio = true },
        { .bdf = "0000:05:00.1", .group = 12, .driver = (char *) "snd_hda_intel" },
        { .bdf = "0000:06:00.0", .group = 13, .driver = (char *) "nvme" },
        { .bdf = "0000:07:00.0", .group = 14 },
        { .bdf = "0000:08:00.0", .group = -1 },
};

static const char *const gpu = "0000:05:00.0";

/* The array of a made-up host is not written to, although device_facts would allow it. */
static struct host new_host(const struct root *root)
{
        return (struct host){
                .root = root,
                .devices = { .listed = YES,
                             .devices = (struct device *) devices,
                             .n_devices = ELEMENTSOF(devices) },
                .iommu = { .at_work = YES },
        };
}

/* Checks the obstacle, and that its line has each of the words, up to NULL. */
static void expect(const struct host *h, const char *bdf, bool root, enum probe_obstacle wanted,
                   const char *const words[])
{
        _cleanup_free_ char *line = NULL;

        assert_int_equal(probe_check(h, bdf, root, &line), wanted);
        if (wanted == PROBE_FREE) {
                assert_null(line);
                return;
        }
        assert_null(strchr(line, '\n'));
        assert_non_null(strstr(line, bdf));
        for (size_t i = 0; words[i]; i++)
                if (!strstr(line, words[i]))
                        fail_msg("'%s' lacks '%s'", line, words[i]);
}

#define EXPECT(h, bdf, obstacle, ...) \
        expect(h, bdf, true, obstacle, (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static void test_function(void **state)
{
        struct fixture *f = *state;
        struct host h = new_host(&f->root);

        EXPECT(&h, gpu, PROBE_FREE);
        EXPECT(&h, "0000:99:00.0", PROBE_NO_FUNCTION, "vfioalignctl devices");
        EXPECT(&h, "no address at all, but a long text", PROBE_NO_FUNCTION, "");
        expect(&h, gpu, false, PROBE_NOT_ROOT, (const char *const[]){ "as root", NULL });
        expect(&h, "0000:99:00.0", false, PROBE_NO_FUNCTION, (const char *const[]){ "", NULL });

        EXPECT(&h, "0000:00:01.0", PROBE_NO_IOMMU, "bridge");
        EXPECT(&h, "0000:08:00.0", PROBE_NO_IOMMU, "no IOMMU group");
        h.iommu.at_work.value = FACT_NO;
        EXPECT(&h, gpu, PROBE_NO_IOMMU, "intel_iommu=on");
        h.iommu.at_work.value = FACT_UNKNOWN;
        EXPECT(&h, gpu, PROBE_FREE);
}

static void test_driver(void **state)
{
        struct fixture *f = *state;
        struct host h = new_host(&f->root);

        EXPECT(&h, "0000:06:00.0", PROBE_NOT_BOUND, "bound to nvme", "vfioalignctl bind 0000:06:00.0");
        EXPECT(&h, "0000:07:00.0", PROBE_NOT_BOUND, "no driver", "vfioalignctl bind 0000:07:00.0");
}

static void test_group(void **state)
{
        struct fixture *f = *state;
        struct host h = new_host(&f->root);
        const struct device *members[] = { &devices[1], &devices[2] };
        struct iommu_group group = {
                .number = 12, .members = members, .n_members = 2, .viable = NO, .culprit = &devices[2]
        };
        struct device_use use = { .bdf = "0000:05:00.1",
                                  .kind = USE_PROCESS,
                                  .what = (char *) "pipewire (pid 9)" };

        h.iommu.groups = &group;
        h.iommu.n_groups = 1;
        EXPECT(&h, gpu, PROBE_NOT_VIABLE, "0000:05:00.1", "(12)", "snd_hda_intel",
               "vfioalignctl bind 0000:05:00.1");
        /* Nobody is told to unbind a device that is in use. */
        h.uses = (struct device_uses){ .uses = &use, .n_uses = 1 };
        EXPECT(&h, gpu, PROBE_NOT_VIABLE, "0000:05:00.1", "pipewire");
        group.viable.value = FACT_UNKNOWN;
        EXPECT(&h, gpu, PROBE_FREE);
        group.viable.value = FACT_YES;
        group.culprit = NULL;
        EXPECT(&h, gpu, PROBE_FREE);
}

static void test_holders(void **state)
{
        struct fixture *f = *state;
        struct host h = new_host(&f->root);
        struct vfio_holder holder = {
                .pid = 4242, .command = (char *) "qe\x1b[1m\nmu", .group = 12, .cdev = -1
        };
        struct device_use use = {
                .bdf = "0000:05:00.0", .kind = USE_GUEST, .pid = 4242, .what = (char *) "qemu (pid 4242)"
        };
        struct mapping mapping = { .pid = 77, .command = (char *) "dpdk", .bdf = "0000:05:00.0" };

        /* A holder is reported as a holder, not as the use that follows from it. */
        h.uses = (struct device_uses){ .uses = &use, .n_uses = 1 };
        h.mappings.holders = &holder;
        h.mappings.n_holders = 1;
        EXPECT(&h, gpu, PROBE_HELD, "group 12", "qe\\x1b[1m\\x0amu (process 4242)");
        h.uses.n_uses = 0;
        holder.group = 11;
        EXPECT(&h, gpu, PROBE_FREE);

        holder = (struct vfio_holder){ .pid = 4243, .group = -1, .cdev = 3 };
        EXPECT(&h, gpu, PROBE_FREE);
        fixture_write(f, "sys/bus/pci/devices/0000:05:00.0/vfio-dev/vfio3/dev", "511:3\n");
        assert_int_equal(probe_cdev(&f->root, gpu), 3);
        EXPECT(&h, gpu, PROBE_HELD, "vfio3", "? (process 4243)");
        /* A function without a character device is not held by one that has none. */
        holder.cdev = -1;
        EXPECT(&h, gpu, PROBE_FREE);
        assert_int_equal(probe_cdev(&f->root, "0000:06:00.0"), -1);

        h.mappings.mappings = &mapping;
        h.mappings.n_mappings = 1;
        EXPECT(&h, gpu, PROBE_HELD, "dpdk (process 77)");
}

static void test_uses(void **state)
{
        struct fixture *f = *state;
        struct host h = new_host(&f->root);
        struct device_use use = { .bdf = "0000:06:00.0", .kind = USE_MOUNT, .what = (char *) "/boot" };

        /* A use comes before a wrong driver, so there is no command that unbinds the device. */
        h.uses = (struct device_uses){ .uses = &use, .n_uses = 1 };
        EXPECT(&h, "0000:06:00.0", PROBE_IN_USE, "/boot", "mount");
        EXPECT(&h, gpu, PROBE_FREE);
        use = (struct device_use){ .bdf = "0000:05:00.0",
                                   .kind = USE_VFS,
                                   .what = (char *) "8 virtual functions" };
        EXPECT(&h, gpu, PROBE_IN_USE, "8 virtual functions", "sriov_numvfs");
        use = (struct device_use){
                .bdf = "0000:05:00.0", .kind = USE_GUEST, .pid = 5, .what = (char *) "web1 (pid 5)"
        };
        EXPECT(&h, gpu, PROBE_IN_USE, "web1 (pid 5)");
}

static void test_guests(void **state)
{
        struct fixture *f = *state;
        struct host h = new_host(&f->root);
        struct hostdev hostdevs[] = { { .kind = HOSTDEV_MDEV }, { .bdf = "0000:05:00.0" } };
        struct libvirt_guest guests[] = {
                { .xml = { .name = (char *) "other" }, .running = true },
                { .xml = { .name = (char *) "web1", .hostdevs = hostdevs, .n_hostdevs = 2 },
                  .defined = true },
        };
        struct vfio_holder holder = { .pid = 4242, .group = 12, .cdev = -1 };

        h.libvirt.guests = guests;
        h.libvirt.n_guests = ELEMENTSOF(guests);
        EXPECT(&h, gpu, PROBE_DEFINED, "web1", "does not run");
        EXPECT(&h, "0000:06:00.0", PROBE_NOT_BOUND, "nvme");
        guests[1].running = true;
        EXPECT(&h, gpu, PROBE_GUEST_RUNS, "web1", "virsh shutdown web1");
        guests[1].xml.name = (char *) "a; rm -rf /";
        EXPECT(&h, gpu, PROBE_GUEST_RUNS, "(virsh shutdown 'a; rm -rf /')");
        guests[1].xml.name = (char *) "-x";
        EXPECT(&h, gpu, PROBE_GUEST_RUNS, "(virsh shutdown -- -x)");

        /* Consent is asked for only if nothing else is in the way. */
        guests[1].running = false;
        h.mappings.holders = &holder;
        h.mappings.n_holders = 1;
        EXPECT(&h, gpu, PROBE_HELD, "4242");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_function, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_driver, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_group, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_holders, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_uses, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_guests, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
