#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What vfioalignctl says of starts that were measured and kept, on a made-up host.

check-starts.py CTL SAMPLE AUDIT_SCHEMA"""

import json
import os
import subprocess
import sys
import tarfile
import unittest
from pathlib import Path

from schema import Report
from state_host import UUID, OnHost

from make import GIB, MEM64_PREFETCH, domain, hostdev

OnHost.ctl_program, SAMPLE = map(os.path.abspath, sys.argv[1:3])
SCHEMA = Report(sys.argv[3])
del sys.argv[1:4]

STARTS = "var/lib/vfioalign/starts"
TIME = 1764524400


class Starts(OnHost):
    def setUp(self):
        super().setUp()
        self.host.pci("0000:00:05.0", "10de:2330", 0x030200, "vfio-pci", group=5, bars={2: (0x21000000000, 2 * GIB, MEM64_PREFETCH)})
        self.host.guest("train-a", "0000:00:05.0")
        self.guest("idle", 2)
        self.sample = subprocess.run([SAMPLE, "json"], stdout=subprocess.PIPE, text=True, check=True).stdout

    def guest(self, name, number):
        self.host.write(f"etc/libvirt/qemu/{number}.xml", domain(name, f"{UUID[:-1]}{number}", 16, hostdev("0000:00:05.0")))

    def keep(self, seconds, text=None, guest=r"train\x2da"):
        self.host.write(f"{STARTS}/{guest}-{(TIME + seconds) * 1000000:020}.json", text or self.sample)

    def guests(self):
        return {g["name"]: g for g in SCHEMA.check(self.ctl("audit", "--json"))["guests"]}

    def test_report(self):
        self.keep(0, self.sample.replace('"bars":3.7', '"bars":99'))
        self.keep(60)
        guests = self.guests()
        self.assertNotIn("last_start", guests["idle"])
        start = guests["train-a"]["last_start"]
        self.assertEqual((start["time"], start["kernel"], start["seconds"]), ("2025-11-30T17:41:00Z", "7.3.4-test", 19.5))
        self.assertEqual((start["phases"]["bars"], start["phases"]["ram"], start["bar_faults"]), (3.7, 0.66, 524288))
        self.assertEqual([(b["device"], b["region"], b["faults"], b["page_size"]) for b in start["bars"]],
                         [("0000:00:05.0", 2, 524288, 4096)])
        self.assertEqual(start["verdict"], json.loads(self.sample)["processes"][0]["verdict"])
        self.assertTrue(start["partial"])  # events were lost
        self.assertEqual(json.loads(self.ctl("explain", "--json", "train-a"))["last_start"], start)

    def test_text(self):
        self.keep(0)
        self.keep(60, self.sample.replace('"lost":3', '"lost":0'))
        line = "Last start of train-a, 2025-11-30T17:41:00Z: 19.5 s, of these 3.70 s in BARs (524,288 faults) and 0.66 s in RAM."
        for verb in "guests", "audit":
            self.assertIn(line, self.ctl(verb).splitlines())
        row, = [line.split() for line in self.ctl("guests", "-o", "guest,start,start-bars,start-ram").splitlines()
                if line.startswith("train-a")]
        self.assertEqual(row, ["train-a", "19.500", "3.700", "0.660"])
        text = self.words("explain", "train-a")
        self.assertIn("Its last start that was measured, 2025-11-30T17:41:00Z: train-a took 19.5 s from prepare to its last "
                      "mapping. 1.00 s: the hook of vfioalign.", text)
        self.assertIn("0000:00:05.0 2 2 GiB 1 4 KiB 524,288 3.700", text)
        self.assertIn("Its starts that are kept: START KERNEL SECONDS IN-BARS IN-RAM FAULTS PARTIAL "
                      "2025-11-30T17:41:00Z 7.3.4-test 19.500 3.700 0.660 524,288 no "
                      "2025-11-30T17:40:00Z 7.3.4-test 19.500 3.700 0.660 524,288 yes", text)
        self.assertNotIn("was not seen, so it took longer", text)
        self.assertNotIn("last start", self.words("explain", "idle"))

    def test_partial(self):
        self.keep(0)
        self.assertIn("2025-11-30T17:40:00Z: at least 19.5 s", self.ctl("guests"))
        text = self.words("explain", "train-a")
        self.assertIn("Something of it was not seen, so it took longer, or had more faults.", text)
        self.assertNotIn("Its starts that are kept", text)  # it is the only one

    def test_damaged(self):
        """A finding, and nothing else."""
        before = self.ctl("guests")
        self.keep(0)
        for bad in self.sample[:-20], "[]", self.sample + " " * (1 << 20):
            self.keep(60, bad)
            finding, = self.findings("start-damaged")
            self.assertEqual((finding["severity"], finding["subject"], finding["detail"]),
                             ("notice", None, rf"/{STARTS}/train\x2da-{(TIME + 60) * 1000000:020}.json"))
            self.assertNotIn("last_start", self.guests()["train-a"])
            self.assertEqual(self.ctl("guests"), before)

    def test_names(self):
        """A guest can be called anything; its starts are its own."""
        self.guest("a b$(x)&quot;\u202e", 3)
        self.keep(0, guest=r"a\x20b\x24\x28x\x29\x22\xe2\x80\xae")
        self.assertIn('Last start of a b$(x)"\\xe2\\x80\\xae, ', self.ctl("guests"))

    def test_dump(self):
        """All that are kept go into the archive, from which the same is said."""
        for n in range(3):
            self.keep(60 * n)
        self.keep(90, guest="other")
        said = self.ctl("explain", "train-a"), self.ctl("guests")
        archive = Path(self.dir.name) / "host.tar.gz"
        subprocess.run([self.ctl_program, "dump", "--root", str(self.host.root), archive], check=True, capture_output=True)
        with tarfile.open(archive) as packed:
            kept = [member.name for member in packed.getmembers() if "/starts/" in member.name and member.size > 0]
        self.assertEqual(len(kept), 3, kept)  # of the other there is the name
        for verb, text in zip((["explain", "train-a"], ["guests"]), said):
            run = subprocess.run([self.ctl_program, *verb, "--root", archive], capture_output=True, text=True, check=True)
            self.assertEqual(run.stdout, text)


if __name__ == "__main__":
    unittest.main()
