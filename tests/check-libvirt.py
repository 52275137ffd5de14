#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vfioalignd and libvirt, on a bus of its own and on a made-up host (VFIOALIGN_ROOT): when it connects, that a libvirt
which hangs harms nobody, that guests which run are looked at, and what is kept of what they got. VFIOALIGN_LIBVIRT_URI
stands for the latter two: libvirt's test driver."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

import dbus

from private_bus import SLOWER, Bus, Daemon, domain, memfd, wait_for

DAEMON, CTL = sys.argv[1:3]
del sys.argv[1:3]

INTERFACE = "org.vfioalign1.Manager"
PATIENCE = 20 * SLOWER
SHORT = 0.5

RECORDED = Path(__file__).parent / "hosts/lab-7.3.tar.gz"  # its guest has the 2 GiB BAR of 00:05.0, on 1 GiB pages
EVIDENCE = "var/lib/vfioalign/evidence.json"

NODE = """<node><domain type='test'><name>recorded</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>
<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0' bus='0' slot='5' function='0'/></source></hostdev>
</devices></domain></node>"""


class Server:
    """A socket that takes connections, and says nothing or goodbye."""

    def __init__(self, path, hangs=True):
        self.hangs, self.taken = hangs, []
        path.parent.mkdir(parents=True, exist_ok=True)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen()
        self.end = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.taken.append(time.monotonic())
            with connection:
                if self.hangs:
                    connection.recv(1 << 16)
                    self.end.wait()

    def close(self):
        self.end.set()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()


class Libvirt(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="vfioalign-host-")
        self.addCleanup(folder.cleanup)
        self.home = Path(folder.name)
        self.root = self.home / "root"
        self.write("proc/cmdline", "quiet\n")
        (self.root / "run/libvirt/qemu").mkdir(parents=True)
        self.bus = Bus()
        self.addCleanup(self.bus.close)

    def write(self, path, text):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def serve(self, name, hangs=True):
        server = Server(self.root / "run/libvirt" / name, hangs)
        self.addCleanup(server.close)
        return server

    def start(self, **env):
        self.daemon = Daemon(DAEMON, self.bus, {"VFIOALIGN_ROOT": str(self.root), **env})
        self.addCleanup(self.daemon.close)
        connection = dbus.bus.BusConnection(self.bus.address)
        self.addCleanup(connection.close)
        self.manager = dbus.Interface(connection.get_object("org.vfioalign1", "/org/vfioalign1", introspect=False),
                                      INTERFACE)

    def run_libvirt(self, command, pid=4711):
        self.write(f"proc/{pid}/comm", command + "\n")
        self.write(f"run/{command}.pid", f"{pid}\n")

    def report(self):
        return json.loads(self.manager.GetReport(timeout=PATIENCE))

    def prepare(self):
        fd = memfd(domain())
        deadline = int((time.clock_gettime(time.CLOCK_BOOTTIME) + PATIENCE) * 1e6)
        try:
            return self.manager.PrepareGuest("guest", dbus.types.UnixFd(fd), dbus.UInt64(deadline), signature="sht",
                                             timeout=PATIENCE)
        finally:
            os.close(fd)

    def assert_ends(self):
        self.daemon.signal(signal.SIGTERM)
        self.assertEqual(self.daemon.process.wait(PATIENCE), 0, self.daemon.log)

    def test_not_started(self):
        """A socket without a daemon behind it would start one."""
        servers = [self.serve(name) for name in ("libvirt-sock-ro", "virtqemud-sock-ro", "virtxend-sock-ro")]
        self.write("run/libvirtd.pid", "4711\n")  # of one that has crashed
        self.start()
        self.run_libvirt("virtxend", 4712)
        self.write("run/virtqemud.pid", "4712\n")  # somebody else has that number by now
        self.write("run/libvirt/qemu/guest.pid", "1\n")
        time.sleep(SHORT)
        self.assertEqual([s.taken for s in servers], [[], [], []])

    def test_hangs(self):
        """It takes the connection and never answers: everybody else is served, and the daemon ends when it is told to."""
        for command, name, other in (("libvirtd", "libvirt-sock-ro", "virtqemud-sock-ro"),
                                     ("virtqemud", "virtqemud-sock-ro", "libvirt-sock-ro")):
            with self.subTest(command):
                self.doCleanups()
                self.setUp()
                server, unwanted = self.serve(name), self.serve(other)
                self.start()
                self.assertEqual(server.taken, [])
                self.run_libvirt(command)
                wait_for(lambda: server.taken, "the connection")
                begin = time.monotonic()
                self.assertTrue(self.prepare()[0])
                self.report()
                self.assertLess(time.monotonic() - begin, PATIENCE)
                self.run_libvirt(command)
                self.write("run/libvirt/qemu/guest.pid", "1\n")
                self.report()
                self.assertEqual(len(server.taken), 1)
                self.assert_ends()
                self.assertEqual(unwanted.taken, [])

    def test_tries_again(self):
        server = self.serve("libvirt-sock-ro", hangs=False)
        self.run_libvirt("libvirtd")
        self.start()
        wait_for(lambda: len(server.taken) == 2, "the second connection", 3 * PATIENCE)
        self.assertGreater(server.taken[1] - server.taken[0], 3)
        # a guest that starts is a reason to try at once
        self.write("run/libvirt/qemu/guest.pid", "1\n")
        wait_for(lambda: len(server.taken) > 2, "the connection for the guest", 3)
        self.assert_ends()

    def start_guest(self, started=9_999_999):
        """A process that is the guest of a recorded host by now. started: in ticks since the boot"""
        process = subprocess.Popen(["sleep", "1000"])
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        if not (self.root / "sys").exists():
            subprocess.run(["tar", "-xzf", RECORDED, "-C", self.root], check=True)
            shutil.move(self.root / "proc/317", self.home / "317")
            self.write("proc/stat", "btime 1700000000\n")
            self.write("node.xml", NODE)
            (self.root / EVIDENCE).parent.mkdir(parents=True)
        shutil.copytree(self.home / "317", self.root / f"proc/{process.pid}", symlinks=True)
        self.write(f"proc/{process.pid}/stat", f"{process.pid} (qemu) S" + " 0" * 18 + f" {started} 0\n")
        self.write("run/libvirt/qemu/recorded.pid", f"{process.pid}\n")
        return process

    def start_seeing(self):
        self.start(VFIOALIGN_LIBVIRT_URI=f"test://{self.root}/node.xml")
        wait_for(lambda: self.report()["guests"], "the guest")

    def tell_started(self):
        fd = memfd(domain("recorded", ["0000:00:05.0"]))
        self.manager.GuestStarted("recorded", dbus.types.UnixFd(fd), signature="sh", timeout=PATIENCE)
        os.close(fd)

    def sightings(self):
        path = self.root / EVIDENCE
        return [(s["bar_size"], s["page_size"], s["count"], s["module"], s["preload"])
                for s in (json.loads(path.read_text())["sightings"] if path.exists() else [])]

    def test_guest_seen(self):
        """A guest that runs already is looked at, and forgotten when its process ends."""
        process = self.start_guest()
        self.start_seeing()
        (guest,) = self.report()["guests"]
        self.assertEqual((guest["name"], guest["pid"]), ("recorded", process.pid))
        self.assertIn(2 << 30, [m["size"] for m in guest["mappings"]])
        process.kill()
        wait_for(lambda: not self.report()["guests"], "the guest's end")
        self.assert_ends()

    def test_evidence(self):
        """What a start got is counted once, and is told the next time."""
        process = self.start_guest()
        self.start_seeing()
        wait_for(lambda: self.sightings() == [(2 << 30, 1 << 30, 1, True, False)], f"what was seen: {self.sightings()}")
        self.assertEqual((self.root / EVIDENCE).stat().st_mode & 0o777, 0o644)
        self.assertNotIn("recorded", (self.root / EVIDENCE).read_text())
        self.tell_started()
        self.tell_started()
        self.assertEqual(len(self.report()["guests"]), 1)
        self.assert_ends()
        self.assertEqual([s[2] for s in self.sightings()], [1])

        # another daemon, the same guest
        self.start_seeing()
        self.write(f"proc/{self.daemon.process.pid}/stat", f"1 (vfioalignd) S" + " 0" * 18 + " 10000000 0\n")
        self.tell_started()
        # and a new start
        process.kill()
        wait_for(lambda: not self.report()["guests"], "the guest's end")
        self.start_guest(10_000_001)
        self.tell_started()
        wait_for(lambda: [s[2] for s in self.sightings()] == [2], f"the second start: {self.sightings()}")
        self.tell_started()
        self.assertEqual(len(self.report()["guests"]), 1)
        self.assert_ends()
        self.assertEqual([s[2] for s in self.sightings()], [2])

        text = subprocess.run([CTL, "explain", "recorded", "--root", self.root], stdout=subprocess.PIPE, text=True).stdout
        self.assertRegex(" ".join(text.split()), r"Seen here 2 times: 1 GiB pages for a BAR of 2 GiB, last at 20\d\d-")
        archive = self.home / "again.tar.gz"
        subprocess.run([CTL, "dump", "--root", self.root, archive], check=True, stderr=subprocess.DEVNULL)
        again = subprocess.run([CTL, "explain", "recorded", "--root", archive], stdout=subprocess.PIPE, text=True).stdout
        self.assertEqual(again, text)

    def test_evidence_damaged(self):
        """A damaged file is reported once and replaced."""
        self.start_guest()
        self.write(EVIDENCE, '{"sightings":[{')
        self.start_seeing()
        wait_for(lambda: "}" in (self.root / EVIDENCE).read_text(), "what was seen")
        self.assertEqual([s[2] for s in self.sightings()], [1])
        self.assertEqual(self.daemon.log.count("is damaged"), 1)
        self.assert_ends()

    def test_evidence_in_the_way(self):
        """What has the name of the temporary file does not keep the evidence from being written, and is not waited for."""
        temporary = (self.root / EVIDENCE).with_name("evidence.json~")
        self.start_guest()
        os.mkfifo(temporary)
        self.start_seeing()
        wait_for(lambda: (self.root / EVIDENCE).exists() and self.sightings(), "what was seen")
        self.assertEqual([s[2] for s in self.sightings()], [1])
        self.assertFalse(temporary.exists())
        self.assert_ends()

    def test_evidence_no_room(self):
        """Where nothing can be written there is a warning, and nothing else."""
        self.start_guest()
        (self.root / EVIDENCE).parent.rmdir()
        self.start_seeing()
        wait_for(lambda: "what guests got is not kept" in self.daemon.log, "the warning")
        self.assertTrue(self.prepare()[0])
        self.assert_ends()


if __name__ == "__main__":
    unittest.main()
