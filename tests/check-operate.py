#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an administrator does with vfioalignd that runs: how much it logs, what it signals, and the switch for all of it."""

import json
import os
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

import dbus
import dbus.mainloop.glib
from gi.repository import GLib

from private_bus import Bus, Daemon, domain, memfd, wait_for
from schema import Report

DAEMON, CTL, SCHEMA, CONFIG_SCHEMA = sys.argv[1:5]
del sys.argv[1:5]

HOSTS = Path(__file__).parent / "hosts"
MANAGER = "org.vfioalign1.Manager"
PROPERTIES = "org.freedesktop.DBus.Properties"
LOG_PATH, LOG = "/org/freedesktop/LogControl1", "org.freedesktop.LogControl1"
ERROR = "org.freedesktop.DBus.Error."


class Case(unittest.TestCase):
    """A daemon on a host that has nothing but what the test puts there."""

    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="vfioalign-operate-")
        self.addCleanup(self.dir.cleanup)
        os.chmod(self.dir.name, 0o755)
        self.root = Path(self.dir.name) / "host"
        for path in "proc", "sys", "etc", "run/vfioalign", "var/lib/vfioalign":
            (self.root / path).mkdir(parents=True)
        self.bus = Bus()
        self.addCleanup(self.bus.close)
        os.chmod(self.bus.dir.name, 0o755)

    def start(self, **how):
        self.daemon = Daemon(DAEMON, self.bus, env={"VFIOALIGN_ROOT": str(self.root)}, **how)
        self.addCleanup(self.end)
        self.connection = dbus.bus.BusConnection(self.bus.address, mainloop=dbus.mainloop.glib.DBusGMainLoop())
        self.addCleanup(self.connection.close)
        self.object = self.connection.get_object("org.vfioalign1", "/org/vfioalign1", introspect=False)

    def end(self):
        self.assertEqual(self.daemon.close(), 0, self.daemon.log)

    def get(self, name):
        return self.object.Get(MANAGER, name, dbus_interface=PROPERTIES)

    def busctl(self, *args, **kwargs):
        return subprocess.run(["busctl", "--address=" + self.bus.address, *args], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, **kwargs)


class Log(Case):
    def setUp(self):
        super().setUp()
        self.start()
        self.control = self.connection.get_object("org.vfioalign1", LOG_PATH, introspect=False)

    def get_log(self, name):
        return self.control.Get(LOG, name, dbus_interface=PROPERTIES)

    def set_log(self, name, value, interface=LOG):
        self.control.Set(interface, name, value, dbus_interface=PROPERTIES, signature="ssv")

    def test_get(self):
        self.assertEqual(self.control.GetAll(LOG, dbus_interface=PROPERTIES),
                         {"LogLevel": "debug", "LogTarget": "console", "SyslogIdentifier": "vfioalignd"})
        run = self.busctl("introspect", "org.vfioalign1", LOG_PATH, LOG)
        self.assertEqual([line.split()[0] for line in run.stdout.splitlines()[1:]],
                         [".LogLevel", ".LogTarget", ".SyslogIdentifier"])

    def test_set(self):
        self.set_log("LogLevel", "warning")
        self.assertEqual(self.get_log("LogLevel"), "warning")
        before = self.daemon.log
        self.daemon.signal(1)  # it says at "info" that it has reloaded
        generation = self.get("Generation")
        wait_for(lambda: self.get("Generation") > generation, "the audit after a reload")
        self.assertEqual(self.daemon.log, before)
        self.set_log("LogLevel", "debug")
        self.assertIn("LogLevel is 'debug' from now on", self.daemon.log)
        self.set_log("LogTarget", "journal")
        self.assertEqual(self.get_log("LogTarget"), "journal")
        self.set_log("LogTarget", "auto")
        self.assertEqual(self.get_log("LogTarget"), "console")

    def test_wrong(self):
        for name, value, interface, error in (
                ("LogLevel", "loud", LOG, "InvalidArgs"), ("LogLevel", "", LOG, "InvalidArgs"),
                ("LogLevel", 7, LOG, "InvalidArgs"), ("LogTarget", "kmsg", LOG, "InvalidArgs"),
                ("LogLevel", "x" * 5000, LOG, "InvalidArgs"), ("SyslogIdentifier", "x", LOG, "PropertyReadOnly"),
                ("NoSuch", "x", LOG, "UnknownProperty"), ("LogLevel", "info", MANAGER, "UnknownInterface")):
            with self.subTest(name=name, value=value), self.assertRaises(dbus.DBusException) as caught:
                self.set_log(name, value, interface)
            self.assertEqual(caught.exception.get_dbus_name(), ERROR + error)
        self.assertEqual(self.get_log("LogLevel"), "debug")


@unittest.skipUnless(os.getuid() == 0, "needs root, to be somebody else")
class Strangers(Case):
    """They read, and set nothing: by the bus's policy, and by the daemon where that would let them."""

    SET = f'''
import dbus, dbus.bus, sys
try:
    connection = dbus.bus.BusConnection(sys.argv[1])
    connection.get_object("org.vfioalign1", "{LOG_PATH}", introspect=False).Set(
        "{LOG}", "LogLevel", "info", dbus_interface="{PROPERTIES}", signature="ssv")
except dbus.DBusException as e:
    print(e.get_dbus_name(), e.get_dbus_message())
'''

    def set_level(self):
        run = subprocess.run([sys.executable, "-c", self.SET, self.bus.address], user=65534, group=65534, extra_groups=[],
                             stdout=subprocess.PIPE, text=True, check=True)
        return run.stdout

    def test_policy(self):
        self.start()
        self.assertIn(ERROR + "AccessDenied Rejected send message", self.set_level())
        run = self.busctl("get-property", "org.vfioalign1", LOG_PATH, LOG, "LogLevel", user=65534, group=65534,
                          extra_groups=[])
        self.assertEqual(run.stdout, 's "debug"\n')

    def test_daemon(self):
        self.bus.close()
        self.bus = Bus(policy=lambda text: "".join(line for line in text.splitlines(True) if '"Set"' not in line))
        self.addCleanup(self.bus.close)
        os.chmod(self.bus.dir.name, 0o755)
        self.start()
        self.assertEqual(self.set_level(), ERROR + "AccessDenied Only root may do this\n")
        run = self.busctl("get-property", "org.vfioalign1", LOG_PATH, LOG, "LogLevel")
        self.assertEqual(run.stdout, 's "debug"\n')


class Signals(Case):
    def setUp(self):
        super().setUp()
        self.start()
        self.changes = []
        self.object.connect_to_signal("PropertiesChanged", self.note, dbus_interface=PROPERTIES)

    def note(self, interface, changed, invalidated):
        self.assertEqual((interface, list(invalidated)), (MANAGER, []))
        self.changes.append({str(k): v for k, v in changed.items()})

    def wait_for(self, condition, what):
        def check():
            while GLib.MainContext.default().iteration(False):
                pass
            return condition()
        wait_for(check, what)

    def audit(self):
        return self.object.Audit(dbus_interface=MANAGER)

    def test_audit(self):
        """Of an audit that finds nothing new, only its number and its time."""
        self.audit()
        self.wait_for(lambda: self.changes, "a signal")
        (change,) = self.changes
        self.assertEqual(change.pop("Generation"), self.get("Generation"))
        self.assertAlmostEqual(change.pop("LastAuditUSec") / 1e6, time.time(), delta=30)
        change.pop("Status", None)  # the minute of the audit
        self.assertEqual(change, {})
        self.assertIn("audited", self.get("Status"))

    def test_health(self):
        before = self.get("Health")
        self.assertEqual(before, "ok")
        (self.root / "run/vfioalign/bind").mkdir()
        (self.root / "run/vfioalign/bind/0000:01:00.0").write_text("junk")  # a record that is damaged
        self.audit()
        self.wait_for(lambda: self.changes, "a signal")
        self.assertEqual(self.changes[0]["Health"], "degraded")
        self.assertEqual(self.get("Health"), "degraded")

    def test_switched_off(self):
        self.assertEqual(self.get("SwitchedOffBy"), "")
        (self.root / "run/vfioalign/off").touch()
        self.audit()
        self.wait_for(lambda: self.changes, "a signal")
        self.assertEqual(self.changes[0]["SwitchedOffBy"], "/run/vfioalign/off")
        self.assertEqual(self.changes[0]["Status"], self.get("Status"))
        self.assertIn("switched off by /run/vfioalign/off", self.get("Status"))


class Switch(Case):
    RUN, LIB, MODULE = "run/vfioalign/off", "var/lib/vfioalign/off", "sys/module/vfio_align/parameters/enabled"

    def setUp(self):
        super().setUp()
        self.run_file, self.lib_file, self.module = (self.root / path for path in (self.RUN, self.LIB, self.MODULE))
        self.module.parent.mkdir(parents=True)
        self.module.write_text("Y\n")

    def ctl(self, *args, code=0, root=True, **kwargs):
        env = {**self.bus.env, "VFIOALIGN_ROOT": str(self.root)} if root else self.bus.env
        run = subprocess.run([CTL, *args], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kwargs)
        self.assertEqual(run.returncode, code, run.stderr)
        return run.stdout + run.stderr

    def kernel(self):
        """What the kernel makes of what is written to the parameter."""
        self.module.write_text({"0": "N\n", "1": "Y\n"}.get(self.module.read_text()[0], self.module.read_text()))

    def files(self):
        return self.run_file.exists(), self.lib_file.exists()

    def test_off_on(self):
        out = self.ctl("off")
        self.assertEqual(self.files(), (True, False))
        self.assertEqual(self.module.read_text(), "0\n")
        self.assertEqual(out, "The loaded module vfio_align is disabled; guests that run keep their mappings\n"
                              "vfioalign is switched off by /run/vfioalign/off, until the next boot, or vfioalignctl on\n")
        self.kernel()
        self.assertEqual(self.ctl("off"), "".join(out.splitlines(True)[1:]))
        out = self.ctl("on")
        self.assertEqual(self.files(), (False, False))
        self.assertEqual(self.module.read_text(), "1\n")
        self.assertEqual(out, "The loaded module vfio_align is enabled; guests that run keep their mappings\n"
                              "vfioalign is switched on\n")
        self.kernel()
        self.assertEqual(self.ctl("on"), "vfioalign is switched on\n")

    def test_persistent(self):
        for path in self.run_file.parent, self.lib_file.parent:
            path.rmdir()
        self.assertIn("switched off by /var/lib/vfioalign/off, until vfioalignctl on\n", self.ctl("off", "--persistent"))
        self.assertEqual(self.files(), (False, True))
        self.kernel()
        self.ctl("off")  # no shorter
        self.assertEqual(self.files(), (False, True))
        self.ctl("on")
        self.assertEqual((self.files(), self.module.read_text()), ((False, False), "1\n"))
        self.kernel()
        self.ctl("off")
        self.kernel()
        self.ctl("off", "--persistent")
        self.assertEqual(self.files(), (True, True))
        self.ctl("on")  # also what was disabled before it became persistent
        self.assertEqual((self.files(), self.module.read_text()), ((False, False), "1\n"))

    def test_not_ours(self):
        """A module that somebody disabled stays so, and none is no error."""
        self.module.write_text("N\n")
        self.ctl("off")
        self.ctl("on")
        self.assertEqual(self.module.read_text(), "N\n")
        self.run_file.touch()
        self.ctl("on")
        self.assertEqual((self.files(), self.module.read_text()), ((False, False), "N\n"))
        self.module.unlink()
        self.assertEqual(self.ctl("off").count("\n"), 1)
        self.assertEqual(self.ctl("on"), "vfioalign is switched on\n")

    def test_cut_off(self):
        """At any step: the next run completes it."""
        self.run_file.write_text("module\n")  # and not the module
        self.ctl("off")
        self.assertEqual(self.module.read_text(), "0\n")
        self.kernel()
        self.module.write_text("Y\n")  # by "on", and the file still says off
        self.ctl("on")
        self.assertEqual((self.files(), self.module.read_text()), ((False, False), "Y\n"))
        self.run_file.write_text("module\n")
        self.lib_file.write_text("")
        self.module.write_text("N\n")
        self.ctl("on")
        self.assertEqual((self.files(), self.module.read_text()), ((False, False), "1\n"))

    def test_dry_run(self):
        out = self.ctl("off", "--persistent", "--dry-run")
        self.assertEqual(out, f"would create /{self.LIB}\nwould write 0 to /{self.MODULE}\n")
        self.assertEqual((self.files(), self.module.read_text()), ((False, False), "Y\n"))
        self.ctl("off")
        self.kernel()
        self.assertEqual(self.ctl("on", "--dry-run"), f"would write 1 to /{self.MODULE}\nwould remove /{self.RUN}\n")
        self.assertEqual((self.files(), self.module.read_text()), ((True, False), "N\n"))

    def test_at_boot(self):
        """Nothing but another boot ends that."""
        (self.root / "proc/cmdline").write_text("quiet vfioalign=off\n")
        self.ctl("off", "--persistent")
        self.run_file.touch()
        self.kernel()
        out = self.ctl("on", code=1)
        self.assertEqual(out, "vfioalignctl: vfioalign stays off until the host boots without vfioalign=off on the kernel "
                              "command line\n")
        self.assertEqual((self.files(), self.module.read_text()), ((True, False), "N\n"))

    @unittest.skipUnless(os.getuid() == 0, "needs root, to be somebody else")
    def test_not_root(self):
        for verb in "off", "on":
            out = self.ctl(verb, code=1, root=False, user=65534, group=65534, extra_groups=[])
            self.assertEqual(out, f"vfioalignctl: Only root can switch vfioalign {verb}: run it as root (sudo)\n")

    def test_usage(self):
        self.assertIn("unrecognized option '--persistent'", self.ctl("on", "--persistent", code=2))
        self.assertIn("takes no argument 'x'", self.ctl("off", "x", code=2))

    def test_daemon(self):
        """It hears of it at once, whoever writes the file."""
        self.start()
        generation = self.get("Generation")
        self.ctl("off", "--persistent")
        wait_for(lambda: self.get("SwitchedOffBy") == "/" + self.LIB, "the switch")
        wait_for(lambda: "switched off by /" + self.LIB in self.get("Status"), "the status")
        wait_for(lambda: self.get("Generation") > generation, "an audit")
        self.ctl("on")
        wait_for(lambda: "switched off by" not in self.get("Status"), "the status")
        self.run_file.touch()
        wait_for(lambda: "switched off by /" + self.RUN in self.get("Status"), "the status")
        self.assertIn("Switched on\n", self.daemon.log)


class Screens(Case):
    """All that inspects a host says that it is off, before everything else."""

    LINE = "vfioalign is switched off by /var/lib/vfioalign/off; to switch it on: vfioalignctl on"

    def setUp(self):
        super().setUp()
        shutil.rmtree(self.root)
        shutil.copytree(HOSTS / "eight-gpu", self.root, symlinks=True)
        for path in "run/vfioalign", "var/lib/vfioalign":
            (self.root / path).mkdir(parents=True, exist_ok=True)

    def ctl(self, *args, root=None):
        return subprocess.run([CTL, *args, "--root", str(root or self.root)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True)

    def test_text(self):
        verbs = ["audit"], ["devices"], ["guests"], ["emulators"], ["mappings"], ["fix", "list"], ["explain", "train-a"]
        for verb in verbs:
            self.assertNotIn("switched off", self.ctl(*verb).stdout)
        (self.root / "var/lib/vfioalign/off").touch()
        for verb in verbs:
            self.assertEqual(self.ctl(*verb).stdout.splitlines()[:2], [self.LINE, ""], verb)
        for verb in ["devices", "--output", "ADDRESS"], ["fix", "--output", "FIX", "list"]:  # of a script's
            run = self.ctl(*verb)
            self.assertNotIn("switched off", run.stdout)
            self.assertIn(self.LINE, run.stderr)

    def test_json(self):
        for verb, schema in (["audit"], Report(SCHEMA)), (["fix", "list"], None):
            self.assertIsNone(json.loads(self.ctl(*verb, "--json").stdout)["switched_off_by"])
        (self.root / "var/lib/vfioalign/off").touch()
        for verb, schema in (["audit"], Report(SCHEMA)), (["fix", "list"], None):
            text = self.ctl(*verb, "--json").stdout
            report = schema.check(text) if schema else json.loads(text)
            self.assertEqual(report["switched_off_by"], "/var/lib/vfioalign/off")

    def test_recorded(self):
        (self.root / "var/lib/vfioalign/off").touch()
        archive = self.dir.name + "/dump.tar.gz"
        run = subprocess.run([CTL, "dump", "--root", str(self.root), archive], stderr=subprocess.PIPE, text=True)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(self.ctl("guests", root=archive).stdout.splitlines()[0], self.LINE)

    def test_status(self):
        (self.root / "var/lib/vfioalign/off").touch()
        self.start()
        run = subprocess.run([CTL, "status"], env=self.bus.env, stdout=subprocess.PIPE, text=True)
        self.assertEqual(run.stdout.splitlines()[:2], [self.LINE, ""])


class Config(Case):
    """A configuration that is rejected changes nothing, and all say so."""

    ERROR = "/etc/vfioalignd.conf.d/10-a.conf:2: unknown key 'Modul' in section [Fix]; did you mean 'Module'?"

    def write(self, text, name="vfioalignd.conf.d/10-a.conf"):
        path = self.root / "etc" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def ctl(self, *args, code=0):
        run = subprocess.run([CTL, "config", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(run.returncode, code, run.stderr)
        return run

    def notify(self):
        """What systemd hears: the messages, in their order."""
        path = self.dir.name + "/notify"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(listener.close)
        listener.bind(path)
        listener.setblocking(False)
        self.states = []

        def read():
            try:
                while True:
                    self.states += re.findall("^STATUS=(.*)", listener.recv(65536).decode(), re.M)
            except BlockingIOError:
                return self.states
        self.read_states = read
        # Through env: the bus of the tests takes the variable away.
        return {"prefix": ["env", "NOTIFY_SOCKET=" + path]}

    def report(self):
        return json.loads(self.object.GetReport(dbus_interface=MANAGER))

    def test_reload(self):
        """The previous one stays in force."""
        self.write("[Guest]\nOnUnaligned=refuse\n")
        self.start(**self.notify())
        self.assertEqual((self.get("ConfigurationError"), self.report()["configuration_error"]), ("", None))
        self.write("[Fix]\nModul=off\n")
        self.daemon.signal(signal.SIGHUP)
        wait_for(lambda: self.get("ConfigurationError") == self.ERROR, "the error")
        self.assertEqual(self.get("Health"), "degraded")
        self.assertEqual(self.report()["configuration_error"], self.ERROR)
        self.assertIn(f"configuration rejected: {self.ERROR}; the previous one stays in force; ", self.get("Status"))
        self.assertIn(self.get("Status"), self.read_states())
        self.assertIn("Failed to reload the configuration, keeping the previous one", self.daemon.log)
        self.assertIn(self.ERROR, self.daemon.log)
        run = subprocess.run([CTL, "status"], env=self.bus.env, stdout=subprocess.PIPE, text=True)
        self.assertTrue(run.stdout.startswith(f"The configuration is rejected: {self.ERROR}; see vfioalignctl config check\n"))
        self.write("[Fix]\nModule=off\n")
        self.daemon.signal(signal.SIGHUP)
        wait_for(lambda: self.get("ConfigurationError") == "", "the configuration")
        self.assertEqual(self.get("Health"), "ok")
        self.assertNotIn("rejected", self.get("Status"))

    def test_start(self):
        """It observes, and answers the hook; with a better file it does what there is to do."""
        shutil.rmtree(self.root)
        shutil.copytree(HOSTS / "eight-gpu", self.root, symlinks=True)
        for path in "run/vfioalign", "var/lib/vfioalign":
            (self.root / path).mkdir(parents=True, exist_ok=True)
        self.write("[Guest]\nOnUnaligned=refuse\n", "vfioalignd.conf")
        self.write("[Fix]\nModul=auto\n")
        self.start(**self.notify())
        self.assertEqual(self.read_states()[0],
                         f"configuration rejected: {self.ERROR}; only observing; auditing the host")
        self.assertEqual((self.get("ConfigurationError"), self.get("Health")), (self.ERROR, "degraded"))
        self.assertIn(f"configuration rejected: {self.ERROR}; only observing; 0 of 2 guests", self.get("Status"))
        self.assertNotIn("load the module", self.daemon.log)  # there is no systemd here to load it
        address = "0000:1b:00.0"
        self.assertEqual(self.prepare(address), (True, "the configuration of vfioalignd, which is rejected"))
        self.write("")
        self.daemon.signal(signal.SIGHUP)
        wait_for(lambda: "Failed to load the module" in self.daemon.log or "did not load" in self.daemon.log, "the module")
        self.assertFalse(self.prepare(address)[0])
        self.write("[Fix]\nModul=auto\n")
        self.daemon.signal(signal.SIGHUP)
        wait_for(lambda: self.get("ConfigurationError") == self.ERROR, "the error")
        self.assertFalse(self.prepare(address)[0])  # as the previous configuration has it

    def prepare(self, address):
        deadline = int((time.clock_gettime(time.CLOCK_BOOTTIME) + 20) * 1e6)
        fd = memfd(domain(devices=[address]))
        try:
            return self.object.PrepareGuest("guest", dbus.types.UnixFd(fd), dbus.UInt64(deadline), signature="sht",
                                            dbus_interface=MANAGER)
        finally:
            os.close(fd)

    def test_show(self):
        self.write("[Fix]\nModule=off\n[Guest]\nMinBarSize = 1G\n", "vfioalignd.conf")
        self.write("[Fix]\nModule=suggest\n[Device h100]\nID=10de:2330\nBind=boot\n")
        root = "--root", str(self.root)
        report = json.loads(self.ctl("show", "--json", *root).stdout)
        Report(CONFIG_SCHEMA).check(json.dumps(report))
        self.assertEqual((report["valid"], report["errors"]), (True, []))
        values = {(s["section"], s["key"]): (s["value"], s["file"], s["line"]) for s in report["settings"]}
        self.assertEqual(len(values), len(report["settings"]))
        drop_in = "/etc/vfioalignd.conf.d/10-a.conf"
        self.assertEqual(values["Fix", "Module"], ("suggest", drop_in, 2))
        self.assertEqual(values["Guest", "MinBarSize"], ("1G", "/etc/vfioalignd.conf", 4))
        self.assertEqual(values["Guest", "OnUnaligned"], ("warn", None, None))
        self.assertEqual(values["Device h100", "Bind"], ("boot", drop_in, 5))
        lines = [" ".join(line.split()) for line in self.ctl("show", *root).stdout.splitlines()]
        self.assertEqual(lines[0], "SECTION KEY VALUE SOURCE")
        self.assertIn(f"Fix Module suggest {drop_in}:2", lines)
        self.assertIn("Bind DeadlineSec 30 default", lines)
        run = self.ctl("show", "--csv", "--no-headings", "--output", "KEY,VALUE", *root)
        self.assertEqual(run.stdout.splitlines()[0], "Module,suggest")
        # all that there are
        keys = re.findall(r"^  (\w+)=", subprocess.run([DAEMON, "--help"], stdout=subprocess.PIPE, text=True).stdout, re.M)
        self.assertEqual([key for key in keys if key not in {s["key"] for s in report["settings"]}],
                         ["Address", "Class", "Driver", "VfioDriver"])

    def test_check(self):
        self.write("[Fix]\nModule=off\n")
        root = "--root", str(self.root)
        self.assertEqual(self.ctl("check", *root).stdout, "The configuration has no errors\n")
        self.write("[Fix]\nModul=off\nModule=never\n[Fixx]\n")
        drop_in = "/etc/vfioalignd.conf.d/10-a.conf"
        run = self.ctl("check", *root, code=1)
        lines = run.stderr.splitlines()
        self.assertEqual((run.stdout, len(lines)), ("", 4))
        self.assertEqual([line.split(" ")[0] for line in lines[:3]], [f"{drop_in}:{n}:" for n in (2, 3, 4)])
        self.assertEqual(lines[1], f"{drop_in}:3: Module=never: expected auto, suggest or off")
        self.assertEqual(lines[3], "vfioalignctl: vfioalignd rejects this configuration as a whole")
        self.assertEqual(self.ctl("show", *root, code=1).stderr, run.stderr)
        run = self.ctl("check", "--json", *root, code=1)
        report = Report(CONFIG_SCHEMA).check(run.stdout)
        self.assertEqual((report["valid"], run.stderr), (False, ""))
        self.assertEqual([(e["file"], e["line"]) for e in report["errors"]], [(drop_in, n) for n in (2, 3, 4)])

    def test_check_file(self):
        path = self.dir.name + "/new.conf"
        run = self.ctl("check", path, code=1)
        self.assertEqual(run.stderr.splitlines()[0], f"{path}: cannot be read: No such file or directory")
        Path(path).write_text("[Guest]\nMinBarSize=1Q\n")
        self.assertTrue(self.ctl("check", path, code=1).stderr.startswith(f"{path}:2: MinBarSize=1Q: expected a size"))
        Path(path).write_text("[Guest]\nMinBarSize=1G\n")
        self.ctl("check", path)

    def test_usage(self):
        self.assertIn("config x: expected check or show", self.ctl("x", code=2).stderr)
        self.assertIn("needs an argument", self.ctl(code=2).stderr)
        self.assertIn("show takes no argument 'x'", self.ctl("show", "x", code=2).stderr)


if __name__ == "__main__":
    unittest.main()
