/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/guest/proxmox.h"

#include <string.h>

#include "facts/claims.h"
#include "facts/guest/facts-libvirt.h"
#include "fixture.h"
#include "test.h"
#include "util/clock.h"
#include "util/macro.h"

#define CONF(id) PROXMOX_DEFINED_DIR "/" id ".conf"
#define DEVICE(bdf) "sys/bus/pci/devices/" bdf "/vendor"

/* The devices of the guest as text: "0000:41:00.0 0000:41:00.1", or what stands for one that is not known.
 */
static const char *devices(const struct guest *g)
{
        static char text[512];

        *text = '\0';
        for (size_t i = 0; i < g->n_hostdevs; i++) {
                const struct hostdev *h = &g->hostdevs[i];
                size_t n = strlen(text);

                snprintf(text + n, sizeof(text) - n, "%s%s%s%s%s", i ? " " : "",
                         *h->bdf ? h->bdf : h->uuid ?: h->network ?: "?", h->managed ? "" : "!",
                         h->no_mmap ? "-" : "", h->kind == HOSTDEV_ARGUMENT ? "=" : "");
        }
        return text;
}

static const char mappings[] = "one\n"
                               "\tdescription map path=0000:47:00.0\n"
                               "\tmap id=10de:2330,node=pve1,path=0000:41:00.0;0000:41:00.1\n"
                               "\tmap id=10de:2330,node=pve2,path=0000:42:00.0\n"
                               "\n"
                               "pci: any\n"
                               "\tmap node=pve1,path=0000:43:00.0\n"
                               "\tmap node=pve1,path=0000:44:00\n"
                               "elsewhere\n"
                               "\tmap node=pve2,path=0000:45:00.0\n";

static void test_devices(void **state)
{
        static const struct {
                const char *conf, *devices;
        } cases[] = {
                { "hostpci0: 0000:41:00.0,pcie=1", "0000:41:00.0" },
                { "hostpci0: host=0000:41:00.0", "0000:41:00.0" },
                { "hostpci0: pcie=1,host=41:00.0", "0000:41:00.0" },
                { "hostpci1:41:00.1\nhostpci0: 42:00.0", "0000:42:00.0 0000:41:00.1" },
                { "hostpci0: 10000:e1:00.0", "10000:e1:00.0" },
                /* without a function: all that are there */
                { "hostpci0: 0000:41:00", "0000:41:00.0 0000:41:00.1 0000:41:00.7" },
                { "hostpci0: 01:00,x-vga=1", "0000:01:00.0" },
                { "hostpci0: 41:00.0;41:00.1;42:00", "0000:41:00.0 0000:41:00.1 0000:42:00.0" },
                /* mapped */
                { "hostpci0: mapping=one,pcie=1", "0000:41:00.0 0000:41:00.1" },
                { "hostpci0: mapping=any", "any" },
                { "hostpci0: mapping=elsewhere", "elsewhere" },
                { "hostpci0: mapping=none", "none" },
                /* a share of one; a virtual function that keeps its driver */
                { "hostpci3: 42:00.0,mdev=nvidia-63", "00000003-0000-0000-0000-000000000101" },
                { "hostpci0: 46:00.4,mdev=nvidia-900", "0000:46:00.4!" },
                /* by hand */
                { "args: -device vfio-pci,host=41:00.0", "0000:41:00.0!=" },
                { "args: -device 'vfio-pci,host=41:00.0' -global \"vfio-pci.x-no-mmap=on\"\n"
                  "hostpci0: 42:00.0",
                  "0000:42:00.0- 0000:41:00.0!-=" },
                { "hostpci0: 41:00.0\nhostpci1: 42:00.0\nargs: -set device.hostpci1.x-no-mmap=on",
                  "0000:41:00.0 0000:42:00.0-" },
                { "args: -device 'vfio-pci,host=41:00.0", "" },
                /* The last one of a key counts, and no section does (see below). */
                { "hostpci0: 41:00.0\nhostpci0: 42:00.0", "0000:42:00.0" },
                { "hostpci0: 41:00.0\n[PENDING]\nhostpci0: 42:00.0", "0000:41:00.0" },
                { "[snap]\nhostpci0: 42:00.0", "" },
                { "# hostpci0: 41:00.0\n hostpci0: 41:00.0\n", "" },
                /* what Proxmox leaves out */
                { "hostpci0: 41:00.9", "" },
                { "hostpci0: everything", "" },
                { "hostpci0: pcie=1", "" },
                { "hostpci16: 41:00.0\nhostpci: 41:00.0\nhostpcix: 41:00.0\nunhostpci0: 41:00.0", "" },
                { "hostpci0: 41:00.0;41:00.1;x", "" },
                { "hostpci0:", "" },
                { "", "" },
        };
        struct fixture *f = *state;
        struct proxmox_mappings m;

        fixture_write(f, DEVICE("0000:41:00.0"), "");
        fixture_write(f, DEVICE("0000:41:00.1"), "");
        fixture_write(f, DEVICE("0000:41:00.7"), "");
        fixture_write(f, DEVICE("0000:42:00.0"), "");
        fixture_write(f, "sys/bus/pci/devices/0000:46:00.4/nvidia/current_vgpu_type", "");
        assert_ok(proxmox_mappings_parse(&m, mappings, "pve1"));
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                bool autostart = false;
                struct guest g;

                assert_int_equal(
                        proxmox_guest_parse(&g, "101", cases[i].conf, &m, &f->root, false, &autostart), 1);
                assert_false(autostart);
                if (!streq(devices(&g), cases[i].devices))
                        fail_msg("%s: %s", cases[i].conf, devices(&g));
                guest_done(&g);
        }
        proxmox_mappings_done(&m);

        /* Without the node's name, the entries of all can be meant. */
        assert_ok(proxmox_mappings_parse(&m, mappings, NULL));
        assert_int_equal(m.n, 5);
        proxmox_mappings_done(&m);
}

/* What a guest has when it starts the next time. */
static void test_pending(void **state)
{
        static const struct {
                const char *conf, *now, *next;
        } cases[] = {
                { "hostpci0: 41:00.0\n\n[PENDING]\nhostpci0: 42:00.0\n", "0000:41:00.0", "0000:42:00.0" },
                { "hostpci0: 41:00.0\n[PENDING]\nhostpci1: 42:00.0", "0000:41:00.0",
                  "0000:41:00.0 0000:42:00.0" },
                { "hostpci0: 41:00.0\nhostpci1: 42:00.0\n[PENDING]\ndelete: net0,hostpci0",
                  "0000:41:00.0 0000:42:00.0", "0000:42:00.0" },
                { "hostpci0: 41:00.0\nargs: -device vfio-pci,host=42:00.0\n[pending] \n"
                  "delete: !hostpci0 ;args",
                  "0000:41:00.0 0000:42:00.0!=", "" },
                /* Only that section counts, wherever it is; outside of it, "delete" is nothing. */
                { "hostpci0: 41:00.0\ndelete: hostpci0\n[snap]\nhostpci1: 43:00.0\n[PENDING]\nhostpci2: "
                  "42:00.0\n[PENDING2]\nhostpci3: 44:00.0",
                  "0000:41:00.0", "0000:41:00.0 0000:42:00.0" },
                { "hostpci0: 41:00.0\n[PENDING]\ndelete: hostpci01,hostpci00000000000000000000,,",
                  "0000:41:00.0", "0000:41:00.0" },
        };
        const struct proxmox_mappings none = {};
        struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (int pending = 0; pending < 2; pending++) {
                        const char *expected = pending ? cases[i].next : cases[i].now;
                        bool autostart;
                        struct guest g;

                        assert_int_equal(proxmox_guest_parse(&g, "101", cases[i].conf, &none, &f->root,
                                                             pending, &autostart),
                                         1);
                        if (!streq(devices(&g), expected))
                                fail_msg("%s: %s", cases[i].conf, devices(&g));
                        guest_done(&g);
                }
}

static struct guest parse(struct fixture *f, const char *conf, bool *ret_autostart)
{
        const struct proxmox_mappings none = {};
        struct guest g;

        assert_int_equal(proxmox_guest_parse(&g, "101", conf, &none, &f->root, false, ret_autostart), 1);
        return g;
}

static void test_machine(void **state)
{
        const struct proxmox_mappings none = {};
        struct fixture *f = *state;
        bool autostart = false;
        struct guest g;

        g = parse(
                f,
                "name: trainer\r\nbios: ovmf\nmachine: q35,viommu=intel\nmemory: 65536\ncpu: host,flags=+x\n"
                "onboot: 1\nsmbios1: manufacturer=eA==,uuid=5b0c7a3e-3d0f-4d55-9a55-6f2f0a6c1e01\n"
                "args: -fw_cfg name=opt/ovmf/X-PciMmio64Mb,string=262144\n",
                &autostart);
        assert_int_equal(g.manager, GUEST_OF_PROXMOX);
        assert_string_equal(g.name, "101");
        assert_string_equal(g.title, "trainer");
        assert_string_equal(g.uuid, "5b0c7a3e-3d0f-4d55-9a55-6f2f0a6c1e01");
        assert_string_equal(g.emulator, "/usr/bin/kvm");
        assert_string_equal(g.arch, "x86_64");
        assert_string_equal(g.machine, "q35");
        assert_int_equal(g.firmware, GUEST_FIRMWARE_EFI);
        assert_int_equal(g.memory, GIB(64));
        assert_int_equal(g.efi_window, GIB(256));
        assert_true(g.host_phys_bits);
        assert_true(autostart);
        guest_done(&g);

        /* what Proxmox takes where nothing is said */
        autostart = false;
        g = parse(f, "", &autostart);
        assert_null(g.title);
        assert_null(g.uuid);
        assert_string_equal(g.machine, "pc");
        assert_int_equal(g.firmware, GUEST_FIRMWARE_BIOS);
        assert_int_equal(g.memory, MIB(512));
        assert_false(g.host_phys_bits);
        assert_false(autostart);
        guest_done(&g);

        g = parse(f, "arch: aarch64\nmemory: current=2048\ncpu: x86-64-v2-AES,phys-bits=46\n", &autostart);
        assert_string_equal(g.emulator, "/usr/bin/qemu-system-aarch64");
        assert_int_equal(g.memory, GIB(2));
        assert_int_equal(g.phys_bits, 46);
        guest_done(&g);
        g = parse(f, "memory: much\ncpu: cputype=kvm64,phys-bits=host\n", &autostart);
        assert_int_equal(g.memory, 0);
        assert_true(g.host_phys_bits);
        guest_done(&g);

        /* A template is never started. */
        assert_int_equal(proxmox_guest_parse(&g, "101", "template: 1\nhostpci0: 41:00.0\n", &none, &f->root,
                                             true, &autostart),
                         0);
}

static void test_words(void **state)
{
        static const struct {
                const char *text, *words[4];
        } cases[] = {
                { "", {} },
                { "  a  b\t", { "a", "b" } },
                { "'a b' \"c d\"", { "a b", "c d" } },
                { "a'b'\"c\"d", { "abcd" } },
                { "'a'\\''b'", { "a'b" } },
                { "a\\ b '\\' \"\\\"\"", { "a b", "\\", "\"" } },
                { "'' a", { "", "a" } },
                { "a 'b", {} },
                { "a\\", { "a\\" } },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct words w;
                size_t n = 0;

                assert_ok(proxmox_args_split(cases[i].text, &w));
                while (n < ELEMENTSOF(cases[i].words) && cases[i].words[n])
                        n++;
                if (w.n != n)
                        fail_msg("%s: %zu", cases[i].text, w.n);
                for (size_t k = 0; k < n; k++)
                        assert_string_equal(w.words[k], cases[i].words[k]);
                words_done(&w);
        }
}

static const struct libvirt_guest *find(const struct libvirt_facts *l, const char *name)
{
        for (size_t i = 0; i < l->n_guests; i++)
                if (streq(l->guests[i].xml.name, name))
                        return &l->guests[i];
        fail_msg("no %s", name);
        return NULL;
}

/* The node's own guests, beside those of libvirt, and whether they run. */
static void test_node(void **state)
{
        struct fixture *f = *state;
        struct libvirt_facts l;

        fixture_link(f, PROXMOX_NODE_LINK, "nodes/pve1");
        fixture_link(f, PROXMOX_DEFINED_DIR, "nodes/pve1/qemu-server");
        fixture_write(f, "etc/pve/nodes/pve1/qemu-server/100.conf", "hostpci0: mapping=one\n");
        fixture_write(f, "etc/pve/nodes/pve1/qemu-server/101.conf", "hostpci0: 42:00.0\nonboot: 1\n");
        fixture_write(f, "etc/pve/nodes/pve1/qemu-server/102.conf", "hostpci0: 43:00.0\n");
        fixture_write(f, "etc/pve/nodes/pve1/qemu-server/103.conf", "hostpci0: 43:00.0\ntemplate: 1\n");
        fixture_write(f, "etc/pve/nodes/pve1/qemu-server/104.conf.tmp.1", "hostpci0: 44:00.0\n");
        fixture_write(f, "etc/pve/nodes/pve2/qemu-server/200.conf", "hostpci0: 45:00.0\n");
        fixture_write(f, PROXMOX_MAPPINGS_FILE, mappings);
        fixture_write(f, PROXMOX_RUNNING_DIR "/100.pid", "4242\n");
        fixture_write(f, "proc/4242/comm", "kvm\n");
        fixture_write(f, PROXMOX_RUNNING_DIR "/101.pid",
                      "4243\n"); /* another process has its number by now */
        fixture_write(f, "proc/4243/comm", "bash\n");
        fixture_write(f, PROXMOX_RUNNING_DIR "/102.pid", "4244\n"); /* no process has it */
        fixture_write(f, "etc/libvirt/qemu/101.xml", "<domain><name>101</name></domain>");

        assert_ok(libvirt_facts_read(&l, &f->root));
        assert_int_equal(l.readable.value, FACT_YES);
        assert_true(l.proxmox);
        assert_int_equal(l.n_guests, 4);
        assert_int_equal(find(&l, "100")->pid, 4242);
        assert_true(find(&l, "100")->running && find(&l, "100")->defined);
        assert_string_equal(devices(&find(&l, "100")->xml), "0000:41:00.0 0000:41:00.1");
        assert_false(find(&l, "102")->running || find(&l, "102")->autostart);
        for (size_t i = 0; i < l.n_guests; i++)
                if (streq(l.guests[i].xml.name, "101") && l.guests[i].xml.manager == GUEST_OF_PROXMOX)
                        assert_true(l.guests[i].autostart && !l.guests[i].running);
        libvirt_facts_done(&l);
}

/* What cannot be read is not nothing. */
static void test_unread(void **state)
{
        struct fixture *f = *state;
        struct libvirt_facts l;

        assert_ok(libvirt_facts_read(&l, &f->root));
        assert_false(l.proxmox);
        assert_int_equal(l.readable.value, FACT_YES);
        libvirt_facts_done(&l);

        fixture_write(f, "usr/sbin/qm", ""); /* and its file system is not mounted */
        assert_ok(libvirt_facts_read(&l, &f->root));
        assert_true(l.proxmox);
        assert_int_equal(l.readable.value, FACT_UNKNOWN);
        libvirt_facts_done(&l);

        fixture_link(f, CONF("101"), "101.conf"); /* how a record says that it was not readable */
        assert_ok(libvirt_facts_read(&l, &f->root));
        assert_int_equal(l.readable.value, FACT_UNKNOWN);
        assert_string_equal(l.readable.why, "/" CONF("101") " is only root's to read");
        libvirt_facts_done(&l);
        fixture_remove(f, CONF("101"));
        fixture_write(f, CONF("101"), "hostpci0: mapping=one\n");
        fixture_link(f, PROXMOX_MAPPINGS_FILE, "pci.cfg");
        assert_ok(libvirt_facts_read(&l, &f->root));
        assert_int_equal(l.readable.value, FACT_UNKNOWN);
        assert_int_equal(l.n_guests, 1);
        libvirt_facts_done(&l);
}

/* Its file system hangs: that is waited for once, and said. */
static void test_stalled(void **state)
{
        struct fixture *f = *state;
        struct libvirt_facts l;
        struct claims c;
        uint64_t start;

        fixture_stall(f, "etc/pve");
        fixture_write(f, "etc/libvirt/qemu/web.xml", "<domain><name>web</name></domain>");
        f->root.live = true;
        start = clock_usec(CLOCK_MONOTONIC);
        assert_ok(libvirt_facts_read(&l, &f->root));
        assert_ok(claims_read(&c, &f->root, &l));
        assert_true(clock_usec(CLOCK_MONOTONIC) - start < 4 * USEC_PER_SEC * test_slower());
        assert_true(l.proxmox);
        assert_int_equal(l.readable.value, FACT_UNKNOWN);
        assert_string_equal(l.readable.why, "/etc/pve, where Proxmox has its guests, does not answer");
        assert_int_equal(l.n_guests, 1);
        assert_int_equal(c.complete.value, FACT_UNKNOWN);
        libvirt_facts_done(&l);
        claims_done(&c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_devices, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_pending, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_machine, fixture_setup, fixture_teardown),
                cmocka_unit_test(test_words),
                cmocka_unit_test_setup_teardown(test_node, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_unread, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_stalled, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
