/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/host.h"

#include "fixture.h"
#include "test.h"
#include "util/file.h"
#include "util/macro.h"

#define GPU "0000:01:00.0"
#define AUDIO "0000:01:00.1"
#define NIC "0000:02:00.0"
#define VF "0000:02:00.1"
#define DISK "0000:03:00.0"
#define OTHER_DISK "0000:04:00.0"

static void add_function(struct fixture *f, const char *bdf, const char *class, int group)
{
        char path[128], text[128];

        snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/uevent", bdf);
        snprintf(text, sizeof(text), "DRIVER=some\nPCI_CLASS=%s\nPCI_ID=1234:5678\n", class);
        fixture_write(f, path, text);
        snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/iommu_group", bdf);
        snprintf(text, sizeof(text), "../../../../kernel/iommu_groups/%d", group);
        fixture_link(f, path, text);
        snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%d/devices/%s", group, bdf);
        snprintf(text, sizeof(text), "../../../../bus/pci/devices/%s", bdf);
        fixture_link(f, path, text);
}

static int setup(void **state)
{
        struct fixture *f;

        if (fixture_setup(state) < 0)
                return -1;
        f = *state;
        add_function(f, GPU, "30000", 1);
        add_function(f, AUDIO, "40300", 1);
        add_function(f, NIC, "20000", 2);
        add_function(f, VF, "20000", 3);
        add_function(f, DISK, "10802", 4);
        add_function(f, OTHER_DISK, "10802", 5);
        fixture_link(f, "sys/bus/pci/devices/" VF "/physfn", "../" NIC);
        fixture_link(f, "sys/bus/pci/devices/" NIC "/virtfn0", "../" VF);
        fixture_link(f, "sys/dev/char/241:0", "../../devices/pci0000:00/" DISK "/nvme/nvme0");
        fixture_write(f, "vfioalign/answers", "open-device-nodes\tsome\n");
        return 0;
}

/* wanted, and what is read for that: words between blanks. */
static void assert_read(struct fixture *f, struct host *h, const char *wanted, const char *expected)
{
        char list[256], read[256] = "", *save = NULL;
        bdf_t bdfs[8];
        size_t n = 0;

        snprintf(list, sizeof(list), "%s", wanted);
        for (char *s = strtok_r(list, " ", &save); s; s = strtok_r(NULL, " ", &save))
                snprintf(bdfs[n++], sizeof(bdf_t), "%s", s);
        assert_ok(host_read_devices(h, &f->root, bdfs, n));
        for (size_t i = 0; i < h->devices.n_devices; i++)
                snprintf(read + strlen(read), sizeof(read) - strlen(read), "%s%s", i > 0 ? " " : "",
                         h->devices.devices[i].bdf);
        assert_string_equal(read, expected);
}

static void test_group(void **state)
{
        struct fixture *f = *state;
        struct host h;

        assert_read(f, &h, AUDIO, GPU " " AUDIO);
        assert_int_equal(iommu_facts_find_group(&h.iommu, 1)->n_members, 2);
        host_devices_done(&h);
        assert_read(f, &h, GPU " " AUDIO " " DISK, GPU " " AUDIO " " DISK);
        host_devices_done(&h);
}

/* A function that has some is refused. */
static void test_vfs(void **state)
{
        struct fixture *f = *state;
        struct host h;

        assert_read(f, &h, NIC, NIC " " VF);
        assert_int_equal(device_facts_find(&h.devices, NIC)->vfs_enabled, 1);
        host_devices_done(&h);
        assert_read(f, &h, VF, VF);
        host_devices_done(&h);
        fixture_write(f, "sys/bus/pci/devices/" NIC "/virtfn1", ""); /* one that cannot be read */
        assert_read(f, &h, NIC, GPU " " AUDIO " " NIC " " VF " " DISK " " OTHER_DISK);
        host_devices_done(&h);
}

/* What was one group when it was bound. */
static void test_record(void **state)
{
        struct fixture *f = *state;
        struct bind_member members[] = { { .bdf = DISK }, { .bdf = OTHER_DISK } };
        const struct bind_record record = { .boot_id = "boot",
                                            .state = BIND_STATE_BOUND,
                                            .owner = (char *) "operator",
                                            .members = members,
                                            .n_members = ELEMENTSOF(members) };
        _cleanup_free_ char *text = bind_record_format(&record);
        struct host h;

        fixture_write(f, "proc/sys/kernel/random/boot_id", "boot\n");
        fixture_write(f, BIND_RECORDS "/" DISK, text);
        assert_read(f, &h, OTHER_DISK, DISK " " OTHER_DISK);
        host_devices_done(&h);
        assert_read(f, &h, NIC, NIC " " VF);
        host_devices_done(&h);
        assert_read(f, &h, "", DISK " " OTHER_DISK);
        host_devices_done(&h);
}

/* Who shares the group cannot be known by it. */
static void test_group_not_shown(void **state)
{
        struct fixture *f = *state;
        struct host h;

        fixture_remove(f, "sys/kernel/iommu_groups/1/devices/" AUDIO);
        assert_read(f, &h, AUDIO, GPU " " AUDIO " " NIC " " VF " " DISK " " OTHER_DISK);
        assert_int_equal(iommu_facts_find_group(&h.iommu, 1)->n_members, 2);
        host_devices_done(&h);
        assert_read(f, &h, "0000:09:00.0", GPU " " AUDIO " " NIC " " VF " " DISK " " OTHER_DISK);
        host_devices_done(&h);
}

/* Whoever's files cannot be seen: of what has no node, none is open. */
static void test_processes(void **state)
{
        struct fixture *f = *state;
        struct host h;

        assert_read(f, &h, GPU, GPU " " AUDIO);
        assert_int_equal(h.uses.processes.value, FACT_YES);
        host_devices_done(&h);
        assert_read(f, &h, DISK, DISK);
        assert_int_equal(h.uses.processes.value, FACT_UNKNOWN);
        host_devices_done(&h);
        fixture_remove(f, "sys/dev/char/241:0");
        fixture_remove(f, "sys/dev/char");
        assert_read(f, &h, GPU, GPU " " AUDIO);
        assert_int_equal(h.uses.processes.value, FACT_UNKNOWN);
        host_devices_done(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_group, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_vfs, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_record, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_group_not_shown, setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_processes, setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
