#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What vfioalignd writes below /run/vfioalign for those who watch many hosts, and that it audits again without an event, on
a bus of its own and on a made-up host."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import dbus

from made_up_host import make_host, run_guest
from private_bus import Bus, Daemon, domain, memfd, wait_for

DAEMON, CTL, SAMPLE = sys.argv[1:4]
del sys.argv[1:4]

INTERFACE = "org.vfioalign1.Manager"


def values(text):
    return {m[1]: float(m[2]) for m in re.finditer(r"^(vfioalign_\S+) (\S+)$", text, flags=re.M)}


class Export(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="vfioalign-host-")
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.vfio = make_host(self.root)
        self.run = self.root / "run/vfioalign"
        self.metrics = self.run / "metrics.prom"
        self.run.mkdir(parents=True)

    def start(self, config=""):
        self.configure(config)
        self.bus = Bus()
        self.addCleanup(self.bus.close)
        self.daemon = Daemon(DAEMON, self.bus, {"VFIOALIGN_ROOT": str(self.root)})
        self.addCleanup(self.daemon.close)
        wait_for(self.metrics.exists, "the metrics")

    def configure(self, config):
        path = self.root / "etc/vfioalignd.conf"
        path.parent.mkdir(exist_ok=True)
        path.write_text(config)

    def manager(self):
        bus = dbus.bus.BusConnection(self.bus.address)
        self.addCleanup(bus.close)
        return dbus.Interface(bus.get_object("org.vfioalign1", "/org/vfioalign1", introspect=False), INTERFACE)

    def read(self):
        return values(self.metrics.read_text())

    def wait_value(self, name, value):
        wait_for(lambda: self.read().get(name) == value, f"{name} {value}")

    def test_file(self):
        """It says the same as vfioalignctl, is root's alone, and leaves nothing beside it."""
        self.start("[Export]\nGuests=uuid\n")
        self.assertEqual(stat.S_IMODE(self.metrics.stat().st_mode), 0o640)
        text = self.metrics.read_text()
        self.assertNotIn("recorded", text)
        self.assertIn('vfioalign_guest_running{domain="55fd88fa-d441-4dd9-b2b9-0f9e2bcc1efe"} 1\n', text)
        ctl = subprocess.run([CTL, "metrics", "--root", str(self.root)], stdout=subprocess.PIPE, text=True, check=True).stdout
        moving = r"^vfioalign_audit_(timestamp|duration)_seconds .*$"
        daemons = r"^(#.* )?vfioalign_(start_time|audits_total|guest_starts|start_duration|hook_duration|bind_operations).*\n"
        self.assertEqual(re.sub(moving, "", re.sub(daemons, "", text, flags=re.M), flags=re.M),
                         re.sub(moving, "", ctl, flags=re.M))
        self.assertEqual(sorted(p.name for p in self.run.iterdir() if p.name.startswith(("metrics", "row", "."))),
                         ["metrics.prom", "row.json"])
        row = self.run / "row.json"
        self.assertEqual(stat.S_IMODE(row.stat().st_mode), 0o640)
        self.assertEqual([g["name"] for g in json.loads(row.read_text())["guests"]], ["55fd88fa-d441-4dd9-b2b9-0f9e2bcc1efe"])
        printed = subprocess.run([CTL, "row", "--root", str(self.root)], stdout=subprocess.PIPE, text=True, check=True).stdout
        self.assertEqual(row.read_text(), printed.replace('"recorded"', '"55fd88fa-d441-4dd9-b2b9-0f9e2bcc1efe"'))
        shown = self.read()
        self.assertEqual(shown["vfioalign_audits_total"], 1)
        self.assertAlmostEqual(shown["vfioalign_start_time_seconds"], time.time(), delta=60)
        self.assertEqual(shown['vfioalign_hook_duration_seconds_bucket{le="+Inf"}'], 0)

    def test_interval(self):
        """What makes no event is seen by the next audit, which comes by itself, and no more often than it should."""
        self.start("[Export]\nAuditIntervalSec=2\n")
        (self.root / "sys/module/vfio_align/parameters/enabled").write_text("N\n")
        begin = time.monotonic()
        wait_for(lambda: self.read()["vfioalign_audits_total"] == 3, "two more audits")
        self.assertGreater(time.monotonic() - begin, 2)
        self.assertGreater(self.read()["vfioalign_audit_timestamp_seconds"], 0)
        self.assertEqual(self.read()['vfioalign_module_state{state="disabled"}'], 1)

    def test_row_logged(self):
        """Where something else than its time has changed."""
        self.start("[Export]\nAuditIntervalSec=1\n")
        line = "This host needs: "
        wait_for(lambda: line in self.daemon.log, "the first row")
        audits = self.read()["vfioalign_audits_total"]
        wait_for(lambda: self.read()["vfioalign_audits_total"] >= audits + 2, "two more audits")
        self.assertEqual(self.daemon.log.count(line), 1)
        (self.root / "sys/module/vfio_align/parameters/enabled").write_text("N\n")
        wait_for(lambda: self.daemon.log.count(line) == 2, "the second row")

    def test_idle(self):
        """By default nothing is done while nothing happens."""
        self.start()
        pid = self.daemon.process.pid

        def switches():
            return int(re.search(r"^voluntary_ctxt_switches:\t(\d+)", Path(f"/proc/{pid}/status").read_text(), flags=re.M)[1])

        seen = []
        for _ in range(10):  # what follows the start ends some time: libvirt's sockets, a second look
            seen.append((switches(), self.read()["vfioalign_audits_total"]))
            if len(seen) > 1 and seen[-1] == seen[-2]:
                return
            time.sleep(3)
        self.fail(f"it is never idle: {seen}")

    def test_reload(self):
        self.start()
        self.assertIn('domain="recorded"', self.metrics.read_text())
        self.configure("[Export]\nGuests=none\n")
        self.daemon.signal(signal.SIGHUP)
        wait_for(lambda: "domain=" not in self.metrics.read_text(), "the names are gone")
        wait_for(lambda: '"recorded"' not in (self.run / "row.json").read_text(), "the names are gone from the row")
        self.assertEqual(self.read()['vfioalign_guests{state="running"}'], 1)

    def test_counts(self):
        """Two starts that wait for an answer; one of them is refused."""
        (self.root / "sys/module/vfio_align/parameters/enabled").write_text("N\n")
        self.start("[Guest no-*]\nOnUnaligned=refuse\nMinBarSize=1\n")
        deadline = dbus.UInt64(int((time.clock_gettime(time.CLOCK_BOOTTIME) + 30) * 1e6))
        for name in "yes-1", "no-1":
            fd = memfd(domain(name, self.vfio[:1]))
            self.manager().PrepareGuest(name, dbus.types.UnixFd(fd), deadline, signature="sht")
            os.close(fd)
        self.wait_value("vfioalign_hook_duration_seconds_count", 2)
        self.assertGreater(self.read()["vfioalign_hook_duration_seconds_sum"], 0)
        self.assertEqual(self.read()['vfioalign_guest_starts_total{result="refused"}'], 1)

    def test_started(self):
        """One that runs, but not one that ran before."""
        self.start()
        with subprocess.Popen(["sleep", "100"]) as process:
            run_guest(self.root, "recorded", process)
            (self.root / f"proc/{process.pid}/stat").write_text(Path(f"/proc/{process.pid}/stat").read_text())
            (self.root / f"proc/{self.daemon.process.pid}").mkdir()
            (self.root / f"proc/{self.daemon.process.pid}/stat").write_text(
                Path(f"/proc/{self.daemon.process.pid}/stat").read_text())
            (self.root / "proc/stat").write_text("btime 1700000000\n")
            time.sleep(1)  # so the metrics can be written at once
            audits = self.read()["vfioalign_audits_total"]
            for _ in range(2):  # the hook and libvirt both report it
                fd = memfd(domain("recorded", ["0000:00:05.0"]))
                self.manager().GuestStarted("recorded", dbus.types.UnixFd(fd), signature="sh")
                os.close(fd)
            self.wait_value('vfioalign_guest_starts_total{result="best"}', 1)
            self.assertGreater(self.read()["vfioalign_audits_total"], audits)  # what is written first has the guest
            time.sleep(1.5)
            self.assertEqual(self.read()['vfioalign_guest_starts_total{result="best"}'], 1)
            process.kill()

    def test_measured(self):
        """A start that is kept since the daemon runs is counted once; one from before is only shown."""
        starts = self.root / "var/lib/vfioalign/starts"
        starts.mkdir(parents=True)
        sample = subprocess.run([SAMPLE, "json"], stdout=subprocess.PIPE, text=True, check=True).stdout

        def keep(seconds):
            (starts / f"recorded-{int((time.time() + seconds) * 1e6):020}.json").write_text(sample)

        keep(-3600)
        self.start()
        self.assertEqual(self.read()['vfioalign_guest_start_seconds{domain="recorded"}'], 19.5)
        self.assertEqual(self.read()['vfioalign_guest_start_bar_seconds{domain="recorded"}'], 3.7)
        self.assertEqual(self.read()["vfioalign_start_duration_seconds_count"], 0)
        keep(1)
        for _ in range(2):
            self.manager().Audit()
        self.wait_value("vfioalign_start_duration_seconds_count", 1)
        self.assertEqual(self.read()['vfioalign_start_duration_seconds_bucket{le="10"}'], 0)
        self.assertEqual(self.read()['vfioalign_start_duration_seconds_bucket{le="30"}'], 1)

    def test_not_too_often(self):
        """A burst of events is written twice a second, and the last of it always."""
        self.start()
        names = set()
        end = time.monotonic() + 3
        manager = self.manager()
        while time.monotonic() < end:
            manager.Audit()
            names.add(self.metrics.stat().st_ino)
        self.assertLessEqual(len(names), 8)
        audits = manager.Get(INTERFACE, "Generation", dbus_interface="org.freedesktop.DBus.Properties")
        self.wait_value("vfioalign_audits_total", audits)

    def test_full_disk(self):
        """Where it cannot be written, that is said once, and all else goes on."""
        self.metrics.mkdir()
        self.configure("[Export]\nAuditIntervalSec=1\n")
        self.bus = Bus()
        self.addCleanup(self.bus.close)
        self.daemon = Daemon(DAEMON, self.bus, {"VFIOALIGN_ROOT": str(self.root)})
        self.addCleanup(self.daemon.close)
        time.sleep(3)
        self.assertEqual(self.daemon.log.count("Failed to write '/run/vfioalign/metrics.prom' and '/run/vfioalign/row.json'"), 1)
        self.metrics.rmdir()
        wait_for(self.metrics.is_file, "the metrics")


if __name__ == "__main__":
    unittest.main()
