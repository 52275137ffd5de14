/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a bind knows of libvirt's guests, through the real program that reads them (VFIOALIGN_GUESTS). */
#include "bind/bind-host.h"

#include <string.h>

#include "bind/transaction.h"
#include "fixture.h"
#include "test.h"

#define GUESTS "etc/libvirt/qemu/"
#define GPU "0000:41:00.0"
#define HOSTDEV \
        "<hostdev mode='subsystem' type='pci' managed='yes'><source>" \
        "<address domain='0' bus='0x41' slot='0' function='0'/></source></hostdev>"
#define DOMAIN(name, devices) "<domain><name>" name "</name><devices>" devices "</devices></domain>"

static struct host look(struct fixture *f)
{
        static const bdf_t wanted[] = { GPU };
        struct host h;

        assert_ok(bind_host_read(&h, &f->root, wanted, 1));
        return h;
}

static bool has_finding(const struct findings *f, enum finding_id id, const char *detail)
{
        for (size_t i = 0; i < f->n_findings; i++)
                if (f->findings[i].id == id && (!detail || strcmp(f->findings[i].detail, detail) == 0))
                        return true;
        return false;
}

static void test_guests(void **state)
{
        struct fixture *f = *state;
        struct host h;

        fixture_write(f, GUESTS "gpu.xml", DOMAIN("gpu", HOSTDEV));
        fixture_write(f, GUESTS "plain.xml", DOMAIN("plain", ""));
        h = look(f);
        assert_int_equal(h.libvirt.readable.value, FACT_YES);
        assert_int_equal(h.libvirt.n_guests, 2);
        assert_string_equal(h.libvirt.guests[0].xml.hostdevs[0].bdf, GPU);
        assert_true(h.libvirt.guests[0].xml.hostdevs[0].managed);
        assert_int_equal(h.libvirt.n_damaged, 0);
        bind_host_done(&h);
}

/* Proxmox binds for its guests as well, and keeps what it has bound. */
static void test_proxmox(void **state)
{
        struct fixture *f = *state;
        struct findings findings = {};
        struct bind_order order = { .operation = BIND_BIND };
        struct iommu_group group = { .number = 1, .n_members = 1 };
        struct device device = { .bdf = GPU };
        const struct device *members[] = { &device };
        struct host h;

        fixture_write(f, "etc/pve/qemu-server/101.conf", "hostpci0: 41:00.0\n");
        h = look(f);
        assert_int_equal(h.libvirt.readable.value, FACT_YES);
        assert_int_equal(h.libvirt.n_guests, 1);
        assert_string_equal(h.libvirt.guests[0].xml.hostdevs[0].bdf, GPU);
        assert_int_equal(h.libvirt.guests[0].xml.manager, GUEST_OF_PROXMOX);

        group.members = members;
        assert_ok(bind_check(&h, &group, &order, &findings));
        assert_true(has_finding(&findings, FINDING_BIND_CLAIMED,
                                "Proxmox binds it for the guest 101 (hostpci)"));
        findings_done(&findings);
        order.operation = BIND_UNBIND;
        assert_ok(bind_check(&h, &group, &order, &findings));
        assert_false(has_finding(&findings, FINDING_BIND_CLAIMED, NULL));
        findings_done(&findings);
        bind_host_done(&h);

        fixture_write(f, "run/qemu-server/101.pid", "77\n");
        fixture_write(f, "proc/77/comm", "kvm\n");
        h = look(f);
        assert_ok(bind_check(&h, &group, &order, &findings));
        assert_true(has_finding(&findings, FINDING_BIND_IN_USE, "the guest 101 runs with it"));
        findings_done(&findings);
        bind_host_done(&h);

        /* It runs without it, and is to have it when it starts the next time. */
        fixture_write(f, "etc/pve/qemu-server/101.conf",
                      "hostpci0: 42:00.0\n[PENDING]\nhostpci1: 41:00.0\n");
        order.operation = BIND_BIND;
        h = look(f);
        assert_ok(bind_check(&h, &group, &order, &findings));
        assert_false(has_finding(&findings, FINDING_BIND_IN_USE, NULL));
        assert_true(has_finding(&findings, FINDING_BIND_CLAIMED,
                                "Proxmox binds it for the guest 101 (hostpci)"));
        findings_done(&findings);
        bind_host_done(&h);
}

/* The same of one of libvirt that has been edited while it runs. */
static void test_edited(void **state)
{
        struct fixture *f = *state;
        struct findings findings = {};
        const struct bind_order order = { .operation = BIND_BIND };
        struct device device = { .bdf = GPU };
        const struct device *members[] = { &device };
        const struct iommu_group group = { .number = 1, .n_members = 1, .members = members };
        struct host h;

        fixture_write(f, "proc/77/comm", "qemu\n");
        fixture_write(f, "run/libvirt/qemu/gpu.xml",
                      "<domstatus pid='77'>" DOMAIN("gpu", "") "</domstatus>");
        fixture_write(f, GUESTS "gpu.xml", DOMAIN("gpu", HOSTDEV));
        h = look(f);
        assert_ok(bind_check(&h, &group, &order, &findings));
        assert_false(has_finding(&findings, FINDING_BIND_IN_USE, NULL));
        assert_true(has_finding(&findings, FINDING_BIND_CLAIMED,
                                "libvirt binds it for the guest gpu (managed='yes')"));
        findings_done(&findings);
        bind_host_done(&h);
}

/* On kernels that may taint themselves by a bind, it is not made where panic_on_taint= could cover that. */
static void test_taint(void **state)
{
        static const struct {
                const char *release, *cmdline;
                bool refused;
        } cases[] = {
                { "7.4.0-amd64", "quiet panic_on_taint=0xffffffff\n", true },
                { "7.10.2", "panic_on_taint=100000\n", true },
                { "8.0-rc1", "panic_on_taint=100000\n", true },
                { NULL, "panic_on_taint=100000\n", true },
                { "7.4.0-amd64", "quiet panic_on_taint=0xfffff\n", false },
                { "7.4.0-amd64", "quiet\n", false },
                { "7.3.4+deb13-amd64", "panic_on_taint=0xffffffff\n", false },
                { "7.3-rc7", "panic_on_taint=0xffffffff\n", false },
                { "6.12.118+deb13-amd64", "panic_on_taint=0xffffffff\n", false },
                { "5.14.0-503.el9", "panic_on_taint=0xffffffff\n", false },
        };
        struct fixture *f = *state;
        struct bind_order order = { .operation = BIND_BIND };
        struct device device = { .bdf = GPU };
        const struct device *members[] = { &device };
        struct iommu_group group = { .number = 1, .n_members = 1, .members = members };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct findings findings = {};
                struct host h;

                fixture_write(f, "proc/cmdline", cases[i].cmdline);
                if (cases[i].release)
                        fixture_write(f, "proc/sys/kernel/osrelease", cases[i].release);
                else
                        fixture_remove(f, "proc/sys/kernel/osrelease");
                h = look(f);
                assert_ok(bind_check(&h, &group, &order, &findings));
                if (has_finding(&findings, FINDING_BIND_TAINT, NULL) != cases[i].refused)
                        fail_msg("Linux %s, %s", cases[i].release ?: "?", cases[i].cmdline);
                findings_done(&findings);
                bind_host_done(&h);
        }
        assert_false(bind_is_forceable(FINDING_BIND_TAINT) || bind_is_note(FINDING_BIND_TAINT));
}

/* A file that no parser reads is named, and hides only what its own guest would have. */
static void test_damaged(void **state)
{
        static const char *const texts[] = { "", "<domain><name>half</name><hostdev", "\xff\xfe not XML" };
        struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                for (int k = 0; k < 2; k++) {
                        struct host h;

                        /* Also where nothing else asks for the program that reads them */
                        fixture_write(f, GUESTS "gpu.xml", k ? DOMAIN("gpu", HOSTDEV) : DOMAIN("gpu", ""));
                        fixture_write(f, GUESTS "half.xml", texts[i]);
                        h = look(f);
                        assert_int_equal(h.libvirt.readable.value, FACT_YES);
                        assert_int_equal(h.libvirt.n_guests, 1);
                        assert_int_equal(h.libvirt.n_damaged, 1);
                        assert_string_equal(h.libvirt.damaged[0], "/" GUESTS "half.xml");
                        bind_host_done(&h);
                }
}

/* What libvirt may well read, and we do not, can claim any device. */
static void test_unread(void **state)
{
        struct fixture *f = *state;
        struct host h;

        fixture_write(f, GUESTS "gpu.xml", DOMAIN("gpu", HOSTDEV));
        fixture_write(f, GUESTS "odd.xml", "<!DOCTYPE domain><domain><name>odd</name>" HOSTDEV "</domain>");
        h = look(f);
        assert_int_equal(h.libvirt.readable.value, FACT_UNKNOWN);
        assert_non_null(strstr(h.libvirt.readable.why, "/" GUESTS "odd.xml"));
        assert_int_equal(h.libvirt.n_damaged, 0);
        bind_host_done(&h);
        fixture_remove(f, GUESTS "odd.xml");
        fixture_link(f, GUESTS "denied.xml", "denied.xml"); /* how a record says that it was not readable */
        h = look(f);
        assert_int_equal(h.libvirt.readable.value, FACT_UNKNOWN);
        assert_non_null(strstr(h.libvirt.readable.why, "/" GUESTS "denied.xml"));
        bind_host_done(&h);
}

static const struct finding *find(const struct findings *f, enum finding_id id)
{
        for (size_t i = 0; i < f->n_findings; i++)
                if (f->findings[i].id == id)
                        return &f->findings[i];
        return NULL;
}

static void test_check(void **state)
{
        struct fixture *f = *state;
        struct device d = { .bdf = GPU, .group = 7, .class = 0x030000 };
        const struct device *members[] = { &d };
        const struct iommu_group g = { .number = 7, .members = members, .n_members = 1 };
        struct bind_order order = { .operation = BIND_BIND };
        struct findings findings = {};
        struct host h;

        fixture_write(f, GUESTS "half.xml", "<domain>");
        h = look(f);
        assert_ok(bind_check(&h, &g, &order, &findings));
        assert_string_equal(find(&findings, FINDING_GUEST_DAMAGED)->detail, "/" GUESTS "half.xml");
        assert_true(bind_is_note(FINDING_GUEST_DAMAGED));
        assert_false(bind_is_note(FINDING_BIND_CLAIMED) || bind_is_note(FINDING_BIND_UNSEEN));
        findings_done(&findings);

        /* Nothing is taken from a guest that is given back. */
        order.operation = BIND_UNBIND;
        findings = (struct findings){};
        assert_ok(bind_check(&h, &g, &order, &findings));
        assert_null(find(&findings, FINDING_GUEST_DAMAGED));
        findings_done(&findings);
        bind_host_done(&h);

        /* A claim that could not be read is one that --force would override. */
        fixture_remove(f, GUESTS "half.xml");
        fixture_link(f, "etc/modprobe.d/loop.conf", "loop.conf");
        order.operation = BIND_BIND;
        findings = (struct findings){};
        h = look(f);
        assert_ok(bind_check(&h, &g, &order, &findings));
        assert_string_equal(find(&findings, FINDING_FACTS_UNSEEN)->detail,
                            "some configuration of other tools cannot be read");
        findings_done(&findings);
        bind_host_done(&h);
}

#define NETWORKS GUESTS "networks/"
#define POOL(managed, functions) \
        "<network><name>x</name><forward mode='hostdev' managed='" managed "'>" functions \
        "</forward></network>"
#define LISTED "<address type='pci' domain='0' bus='0x41' slot='0' function='0'/>"

/* What a network that is a pool has is libvirt's to bind, as what a guest has is. */
static void test_networks(void **state)
{
        static const struct {
                const char *text;
                bool claimed, damaged, unread;
        } cases[] = {
                { POOL("yes", LISTED), .claimed = true },
                { POOL("yes", "<pf dev='eth3'/>"), .claimed = true },
                { POOL("yes", "<pf dev='eth4'/>") },
                { POOL("no", LISTED) },
                { "<network><name>x</name><forward mode='bridge'>" LISTED "</forward></network>" },
                { "<network><name>x</name><forward mode='hostdev'", .damaged = true },
                { "", .damaged = true },
                { "<!DOCTYPE network>" POOL("yes", LISTED), .unread = true },
        };
        struct fixture *f = *state;
        struct device d = { .bdf = GPU, .physical_function = "0000:40:00.0", .group = 7, .class = 0x020000 };
        const struct device *members[] = { &d };
        const struct iommu_group g = { .number = 7, .members = members, .n_members = 1 };

        fixture_link(f, "sys/class/net/eth3", "../../devices/pci0000:00/0000:40:00.0/net/eth3");
        fixture_link(f, "sys/class/net/eth4", "../../devices/pci0000:00/0000:40:00.1/net/eth4");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct bind_order order = { .operation = BIND_BIND, .driver = (char *) "vfio-pci" };
                struct findings findings = {};
                struct host h;

                fixture_write(f, NETWORKS "x.xml", cases[i].text);
                h = look(f);
                assert_int_equal(h.libvirt.readable.value, FACT_YES);
                assert_ok(bind_check(&h, &g, &order, &findings));
                if (has_finding(&findings, FINDING_BIND_CLAIMED,
                                "libvirt binds it for guests of the network x (/" NETWORKS
                                "x.xml)") != cases[i].claimed ||
                    has_finding(&findings, FINDING_BIND_CLAIMED, NULL) != cases[i].claimed ||
                    has_finding(&findings, FINDING_GUEST_DAMAGED, "/" NETWORKS "x.xml") !=
                            cases[i].damaged ||
                    has_finding(&findings, FINDING_FACTS_UNSEEN,
                                "/" NETWORKS
                                "x.xml is not a network that vfioalign understands") != cases[i].unread)
                        fail_msg("%s", cases[i].text);
                findings_done(&findings);
                order.operation = BIND_UNBIND;
                assert_ok(bind_check(&h, &g, &order, &findings));
                assert_false(has_finding(&findings, FINDING_BIND_CLAIMED, NULL));
                findings_done(&findings);
                bind_host_done(&h);
        }
}

int main(void)
{
#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(test_guests),  FIXTURE_TEST(test_proxmox),  FIXTURE_TEST(test_edited),
                FIXTURE_TEST(test_damaged), FIXTURE_TEST(test_unread),   FIXTURE_TEST(test_check),
                FIXTURE_TEST(test_taint),   FIXTURE_TEST(test_networks),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
