/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/guest/facts-guest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fixture.h"
#include "test.h"
#include "util/macro.h"

#define ADDRESS(bus, slot) \
        "<source><address domain='0x0000' bus='" bus "' slot='" slot "' function='0x0'/></source>"
/* By names of their own, because clang-format makes a stair of texts that have a call between them. */
#define AT_41 ADDRESS("0x41", "0x00")
#define AT_42 ADDRESS("0x42", "0x00")
#define AT_43 ADDRESS("0x43", "0x00")
#define AT_43_1F ADDRESS("0x43", "0x1f")
#define AT_141 ADDRESS("0x141", "0x00")
#define AT_BUS ADDRESS("bus", "0x00")
#define HOSTDEV "<hostdev mode='subsystem' type='pci' managed='yes'>" AT_41 "</hostdev>"

static int parse(struct guest *g, const char *xml)
{
        return guest_parse(g, xml, strlen(xml));
}

static void test_domain(void **state)
{
        struct guest g;

        (void) state;
        assert_ok(parse(
                &g, "<?xml version='1.0'?><!-- made by libvirt -->\n"
                    "<domain type='kvm' id='3' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n"
                    "  <name>gpu &amp; co</name><uuid>6c3a0e1e-0000-4000-8000-000000000001</uuid>\n"
                    "  <metadata><x:domain xmlns:x='urn:x'><x:name>no</x:name></x:domain></metadata>\n"
                    "  <devices>\n"
                    "    <emulator>/usr/bin/qemu-system-x86_64</emulator>\n"
                    "    <disk type='file'><source file='/x'/>"
                    "<address type='pci' bus='0x09' slot='0' function='0'/></disk>\n"
                    "    " HOSTDEV "\n"
                    "    <hostdev mode='subsystem' type='usb'>" AT_42 "</hostdev>\n"
                    "    <interface type='hostdev' managed='no'>"
                    "<mac address='52:54:00:00:00:01'/>" AT_43_1F "</interface>\n"
                    "    <interface type='network'><source network='default'/></interface>\n"
                    "    <hostdev mode='subsystem' type='pci'><source>"
                    "<address domain='0x10000' bus='225' slot='3' function='7'/></source></hostdev>\n"
                    "    <hostdev mode='subsystem' type='pci'><source/></hostdev>\n"
                    "    <hostdev mode='subsystem' type='pci'>" AT_141 "</hostdev>\n"
                    "    <hostdev mode='subsystem' type='pci'>" AT_BUS "</hostdev>\n"
                    "  </devices>\n"
                    "  <qemu:commandline><qemu:arg value='-name'/></qemu:commandline>\n"
                    "</domain>\n"));
        assert_string_equal(g.name, "gpu & co");
        assert_string_equal(g.uuid, "6c3a0e1e-0000-4000-8000-000000000001");
        assert_string_equal(g.emulator, "/usr/bin/qemu-system-x86_64");
        assert_int_equal(g.n_hostdevs, 3);
        assert_string_equal(g.hostdevs[0].bdf, "0000:41:00.0");
        assert_true(g.hostdevs[0].managed);
        assert_string_equal(g.hostdevs[1].bdf, "0000:43:1f.0");
        assert_false(g.hostdevs[1].managed);
        assert_string_equal(g.hostdevs[2].bdf, "10000:e1:03.7");
        guest_done(&g);

        assert_ok(parse(&g, "<domain><name>x</name></domain>"));
        assert_null(g.uuid);
        assert_null(g.emulator);
        assert_int_equal(g.n_hostdevs, 0);
        guest_done(&g);
}

/* What libvirt understands as well, although it writes it differently itself. */
static void test_spellings(void **state)
{
        static const struct {
                const char *address, *bdf;
        } addresses[] = {
                { "bus='0x41'", "0000:41:00.0" },
                { "slot='3' function='1'", "0000:00:03.1" },
                { "domain='1' bus='010' slot='0X1F' function='07'", "0001:08:1f.7" },
                { "domain='0x10000' bus='225'", "10000:e1:00.0" },
                { "domain='0' bus='0' slot='0' function='0'", "0000:00:00.0" },
                /* Nothing that has a place, and numbers that libvirt does not take either */
                { "", NULL },
                { "type='usb' port='1'", NULL },
                { "domain='1'", NULL },
                { "bus='41h' slot='0' function='0'", NULL },
                { "domain='x' bus='0x41'", NULL },
                { "bus='0x41' function='8'", NULL },
        };
        struct guest g;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(addresses); i++) {
                char xml[512];

                snprintf(xml, sizeof(xml),
                         "<domain><name>x</name><devices><hostdev type='pci'><source><address %s/></source>"
                         "</hostdev></devices></domain>",
                         addresses[i].address);
                assert_ok(parse(&g, xml));
                if (g.n_hostdevs != (addresses[i].bdf ? 1 : 0))
                        fail_msg("%zu devices of \"%s\"", g.n_hostdevs, addresses[i].address);
                if (addresses[i].bdf)
                        assert_string_equal(g.hostdevs[0].bdf, addresses[i].bdf);
                guest_done(&g);
        }

        assert_ok(parse(&g, "<domain><name>x</name>"
                            "<devices><!-- " HOSTDEV " -->" HOSTDEV "</devices>"
                            "<metadata><devices>" HOSTDEV "</devices></metadata>"
                            "<devices><emulator>/usr/bin/qemu</emulator><hostdev type='pci'>" AT_42
                            "<address type='unassigned'/></hostdev></devices></domain>"));
        assert_int_equal(g.n_hostdevs, 2);
        assert_string_equal(g.emulator, "/usr/bin/qemu");
        assert_string_equal(g.hostdevs[0].bdf, "0000:41:00.0");
        assert_false(hostdev_has_no_bars(&g.hostdevs[0]));
        assert_string_equal(g.hostdevs[1].bdf, "0000:42:00.0");
        assert_true(hostdev_has_no_bars(&g.hostdevs[1]));
        guest_done(&g);
}

static void test_bad(void **state)
{
        static const char *const bad[] = {
                "",
                " ",
                "junk",
                "<domain>",
                "<domain><name>x</name>",
                "<domain/>",
                "<domain><name>x</name></domain>junk",
                "<network><name>x</name></network>",
                "<domain><uuid>x</uuid></domain>",
                "<domain><name>x</name><devices>" HOSTDEV,
                "<domain><name>\x01</name></domain>",
                "<!DOCTYPE domain SYSTEM 'http://localhost:9/x.dtd'>",
        };
        struct guest g;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (parse(&g, bad[i]) != -EBADMSG)
                        fail_msg("\"%s\" was taken for a domain", bad[i]);
}

static void test_truncated(void **state)
{
        static const char xml[] = "<domain><name>x</name><devices>" HOSTDEV HOSTDEV "</devices></domain>";
        struct guest g;

        (void) state;
        for (size_t n = 0; n < strlen(xml); n++)
                assert_int_equal(guest_parse(&g, xml, n), -EBADMSG);
        assert_ok(guest_parse(&g, xml, strlen(xml)));
        guest_done(&g);
}

static void test_bounds(void **state)
{
        _cleanup_free_ char *xml = malloc(GUEST_XML_MAX + 2);
        struct guest g;
        char *p = xml;

        (void) state;
        assert_non_null(xml);
        memset(xml, ' ', GUEST_XML_MAX + 1);
        memcpy(xml, "<domain><name>x</name>", 22);
        memcpy(xml + GUEST_XML_MAX - 9, "</domain>", 9);
        assert_ok(guest_parse(&g, xml, GUEST_XML_MAX));
        guest_done(&g);
        assert_int_equal(guest_parse(&g, xml, GUEST_XML_MAX + 1), -EFBIG);

        p += sprintf(p, "<domain><name>x</name><devices>");
        for (unsigned i = 0; i < 300; i++)
                p += sprintf(p, "%s", HOSTDEV);
        p += sprintf(p, "</devices></domain>");
        assert_int_equal(guest_parse(&g, xml, (size_t) (p - xml)), -EFBIG);
        assert_null(g.hostdevs);

        /* of one element; those of others, and what only looks like one, do not count */
        for (unsigned n = 250; n <= 251; n++) {
                p = xml + sprintf(xml, "<domain><name>x</name><a b='c'/>a='b'<a");
                for (unsigned i = 0; i < n; i++)
                        p += sprintf(p, " a%u='>'", i);
                p += sprintf(p, "/></domain>");
                assert_int_equal(guest_parse(&g, xml, (size_t) (p - xml)), n > 250 ? -EBADMSG : 0);
                guest_done(&g);
        }
}

/* A document that defines entities is refused, be they a file, a bomb, or harmless. */
static void test_entities(void **state)
{
        char xml[4096], *p = xml;
        struct timespec before, after;
        struct guest g;

        (void) state;
        assert_int_equal(parse(&g, "<!DOCTYPE domain [<!ENTITY x SYSTEM 'file:///etc/hostname'>]>"
                                   "<domain><name>&x;</name></domain>"),
                         -EBADMSG);
        assert_int_equal(
                parse(&g, "<!DOCTYPE domain [<!ENTITY a 'haha'>]><domain><name>&a;</name></domain>"),
                -EBADMSG);
        assert_int_equal(parse(&g, "<!DOCTYPE domain><domain><name>x</name></domain>"), -EBADMSG);

        p += sprintf(p, "<!DOCTYPE domain [<!ENTITY l0 'ha'>");
        for (unsigned i = 1; i < 20; i++) {
                p += sprintf(p, "<!ENTITY l%u '", i);
                for (unsigned k = 0; k < 10; k++)
                        p += sprintf(p, "&l%u;", i - 1);
                p += sprintf(p, "'>");
        }
        sprintf(p, "]><domain><name>&l19;</name></domain>");
        clock_gettime(CLOCK_MONOTONIC, &before);
        assert_int_equal(parse(&g, xml), -EBADMSG);
        clock_gettime(CLOCK_MONOTONIC, &after);
        assert_true(after.tv_sec - before.tv_sec < 2);
}

#define QEMU "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"
#define UUID "c2177883-f1bb-47f0-914d-32a22e3a8804"
#define ARGUMENT(option, value) "<qemu:arg value='" option "'/><qemu:arg value='" value "'/>"

static const struct hostdev *find_kind(const struct guest *g, enum hostdev_kind kind)
{
        const struct hostdev *found = NULL;

        for (size_t i = 0; i < g->n_hostdevs; i++)
                if (g->hostdevs[i].kind == kind) {
                        assert_null(found);
                        found = &g->hostdevs[i];
                }
        assert_non_null(found);
        return found;
}

/* Each way in which VFIO comes into a domain. */
static void test_kinds(void **state)
{
        const struct hostdev *h;
        struct guest g;

        (void) state;
        assert_ok(parse(
                &g,
                "<domain " QEMU "><name>x</name><devices>"
                "<hostdev type='pci' managed='yes'>"
                "<driver name='vfio' model='mlx5_vfio_pci' iommufd='yes'/>" AT_41
                "<alias name='ua-gpu'/></hostdev>"
                "<hostdev type='pci'><driver name='xen'/>" AT_42 "</hostdev>"
                "<interface type='network'><source network='pool'/>"
                "<actual type='hostdev' managed='yes'><driver name='vfio'/>" AT_43 "</actual>"
                "<alias name='hostdev1'/></interface>"
                "<interface type='network'><source network='lan'/><actual type='bridge'/></interface>"
                "<interface type='network'><source network='pool'/></interface>"
                "<interface type='network'><source network='default'/></interface>"
                "<interface type='network'><source network='pool'/></interface>"
                "<interface type='network'><source/></interface><interface type='user'/>"
                "<disk type='nvme' device='disk'><source type='pci' managed='yes' namespace='1'>"
                "<address domain='0' bus='0x44' slot='0' function='0'/></source></disk>"
                "<disk type='nvme'><source/></disk>"
                "<hostdev type='mdev' model='vfio-pci'><source><address uuid='" UUID "'/></source></hostdev>"
                "<hostdev type='mdev' model='vfio-ap'><source><address uuid='" UUID "'/></source></hostdev>"
                "<hostdev type='mdev' model='vfio-pci'><source><address uuid='../../x'/></source></hostdev>"
                "</devices><qemu:commandline>"
                "<qemu:arg value='-device'/><qemu:arg value='vfio-pci,host=45:00.0,id=raw,x-no-mmap=on'/>"
                "</qemu:commandline></domain>"));
        assert_int_equal(g.n_hostdevs, 5);
        h = find_kind(&g, HOSTDEV_PCI);
        assert_string_equal(h->bdf, "0000:41:00.0");
        assert_string_equal(h->driver, "mlx5_vfio_pci");
        assert_string_equal(h->alias, "ua-gpu");
        assert_true(h->managed && h->iommufd && !h->no_mmap);
        h = find_kind(&g, HOSTDEV_INTERFACE);
        assert_string_equal(h->bdf, "0000:43:00.0");
        assert_string_equal(h->alias, "hostdev1");
        assert_true(h->managed && !h->iommufd);
        h = find_kind(&g, HOSTDEV_NVME);
        assert_string_equal(h->bdf, "0000:44:00.0");
        assert_true(h->managed);
        h = find_kind(&g, HOSTDEV_MDEV);
        assert_string_equal(h->bdf, "");
        assert_string_equal(h->uuid, UUID);
        h = find_kind(&g, HOSTDEV_ARGUMENT);
        assert_string_equal(h->bdf, "0000:45:00.0");
        assert_string_equal(h->alias, "raw");
        assert_true(!h->managed && h->no_mmap && !h->iommufd);

        assert_int_equal(g.n_networks, 2);
        assert_string_equal(g.networks[0], "pool");
        assert_string_equal(g.networks[1], "default");
        guest_done(&g);
}

/* What stands in <qemu:commandline>, and is one device of that address; NULL: none. */
static void assert_argument(const char *arguments, const char *bdf, const char *uuid, bool no_mmap)
{
        char xml[4096];
        struct guest g;

        snprintf(xml, sizeof(xml),
                 "<domain " QEMU "><name>x</name><qemu:commandline>%s</qemu:commandline></domain>",
                 arguments);
        assert_ok(parse(&g, xml));
        if (g.n_hostdevs != (bdf || uuid))
                fail_msg("%s: %zu devices", arguments, g.n_hostdevs);
        if (bdf)
                assert_string_equal(g.hostdevs[0].bdf, bdf);
        if (uuid)
                assert_string_equal(g.hostdevs[0].uuid, uuid);
        if (g.n_hostdevs)
                assert_int_equal(g.hostdevs[0].no_mmap, no_mmap);
        guest_done(&g);
}

static void test_arguments(void **state)
{
        static const char *const none[] = {
                "",
                ARGUMENT("-name", "vfio-pci,host=45:00.0"),
                ARGUMENT("-device", "vfio-pci"),
                ARGUMENT("-device", "vfio-pcix,host=45:00.0"),
                ARGUMENT("-device", "vfio-pci,host=nonsense"),
                ARGUMENT("-device", "virtio-net,host=45:00.0"),
                ARGUMENT("-device", "vfio-pci,xhost=45:00.0"),
                ARGUMENT("-device", "vfio-pci,host=,sysfsdev="),
                "<qemu:arg value='-device'/>",
                ARGUMENT("-device", "{\"driver\":\"vfio-pci\""),
                ARGUMENT("-device", "{\"driver\":\"e1000\",\"host\":\"45:00.0\"}"),
                ARGUMENT("-device", "{\"driver\":\"vfio-pci\",\"xhost\":\"45:00.0\"}"),
                ARGUMENT("-device", "{"),
                ARGUMENT("-device", ","),
                ARGUMENT("-device", "vfio-pci,sysfsdev=/"),
                ARGUMENT("-device", "virtio-gpu-pci-that-is-long-vfio-pci,host=45:00.0"),
        };
        static const char dev[] = ARGUMENT("-device", "vfio-pci,id=g,host=45:00.0");
        char text[1024];
        struct guest g;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(none); i++)
                assert_argument(none[i], NULL, NULL, false);
        assert_argument(dev, "0000:45:00.0", NULL, false);
        assert_argument(ARGUMENT("--device", "driver=vfio-pci-nohotplug,host=0001:45:00.0"), "0001:45:00.0",
                        NULL, false);
        assert_argument(
                ARGUMENT("-device", "vfio-pci,sysfsdev=/sys/bus/pci/devices/0000:45:00.1/,x-no-mmap=off"),
                "0000:45:00.1", NULL, false);
        assert_argument(ARGUMENT("-device", "vfio-pci,sysfsdev=/sys/bus/mdev/devices/" UUID), "", UUID,
                        false);
        assert_argument(ARGUMENT("-device", "{\"driver\": \"vfio-pci\", \"id\":\"host\", \"host\" : "
                                            "\"45:00.0\",\"x-no-mmap\":true}"),
                        "0000:45:00.0", NULL, true);

        /* of another namespace */
        assert_ok(parse(&g, "<domain><name>x</name><commandline><arg value='-device'/>"
                            "<arg value='vfio-pci,host=45:00.0'/></commandline></domain>"));
        assert_int_equal(g.n_hostdevs, 0);
        guest_done(&g);

        /* properties from elsewhere */
        snprintf(text, sizeof(text), "%s%s", ARGUMENT("-set", "device.g.x-no-mmap=on"), dev);
        assert_argument(text, "0000:45:00.0", NULL, true);
        snprintf(text, sizeof(text), "%s%s", ARGUMENT("-set", "device.gg.x-no-mmap=on"), dev);
        assert_argument(text, "0000:45:00.0", NULL, false);
        snprintf(text, sizeof(text), "%s%s", ARGUMENT("-set", "device..x-no-mmap=on"), dev);
        assert_argument(text, "0000:45:00.0", NULL, false);
        snprintf(text, sizeof(text), "%s%s", ARGUMENT("-global", "vfio-pci.x-no-mmap=on"), dev);
        assert_argument(text, "0000:45:00.0", NULL, true);
        snprintf(text, sizeof(text), "%s%s", ARGUMENT("-global", "vfio-ap.x-no-mmap=on"), dev);
        assert_argument(text, "0000:45:00.0", NULL, false);
        /* all of it is the value of another property */
        snprintf(text, sizeof(text), "%s%s", ARGUMENT("-global", "vfio-pci.a=b,x-no-mmap=on"), dev);
        assert_argument(text, "0000:45:00.0", NULL, false);
}

static void test_override(void **state)
{
        struct guest g;

        (void) state;
        assert_ok(parse(&g, "<domain " QEMU "><name>x</name><iommufd enabled='yes'/><devices>"
                            "<hostdev type='pci'>" AT_41 "<alias name='ua-a'/></hostdev>"
                            "<hostdev type='pci'>" AT_42 "<alias name='ua-b'/></hostdev></devices>"
                            "<qemu:override><qemu:device alias='ua-a'><qemu:frontend>"
                            "<qemu:property name='x-no-mmap' type='bool' value='true'/>"
                            "</qemu:frontend></qemu:device>"
                            "<qemu:device alias='ua-b'><qemu:frontend>"
                            "<qemu:property name='x-no-mmap' type='bool' value='false'/>"
                            "</qemu:frontend></qemu:device>"
                            "</qemu:override></domain>"));
        assert_true(g.hostdevs[0].no_mmap);
        assert_false(g.hostdevs[1].no_mmap);
        assert_true(g.hostdevs[0].iommufd && g.hostdevs[1].iommufd);
        guest_done(&g);
}

/* X-PciMmio64Mb, in all the words that libvirt and QEMU have for it. */
static void test_efi_window(void **state)
{
#define SYSINFO(entry) "<sysinfo type='fwcfg'>" entry "</sysinfo>"
#define NAME "opt/ovmf/X-PciMmio64Mb"
#define FW_CFG(value) \
        "<qemu:commandline><qemu:arg value='-fw_cfg'/><qemu:arg value='" value "'/></qemu:commandline>"
        static const struct {
                const char *xml;
                uint64_t window;
                bool unread;
        } cases[] = {
                { FW_CFG("name=" NAME ",string=65536"), GIB(64), false },
                { FW_CFG(NAME ",string=65536"), GIB(64), false },
                { FW_CFG("name=" NAME ",file=/x"), 0, true },
                { FW_CFG("name=" NAME "X,string=65536"), 0, false },
                { FW_CFG("name=opt/x,string=" NAME), 0, false },
                { SYSINFO("<entry name='" NAME "'>65536</entry>"), GIB(64), false },
                { SYSINFO("<entry name='opt/x'>1</entry><entry name='" NAME "'>\n 65536\n</entry>"), GIB(64),
                  false },
                { "<sysinfo type='smbios'/>" SYSINFO("<entry name='" NAME "'>65536</entry>"), GIB(64),
                  false },
                { SYSINFO("<entry name='" NAME "' file='/x'/>"), 0, true },
                { SYSINFO("<entry name='" NAME "'/>"), 0, false },
                { SYSINFO("<entry name='" NAME "'>65536 MiB</entry>"), 0, false },
                { SYSINFO("<entry name='" NAME "'>16777217</entry>"), 0, false },
                { SYSINFO("<entry name='opt/x'>65536</entry>"), 0, false },
                { "<sysinfo type='smbios'><entry name='" NAME "'>65536</entry></sysinfo>", 0, false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char xml[512];
                struct guest g;

                snprintf(xml, sizeof(xml), "<domain " QEMU "><name>x</name>%s</domain>", cases[i].xml);
                assert_ok(parse(&g, xml));
                if (g.efi_window != cases[i].window || g.efi_window_unread != cases[i].unread)
                        fail_msg("%s: %ju", cases[i].xml, (uintmax_t) g.efi_window);
                guest_done(&g);
        }
}

static void test_machine(void **state)
{
        struct guest g;

        (void) state;
        assert_ok(parse(
                &g,
                "<domain type='kvm' " QEMU "><name>x</name><memory unit='KiB'>8388608</memory>"
                "<maxMemory slots='16' unit='GiB'>64</maxMemory>"
                "<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type><loader type='pflash'>/x</loader>"
                "</os>"
                "<cpu mode='host-passthrough'><maxphysaddr mode='passthrough' limit='42'/></cpu>"
                "<devices><controller type='pci' model='pcie-root'><pcihole64 unit='KiB'>1048576</pcihole64>"
                "</controller></devices><qemu:commandline>"
                "<qemu:arg value='-fw_cfg'/><qemu:arg value='name=opt/ovmf/X-PciMmio64Mb,string=65536'/>"
                "<qemu:env name='LD_PRELOAD' value='/usr/lib/x.so'/></qemu:commandline></domain>"));
        assert_string_equal(g.arch, "x86_64");
        assert_string_equal(g.machine, "pc-q35-7.2");
        assert_int_equal(g.firmware, GUEST_FIRMWARE_EFI);
        assert_true(g.host_phys_bits);
        assert_int_equal(g.phys_bits, 42);
        assert_int_equal(g.hole64, GIB(1));
        assert_int_equal(g.efi_window, GIB(64));
        assert_int_equal(g.memory, GIB(64));
        assert_string_equal(g.preload, "/usr/lib/x.so");
        guest_done(&g);

        assert_ok(parse(
                &g, "<domain type='qemu' " QEMU "><name>x</name><memory>\n 1024 </memory>"
                    "<os><type arch='x86_64' machine='pc'>hvm</type></os><cpu mode='host-passthrough'/>"
                    "<qemu:commandline>"
                    "<qemu:arg value='-fw_cfg'/><qemu:arg value='opt/ovmf/X-PciMmio64Mb,string=99999999'/>"
                    "</qemu:commandline></domain>"));
        assert_int_equal(g.firmware, GUEST_FIRMWARE_BIOS);
        assert_false(g.host_phys_bits);
        assert_int_equal(g.phys_bits, 0);
        assert_int_equal(g.efi_window, 0);
        assert_int_equal(g.memory, MIB(1));
        guest_done(&g);

        /* nothing that makes sense */
        assert_ok(parse(&g, "<domain type='kvm'><name>x</name><memory unit='parsec'>1</memory>"
                            "<maxMemory unit='TiB'>99999999999999</maxMemory><os><loader>/rom</loader></os>"
                            "<cpu><maxphysaddr mode='emulate' bits='99'/></cpu></domain>"));
        assert_int_equal(g.memory, 0);
        assert_int_equal(g.firmware, GUEST_FIRMWARE_UNKNOWN);
        assert_int_equal(g.phys_bits, 0);
        guest_done(&g);

        assert_ok(parse(
                &g,
                "<domain type='kvm'><name>x</name><cpu mode='custom'><maxphysaddr mode='emulate' bits='46'/>"
                "</cpu></domain>"));
        assert_false(g.host_phys_bits);
        assert_int_equal(g.phys_bits, 46);
        guest_done(&g);
}

static void test_status(void **state)
{
        static const char plain[] = "<domain><name>x</name></domain>";
        static const char status[] = "<domstatus state='running' pid='4242'><taint flag='x'/>"
                                     "<domain><name>x</name></domain></domstatus>";
        struct guest g;
        pid_t pid = -1;

        (void) state;
        assert_ok(guest_parse_status(&g, status, strlen(status), &pid));
        assert_string_equal(g.name, "x");
        assert_int_equal(pid, 4242);
        guest_done(&g);
        assert_int_equal(guest_parse_status(&g, plain, strlen(plain), &pid), -EBADMSG);
        assert_int_equal(parse(&g, status), -EBADMSG);
        assert_int_equal(pid, 4242);
}

#define NETWORK(name, forward) "<network><name>" name "</name>" forward "</network>"

static void test_networks(void **state)
{
        static const char xml[] =
                "<domain><name>x</name><devices>"
                "<interface type='network'><source network='default'/></interface>"
                "<interface type='network'><source network='pool'/></interface>"
                "<interface type='network'><source network='list'/></interface>"
                "<interface type='network'><source network='../secret'/></interface>%s</devices></domain>";
        struct fixture *f = *state;
        struct guest g;
        char text[1024];

        fixture_write(f, "etc/libvirt/qemu/networks/default.xml",
                      NETWORK("default", "<forward mode='nat'/>"));
        fixture_write(
                f, "etc/libvirt/qemu/networks/pool.xml",
                NETWORK("pool",
                        "<forward mode='hostdev' managed='yes'><driver name='vfio' model='mlx5_vfio_pci'/>"
                        "<pf dev='eth3'/></forward>"));
        fixture_write(f, "run/libvirt/network/list.xml",
                      "<networkstatus>" NETWORK(
                              "list", "<forward mode='hostdev'><address type='pci' bus='3' slot='0' "
                                      "function='1'/></forward>") "</networkstatus>");
        fixture_write(f, "etc/libvirt/qemu/secret.xml", NETWORK("secret", "<forward mode='hostdev'/>"));
        snprintf(text, sizeof(text), xml, "");
        assert_ok(parse(&g, text));
        assert_int_equal(guest_read_networks(&g, &f->root), 0); /* one is a path */
        assert_int_equal(g.n_hostdevs, 2);
        assert_int_equal(g.hostdevs[0].kind, HOSTDEV_NETWORK);
        assert_string_equal(g.hostdevs[0].bdf, "");
        assert_string_equal(g.hostdevs[0].network, "pool");
        assert_string_equal(g.hostdevs[0].parent, "eth3");
        assert_string_equal(g.hostdevs[0].driver, "mlx5_vfio_pci");
        assert_true(g.hostdevs[0].managed);
        assert_string_equal(g.hostdevs[1].network, "list");
        assert_null(g.hostdevs[1].parent);
        guest_done(&g);

        assert_ok(parse(
                &g, "<domain><name>x</name><devices><interface type='network'><source network='default'/>"
                    "</interface></devices></domain>"));
        assert_int_equal(guest_read_networks(&g, &f->root), 1);
        assert_int_equal(g.n_hostdevs, 0);
        guest_done(&g);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_domain),
                cmocka_unit_test(test_spellings),
                cmocka_unit_test(test_bad),
                cmocka_unit_test(test_truncated),
                cmocka_unit_test(test_bounds),
                cmocka_unit_test(test_entities),
                cmocka_unit_test(test_kinds),
                cmocka_unit_test(test_arguments),
                cmocka_unit_test(test_override),
                cmocka_unit_test(test_efi_window),
                cmocka_unit_test(test_machine),
                cmocka_unit_test(test_status),
                cmocka_unit_test_setup_teardown(test_networks, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
