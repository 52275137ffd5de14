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
        assert_int_equal(redaction_of("/proc/1/mountinfo"), REDACT_MOUNTS);
        assert_int_equal(redaction_of("/etc/pve/nodes/pve1/qemu-server/101.conf"), REDACT_PROXMOX);
        assert_int_equal(redaction_of("/etc/pve/mapping/pci.cfg"), REDACT_PROXMOX_MAPPINGS);
        assert_int_equal(redaction_of("/boot/loader/entries/0f-6.12.conf"), REDACT_BOOT_ENTRY);
        assert_int_equal(redaction_of("/boot/efi/loader/loader.conf"), REDACT_BOOT_ENTRY);
        assert_int_equal(redaction_of("/efi/loader/entries/0f-6.12.conf"), REDACT_BOOT_ENTRY);
        assert_int_equal(redaction_of("/proc/17/comm"), REDACT_NOTHING);
        assert_int_equal(redaction_of("/etc/libvirt/qemu.conf"), REDACT_NOTHING);
}

/* data: nothing behind its end, as a sanitizer sees it. */
static void check(enum redaction how, const char *data, size_t size, const char *expected, size_t n_expected)
{
        _cleanup_free_ char *text = NULL, *copy = malloc(size ?: 1);
        size_t n;

        memcpy(copy, data, size);
        assert_ok(redact(how, copy, size, &text, &n));
        assert_int_equal(n, n_expected);
        assert_memory_equal(text, expected, n);
        assert_int_equal(text[n], '\0');
}

static void test_arguments(void **state)
{
        static const char all[] =
                "/usr/bin/qemu\0-name\0guest=a,debug-threads=on\0-vnc\0password=x\0"
                "-object\0secret,id=vfio,data=hunter2\0-device\0"
                "vfio-pci,host=1:0.0,vf-token=hunter2,id=gpu\0-device\0"
                "{\"driver\":\"vfio-pci\",\"sysfsdev\":\"/sys/bus/pci/devices/0000:02:00.0\"}";
        static const char kept[] =
                "/usr/bin/qemu\0-name\0guest=a\0vfio-pci,host=1:0.0,id=gpu\0vfio-pci,host=0000:02:00.0";

        (void) state;
        check(REDACT_ARGUMENTS, all, sizeof(all), kept, sizeof(kept));
        check(REDACT_ARGUMENTS, all, sizeof(all) - 1, kept, sizeof(kept)); /* without its last NUL */
        check(REDACT_ARGUMENTS, "postgres: hunter2", 17, "postgres:", 10);
        check(REDACT_ARGUMENTS, "a", 1, "a", 2);
        check(REDACT_ARGUMENTS, "-name\0-name", 11, "-name\0-name", 12);
        check(REDACT_ARGUMENTS, "", 0, "", 0);
        check(REDACT_ARGUMENTS, "a\0\0\0", 4, "a", 2);
}

static void test_proxmox(void **state)
{
        static const char conf[] =
                "# hunter2\nagent: hunter2\n"
                "args: -device vfio-pci,host=1:0.0,vf-token=hunter2 -vnc 'hunter2 x' -fw_cfg "
                "opt/x,string=hunter2 "
                "-set device.hostpci0.x-no-mmap=on\n"
                "cipassword: hunter2\ncpu: host,hunter2=1,phys-bits=46\ndescription: hunter2\n"
                "hostpci0: 0000:41:00,romfile=hunter2,pcie=1\nhostpci1: mapping=gpu,mdev=nvidia-63\n"
                "hostpci2: hunter2=1\nhostpcihunter2: x\nipconfig0: hunter2\nmachine: q35,x=hunter2\n"
                "memory: 2048\nname: web\nnet0: hunter2\nonboot: 1\n"
                "smbios1: uuid=5b0c7a3e-3d0f-4d55-9a55-6f2f0a6c1e01,serial=hunter2\nsshkeys: hunter2\n"
                "[hunter2]\nname: hunter2\n"
                "[PENDING]\nname: other\ndelete: hunter2,!hostpci1;args\nnet0: hunter2\n"
                "[pending]\ndelete: hunter2\n[hunter2]\nname: hunter2\n";
        static const char kept[] =
                "args: '-device' 'vfio-pci,host=1:0.0' 'redacted' 'redacted' '-fw_cfg' 'redacted' '-set' "
                "'device.hostpci0.x-no-mmap=on'\n"
                "cpu: cputype=host,phys-bits=46\n"
                "hostpci0: host=0000:41:00\nhostpci1: mapping=gpu,mdev=nvidia-63\nhostpci2: other=redacted\n"
                "machine: type=q35\nmemory: current=2048\nname: web\nonboot: 1\n"
                "smbios1: uuid=5b0c7a3e-3d0f-4d55-9a55-6f2f0a6c1e01\n"
                "[PENDING]\nname: other\ndelete: hostpci1,args\n[PENDING]\n";
        static const char mappings[] = "# hunter2\ngpu\n\tdescription hunter2\n"
                                       "\tmap id=hunter2,node=pve1,path=0000:41:00.0\nhunter2 x\n";
        static const char kept_mappings[] =
                "pci: gpu\n\tmap path=0000:41:00.0,node=pve1\npci: redacted redacted\n";

        (void) state;
        check(REDACT_PROXMOX, conf, strlen(conf), kept, strlen(kept));
        check(REDACT_PROXMOX, kept, strlen(kept), kept, strlen(kept));
        check(REDACT_PROXMOX_MAPPINGS, mappings, strlen(mappings), kept_mappings, strlen(kept_mappings));
        check(REDACT_PROXMOX_MAPPINGS, kept_mappings, strlen(kept_mappings), kept_mappings,
              strlen(kept_mappings));
}

static void test_boot_entry(void **state)
{
        static const char entry[] =
                "title hunter2\nversion 6.12\n linux\t/6.12/linux\nversionhunter2\n"
                "options root=hunter2 linux version\nmachine-id hunter2\nsort-key debian",
                          kept[] = "version 6.12\n linux\t/6.12/linux\nsort-key debian\n";

        (void) state;
        check(REDACT_BOOT_ENTRY, entry, strlen(entry), kept, strlen(kept));
        check(REDACT_BOOT_ENTRY, kept, strlen(kept), kept, strlen(kept));
}

static void test_kernel_arguments(void **state)
{
        static const char line[] =
                "BOOT_IMAGE=/boot/vmlinuz root=/dev/sda1 vfio-pci.ids=10de:2330 netroot=iscsi:me:pw@host "
                "rd.key=abc intel_iommu=on,sp_off iommu.passthrough=1 amd_iommu=nohugepages iommu=pt quiet "
                "vfioalign=off panic_on_taint=1 module_blacklist=vfio_align modprobe.blacklist=nouveau "
                "transparent_hugepage=always \"vfio_pci.ids=10de:2331\" ds=nocloud;s=http://u:hunter2/ "
                "my.option=hunter2 x=\"a hunter2=b hunter2\" console=ttyS0 -- hunter2\n";
        static const char kept[] =
                "vfio-pci.ids=10de:2330 intel_iommu=on,sp_off iommu.passthrough=1 amd_iommu=nohugepages "
                "iommu=pt "
                "vfioalign=off panic_on_taint=1 module_blacklist=vfio_align modprobe.blacklist=nouveau "
                "transparent_hugepage=always \"vfio_pci.ids=10de:2331\" console=ttyS0\n";

        (void) state;
        check(REDACT_KERNEL_ARGUMENTS, line, strlen(line), kept, strlen(kept));
        check(REDACT_KERNEL_ARGUMENTS, "", 0, "\n", 1);
}

static void test_mounts(void **state)
{
        static const char mounts[] =
                "36 35 98:0 / /mnt rw,noatime master:1 - ext4 /dev/root rw,key=hunter2\n"
                "37 35 0:50 /sub /data rw - btrfs /dev/sdb rw\n"
                "38 35 0:51 / /net rw - cifs //me:hunter2@host/share rw,password=hunter2\n"
                "39 35 0:52 / /s3 rw - fuse.s3fs s3fs#hunter2 rw\n"
                "41 35 0:53 / /host rw - 9p share rw,access=client,trans=virtio,key=hunter2\n"
                "42 35 0:54 / /far rw - 9p hunter2 rw,trans=tcp,port=564\n"
                "43 35 0:55 / /home rw - virtiofs home rw,key=hunter2\n"
                "44 35 0:56 / /tank rw - zfs tank/data rw,xattr\n"
                "45 35 8:1 / /xfs rw - xfs /dev/sda1 rw,logdev=/dev/sdb1,key=hunter2\n"
                "hunter2\n40 hunter2 - a\n";
        static const char kept[] = "36 35 98:0 / /mnt rw - ext4 /dev/root rw\n"
                                   "37 35 0:50 /sub /data rw - btrfs /dev/sdb rw\n"
                                   "41 35 0:53 / /host rw - 9p share rw,trans=virtio\n"
                                   "43 35 0:55 / /home rw - virtiofs home rw\n"
                                   "44 35 0:56 / /tank rw - zfs tank/data rw\n"
                                   "45 35 8:1 / /xfs rw - xfs /dev/sda1 rw,logdev=/dev/sdb1\n";

        (void) state;
        check(REDACT_MOUNTS, mounts, strlen(mounts), kept, strlen(kept));
        check(REDACT_MOUNTS, kept, strlen(kept), kept, strlen(kept));
}

#define DOMAIN \
        "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0' xmlns:h='hunter2' " \
        "hunter2='hunter2'>" \
        "<name>web &amp; co</name><uuid>3ad2a8a2-5a4f-4f0b-9c55-0d8a3f4a7b10</uuid>" \
        "<description>hunter2</description><title>hunter2</title>" \
        "<metadata><x:y xmlns:x='u'>hunter2</x:y>" \
        "<v:policy xmlns:v='https://vfioalign.org/xmlns/policy/1' on-unaligned='refuse' min-bar-size='1G' " \
        "x='hunter2'/><policy on-unaligned='hunter2'/></metadata>" \
        "<memory unit='GiB'>4</memory><maxMemory slots='2' unit='GiB'>8</maxMemory>" \
        "<os firmware='efi'><type arch='x86_64' machine='q35'>hunter2</type>" \
        "<loader type='pflash'>/hunter2</loader><kernel>hunter2</kernel><cmdline>pw=hunter2</cmdline></os>" \
        "<cpu mode='host-passthrough'><maxphysaddr mode='passthrough' limit='46'/>" \
        "<model>hunter2</model></cpu>" \
        "<sysinfo><oemStrings><entry>hunter2</entry></oemStrings></sysinfo>" \
        "<sysinfo type='fwcfg'><entry name='opt/hunter2'>hunter2</entry>" \
        "<entry name='opt/ovmf/X-PciMmio64Mb' file='/etc/window'/></sysinfo>" \
        "<launchSecurity type='sev'><session>hunter2</session></launchSecurity>" \
        "<devices><emulator>/usr/bin/kvm</emulator>" \
        "<controller type='pci' model='pcie-root'><pcihole64 unit='KiB'>67108864</pcihole64></controller>" \
        "<graphics type='vnc' passwd='hunter2' passwdValidTo='hunter2'/>" \
        "<disk type='network'><source protocol='https' name='path?token=hunter2' query='token=hunter2'>" \
        "<host name='hunter2'/><auth username='hunter2'><secret usage='hunter2'/></auth><cookies>" \
        "<cookie name='a'>hunter2</cookie></cookies></source><alias name='ua-disk'/></disk>" \
        "<disk type='nvme'><source type='pci' managed='yes' namespace='1'>" \
        "<address domain='0' bus='0x43' slot='0' function='0'/></source></disk>" \
        "<interface type='network'><source network='pool' portgroup='hunter2'/><mac address='hunter2'/>" \
        "</interface>" \
        "<interface type='hostdev' managed='yes'><source>" \
        "<address type='pci' domain='0' bus='0x44' slot='0' function='1'/></source></interface>" \
        "<interface type='network'><source network='pool'/><actual type='hostdev' managed='yes'><source>" \
        "<address type='pci' domain='0' bus='0x44' slot='0' function='2'/></source>" \
        "<driver name='vfio'/></actual></interface>" \
        "<interface type='vhostuser'><source path='hunter2'/></interface>" \
        "<hostdev mode='subsystem' type='pci' managed='yes'>" \
        "<driver name='vfio' model='mlx5-vfio-pci'/><source>" \
        "<address domain='0' bus='0x41' slot='0' function='0'/></source><alias name='ua-gpu'/></hostdev>" \
        "<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source>" \
        "<address uuid='83b8f4f2-509f-382f-3c1e-e6bfe0fa1001'/></source></hostdev>" \
        "<hostdev mode='subsystem' type='scsi'><source protocol='iscsi' name='hunter2'>" \
        "<host name='hunter2'/><initiator><iqn name='hunter2'/></initiator></source></hostdev></devices>" \
        "<qemu:commandline><qemu:arg value='-object'/><qemu:arg value='secret,id=vfio,data=hunter2'/>" \
        "<qemu:arg value='-hunter2'/>" \
        "<qemu:arg value='-device'/><qemu:arg value='vfio-pci,host=0000:42:00.0,id=x,vf-token=hunter2'/>" \
        "<qemu:arg value='-device'/><qemu:arg value='virtio-hunter2'/>" \
        "<qemu:arg value='vfio-pci,host=0000:47:00.0'/>" \
        "<qemu:arg value='-set'/><qemu:arg value='device.x.x-no-mmap=on'/>" \
        "<qemu:arg value='-set'/><qemu:arg value='device.x.password=hunter2'/>" \
        "<qemu:arg value='-fw_cfg'/><qemu:arg value='name=opt/ovmf/X-PciMmio64Mb,string=65536'/>" \
        "<qemu:arg value='-fw_cfg'/><qemu:arg value='name=opt/hunter2,string=hunter2'/>" \
        "<qemu:env name='PW' value='hunter2'/><qemu:env name='LD_PRELOAD' value='/lib/a.so'/>" \
        "</qemu:commandline>" \
        "<qemu:override><qemu:device alias='ua-gpu'><qemu:frontend>" \
        "<qemu:property name='x-no-mmap' type='bool' value='true'/>" \
        "<qemu:property name='password' type='string' value='hunter2'/></qemu:frontend></qemu:device>" \
        "</qemu:override></domain>"

static void assert_same_text(const char *a, const char *b)
{
        if (a || b)
                assert_string_equal(a ?: "(none)", b ?: "(none)");
}

static void assert_same_guest(const struct guest *a, const struct guest *b)
{
        const char *const texts[][2] = {
                { a->name, b->name },
                { a->uuid, b->uuid },
                { a->emulator, b->emulator },
                { a->arch, b->arch },
                { a->machine, b->machine },
                { a->preload, b->preload },
                { a->on_unaligned, b->on_unaligned },
                { a->min_bar_size, b->min_bar_size },
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                assert_same_text(texts[i][0], texts[i][1]);
        assert_int_equal(a->memory, b->memory);
        assert_int_equal(a->hole64, b->hole64);
        assert_int_equal(a->efi_window, b->efi_window);
        assert_int_equal(a->efi_window_unread, b->efi_window_unread);
        assert_int_equal(a->firmware, b->firmware);
        assert_int_equal(a->phys_bits, b->phys_bits);
        assert_int_equal(a->host_phys_bits, b->host_phys_bits);
        assert_int_equal(a->n_networks, b->n_networks);
        for (size_t i = 0; i < a->n_networks; i++)
                assert_string_equal(a->networks[i], b->networks[i]);
        assert_int_equal(a->n_hostdevs, b->n_hostdevs);
        for (size_t i = 0; i < a->n_hostdevs; i++) {
                const struct hostdev *x = &a->hostdevs[i], *y = &b->hostdevs[i];

                assert_int_equal(x->kind, y->kind);
                assert_string_equal(x->bdf, y->bdf);
                assert_int_equal(x->managed, y->managed);
                assert_int_equal(x->no_mmap, y->no_mmap);
                assert_int_equal(x->iommufd, y->iommufd);
                assert_same_text(x->driver, y->driver);
                assert_same_text(x->uuid, y->uuid);
                assert_same_text(x->network, y->network);
                assert_same_text(x->parent, y->parent);
                assert_same_text(x->alias, y->alias);
        }
}

/* No secret stays, and nothing that counts is lost. */
static void test_domain(void **state)
{
        static const char xml[] = "<!-- made by hunter2 -->" DOMAIN "<!-- hunter2 -->";
        _cleanup_free_ char *text = NULL;
        struct guest before, after;
        size_t n;

        (void) state;
        assert_ok(redact(REDACT_XML, xml, strlen(xml), &text, &n));
        assert_int_equal(n, strlen(text));
        assert_null(strstr(text, "hunter2"));

        assert_ok(guest_parse(&before, xml, strlen(xml)));
        assert_ok(guest_parse(&after, text, n));
        assert_string_equal(after.name, "web & co");
        assert_int_equal(after.n_hostdevs, 6);
        assert_true(after.efi_window > 0 && after.efi_window_unread && after.hole64 > 0 &&
                    after.phys_bits == 46);
        assert_string_equal(after.on_unaligned, "refuse");
        assert_same_guest(&before, &after);
        guest_done(&before);
        guest_done(&after);
}

static void test_status(void **state)
{
        static const char xml[] =
                "<domstatus state='running' pid='4242' secret='hunter2'><monitor path='hunter2'/>" DOMAIN
                "</domstatus>";
        _cleanup_free_ char *text = NULL;
        struct guest before, after;
        pid_t pid;
        size_t n;

        (void) state;
        assert_ok(redact(REDACT_XML, xml, strlen(xml), &text, &n));
        assert_null(strstr(text, "hunter2"));
        assert_ok(guest_parse_status(&before, xml, strlen(xml), &pid));
        assert_ok(guest_parse_status(&after, text, n, &pid));
        assert_int_equal(pid, 4242);
        assert_same_guest(&before, &after);
        guest_done(&before);
        guest_done(&after);
}

static void test_network(void **state)
{
        static const char *const xmls[] = {
                "<network><name>hunter2</name><forward mode='hostdev' managed='yes'><pf dev='enp1s0'/>"
                "<driver name='vfio' model='x'/>"
                "<address type='pci' domain='0x0000' bus='0x5e' slot='0x02' function='0x1' x='hunter2'/>"
                "</forward><portgroup name='hunter2'/></network>",
                "<networkstatus><class_id bitmap='hunter2'/><network><forward mode='hostdev' managed='yes'>"
                "<pf dev='enp1s0'/><driver name='vfio' model='x'/><interface dev='hunter2'/>"
                "<address type='pci' domain='0x0000' bus='0x5e' slot='0x02' function='0x1'/></forward>"
                "</network>"
                "</networkstatus>",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(xmls); i++) {
                _cleanup_free_ char *text = NULL;
                size_t n;

                assert_ok(redact(REDACT_XML, xmls[i], strlen(xmls[i]), &text, &n));
                assert_null(strstr(text, "hunter2"));
                assert_non_null(strstr(text, "<forward mode=\"hostdev\" managed=\"yes\">"));
                assert_non_null(strstr(text, "<pf dev=\"enp1s0\"/>"));
                assert_non_null(strstr(text, "<driver name=\"vfio\" model=\"x\"/>"));
                assert_non_null(strstr(text, "<address type=\"pci\" domain=\"0x0000\" bus=\"0x5e\" "
                                             "slot=\"0x02\" function=\"0x1\"/>"));
        }
}

/* Other XML is as little as a domain as it was. */
static void test_other_xml(void **state)
{
        static const char xml[] = "<hunter2 pid='hunter2'>hunter2<domain><name>hunter2</name></domain>"
                                  "</hunter2>";
        _cleanup_free_ char *text = NULL;
        struct guest g;
        size_t n;

        (void) state;
        assert_ok(redact(REDACT_XML, xml, strlen(xml), &text, &n));
        assert_null(strstr(text, "hunter2"));
        assert_int_equal(guest_parse(&g, text, n), -EBADMSG);
}

static void test_no_xml(void **state)
{
        _cleanup_free_ char *text = NULL;
        struct guest g;
        size_t n;

        (void) state;
        assert_ok(redact(REDACT_XML, "hunter2", 7, &text, &n));
        assert_null(strstr(text, "hunter2"));
        assert_int_equal(guest_parse(&g, text, n), -EBADMSG);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_which),
                cmocka_unit_test(test_arguments),
                cmocka_unit_test(test_kernel_arguments),
                cmocka_unit_test(test_proxmox),
                cmocka_unit_test(test_boot_entry),
                cmocka_unit_test(test_mounts),
                cmocka_unit_test(test_domain),
                cmocka_unit_test(test_status),
                cmocka_unit_test(test_network),
                cmocka_unit_test(test_other_xml),
                cmocka_unit_test(test_no_xml),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
