#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Nobody is harmed: whatever state the daemon is in, and whatever XML comes, each guest that policy allows starts, is
told nothing wrong, and waits no longer than HookDeadlineSec=.

On a bus of its own and a made-up host; the hook is called as libvirt calls it, 64 at once. Leaves a row of each case
in build/results/harm.json. Bounds on time are generous, as the machine may be busy; what it took is in the file."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

import dbus

from made_up_host import VFIO, make_hook, make_host, with_driver
from private_bus import SLOWER, Bus, Daemon, domain, wait_for

DAEMON, CTL, RESULTS = sys.argv[1:4]
del sys.argv[1:4]

INTERFACE = "org.vfioalign1.Manager"
DEADLINE = 5.0 * SLOWER
SLACK = 10.0 * SLOWER
OTHER_PHASES = [("start", "begin"), ("started", "begin"), ("reconnect", "begin"), ("stopped", "end"), ("release", "end"),
                ("migrate", "begin"), ("restore", "begin"), ("attach", "begin"), ("no-such", "phase")]
ROWS = []

# Owns the daemon's name, and ends at the first call: systemd starts such a daemon again and again.
CRASHING = """
import os, sys, dbus.bus, dbus.mainloop.glib
from gi.repository import GLib
connection = dbus.bus.BusConnection(sys.argv[1], mainloop=dbus.mainloop.glib.DBusGMainLoop())
connection.add_message_filter(lambda c, m: os.abort() if m.get_interface() == "org.vfioalign1.Manager" else None)
connection.request_name("org.vfioalign1")
GLib.MainLoop().run()
"""


def can(*command):
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def limit(name, value):
    return f'<limit name="{name}">{value}</limit>'


def setUpModule():
    global made, devices  # the same host for each test, which has a copy
    made = tempfile.TemporaryDirectory(prefix="vfioalign-made-")
    devices = make_host(Path(made.name))


class Case(unittest.TestCase):
    config = f"[Guest]\nHookDeadlineSec={DEADLINE}\n"
    limits = ""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="vfioalign-harm-")
        self.addCleanup(directory.cleanup)
        self.home = Path(directory.name)
        self.root = self.home / "root"
        subprocess.run(["cp", "-a", made.name, self.root], check=True)
        self.devices = list(devices)
        self.nic = with_driver(self.root, "igb")[0]
        self.configure(self.config)
        self.hook = make_hook(self.home / "hook", CTL)
        self.bus = Bus(more=self.limits)
        self.addCleanup(self.bus.close)
        self.env = {**self.bus.env, "VFIOALIGN_ROOT": str(self.root)}
        self.stdout = open(self.home / "stdout", "wb+")
        self.stderr = open(self.home / "stderr", "wb+")
        self.addCleanup(self.stdout.close)
        self.addCleanup(self.stderr.close)

    def configure(self, text):
        (self.root / "etc/vfioalignd.conf").write_text(text)

    def start(self, prefix=(), **env):
        self.daemon = Daemon(DAEMON, self.bus, {**self.env, **env}, prefix)
        self.addCleanup(self.daemon.process.kill)
        self.addCleanup(self.end)
        self.connection = dbus.bus.BusConnection(self.bus.address)
        self.addCleanup(self.connection.close)
        return self.daemon

    def end(self):
        self.assertEqual(self.daemon.close(), 0, self.daemon.log)

    def audit(self):
        proxy = self.connection.get_object("org.vfioalign1", "/org/vfioalign1", introspect=False)
        return proxy.Audit(dbus_interface=INTERFACE, timeout=60)

    def call(self, guest="guest", phase=("prepare", "begin"), stdin=subprocess.PIPE, prefix=(), hook=None):
        """A hook that runs, and when it began."""
        begin = time.monotonic()
        return subprocess.Popen([*prefix, hook or self.hook, guest, *phase, "-"], env=self.env, stdin=stdin,
                                stdout=self.stdout, stderr=self.stderr), begin

    def wait(self, calls):
        """[(exit status, seconds)], in any order"""
        ends = []

        def wait(process, begin):
            status = process.wait(DEADLINE + 10 * SLACK)
            ends.append((status, time.monotonic() - begin))

        threads = [threading.Thread(target=wait, args=call) for call in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return ends

    def feed(self, calls, xml):
        """libvirt takes no notice of a hook that does not read."""
        for (process, _), text in zip(calls, xml):
            try:
                process.stdin.write(text)
            except BrokenPipeError:
                pass
            self.close(process)

    @staticmethod
    def close(process):
        try:
            process.stdin.close()
        except BrokenPipeError:
            pass

    def judge(self, case, ends, should=None, deadline=DEADLINE):
        """A row, and what has to be true of it."""
        should = len(ends) if should is None else should
        ran = sum(status == 0 for status, _ in ends)
        longest = max(seconds for _, seconds in ends)
        if case:
            ROWS.append({"case": case, "guests_that_should_run": should, "guests_that_ran": ran,
                         "longest_hook_ms": round(longest * 1e3), "deadline_ms": round(deadline * 1e3)})
        for file in self.stdout, self.stderr:
            file.seek(0)
        text = self.stderr.read().decode(errors="replace")
        self.assertEqual(ran, should, text)
        self.assertLess(longest, deadline + SLACK)
        self.assertEqual(self.stdout.read(), b"")
        self.assertNotIn("refused", text)

    def start_guests(self, case, devices=None, hook=None):
        """64 guests start at once, each with a device of its own."""
        devices = devices or self.devices
        calls = [self.call(f"guest{i}", hook=hook) for i in range(len(devices))]
        self.feed(calls, [domain(f"guest{i}", [device]) for i, device in enumerate(devices)])
        self.judge(case, self.wait(calls))

    def other_phases(self, deadline=0):
        """They do not fail, and wait for nothing but a bus that hangs."""
        xml = domain("guest0", self.devices[:1])
        calls = [self.call("guest0", phase) for phase in OTHER_PHASES]
        self.feed(calls, [xml] * len(calls))
        self.judge(None, self.wait(calls), deadline=deadline)

    def assert_told(self):
        """Each guest was told of its own device, once."""
        for i, device in enumerate(self.devices):
            lines = [line for line in self.daemon.log.splitlines() if f"'guest{i}' may start" in line]
            self.assertEqual(len(lines), 1, lines)
            self.assertIn(f"may start: {device} gets ", lines[0])


class States(Case):
    def test_running(self):
        self.start()
        self.start_guests("running")
        self.assert_told()
        self.other_phases()

    def test_running_refuse(self):
        """Each has its answer, where one without would be refused."""
        self.configure(self.config + "OnUnreachable=refuse\n")
        self.start()
        self.start_guests("running, OnUnreachable=refuse")
        self.assert_told()

    def test_absent(self):
        self.start_guests("absent")
        self.other_phases()

    def test_no_program(self):
        """Removed under the hook, as by an upgrade that failed."""
        self.start_guests("vfioalignctl gone", hook=make_hook(self.home / "hook-alone", self.home / "gone"))
        (self.home / "vfioalignctl").symlink_to("/bin/false")
        self.start_guests("vfioalignctl broken", hook=make_hook(self.home / "hook-broken", self.home / "vfioalignctl"))

    def test_frozen(self):
        self.start().signal(signal.SIGSTOP)
        self.start_guests("frozen (SIGSTOP)")
        self.other_phases()

    def test_killed_meanwhile(self):
        self.start().signal(signal.SIGSTOP)
        calls = [self.call(f"guest{i}") for i in range(VFIO)]
        self.feed(calls, [domain(f"guest{i}", [d]) for i, d in enumerate(self.devices)])
        time.sleep(1)
        self.daemon.process.kill()
        self.judge("killed while all wait", self.wait(calls))
        self.daemon.close = lambda: 0

    def test_crashing(self):
        if not can(sys.executable, "-c", "import gi"):
            self.skipTest("no python3-gi")
        run = subprocess.Popen([sys.executable, "-c", "import subprocess, sys\nwhile True:\n"
                                "    subprocess.run([sys.executable, '-c', *sys.argv[1:]], stderr=subprocess.DEVNULL)\n"
                                "    print(flush=True)", CRASHING, self.bus.address],
                               stdout=subprocess.PIPE, start_new_session=True)
        self.addCleanup(run.wait)
        self.addCleanup(os.killpg, run.pid, signal.SIGKILL)
        connection = dbus.bus.BusConnection(self.bus.address)
        self.addCleanup(connection.close)
        wait_for(lambda: connection.name_has_owner("org.vfioalign1"), "the daemon that crashes")
        self.start_guests("crashing at each request")
        for i in range(4):  # one by one, so that each has its crash
            wait_for(lambda: connection.name_has_owner("org.vfioalign1"), "the next")
            self.start_guests(None, self.devices[:1])
            run.stdout.readline()
        self.other_phases()

    def test_bus_frozen(self):
        self.start()
        self.bus.process.send_signal(signal.SIGSTOP)
        self.addCleanup(self.bus.process.send_signal, signal.SIGCONT)
        self.start_guests("bus frozen")
        self.other_phases(DEADLINE)
        self.bus.process.send_signal(signal.SIGCONT)

    def test_bus_gone(self):
        self.bus.process.kill()
        self.bus.process.wait()
        self.start_guests("bus gone")
        self.other_phases()


class FullSocket(Case):
    """The daemon is frozen, and the bus takes no more for it."""
    limits = limit("max_outgoing_bytes", 200000) + limit("max_replies_per_connection", 4096)

    def test_full(self):
        self.start().signal(signal.SIGSTOP)
        proxy = self.connection.get_object("org.vfioalign1", "/org/vfioalign1", introspect=False)
        for _ in range(1000):
            message = dbus.lowlevel.MethodCallMessage("org.vfioalign1", "/org/vfioalign1", INTERFACE, "GuestReleased")
            message.append("x" * 10000, signature="s")
            message.set_no_reply(True)
            self.connection.send_message(message)
        self.connection.flush()
        with self.assertRaises(dbus.DBusException) as caught:
            proxy.GetReport(dbus_interface=INTERFACE, timeout=5)
        self.assertEqual(caught.exception.get_dbus_name(), "org.freedesktop.DBus.Error.LimitsExceeded")
        self.start_guests("socket full")
        self.other_phases()
        self.daemon.signal(signal.SIGCONT)
        wait_for(self.answers, "the daemon, through all that", 60)

    def answers(self):
        try:
            return self.audit()
        except dbus.DBusException:
            return False  # its socket is still full


class Pending(Case):
    """A frozen daemon with many calls that wait, all that one connection may have."""

    def test_pending(self):
        self.start().signal(signal.SIGSTOP)
        calls = [subprocess.Popen(["busctl", "--address=" + self.bus.address, "--timeout=60", "call", "org.vfioalign1",
                                   "/org/vfioalign1", INTERFACE, "GetReport"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL) for _ in range(100)]
        time.sleep(1)
        self.start_guests("frozen, 100 calls wait")
        self.daemon.signal(signal.SIGCONT)
        for call in calls:
            self.assertEqual(call.wait(60), 0)


class Host(Case):
    """What would be done for a guest: the module, and a device that its start waits for."""

    def setUp(self):
        super().setUp()
        self.configure(self.config + f"[Device nic]\nAddress={self.nic}\nBind=guest\n")
        # Not loaded, and no file of it to be seen before show_module().
        for path in sorted((self.root / "sys/module/vfio_align").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        (self.root / "sys/module/vfio_align").rmdir()
        self.index = next(self.root.glob("usr/lib/modules/*/modules.dep"))
        self.index.rename(self.home / "modules.dep")
        self.worker = self.home / "worker"
        self.worker.write_text(f"#!/bin/sh\nexec {sys.executable} {Path(__file__).parent}/fake_worker.py\n")
        self.worker.chmod(0o755)
        (self.home / "plan").write_text("{}")

    def start(self, **kwargs):
        return super().start(VFIOALIGN_WORKER=str(self.worker), **kwargs)

    def show_module(self):
        (self.home / "modules.dep").rename(self.index)

    def start_both(self, case, deadline=DEADLINE):
        calls = [self.call("gpu"), self.call("nic")]
        self.feed(calls, [domain("gpu", self.devices[:1]), domain("nic", [self.nic], "no")])
        self.judge(case, self.wait(calls), deadline=deadline)

    def done(self):
        """What the daemon has done for guests: asked systemd for the module, started a worker."""
        return self.daemon.log.count("Fix module: "), self.daemon.log.count("vfioalign-worker (guest nic) begins")

    def test_thawed(self):
        """Nothing is done any more for a guest whose hook has left, at its deadline or before."""
        self.start()
        self.show_module()
        self.daemon.signal(signal.SIGSTOP)
        self.start_both("frozen, resumed after the hooks gave up")
        self.configure(self.config.replace(str(DEADLINE), "60") + f"[Device nic]\nAddress={self.nic}\nBind=guest\n")
        calls = [subprocess.Popen([CTL, "hook", guest, "prepare", "begin", "-"], env=self.env, stdin=subprocess.PIPE)
                 for guest in ("gpu", "nic")]
        calls[0].stdin.write(domain("gpu", self.devices[:1]))
        calls[1].stdin.write(domain("nic", [self.nic], "no"))
        for call in calls:
            call.stdin.close()
        time.sleep(1)
        for call in calls:
            call.kill()
            call.wait()
        self.daemon.signal(signal.SIGCONT)
        self.assertEqual(os.readlink(self.root / f"sys/bus/pci/devices/{self.nic}/driver").split("/")[-1], "igb")
        self.get_health()  # it has dealt with all that came before
        self.assertEqual(self.done(), (0, 0), self.daemon.log)
        self.assertNotIn("may start", self.daemon.log)
        self.configure(self.config + f"[Device nic]\nAddress={self.nic}\nBind=guest\n")
        self.start_both("resumed")
        self.assertEqual(self.done(), (1, 1), self.daemon.log)  # so it could have

    def get_health(self):
        proxy = self.connection.get_object("org.vfioalign1", "/org/vfioalign1", introspect=False)
        return str(proxy.Get(INTERFACE, "Health", dbus_interface="org.freedesktop.DBus.Properties", timeout=60))

    def test_disk_full(self):
        """A device cannot be handed over where that cannot be written down; its guest starts, and is told."""
        full = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs -o size=4k,nr_inodes=1 tmpfs "
                f"{self.root}/run/vfioalign && exec \"$@\"", "sh"]
        (self.root / "run/vfioalign").mkdir(exist_ok=True)
        if not can(*full, "true"):
            self.skipTest("no mount namespace")
        self.start(prefix=full)
        self.start_guests("disk full")
        self.assert_told()
        self.start_both("disk full, a device to hand over")
        self.assertRegex(self.daemon.log, r"'nic' may start: its devices were not handed to VFIO: ")
        self.other_phases()

    def test_worker_hangs(self):
        (self.home / "plan").write_text(json.dumps({"bind": {"deaf": True}}))
        self.start(prefix=["env", "VFIOALIGN_GRACE_MSEC=1000"])
        self.start_both("a driver hangs while its device is handed over")
        self.assertIn("'nic' may start: its devices were not handed to VFIO in time", self.daemon.log)
        self.start_guests("others, while a driver hangs")


def bomb(levels=30):
    entities = "".join(f"<!ENTITY e{i} '&e{i - 1};&e{i - 1};'>" for i in range(1, levels))
    return f"<!DOCTYPE d [<!ENTITY e0 'vfio'>{entities}]><domain><name>&e{levels - 1};</name></domain>".encode()


ONE = domain()
HOSTILE = {
    "empty": b"",
    "no XML": b"hostdev \xf0\x9f\x92\xa5",
    "5 MiB": domain().replace(b"</name>", b"</name>" + b"<!-- x -->" * (1 << 19)),
    "5 MiB of nothing": b" " * (5 << 20),
    "entity bomb": bomb(),
    "quadratic entity": b"<!DOCTYPE d [<!ENTITY a '" + b"vfio" * 100000 + b"'>]><d>" + b"&a;" * 100000 + b"</d>",
    "external entity": b"<!DOCTYPE d [<!ENTITY a SYSTEM 'file:///dev/zero'>]><domain><name>&a; vfio</name></domain>",
    "external subset": b"<!DOCTYPE domain SYSTEM 'http://192.0.2.1/vfio.dtd'>" + ONE,
    "NULs": b"\0" * 100000 + ONE,
    "NUL within": ONE.replace(b"<devices>", b"<devices>\0"),
    "deep nesting": b"<hostdev>" * 400000,
    "deep and closed": b"<vfio>" * 300000 + b"</vfio>" * 250000,
    "a million devices": domain(devices=["0000:00:00.0"] * 1000000),
    "as many devices as fit": b"<domain><name>x</name><devices>" + b"<hostdev/>" * 400000 + b"</devices></domain>",
    "300 devices": domain(devices=["0000:00:00.0"] * 300),
    "attributes without end": b"<hostdev " + b" ".join(b"a%d='b'" % i for i in range(300000)) + b"/>",
    "140000 networks": b"<domain><name>x</name><devices>" + b"<source network='aaaaaaaa'/>" * 140000 +
                       b"</devices></domain>",
    "a name like a path": domain("../../../../etc/passwd"),
    "a long name": domain("x" * 1000000),
    "invalid UTF-8": domain().replace(b"guest", b"\xff\xfe\x80guest"),
    "UTF-16": domain().decode().encode("utf-16"),
    "false encoding": b"<?xml version='1.0' encoding='EBCDIC-CP-US'?>" + ONE,
    "cut": ONE[:-20],
    "addresses of nowhere": ONE.replace(b"bus='0x00'", b"bus='0xffffffffffffffffffff'"),
    "a network of that name": b"<domain type='kvm'><name>x</name><devices><interface type='network'>"
                              b"<source network='../../../../proc/kcore'/></interface></devices></domain>",
}


class Hostile(Case):
    def test_xml(self):
        """Whatever comes on standard input, the guest's start goes on, and the daemon stays."""
        self.start()
        for name, xml in HOSTILE.items():
            with self.subTest(name):
                calls = [self.call()]
                self.feed(calls, [xml])
                self.judge("XML: " + name, self.wait(calls))
                calls = [self.call(phase=phase) for phase in OTHER_PHASES]
                self.feed(calls, [xml] * len(calls))
                self.judge(None, self.wait(calls))
                self.assertIsNone(self.daemon.process.poll(), self.daemon.log)
        self.audit()
        self.start_guests("after all that XML")
        self.assert_told()

    def test_names(self):
        self.start()
        names = ["", "-", "--help", "a b", "$(touch /dev/full)`x`\\'\"", "new\nline", "x" * 100000, b"\xff\xfe", "../..",
                 "%s%n"]
        calls = [self.call(name) for name in names]
        self.feed(calls, [ONE] * len(names))
        self.judge("names of guests", self.wait(calls))
        self.audit()

    def test_stdin(self):
        """libvirt that does not close its end, never writes, or gives none; nobody who reads what we say."""
        self.start()
        phases = [("prepare", "begin"), *OTHER_PHASES]
        for name, shell in (("closed", '"$@" <&-'), ("all closed", '"$@" <&- >&- 2>&-'), ("without end", '"$@" </dev/zero'),
                            ("a folder", '"$@" </'), ("full", '"$@" 2>/dev/full')):
            with self.subTest(name):
                calls = [self.call(phase=phase, prefix=["sh", "-c", shell, "sh"]) for phase in phases]
                self.feed(calls, [ONE] * len(calls))
                self.judge("standard input: " + name, self.wait(calls))
        calls = [self.call(phase=phase) for phase in phases]
        calls[0][0].stdin.write(b"<domain><hostdev>")
        calls[0][0].stdin.flush()
        self.judge("standard input: never ends", self.wait(calls))
        for process, _ in calls:
            self.close(process)


def tearDownModule():
    made.cleanup()
    results = Path(RESULTS)
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps({"cases": ROWS}, indent=2) + "\n")


if __name__ == "__main__":
    unittest.main()
