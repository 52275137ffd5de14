/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/guest/guest-scan.h"

#include <string.h>

#include "test.h"
#include "util/macro.h"

#define DOMAIN(inside) \
        "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n" \
        "  <name>g</name>\n" inside "\n</domain>\n"
#define DEVICES(inside) DOMAIN("  <devices>\n" inside "\n  </devices>")
#define NIC(inside) DEVICES("<interface type='network'>" inside "</interface>")

static bool is_pool(const char *name, size_t length, void *userdata)
{
        const char *pool = userdata;

        return length == strlen(pool) && memcmp(name, pool, length) == 0;
}

static bool has(const char *xml)
{
        return guest_scan_has_vfio(xml, strlen(xml), is_pool, (void *) "pool");
}

static void test_devices(void **state)
{
        static const char *const with[] = {
                DEVICES("<hostdev mode='subsystem' type='pci' managed='yes'><source/></hostdev>"),
                DEVICES("<hostdev\n\ttype = \"pci\"/>"),
                DEVICES("<hostdev type='mdev' model='vfio-pci'/>"),
                DEVICES("<hostdev/>"), /* of a kind that nobody has thought of */
                DEVICES("<hostdev type='other'/>"),
                DEVICES("<interface type='hostdev'/>"),
                DEVICES("<interface type='bridge'><driver name='vfio'/></interface>"),
                DEVICES("<disk type='nvme'/>"),
                DEVICES("<disk type='file'><backingStore type='nvme'/></disk>"),
                NIC("<source network='pool'/>"),
                NIC("<source network='nat'/><actual type='hostdev'/>"),
                NIC(""),
                DOMAIN("<qemu:commandline><qemu:arg value='-device'/><qemu:arg value='vfio-pci,host=1:0.0'/>"
                       "</qemu:commandline>"),
                DOMAIN("<q:commandline><q:arg value='{&quot;driver&quot;:&quot;vfio-pci&quot;}'/>"
                       "</q:commandline>"),
                DOMAIN("<q:commandline><q:arg value='&#118;fio-pci'/></q:commandline>"),
                DEVICES("<hostdev type='&#112;ci'/>"),
                DOMAIN("<metadata/><devices><hostdev type='pci'/></devices>"),
                DOMAIN("<title>a</title><description>&lt;b&gt;</description><metadata><a:b xmlns:a='urn:a'>"
                       "<metadata>1</metadata></a:b></metadata><devices><hostdev type='pci'/></devices>"),
                /* a description of something else is not the guest's */
                DEVICES("<description><hostdev type='pci'/></description>"),
        };
        static const char *const without[] = {
                DOMAIN(""),
                "<domain/>",
                "<?xml version='1.0'?>\n<!-- vfio <hostdev type='pci'/> -->\n<domain></domain>",
                DEVICES("<hostdev mode='subsystem' type='usb'><source/></hostdev>"),
                DEVICES("<hostdev mode='subsystem' type='scsi'><source/></hostdev>"),
                DEVICES("<hostdev mode='subsystem' type='scsi_host'/>"),
                DEVICES("<hostdev mode='capabilities' type='storage'/>"),
                DEVICES("<interface type='bridge'><source bridge='vfio'/></interface>"),
                DEVICES("<disk type='block'><driver name='qemu'/><source dev='/dev/nvme0n1'/></disk>"),
                DEVICES("<disk type='file'><source file='/vm/vfio &gt; &apos;pci&apos;.img'/></disk>"),
                DEVICES("<emulator>/opt/vfio/qemu</emulator>"),
                NIC("<source network='nat'/>"),
                NIC("<source network='nat'/><driver name='vhost'/>"),
                NIC("<source network='pool'/><actual type='bridge'/>"),
                DOMAIN("<title>hostdev type='pci'</title><description>needs vfio-pci</description>"),
                DOMAIN("<metadata><a:b xmlns:a='urn:a'><hostdev type='pci'/></a:b></metadata>"),
                DEVICES("<!-- <hostdev type='pci'/> -->"),
                DOMAIN("<a><![CDATA[<hostdev type='pci'/>]]></a>"),
                DOMAIN("<qemu:commandline><qemu:env name='LD_PRELOAD' value='libvfioalign-preload.so'/>"
                       "<qemu:arg value='-cpu'/></qemu:commandline>"),
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(with); i++)
                if (!has(with[i]))
                        fail_msg("%s", with[i]);
        for (size_t i = 0; i < ELEMENTSOF(without); i++)
                if (has(without[i]))
                        fail_msg("%s", without[i]);
}

/* Whatever is not plainly a domain may have a device. */
static void test_doubt(void **state)
{
        static const char *const texts[] = {
                "",
                "junk",
                "<",
                "<domain",
                "<domain>",
                "<domain></dom>",
                "</domain>",
                "<network/>",
                "<!DOCTYPE domain><domain/>",
                "<domain><!-- </domain>",
                "<domain><a b=c/></domain>",
                "<domain><a b='c</domain>",
                "<domain><a b='<'/></domain>",
                "<domain><a></domain></a>",
                "<domain><![CDATA[</domain>",
                "<domain><? </domain>",
                DEVICES("<interface type='network'><interface type='network'/></interface>"),
        };
        static const char whole[] = DEVICES("<hostdev type='usb'/>");
        char deep[8 * 100 + 1] = "";

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (!has(texts[i]))
                        fail_msg("%s", texts[i]);
        assert_false(has(whole));
        for (size_t n = 0; n < strlen(whole) - 2; n++)
                assert_true(guest_scan_has_vfio(whole, n, is_pool, (void *) "pool"));
        assert_true(guest_scan_has_vfio("<domain>\0</domain>", 18, is_pool, (void *) "pool"));
        for (int i = 0; i < 100; i++)
                strcat(deep, "<domain>");
        assert_true(has(deep));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_devices),
                cmocka_unit_test(test_doubt),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
