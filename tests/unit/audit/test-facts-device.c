/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/facts-device.h"

#include <string.h>

#include "fixture.h"
#include "test.h"
#include "util/macro.h"

#define PCI "sys/bus/pci/devices/"

/* As sysfs prints it: BAR 0 to 5, the ROM, and for a bridge its windows. */
#define RESOURCE_GPU                                                            \
        "0x00000000fa000000 0x00000000faffffff 0x0000000000040200\n"            \
        "0x0000380000000000 0x000038007fffffff 0x000000000014220c\n"            \
        "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"            \
        "0x000000000000c000 0x000000000000c07f 0x0000000000040101\n"            \
        "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"            \
        "0x00000000fb000000 0x00000000fb000fff 0x0000000000040200\n"            \
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

static void test_bdf(void **state)
{
        static const struct {
                const char *text, *bdf;
        } good[] = {
                {"0000:00:05.0", "0000:00:05.0"}, {"00:05.0", "0000:00:05.0"},       {"0:5.0", "0000:00:05.0"},
                {"10000:e1:1f.7", "10000:e1:1f.7"}, {"ffffffff:ff:1f.7", "ffffffff:ff:1f.7"}, {"0000:FF:0A.1", "0000:ff:0a.1"},
        };
        static const char *const bad[] = {
                "", "0", "0000:00:05", "0000:00:05.8", "0000:00:20.0", "0000:00:05.0x", "100000000:00:05.0", "0000:00:05.10",
                "pci0000:00", "0000:000:05.0", "-1:00:05.0", " 0000:00:05.0",
        };
        bdf_t bdf = "untouched";

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (bdf_parse(bad[i], bdf) >= 0)
                        fail_msg("\"%s\" was taken for %s", bad[i], bdf);
        assert_string_equal(bdf, "untouched");
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                assert_ok(bdf_parse(good[i].text, bdf));
                assert_string_equal(bdf, good[i].bdf);
        }
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
        fixture_write(f, PCI "0000:00:02.0/config", ""); /* unplugged, all but */

        assert_ok(device_facts_read(&facts, &f->root));
        assert_int_equal(facts.iommu.value, FACT_YES);
        assert_int_equal(facts.listed.value, FACT_YES);
        assert_int_equal(facts.n_devices, 5);
        assert_string_equal(facts.devices[0].bdf, "0000:00:01.0");
        assert_string_equal(facts.devices[3].bdf, "2000:00:00.0");
        assert_string_equal(facts.devices[4].bdf, "10000:e1:00.0"); /* a long domain sorts behind */

        d = device_facts_find(&facts, "0000:41:00.0");
        assert_non_null(d);
        assert_int_equal(d->vendor, 0x10de);
        assert_int_equal(d->device, 0x2330);
        assert_int_equal(d->class, 0x030200);
        assert_int_equal(d->group, 12);
        assert_string_equal(d->driver, "vfio-pci");
        assert_true(device_is_assignable(d));
        assert_int_equal(device_largest_bar(d), GIB(2));
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
        assert_int_equal(device_largest_bar(d), 0);
        assert_null(device_facts_find(&facts, "0000:99:00.0"));
        assert_null(device_facts_find(&facts, "much too long an address to be any"));
        device_facts_done(&facts);
}

/* Read by nobody in particular, addresses are zero; the sizes still show. */
static void test_resource(void **state)
{
        static const struct {
                const char *resource;
                size_t n_bars;
                uint64_t largest;
        } cases[] = {
                {"", 0, 0},
                {"junk\n", 0, 0},
                {"0x0000000000000000 0x000000007fffffff 0x000000000014220c\n", 1, GIB(2)},
                {"0x0000000000000000 0x000000007fffffff 0x000000000014220c", 1, GIB(2)},
                {"0x0000000080000000 0x000000007fffffff 0x000000000014220c\n", 0, 0}, /* ends before it starts */
                {"0x0000000000000000 0x000000007fffffff 0x000000000014220c\nxyz\n", 1, GIB(2)},
                {RESOURCE_GPU RESOURCE_GPU, 3, GIB(2)},
        };
        struct fixture *f = *state;
        struct device_facts facts;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                write_device(f, "0000:41:00.0", cases[i].resource, "0x030200\n");
                assert_ok(device_facts_read(&facts, &f->root));
                assert_int_equal(facts.n_devices, 1);
                assert_int_equal(facts.devices[0].n_bars, cases[i].n_bars);
                assert_int_equal(device_largest_bar(&facts.devices[0]), cases[i].largest);
                device_facts_done(&facts);
        }
}

static void test_missing(void **state)
{
        struct fixture *f = *state;
        struct device_facts facts;

        assert_ok(device_facts_read(&facts, &f->root));
        assert_int_equal(facts.listed.value, FACT_UNKNOWN);
        assert_int_equal(facts.iommu.value, FACT_UNKNOWN);
        assert_non_null(facts.iommu.why);
        assert_null(device_facts_find(&facts, "0000:00:01.0"));
        device_facts_done(&facts);

        write_device(f, "0000:41:00.0", RESOURCE_GPU, "0x030200\n");
        assert_ok(device_facts_read(&facts, &f->root));
        assert_int_equal(facts.iommu.value, FACT_NO);
        device_facts_done(&facts);

        fixture_link(f, PCI "0000:41:00.0/iommu_group", "../../../../kernel/iommu_groups/noiommu");
        assert_ok(device_facts_read(&facts, &f->root));
        assert_int_equal(facts.devices[0].group, -1);
        device_facts_done(&facts);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bdf),
                cmocka_unit_test_setup_teardown(test_tree, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_resource, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_missing, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
