#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vfioalignctl hook against a bus of its own: what libvirt gets, and how long it waits, whatever state the daemon
is in. Bounds on time are generous: the machine may be busy."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from private_bus import SLOWER, Bus, Daemon, domain

DAEMON, CTL = sys.argv[1:3]
del sys.argv[1:3]

SLACK = 5.0 * SLOWER
PHASES = [("prepare", "begin"), ("start", "begin"), ("started", "begin"), ("stopped", "end"), ("release", "end"),
          ("reconnect", "begin"), ("migrate", "begin"), ("no-such", "phase")]


def can_overlay():
    run = subprocess.run(["unshare", "--mount", "mount", "-t", "overlay", "overlay", "-o", "lowerdir=/etc:/usr", "/etc"],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return run.returncode == 0


OVERLAY = can_overlay()


class Hook(unittest.TestCase):
    def setUp(self):
        self.bus = Bus()
        self.addCleanup(self.bus.close)

    def configure(self, text):
        """Runs the hook with a configuration of its own, in a mount namespace: /etc stays as it is."""
        if not OVERLAY:
            self.skipTest("no overlay on /etc")
        self.etc = tempfile.TemporaryDirectory()
        self.addCleanup(self.etc.cleanup)
        place = Path(self.etc.name) / "vfioalignd.conf.d"
        place.mkdir()
        (place / "99-test.conf").write_text(text)
        return ["unshare", "--mount", "sh", "-c",
                f"mount -t overlay overlay -o lowerdir={self.etc.name}:/etc /etc && exec \"$@\"", "sh"]

    def run_hook(self, phase, prefix=(), stdin=domain(), env=None):
        """(exit status, seconds, standard error)"""
        start = time.monotonic()
        run = subprocess.run([*prefix, CTL, "hook", "guest", *phase, "-"], env=env or self.bus.env, input=stdin,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        self.assertEqual(run.stdout, b"")
        return run.returncode, time.monotonic() - start, run.stderr.decode()

    def assert_all(self, seconds, refuses=False, **kwargs):
        for phase in PHASES:
            status, took, text = self.run_hook(phase, **kwargs)
            refused = refuses and phase[0] == "prepare"
            self.assertEqual(status, 4 if refused else 0, f"{phase}: {text}")
            self.assertLess(took, seconds, phase)
            if refused:
                self.assertIn("OnUnreachable=refuse", text)

    def start_daemon(self):
        daemon = Daemon(DAEMON, self.bus)
        self.addCleanup(daemon.close)
        return daemon

    def test_running(self):
        daemon = self.start_daemon()
        self.assert_all(SLACK)
        self.assertIn("Guest 'guest' may start", daemon.log)
        self.assert_all(SLACK, prefix=self.configure("[Guest]\nOnUnreachable=refuse\n"))

    def test_running_junk(self):
        """An XML that the daemon cannot read is no answer."""
        self.start_daemon()
        for junk in b"", b"junk", b"<hostdev", b" " * ((4 << 20) + 1):
            self.assert_all(SLACK, stdin=junk)
        self.assert_all(SLACK, stdin=b"<hostdev", refuses=True, prefix=self.configure("[Guest]\nOnUnreachable=refuse\n"))

    def test_absent(self):
        self.assert_all(SLACK)
        self.assert_all(SLACK, refuses=True, prefix=self.configure("[Guest]\nOnUnreachable=refuse\n"))

    def test_no_device(self):
        """A guest without VFIO devices starts, whatever the daemon does."""
        self.assert_all(SLACK, stdin=domain(devices=()), prefix=self.configure("[Guest]\nOnUnreachable=refuse\n"))

    def test_no_bus(self):
        env = dict(self.bus.env, DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nonexistent/bus")
        self.assert_all(SLACK, env=env)
        self.assert_all(SLACK, env=env, refuses=True, prefix=self.configure("[Guest]\nOnUnreachable=refuse\n"))

    def test_stopped(self):
        """A daemon that hangs: prepare waits for its deadline, nothing else waits."""
        self.start_daemon().signal(signal.SIGSTOP)
        status, took, _ = self.run_hook(("prepare", "begin"))
        self.assertEqual(status, 0)
        self.assertGreater(took, 2)
        self.assertLess(took, 5 + SLACK)
        prefix = self.configure("[Guest]\nHookDeadlineSec=60\n")
        for phase in PHASES[1:]:
            status, took, text = self.run_hook(phase, prefix=prefix)
            self.assertEqual(status, 0, text)
            self.assertLess(took, SLACK, phase)
        self.assert_all(1 + SLACK, refuses=True, prefix=self.configure("[Guest]\nOnUnreachable=refuse\nHookDeadlineSec=1\n"))

    def test_other_devices(self):
        """Words are not devices: a guest with a USB stick, or that only tells of such devices, is refused by nobody."""
        usb = (b"<domain><name>guest</name><description>vfio hostdev</description><devices><hostdev mode='subsystem' type='usb'>"
               b"<source><vendor id='0x1234'/><product id='0x5678'/></source></hostdev></devices></domain>")
        self.assert_all(SLACK, stdin=usb, prefix=self.configure("[Guest]\nOnUnreachable=refuse\n"))

    def test_no_vfio(self):
        """A guest without such a device waits for nobody, and nothing refuses it."""
        self.start_daemon().signal(signal.SIGSTOP)
        self.assert_all(SLACK, stdin=b"<domain><name>guest</name></domain>",
                        prefix=self.configure("[Guest]\nOnUnreachable=refuse\nHookDeadlineSec=60\n"))

    def test_other_vfio(self):
        """An NVMe disk that QEMU drives itself, and an interface whose network hands out functions: VFIO as well."""
        devices = {"nvme": (b"<disk type='nvme'><source><address bus='1' slot='0' function='0'/></source></disk>", True),
                   "pool": (b"<interface type='network'><source network='pool'/></interface>", True),
                   "nat": (b"<interface type='network'><source network='nat'/></interface>", False),
                   "none": (b"<interface type='network'><source network='none'/></interface>", False),
                   "file": (b"<disk type='block'><source dev='/dev/nvme0n1'/></disk>", False),
                   "usb": (b"<hostdev mode='subsystem' type='usb'><source><vendor id='1'/></source></hostdev>", False),
                   "scsi": (b"<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host0'/></source></hostdev>",
                            False),
                   "words": (b"<!-- <hostdev type='pci'/> vfio --><disk type='file'><source file='/vm/vfio'/></disk>", False),
                   "half": (b"<disk", True)}
        prefix = self.configure("[Guest]\nOnUnreachable=refuse\n")
        networks = Path(self.etc.name) / "libvirt/qemu/networks"
        networks.mkdir(parents=True)
        for name, mode in (("pool", "hostdev"), ("nat", "nat")):
            (networks / f"{name}.xml").write_text(f"<network><name>{name}</name><forward mode='{mode}'/></network>")
        for name, (xml, refuses) in devices.items():
            with self.subTest(name):
                self.assert_all(SLACK, refuses=refuses, prefix=prefix,
                                stdin=domain(devices=()).replace(b"</devices>", xml + b"</devices>"))

    def test_bus_hangs(self):
        """A bus that takes the connection and says nothing: no bus timeout covers that, the alarm does."""
        path = self.bus.dir.name + "/mute"
        with socket.socket(socket.AF_UNIX) as mute:
            mute.bind(path)
            mute.listen()
            env = dict(self.bus.env, DBUS_SYSTEM_BUS_ADDRESS="unix:path=" + path)
            prefix = self.configure("[Guest]\nOnUnreachable=refuse\nHookDeadlineSec=1\n")
            self.assert_all(1 + SLACK, env=env, refuses=True, prefix=prefix)
            self.assert_all(1 + SLACK, env=env, prefix=self.configure("[Guest]\nHookDeadlineSec=1\n"))

    def test_stdin_hangs(self):
        """libvirt that does not finish its XML"""
        self.start_daemon()
        prefix = self.configure("[Guest]\nHookDeadlineSec=1\n")
        for phase in PHASES:
            with subprocess.Popen([*prefix, CTL, "hook", "guest", *phase, "-"], env=self.bus.env, stdin=subprocess.PIPE) as run:
                run.stdin.write(b"<domain>")
                run.stdin.flush()
                self.assertEqual(run.wait(1 + SLACK), 0, phase)

    def test_bad_configuration(self):
        """An error in the file is the daemon's to report; the hook goes by the lines that can be read."""
        for text in "[Guest]\nHookDeadlineSec=never\n", "[Fix]\nModul=off\n", "[Guest]\nOnUnreachable=refse\n", "[Gest]\n" \
                    "OnUnreachable=refuse\n":
            with self.subTest(text):
                self.assert_all(SLACK, prefix=self.configure(text))
        for text in "HookDeadlineSec=never\n", "[Fix]\nModul=off\n", "OnUnreachable=alow\n", "[Device a]\n":
            with self.subTest(text):
                self.assert_all(SLACK, refuses=True, prefix=self.configure("[Guest]\nOnUnreachable=refuse\n" + text))
        self.start_daemon().signal(signal.SIGSTOP)
        prefix = self.configure("[Guest]\nHookDeadlineSec=1\nOnUnreachable=refuse\n[Fix]\nModul=off\n")
        self.assertLess(self.run_hook(("prepare", "begin"), prefix=prefix)[1], 1 + SLACK)
        prefix = self.configure("[Fix]\nModul=off\n[Guest]\nHookDeadlineSec=60\n")
        with self.assertRaises(subprocess.TimeoutExpired):
            subprocess.run([*prefix, CTL, "hook", "guest", "prepare", "begin", "-"], env=self.bus.env, input=domain(), timeout=8)

    def test_switched_off(self):
        if not OVERLAY:
            self.skipTest("no mount namespace")
        self.start_daemon().signal(signal.SIGSTOP)
        for parent in "/run", "/var/lib":
            prefix = ["unshare", "--mount", "sh", "-c",
                      f"mount -t tmpfs tmpfs {parent} && mkdir {parent}/vfioalign && : >{parent}/vfioalign/off && "
                      "exec \"$@\"", "sh"]
            self.assert_all(SLACK, prefix=prefix)

    def test_never_started(self):
        """A call does not start a daemon that was stopped, though the bus could."""
        bus = Bus(activates="org.vfioalign1")
        self.addCleanup(bus.close)
        for phase in PHASES:
            self.assertEqual(self.run_hook(phase, env=bus.env)[0], 0)
        run = subprocess.run([CTL, "status"], env=bus.env, stderr=subprocess.PIPE, text=True)
        self.assertEqual(run.returncode, 1)
        self.assertIn("systemctl start vfioalignd", run.stderr)
        self.assertFalse(bus.activated())
        subprocess.run(["busctl", "--address=" + bus.address, "call", "org.vfioalign1", "/org/vfioalign1",
                        "org.vfioalign1.Manager", "GetReport"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.assertTrue(bus.activated())

    def test_libraries(self):
        """What it loads, each guest's start waits for."""
        if not shutil.which("readelf"):
            self.skipTest("no readelf")
        program = Path(CTL).parent / "vfioalignctl-hook"
        run = subprocess.run(["readelf", "-d", program], stdout=subprocess.PIPE, text=True, check=True)
        needed = set(re.findall(r"NEEDED.*\[([^].]*)", run.stdout))
        self.assertLessEqual(needed - {"libasan", "libubsan"}, {"libc", "libsystemd", "libinih"})

    def test_usage(self):
        for args in [], ["guest"], ["guest", "prepare", "begin"], ["guest", "prepare", "begin", "-", "more"]:
            run = subprocess.run([CTL, "hook", *args], env=self.bus.env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
            self.assertEqual(run.returncode, 2)


if __name__ == "__main__":
    unittest.main()
