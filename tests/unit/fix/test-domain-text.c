/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix/domain-text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "facts/guest/facts-guest.h"
#include "facts/guest/xml.h"
#include "test.h"
#include "util/macro.h"

/* Both ways in which a domain is parsed come to the same. */
static void assert_parses(const char *xml, int expected)
{
        struct domain_text t;
        xmlDocPtr doc;
        int r = xml_parse(xml, strlen(xml), GUEST_XML_MAX, &doc);

        assert_int_equal(r, expected);
        if (r >= 0)
                xmlFreeDoc(doc);
        r = domain_text_parse(&t, xml, strlen(xml));
        assert_int_equal(r, expected);
        if (r >= 0)
                domain_text_done(&t);
}

/* "<domain>", `open` n times with its number for each %u, `inner`, `close` n times, "</domain>" */
static char *new_domain(const char *open, unsigned n, const char *inner, const char *close)
{
        char *xml = NULL;
        size_t size;
        FILE *f = open_memstream(&xml, &size);

        assert_non_null(f);
        fputs("<domain>", f);
        for (unsigned i = 0; i < n; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                fprintf(f, open, i);
#pragma GCC diagnostic pop
        }
        fputs(inner, f);
        for (unsigned i = 0; i < n; i++)
                fputs(close, f);
        fputs("</domain>", f);
        assert_int_equal(fclose(f), 0);
        return xml;
}

/* What libxml2 takes more than linear time for ends at a number that no domain comes near. */
static void test_bounds(void **state)
{
        static const struct {
                const char *open;
                unsigned max;
                const char *inner, *close;
        } cases[] = {
                /* the levels, of which the domain is one */
                { "<a>", 127, "", "</a>" },
                /* namespaces in each other, by prefix and without */
                { "<a xmlns:p%u='u'>", 64, "<p0:b/>", "</a>" },
                { "<a xmlns='u%u'>", 64, "<b/>", "</a>" },
                /* different names */
                { "<n%u/>", 9900, "", "" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *xml = new_domain(cases[i].open, cases[i].max, cases[i].inner,
                                                      cases[i].close),
                                    *over = new_domain(cases[i].open, cases[i].max + (i == 3 ? 200 : 1),
                                                       cases[i].inner, cases[i].close);

                assert_parses(xml, 0);
                assert_parses(over, -EBADMSG);
        }
}

/* In one element, also where all of them declare namespaces. */
static void test_attributes(void **state)
{
        (void) state;
        for (unsigned n = 250; n <= 251; n++) {
                _cleanup_free_ char *attributes = NULL, *xml = NULL;
                size_t size;
                FILE *f = open_memstream(&attributes, &size);

                fputs("<a", f);
                for (unsigned i = 0; i < n; i++)
                        fprintf(f, " a%u='>'", i);
                fputs("/>", f);
                assert_int_equal(fclose(f), 0);
                xml = new_domain("", 0, attributes, "");
                assert_parses(xml, n > 250 ? -EBADMSG : 0);
        }
}

/* Namespaces side by side do not add up. */
static void test_siblings(void **state)
{
        _cleanup_free_ char *xml = new_domain("<a xmlns:p%u='u' xmlns='v'/>", 1000, "", "");

        (void) state;
        assert_parses(xml, 0);
}

/* A whole domain of the largest size, made of prefixes that are looked up among 64,000 namespaces. It took
 * two minutes. */
static void test_namespaces(void **state)
{
        static const char element[] = "<p0:a/>";
        _cleanup_free_ char *inner = malloc(GUEST_XML_MAX), *xml = NULL;
        _cleanup_free_ char *open = NULL;
        size_t size, n = 3U << 20;
        FILE *f = open_memstream(&open, &size);

        (void) state;
        fputs("<a", f);
        for (unsigned i = 0; i < 240; i++)
                fprintf(f, " xmlns:p%%1$u_%u='u'", i);
        fputs(" xmlns:p0='u'>", f);
        assert_int_equal(fclose(f), 0);
        for (size_t i = 0; i + strlen(element) < n; i += strlen(element))
                memcpy(inner + i, element, sizeof(element));
        xml = new_domain(open, 120, inner, "</a>");
        assert_true(strlen(xml) < GUEST_XML_MAX);
        assert_parses(xml, -EBADMSG);
}

/* What a DOCTYPE defines is not even read: 4 MiB of it took half a minute. */
static void test_doctype(void **state)
{
        char *xml = NULL;
        size_t size;
        FILE *f = open_memstream(&xml, &size);

        (void) state;
        fputs("<!DOCTYPE domain [", f);
        for (unsigned i = 0; i < 120000; i++)
                fprintf(f, "<!ATTLIST a b%u CDATA 'x'>", i);
        fputs("]><domain><a/></domain>", f);
        assert_int_equal(fclose(f), 0);
        assert_parses(xml, -EBADMSG);
        free(xml);
}

/* The parser would convert what it has read ahead for each offset that we ask it for. */
static void test_encoding(void **state)
{
        static const struct {
                const char *xml;
                int r;
        } cases[] = {
                { "<?xml version='1.0' encoding='windows-1252'?><domain/>", -EBADMSG },
                { "<?xml version='1.0' encoding = \"UTF-16\"?><domain/>", -EBADMSG },
                { "\xef\xbb\xbf<?xml version='1.0' encoding='UTF-7'?><domain/>", -EBADMSG },
                { "<?xml version='1.0' encoding = \"utf-8\" ?><domain/>", 0 },
                { "<?xml version='1.0'?><!-- encoding='ISO-8859-1' ?> --><domain/>", 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct domain_text t;
                int r = domain_text_parse(&t, cases[i].xml, strlen(cases[i].xml));

                assert_int_equal(r, cases[i].r);
                if (r >= 0)
                        domain_text_done(&t);
        }
}

/* Nothing that a domain holds gets to standard error, which is the journal: libxml2 has much to say about an
 * id that is there twice. */
static void test_silence(void **state)
{
        _cleanup_close_ int fd = memfd_create("stderr", MFD_CLOEXEC), old = dup(STDERR_FILENO);
        struct stat st;

        (void) state;
        assert_true(fd >= 0 && old >= 0);
        assert_true(dup2(fd, STDERR_FILENO) >= 0);
        assert_parses("<domain><a xml:id='i'/><a xml:id='i'/></domain>", 0);
        assert_parses("<domain><p:a q:b=''/><a xmlns:p='' xmlns:xml='u'/><a xmlns='%'/></domain>", 0);
        assert_parses("<domain>&e;<a b=''b=''></domain>", -EBADMSG);
        assert_true(dup2(old, STDERR_FILENO) >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_size, 0);
}

/* A large domain as libvirt writes it. */
static void test_large(void **state)
{
        _cleanup_free_ char *xml = NULL;
        size_t size;
        FILE *f = open_memstream(&xml, &size);

        (void) state;
        fputs("<domain type='kvm' xmlns:qemu='" QEMU_NAMESPACE "'>\n  <name>a</name>\n  <metadata>\n", f);
        for (unsigned i = 0; i < 20; i++)
                fprintf(f, "    <m%u:a xmlns:m%u='http://example.com/%u'><m%u:b/></m%u:a>\n", i, i, i, i, i);
        fputs("  </metadata>\n  <devices>\n", f);
        for (unsigned i = 0; i < 100; i++)
                fprintf(f,
                        "    <disk type='block' device='disk'>\n      <driver name='qemu' type='raw'/>\n"
                        "      <source dev='/dev/vg/disk-%u'/>\n      <target dev='sd%u' bus='virtio'/>\n"
                        "      <alias name='virtio-disk%u'/>\n      <address type='pci' domain='0x0000' "
                        "bus='0x%02x' slot='0x00' function='0x0'/>\n    </disk>\n",
                        i, i, i, i);
        for (unsigned i = 0; i < 16; i++)
                fprintf(f,
                        "    <hostdev mode='subsystem' type='pci' managed='yes'>\n      <source>\n        "
                        "<address domain='0x0000' bus='0x%02x' slot='0x00' function='0x0'/>\n      "
                        "</source>\n    </hostdev>\n",
                        i);
        fputs("  </devices>\n  <qemu:commandline>\n    <qemu:env name='A' value='b'/>\n"
              "  </qemu:commandline>\n</domain>\n",
              f);
        assert_int_equal(fclose(f), 0);
        assert_parses(xml, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bounds),   cmocka_unit_test(test_attributes),
                cmocka_unit_test(test_siblings), cmocka_unit_test(test_namespaces),
                cmocka_unit_test(test_doctype),  cmocka_unit_test(test_encoding),
                cmocka_unit_test(test_silence),  cmocka_unit_test(test_large),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
