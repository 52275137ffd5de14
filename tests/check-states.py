#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is said of hosts in states that are reported of real ones: each test makes such a host up, as tests/hosts/make.py does,
and asks for the sentences that matter.

check-states.py CTL"""

import json
import os
import sys
import unittest

from state_host import UUID, Host, OnHost

import make
from make import GIB, KIB, MEM32, MEM64, MEM64_PREFETCH, MIB, NVME, domain, hostdev

OnHost.ctl_program = os.path.abspath(sys.argv[1])
del sys.argv[1]


class States(OnHost):
    def test_override_left(self):
        """A script has unbound the driver, and VFIO's did not come."""
        for address, driver in ("0000:04:00.0", None), ("0000:05:00.0", "nvme"), ("0000:06:00.0", "vfio-pci"):
            self.host.pci(address, NVME, 0x010802, driver, group=int(address[5:7]), driver_override="vfio-pci",
                          bars={0: (0xf6200000, 16 * KIB, MEM64)})
        self.assertIn("bound to no driver, in IOMMU group 4. Its driver_override is vfio-pci, so no other driver takes it.",
                      self.words("explain", "04:00.0"))
        self.assertIn("Its driver_override is vfio-pci, so no other driver takes it once it loses its own.",
                      self.words("explain", "05:00.0"))
        self.assertNotIn("driver_override", self.words("explain", "06:00.0"))

    def test_vendor_vfio(self):
        """A vendor's driver has registered one of its virtual functions with VFIO."""
        for n in 0, 4, 5:
            self.host.pci(f"0000:41:00.{n}", "10de:26b9", 0x030200, "nvidia", group=61 + n,
                          bars={1: (0x21000000000 + n * 2 * GIB, 2 * GIB, MEM64_PREFETCH)})
        self.host.write("sys/bus/pci/devices/0000:41:00.5/vfio-dev/vfio0/dev", "511:0")
        self.host.guest("vgpu", "0000:41:00.5")
        devices = self.devices()
        self.assertEqual([devices[f"0000:41:00.{n}"]["group_viable"] for n in (0, 4, 5)], ["no", "no", "yes"])
        self.assertIsNone(devices["0000:41:00.5"]["group_culprit"])
        self.assertEqual(self.findings("group-not-viable"), [])
        self.assertNotIn("VFIO does not have its group", self.words("explain", "41:00.5"))

    def test_managed_group(self):
        """Who starts a guest binds what it is to have; what is left of its group keeps the guest from starting."""
        h = self.host
        for n, driver in enumerate(("nouveau", "snd_hda_intel", "xhci_hcd")):
            h.pci(f"0000:01:00.{n}", "10de:1e84", 0x030000, driver, group=1,
                  bars={0: (0x84080000 + n * MIB, 16 * KIB, MEM32)})
        h.guest("whole", "0000:01:00.0", "0000:01:00.1", "0000:01:00.2")
        self.assertEqual(self.findings("group-not-viable"), [])
        h.guest("whole", "0000:01:00.0", "0000:01:00.1")
        finding, = self.findings("group-not-viable")
        self.assertEqual((finding["subject"], finding["detail"]), ("0000:01:00.0", "group 1: 0000:01:00.2 is bound to xhci_hcd"))
        text = domain("whole", UUID, 16, "\n".join(hostdev(f"0000:01:00.{n}") for n in range(3)))
        h.write("etc/libvirt/qemu/whole.xml", text.replace("managed='yes'", "managed='no'"))
        finding, = self.findings("group-not-viable")
        self.assertEqual(finding["detail"], "group 1: 0000:01:00.1 is bound to snd_hda_intel")
        h.write("etc/libvirt/qemu/whole.xml", text.replace("managed='yes'", "managed='no'", 1))
        finding, = self.findings("group-not-viable")
        self.assertEqual((finding["subject"], finding["detail"]), ("0000:01:00.1", "group 1: 0000:01:00.0 is bound to nouveau"))

    def test_next_start(self):
        """A guest runs, and has been given one more device for its next start, which the host uses."""
        h = self.host
        h.pci("0000:02:00.0", "8086:1521", 0x020000, "igb", group=2, bars={0: (0x84000000, MIB, MEM32)})
        h.interface("eno1", "0000:02:00.0", 0x1003)
        h.routes("eno1", "0000140A", "0100140A")
        h.write("run/qemu-server/101.pid", "77")
        h.write("proc/77/comm", "kvm")
        h.write("etc/pve/qemu-server/101.conf", "memory: 1024\n[before]\nhostpci0: 02:00.0")
        self.assertEqual(self.findings("device-in-use"), [])
        h.write("etc/pve/qemu-server/101.conf", "memory: 1024\n[PENDING]\nhostpci0: 02:00.0")
        finding, = self.findings("device-in-use")
        self.assertEqual(finding["detail"], "it is meant for guest 101; interface: eno1 (default route)")

    def kernel_places(self):
        """What a BAR of 2 GiB gets where the kernel chooses the address, and what the audit says of that kernel."""
        report = json.loads(self.ctl("audit", "--json"))
        (now,) = [p["now"] for d in report["devices"] for b in d["bars"] for p in b["placements"] if p["by"] == "kernel"]
        kernels = [(f["id"], f["detail"]) for f in report["findings"] if f["id"].startswith(("kernel-", "module-"))]
        return now["page_size"], now["faults"], now["chance"], kernels

    def test_proposals(self):
        """Kernels with what was proposed: without root, which alone could see vfio's slot in the kernel."""
        h = self.host
        h.btf(tva_type=True, addr_mask=40)
        h.probe("no", "no")
        h.pci("0000:41:00.0", "10de:26b9", 0x030200, "vfio-pci", group=61,
              bars={1: (0x21000000000, 2 * GIB, MEM64_PREFETCH)})
        h.emulator("/usr/bin/qemu-system-x86_64", "none elf 1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f70819203 ")
        h.guest("vm", "0000:41:00.0")
        absent = ("module-not-installed", None)
        self.assertEqual(self.kernel_places(), (4 * KIB, 524288, True, [("kernel-unaligned", None), absent]))

        h.answer("module vfio imports thp_get_unmapped_area", "yes")
        partly = ("kernel-partly-aligned", "on purpose, by thp_get_unmapped_area()")
        self.assertEqual(self.kernel_places(), (2 * MIB, 1024, True, [partly, absent]))
        self.assertIn("2 MiB pages, 1,024 page faults, 1,024 IOMMU mapping steps, < 0.1 s of a start, because nobody aligns "
                      "the address to a larger one.",
                      self.words("explain", "vm"))

        h.answer("btf member vfio_device_ops get_mapping_order", "yes")
        self.assertEqual(self.kernel_places(), (GIB, 2, False, [("kernel-aligns", None)]))

    def test_reserved(self):
        """A framebuffer of the firmware has a part of a GPU: as root sees it, and as others do."""
        h = self.host
        h.pci("0000:c3:00.0", "1002:1586", 0x030000, "vfio-pci", group=24, boot_vga=1, driver_override="vfio-pci",
              bars={0: (0x2800000000, 32 * GIB, MEM64_PREFETCH), 5: (0xb4000000, MIB, MEM32)})
        h.guest("game", "0000:c3:00.0")
        tree = ["2800000000-37ffffffff : PCI Bus 0000:c3", "  2800000000-2fffffffff : 0000:c3:00.0",
                "    2800000000-2801fa3fff : BOOTFB", "      2800000000-2801fa3fff : simpledrm"]

        h.write("proc/iomem", "\n".join(tree))
        finding, = self.findings("bar-reserved")
        self.assertEqual((finding["subject"], finding["detail"]), ("0000:c3:00.0", "BAR 0, 32 GiB: simpledrm"))
        self.assertIn("initcall_blacklist=sysfb_init", finding["remedy"])
        self.assertIn("simpledrm has reserved a part of it", self.words("explain", "c3:00.0"))
        self.assertIn("nothing is predicted, because a part of a BAR of its device is reserved", self.words("explain", "game"))
        self.assertNotRegex(self.ctl("audit"), r"c3:00.0 +0 ")

        h.write("proc/iomem", "\n".join(tree[:2]))
        self.assertEqual(self.findings("bar-reserved", "facts-unseen"), [])
        self.assertIn("0000:c3:00.0 gets 1 GiB pages", self.words("explain", "game"))

        h.write("proc/iomem", "\n".join("0-0" + line[line.index(" : "):] for line in tree))
        finding, = self.findings("bar-reserved", "facts-unseen")
        self.assertIn("whether a framebuffer has a part of a device (without CAP_SYS_ADMIN, /proc/iomem shows no addresses)",
                      finding["detail"])
        self.assertIn("nothing is predicted, because a framebuffer may have reserved a part of its device",
                      self.words("explain", "game"))
        self.assertRegex(self.ctl("audit"), r"c3:00.0 +0 +32 GiB .* unknown unknown unknown")

    def test_unseen(self):
        """What could not be read is named."""
        h = self.host
        h.answer("all-processes-seen", "no")
        finding, = self.findings("mappings-unseen")
        self.assertEqual(finding["detail"], "some processes may not be looked into")
        for answer, text in ("1 1 systemd", "process 1 (systemd)"), ("3 412 sh d", "process 412 (sh d) and 2 more"):
            h.answer("process-denied", answer)
            finding, = self.findings("mappings-unseen")
            self.assertEqual(finding["detail"], "some processes may not be looked into: " + text)
        self.assertNotIn("could be read", self.ctl("guests"))
        h.libvirt("libvirtd", 2417, start=31)
        h.link("etc/libvirt/qemu", "qemu")
        text = self.ctl("guests")
        self.assertIn("No guest with a VFIO device, as far as can be seen.\n", text)
        self.assertIn("\nNot all guests could be read: ", text)

    def test_no_devices(self):
        """That there are none is not said where nobody could look."""
        self.assertIn("could not be listed", self.ctl("audit"))
        self.assertIn("could not be listed", self.ctl("devices"))
        self.host.write("sys/bus/pci/devices/.keep", "")
        self.assertIn("No PCI devices.", self.ctl("audit"))
        self.assertIn("No PCI devices.", self.ctl("devices"))

    def test_idle_claim(self):
        """A line of modprobe.d has no effect on what is built in, and so is not against what driverctl is to do."""
        h = self.host
        h.pci("0000:01:00.0", NVME, 0x010802, "nvme", group=1, bars={0: (0x84000000, 16 * KIB, MEM32)})
        h.write("etc/modprobe.d/vfio.conf", f"options vfio-pci ids={NVME}")
        h.write("etc/driverctl.d/pci-0000:01:00.0", "uio_pci_generic")
        claimed = "claimed by modprobe.d, in /etc/modprobe.d/vfio.conf"
        self.assertIn(claimed, self.words("explain", "01:00.0"))
        self.assertIn("driverctl, modprobe.d", self.ctl("devices", "--output", "ADDRESS,CLAIMED-BY"))
        self.assertEqual(len(self.findings("device-claimed")), 1)
        h.modules([], [make.ANY_ALIAS], [line.split(":")[0] for line in make.vfio_dep()])
        text = self.words("explain", "01:00.0")
        self.assertNotIn(claimed, text)
        self.assertIn("/etc/modprobe.d/vfio.conf names it for vfio-pci, without effect: vfio-pci is built into the kernel", text)
        self.assertNotIn("modprobe.d", self.ctl("devices", "--output", "ADDRESS,CLAIMED-BY"))
        self.assertEqual([c["in_force"] for c in self.devices()["0000:01:00.0"]["claims"]], [True, False])
        self.assertEqual(self.findings("device-claimed"), [])

    def test_claims_unseen(self):
        """A file that cannot be read may name any function; a link to itself stands for it."""
        self.host.pci("0000:01:00.0", NVME, 0x010802, "nvme", group=1, bars={0: (0x84000000, 16 * KIB, MEM32)})
        self.assertEqual(self.findings("facts-unseen"), [])
        self.host.link("etc/modprobe.d/loop.conf", "loop.conf")
        finding, = self.findings("facts-unseen")
        self.assertEqual(finding["detail"], "what other tools are to take (some configuration of other tools cannot be read)")

    def test_hook_forbidden(self):
        """SELinux of Fedora 40 and RHEL 10, as installed; and a daemon in a container."""
        h = self.host
        h.libvirt("virtqemud", 2417, start=31)
        h.write("proc/2417/attr/current", "system_u:system_r:virtqemud_t:s0")
        h.write("sys/fs/selinux/enforce", "1")
        h.write("sys/fs/selinux/booleans/virt_hooks_unconfined", "0 0")
        finding, = self.findings("hook-forbidden", "hook-missing", "hook-unseen")
        self.assertEqual((finding["id"], finding["severity"], finding["detail"], finding["remedy"]),
                         ("hook-forbidden", "warning", "SELinux is enforcing, and virt_hooks_unconfined is off",
                          "setsebool -P virt_hooks_unconfined 1 && restorecon -R /etc/libvirt/hooks"))
        h.write("sys/fs/selinux/booleans/virt_hooks_unconfined", "1 1")
        self.assertEqual(self.findings("hook-forbidden"), [])
        (h.root / "etc/libvirt/hooks/qemu.d/50-vfioalignd").unlink()
        h.answers.pop("stat etc/libvirt/hooks/qemu.d/50-vfioalignd")
        self.assertEqual([f["id"] for f in self.findings("hook-forbidden", "hook-missing")], ["hook-missing"])
        h.answer("libvirt-daemon-root", "other")
        finding, = self.findings("hook-forbidden", "hook-missing")
        self.assertIn("runs in a container", finding["detail"])
        self.assertIn("the module, which helps every guest", finding["remedy"])

    def late(self, driver, program=None, builtin=(), cmdline=""):
        """What is said of a GPU and its audio that a driver of the host had first at boot."""
        h = self.host = Host(self.dir.name)
        vfio = [line.split(":")[0] for line in make.vfio_dep()]
        h.modules([] if "vfio-pci" in builtin else make.vfio_dep(), [make.ANY_ALIAS],
                  (vfio if "vfio-pci" in builtin else []) + [f"kernel/drivers/{m}.ko" for m in builtin if m != "vfio-pci"])
        h.link("sys/bus/pci/drivers/xhci_hcd/module", "../../../../module/xhci_pci")
        h.write("proc/cmdline", f"BOOT_IMAGE=/vmlinuz ro intel_iommu=on {cmdline}")
        members = {}
        for n, (ids, before) in enumerate((("10de:2684", driver), ("10de:22ba", "snd_hda_intel"))):
            h.pci(f"0000:01:00.{n}", ids, 0x030000, "vfio-pci", "1458:40bf", group=15, driver_override="vfio-pci")
            members[f"0000:01:00.{n}"] = ids, "1458:40bf", before, "vfio-pci"
        h.record(15, members, "boot")
        if program:
            h.write(program, "")
        finding, = self.findings("bind-late")
        self.assertNotIn("update-initramfs", finding["remedy"])
        return finding["detail"]

    def test_bind_late(self):
        """What lets VFIO be first: by what is built into the kernel, and by what makes the initramfs."""
        lines = 'nouveau had it first; /etc/modprobe.d/vfioalign.conf: "softdep nouveau pre: vfio-pci", "softdep snd_hda_intel ' \
            'pre: vfio-pci", "options vfio-pci ids=10de:2684,10de:22ba"; then '
        self.assertEqual(self.late("nouveau"), lines + "rebuild the initramfs")
        self.assertEqual(self.late("nouveau", "usr/sbin/update-initramfs"), lines + "update-initramfs -u")
        self.assertEqual(self.late("nouveau", "usr/bin/dracut"), lines + "dracut -f")
        self.assertEqual(self.late("nouveau", "usr/bin/mkinitcpio"), lines + "mkinitcpio -P")
        self.assertEqual(self.late("nouveau", "usr/sbin/update-initramfs", ["vfio-pci"]),
                         "nouveau had it first; vfio-pci is built into the kernel, so modprobe.d(5) has no effect on it: boot "
                         "with vfio-pci.ids=10de:2684,10de:22ba")
        self.assertEqual(self.late("nouveau", None, ["vfio-pci"], "vfio-pci.ids=10de:2684"),
                         "nouveau had it first, although the kernel's command line names it for vfio-pci")
        # A softdep has the name of a module, which its driver need not have.
        self.assertIn('"softdep xhci_pci pre: vfio-pci"', self.late("xhci_hcd"))
        self.assertEqual(self.late("xhci_hcd", None, ["xhci-pci"]),
                         "xhci_hcd had it first, and is built into the kernel: nothing comes before it")


if __name__ == "__main__":
    unittest.main()
