#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vfioalignctl guest, on a domain of libvirt's test driver, which lives in the process that opens it: it keeps <metadata> and
<emulator>, and drops what is QEMU's alone, as a libvirt that does not keep an edit would."""

import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from schema import Report

CTL, ALIGNS, PLAIN, SCHEMA = map(os.path.abspath, sys.argv[1:5])
del sys.argv[1:5]

NAMESPACE = "https://vfioalign.org/xmlns/domain/1"
DOMAIN = """<node>
<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>
  <name>g</name>
  <uuid>1b0e0a32-7a3d-4f40-9b36-1d2c3f1c7a55</uuid>
  <metadata><x:a xmlns:x="urn:x">kept</x:a>{mark}</metadata>
  <memory unit='KiB'>65536</memory>
  <os><type arch='x86_64' {machine}>hvm</type></os>
  <devices>
    <emulator>{emulator}</emulator>
    <hostdev mode='subsystem' type='pci' managed='yes'>
      <source><address domain='0x0000' bus='0xff' slot='0x05' function='0x0'/></source>
    </hostdev>
    <graphics type='vnc' port='5901' passwd='hunter2'/>
  </devices>
  {more}
</domain>
</node>
"""
MARK = f"""<vfioalign:edits xmlns:vfioalign="{NAMESPACE}"><vfioalign:fix id="emulator"><vfioalign:edit place="emulator" key=""
 before="/usr/bin/old" after="/usr/bin/new"/></vfioalign:fix></vfioalign:edits>"""


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="vfioalign-guest-")
        self.addCleanup(self.dir.cleanup)
        self.domain()

    def domain(self, mark="", machine="", emulator="/usr/bin/old", more="<test:runstate>5</test:runstate>"):
        (Path(self.dir.name) / "node.xml").write_text(
            DOMAIN.format(mark=mark, machine=machine, emulator=emulator, more=more))

    def command(self, *args):
        return [CTL, "guest", "--connect", f"test://{self.dir.name}/node.xml", *args]

    def run_ctl(self, *args):
        run = subprocess.run(self.command(*args), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        self.assertNotIn("hunter2", run.stdout + run.stderr)
        return run

    def told(self, code, *args):
        run = self.run_ctl("--json", *args)
        self.assertEqual(run.returncode, code, run.stdout + run.stderr)
        return Report(SCHEMA).check(run.stdout)

    def expect(self, code, outcome, pattern, *args):
        told = self.told(code, *args)
        self.assertEqual(told["outcome"], outcome, told)
        self.assertRegex(told["reason"] or "", pattern)
        return told

    def changes(self, diff):
        """What a diff takes away and adds, but for the mark."""
        lines = [line for line in diff.splitlines()[2:] if line[0] in "+-" and "vfioalign:" not in line]
        return [line[0] + line[1:].strip() for line in lines]


class Plan(Case):
    def test_emulator(self):
        told = self.expect(0, "planned", "^$", "plan", "g", "emulator", "--emulator", ALIGNS)
        self.assertEqual(self.changes(told["diff"]), ["-<emulator>/usr/bin/old</emulator>", f"+<emulator>{ALIGNS}</emulator>"])
        self.assertIn(f'+        <vfioalign:edit place="emulator" key="" before="/usr/bin/old" after="{ALIGNS}"/>', told["diff"])
        self.assertEqual([told[key] for key in ("action", "guest", "fix")], ["plan", "g", "emulator"])
        same = self.expect(0, "planned", "^$", "apply", "--dry-run", "g", "emulator", "--emulator", ALIGNS)
        self.assertEqual(same["diff"], told["diff"])

    def test_text(self):
        run = self.run_ctl("plan", "g", "emulator", "--emulator", ALIGNS)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertTrue(run.stdout.startswith("g, emulator: would be changed like this; nothing has been changed\n--- as it is\n"
                                              "+++ emulator\n@@ "), run.stdout)
        self.assertIn("\nTrade-off: another QEMU runs the guest", run.stdout)

    def test_hostile(self):
        """What the domain, its emulator's path and the guest's name hold does not reach the terminal as it is."""
        evil = "\x9b2J\u202e\x7f"
        self.domain(mark=f"<y:a xmlns:y='urn:y'>\n-&gt; {evil}</y:a>", emulator=f"/usr/{evil}/old")
        raw = re.compile("[\x1b\x7f\x9b\u202e]|\n-> ")
        program = Path(self.dir.name) / f"{evil}\n-> forged" / "qemu"
        program.parent.mkdir()
        for sample in ALIGNS, PLAIN:
            shutil.copy(sample, program)
            run = self.run_ctl("plan", "g", "emulator", "--emulator", str(program))
            self.assertIn("x9b", run.stdout + run.stderr)
            self.assertIsNone(raw.search(run.stdout + run.stderr), run)
        for args in [("plan", f"g{evil}\x1b\n-> "), ("plan", "g", f"{evil}\x1b\n-> "), (f"{evil}\x1b\n-> ", "g")]:
            run = self.run_ctl(*args)
            self.assertIn("x9b", run.stderr)
            self.assertIsNone(raw.search(run.stderr), run)

    def test_refused(self):
        self.expect(1, "refused", "leaves the address to the kernel", "plan", "g", "emulator", "--emulator", PLAIN)
        self.expect(1, "refused", "no such emulator", "plan", "g", "emulator", "--emulator", "/no/such")
        self.domain(machine="machine='pc-q35-7.2'")
        self.expect(1, "refused", "does not know the machine type pc-q35-7.2", "plan", "g", "emulator", "--emulator", ALIGNS)
        # It has a version in it.
        self.expect(1, "refused", r"^libvirt \d+\.\d+ cannot|iommufd|binary", "plan", "g", "iommufd")

    def test_all(self):
        told = self.told(0, "plan", "g")
        self.assertEqual([fix["id"] for fix in told["fixes"]], ["emulator", "preload", "iommufd", "no-mmap"])
        self.assertEqual({fix["state"] for fix in told["fixes"]}, {"absent"})
        self.assertTrue(all(len(fix["price"]) > 20 for fix in told["fixes"]))
        run = self.run_ctl("plan", "g")
        self.assertIn("\n  no-mmap: maps no BAR", run.stdout)
        self.assertIn("\n      trade-off: every access", run.stdout)

    def test_no_device(self):
        path = Path(self.dir.name) / "node.xml"
        path.write_text(re.sub("<hostdev.*</hostdev>", "", path.read_text(), flags=re.S))
        self.expect(1, "refused", "no VFIO device", "plan", "g", "no-mmap")

    def test_notes(self):
        self.domain(more="")
        self.assertRegex(str(self.told(0, "plan", "g", "no-mmap")["notes"]), "the guest is running")
        self.domain(more="<test:hasmanagedsave>true</test:hasmanagedsave><test:runstate>5</test:runstate>")
        notes = str(self.told(0, "plan", "g", "no-mmap")["notes"])
        self.assertIn("managed save", notes)
        self.assertNotIn("the guest is running", notes)

    def test_transient(self):
        self.domain(more="<test:transient>true</test:transient>")
        self.expect(1, "refused", "transient", "plan", "g", "no-mmap")


class Apply(Case):
    def test_emulator(self):
        told = self.expect(0, "applied", "^$", "apply", "g", "emulator", "--emulator", ALIGNS)
        self.assertEqual(len(self.changes(told["diff"])), 2)

    def test_not_kept(self):
        """What libvirt drops is found, and the old domain is put back."""
        self.expect(1, "failed", "^libvirt has not kept what was edited; the old guest is defined again$",
                    "apply", "g", "no-mmap", "--yes")

    def test_consent(self):
        self.expect(1, "refused", "not confirmed", "apply", "g", "no-mmap")
        for answer, outcome in ("no-mmap\n", "failed: libvirt has not kept"), ("yes\n", "refused: not confirmed"):
            master, slave = pty.openpty()
            with subprocess.Popen(self.command("apply", "g", "no-mmap"), stdin=slave, stdout=slave, stderr=slave) as ctl:
                os.close(slave)
                os.write(master, answer.encode())
                out = b""
                try:
                    while part := os.read(master, 4096):
                        out += part
                except OSError:
                    pass
                os.close(master)
                self.assertEqual(ctl.wait(60), 1)
            self.assertIn("Type no-mmap to go on", out.decode())
            self.assertIn(outcome, out.decode())

    def test_applied_already(self):
        self.domain(mark=MARK, emulator="/usr/bin/new")
        self.expect(0, "unchanged", "applied already", "apply", "g", "emulator")

    def test_undone(self):
        self.domain(mark=MARK)
        self.expect(1, "refused", "undone", "apply", "g", "emulator", "--emulator", ALIGNS)

    def test_changed(self):
        self.domain(mark=MARK, emulator="/usr/bin/other")
        told = self.expect(1, "refused", "somebody else", "apply", "g", "emulator")
        self.assertEqual(self.changes(told["diff"]), ["-<emulator>/usr/bin/new</emulator>", "+<emulator>/usr/bin/other</emulator>"])


class Revert(Case):
    def test_revert(self):
        self.domain(mark=MARK, emulator="/usr/bin/new")
        for args in ["g"], ["g", "emulator"]:
            told = self.expect(0, "reverted", "^$", "revert", *args)
            self.assertEqual(self.changes(told["diff"]), ["-<emulator>/usr/bin/new</emulator>", "+<emulator>/usr/bin/old</emulator>"])
            self.assertEqual(self.told(0, "revert", "--dry-run", *args)["diff"], told["diff"])

    def test_undone(self):
        """Only the mark goes."""
        self.domain(mark=MARK)
        self.assertEqual(self.changes(self.expect(0, "reverted", "^$", "revert", "g")["diff"]), [])

    def test_nothing(self):
        self.expect(0, "unchanged", "no edit", "revert", "g")
        self.domain(mark=MARK, emulator="/usr/bin/new")
        self.expect(0, "unchanged", "no edit", "revert", "g", "no-mmap")

    def test_changed(self):
        self.domain(mark=MARK, emulator="/usr/bin/other")
        told = self.expect(1, "refused", "somebody else", "revert", "g")
        self.assertEqual(self.changes(told["diff"]), ["-<emulator>/usr/bin/new</emulator>", "+<emulator>/usr/bin/other</emulator>"])
        self.assertIn("+    <emulator>/usr/bin/other", self.run_ctl("revert", "g").stderr)

    def test_mark_of_somebody(self):
        self.domain(mark=MARK.replace('place="emulator"', 'place="elsewhere"'), emulator="/usr/bin/new")
        self.expect(1, "failed", "could not be edited", "revert", "g")


class Call(Case):
    def test_usage(self):
        for args in ["plan"], ["undo", "g"], ["plan", "g", "module"], ["plan", "g", "emulator", "more"], \
                ["plan", "g", "emulator", "--emulator", "qemu"]:
            run = self.run_ctl(*args)
            self.assertEqual((run.returncode, run.stdout), (2, ""))
            self.assertEqual(len(run.stderr.splitlines()), 1)

    def test_connection(self):
        self.expect(1, "failed", "^libvirt has no guest 'h'$", "plan", "h")
        run = subprocess.run([CTL, "guest", "plan", "g", "--connect", "test:///no/such"], capture_output=True, text=True)
        self.assertEqual(run.returncode, 1)
        self.assertRegex(run.stderr, r"(?m)^g: failed: Failed to connect to libvirt: .*$")

    def test_uuid(self):
        self.expect(0, "unchanged", "no edit", "revert", "1b0e0a32-7a3d-4f40-9b36-1d2c3f1c7a55")


unittest.main()
