# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hosts in states that are reported of real ones, made up as tests/hosts/make.py does, and what vfioalignctl says of them."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent / "hosts"))
import make  # noqa: E402
from make import domain, hostdev  # noqa: E402

UUID = "5b0c7a3e-3d0f-4d55-9a55-6f2f0a6c1e01"


class Host(make.Host):
    """A host with huge entries for VFIO, on which each program aligns by itself."""

    def __init__(self, home, release="6.12.48"):
        make.HERE = Path(home)
        super().__init__("host", release)
        self.thp("always")
        self.btf(tva_type=False, addr_mask=40)
        self.probe("yes", "no")
        self.modules(make.vfio_dep(), [make.ANY_ALIAS])
        self.loaded("vfio", "vfio_pci", "vfio_pci_core", "kvm", "kvm_intel")
        self.open_for_modules()
        self.write("proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/sda2 ro intel_iommu=on iommu=pt")
        self.write("proc/cpuinfo", make.XEON.format(46))
        self.interrupts("   0:         36  IR-IO-APIC    2-edge      timer")
        self.intel_iommu(1, 0x8d2078c106f0466, 0xf020df)
        self.write("proc/swaps", make.SWAPS)
        self.loopback()
        self.write("sys/class/tty/console/active", "tty0")
        self.answer("open-device-nodes", "all")
        self.mounts("29 1 0:26 / / rw,relatime shared:1 - tmpfs tmpfs rw")
        self.write("sys/class/block/.keep", "")
        self.emulator("/usr/bin/qemu-system-x86_64", "per-area elf 1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f70819203 ")

    def guest(self, name, *addresses):
        self.write(f"etc/libvirt/qemu/{name}.xml", domain(name, UUID, 16, "\n".join(map(hostdev, addresses))))


class OnHost(unittest.TestCase):
    ctl_program = None
    maxDiff = None

    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="vfioalign-states-")
        self.addCleanup(self.dir.cleanup)
        self.host = Host(self.dir.name)

    def ctl(self, verb, *args):
        self.host.done()
        run = subprocess.run([self.ctl_program, verb, "--root", str(self.host.root), *args], capture_output=True, text=True)
        self.assertEqual((run.returncode, run.stderr), (0, ""), (verb, args))
        return run.stdout

    def words(self, verb, *args):
        """Without the line breaks of paragraphs."""
        return " ".join(self.ctl(verb, *args).split())

    def findings(self, *ids):
        return [f for f in json.loads(self.ctl("audit", "--json"))["findings"] if f["id"] in ids]

    def devices(self):
        return {d["address"]: d for d in json.loads(self.ctl("audit", "--json"))["devices"]}
