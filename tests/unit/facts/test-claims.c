/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/claims.h"

#include "fixture.h"
#include "test.h"
#include "util/macro.h"

static const struct device gpu = {
        .bdf = "0000:41:00.0",
        .vendor = 0x10de,
        .device = 0x2330,
        .subsystem_vendor = 0x10de,
        .subsystem_device = 0x16c1,
        .class = 0x030200,
};

static const struct device disk = {
        .bdf = "0000:42:00.0", .vendor = 0x144d, .device = 0xa80a, .class = 0x010802
};

static void assert_claim(const struct claims *c, size_t i, enum claim_tool tool, const char *file,
                         unsigned line, const char *driver)
{
        assert_true(i < c->n_claims);
        assert_int_equal(c->claims[i].tool, tool);
        assert_string_equal(c->claims[i].file, file);
        assert_int_equal(c->claims[i].line, line);
        if (driver)
                assert_string_equal(c->claims[i].driver, driver);
        else
                assert_null(c->claims[i].driver);
}

static void test_all(void **state)
{
        struct fixture *f = *state;
        struct claims c;

        fixture_write(f, "etc/driverctl.d/pci-0000:41:00.0", "vfio-pci\n");
        fixture_write(f, "etc/driverctl.d/pci-0000:42:00.0", "none\n");
        fixture_write(f, "etc/driverctl.d/vmbus-1234", "uio_hv_generic\n");
        fixture_write(f, "proc/cmdline", "root=/dev/sda1 vfio-pci.ids=10de:2330,8086:1521 quiet\n");
        fixture_write(
                f, "etc/modprobe.d/vfio.conf",
                "# options vfio-pci ids=1111:1111\noptions vfio-pci disable_vga=1 \\\n  ids=144d:a80a\n"
                "options kvm ids=2222:2222\noptions vfio-pcix ids=3333:3333\nsoftdep nvme pre: vfio-pci\n"
                "  options vfio_pci ids=10de:2330:10de:16c1");
        fixture_write(f, "usr/lib/modprobe.d/vfio.conf", "options vfio-pci ids=4444:4444\n"); /* hidden */
        fixture_write(f, "usr/lib/modprobe.d/more.conf", "options vfio-pci ids=5555:5555\n");
        fixture_write(f, "usr/lib/modprobe.d/more.conf.dpkg-old", "options vfio-pci ids=6666:6666\n");
        fixture_write(f, "etc/mdevctl.d/0000:43:00.0/83b8f4f2-509f-382f-3c1e-e6bfe0fa1001", "{}\n");
        fixture_write(f, "etc/mdevctl.d/scripts.d/notifiers/x", "");

        assert_ok(claims_read(&c, &f->root, NULL));
        assert_int_equal(c.complete.value, FACT_YES);
        assert_int_equal(c.n_claims, 8);
        assert_claim(&c, 0, CLAIM_DRIVERCTL, "/etc/driverctl.d/pci-0000:41:00.0", 0, "vfio-pci");
        assert_claim(&c, 1, CLAIM_DRIVERCTL, "/etc/driverctl.d/pci-0000:42:00.0", 0, NULL);
        assert_claim(&c, 2, CLAIM_CMDLINE, "/proc/cmdline", 0, "vfio-pci");
        assert_claim(&c, 3, CLAIM_CMDLINE, "/proc/cmdline", 0, "vfio-pci");
        assert_claim(&c, 4, CLAIM_MODPROBE, "/etc/modprobe.d/vfio.conf", 2, "vfio-pci");
        assert_claim(&c, 5, CLAIM_MODPROBE, "/etc/modprobe.d/vfio.conf", 7, "vfio-pci");
        assert_claim(&c, 6, CLAIM_MODPROBE, "/usr/lib/modprobe.d/more.conf", 1, "vfio-pci");
        assert_claim(&c, 7, CLAIM_MDEVCTL,
                     "/etc/mdevctl.d/0000:43:00.0/83b8f4f2-509f-382f-3c1e-e6bfe0fa1001", 0, NULL);
        assert_string_equal(c.claims[7].bdf, "0000:43:00.0");

        for (size_t i = 0; i < c.n_claims; i++) {
                assert_int_equal(claim_matches(&c.claims[i], &gpu), i == 0 || i == 2 || i == 5);
                assert_int_equal(claim_matches(&c.claims[i], &disk), i == 1 || i == 4);
        }
        claims_done(&c);
}

/* Proxmox gives a guest any device that a name stands for; one alone is a device of the guest. */
static void test_proxmox(void **state)
{
        struct fixture *f = *state;
        struct claims c;

        fixture_link(f, "etc/pve/local", "nodes/pve1");
        fixture_write(
                f, "etc/pve/mapping/pci.cfg",
                "one\n\tmap node=pve1,path=0000:43:00.0\n\tmap node=pve2,path=0000:42:00.0\n"
                "any\n\tmap node=pve1,path=0000:41:00.0;0000:41:00.1\n\tmap node=pve1,path=0000:44:00\n");
        assert_ok(claims_read(&c, &f->root, NULL));
        assert_int_equal(c.n_claims, 3);
        for (size_t i = 0; i < c.n_claims; i++)
                assert_claim(&c, i, CLAIM_PROXMOX, "/etc/pve/mapping/pci.cfg", 0, "vfio-pci");
        assert_true(claim_matches(&c.claims[0], &gpu));
        assert_string_equal(c.claims[1].bdf, "0000:41:00.1");
        assert_string_equal(c.claims[2].bdf, "0000:44:00.0");
        claims_done(&c);

        fixture_remove(f, "etc/pve/mapping/pci.cfg");
        fixture_link(f, "etc/pve/mapping/pci.cfg", "pci.cfg");
        assert_ok(claims_read(&c, &f->root, NULL));
        assert_int_equal(c.complete.value, FACT_UNKNOWN);
        claims_done(&c);
}

static void test_ids(void **state)
{
        static const struct {
                const char *ids;
                size_t n;
                bool gpu;
        } cases[] = {
                { "10de:2330", 1, true },
                { "10DE:2330", 1, true },
                { "10de", 0, false },
                { "10de:", 0, false },
                { ":2330", 0, false },
                { "", 0, false },
                { ",,10de:2330,", 1, true },
                { "10de:2330:10de", 1, true },
                { "10de:2330:8086", 1, false },
                { "10de:2330::16c1", 1, true },
                { "10de:2330:10de:16c2", 1, false },
                { "ffffffff:ffffffff:ffffffff:ffffffff:030000:ff0000", 1, true },
                { "ffffffff:ffffffff:ffffffff:ffffffff:020000:ff0000", 1, false },
                { "10de:2330:10de:16c1:0:0:junk", 1, true },
                { "10de:233g,144d:a80a", 1, false },
                { "123456789:1", 0, false },
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[128];
                struct claims c;

                snprintf(text, sizeof(text), "vfio_pci.ids=%s", cases[i].ids);
                fixture_write(f, "proc/cmdline", text);
                assert_ok(claims_read(&c, &f->root, NULL));
                if (c.n_claims != cases[i].n ||
                    (c.n_claims == 1 && claim_matches(&c.claims[0], &gpu) != cases[i].gpu))
                        fail_msg("%s: %zu", cases[i].ids, c.n_claims);
                claims_done(&c);
        }
}

static void test_networks(void **state)
{
        const struct device vf = { .bdf = "0000:41:02.0", .physical_function = "0000:41:00.0" },
                            other = { .bdf = "0000:42:02.0", .physical_function = "0000:42:00.0" },
                            pf = { .bdf = "0000:41:00.0" };
        bdf_t listed[] = { "0000:42:02.0", "0000:42:02.1" };
        struct libvirt_network networks[] = {
                { .name = (char *) "listed",
                  .file = (char *) "/defined/listed.xml",
                  .functions = listed,
                  2 },
                { .name = (char *) "pf", .file = (char *) "/defined/pf.xml", "0000:41:00.0" },
                { .name = (char *) "pf", .file = (char *) "/active/pf.xml", "0000:41:00.0" },
                { .name = (char *) "listed", .file = (char *) "/active/listed.xml", .functions = listed, 1 },
        };
        const struct libvirt_facts l = { .networks = networks, .n_networks = ELEMENTSOF(networks) };
        struct fixture *f = *state;
        struct claims c;

        assert_ok(claims_read(&c, &f->root, NULL));
        assert_ok(claims_add_networks(&c, &l));
        assert_int_equal(c.n_claims, 3); /* each once, by the first file */
        assert_claim(&c, 0, CLAIM_LIBVIRT, "/defined/listed.xml", 0, NULL);
        assert_claim(&c, 1, CLAIM_LIBVIRT, "/defined/listed.xml", 0, NULL);
        assert_claim(&c, 2, CLAIM_LIBVIRT, "/defined/pf.xml", 0, NULL);
        assert_string_equal(c.claims[2].network, "pf");
        for (size_t i = 0; i < c.n_claims; i++) {
                assert_int_equal(claim_matches(&c.claims[i], &vf), i == 2);
                assert_int_equal(claim_matches(&c.claims[i], &other), i == 0);
                assert_false(claim_matches(&c.claims[i], &pf));
        }
        claims_done(&c);
}

/* What has been read with libvirt's guests is not read again: that takes a process. */
static void test_read_before(void **state)
{
        struct proxmox_mapping two[] = { { (char *) "any", (char *) "0000:41:00.0" },
                                         { (char *) "any", (char *) "0000:44:00" } };
        struct libvirt_facts l = {};
        struct fixture *f = *state;
        struct claims c;

        fixture_link(f, "etc/pve/local", "nodes/pve1");
        fixture_write(f, "etc/pve/mapping/pci.cfg",
                      "any\n\tmap node=pve1,path=0000:42:00.0\n\tmap node=pve1,path=0000:43:00\n");
        assert_ok(claims_read(&c, &f->root, &l));
        assert_int_equal(c.n_claims, 0);
        assert_int_equal(c.complete.value, FACT_YES);
        claims_done(&c);

        l.mappings = (struct proxmox_mappings){ two, ELEMENTSOF(two) };
        assert_ok(claims_read(&c, &f->root, &l));
        assert_int_equal(c.n_claims, 2);
        assert_true(claim_matches(&c.claims[0], &gpu));
        claims_done(&c);

        l = (struct libvirt_facts){ .mappings_error = -EACCES };
        assert_ok(claims_read(&c, &f->root, &l));
        assert_int_equal(c.complete.value, FACT_UNKNOWN);
        claims_done(&c);
}

static void test_none(void **state)
{
        struct fixture *f = *state;
        struct claims c;

        assert_ok(claims_read(&c, &f->root, NULL));
        assert_int_equal(c.n_claims, 0);
        assert_int_equal(c.complete.value, FACT_YES);
        claims_done(&c);

        /* A link to itself stands for what cannot be read; root may read all. */
        fixture_link(f, "etc/modprobe.d/loop.conf", "loop.conf");
        assert_ok(claims_read(&c, &f->root, NULL));
        assert_int_equal(c.complete.value, FACT_UNKNOWN);
        claims_done(&c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_all, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_read_before, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_proxmox, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_ids, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_networks, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_none, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
