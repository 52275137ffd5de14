#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vfioalignd and libvirt, on a bus of its own and on a made-up host (VFIOALIGN_ROOT): when it connects, that a libvirt
which hangs harms nobody, and that guests which run are looked at. VFIOALIGN_LIBVIRT_URI stands for the latter: libvirt's
test driver."""

import json
import os
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

from private_bus import Bus, Daemon, domain, memfd, wait_for

DAEMON = sys.argv[1]
del sys.argv[1:2]

INTERFACE = "org.vfioalign1.Manager"
PATIENCE = 20
SHORT = 0.5

NODE = """<node><domain type='test'><name>seen</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>
<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0' bus='1' slot='0' function='0'/></source></hostdev>
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
        self.root = Path(folder.name) / "root"
        self.write("proc/cmdline", "quiet\n")
        self.write("run/libvirt/qemu/old.xml", "")
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

    def test_guest_seen(self):
        """A guest that runs already is looked at, and forgotten when its process ends."""
        process = subprocess.Popen(["sleep", "1000"])
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.write("run/libvirt/qemu/seen.pid", f"{process.pid}\n")
        self.write(f"proc/{process.pid}/maps",
                   "7f0000000000-7f0080000000 rw-s 20000000000 00:0e 1065 anon_inode:[vfio-device]\n")
        self.write("node.xml", NODE)
        self.start(VFIOALIGN_LIBVIRT_URI=f"test://{self.root}/node.xml")
        wait_for(lambda: self.report()["guests"], "the guest")
        (guest,) = self.report()["guests"]
        self.assertEqual((guest["name"], guest["pid"]), ("seen", process.pid))
        self.assertEqual([m["size"] for m in guest["mappings"]], [2 << 30])
        process.kill()
        wait_for(lambda: not self.report()["guests"], "the guest's end")
        self.assert_ends()


if __name__ == "__main__":
    unittest.main()
