#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vfioalignctl check: by the grammar of Nagios' plugins and of Checkmk's local checks, of recorded hosts and of a daemon.

check-check.py DAEMON CTL"""

import os
import re
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from xml.sax.saxutils import escape

from made_up_host import make_host
from private_bus import Bus, Daemon

DAEMON, CTL = map(os.path.abspath, sys.argv[1:3])
del sys.argv[1:3]

HOSTS = Path(__file__).parent / "hosts"
STATES = ["OK", "WARNING", "CRITICAL", "UNKNOWN"]
FIGURE = r"(\w+)=(\d+)(s?)(?:;(\d*);(\d*);(\d*)(?:;(\d*))?)?"

# Of the recorded hosts, and why.
EXPECTED = {
    "arm64": (0, "nothing has to be done"),
    "built-in": (0, "nothing has to be done"),
    "eight-gpu": (1, "train-a on 2 MiB where 1 GiB is possible (placement), train-b on 2 MiB where 1 GiB is possible (placement): "
                     "vfioalignctl fix apply module, then a kernel that maps VFIO devices by huge pages"),
    "rebound": (2, "an IOMMU group is neither with VFIO nor with its drivers: vfioalignctl unbind ADDRESS"),
    "sriov-nic": (0, "nothing has to be done"),
}


class Check(unittest.TestCase):
    def run_check(self, *args, env=None, program=(CTL, "check")):
        run = subprocess.run([*program, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
        self.assertRegex(run.stdout, r"\A[^\n]+\n\Z")
        return run.returncode, run.stdout.rstrip("\n")

    def nagios(self, *args, **kwargs):
        """(exit code, text, {name: value})"""
        code, line = self.run_check(*args, **kwargs)
        match = re.fullmatch(r"VFIOALIGN (\w+) - ([^|]+?)(?: \| ((?:\S+ ?)+))?", line)
        self.assertTrue(match, line)
        self.assertEqual(STATES.index(match[1]), code)
        figures = {}
        for word in (match[3] or "").split():
            figure = re.fullmatch(FIGURE, word)
            self.assertTrue(figure, word)
            figures[figure[1]] = int(figure[2])
        return code, match[2], figures

    def checkmk(self, *args, **kwargs):
        code, line = self.run_check("--format", "checkmk", *args, **kwargs)
        match = re.fullmatch(r'([0-3]) "(\w+)" (\S+) (.+)', line)
        self.assertTrue(match, line)
        self.assertEqual((code, match[2]), (0, "vfioalign"))
        figures = {}
        for word in match[3].split("|") if match[3] != "-" else []:
            figure = re.fullmatch(FIGURE, word)
            self.assertTrue(figure and not figure[3], word)
            figures[figure[1]] = int(figure[2])
        return int(match[1]), match[4], figures

    def test_recorded_hosts(self):
        for name, (code, text) in EXPECTED.items():
            with self.subTest(name):
                shown = self.nagios("--root", str(HOSTS / name))
                self.assertEqual(shown[:2], (code, text))
                self.assertEqual(self.checkmk("--root", str(HOSTS / name)), shown)
                self.assertEqual(set(shown[2]), {"guests_short", "page_faults"})

    def test_plugin(self):
        """By its other name it is the same."""
        with tempfile.TemporaryDirectory() as folder:
            plugin = Path(folder) / "check_vfioalign"
            plugin.symlink_to(CTL)
            host = str(HOSTS / "eight-gpu")
            self.assertEqual(self.run_check("--root", host, program=[str(plugin)]), self.run_check("--root", host))

    def test_names(self):
        """A guest's name ends neither the text nor the line."""
        name = "a|b=1;2 new\nline \x7f ' end"
        with tempfile.TemporaryDirectory() as root:
            make_host(Path(root))
            (Path(root) / "sys/module/vfio_align/parameters/enabled").write_text("N\n")
            domain = Path(root) / "etc/libvirt/qemu/x.xml"
            domain.parent.mkdir(parents=True, exist_ok=True)
            for path in domain.parent.glob("*.xml"):
                path.unlink()
            address = sorted(p.name for p in (Path(root) / "sys/bus/pci/devices").iterdir()
                             if "vfio" in os.readlink(p / "driver"))[0]
            bus, slot, function = re.fullmatch(r"0000:(\w+):(\w+)\.(\w)", address).groups()
            gpu = (f"<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0' bus='0x{bus}' slot='0x{slot}' "
                   f"function='0x{function}'/></source></hostdev>")
            text = escape(name).replace("\n", "&#10;")
            domain.write_text(f"<domain type='kvm'><name>{text}</name><devices>{gpu}</devices></domain>")
            code, text, _ = self.nagios("--root", root)
            self.assertEqual(code, 1)
            self.assertIn(r"a/b=1;2 new\x0aline \x7f ' end on ", text)
            self.assertEqual(self.checkmk("--root", root)[1], text)

    def test_wrong(self):
        """Nothing that is not a state of the host looks like one."""
        for args in ["--root", "/nonexistent"], ["--root", str(HOSTS)]:
            self.assertEqual(self.nagios(*args), (3, "the host could not be read", {}))
            self.assertEqual(self.checkmk(*args), (3, "the host could not be read", {}))
        for args in ["--format", "html"], ["--nope"], ["word"]:
            run = subprocess.run([CTL, "check", *args], capture_output=True, text=True)
            self.assertEqual((run.returncode, run.stdout), (3, ""))
        with open("/dev/full", "w") as full:
            run = subprocess.run([CTL, "check", "--root", str(HOSTS / "arm64")], stdout=full, stderr=subprocess.DEVNULL)
            self.assertEqual(run.returncode, 3)

    def test_daemon(self):
        env = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"}
        self.assertEqual(self.nagios(env=env), (3, "the system bus cannot be reached", {}))
        bus = Bus()
        self.addCleanup(bus.close)
        self.assertEqual(self.nagios(env=bus.env), (3, "vfioalignd is not running: systemctl start vfioalignd", {}))
        with tempfile.TemporaryDirectory() as root:
            make_host(Path(root))
            answers = Path(root) / "vfioalign/answers"
            recorded = answers.read_text()

            def state(age, **kwargs):
                answers.write_text(re.sub(r"^time\t.*$", f"time\t{int((time.time() - age) * 1e6)}", recorded, flags=re.M))
                daemon = Daemon(DAEMON, bus, {"VFIOALIGN_ROOT": root})
                try:
                    return self.nagios(env=bus.env, **kwargs)
                finally:
                    daemon.close()

            code, text, figures = state(600)
            self.assertEqual((code, text), (0, "nothing has to be done"))
            self.assertEqual(figures["guests_short"], 0)
            self.assertAlmostEqual(figures["audit_age"], 600, delta=60)
            self.assertEqual(state(4 * 3600), (3, "the last audit of vfioalignd is too old", {}))
            if os.getuid() == 0:  # whoever runs plugins is not root
                nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", CTL, "check"]
                os.chmod(bus.dir.name, 0o755)
                self.assertEqual(state(600, program=nobody)[:2], (0, "nothing has to be done"))
            (Path(root) / "run/vfioalign").mkdir(parents=True, exist_ok=True)
            (Path(root) / "run/vfioalign/off").write_text("")
            self.assertIn("; switched off by /run/vfioalign/off", state(0)[1])


if __name__ == "__main__":
    unittest.main()
