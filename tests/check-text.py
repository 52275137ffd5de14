#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names that strangers choose neither command the terminal nor forge a line, nor become part of a command that people paste: on
a recorded host where each of them tries to.

check-text.py CTL NO_JSON"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path

CTL, NO_JSON = map(os.path.abspath, sys.argv[1:3])
del sys.argv[1:3]

RECORDED = Path(__file__).parent / "hosts/lab-7.3.tar.gz"
FINDINGS = RECORDED.parent / "eight-gpu"
EVIL = "\x1b]0;x\x07\n-> forged\u202e\x9b2J\x7f"
EVIL_XML = "\x9b2J&#10;-&gt; forged\u202e\x7f"  # XML has no other control characters
HARMFUL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]|\n *-> *forged")
COLUMNS = {"devices": "ADDRESS,NAME,DRIVER,OVERRIDE,VIABLE,USED-BY,CLAIMED-BY,OWNER",
           "guests": "GUEST,STATE,PID,LIMITED-BY,DEVICES,EMULATOR,UUID",
           "emulators": "EMULATOR,ALIGNS-BARS,SOURCE,STATE",
           "mappings": "PID,COMMAND,DEVICE,BAR"}


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="vfioalign-text-")
        self.addCleanup(self.dir.cleanup)
        self.root = Path(self.dir.name) / "host"
        self.make_host()

    def make_host(self):
        with tarfile.open(RECORDED) as recorded:
            recorded.extraction_filter = lambda member, path: member  # links lead where the host's do
            recorded.extractall(self.root)

    def ctl(self, *args, code=0, locale="C.UTF-8"):
        run = subprocess.run([CTL, *args, "--root", str(self.root)] if "--" not in args else
                             [CTL, args[0], "--root", str(self.root), *args[1:]], capture_output=True,
                             env={**os.environ, "LC_ALL": locale}, timeout=60)
        text = (run.stdout + run.stderr).decode()
        self.assertEqual(run.returncode, code, text)
        return text

    def edit_guest(self, element, text):
        """In the domain as it is defined, and as it runs."""
        for domain in [*self.root.glob("etc/libvirt/qemu/*.xml"), *self.root.glob("run/libvirt/qemu/*.xml")]:
            domain.write_text(re.sub(f"<{element}>[^<]*</", f"<{element}>{text}</", domain.read_text(), count=1))


class Output(Case):
    def spoil(self):
        """The process that has a device open, its program, its guest, a driver, a rule, and the model of a device."""
        process = next(p.parent for p in self.root.glob("proc/*/maps"))
        (process / "comm").write_text("\x1b[2J\x07-> forged\n")
        (process / "exe").unlink()
        (process / "exe").symlink_to(f"/tmp/{EVIL}/qemu-system-x86_64")
        self.edit_guest("name", "recorded" + EVIL_XML)
        self.edit_guest("emulator", f"/tmp/{EVIL_XML}/kvm")
        (self.root / f"etc/modprobe.d/{EVIL}.conf").write_text("options vfio-pci ids=1af4:1110\n")
        line = EVIL.replace("\n", " ")  # in a file of lines
        for device in (self.root / "sys/devices").glob("pci*/*"):
            if (device / "uevent").exists() and "vfio" not in (device / "uevent").read_text():
                (device / "uevent").write_text(re.sub("(?m)^DRIVER=.*", f"DRIVER={line}", (device / "uevent").read_text()))
                (device / "driver_override").write_text(line + "\n")
        answers = self.root / "vfioalign/answers"
        program = f"/tmp/{line.replace(' ', '_')}/qemu-system-x86_64"
        text = re.sub(r"(?m)^(hwdb \S+\t).*", lambda m: m[1] + line, answers.read_text())
        text = re.sub(r"(?m)^(emulator-process \d+\there ).*", lambda m: m[1] + program, text)
        answers.write_text(f"{text}emulator {program}\tnone elf 2467b49871a6cab68564332db6cf7b0db26e5f96 \n")

    def check(self, *args, forged=True):
        text = self.ctl(*args)
        bad = HARMFUL.search(text)
        self.assertIsNone(bad, f"{args}: {bad and text[max(0, bad.start() - 100):bad.end() + 100]!r}")
        if forged:
            self.assertIn("forged", text, args)
        return text

    def test_all(self):
        self.spoil()
        report = json.loads(self.check("audit", "--json"))
        self.check("audit")
        for table, columns in COLUMNS.items():
            self.check(table, "--output", columns)
        self.check("fix", "list", forged=False)
        self.check("fix", "plan", forged=False)
        guest, = (g["name"] for g in report["guests"])
        self.assertIn("\n-> forged\u202e", guest)
        self.check("explain", guest)
        self.check("explain", guest, "--json")
        for subject in {f["id"] for f in report["findings"]}:
            self.check("explain", subject, forged=False)
        for device in report["devices"]:
            self.check("explain", device["address"])
            self.check("explain", device["address"], "--json")

    def test_errors(self):
        for args in [("explain", EVIL), (EVIL,), ("fix", EVIL), ("fix", "plan", EVIL), ("devices", "--output", EVIL),
                     ("audit", "--fail-on", EVIL), ("probe", EVIL), ("bind", EVIL), ("audit", EVIL)]:
            run = subprocess.run([CTL, *args], capture_output=True, text=True)
            self.assertIn(run.returncode, (1, 2), run)
            self.assertIn("forged", run.stderr)
            self.assertIsNone(HARMFUL.search(run.stderr), run.stderr)

    def test_wrapped(self):
        """A paragraph that is broken into lines cannot be made to begin one like a remedy."""
        for name in ["-> forged", *("a" * n + " -> forged" for n in range(74, 80))]:
            self.edit_guest("name", name.replace(">", "&gt;"))
            text = self.ctl("explain", "--guest", "--", name)
            self.assertRegex(" ".join(text.split()), "(->|2d>) forged is running")
            self.assertIsNone(HARMFUL.search(text), text)

    def test_letters(self):
        self.edit_guest("name", "Grüße \N{PENGUIN}")
        self.assertIn("Grüße \N{PENGUIN}", self.ctl("audit"))
        self.assertIn("Grüße \N{PENGUIN}", self.ctl("explain", "Grüße \N{PENGUIN}"))


class Commands(Case):
    def make_host(self):
        """A guest that a fix would help."""
        shutil.copytree(FINDINGS, self.root, symlinks=True)
        (self.root / "etc/libvirt/qemu/train-b.xml").unlink()

    def commands(self, text):
        text = " ".join(text.split())
        return re.findall(r"(?:vfioalignctl|virsh) (?:guest (?:apply|plan|revert)|explain(?: --guest)?|shutdown|edit) "
                          r"((?:-- )?(?:'[^']*'|[^ ;)])+)", text)

    def test_guest(self):
        for name in ["a; rm -rf /", "-x", "$(reboot)", "--", "a b"]:
            self.edit_guest("name", name)
            text = self.ctl("audit") + self.ctl("explain", "--", name)
            commands = self.commands(text)
            self.assertGreater(len(commands), 0, text)
            for command in commands:
                words = shlex.split(command)
                self.assertEqual(words, ["--", name] if name.startswith("-") else [name])

    def test_named_like_others(self):
        """A guest can have the name of a finding, or of a device."""
        for name in ["no-iommu", "0000:1b:00.0"]:
            self.edit_guest("name", name)
            self.assertNotIn("A start now would be", self.ctl("explain", name))
            self.assertIn("A start now would be", self.ctl("explain", "--guest", name))
            self.assertEqual(json.loads(self.ctl("explain", "--guest", "--json", name))["name"], name)
            # Each of the two says that there is the other.
            self.assertIn(f"vfioalignctl explain --guest {name}\n", self.ctl("explain", name))
        self.edit_guest("name", "no-iommu")
        self.assertIn("neither", self.ctl("explain", "--guest", "thp-limits", code=1))

    def test_long_name(self):
        """Half a command is none. The module cannot be loaded, so what helps is an edit of the guest."""
        (self.root / "proc/sys/kernel/modules_disabled").write_text("1\n")
        for name in ["n" * 240, "'" * 240, "'" * 600, "\N{PENGUIN}" * 60]:
            self.edit_guest("name", name)
            for verb in [("audit",), ("explain", "--guest", "--", name)]:
                text = self.ctl(*verb)
                for line in re.findall(r"vfioalignctl guest apply .*", text):
                    words = shlex.split(line.removesuffix("."))
                    self.assertEqual(words[3], name)

    def test_area(self):
        self.assertIn("--area is about a BAR", self.ctl("explain", "--area", "0:0+4K", "train-a", code=2))
        self.assertIn("--area is about a BAR", self.ctl("explain", "--area", "0:0+4K", "no-iommu", code=2))

    def test_locale(self):
        """A table ends whatever the locale's character set can hold: that of cron and of systemd's units is ASCII."""
        self.edit_guest("name", "gäst")
        self.assertIn("gäst", self.ctl("guests"))
        self.assertIn(r"g\xc3\xa4st", self.ctl("guests", locale="C"))

    def test_session(self):
        """Where a guest is not known that can be a user's own, that is said."""
        text = self.ctl("explain", "session-vm", code=1)
        self.assertIn("(not looked for: guests of users' own libvirt (qemu:///session))", text)
        for domain in self.root.glob("etc/libvirt/qemu/*.xml"):
            domain.unlink()
        self.assertIn("\nNot looked for: guests of users' own libvirt (qemu:///session)", self.ctl("guests"))

    def test_start(self):
        """What is said of a guest's start, and what to do about its device, holds for whoever starts it."""
        gone = "<source><address domain='0' bus='0xf9' slot='0' function='0'/></source>"
        (self.root / "etc/libvirt/qemu/gone.xml").write_text(
            f"<domain type='kvm'><name>gone</name><devices><hostdev mode='subsystem' type='pci' managed='yes'>{gone}"
            "</hostdev></devices></domain>")
        conf = self.root / "etc/pve/qemu-server"
        conf.mkdir(parents=True)
        (conf / "101.conf").write_text("name: a b\nhostpci0: f9:00.0\n")
        (conf / "102.conf").write_text("hostpci0: 1b:00.0\n")
        for name, edit in ("gone", "virsh edit gone"), ("101", "qm set 101 --hostpciN ADDRESS"):
            text = self.ctl("explain", name)
            self.assertIn("A start now would fail: 0000:f9:00.0 is not on this host.", text)
            self.assertIn(f"-> Correct the address: {edit}\n", text)
            self.assertNotIn("allowed", text)
        self.assertIn("It is a guest of Proxmox, which calls it a b.", self.ctl("explain", "101"))
        text = self.ctl("explain", "102")
        self.assertIn("vfioalignd has no say in its start", text)
        self.assertNotIn("allowed", text)
        self.assertNotIn("guest apply", text)

    def test_out_of_memory(self):
        """A document that could not be made is an error, and not an empty line."""
        commands = (["fix", "list"], ["fix", "plan"], ["explain", "0000:52:00.0"],
                    ["explain", "facts-unseen"], ["explain", "0000:52:00.0", "--area", "2:0+4K"])
        for command in commands:
            run = subprocess.run([CTL, *command, "--json", "--root", str(self.root)], capture_output=True, text=True,
                                 env={**os.environ, "LC_ALL": "C.UTF-8", "LD_PRELOAD": NO_JSON}, timeout=60)
            self.assertEqual((run.returncode, run.stdout), (1, ""), (command, run.stderr))
            self.assertRegex(run.stderr, r"\A[^\n]*Cannot allocate memory\n\Z", command)


if __name__ == "__main__":
    unittest.main()
