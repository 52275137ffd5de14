#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vfioalignd on a bus of its own: what it exports is what systemd/org.vfioalign1.xml documents, and what callers
get wrong is answered, not suffered."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import xml.etree.ElementTree as ET
from pathlib import Path

import dbus
import dbus.lowlevel

from made_up_host import make_host, run_guest
from private_bus import Bus, Daemon, domain, memfd, wait_for
from schema import Report

DAEMON, CTL, XML, SCHEMA = sys.argv[1:5]
del sys.argv[1:5]

INTERFACE = "org.vfioalign1.Manager"
EIGHT_GPU = Path(__file__).resolve().parent / "hosts/eight-gpu"
ERROR = "org.freedesktop.DBus.Error."


def members(node):
    """The interface, without documentation: {(kind, name): [(attributes of arguments, ...)]}."""
    (interface,) = [i for i in node.iter("interface") if i.get("name") == INTERFACE]
    out = {}
    for member in interface:
        if not isinstance(member.tag, str) or member.tag == "annotation":
            continue
        args = [(a.get("name"), a.get("type"), a.get("direction")) for a in member.iter("arg")]
        out[member.tag, member.get("name")] = (member.get("type"), member.get("access"), args)
    return out


def emits_changed(node):
    out = {}
    for prop in node.iter("property"):
        notes = [a.get("value") for a in prop.iter("annotation") if a.get("name").endswith("EmitsChangedSignal")]
        out[prop.get("name")] = notes[0] if notes else "true"
    return out


class Documented(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(XML) as file:
            cls.text = file.read()
        cls.node = ET.parse(XML, parser=ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))).getroot()

    def test_every_member(self):
        (interface,) = self.node.iter("interface")
        comment = None
        for child in interface:
            if child.tag is ET.Comment:
                comment = child.text
                continue
            name = child.get("name")
            self.assertIsNotNone(comment, name)
            self.assertRegex(comment, rf"^\s+{name}:\n")
            documented = re.findall(r"^\s+@(\w+): \S", comment, flags=re.M)
            self.assertEqual(documented, [a.get("name") for a in child.iter("arg")], name)
            self.assertGreater(len(re.sub(r"@\w+:.*", "", comment).split()), 3, name)
            comment = None


class OnBus(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bus = Bus()
        cls.addClassCleanup(cls.bus.close)
        cls.daemon = Daemon(DAEMON, cls.bus)
        cls.addClassCleanup(cls.end)
        connection = dbus.bus.BusConnection(cls.bus.address)
        cls.addClassCleanup(connection.close)
        cls.object = connection.get_object("org.vfioalign1", "/org/vfioalign1", introspect=False)
        cls.manager = dbus.Interface(cls.object, INTERFACE)

    @classmethod
    def end(cls):
        status = cls.daemon.close()
        if status != 0:
            raise AssertionError(f"vfioalignd ended with {status}: {cls.daemon.log}")

    def get(self, name):
        return self.object.Get(INTERFACE, name, dbus_interface="org.freedesktop.DBus.Properties")

    def prepare(self, xml, seconds=10.0, seals=None, fd=None, name="guest"):
        fd = fd if fd is not None else memfd(xml) if seals is None else memfd(xml, seals)
        deadline = int((time.clock_gettime(time.CLOCK_BOOTTIME) + seconds) * 1e6)
        try:
            return self.manager.PrepareGuest(name, dbus.types.UnixFd(fd), dbus.UInt64(max(deadline, 0)), signature="sht")
        finally:
            os.close(fd)

    def assert_error(self, name, call, *args, **kwargs):
        with self.assertRaises(dbus.DBusException) as caught:
            call(*args, **kwargs)
        self.assertEqual(caught.exception.get_dbus_name(), name)
        self.assertTrue(caught.exception.get_dbus_message())

    def test_interface(self):
        run = subprocess.run(["busctl", "--address=" + self.bus.address, "introspect", "org.vfioalign1", "/org/vfioalign1",
                              "--xml-interface"], stdout=subprocess.PIPE, text=True, check=True)
        exported, documented = ET.fromstring(run.stdout), ET.parse(XML).getroot()
        self.assertEqual(members(documented), members(exported))
        self.assertEqual(emits_changed(documented), {name: value for name, value in emits_changed(exported).items()
                                                     if name in emits_changed(documented)})

    def test_status_off(self):
        """Guests that are off are not said to be none."""
        with tempfile.TemporaryDirectory() as root:
            shutil.copytree(EIGHT_GPU, root, dirs_exist_ok=True, symlinks=True)
            text = self.status_of(root)
        self.assertRegex(text, r"0 of 2 guests with VFIO devices running; 2 will start on small pages; 1 warning; module not "
                               r"loaded; audited \d{4}-\d\d-\d\d \d\d:\d\d")
        self.assertIn("No guest with a VFIO device runs; libvirt has 2: vfioalignctl guests", text)
        self.assertNotIn("more with VFIO devices", text)

    def test_status_proxmox(self):
        """Nor are those of Proxmox, whose starts the daemon does not see."""
        with tempfile.TemporaryDirectory() as root:
            shutil.copytree(EIGHT_GPU, root, dirs_exist_ok=True, symlinks=True)
            conf = Path(root, "etc/pve/qemu-server/101.conf")
            conf.parent.mkdir(parents=True)
            conf.write_text("hostpci0: 0000:52:00.0\n")
            text = self.status_of(root)
        self.assertIn("0 of 2 guests of libvirt with VFIO devices running", text)
        self.assertIn("libvirt has 2: vfioalignctl guests", text)
        self.assertIn("1 more with VFIO devices, running or not, is not started by libvirt's daemon", text)

    def status_of(self, root):
        bus = Bus()
        self.addCleanup(bus.close)
        daemon = Daemon(DAEMON, bus, env={"VFIOALIGN_ROOT": str(root)})
        self.addCleanup(daemon.close)
        return subprocess.run([CTL, "status"], env=bus.env, stdout=subprocess.PIPE, text=True).stdout

    def test_report(self):
        report = Report(SCHEMA).check(self.manager.GetReport())
        self.assertEqual(report["generation"], self.get("Generation"))
        self.assertEqual(report["guests"], [])
        self.assertIn("audited", report["status"])
        self.assertIsNone(report["switched_off_by"])

        run = subprocess.run([CTL, "status"], env=self.bus.env, stdout=subprocess.PIPE, text=True)
        self.assertEqual(run.returncode, 0)
        self.assertIn(report["status"], run.stdout)
        run = subprocess.run([CTL, "status", "--json"], env=self.bus.env, stdout=subprocess.PIPE, text=True)
        self.assertEqual(Report(SCHEMA).check(run.stdout)["generation"], report["generation"])

    def test_audit(self):
        before, now = self.get("Generation"), time.time()
        self.assertGreater(self.manager.Audit(), before)
        self.assertGreater(self.get("Generation"), before)
        self.assertAlmostEqual(self.get("LastAuditUSec") / 1e6, now, delta=30)
        self.assertIn(self.get("Health"), ("ok", "degraded"))
        self.assertRegex(self.get("Version"), r"^\d+\.\d+")

    def test_prepare(self):
        self.assertEqual(self.prepare(domain(devices=())), (True, "no VFIO device"))
        allowed, message = self.prepare(domain())
        self.assertTrue(allowed)
        self.assertTrue(message)
        self.assertTrue(self.prepare(domain(devices=("ffff:ff:1f.7",)))[0])
        self.assertTrue(self.prepare(domain(name="a/b &amp; c"))[0])

    def test_prepare_wrong(self):
        for seals in 0, 0x2 | 0x4, 0x8:
            self.assert_error(ERROR + "AccessDenied", self.prepare, domain(), seals=seals)
        with open(XML) as file:  # not a memfd at all
            self.assert_error(ERROR + "AccessDenied", self.prepare, None, fd=os.dup(file.fileno()))
        reading, writing = os.pipe()
        self.addCleanup(os.close, writing)
        self.assert_error(ERROR + "AccessDenied", self.prepare, None, fd=reading)

        self.assert_error(ERROR + "Timeout", self.prepare, domain(), seconds=-1)
        self.assert_error(ERROR + "Timeout", self.prepare, domain(), seconds=-1e9)
        for junk in b"", b"junk", b"<domain>", b"<network><name>x</name></network>", domain()[:-1], b"\0" * 4096, \
                b"<!DOCTYPE d [<!ENTITY a 'b'>]>" + domain():
            self.assert_error(ERROR + "InvalidArgs", self.prepare, junk)
        self.assert_error(ERROR + "InvalidArgs", self.prepare, domain(devices=["0000:00:00.0"] * 300))
        with self.assertRaises(dbus.DBusException):
            self.prepare(b" " * (4 << 20) + domain())
        self.assertIsNone(self.daemon.process.poll())

    def test_started(self):
        fd = memfd(domain("no-such-guest"))
        self.manager.GuestStarted("no-such-guest", dbus.types.UnixFd(fd), signature="sh")
        os.close(fd)
        self.manager.GuestReleased("no-such-guest")
        self.manager.GuestReleased("")
        self.manager.GuestReleased("../" * 100)
        fd = memfd(domain("../../../etc/passwd"))
        self.manager.GuestStarted("x", dbus.types.UnixFd(fd), signature="sh")
        os.close(fd)
        fd = memfd(b"junk")
        self.assert_error(ERROR + "InvalidArgs", self.manager.GuestStarted, "x", dbus.types.UnixFd(fd), signature="sh")
        os.close(fd)
        self.assertEqual(Report(SCHEMA).check(self.manager.GetReport())["guests"], [])

    def test_many_at_once(self):
        """Callers that leave without waiting harm nobody."""
        for _ in range(20):
            run = subprocess.Popen([CTL, "hook", "guest", "prepare", "begin", "-"], env=self.bus.env,
                                   stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)
            run.stdin.write(domain())
            run.kill()
            run.stdin.close()
            run.wait()
        self.assertTrue(self.prepare(domain())[0])

    @unittest.skipUnless(os.getuid() == 0, "needs root")
    def test_others_read_only(self):
        """Whoever is not root reads, and changes nothing."""
        os.chmod(self.bus.dir.name, 0o755)

        def call(*args):
            return subprocess.run(["busctl", "--address=" + self.bus.address, "call", "org.vfioalign1", "/org/vfioalign1",
                                   INTERFACE, *args], user=65534, group=65534, extra_groups=[], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)

        run = call("GetReport")
        self.assertEqual(run.returncode, 0, run.stderr)
        for args in ["Audit"], ["GuestReleased", "s", "guest"], ["PrepareGuest"], ["GuestStarted"], ["NoSuchMethod"]:
            run = call(*args)
            self.assertNotEqual(run.returncode, 0, args)
            self.assertRegex(run.stderr, "(?i)denied|not allowed")

    def test_reload(self):
        before = self.get("Generation")
        self.daemon.signal(signal.SIGHUP)
        wait_for(lambda: self.get("Generation") > before, "the audit after a reload")
        self.assertIn("Configuration reloaded", self.daemon.log)

    def test_second_daemon(self):
        run = subprocess.run([DAEMON], env=self.bus.env, stderr=subprocess.PIPE, text=True, timeout=20)
        self.assertEqual(run.returncode, 1)
        self.assertIn("another vfioalignd", run.stderr)

    def test_name(self):
        """Not even root's programs take it over."""
        connection = dbus.bus.BusConnection(self.bus.address)
        self.addCleanup(connection.close)
        owner = connection.get_name_owner("org.vfioalign1")
        flags = dbus.bus.NAME_FLAG_REPLACE_EXISTING | dbus.bus.NAME_FLAG_DO_NOT_QUEUE
        self.assertEqual(connection.request_name("org.vfioalign1", flags), dbus.bus.REQUEST_NAME_REPLY_EXISTS)
        self.assertEqual(connection.get_name_owner("org.vfioalign1"), owner)


# Calls of a stranger, who has no privilege and waits for nothing: by so many connections as many of each method, with
# descriptors. It says how many were sent.
FLOOD = """
import os, sys, dbus, dbus.bus, dbus.lowlevel
address, connections, calls, descriptors, methods = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5:]
file = open("/dev/null")
sent = 0
for _ in range(connections):
    try:
        connection = dbus.bus.BusConnection(address)
        for i in range(calls):
            for method in methods:
                message = dbus.lowlevel.MethodCallMessage("org.vfioalign1", "/org/vfioalign1", "org.vfioalign1.Manager", method)
                if method in ("Bind", "Unbind"):
                    message.append(["0000:01:00.0"], "", 0, signature="asst")
                elif descriptors:
                    message.append(*[dbus.types.UnixFd(file)] * descriptors, signature="h" * descriptors)
                connection.send_message(message)
                sent += 1
        connection.flush()
        connection.close()
    except dbus.DBusException:
        pass
print(sent)
"""


# As many calls of one sender at once. It says when they are sent, and then what came of each.
MANY = """
import sys, dbus, dbus.bus, dbus.mainloop.glib
from gi.repository import GLib
address, calls, method, texts = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:]
connection = dbus.bus.BusConnection(address, mainloop=dbus.mainloop.glib.DBusGMainLoop())
manager = connection.get_object("org.vfioalign1", "/org/vfioalign1", introspect=False)
loop, ends = GLib.MainLoop(), []
def end(what):
    ends.append(what)
    if len(ends) == calls:
        loop.quit()
for _ in range(calls):
    manager.get_dbus_method(method, "org.vfioalign1.Manager")(
        *texts, reply_handler=lambda *reply: end("answer"), error_handler=lambda e: end(e.get_dbus_name()), timeout=60)
connection.flush()
print(flush=True)
loop.run()
print(*ends)
"""


# A stranger's call of the largest size that the bus takes, which it finds out. It says how long the argument was, and
# the longest error that it got.
LARGEST = 65536
LARGE = """
import sys, dbus, dbus.bus, dbus.lowlevel
address, method, largest = sys.argv[1], sys.argv[2], int(sys.argv[3])
errors = [0]
INTERFACES = {"GetAll": "Properties", "Get": "Properties", "Set": "Properties", "Introspect": "Introspectable"}
def call(n):
    connection = dbus.bus.BusConnection(address)
    path = "/" + "a" * n if method == "Path" else "/org/vfioalign1"
    interface = "org.freedesktop.DBus." + INTERFACES[method] if method in INTERFACES else "org.vfioalign1.Manager"
    member = {"Driver": "Bind", "Path": "GetReport"}.get(method, method)
    message = dbus.lowlevel.MethodCallMessage("org.vfioalign1", path, interface, member)
    if method == "Bind":
        message.append(["a" * n], "", 0, signature="asst")
    elif method == "Driver":
        message.append(["0000:01:00.0"], "a" * n, 0, signature="asst")
    elif method == "ApplyFix":
        message.append("a" * n, 0, signature="st")
    elif method == "Get":
        message.append("a" * (n // 2), "b" * (n // 2), signature="ss")
    elif method == "Set":
        message.append("org.vfioalign1.Manager", "Health", "a" * n, signature="ssv")
    elif method != "Path":
        message.append("a" * n, signature="s")
    try:
        connection.send_message_with_reply_and_block(message, 20)
    except dbus.DBusException as e:
        errors.append(len(str(e)))
        return e.get_dbus_name().split(".")[-1] not in ("Disconnected", "NoReply")
    finally:
        connection.close()
    return True
owner = dbus.bus.BusConnection(address).get_name_owner("org.vfioalign1")
small, large = 0, largest
while large - small > 1:
    middle = (small + large) // 2
    small, large = (middle, large) if call(middle) else (small, middle)
    if dbus.bus.BusConnection(address).get_name_owner("org.vfioalign1") != owner:
        sys.exit("no longer there")
print(small, max(errors))
"""


@unittest.skipUnless(os.getuid() == 0, "needs root")
class Strangers(unittest.TestCase):
    """What users without any privilege send."""

    def start(self, policy=None, prefix=(), more=""):
        self.dir = tempfile.TemporaryDirectory(prefix="vfioalign-strangers-")
        self.addCleanup(self.dir.cleanup)
        self.root = Path(self.dir.name) / "root"
        self.root.mkdir()
        self.devices = make_host(self.root)
        self.bus = Bus(policy=policy, more='<limit name="max_connections_per_user">1024</limit>' + more)
        self.addCleanup(self.bus.close)
        os.chmod(self.bus.dir.name, 0o755)
        self.daemon = Daemon(DAEMON, self.bus, {"VFIOALIGN_ROOT": str(self.root)}, prefix)
        self.addCleanup(self.daemon.close)
        self.manager = self.connect()

    def connect(self):
        connection = dbus.bus.BusConnection(self.bus.address)
        self.addCleanup(connection.close)
        return dbus.Interface(connection.get_object("org.vfioalign1", "/org/vfioalign1", introspect=False), INTERFACE)

    def run_as(self, user, *args):
        run = subprocess.Popen(args, user=user, group=user, extra_groups=[], env=self.bus.env, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
        self.addCleanup(run.communicate)
        self.addCleanup(run.kill)
        return run

    def flood(self, *args, user=65534):
        return self.run_as(user, sys.executable, "-c", FLOOD, self.bus.address, *map(str, args))

    def send_many(self, user, calls, method, *texts):
        if subprocess.run([sys.executable, "-c", "import gi"], stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("no python3-gi")
        run = self.run_as(user, sys.executable, "-c", MANY, self.bus.address, str(calls), method, *texts)
        run.stdout.readline()
        return run

    def get_report(self, user=65534):
        run = self.run_as(user, "dbus-send", "--bus=" + self.bus.address, "--print-reply=literal", "--dest=org.vfioalign1",
                          "/org/vfioalign1", INTERFACE + ".GetReport")
        out, err = run.communicate(timeout=60)
        self.assertEqual(run.returncode, 0, err)
        return out.strip()

    def assert_serves(self):
        self.assertIsNone(self.daemon.process.poll(), self.daemon.log)
        self.assertGreater(self.manager.Audit(timeout=60), 0)
        self.assertEqual(json.loads(self.get_report())["left_out"], ["processes", "addresses", "emulators"])

    def test_descriptors_refused(self):
        """The bus lets nobody but root send any."""
        self.start()
        before = len(os.listdir(f"/proc/{self.daemon.process.pid}/fd"))
        self.daemon.signal(signal.SIGSTOP)
        self.assertGreater(int(self.flood(2, 20, 4, "GetReport", "Bind").communicate(timeout=60)[0]), 0)
        self.daemon.signal(signal.SIGCONT)
        self.assert_serves()
        self.assertNotIn("Method call", self.daemon.log)
        self.assertLessEqual(len(os.listdir(f"/proc/{self.daemon.process.pid}/fd")), before + 1)
        run = self.run_as(65534, sys.executable, "-c", "import sys, dbus, dbus.bus\n"
                          "o = dbus.bus.BusConnection(sys.argv[1]).get_object('org.vfioalign1', '/org/vfioalign1', introspect=False)\n"
                          "o.GetReport(dbus.types.UnixFd(0), signature='h', dbus_interface='org.vfioalign1.Manager')",
                          self.bus.address)
        self.assertIn("AccessDenied", run.communicate(timeout=60)[1])

    def test_descriptors(self):
        """Where a bus lets them through all the same: they do not pile up while the daemon asks who sends a call."""
        self.start(policy=lambda text: text.replace('<deny send_destination="org.vfioalign1" min_fds="1"/>', ""),
                   prefix=["prlimit", "--nofile=128:128"])
        floods = [self.flood(40, 30, 4, "Bind", "GetReport") for _ in range(4)]
        for flood in floods:
            self.assertGreater(int(flood.communicate(timeout=120)[0]), 1000)
        self.assert_serves()

    def test_largest_messages(self):
        """A message as large as the bus takes is no reason for an answer that is larger: the bus would end the daemon's
        connection."""
        self.start(more=f'<limit name="max_message_size">{LARGEST}</limit>')
        for method in "GetAll", "Get", "Set", "Introspect", "GetReport", "NoSuchMethod", "Bind", "Driver", "ApplyFix", "Path":
            run = self.run_as(65534, sys.executable, "-c", LARGE, self.bus.address, method, str(LARGEST))
            out, err = run.communicate(timeout=60)
            self.assertEqual(run.returncode, 0, f"{method}: {err}{self.daemon.log[-200:]}")
            size, error = map(int, out.split())
            self.assertGreater(size, LARGEST - 512, method)
            self.assertLess(error, 10000, method)
        self.assertGreater(self.manager.Audit(timeout=60), 0)

    def test_hooks_first(self):
        """Who asks for reports, and how often, does not make a guest wait."""
        self.start()
        self.daemon.signal(signal.SIGSTOP)
        connection, ends, prepared = dbus.bus.BusConnection(self.bus.address), [], []
        self.addCleanup(connection.close)
        floods = [self.run_as(user, "sh", "-c", f"for i in $(seq 60); do dbus-send --bus={self.bus.address} --print-reply "
                              f"--dest=org.vfioalign1 /org/vfioalign1 {INTERFACE}.GetReport >/dev/null 2>&1 && date +%s.%N & "
                              "done; wait") for user in (1, 65534)]
        time.sleep(3)

        def prepare():
            fd = memfd(domain(devices=self.devices[:1]))
            deadline = int((time.clock_gettime(time.CLOCK_BOOTTIME) + 60) * 1e6)
            self.manager.PrepareGuest("guest", dbus.types.UnixFd(fd), dbus.UInt64(deadline), signature="sht", timeout=60)
            prepared.append(time.time())

        thread = threading.Thread(target=prepare)
        thread.start()
        time.sleep(0.5)
        self.daemon.signal(signal.SIGCONT)
        thread.join()
        for flood in floods:
            ends += map(float, flood.communicate(timeout=60)[0].split())
        self.assertEqual(len(ends), 120)
        self.assertGreater(sum(end > prepared[0] for end in ends), 60)

    def test_reports_of_user(self):
        """So many calls of one user wait, and others have theirs."""
        self.start()
        self.daemon.signal(signal.SIGSTOP)
        runs = [self.send_many(user, 100, "GetReport") for user in (1, 65534)]
        time.sleep(0.5)
        self.daemon.signal(signal.SIGCONT)
        for run in runs:
            out, err = run.communicate(timeout=60)
            ends = out.split()
            self.assertTrue(ends, err)
            self.assertGreaterEqual(ends.count("answer"), 64)
            self.assertGreater(ends.count(ERROR + "LimitsExceeded"), 0)
        self.assert_serves()

    def test_calls_of_sender(self):
        """So many calls of one sender wait until the bus says who that is. Here its answer comes behind all of them."""
        self.start(more='<limit name="max_replies_per_connection">1000</limit>')
        self.daemon.signal(signal.SIGSTOP)
        run = self.send_many(0, 200, "GuestReleased", "guest")
        time.sleep(0.5)
        self.daemon.signal(signal.SIGCONT)
        out, err = run.communicate(timeout=60)
        ends = out.split()
        self.assertEqual((ends.count("answer"), ends.count(ERROR + "LimitsExceeded")), (128, 72), err)
        self.assert_serves()

    def test_gone_stranger(self):
        """A call whose sender has left before the bus was asked is nobody's: nothing is done for it."""
        self.start(policy=lambda text: text.replace('<deny send_destination="org.vfioalign1"/>',
                                                    '<allow send_destination="org.vfioalign1"/>'))
        before = json.loads(self.get_report())["generation"]
        self.daemon.signal(signal.SIGSTOP)
        self.assertEqual(int(self.flood(1, 1, 0, "Audit").communicate(timeout=60)[0]), 1)
        self.daemon.signal(signal.SIGCONT)
        self.assertEqual(json.loads(self.get_report())["generation"], before)

    def test_left_out(self):
        """Others learn sizes, pages and counts; not whose process has a device, nor where it maps that."""
        self.start()
        everything = json.loads(self.manager.GetReport())
        text = self.get_report()
        public = Report(SCHEMA).check(text)
        self.assertNotIn("left_out", everything)
        secrets = {str(p["pid"]) for p in everything["processes"]} | {m["address"] for m in everything["mappings"]}
        self.assertGreaterEqual(len(secrets), 3)
        for secret in secrets:
            self.assertFalse(re.search(rf"\b{secret}\b", text), secret)
        self.assertEqual((public["processes"], public["vfio_holders"]), ([], []))
        self.assertEqual(len(public["mappings"]), len(everything["mappings"]))
        for shown, whole in zip(public["mappings"], everything["mappings"]):
            self.assertEqual({**whole, "pid": None, "command": None, "address": None}, shown)
        self.assertEqual(len(public["devices"]), len(everything["devices"]))
        self.assertEqual([f["id"] for f in public["findings"]], [f["id"] for f in everything["findings"]])

        for user in 0, 65534:
            run = subprocess.run([CTL, "status"], env=self.bus.env, stdout=subprocess.PIPE, text=True, user=user, group=user,
                                 extra_groups=[])
            self.assertEqual(run.returncode, 0)
            self.assertIn(everything["status"], run.stdout)
            self.assertEqual("run it as root" in run.stdout, user != 0)

    def test_report_follows(self):
        """The text is kept, and does not outlive what it says."""
        self.start()
        first = self.manager.GetReport()
        self.assertEqual(self.manager.GetReport(), first)
        self.manager.Audit(timeout=60)
        self.assertGreater(json.loads(self.manager.GetReport())["generation"], json.loads(first)["generation"])
        (self.root / "run/vfioalign").mkdir(exist_ok=True)
        (self.root / "run/vfioalign/off").touch()
        for report in self.manager.GetReport(), self.get_report():
            self.assertEqual(json.loads(report)["switched_off_by"], "/run/vfioalign/off")
        (self.root / "run/vfioalign/off").unlink()
        self.assertIsNone(json.loads(self.manager.GetReport())["switched_off_by"])

    def test_status_line(self):
        """A guest's name is no message to systemd."""
        path = tempfile.mkdtemp(prefix="vfioalign-notify-") + "/socket"
        self.addCleanup(shutil.rmtree, os.path.dirname(path))
        name = "web\nMAINPID=1\nSTATUS=x"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, subprocess.Popen(["sleep", "infinity"]) as guest:
            self.addCleanup(guest.kill)
            notify.bind(path)
            self.start(prefix=["env", "NOTIFY_SOCKET=" + path])
            run_guest(self.root, name, guest)
            maps = self.root / f"proc/{guest.pid}/maps"  # 4 KiB too far for large pages
            maps.write_text(re.sub("^7f62c0000000-7f6340000000", "7f62c0001000-7f6340001000", maps.read_text(), flags=re.M))
            fd = memfd(domain(name))
            self.manager.GuestStarted(name, dbus.types.UnixFd(fd), signature="sh")
            os.close(fd)
            self.manager.Audit(timeout=60)
            notify.setblocking(False)
            lines = []
            try:
                while True:
                    lines += notify.recv(4096).decode().splitlines()
            except BlockingIOError:
                pass
            guest.kill()
        self.assertTrue([line for line in lines if r"web\x0aMAINPID=1\x0aSTATUS=x on " in line], lines)
        self.assertEqual([line for line in lines if line.startswith("MAINPID") or line == "STATUS=x"], [])
        self.assertIn(r"web\x0aMAINPID=1", json.loads(self.manager.GetReport())["status"])

    def test_retry(self):
        """What was not read of a guest, because it was pinning its memory, is read again without a cause."""
        self.start()
        self.daemon.close()
        guest = subprocess.Popen(["sleep", "infinity"])
        self.addCleanup(guest.wait)
        self.addCleanup(guest.kill)
        run_guest(self.root, "recorded", guest)
        status = self.root / "run/libvirt/qemu/recorded.xml"
        status.write_text(re.sub(r'pid="\d+"', f'pid="{guest.pid}"', status.read_text(), count=1))
        with (self.root / "vfioalign/answers").open("a") as answers:
            answers.write(f"processes-unread\t0 {guest.pid}\n")
        self.daemon = Daemon(DAEMON, self.bus, {"VFIOALIGN_ROOT": str(self.root)})
        self.addCleanup(self.daemon.close)
        self.manager = self.connect()
        report = json.loads(self.manager.GetReport())
        self.assertIn("process-unread", {f["id"] for f in report["findings"]})
        self.assertEqual(report["guests"], [])
        wait_for(lambda: json.loads(self.manager.GetReport())["guests"], "another look at the guest")
        self.assertRegex(self.daemon.log, r"Guest '\w+' \(pid")

    def test_report_made_once(self):
        """The text is made anew for what has changed in it, and not for each call."""
        self.start()
        for _ in range(3):
            self.manager.GetReport()
            self.get_report()
        self.assertEqual(self.daemon.log.count("The report for root was made"), 1)
        self.assertEqual(self.daemon.log.count("The report for others was made"), 1)

    def test_name(self):
        """Nobody but root owns it, whether it is taken or free."""
        self.start()
        code = ("import sys, dbus, dbus.bus\n"
                "dbus.bus.BusConnection(sys.argv[1]).request_name('org.vfioalign1', dbus.bus.NAME_FLAG_DO_NOT_QUEUE)")
        for _ in range(2):
            run = self.run_as(65534, sys.executable, "-c", code, self.bus.address)
            self.assertIn("AccessDenied", run.communicate(timeout=60)[1])
            self.daemon.close()

    def test_root_only(self):
        """Also where a bus has no policy for it, and by the unique name."""
        self.start(policy=lambda text: text.replace('<deny send_destination="org.vfioalign1"/>',
                                                    '<allow send_destination="org.vfioalign1"/>'))
        owner = dbus.bus.BusConnection(self.bus.address).get_name_owner("org.vfioalign1")
        for destination in "org.vfioalign1", owner:
            for args in ["Audit"], ["GuestReleased", "string:guest"]:
                run = self.run_as(65534, "dbus-send", "--bus=" + self.bus.address, "--print-reply", "--dest=" + destination,
                                  "/org/vfioalign1", f"{INTERFACE}.{args[0]}", *args[1:])
                self.assertIn("Only root may do this", run.communicate(timeout=60)[1])
        self.manager.GuestReleased("guest")


class Unit(unittest.TestCase):
    def test_bounds(self):
        """What the daemon itself cannot bound, and what brings it back."""
        lines = (Path(XML).parent / "vfioalignd.service").read_text().splitlines()
        for line in "Restart=always", "MemoryMax=1G", "TasksMax=1024", "LimitNOFILE=16384":
            self.assertIn(line, lines)


class BusLost(unittest.TestCase):
    def test_status(self):
        """systemd starts it again: that is no success."""
        bus = Bus()
        self.addCleanup(bus.close)
        daemon = Daemon(DAEMON, bus)
        bus.process.kill()
        self.assertEqual(daemon.process.wait(20), 1)
        self.assertIn("The connection to the system bus was lost", daemon.log)


if __name__ == "__main__":
    unittest.main()
