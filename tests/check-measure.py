#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vfioalignd has the starts of guests measured, and reports what was kept of them, on a bus of its own with a fake systemd.

check-measure.py DAEMON CTL SAMPLE SCHEMA TRACE (where the program will be installed)"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import dbus

from made_up_host import make_host, run_guest
from private_bus import SLOWER, Bus, Daemon, domain, memfd, wait_for
from schema import Report

DAEMON, CTL, SAMPLE, SCHEMA, TRACE = sys.argv[1:6]
del sys.argv[1:6]

HOST = Path(__file__).resolve().parent / "hosts/eight-gpu"
SYSTEMD = Path(__file__).parent / "fake_systemd.py"
STARTS = "var/lib/vfioalign/starts"
GPU, GIB128 = "0000:1b:00.0", 128 << 30  # BAR 2 of a guest of that host: 65,536 faults are predicted
TIME = 1764524400000000


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="vfioalign-measure-")
        self.addCleanup(self.dir.cleanup)
        self.root = Path(self.dir.name) / "host"
        self.make_host()
        for file in "sys/kernel/btf/vmlinux", TRACE.lstrip("/"):
            self.write(file, "")
        self.write("etc/vfioalignd.conf.d/0.conf", "[Fix]\nModule=off\n")
        (self.root / "var/lib/vfioalign").mkdir(parents=True, exist_ok=True)
        self.bus = Bus()
        self.addCleanup(self.bus.close)
        self.connection = dbus.bus.BusConnection(self.bus.address)
        self.addCleanup(self.connection.close)

    def make_host(self):
        shutil.copytree(HOST, self.root, symlinks=True)

    def write(self, file, text):
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def start(self):
        self.daemon = Daemon(DAEMON, self.bus, env={"VFIOALIGN_ROOT": str(self.root)})
        self.addCleanup(self.daemon.close)
        self.manager = dbus.Interface(self.connection.get_object("org.vfioalign1", "/org/vfioalign1", introspect=False),
                                      "org.vfioalign1.Manager")

    def report(self):
        return Report(SCHEMA).check(self.manager.GetReport())


class Asked(Case):
    def systemd(self, mode):
        process = subprocess.Popen([sys.executable, SYSTEMD, mode], env=self.bus.env, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        wait_for(lambda: self.connection.name_has_owner("org.freedesktop.systemd1"), "systemd")
        os.set_blocking(process.stdout.fileno(), False)
        return process

    def prepare(self, name, **how):
        """What the hook is answered, and after how long."""
        fd, begin = memfd(domain(name, **how)), time.monotonic()
        deadline = dbus.UInt64(int((time.clock_gettime(time.CLOCK_BOOTTIME) + 60) * 1e6))
        try:
            allowed, _ = self.manager.PrepareGuest(name, dbus.types.UnixFd(fd), deadline, signature="sht", timeout=60)
        finally:
            os.close(fd)
        return allowed, time.monotonic() - begin

    def asked(self, systemd, n=1):
        """The units that were to be started: n, and no more."""
        lines = []

        def read():
            lines.extend(map(json.loads, systemd.stdout.readlines()))
            return len(lines) >= n

        wait_for(read, f"{n} calls")
        read()
        return lines

    def test_names(self):
        systemd = self.systemd("run")
        self.start()
        names = {"train-a": r"train\x2da", "a b": r"a\x20b", "$(x)%i'": r"\x24\x28x\x29\x25i\x27", "\u00e4": r"\xc3\xa4",
                 ".x": r"\x2ex", "a:b_c.d@e": r"a:b_c.d\x40e", "-": r"\x2d"}
        for name in names:
            self.assertTrue(self.prepare(name)[0])
        self.assertTrue(self.prepare("x" * 221)[0])  # which no unit can be called
        self.assertTrue(self.prepare("no-device", devices=())[0])
        self.assertEqual(self.asked(systemd, len(names)), [[f"vfioalign-trace@{name}.service", "replace"] for name in names.values()])
        self.assertIn("its name is too long for a unit", self.daemon.log)
        self.assertTrue(self.prepare("again")[0])
        self.assertTrue(self.prepare("again")[0])
        self.assertEqual(self.asked(systemd, 2), [["vfioalign-trace@again.service", "replace"]] * 2)

    def test_not(self):
        """Where it is off, where the guest may not start, and where the host cannot."""
        systemd = self.systemd("run")
        self.write("etc/vfioalignd.conf.d/a.conf", "[Guest]\nMeasure=off\n")
        self.start()
        self.assertTrue(self.prepare("off")[0])
        self.write("etc/vfioalignd.conf.d/a.conf", "[Guest]\nOnUnaligned=refuse\n")
        self.daemon.signal(signal.SIGHUP)
        wait_for(lambda: "Configuration reloaded" in self.daemon.log, "the reload")
        self.assertFalse(self.prepare("refused", devices=(GPU,))[0])
        for file in "sys/kernel/btf/vmlinux", TRACE.lstrip("/"):
            (self.root / file).rename(self.root / "kept")
            self.assertTrue(self.prepare("unable")[0])
            (self.root / "kept").rename(self.root / file)
        (self.root / "run/vfioalign").mkdir(parents=True, exist_ok=True)
        self.write("run/vfioalign/off", "")
        self.assertTrue(self.prepare("switched-off")[0])
        (self.root / "run/vfioalign/off").unlink()
        self.assertTrue(self.prepare("on")[0])
        self.assertEqual(self.asked(systemd), [["vfioalign-trace@on.service", "replace"]])

    def test_released(self):
        """A guest that has left, or whose start has failed, is not waited for."""
        systemd = self.systemd("run")
        self.start()
        self.assertTrue(self.prepare("a b")[0])
        for name in "a b", "", "x" * 221:
            self.manager.GuestReleased(name)
        unit = r"vfioalign-trace@a\x20b.service"
        self.assertEqual(self.asked(systemd, 2), [[unit, "replace"], ["stop", unit, "replace"]])
        self.write("etc/vfioalignd.conf.d/a.conf", "[Guest]\nMeasure=off\n")
        self.daemon.signal(signal.SIGHUP)
        wait_for(lambda: "Configuration reloaded" in self.daemon.log, "the reload")
        self.manager.GuestReleased("a b")
        self.report()
        self.assertEqual(self.asked(systemd, 0), [])

    def test_refused(self):
        systemd = self.systemd("fail")
        self.start()
        allowed, seconds = self.prepare("train-a")
        self.assertTrue(allowed)
        self.assertLess(seconds, 5 * SLOWER)
        self.asked(systemd)
        wait_for(lambda: r"Failed to start 'vfioalign-trace@train\x2da.service', the start of its guest is not measured: Unit "
                 in self.daemon.log, "a line")
        self.assertEqual(self.report()["guests"], [])

    def test_stuck(self):
        """A systemd that does not answer, or does nothing at all, or is not there, delays nobody."""
        def prepare():
            allowed, seconds = self.prepare("train-a")
            self.assertTrue(allowed)
            self.assertLess(seconds, 5 * SLOWER)

        self.start()
        prepare()
        systemd = self.systemd("stuck")
        prepare()
        self.asked(systemd)
        systemd.send_signal(signal.SIGSTOP)
        for _ in range(3):
            prepare()


class Kept(Case):
    def setUp(self):
        super().setUp()
        self.sample = json.loads(subprocess.run([SAMPLE, "json"], stdout=subprocess.PIPE, text=True, check=True).stdout)

    def keep(self, n, faults, calls=1, guest=r"train\x2da"):
        """As the service writes it."""
        process, = self.sample["processes"]
        process["bars"][0].update(device=GPU, region=2, size=GIB128, faults=faults, calls=calls)
        file = f"{STARTS}/{guest}-{TIME + n:020}.json"
        self.write(file + "~", json.dumps(self.sample))
        (self.root / (file + "~")).rename(self.root / file)

    def exceeded(self):
        return [line for line in self.daemon.log.splitlines() if "page faults in its BARs where" in line]

    def test_status(self):
        self.start()
        self.assertEqual((self.root / STARTS).stat().st_mode & 0o7777, 0o700)
        self.assertNotIn("last start", self.report()["status"])
        self.keep(1, 65536)
        wait_for(lambda: "; last start of train-a: 3.70 s in BARs of 19.5 s;" in self.report()["status"], "the status")
        self.keep(2, 7, guest=r"train\x2db")
        wait_for(lambda: "; last start of train-b: " in self.report()["status"], "the newest of all")
        status = subprocess.run([CTL, "status"], env=self.bus.env, stdout=subprocess.PIPE, text=True).stdout
        self.assertIn("; last start of train-b: 3.70 s in BARs of 19.5 s;", status)

    def test_exceeded(self):
        """A line in the journal where it took more faults than predicted, and only there."""
        self.start()
        self.keep(1, 65536)
        self.keep(2, 65537)  # one of the caller's own
        self.keep(3, 3 * 65536, calls=3)
        self.keep(4, 1 << 40, guest="unknown")
        self.keep(5, 33554432)
        wait_for(self.exceeded, "a line")
        line, = self.exceeded()
        self.assertIn("The start of guest 'train-a' took 33,554,432 page faults in its BARs where 65,536 were predicted: 3.70 s of "
                      "19.5 s. See: vfioalignctl explain", line)

    def test_damaged(self):
        self.start()
        for n, text in enumerate(("{", " " * (2 << 20))):
            self.write(f"{STARTS}/x", text)
            (self.root / STARTS / "x").rename(self.root / STARTS / rf"train\x2da-{TIME + n:020}.json")
            wait_for(lambda: [f["detail"] for f in self.report()["findings"] if f["id"] == "start-damaged"] ==
                     [rf"/{STARTS}/train\x2da-{TIME + n:020}.json"], "the finding")
        self.assertNotIn("last start", self.report()["status"])
        self.assertEqual(self.exceeded(), [])
        self.keep(9, 65536)
        wait_for(lambda: "last start of train-a" in self.report()["status"], "the next start")
        self.assertNotIn("start-damaged", {f["id"] for f in self.report()["findings"]})


class Running(Case):
    def make_host(self):
        make_host(self.root)

    def test_report(self):
        """A guest that runs has it in the report of the bus, and in the table of status."""
        guest = subprocess.Popen(["sleep", "infinity"])
        self.addCleanup(guest.wait)
        self.addCleanup(guest.kill)
        run_guest(self.root, "recorded", guest)
        status = self.root / "run/libvirt/qemu/recorded.xml"
        status.write_text(re.sub(r'pid="\d+"', f'pid="{guest.pid}"', status.read_text(), count=1))
        self.start()
        fd = memfd(domain("recorded"))
        self.manager.GuestStarted("recorded", dbus.types.UnixFd(fd), signature="sh")
        os.close(fd)
        running, = self.report()["guests"]
        self.assertNotIn("last_start", running)
        sample = subprocess.run([SAMPLE, "json"], stdout=subprocess.PIPE, text=True, check=True).stdout
        self.write(f"{STARTS}/x", sample)
        (self.root / STARTS / "x").rename(self.root / STARTS / f"recorded-{TIME:020}.json")
        wait_for(lambda: "last_start" in self.report()["guests"][0], "the start")
        start = self.report()["guests"][0]["last_start"]
        self.assertEqual((start["seconds"], start["phases"]["bars"], start["bar_faults"]), (19.5, 3.7, 524288))
        status = subprocess.run([CTL, "status"], env=self.bus.env, stdout=subprocess.PIPE, text=True).stdout
        self.assertIn("Last start of recorded, 2025-11-30T17:40:00Z: at least 19.5 s, of these 3.70 s in BARs (524,288 faults) and "
                      "0.66 s in RAM.\n", status)


if __name__ == "__main__":
    unittest.main()
