#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is said before a kernel upgrade, of a module that Secure Boot does not know, and of one of another version.

check-upgrade.py CTL"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from state_host import Host, OnHost

import make
from make import GIB, MEM64_PREFETCH

TESTS = Path(__file__).resolve().parent
OnHost.ctl_program = os.path.abspath(sys.argv[1])
del sys.argv[1]

NOW, NEXT = "6.12.48+deb13-amd64", "6.12.57+deb13-amd64"
DKMS = "var/lib/dkms/vfio-align"
MODULE = "updates/dkms/vfio_align.ko: kernel/drivers/vfio/vfio.ko"
CONFIG = "CONFIG_ARCH_SUPPORTS_HUGE_PFNMAP=y\nCONFIG_KPROBES=y\nCONFIG_KALLSYMS_ALL=y\nCONFIG_VFIO=m"
KEY = "7A:11:00:22:33:44:55:66:77:88"
CERTIFICATE = b"\x30\x82\x02\x10\x02\x0a\x7a\x11\x00\x22\x33\x44\x55\x66\x77\x88 and more"
SHIM = "-605dab50-e046-4300-abb6-3dd810dd8b23"
SIGNATURE = ("PKCS#7", "DKMS module signing key", KEY)


class Upgrade(OnHost):
    def setUp(self):
        """A host whose guest needs the module, which works; another kernel is installed beside the running one."""
        super().setUp()
        h = self.host = Host(self.dir.name, NOW)
        h.probe("no", "no")
        h.emulator("/usr/bin/qemu-system-x86_64", "none elf 1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f70819203 ")
        h.pci("0000:41:00.0", "10de:26b9", 0x030200, "vfio-pci", group=61,
              bars={1: (0x21000000000, 2 * GIB, MEM64_PREFETCH)})
        h.guest("vm", "0000:41:00.0")
        self.kernel(NOW, MODULE)
        h.align_module("updates/dkms/vfio_align.ko")
        h.write(f"{DKMS}/0.1.0/source/dkms.conf", "")
        h.write("usr/bin/apt-get", "")
        h.write("boot/grub/grub.cfg", "")
        h.parameters("vfio_align", enabled="Y", slot="ours", hits=0, aligned=0)

    def kernel(self, release, *modules, config=CONFIG):
        h = self.host
        h.write(f"boot/vmlinuz-{release}", "")
        h.write(f"boot/config-{release}", config)
        h.write(f"lib/modules/{release}/modules.dep", "\n".join(make.vfio_dep(*modules)))
        h.write(f"lib/modules/{release}/modules.builtin", "")

    def next(self):
        """The one finding, as severity, detail and remedy."""
        found = self.findings("next-kernel-no-module")
        return [(f["severity"], f["detail"], f["remedy"]) for f in found]

    def assert_same_when_recorded(self):
        """A record of what was made up says the same."""
        before = self.ctl("audit", "--json")
        with tempfile.TemporaryDirectory(prefix="vfioalign-upgrade-") as home:
            archive = Path(home) / "host.tar"
            run = subprocess.run([self.ctl_program, "dump", "--root", str(self.host.root), str(archive)],
                                 capture_output=True, text=True)
            self.assertEqual(run.returncode, 0, run.stderr)
            again = subprocess.run([self.ctl_program, "audit", "--json", "--root", str(archive)],
                                   capture_output=True, text=True)
            data = archive.read_bytes()
        self.assertEqual((again.stderr, again.stdout), ("", before))
        self.assertNotIn(b"hunter2", data)

    def test_no_headers(self):
        self.assertEqual(self.next(), [])  # no other kernel
        self.kernel(NEXT)
        self.assertEqual(self.next(), [("warning", f"{NEXT} boots next (GRUB: the newest one), and its headers are not "
                                        "installed", f"apt install linux-headers-{NEXT} && dkms autoinstall -k {NEXT}")])
        self.host.write("etc/default/grub", "GRUB_DEFAULT=saved\nGRUB_CMDLINE_LINUX=hunter2")
        self.host.write("boot/grub/grubenv", "saved_entry=other\nkernelopts=hunter2")
        self.assertEqual([n[:2] for n in self.next()],
                         [("notice", f"{NEXT} is the newest kernel, and its headers are not installed; which one boots next is "
                           "unknown (GRUB's choice names no kernel that is installed)")])
        self.assert_same_when_recorded()
        self.host.write("boot/grub/grubenv", f"saved_entry=gnulinux-{NOW}-advanced-0f")
        self.assertEqual(self.next(), [])
        os.rename(self.host.root / "usr/bin/apt-get", self.host.root / "usr/bin/dnf")
        self.host.write("boot/grub/grubenv", "saved_entry=0")
        self.assertEqual([n[2] for n in self.next()],
                         [f"dnf install kernel-devel-{NEXT} && dkms autoinstall -k {NEXT}"])

    def test_not_built(self):
        self.kernel(NEXT)
        self.host.write(f"lib/modules/{NEXT}/build/Makefile", "")
        self.assertEqual([n[1:] for n in self.next()],
                         [(f"{NEXT} boots next (GRUB: the newest one), and DKMS has not built the module for it",
                           f"dkms autoinstall -k {NEXT}")])
        log = f"{DKMS}/0.1.0/build/make.log"
        self.host.write(log, f"DKMS make.log for vfio-align-0.1.0 for kernel {NOW} (x86_64)\nx.c:1: error: old")
        self.assertIn("has not built", self.next()[0][1])
        self.host.write(log, f"DKMS (dkms-3.2.2) make.log for vfio-align/0.1.0 for kernel {NEXT} (x86_64)\nhunter2\n"
                             "x.c:1:1: error: no member get_unmapped_area\nmake[1]: *** [Makefile:1] Error 2")
        self.assertEqual([n[1:] for n in self.next()],
                         [(f"{NEXT} boots next (GRUB: the newest one), and DKMS could not build the module: "
                           "x.c:1:1: error: no member get_unmapped_area",
                           f"Correct what /{log} says, then: dkms autoinstall -k {NEXT}")])
        self.assert_same_when_recorded()
        self.kernel(NEXT, MODULE)
        self.assertEqual(self.next(), [])

    def test_not_needed(self):
        """Where that kernel has nothing for the module to do, or nobody here needs it, or it is not used here."""
        self.kernel(NEXT, config=CONFIG.replace("CONFIG_ARCH_SUPPORTS_HUGE_PFNMAP=y", "# no CONFIG_ARCH_SUPPORTS_HUGE_PFNMAP=y"))
        self.assertEqual(self.next(), [])
        text = (TESTS.parent / "dkms/dkms.conf").read_text()
        options = re.search('BUILD_EXCLUSIVE_CONFIG="(.*)"', text)[1].split()
        self.assertIn("CONFIG_KPROBES", options)
        for option in options:
            self.kernel(NEXT, config=re.sub(f"^{option}=.", f"# {option} is not set", CONFIG, flags=re.M))
            if option == "CONFIG_ARCH_SUPPORTS_HUGE_PFNMAP":
                self.assertEqual(self.next(), [])
            else:
                self.assertIn("it was built without what the module needs", self.next()[0][1], option)
        self.kernel(NEXT, config="")  # nothing is known of it
        self.assertIn("its headers are not installed", self.next()[0][1])
        self.kernel(NEXT)
        self.assertEqual(len(self.next()), 1)
        self.host.emulator("/usr/bin/qemu-system-x86_64", "per-area elf 1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f70819203 ")
        self.assertEqual(self.next(), [])
        self.host.answer("btf member vfio_device_ops get_mapping_order", "yes")
        self.host.emulator("/usr/bin/qemu-system-x86_64", "none elf 1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f70819203 ")
        self.assertEqual(self.next(), [])

    def unload(self):
        shutil.rmtree(self.host.root / "sys/module/vfio_align")

    def test_not_used(self):
        """Where nobody has installed it, no kernel lacks it."""
        h = self.host
        self.kernel(NEXT)
        self.assertEqual(len(self.next()), 1)
        self.unload()
        shutil.rmtree(h.root / DKMS)
        (h.root / f"lib/modules/{NOW}/updates/dkms/vfio_align.ko").unlink()
        self.kernel(NOW)
        h.answers = {question: answer for question, answer in h.answers.items() if not question.startswith("module vfio_align")}
        self.assertEqual(self.next(), [])

    def secure(self, keys="", signature=SIGNATURE):
        """Secure Boot, by which the kernel loads signed modules only."""
        h = self.host
        h.open_for_modules(secure_boot=True)
        h.write("sys/kernel/security/lockdown", "none [integrity] confidentiality")
        h.write("proc/keys", "08a11611 I------     1 perm 1f030000     0     0 asymmetri Build key: ff: X509.rsa 8709573b []\n" + keys)
        h.align_module("updates/dkms/vfio_align.ko", signature)

    def test_secure_next(self):
        self.secure()
        self.kernel(NEXT, MODULE)
        self.host.write("var/lib/dkms/mok.pub", CERTIFICATE)
        for key, value in zip(("sig_id", "signer", "sig_key"), SIGNATURE):
            self.host.answer(f"module vfio_align of {NEXT} info {key}", value)
        (severity, detail, remedy), = self.next()
        self.assertEqual((severity, detail), ("warning", f"{NEXT} boots next (GRUB: the newest one), and the key of the module "
                                              "for it is not enrolled, which Secure Boot asks for"))
        self.assertIn("mokutil --import /var/lib/dkms/mok.pub; ", remedy)
        self.host.write("sys/kernel/security/lockdown", "[none] integrity confidentiality")  # mokutil --disable-validation
        self.assertEqual(self.next(), [])
        self.secure("08a11611 I------     1 perm 1f030000     0     0 asymmetri DKMS: 7a110022334455667788: X509.rsa 1 []\n")
        self.assertEqual(self.next(), [])

    def forbidden(self):
        """What is said of the module; no other finding says to load it."""
        finding, = self.findings("module-forbidden")
        self.assertIn("this host loads signed modules only", finding["detail"])
        for f in self.findings(*(f["id"] for f in self.all_findings())):
            self.assertNotRegex(f["remedy"], "modprobe vfio_align|apply module", f["id"])
        self.assertNotIn("fix apply module", self.ctl("explain", "vm"))
        return finding["remedy"]

    def all_findings(self):
        return json.loads(self.ctl("audit", "--json"))["findings"]

    def test_secure_boot(self):
        """From the key that nobody has enrolled to MokManager's question."""
        h = self.host
        self.unload()
        self.secure(signature=("", "", ""))
        self.assertEqual(self.forbidden(), f"dkms unbuild vfio-align/0.1.0 -k {NOW} && dkms install vfio-align/0.1.0 -k {NOW} "
                         "(DKMS signs what it builds; then vfioalignctl audit says how to enrol the key)")
        self.secure()
        self.assertIn("mokutil --import KEY", self.forbidden())  # the certificate is not found
        h.write("var/lib/shim-signed/mok/MOK.der", CERTIFICATE)
        self.assertEqual(self.forbidden(), "mokutil --import /var/lib/shim-signed/mok/MOK.der; it asks for a new password. Then "
                         "reboot: in the blue screen (MokManager) choose Enroll MOK, and type that password")
        h.write(f"sys/firmware/efi/efivars/MokNew{SHIM}", b"\7\0\0\0 a list" + CERTIFICATE)
        self.assertEqual(self.forbidden(), "Reboot; in the blue screen (MokManager) choose Enroll MOK, and type the password that "
                         "was given to mokutil --import")
        self.assert_same_when_recorded()
        (h.root / f"sys/firmware/efi/efivars/MokNew{SHIM}").unlink()
        h.write("sys/firmware/efi/mok-variables/MokListRT", b" a list" + CERTIFICATE)
        self.assertIn("the firmware has this one", self.forbidden())
        # What cannot be read is not no: nothing is forbidden then, and nothing looked for.
        h.write("proc/keys", "")
        self.assertEqual(self.findings("module-forbidden"), [])

    def test_versions(self):
        h = self.host
        h.write("sys/module/vfio_align/version", "0.1.0")
        h.answer("module vfio_align info version", "0.1.0")
        self.assertEqual(self.findings("module-outdated"), [])
        for version in "0.1.9", "0.1.10":
            h.write(f"{DKMS}/{version}/source/dkms.conf", "")
        h.write(f"{DKMS}/kernel-{NOW}-x86_64", "")
        finding, = self.findings("module-outdated")
        self.assertEqual((finding["severity"], finding["detail"], finding["remedy"]),
                         ("notice", "0.1.0 is installed for this kernel, and DKMS has the source of 0.1.10",
                          f"dkms install --force vfio-align/0.1.10 -k {NOW}"))
        self.assert_same_when_recorded()
        h.answer("module vfio_align info version", "0.1.10")
        finding, = self.findings("module-outdated")
        self.assertEqual((finding["detail"], finding["remedy"]), ("0.1.0 is loaded, and 0.1.10 is installed for this kernel",
                         "vfioalignctl fix revert module && vfioalignctl fix apply module"))


if __name__ == "__main__":
    unittest.main()
