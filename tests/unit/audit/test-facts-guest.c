/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/facts-guest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "test.h"
#include "util/macro.h"

#define ADDRESS(bus, slot) "<source><address domain='0x0000' bus='" bus "' slot='" slot "' function='0x0'/></source>"
#define HOSTDEV "<hostdev mode='subsystem' type='pci' managed='yes'>" ADDRESS("0x41", "0x00") "</hostdev>"

static int parse(struct guest *g, const char *xml)
{
        return guest_parse(g, xml, strlen(xml));
}

static void test_domain(void **state)
{
        struct guest g;

        (void) state;
        assert_ok(parse(&g,
                        "<?xml version='1.0'?><!-- made by libvirt -->\n"
                        "<domain type='kvm' id='3' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n"
                        "  <name>gpu &amp; co</name><uuid>6c3a0e1e-0000-4000-8000-000000000001</uuid>\n"
                        "  <metadata><x:domain xmlns:x='urn:x'><x:name>no</x:name></x:domain></metadata>\n"
                        "  <devices>\n"
                        "    <emulator>/usr/bin/qemu-system-x86_64</emulator>\n"
                        "    <disk type='file'><source file='/x'/><address type='pci' bus='0x09' slot='0' function='0'/></disk>\n"
                        "    " HOSTDEV "\n"
                        "    <hostdev mode='subsystem' type='usb'>" ADDRESS("0x42", "0x00") "</hostdev>\n"
                        "    <interface type='hostdev' managed='no'><mac address='52:54:00:00:00:01'/>" ADDRESS("0x43", "0x1f")
                        "</interface>\n"
                        "    <interface type='network'><source network='default'/></interface>\n"
                        "    <hostdev mode='subsystem' type='pci'><source>"
                        "<address domain='0x10000' bus='225' slot='3' function='7'/></source></hostdev>\n"
                        "    <hostdev mode='subsystem' type='pci'><source/></hostdev>\n"
                        "    <hostdev mode='subsystem' type='pci'>" ADDRESS("0x141", "0x00") "</hostdev>\n"
                        "    <hostdev mode='subsystem' type='pci'>" ADDRESS("bus", "0x00") "</hostdev>\n"
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

static void test_bad(void **state)
{
        static const char *const bad[] = {
                "", " ", "junk", "<domain>", "<domain><name>x</name>", "<domain/>", "<domain><name>x</name></domain>junk",
                "<network><name>x</name></network>", "<domain><uuid>x</uuid></domain>",
                "<domain><name>x</name><devices>" HOSTDEV, "<domain><name>\x01</name></domain>",
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
}

/* A document that defines entities is refused, be they a file, a bomb, or harmless. */
static void test_entities(void **state)
{
        char xml[4096], *p = xml;
        struct timespec before, after;
        struct guest g;

        (void) state;
        assert_int_equal(parse(&g, "<!DOCTYPE domain [<!ENTITY x SYSTEM 'file:///etc/hostname'>]>"
                                   "<domain><name>&x;</name></domain>"), -EBADMSG);
        assert_int_equal(parse(&g, "<!DOCTYPE domain [<!ENTITY a 'haha'>]><domain><name>&a;</name></domain>"), -EBADMSG);
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

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_domain), cmocka_unit_test(test_bad), cmocka_unit_test(test_truncated),
                cmocka_unit_test(test_bounds), cmocka_unit_test(test_entities),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
