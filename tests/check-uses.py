#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Uses of a function that no mount, link or open file of its own shows: each test makes up a host where something sits on one
in a way that is reported of real hosts.

check-uses.py CTL"""

import json
import os
import sys
import unittest

from state_host import OnHost

from make import MEM32, MIB, SWAPS

OnHost.ctl_program = os.path.abspath(sys.argv[1])
del sys.argv[1]

DEVICES = "sys/devices/pci0000:00"
VIRTIO = {"mem": "1af4:1058", "fs": "1af4:105a", "9p": "1af4:1009", "console": "1af4:1003"}
MDEV = "c2177883-f1bb-47f0-914d-32a22e3a8804"


class Uses(OnHost):
    def function(self, slot, class_, driver, ids="8086:1234", **more):
        """The function SLOT:00.0, in a group of that number."""
        address = f"0000:{slot:02x}:00.0"
        self.host.pci(address, ids, class_, driver, group=slot, bars={0: (0xf0000000 + slot * MIB, MIB, MEM32)}, **more)
        return address

    def virtio(self, slot, kind, number, id_):
        address = self.function(slot, 0xff0000, "virtio-pci", VIRTIO[kind])
        self.host.link(f"sys/bus/virtio/devices/virtio{number}", f"../../../devices/pci0000:00/{address}/virtio{number}")
        self.host.write(f"{DEVICES}/{address}/virtio{number}/device", f"0x{id_:04x}")
        return address

    def nvme(self, slot, name, number, parts=0):
        address = self.function(slot, 0x010802, "nvme")
        self.host.disk(name, address, number, parts)
        return address

    def process(self, pid, name, *nodes):
        """A process that has nodes open."""
        self.host.write(f"proc/{pid}/comm", name)
        self.host.write(f"proc/{pid}/cmdline", f"/usr/bin/{name}\0-name\0guest={name}\0".encode())
        self.host.answer("open-device-nodes", " ".join(["all", *(f"{pid}:{node}" for node in nodes)]))

    def uses(self):
        found = json.loads(self.ctl("devices", "--json"))["devices"]
        return {d["address"]: [(use["kind"], use["what"]) for use in d["uses"]] for d in found if d["uses"]}

    def test_virtio_memory(self):
        """The memory that a virtio-mem device has plugged in."""
        address = self.virtio(6, "mem", 3, 24)
        self.host.write("proc/iomem", "140000000-23fffffff : virtio3\n  140000000-1ffffffff : System RAM (virtio_mem)")
        self.assertEqual(self.uses(), {address: [("memory", "System RAM (virtio-mem)")]})

    def test_virtio_files(self):
        """File systems of the hypervisor, whose sources are tags."""
        home, other, root = self.virtio(6, "fs", 3, 26), self.virtio(7, "fs", 4, 26), self.virtio(8, "9p", 5, 9)
        self.host.mounts("29 1 0:26 / / rw - 9p host rw,access=client,trans=virtio", "30 29 0:31 / /home rw - virtiofs home rw")
        self.host.write(f"{DEVICES}/{root}/virtio5/mount_tag", b"host\0")
        # Before 6.9 the kernel does not list its tags.
        self.assertEqual(self.uses(), {home: [("mount", "/home")], other: [("mount", "/home")], root: [("mount", "/")]})
        for number, (tag, address) in enumerate([("spare", other), ("home", home)]):
            self.host.write(f"sys/fs/virtiofs/{number}/tag", tag)
            self.host.link(f"sys/fs/virtiofs/{number}/device", f"../../../devices/pci0000:00/{address}/virtio3")
        self.assertEqual(self.uses(), {home: [("mount", "/home")], root: [("mount", "/")]})
        # 9p through a network has no device.
        self.host.mounts("29 1 0:26 / / rw - 9p host rw,trans=tcp")
        self.assertEqual(self.uses(), {})

    def test_virtio_console(self):
        address = self.virtio(5, "console", 2, 3)
        self.host.write("sys/class/tty/console/active", "ttyS0 hvc0")
        self.host.link("sys/class/tty/hvc0", "../../devices/virtual/tty/hvc0")
        self.assertEqual(self.uses(), {address: [("console", "hvc0 (console)")]})
        self.host.write("sys/class/tty/console/active", "ttyS0")
        self.assertEqual(self.uses(), {})

    def test_fibre_channel(self):
        """NVMe behind Fibre Channel: the controllers are virtual devices, one of them below a multipath head."""
        first, second = self.function(6, 0x0c0400, "lpfc"), self.function(7, 0x0c0400, "lpfc")
        h, subsystem = self.host, "sys/devices/virtual/nvme-subsystem/nvme-subsys0"
        for n, address in enumerate((first, second)):
            h.link(f"sys/class/fc_host/host{n}", f"../../devices/pci0000:00/{address}/host{n}/fc_host/host{n}")
            h.write(f"{DEVICES}/{address}/host{n}/fc_host/host{n}/port_name", f"0x10000090fa94226{n}")
            ctl = f"devices/virtual/nvme-fabrics/ctl/nvme{n}"
            h.write(f"sys/{ctl}/address", "traddr=nn-0x5006016047e0:pn-0x5006016147e0,"
                                          f"host_traddr=nn-0x20000090fa94226{n}:pn-0x10000090fa94226{n},")
            h.link(f"sys/class/nvme/nvme{n}", f"../../{ctl}")
        h.write("sys/devices/virtual/nvme-fabrics/ctl/nvme0/nvme0n1/dev", "259:5")
        h.link("sys/class/block/nvme0n1", "../../devices/virtual/nvme-fabrics/ctl/nvme0/nvme0n1")
        h.mounts("29 1 259:5 / / rw - ext4 /dev/nvme0n1 rw")
        self.assertEqual(self.uses(), {first: [("mount", "/")]})
        h.write(f"{subsystem}/nvme1n1/dev", "259:6")
        h.link("sys/class/block/nvme1n1", "../../devices/virtual/nvme-subsystem/nvme-subsys0/nvme1n1")
        h.link("sys/class/nvme-subsystem/nvme-subsys0", "../../devices/virtual/nvme-subsystem/nvme-subsys0")
        h.link(f"{subsystem}/nvme1", "../../nvme-fabrics/ctl/nvme1")
        h.mounts("29 1 259:6 / / rw - ext4 /dev/nvme1n1 rw")
        self.assertEqual(self.uses(), {second: [("mount", "/")]})

    def test_living_file_systems(self):
        """They were unmounted lazily, and somebody still has files of theirs."""
        address = self.nvme(6, "nvme0n1", 1, parts=3)
        self.host.mounts("29 1 259:4 / / rw - ext4 /dev/nvme0n1p3 rw")
        for path in "ext4/nvme0n1p1", "xfs/nvme0n1p2", "ext4/nvme0n1p3", "ext4/features":
            self.host.write(f"sys/fs/{path}/.keep", "")
        self.assertEqual(self.uses(), {address: [("mount", "/"), ("mount", "a file system (ext4)"), ("mount", "a file system (xfs)")]})

    def test_journal(self):
        """The journal of an ext4 is on another disk, which no mount names."""
        address, journal = self.nvme(5, "nvme0n1", 1), self.nvme(6, "nvme1n1", 8)
        self.host.mounts("29 1 259:1 / / rw - ext4 /dev/nvme0n1 rw")
        self.host.write("proc/fs/jbd2/nvme1n1/info", "")
        self.assertEqual(self.uses(), {address: [("mount", "/")], journal: [("mount", "the journal of a file system")]})
        (self.host.root / "proc/fs/jbd2/nvme1n1").rename(self.host.root / "proc/fs/jbd2/nvme0n1-8")
        self.assertEqual(self.uses(), {address: [("mount", "/")]})

    def test_swap_by_odd_path(self):
        """A node that udev has made again since, and one of another name: it is one of those with a swap area."""
        address, other = self.nvme(5, "nvme0n1", 1), self.nvme(6, "nvme1n1", 8)
        self.host.write("proc/swaps", f"{SWAPS}\n/dev/nvme0n1\\040(deleted)               partition\t8388604\t0\t-2")
        self.assertEqual(self.uses(), {address: [("swap", "nvme0n1")]})
        self.host.write("proc/swaps", f"{SWAPS}\n/run/initramfs/swap               partition\t8388604\t0\t-2")
        self.host.write("run/udev/data/b259:1", "E:ID_FS_TYPE=ext4")
        self.host.write("run/udev/data/b259:8", "E:ID_FS_TYPE=swap")
        self.assertEqual(self.uses(), {other: [("unknown", "nvme1n1 may belong to /run/initramfs/swap (swap)")]})
        self.host.write("proc/swaps", f"{SWAPS}\n/swapfile               file\t8388604\t0\t-2")
        self.assertEqual(self.uses(), {})

    def test_mediated(self):
        """A GPU is shared, and has no virtual functions; a guest has its part through a group that is not the GPU's."""
        address = self.function(2, 0x030000, "i915")
        self.host.link(f"sys/bus/mdev/devices/{MDEV}", f"../../../devices/pci0000:00/{address}/{MDEV}")
        self.host.link(f"{DEVICES}/{address}/{MDEV}/iommu_group", "../../../../kernel/iommu_groups/31")
        self.host.link("sys/dev/char/511:0", "../../devices/virtual/vfio/31")
        self.process(4242, "desk", "c:511:0")
        self.assertEqual(self.uses(), {address: [("holder", f"mediated device {MDEV}"), ("vfio", "desk (pid 4242)")]})

    def test_secure_processor(self):
        """Encrypted guests need a function that is often in one group with a USB controller."""
        address = self.function(5, 0x108000, "ccp")
        self.host.link("sys/dev/char/10:124", "../../devices/virtual/misc/sev")
        self.process(4242, "qemu", "c:10:124")
        self.assertEqual(self.uses(), {address: [("process", "qemu (pid 4242, sev)")]})

    def test_nvswitch(self):
        """NVIDIA's nodes are not in sysfs."""
        first, second = (self.function(n, 0x068000, "nvidia-nvswitch", "10de:22a3") for n in (5, 6))
        for address in first, second:
            self.host.write(f"proc/driver/nvidia-nvswitch/devices/{address}/information", "BIOS Version: N/A")
        self.host.write("proc/devices", "Character devices:\n  1 mem\n195 nvidia\n234 nvidia-nvswitch\n\nBlock devices:\n  8 sd")
        self.process(900, "nv-fabricmanage", "c:234:0", "c:234:255")
        self.assertEqual(self.uses(), {a: [("process", "nv-fabricmanage (pid 900, nvidia-nvswitch0)")] for a in (first, second)})

    def test_mapped_by_sysfs(self):
        """A program maps a BAR without any node, and the function has no driver."""
        address, other = self.function(5, 0x010802, None), self.function(6, 0x010802, None)
        self.process(900, "flashrom")
        self.host.answer("open-device-nodes", f"all 900:resource0={address} 900:resource9={other} 900:resource0=7")
        self.host.link("sys/dev/char/240:0", f"../../devices/pci0000:00/{other}/uio/uio0")
        self.assertEqual(self.uses(), {address: [("process", "flashrom (pid 900, resource0)")]})

    def test_below_others(self):
        """What carries an interface without an address of its own: each kind has a link in sysfs, or two."""
        kinds = ("ovs", "master", "ovs-system"), ("team", "upper_team0", "team0"), ("dsa", "upper_lan1", "lan1"), \
            ("macvtap", "upper_macvtap0", "macvtap0"), ("batman", "master", "bat0")
        expected = {}
        for slot, (kind, link, above) in enumerate(kinds, 16):
            address = self.function(slot, 0x020000, "igb")
            self.host.interface(kind, address, 0x1003)
            self.host.link(f"sys/bus/pci/devices/{address}/net/{kind}/{link}", f"../../../../../virtual/net/{above}")
            expected[address] = [("enslaved", f"{kind} (below {above})")]
        self.host.interface("idle", self.function(30, 0x020000, "igb"), 0x1003)
        self.assertEqual(self.uses(), expected)

    def test_netconsole(self):
        """The kernel's own messages leave through an interface without an address."""
        address = self.function(5, 0x020000, "igb")
        self.host.interface("eno2", address, 0x1003)
        self.host.write("sys/kernel/config/netconsole/one/dev_name", "eno2")
        self.host.write("sys/kernel/config/netconsole/one/enabled", "0")
        self.assertEqual(self.uses(), {})
        self.host.write("sys/kernel/config/netconsole/one/enabled", "1")
        self.assertEqual(self.uses(), {address: [("interface", "eno2 (netconsole)")]})

    def test_boot_display(self):
        """An APU's display is not VGA, so it has no boot_vga, and no driver but the firmware's framebuffer."""
        address = self.function(5, 0x038000, None, boot_display=1)
        self.assertEqual(self.uses(), {address: [("console", "boot display")]})

    def test_thunderbolt(self):
        """A dock hangs on the host controller; by itself that has its own router and services only."""
        address = self.function(13, 0x0c0340, "thunderbolt")
        below = f"../../../devices/pci0000:00/{address}/domain0/0-0"
        for name in "0-0", "0-0:1.1", "0-1.0":
            self.host.link(f"sys/bus/thunderbolt/devices/{name}", f"{below}/{name}")
        self.assertEqual(self.uses(), {})
        self.host.link("sys/bus/thunderbolt/devices/0-1", f"{below}/0-1")
        self.assertEqual(self.uses(), {address: [("holder", "Thunderbolt device 0-1")]})


if __name__ == "__main__":
    unittest.main()
