/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix/domain-edit.h"

#include <stdio.h>
#include <string.h>

#include "facts/guest/facts-guest.h"
#include "facts/guest/xml.h"
#include "test.h"
#include "util/macro.h"

#define QEMU_NS "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"
#define LIBRARY "/usr/lib/x86_64-linux-gnu/vfioalign/libvfioalign-preload.so"
#define HOSTDEV \
        "    <hostdev mode='subsystem' type='pci' managed='yes'>\n" \
        "      <source>\n" \
        "        <address domain='0x0000' bus='0x00' slot='0x05' function='0x0'/>\n" \
        "      </source>\n" \
        "      <address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>\n" \
        "    </hostdev>\n"
#define DEVICES \
        "  <devices>\n    <emulator>/usr/bin/qemu-system-x86_64</emulator>\n" HOSTDEV "  </devices>\n"

/* All with a device at 00:05.0. */
static const char *const domains[] = {
        /* as libvirt writes it, with a secret */
        "<domain type='kvm'>\n  <name>g</name>\n  <uuid>1b0e0a32-7a3d-4f40-9b36-1d2c3f1c7a55</uuid>\n"
        "  <memory unit='KiB'>65536</memory>\n  <devices>\n"
        "    <emulator>/usr/bin/qemu-system-x86_64</emulator>\n" HOSTDEV
        "    <graphics type='vnc' port='-1' autoport='yes' passwd='s&amp;cr\"t'/>\n  </devices>\n"
        "</domain>\n",
        /* a commandline, with a library of somebody else's */
        "<domain type='kvm' " QEMU_NS ">\n  <name>g</name>\n" DEVICES
        "  <qemu:commandline>\n    <qemu:arg value='-nographic'/>\n"
        "    <qemu:env name='LD_PRELOAD' value='/opt/a.so'/>\n"
        "  </qemu:commandline>\n</domain>\n",
        /* the same without the variable */
        "<domain type='kvm' " QEMU_NS ">\n  <name>g</name>\n" DEVICES
        "  <qemu:commandline>\n    <qemu:env name='A' value='b'/>\n  </qemu:commandline>\n</domain>\n",
        /* an override, of another device and of ours */
        "<domain type='kvm' " QEMU_NS ">\n  <name>g</name>\n" DEVICES
        "  <qemu:override>\n    <qemu:device alias='ua-disk'>\n      <qemu:frontend>\n"
        "        <qemu:property name='x' type='unsigned' value='1'/>\n      </qemu:frontend>\n"
        "    </qemu:device>\n"
        "  </qemu:override>\n</domain>\n",
        "<domain type='kvm' " QEMU_NS ">\n  <name>g</name>\n" DEVICES
        "  <qemu:override>\n    <qemu:device alias='ua-x'>\n      <qemu:frontend>\n"
        "        <qemu:property name='x-no-mmap' type='bool' value='false'/>\n      </qemu:frontend>\n"
        "    </qemu:device>\n"
        "  </qemu:override>\n</domain>\n",
        /* a driver, an alias */
        "<domain>\n  <name>g</name>\n  <devices>\n    <hostdev mode='subsystem' type='pci'>\n"
        "      <driver name='vfio' model='mlx5_vfio_pci'/>\n      <source>\n"
        "        <address domain='0x0000' bus='0x00' slot='0x05' function='0x0'/>\n      </source>\n"
        "      <alias name='ua-gpu'/>\n    </hostdev>\n  </devices>\n</domain>",
        /* the namespace by another name, on the element, as the default */
        "<domain type='kvm' xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0' "
        "xmlns:qemu='urn:other'>\n  <name>g</name>\n" DEVICES
        "  <q:commandline>\n    <q:arg value='x'/>\n  </q:commandline>\n  <qemu:x/>\n</domain>\n",
        "<domain type='kvm'>\n  <name>g</name>\n" DEVICES
        "  <commandline xmlns=\"http://libvirt.org/schemas/domain/qemu/1.0\"><arg value='x'/>"
        "</commandline>\n"
        "  <qemu:override " QEMU_NS "/>\n</domain>\n",
        "<domain type='kvm' xmlns:qemu='urn:other'>\n  <name>g</name>\n" DEVICES "</domain>\n",
        /* another's commandline is none */
        "<domain type='kvm'>\n  <name>g</name>\n" DEVICES
        "  <commandline><env name='LD_PRELOAD' value='x'/></commandline>\n"
        "</domain>\n",
        /* metadata of others, empty ones in all ways */
        "<domain>\n  <name>g</name>\n  <title>t</title>\n  <metadata>\n    <x:a xmlns:x=\"urn:x\">\n"
        "      <x:b/>\n    </x:a>\n"
        "  </metadata>\n" DEVICES "</domain>\n",
        "<domain>\n  <name>g</name>\n  <metadata/>\n" DEVICES "  <qemu:commandline " QEMU_NS
        " />\n</domain>\n",
        "<domain>\n  <name>g</name>\n  <metadata ></metadata >\n" DEVICES "  <qemu:commandline " QEMU_NS
        "></qemu:commandline>\n"
        "</domain>\n",
        "<domain>\n  <name>g</name>\n  <metadata>\n  </metadata>\n" DEVICES "</domain>\n",
        /* comments, CDATA, a processing instruction, entities, all of them looking like what they are not */
        "<?xml version='1.0' encoding='utf-8'?>\n<!-- <domain><devices> -->\n"
        "<domain type='a&gt;b' a=\"/>\">\n"
        "  <!-- <metadata/> --><name>g</name><?x <devices>?>\n"
        "  <description><![CDATA[<devices><emulator>x]]></description>\n"
        "  <devices a = '>' ><!-- <emulator>no</emulator> -->\n"
        "    <emulator><![CDATA[/usr/bin/qemu&]]>&#45;kvm</emulator>\n" HOSTDEV
        "  </devices>\n<!-- end --></domain>\n<!-- after -->",
        /* one line, no emulator */
        "<domain><name>g</name><devices><hostdev mode='subsystem' type='pci'><source>"
        "<address domain='0x0000' bus='0x00'"
        " slot='0x05' function='0x0'/></source></hostdev></devices></domain>",
        /* tabs, carriage returns, text of two bytes a letter */
        "<domain>\r\n\t<name>\xc3\xbc\xc3\xa4</name>\r\n\t<devices>\r\n"
        "\t\t<hostdev mode='subsystem' type='pci'>\r\n\t\t\t<source>"
        "<address domain='0x0000' bus='0x00' slot='0x05' function='0x0'/></source>\r\n\t\t\t<driver\r\n"
        "/>\r\n\t\t</hostdev>\r\n"
        "\t</devices>\r\n</domain>\r\n",
        /* an interface */
        "<domain>\n  <name>g</name>\n  <devices>\n    <interface type='hostdev'>\n"
        "      <mac address='52:54:00:00:00:01'/>\n"
        "      <source>\n        <address type='pci' domain='0x0000' bus='0x00' slot='0x05' "
        "function='0x0'/>\n      </source>\n"
        "    </interface>\n  </devices>\n</domain>\n",
};

static const struct {
        const char *id;
        struct domain_change changes[2];
        size_t n;
} fixes[] = {
        { "emulator", { { PLACE_EMULATOR, (char *) "", (char *) "/opt/qemu 10/bin/<qemu>'&\"" } }, 1 },
        { "preload", { { PLACE_PRELOAD, (char *) "", (char *) LIBRARY } }, 1 },
        { "iommufd", { { PLACE_IOMMUFD, (char *) "0000:00:05.0", (char *) "yes" } }, 1 },
        { "no-mmap",
          { { PLACE_ALIAS, (char *) "0000:00:05.0", (char *) "ua-x" },
            { PLACE_NO_MMAP, (char *) "ua-x", (char *) "true" } },
          2 },
};

/* The caller's to free. */
static char *apply(const char *xml, size_t fix)
{
        struct domain_changes changes = { .changes = (struct domain_change *) fixes[fix].changes,
                                          .n = fixes[fix].n };
        char *out = NULL;
        int r = domain_edit_apply(xml, strlen(xml), fixes[fix].id, &changes, &out);

        if (r != 1)
                fail_msg("%s: %d on\n%s", fixes[fix].id, r, xml);
        return out;
}

static char *revert(const char *xml, const char *fix)
{
        char *out = NULL;
        int r = domain_edit_revert(xml, strlen(xml), fix, &out);

        if (r != 1)
                fail_msg("revert %s: %d on\n%s", fix ?: "all", r, xml);
        return out;
}

static void check_values(const char *xml, size_t fix)
{
        for (size_t i = 0; i < fixes[fix].n; i++) {
                const struct domain_change *c = &fixes[fix].changes[i];
                _cleanup_(domain_text_done) struct domain_text t = {};
                _cleanup_free_ char *value = NULL, *text = NULL;

                assert_ok(domain_text_parse(&t, xml, strlen(xml)));
                assert_ok(domain_place_get(&t, c->place, c->key, &value, &text));
                assert_string_equal(value ?: "", c->value);
        }
}

/* Of each domain: every fix alone; every pair, undone in either order; and all at once. */
static void test_round_trip(void **state)
{
        (void) state;
        for (size_t d = 0; d < ELEMENTSOF(domains); d++) {
                _cleanup_free_ char *all = strdup(domains[d]), *none = NULL;

                assert_int_equal(domain_edit_state(domains[d], strlen(domains[d]), NULL), DOMAIN_EDIT_NONE);
                for (size_t a = 0; a < ELEMENTSOF(fixes); a++) {
                        _cleanup_free_ char *one = apply(domains[d], a), *back = revert(one, fixes[a].id),
                                            *more;

                        assert_string_equal(back, domains[d]);
                        assert_int_equal(domain_edit_state(one, strlen(one), fixes[a].id),
                                         DOMAIN_EDIT_APPLIED);
                        check_values(one, a);
                        for (size_t b = 0; b < ELEMENTSOF(fixes); b++) {
                                _cleanup_free_ char *two = NULL, *first = NULL, *last = NULL;

                                if (a == b)
                                        continue;
                                two = apply(one, b);
                                check_values(two, a);
                                check_values(two, b);
                                first = revert(two, fixes[a].id);
                                assert_int_equal(domain_edit_state(first, strlen(first), fixes[a].id),
                                                 DOMAIN_EDIT_NONE);
                                check_values(first, b);
                                last = revert(first, fixes[b].id);
                                assert_string_equal(last, domains[d]);
                                free(last);
                                last = revert(two, NULL);
                                assert_string_equal(last, domains[d]);
                        }
                        more = apply(all, a);
                        free(all);
                        all = more;
                        more = NULL;
                }
                none = revert(all, NULL);
                assert_string_equal(none, domains[d]);
        }
}

/* What the audit reads of a guest is what the fixes say. */
static void test_read_by_the_audit(void **state)
{
        _cleanup_free_ char *one = apply(domains[0], 1), *two = apply(one, 2), *three = apply(two, 3);
        struct guest g;

        (void) state;
        assert_ok(guest_parse(&g, three, strlen(three)));
        assert_string_equal(g.preload, LIBRARY);
        assert_true(g.hostdevs[0].iommufd);
        assert_true(g.hostdevs[0].no_mmap);
        assert_string_equal(g.hostdevs[0].alias, "ua-x");
        guest_done(&g);
}

static void test_text(void **state)
{
        _cleanup_free_ char *one = apply(domains[0], 1), *two = apply(domains[6], 1);

        (void) state;
        assert_non_null(strstr(
                one,
                "  <uuid>1b0e0a32-7a3d-4f40-9b36-1d2c3f1c7a55</uuid>\n  <metadata>\n"
                "    <vfioalign:edits xmlns:vfioalign=\"" DOMAIN_EDIT_NAMESPACE "\" metadata=\"new\">\n"
                "      <vfioalign:fix id=\"preload\">\n"
                "        <vfioalign:edit place=\"preload\" key=\"\" after=\"" LIBRARY "\" made=\"2\"/>\n"
                "      </vfioalign:fix>\n    </vfioalign:edits>\n  </metadata>\n  <memory"));
        assert_non_null(strstr(one, "  </devices>\n  <qemu:commandline " QEMU_NS ">\n"
                                    "    <qemu:env name='LD_PRELOAD' value='" LIBRARY
                                    "'/>\n  </qemu:commandline>\n</domain>"));
        assert_non_null(strstr(two, "    <q:arg value='x'/>\n    <q:env name='LD_PRELOAD' value='" LIBRARY
                                    "'/>\n  </q:"));
}

static char *replace(const char *xml, const char *what, const char *by)
{
        const char *at = strstr(xml, what);
        char *out;

        assert_non_null(at);
        assert_true(asprintf(&out, "%.*s%s%s", (int) (at - xml), xml, by, at + strlen(what)) > 0);
        return out;
}

/* By hand, elsewhere: kept. */
static void test_edited_elsewhere(void **state)
{
        _cleanup_free_ char *one = apply(domains[0], 3), *two = apply(one, 1), *by_hand = NULL, *back = NULL,
                            *arg = NULL, *wanted = NULL;

        (void) state;
        by_hand = replace(two, "65536", "131072");
        arg = replace(by_hand, "  </qemu:commandline>", "    <qemu:arg value='-x'/>\n  </qemu:commandline>");
        back = revert(arg, NULL);
        wanted = replace(domains[0], "65536", "131072");
        free(by_hand);
        by_hand = replace(wanted, "</domain>",
                          "  <qemu:commandline " QEMU_NS
                          ">\n    <qemu:arg value='-x'/>\n  </qemu:commandline>\n</domain>");
        assert_string_equal(back, by_hand);
}

/* By hand, what we changed: nothing is touched, and the difference can be shown. */
static void test_edited(void **state)
{
        static const struct {
                size_t domain, fix;
                const char *ours, *theirs;
        } cases[] = {
                { 0, 0, ">/opt/qemu 10/bin/&lt;qemu&gt;", ">/opt/other/bin/&lt;qemu&gt;" },
                { 0, 1, "value='" LIBRARY, "value='/a.so:" LIBRARY },
                { 1, 1, "value='" LIBRARY, "value='/a.so:" LIBRARY },
                { 5, 2, "iommufd='yes'", "iommufd='no'" },
                { 0, 3, "x-no-mmap' type='bool' value='true'", "x-no-mmap' type='bool' value='false'" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *one = apply(domains[cases[i].domain], cases[i].fix), *by_hand = NULL,
                                    *out = NULL;

                by_hand = replace(one, cases[i].ours, cases[i].theirs);
                assert_int_equal(domain_edit_state(by_hand, strlen(by_hand), fixes[cases[i].fix].id),
                                 DOMAIN_EDIT_CHANGED);
                assert_int_equal(domain_edit_revert(by_hand, strlen(by_hand), NULL, &out), -ESTALE);
                assert_string_equal(out, one);
        }
}

/* By hand, back to what it was: only the mark goes. */
static void test_taken_back(void **state)
{
        _cleanup_free_ char *one = apply(domains[1], 1), *by_hand = NULL, *back = NULL, *two = NULL,
                            *gone = NULL, *none = NULL;

        (void) state;
        by_hand = replace(one, "value='" LIBRARY "'", "value='/opt/a.so'");
        assert_int_equal(domain_edit_state(by_hand, strlen(by_hand), NULL), DOMAIN_EDIT_UNDONE);
        back = revert(by_hand, "preload");
        assert_string_equal(back, domains[1]);

        /* the device is gone: its alias and the override with it */
        two = apply(domains[0], 3);
        gone = replace(two, "slot='0x05' function='0x0'/>\n      </source>",
                       "slot='0x06' function='0x0'/>\n      </source>");
        assert_int_equal(domain_edit_state(gone, strlen(gone), "no-mmap"), DOMAIN_EDIT_UNDONE);
        none = revert(gone, NULL);
        assert_null(strstr(none, "x-no-mmap"));
        assert_null(strstr(none, "vfioalign:"));
}

/* What is there already is not ours to take away. */
static void test_there_already(void **state)
{
        struct domain_change change = { PLACE_PRELOAD, (char *) "", (char *) "/opt/a.so" };
        struct domain_changes changes = { &change, 1 };
        char *out = NULL;

        (void) state;
        assert_int_equal(domain_edit_apply(domains[1], strlen(domains[1]), "preload", &changes, &out), 0);
        assert_int_equal(domain_edit_revert(domains[1], strlen(domains[1]), NULL, &out), 0);
        change.place = PLACE_ALIAS;
        change.key = (char *) "0000:00:09.0";
        assert_int_equal(domain_edit_apply(domains[1], strlen(domains[1]), "x", &changes, &out), -ENODEV);
}

/* What libvirt does to the driver that was made, or a person. */
static void test_driver(void **state)
{
        _cleanup_free_ char *one = apply(domains[0], 2), *named = NULL, *model = NULL, *back = NULL,
                            *left = NULL;

        (void) state;
        /* In libvirt's schema it belongs to the source: behind the address it is refused. */
        assert_non_null(strstr(one, "</source>\n      <driver iommufd='yes'/>"));
        named = replace(one, "<driver iommufd='yes'/>", "<driver name='vfio' iommufd='yes'/>");
        back = revert(named, NULL);
        assert_string_equal(back, domains[0]);
        model = replace(one, "<driver iommufd='yes'/>", "<driver model='x' iommufd='yes'/>");
        left = revert(model, NULL);
        assert_non_null(strstr(left, "<driver model='x'/>"));
}

static void test_hundred(void **state)
{
        struct domain_changes changes = {};
        _cleanup_free_ char *xml = NULL, *out = NULL, *back = NULL;
        size_t size;
        FILE *file = open_memstream(&xml, &size);

        (void) state;
        fputs("<domain type='kvm'>\n  <name>g</name>\n  <devices>\n", file);
        for (int i = 0; i < 100; i++) {
                char key[16], alias[32];

                fprintf(file,
                        "    <hostdev mode='subsystem' type='pci' managed='yes'>\n      <source>\n"
                        "        <address domain='0x0000' "
                        "bus='0x%02x' slot='0x%02x' function='0x%x'/>\n      </source>\n    </hostdev>\n",
                        i / 32, i % 32, i % 8);
                snprintf(key, sizeof(key), "0000:%02x:%02x.%d", i / 32, i % 32, i % 8);
                snprintf(alias, sizeof(alias), "ua-vfioalign-%d", i);
                assert_ok(domain_changes_add(&changes, PLACE_ALIAS, key, alias));
                assert_ok(domain_changes_add(&changes, PLACE_NO_MMAP, alias, "true"));
        }
        fputs("  </devices>\n</domain>\n", file);
        fclose(file);
        assert_int_equal(domain_edit_apply(xml, size, "no-mmap", &changes, &out), 1);
        back = revert(out, NULL);
        assert_string_equal(back, xml);
        domain_changes_done(&changes);
}

static void test_hostile(void **state)
{
        static const char *const bad[] = {
                "",
                "<",
                "<domain>",
                "<network><name>g</name></network>",
                "<domain/><domain/>",
                "<!DOCTYPE domain [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><domain><name>&b;</name>"
                "</domain>",
                "<!DOCTYPE domain SYSTEM 'http://192.0.2.1/'><domain><name>g</name></domain>",
                "<domain xmlns='urn:x'><name>g</name></domain>",
                "<?xml version='1.0' encoding='UTF-16'?><domain><name>g</name></domain>",
                "<?xml version='1.0' encoding='ISO-8859-1'?><domain><name>g</name></domain>",
                /* twice: which one counts is libvirt's secret */
                "<domain " QEMU_NS "><devices/><qemu:commandline><qemu:env name='LD_PRELOAD' value='a'/>"
                "<qemu:env name='LD_PRELOAD' value='b'/></qemu:commandline></domain>",
                "<domain " QEMU_NS "><devices/><qemu:commandline/><qemu:commandline/></domain>",
        };
        static const char *const marks[] = {
                "<x:edits xmlns:x='" DOMAIN_EDIT_NAMESPACE
                "'><x:fix><x:edit place='emulator' key='' after='x'/></x:fix></x:edits>",
                "<x:edits xmlns:x='" DOMAIN_EDIT_NAMESPACE
                "'><x:fix id='a'><x:edit place='no' key='' after='x'/></x:fix></x:edits>",
                "<x:edits xmlns:x='" DOMAIN_EDIT_NAMESPACE
                "'><x:fix id='a'><x:edit place='emulator' after='x'/></x:fix></x:edits>",
                "<x:edits xmlns:x='" DOMAIN_EDIT_NAMESPACE
                "'><x:fix id='a'><x:edit place='emulator' key='' after='x'"
                " made='99999999999'/></x:fix></x:edits>",
                "<x:edits xmlns:x='" DOMAIN_EDIT_NAMESPACE "'><fix id='a'/></x:edits>",
        };
        struct domain_change change = { PLACE_PRELOAD, (char *) "", (char *) "x" };
        struct domain_changes changes = { &change, 1 };
        _cleanup_free_ char *deep = NULL, *huge = NULL;
        char *out = NULL;
        size_t size;
        FILE *file;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(domain_edit_apply(bad[i], strlen(bad[i]), "x", &changes, &out), -EBADMSG);
        assert_int_equal(domain_edit_apply("<domain>\0</domain>", 18, "x", &changes, &out), -EBADMSG);
        for (size_t i = 0; i < ELEMENTSOF(marks); i++) {
                _cleanup_free_ char *xml = replace("<domain><metadata>MARK</metadata></domain>", "MARK",
                                                   marks[i]);

                assert_int_equal(domain_edit_revert(xml, strlen(xml), NULL, &out), -EBADMSG);
        }

        file = open_memstream(&deep, &size);
        fputs("<domain>", file);
        for (int i = 0; i < 100000; i++)
                fputs("<a>", file);
        fclose(file);
        assert_int_equal(domain_edit_apply(deep, size, "x", &changes, &out), -EBADMSG);

        /* as large as may be, and then a byte more by the edit itself */
        huge = malloc(GUEST_XML_MAX + 2);
        memset(huge, ' ', GUEST_XML_MAX + 2);
        memcpy(huge, "<domain><devices/>", 18);
        memcpy(huge + GUEST_XML_MAX - 9, "</domain>", 9);
        assert_int_equal(domain_edit_apply(huge, GUEST_XML_MAX, "x", &changes, &out), -EFBIG);
        assert_int_equal(domain_edit_apply(huge, GUEST_XML_MAX + 1, "x", &changes, &out), -EFBIG);
        assert_int_equal(domain_edit_state(huge, GUEST_XML_MAX, NULL), DOMAIN_EDIT_NONE);
        assert_null(out);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_read_by_the_audit),
                cmocka_unit_test(test_text),          cmocka_unit_test(test_edited_elsewhere),
                cmocka_unit_test(test_edited),        cmocka_unit_test(test_taken_back),
                cmocka_unit_test(test_there_already), cmocka_unit_test(test_driver),
                cmocka_unit_test(test_hundred),       cmocka_unit_test(test_hostile),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
