/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record/redact.h"

#include <stdlib.h>
#include <string.h>

#include "facts/guest/facts-guest.h"
#include "test.h"
#include "util/macro.h"

static void test_which(void **state)
{
        (void) state;
        assert_int_equal(redaction_of("/proc/17/cmdline"), REDACT_ARGUMENTS);
        assert_int_equal(redaction_of("/proc/cmdline"), REDACT_KERNEL_ARGUMENTS);
        assert_int_equal(redaction_of("/etc/libvirt/qemu/a.xml"), REDACT_XML);
        assert_int_equal(redaction_of("/etc/libvirt/qemu/networks/a.xml"), REDACT_XML);
        assert_int_equal(redaction_of("/run/libvirt/qemu/a.xml"), REDACT_XML);
        assert_int_equal(redaction_of("/proc/17/comm"), REDACT_NOTHING);
        assert_int_equal(redaction_of("/etc/libvirt/qemu.conf"), REDACT_NOTHING);
}

static void check_arguments(const char *data, size_t size, const char *wanted, size_t wanted_size,
                            int left_out)
{
        _cleanup_free_ char *text = NULL, *copy = malloc(size + 1);
        size_t n;

        memcpy(copy, data, size); /* as in a record, with one NUL behind */
        copy[size] = '\0';
        assert_int_equal(redact(REDACT_ARGUMENTS, copy, size, &text, &n), left_out);
        assert_int_equal(n, wanted_size);
        assert_memory_equal(text, wanted, n);
}

static void test_arguments(void **state)
{
        static const char all[] = "qemu\0-name\0guest=a\0-vnc\0password=x\0-device\0vfio-pci,host=1:0.0";
        static const char kept[] = "qemu\0-name\0guest=a\0vfio-pci,host=1:0.0";

        (void) state;
        check_arguments(all, sizeof(all), kept, sizeof(kept), 1);
        check_arguments(all, sizeof(all) - 1, kept, sizeof(kept), 1);
        check_arguments("a b secret", 11, "a b secret", 11, 0);
        check_arguments("", 0, "", 0, 0);
        check_arguments("a\0\0\0", 4, "a\0", 2, 1);
}

static void test_kernel_arguments(void **state)
{
        _cleanup_free_ char *text = NULL;
        const char *line =
                "root=/dev/sda1 vfio-pci.ids=10de:2330 netroot=iscsi:me:pw@host  rd.key=abc intel_iommu=on "
                "quiet\n";
        size_t n;

        (void) state;
        assert_int_equal(redact(REDACT_KERNEL_ARGUMENTS, line, strlen(line), &text, &n), 1);
        assert_string_equal(
                text,
                "root=/dev/sda1 vfio-pci.ids=10de:2330 netroot=redacted rd.key=redacted intel_iommu=on "
                "quiet\n");
        assert_int_equal(n, strlen(text));
}

static const char domain[] =
        "<!-- made by hunter2 --><domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
        "<name>web</name><description>hunter2</description><metadata><x:y xmlns:x='u'>hunter2</x:y>"
        "</metadata>"
        "<memory unit='GiB'>4</memory><os><type arch='x86_64' machine='q35'>hvm</type>"
        "<cmdline>pw=hunter2</cmdline></os>"
        "<sysinfo><oemStrings><entry>hunter2</entry></oemStrings></sysinfo>"
        "<devices><emulator>/usr/bin/kvm</emulator>"
        "<graphics type='vnc' passwd='hunter2' passwdValidTo='hunter2'/>"
        "<disk><source><auth username='hunter2'><secret usage='hunter2'/></auth><cookies>"
        "<cookie name='a'>hunter2</cookie>"
        "</cookies></source></disk>"
        "<hostdev mode='subsystem' type='pci' managed='yes'><source>"
        "<address domain='0' bus='0x41' slot='0' function='0'/>"
        "</source></hostdev></devices>"
        "<qemu:commandline><qemu:arg value='-object'/><qemu:arg value='secret,id=a,data=hunter2'/>"
        "<qemu:arg value='-device'/><qemu:arg value='vfio-pci,host=0000:42:00.0'/>"
        "<qemu:arg value='-fw_cfg'/><qemu:arg value='name=opt/ovmf/X-PciMmio64Mb,string=65536'/>"
        "<qemu:env name='PW' value='hunter2'/><qemu:env name='LD_PRELOAD' value='/lib/a.so'/>"
        "</qemu:commandline></domain>";

static void test_xml(void **state)
{
        _cleanup_free_ char *text = NULL;
        struct guest before, after;
        size_t n;

        (void) state;
        assert_int_equal(redact(REDACT_XML, domain, strlen(domain), &text, &n), 1);
        assert_int_equal(n, strlen(text));
        assert_null(strstr(text, "hunter2"));

        /* and nothing that counts is lost */
        assert_ok(guest_parse(&before, domain, strlen(domain)));
        assert_ok(guest_parse(&after, text, n));
        assert_string_equal(after.name, "web");
        assert_int_equal(after.memory, before.memory);
        assert_int_equal(after.efi_window, before.efi_window);
        assert_true(after.efi_window > 0);
        assert_string_equal(after.emulator, before.emulator);
        assert_string_equal(after.preload, before.preload);
        assert_int_equal(before.n_hostdevs, 2);
        assert_int_equal(after.n_hostdevs, 2);
        for (size_t i = 0; i < 2; i++)
                assert_string_equal(after.hostdevs[i].bdf, before.hostdevs[i].bdf);
        guest_done(&before);
        guest_done(&after);
}

static void test_no_xml(void **state)
{
        _cleanup_free_ char *text = NULL;
        struct guest g;
        size_t n;

        (void) state;
        assert_int_equal(redact(REDACT_XML, "hunter2", 7, &text, &n), 1);
        assert_null(strstr(text, "hunter2"));
        assert_int_equal(guest_parse(&g, text, n), -EBADMSG);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_which),
                cmocka_unit_test(test_arguments),
                cmocka_unit_test(test_kernel_arguments),
                cmocka_unit_test(test_xml),
                cmocka_unit_test(test_no_xml),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
