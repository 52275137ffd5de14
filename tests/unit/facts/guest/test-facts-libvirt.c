/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/guest/facts-libvirt.h"

#include <errno.h>
#include <string.h>

#include "audit/guest-cost.h"
#include "facts/guest/libvirt-daemon.h"
#include "facts/guest/libvirt-paths.h"
#include "fixture.h"
#include "test.h"
#include "util/macro.h"

#define HOOK "stat " LIBVIRT_HOOK "\t"
#define SITE_HOOK "stat " LIBVIRT_SITE_HOOK "\t"
#define T(seconds) #seconds "000000\n"

/* A daemon that started 50 seconds after the boot at 1000. */
static void write_daemon(struct fixture *f)
{
        fixture_write(f, "proc/stat", "cpu  1 2 3\nbtime 1000\nprocesses 7\n");
        fixture_write(f, "proc/1/comm", "systemd\n");
        fixture_write(f, "proc/700/comm", "virtqemud\n");
        fixture_write(f, "proc/700/stat",
                      "700 (a) b) c) S 1 700 700 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 19 0 5000 99 88\n");
        fixture_write(f, "proc/700/status", "Name:\tvirtqemud\nTHP_enabled:\t0\n");
}

/* Answers are read once: each look is at a host of its own. */
static struct libvirt_facts look(struct fixture *f, const char *answers)
{
        struct libvirt_facts l;
        struct root root;

        fixture_write(f, ANSWERS_FILE, answers);
        assert_ok(root_open(&root, f->dir));
        assert_ok(libvirt_facts_read(&l, &root));
        root_close(&root);
        return l;
}

static void assert_hook(struct fixture *f, const char *answers, enum fact_value installed,
                        enum fact_value seen)
{
        struct libvirt_facts l = look(f, answers);

        if (l.hook_installed.value != installed || l.hook_seen.value != seen)
                fail_msg("\"%s\": installed %s, seen %s (%s)", answers,
                         fact_value_to_string(l.hook_installed.value),
                         fact_value_to_string(l.hook_seen.value), l.hook_seen.why);
        if (seen != FACT_YES)
                assert_non_null(l.hook_seen.why);
        libvirt_facts_done(&l);
}

static void test_hook(void **state)
{
        struct fixture *f = *state;

        fixture_write(f, "proc/1/comm", "systemd\n");
        assert_hook(f, "", FACT_NO, FACT_NO);
        /* no daemon */
        assert_hook(f, HOOK "100755 0 " T(900), FACT_YES, FACT_YES);
        assert_hook(f, HOOK "100644 0 " T(900), FACT_NO, FACT_NO);
        assert_hook(f, HOOK "40755 0 " T(900), FACT_NO, FACT_NO);
        assert_hook(f, HOOK "100755 1000 " T(900), FACT_UNKNOWN, FACT_YES);
        assert_hook(f, HOOK "100775 0 " T(900), FACT_UNKNOWN, FACT_YES);

        write_daemon(f);
        assert_hook(f, HOOK "100755 0 " T(1049), FACT_YES, FACT_YES);
        assert_hook(f, HOOK "100755 0 " T(1051), FACT_YES, FACT_UNKNOWN);
        assert_hook(f, HOOK "100644 0 " T(1049), FACT_NO, FACT_NO);
        /* another hook was there */
        assert_hook(f, HOOK "100755 0 " T(1051) SITE_HOOK "100700 1000 " T(1049), FACT_YES, FACT_YES);
        assert_hook(f, HOOK "100755 0 " T(1051) SITE_HOOK "100700 0 " T(1051), FACT_YES, FACT_UNKNOWN);
        assert_hook(f, HOOK "100755 0 " T(1051) SITE_HOOK "100644 0 " T(1049), FACT_YES, FACT_UNKNOWN);
        fixture_write(f, "etc/libvirt/hooks/qemu.d/10-site", "");
        fixture_write(f, LIBVIRT_HOOK, "");
        assert_hook(f, HOOK "100755 0 " T(1051) "stat etc/libvirt/hooks/qemu.d/10-site\t100755 0 " T(1049),
                    FACT_YES, FACT_YES);
        /* there, and no more is known of it */
        assert_hook(f, "", FACT_UNKNOWN, FACT_UNKNOWN);
        /* when it started cannot be told */
        fixture_write(f, "proc/700/stat", "700 (virtqemud) S 1\n");
        assert_hook(f, HOOK "100755 0 " T(1049), FACT_YES, FACT_UNKNOWN);
}

static void test_daemon(void **state)
{
        struct fixture *f = *state;
        struct libvirt_facts l = look(f, "");

        assert_int_equal(l.running.value, FACT_UNKNOWN);
        assert_int_equal(l.installed.value, FACT_NO);
        assert_int_equal(l.thp.value, FACT_UNKNOWN);

        fixture_write(f, "proc/1/comm", "systemd\n");
        l = look(f, "");
        assert_int_equal(l.running.value, FACT_NO);
        fixture_write(f, "usr/sbin/libvirtd", "");
        l = look(f, SITE_HOOK "100700 1000 " T(1049));
        assert_int_equal(l.installed.value, FACT_YES);
        assert_int_equal(l.site_hook.value, FACT_YES);

        write_daemon(f);
        l = look(f, "");
        assert_int_equal(l.running.value, FACT_YES);
        assert_int_equal(l.pid, 700);
        assert_int_equal(l.start_usec, 1050 * USEC_PER_SEC);
        assert_string_equal(l.unit, "virtqemud.service");
        assert_int_equal(l.thp.value, FACT_NO);
        assert_int_equal(l.site_hook.value, FACT_NO);

        /* by its file; one that names another process is stale */
        fixture_write(f, "proc/800/comm", "libvirtd\n");
        fixture_write(f, "run/libvirtd.pid", "800\n");
        fixture_write(f, "run/virtqemud.pid", "1\n");
        l = look(f, "");
        assert_int_equal(l.pid, 800);
        assert_string_equal(l.unit, "libvirtd.service");
        assert_int_equal(l.start_usec, 0);

        /* also where that process is the other daemon */
        fixture_remove(f, "run/libvirtd.pid");
        fixture_write(f, "run/virtqemud.pid", "800\n");
        assert_null(libvirt_daemon_by_pid_file(&f->root, NULL));
}

/* Our library under all that the daemon starts */
static void test_preload(void **state)
{
        static const char with[] = "A=1\0LD_PRELOAD=/a.so:/usr/lib/x/libvfioalign-preload.so\0B=2",
                          without[] = "A=libvfioalign-preload.so\0LD_PRELOAD=/a.so";
        static struct emulator unaware = { .path = (char *) "/opt/qemu", .generation = GENERATION_NONE };
        struct guest g = { .emulator = (char *) "/opt/qemu" };
        struct host h = { .emulators = { .emulators = &unaware, .n_emulators = 1 } };
        struct fixture *f = *state;

        fixture_write(f, "proc/1/comm", "systemd\n");
        h.libvirt = look(f, "");
        assert_int_equal(h.libvirt.preload.value, FACT_NO);
        fixture_write(f, "etc/systemd/system/libvirtd.service.d/" LIBVIRT_PRELOAD_DROP_IN, "");
        h.libvirt = look(f, ""); /* none runs: what it will have */
        assert_int_equal(h.libvirt.preload.value, FACT_YES);

        write_daemon(f);
        h.libvirt = look(f, "");
        assert_int_equal(h.libvirt.preload.value, FACT_UNKNOWN);
        assert_false(guest_placer(&h, &g).preload);
        fixture_write_bytes(f, "proc/700/environ", without, sizeof(without));
        h.libvirt = look(f, "");
        assert_int_equal(h.libvirt.preload.value, FACT_NO); /* until it is restarted */
        assert_false(guest_placer(&h, &g).preload);

        fixture_write_bytes(f, "proc/700/environ", with, sizeof(with));
        libvirt_facts_refresh(&h.libvirt, &f->root);
        assert_int_equal(h.libvirt.preload.value, FACT_YES);
        assert_int_equal(h.libvirt.pid, 700);
        assert_true(guest_placer(&h, &g).preload);
        assert_int_equal(guest_placer(&h, &g).advises, FACT_YES);
        unaware.program = PROGRAM_QEMU;
        unaware.unpreloadable = true; /* it starts without */
        assert_false(guest_placer(&h, &g).preload);
        unaware.unpreloadable = false;
        assert_true(guest_placer(&h, &g).preload);
        g.preload = (char *) ""; /* the domain's own counts */
        assert_false(guest_placer(&h, &g).preload);

        h.libvirt = look(f, "libvirt-daemon-preload\tno\n");
        assert_int_equal(h.libvirt.preload.value, FACT_NO);
}

#define DOMAIN(name, uuid, devices) \
        "<domain type='kvm'><name>" name "</name><uuid>" uuid "</uuid><devices>" devices \
        "</devices></domain>"
#define HOSTDEV(bus) \
        "<hostdev type='pci'><source><address domain='0' bus='" bus \
        "' slot='0' function='0'/></source></hostdev>"
#define STATUS(attributes, domain) "<domstatus state='running' " attributes ">" domain "</domstatus>"

static void test_guests(void **state)
{
        struct fixture *f = *state;
        struct libvirt_facts l;

        write_daemon(f);
        fixture_write(f, "etc/libvirt/qemu/gpu.xml",
                      "<!-- by libvirt -->\n" DOMAIN("gpu", "a-1", HOSTDEV("0x41")));
        fixture_write(f, "etc/libvirt/qemu/plain.xml", DOMAIN("plain", "a-2", ""));
        fixture_write(f, "etc/libvirt/qemu/notes.txt", "no XML");
        fixture_link(f, "etc/libvirt/qemu/autostart/plain.xml", "/etc/libvirt/qemu/plain.xml");
        fixture_write(f, "etc/libvirt/qemu/networks/pool.xml",
                      "<network><name>pool</name><forward mode='hostdev' managed='yes'><pf dev='eth3'/>"
                      "</forward></network>");
        fixture_write(f, "etc/libvirt/qemu/vf.xml",
                      DOMAIN("vf", "a-3", "<interface type='network'><source network='pool'/></interface>"));
        /* one that runs with what was plugged in, one that is not defined, one that ended unseen */
        fixture_write(f, "run/libvirt/qemu/gpu.xml",
                      STATUS("pid='4242'", DOMAIN("gpu", "a-1", HOSTDEV("0x41") HOSTDEV("0x42"))));
        fixture_write(f, "run/libvirt/qemu/transient.xml", STATUS("", DOMAIN("transient", "a-4", "")));
        fixture_write(f, "run/libvirt/qemu/transient.pid", "4243\n");
        fixture_write(f, "run/libvirt/qemu/plain.xml", STATUS("pid='4244'", DOMAIN("plain", "a-2", "")));
        fixture_write(f, "proc/4242/comm", "qemu-system-x86\n");
        fixture_write(f, "proc/4243/comm", "qemu-system-x86\n");

        l = look(f, "");
        assert_int_equal(l.readable.value, FACT_YES);
        assert_int_equal(l.n_guests, 4);
        assert_string_equal(l.guests[0].xml.name, "gpu");
        assert_true(l.guests[0].defined && l.guests[0].running && !l.guests[0].autostart);
        assert_int_equal(l.guests[0].pid, 4242);
        assert_int_equal(l.guests[0].xml.n_hostdevs, 2);
        assert_string_equal(l.guests[1].xml.name, "plain");
        assert_true(l.guests[1].defined && !l.guests[1].running && l.guests[1].autostart);
        assert_string_equal(l.guests[2].xml.name, "transient");
        assert_true(!l.guests[2].defined && l.guests[2].running);
        assert_int_equal(l.guests[2].pid, 4243);
        assert_string_equal(l.guests[3].xml.name, "vf");
        assert_int_equal(l.guests[3].xml.n_hostdevs, 1);
        assert_int_equal(l.guests[3].xml.hostdevs[0].kind, HOSTDEV_NETWORK);
        assert_ptr_equal(libvirt_facts_find_pid(&l, 4243), &l.guests[2]);
        assert_null(libvirt_facts_find_pid(&l, 0));
        assert_null(libvirt_facts_find_pid(&l, 4244));
        libvirt_facts_done(&l);

        /* what libvirt passes over as well is named, and hides nothing else */
        fixture_write(f, "etc/libvirt/qemu/half.xml", "<domain><name>half");
        fixture_write(f, "run/libvirt/qemu/empty.xml", "");
        l = look(f, "");
        assert_int_equal(l.readable.value, FACT_YES);
        assert_int_equal(l.n_guests, 4);
        assert_int_equal(l.n_damaged, 2);
        assert_string_equal(l.damaged[0], "/run/libvirt/qemu/empty.xml");
        assert_string_equal(l.damaged[1], "/etc/libvirt/qemu/half.xml");
        libvirt_facts_done(&l);

        /* what libvirt may read is unknown */
        fixture_write(f, "etc/libvirt/qemu/odd.xml", "<!DOCTYPE domain>" DOMAIN("odd", "a-5", ""));
        l = look(f, "");
        assert_int_equal(l.readable.value, FACT_UNKNOWN);
        assert_string_equal(l.readable.why,
                            "/etc/libvirt/qemu/odd.xml is not a domain that vfioalign understands");
        assert_int_equal(l.n_damaged, 2);
        libvirt_facts_done(&l);
}

static void assert_network(const struct libvirt_facts *l, size_t i, const char *name, const char *file,
                           const char *physical_function, size_t n_functions)
{
        assert_true(i < l->n_networks);
        assert_string_equal(l->networks[i].name, name);
        assert_string_equal(l->networks[i].file, file);
        assert_string_equal(l->networks[i].physical_function, physical_function);
        assert_int_equal(l->networks[i].n_functions, n_functions);
}

#define NETWORKS "etc/libvirt/qemu/networks/"
#define NETWORK(name, forward) "<network><name>" name "</name>" forward "</network>"
#define VF(function) "<address type='pci' domain='0x0000' bus='0x41' slot='0x02' function='" function "'/>"

static void test_networks(void **state)
{
        struct fixture *f = *state;
        struct libvirt_facts l;

        /* not libvirt's to bind, or not pools at all */
        fixture_write(f, NETWORKS "default.xml", NETWORK("default", "<forward mode='nat'/>"));
        fixture_write(f, NETWORKS "isolated.xml", NETWORK("isolated", ""));
        fixture_write(f, NETWORKS "bridge.xml",
                      NETWORK("bridge", "<forward mode='bridge' managed='yes'>" VF("0x0") "</forward>"));
        fixture_write(f, NETWORKS "manual.xml",
                      NETWORK("manual", "<forward mode='hostdev'>" VF("0x0") "</forward>"));
        fixture_write(f, NETWORKS "no.xml",
                      NETWORK("no", "<forward mode='hostdev' managed='no'>" VF("0x0") "</forward>"));
        fixture_write(f, NETWORKS "xen.xml",
                      NETWORK("xen", "<forward mode='hostdev' managed='yes'><driver name='xen'/>" VF(
                                             "0x0") "</forward>"));
        fixture_write(f, NETWORKS "gone.xml",
                      NETWORK("gone", "<forward mode='hostdev' managed='yes'><pf dev='eth9'/></forward>"));
        fixture_write(
                f, NETWORKS "path.xml",
                NETWORK("path", "<forward mode='hostdev' managed='yes'><pf dev='../net/eth3'/></forward>"));
        fixture_link(f, "sys/class/net/eth3", "../../devices/pci0000:00/0000:41:00.0/net/eth3");
        l = look(f, "");
        assert_int_equal(l.n_networks, 0);
        assert_int_equal(l.n_damaged, 0);
        assert_null(l.networks_unread);
        libvirt_facts_done(&l);

        fixture_write(f, NETWORKS "listed.xml",
                      NETWORK("listed", "<forward mode='hostdev' managed='yes'><driver name='vfio'/>" VF(
                                                "0x0") VF("0x3") "</forward>"));
        fixture_write(f, NETWORKS "pf.xml",
                      NETWORK("pf", "<forward mode='hostdev' managed='yes'><pf dev='eth3'/></forward>"));
        /* active: with what libvirt has found, and one that is not defined */
        fixture_write(
                f, "run/libvirt/network/pf.xml",
                "<networkstatus>" NETWORK("pf", "<forward mode='hostdev' managed='yes'><pf dev='eth3'/>" VF(
                                                        "0x0") "</forward>") "</networkstatus>");
        fixture_write(f, "run/libvirt/network/transient.xml",
                      "<networkstatus>" NETWORK(
                              "transient", "<forward mode='hostdev' managed='yes'>"
                                           "<pf dev='eth9'/>" VF("0x1") "</forward>") "</networkstatus>");
        l = look(f, "");
        assert_int_equal(l.n_networks, 4);
        assert_network(&l, 0, "listed", "/" NETWORKS "listed.xml", "", 2);
        assert_string_equal(l.networks[0].functions[0], "0000:41:02.0");
        assert_string_equal(l.networks[0].functions[1], "0000:41:02.3");
        assert_network(&l, 1, "pf", "/" NETWORKS "pf.xml", "0000:41:00.0", 0);
        assert_network(&l, 2, "pf", "/run/libvirt/network/pf.xml", "0000:41:00.0", 0);
        assert_network(&l, 3, "transient", "/run/libvirt/network/transient.xml", "", 1);
        libvirt_facts_done(&l);

        /* damage is named, and hides nothing else; nor does what is refused say anything of the guests */
        fixture_write(f, NETWORKS "half.xml", "<network><name>half</name><forward mode='hostdev'");
        fixture_write(f, "run/libvirt/network/empty.xml", "");
        fixture_write(f, NETWORKS "odd.xml", "<!DOCTYPE network>" NETWORK("odd", ""));
        l = look(f, "");
        assert_int_equal(l.n_networks, 4);
        assert_int_equal(l.n_damaged, 2);
        assert_string_equal(l.damaged[0], "/" NETWORKS "half.xml");
        assert_string_equal(l.damaged[1], "/run/libvirt/network/empty.xml");
        assert_int_equal(l.readable.value, FACT_YES);
        assert_string_equal(l.networks_unread,
                            "/" NETWORKS "odd.xml is not a network that vfioalign understands");
        libvirt_facts_done(&l);
}

static void test_missing(void **state)
{
        struct libvirt_facts l = look(*state, "");

        assert_int_equal(l.n_guests, 0);
        assert_int_equal(l.readable.value, FACT_YES);
        libvirt_facts_done(&l);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_hook, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_daemon, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_preload, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_guests, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_networks, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_missing, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
