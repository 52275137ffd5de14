#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vfioalign-textfile, which publishes the metrics: to directories that are missing, come later, or belong to somebody else.

check-textfile.py PROGRAM"""

import datetime
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAM = os.path.abspath(sys.argv[1])
del sys.argv[1]

METRICS = (Path(__file__).parent / "hosts/eight-gpu.prom").read_text()
USUAL = "var/lib/prometheus/node-exporter", "var/lib/node_exporter/textfile_collector"
FEATURES = "etc/kubernetes/node-feature-discovery/features.d"
SOMEBODY = 12345
AGAIN = os.EX_TEMPFAIL  # systemd starts it once more


class Textfile(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="vfioalign-textfile-")
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name).resolve()
        self.metrics = self.root / "run/vfioalign/metrics.prom"
        self.metrics.parent.mkdir(parents=True)
        self.metrics.write_text(METRICS)
        self.metrics.chmod(0o640)

    def make(self, path):
        directory = self.root / path
        directory.mkdir(parents=True)
        return directory

    def publish(self, *args, code=0, prefix=(), **env):
        env = {**os.environ, "VFIOALIGN_ROOT": str(self.root), **env}
        run = subprocess.run([*prefix, PROGRAM, *args], env=env, capture_output=True, text=True, timeout=60)
        self.assertEqual((run.returncode, run.stdout), (code, ""), run.stderr)
        self.assertEqual(bool(run.stderr), bool(code))
        return run.stderr

    def shim(self, name, script):
        """A PATH on which a program does something before it does what it is for."""
        folder = self.root / "bin"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(f'#!/bin/sh\n{script}\nexec {shutil.which(name)} "$@"\n')
        (folder / name).chmod(0o755)
        return f"{folder}:{os.environ['PATH']}"

    def assert_published(self, directory, *others):
        path = directory / "vfioalign.prom"
        self.assertEqual(path.read_text(), self.metrics.read_text())
        self.assertEqual(stat.S_IMODE(path.lstat().st_mode), 0o644)
        self.assertEqual(sorted(os.listdir(directory)), sorted(["vfioalign.prom", *others]))

    def test_nowhere(self):
        self.publish()
        self.metrics.unlink()
        self.make(USUAL[0])
        self.publish()
        self.assertEqual(os.listdir(self.root / USUAL[0]), [])

    def test_later(self):
        """Of the usual directories those that are there."""
        self.publish()
        for path in USUAL:
            directory = self.make(path)
            self.publish()
            self.assert_published(directory)
        self.metrics.write_text("# new\n")
        self.publish()
        for path in USUAL:
            self.assert_published(self.root / path)

    def test_another(self):
        directory, usual = self.make("srv/metrics"), self.make(USUAL[0])
        self.publish(TEXTFILE_DIRECTORY=str(directory))
        self.assert_published(directory)
        self.assertEqual(os.listdir(usual), [])
        self.publish(TEXTFILE_DIRECTORY=str(self.root / "none/none"))

    @unittest.skipIf(os.getuid() != 0, "only root can give files to others")
    def test_of_somebody_else(self):
        """As the service has it: root with one capability."""
        directory = self.make(USUAL[0])
        directory.chmod(0o755)
        os.chown(directory, SOMEBODY, SOMEBODY)
        for path in [self.root, *directory.parents]:
            if self.root in [path, *path.parents]:
                path.chmod(0o755)
        service = (Path(PROGRAM).parent / "vfioalign-textfile.service").read_text()
        capability = re.search(r"^CapabilityBoundingSet=CAP_(\w+)$", service, flags=re.M)[1].lower()
        for capabilities, code in (f"-all,+{capability}", 0), ("-all", AGAIN):
            for path in directory.iterdir():
                path.unlink()
            said = self.publish(code=code, prefix=["setpriv", f"--bounding-set={capabilities}", f"--inh-caps={capabilities}"])
            if code == 0:
                self.assert_published(directory)
            else:
                self.assertIn(f"Failed to replace '{directory}/vfioalign.prom'", said)

    def test_in_the_way(self):
        """Nothing that is there is followed or waited for."""
        directory = self.make(USUAL[0])
        victim = self.root / "victim"
        victim.write_text("old")
        path = directory / "vfioalign.prom"
        for place in [lambda: os.mkfifo(path), lambda: path.symlink_to(victim), lambda: path.symlink_to("none"),
                      lambda: os.link(victim, path)]:
            place()
            self.publish()
            self.assert_published(directory)
            self.assertEqual(victim.read_text(), "old")
            path.unlink()
        path.mkdir()
        for code, search in (AGAIN, os.environ["PATH"]), (1, self.shim("stat", "echo 1; exit")):
            self.assertIn(f"Failed to replace '{path}'", self.publish(code=code, PATH=search))
            self.assertEqual(os.listdir(directory), ["vfioalign.prom"])

    def test_led_astray(self):
        """Whoever owns the parent directory cannot choose where root writes."""
        etc = self.make("etc/cron.d")
        (self.root / USUAL[0]).parent.mkdir(parents=True)
        (self.root / USUAL[0]).symlink_to(etc)
        other = self.make(USUAL[1])
        self.assertIn(f"leads to '{etc}', so nothing is written there", self.publish(code=AGAIN))
        self.assertEqual(os.listdir(etc), [])
        self.assert_published(other)
        (etc / "vfioalign.prom").write_text("")
        subprocess.run([PROGRAM, "--remove"], env={**os.environ, "VFIOALIGN_ROOT": str(self.root)}, stderr=subprocess.DEVNULL)
        self.assertEqual(os.listdir(etc), ["vfioalign.prom"])

    def test_changed_meanwhile(self):
        """What the daemon writes while this runs is published, too: systemd does not start it again for that."""
        directory = self.make(USUAL[0])
        self.publish(PATH=self.shim(
            "mv", f'[ -e {self.root}/once ] || {{ : >{self.root}/once; echo "# newer" >{self.metrics}; }}'))
        self.assertEqual(self.metrics.read_text(), "# newer\n")
        self.assert_published(directory)

    def test_came_meanwhile(self):
        """A directory that comes while this runs, shortly after its parent, is no change to systemd either."""
        directory = self.root / USUAL[0]
        directory.parent.mkdir(parents=True)
        self.publish(PATH=self.shim("sleep", f"mkdir {directory}"))
        self.assert_published(directory)

    def test_features(self):
        """Two labels, by the rules of node feature discovery: KEY=VALUE lines under an expiry-time."""
        directory = self.make(FEATURES)
        for metrics, labels in [
                (METRICS, {"vfioalign.page-size": "1Gi", "vfioalign.module": "unloaded"}),
                ("vfioalign_kernel_page_size_bytes 2097152\n", {"vfioalign.page-size": "2Mi"}),
                ('vfioalign_module_state{state="working"} 1\n', {"vfioalign.module": "working"}),
                ("vfioalign_kernel_page_size_bytes 12345\n", {})]:
            self.metrics.write_text(metrics)
            self.publish()
            first, *rest = (directory / "vfioalign").read_text().splitlines()
            expires = datetime.datetime.strptime(first, "# +expiry-time=%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)
            hours = (expires - datetime.datetime.now(datetime.timezone.utc)).total_seconds() / 3600
            self.assertTrue(2.9 < hours <= 3, hours)
            self.assertEqual(dict(line.split("=") for line in rest), labels)
            for key, value in labels.items():
                for part in key, value:
                    self.assertRegex(part, r"^[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$")
            self.assertEqual(os.listdir(directory), ["vfioalign"])

    def test_remove(self):
        directories = [self.make(path) for path in (*USUAL, FEATURES)]
        for directory in directories:
            (directory / "other.prom").write_text("")
        self.publish()
        self.publish("--remove")
        self.publish("--remove")
        for directory in directories:
            self.assertEqual(os.listdir(directory), ["other.prom"])


if __name__ == "__main__":
    unittest.main()
