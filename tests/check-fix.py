#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vfioalignctl fix, and ApplyFix and RevertFix of vfioalignd: what is printed and answered, who may, and what systemd is
asked to run. systemd is one of ours here, which runs what it is asked to."""

import fcntl
import importlib.util
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import dbus
from private_bus import Bus, Daemon, mock_polkit, wait_for
from schema import Report

DAEMON, CTL, SCHEMA = sys.argv[1:4]
del sys.argv[1:4]

HOSTS = Path(__file__).parent / "hosts"
SYSTEMD = Path(__file__).parent / "fake_systemd.py"
INTERFACE = "org.vfioalign1.Manager"
ERROR = "org.freedesktop.DBus.Error."
DRY_RUN = 1

REPORT = {"schema_version": 1, "operation": "apply", "dry_run": False, "fixes": [
    {"id": "thp", "steps": ["write always to /sys/kernel/mm/transparent_hugepage/enabled"], "refusal": None, "note": None,
     "error": None}]}


def outcome(**more):
    return {**REPORT, "fixes": [{**REPORT["fixes"][0], **more}]}


class Case(unittest.TestCase):
    schema = Report(SCHEMA)

    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="vfioalign-fix-")
        self.addCleanup(self.dir.cleanup)
        os.chmod(self.dir.name, 0o755)
        self.bus = Bus()
        self.addCleanup(self.bus.close)
        os.chmod(self.bus.dir.name, 0o755)

    def systemd(self, mode="run"):
        process = subprocess.Popen([sys.executable, SYSTEMD, mode], env=self.bus.env, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.drop, process)
        connection = self.connect()
        wait_for(lambda: connection.name_has_owner("org.freedesktop.systemd1"), "systemd")
        return process

    @staticmethod
    def drop(process):
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.communicate()

    def connect(self):
        connection = dbus.bus.BusConnection(self.bus.address)
        self.addCleanup(connection.close)
        return connection

    def ctl(self, text, status=0):
        """A vfioalignctl that prints this, in place of the real one."""
        path = self.dir.name + "/ctl"
        with open(self.dir.name + "/text", "w") as file:
            file.write(text)
        with open(path, "w") as file:
            file.write(f"#!/bin/sh\necho complaint >&2\ncat {self.dir.name}/text\nexit {status}\n")
        os.chmod(path, 0o755)
        return path

    def start(self, ctl=CTL, **env):
        self.daemon = Daemon(DAEMON, self.bus, env={"VFIOALIGN_CTL": ctl, **env})
        self.addCleanup(self.end)
        self.manager = dbus.Interface(self.connect().get_object("org.vfioalign1", "/org/vfioalign1", introspect=False),
                                      INTERFACE)

    def end(self):
        self.assertEqual(self.daemon.close(), 0, self.daemon.log)

    def call(self, method, fix, flags=0, timeout=60):
        return self.manager.get_dbus_method(method)(fix, dbus.UInt64(flags), signature="st", timeout=timeout)

    def assert_error(self, name, words, *args, **kwargs):
        with self.assertRaises(dbus.DBusException) as caught:
            self.call(*args, **kwargs)
        self.assertEqual(caught.exception.get_dbus_name(), ERROR + name)
        self.assertIn(words, caught.exception.get_dbus_message())


class Printed(Case):
    def run_ctl(self, *args):
        return subprocess.run([CTL, "fix", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def test_schema(self):
        for args in [], ["list"], ["plan", "thp"], ["plan", "module"], ["--dry-run", "revert"]:
            run = self.run_ctl("--json", *args)
            report = self.schema.check(run.stdout)
            self.assertEqual("operation" in report, args not in ([], ["list"]), args)
        self.assertEqual(self.run_ctl("plan", "emulator").returncode, 1)
        self.assertEqual(self.run_ctl("plan", "none").returncode, 2)


    def test_recorded(self):
        """What is not recorded of a host is not taken from this one, nor for absent."""
        host = str(HOSTS / "eight-gpu")  # it has libvirt, and none of its units

        def ctl(*args):
            return subprocess.run([CTL, "fix", *args, "--root", host], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        run = ctl("plan", "preload")
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertEqual(run.stderr, "vfioalignctl: preload: the units of libvirt's daemons are not recorded: run this on the "
                                     "host itself\n")
        fixes = {f["id"]: f["state"] for f in json.loads(ctl("list", "--json").stdout)["fixes"]}
        self.assertEqual((fixes["preload"], fixes["module"]), ("unknown", "absent"))
        run = ctl("plan", "thp")  # the host's emulators ask for huge pages by themselves
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertEqual(run.stderr, "vfioalignctl: thp: it is not known to give any device of this host larger pages; to apply "
                                     "it all the same, give --force\n")
        run = ctl("plan", "--force", "thp")
        self.assertEqual((run.returncode, run.stderr), (10, ""))
        self.assertIn("thp: would run: echo always", run.stdout)
        self.assertEqual(ctl("--dry-run", "apply", "module").returncode, 0)
        run = ctl("plan")
        self.assertEqual((run.returncode, run.stdout), (10, "module: would run: modprobe vfio_align\n"))
        run = ctl("revert", "--dry-run")
        self.assertEqual((run.returncode, run.stderr), (0, ""))

    def test_unseen_module(self):
        """A plan that may fail says so."""
        with tempfile.TemporaryDirectory() as root:
            shutil.copytree(HOSTS / "eight-gpu", root, dirs_exist_ok=True, symlinks=True)
            for directory in Path(root, "lib/modules").glob("*"):
                shutil.rmtree(directory)
                directory.symlink_to(directory.name)  # how a record says that it was not readable
            run = subprocess.run([CTL, "fix", "plan", "module", "--root", root], stdout=subprocess.PIPE, text=True)
        self.assertEqual(run.stdout, "module: would run: modprobe vfio_align\n"
                                     "module: it may fail: whether the module is installed could not be seen\n")


class OnBus(Case):
    def test_dry_run(self):
        """By the real program, to its end."""
        systemd = self.systemd()
        self.start()
        report = self.schema.check(self.call("ApplyFix", "thp", DRY_RUN))
        self.assertEqual((report["operation"], report["dry_run"], report["fixes"][0]["id"]), ("apply", True, "thp"))
        unit, mode, properties, command, ignore, aux = json.loads(systemd.stdout.readline())
        self.assertEqual((unit, mode, ignore, aux), ("vfioalign-fix.service", "fail", False, []))
        self.assertEqual(command, [CTL, CTL, "fix", "--json", "--yes", "--dry-run", "apply", "thp"])
        self.assertEqual((properties["Type"], properties["CollectMode"]), ("oneshot", "inactive-or-failed"))
        self.assertEqual(properties["TimeoutStartUSec"], 300 * 10**6)
        report = self.schema.check(self.call("RevertFix", "", DRY_RUN))
        self.assertEqual(report["operation"], "revert")
        self.assertEqual(json.loads(systemd.stdout.readline())[3], [CTL, CTL, "fix", "--json", "--yes", "--dry-run", "revert"])

    def test_answer(self):
        """A program that ends with an error has told it."""
        systemd = self.systemd()
        ctl = self.ctl(json.dumps(outcome(refusal="it must not be")), status=1)
        self.start(ctl)
        self.assertEqual(json.loads(self.call("ApplyFix", "thp")), outcome(refusal="it must not be"))
        self.assertEqual(json.loads(systemd.stdout.readline())[3], [ctl, ctl, "fix", "--json", "--yes", "apply", "thp"])
        # What it has done is looked at.
        generation = json.loads(self.manager.GetReport())["generation"]
        self.call("RevertFix", "module")
        wait_for(lambda: json.loads(self.manager.GetReport())["generation"] > generation, "an audit")

    def test_no_report(self):
        self.systemd()
        for text in "", "no JSON", "{}", '{"fixes": 1}':
            with self.subTest(text):
                self.start(self.ctl(text, status=1))
                self.assert_error("Failed", "ended without a report", "ApplyFix", "thp")
                self.end()

    def test_one_at_a_time(self):
        systemd = self.systemd("stuck")
        self.start()
        waiting = subprocess.Popen(["busctl", "--address=" + self.bus.address, "--timeout=60", "call", "org.vfioalign1",
                                    "/org/vfioalign1", INTERFACE, "ApplyFix", "st", "thp", "0"], stderr=subprocess.PIPE,
                                   text=True)
        self.addCleanup(self.drop, waiting)
        systemd.stdout.readline()
        self.assertEqual(self.limited("ApplyFix"), "Another fix is under way")
        # One of a daemon before this one.
        self.end()
        self.assertIn("vfioalignd ends", waiting.communicate(timeout=20)[1])
        self.start()
        self.assertEqual(self.limited("RevertFix"), "Another fix is under way (vfioalign-fix.service)")

    def limited(self, method):
        with self.assertRaises(dbus.DBusException) as caught:
            self.call(method, "thp")
        return caught.exception.get_dbus_message()

    def test_no_systemd(self):
        self.start()
        self.assert_error("Failed", "systemd did not run", "ApplyFix", "thp")

    def test_arguments(self):
        systemd = self.systemd()
        self.start()
        for fix in "none", "emulator", "iommufd", "../thp":
            self.assert_error("InvalidArgs", f"'{fix}'", "ApplyFix", fix)
        self.assert_error("InvalidArgs", "0x2", "RevertFix", "thp", 2)
        self.assert_error("InvalidArgs", "0x4", "ApplyFix", "thp", 4)
        systemd.terminate()
        self.assertEqual(systemd.stdout.read(), "")


class Module(Case):
    """Module=auto on a recorded host (transparent_hugepage=madvise, QEMU 8.2), where the module is asked for at the start of the
    daemon, before any guest, and never comes."""

    FINDING = "The vfio_align module is installed but not loaded"

    def host(self):
        root = Path(self.dir.name) / "host"
        shutil.copytree(HOSTS / "eight-gpu", root, symlinks=True)
        return root

    def log_after_load(self, mode):
        systemd = self.systemd(mode)
        self.start(VFIOALIGN_ROOT=str(self.host()))
        self.assertEqual(json.loads(systemd.stdout.readline()), ["modprobe@vfio_align.service", "replace"])
        wait_for(lambda: "load the module" in self.daemon.log or "did not load" in self.daemon.log, "the end of the load")
        wait_for(lambda: self.FINDING in self.daemon.log, "the findings")
        return self.daemon.log

    def test_not_there_after_all(self):
        log = self.log_after_load("run")
        self.assertLess(log.index("did not load"), log.index(self.FINDING))
        self.assertEqual(log.count(self.FINDING), 1)

    def test_failed(self):
        self.log_after_load("fail")

    def off(self, root):
        process = subprocess.Popen([CTL, "off"], env={**self.bus.env, "VFIOALIGN_ROOT": str(root)}, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        return process

    def test_off_while_it_loads(self):
        """What comes of a load that is under way is disabled, and known as disabled by `off`."""
        systemd, root = self.systemd("stuck"), self.host()
        self.start(VFIOALIGN_ROOT=str(root))
        self.assertEqual(json.loads(systemd.stdout.readline()), ["modprobe@vfio_align.service", "replace"])
        process = self.off(root)
        self.assertEqual(process.stdout.readline(),
                         "The module vfio_align is just being loaded: waiting for the end of that\n")
        switch, enabled = root / "run/vfioalign/off", root / "sys/module/vfio_align/parameters/enabled"
        self.assertEqual(switch.read_text(), "")
        enabled.parent.mkdir(parents=True)
        enabled.write_text("Y\n")
        self.assertIsNone(process.poll())
        systemd.send_signal(signal.SIGUSR1)
        self.assertEqual(process.communicate()[0],
                         "The loaded module vfio_align is disabled; guests that run keep their mappings\n"
                         "vfioalign is switched off by /run/vfioalign/off, until the next boot, or vfioalignctl on\n")
        self.assertEqual((process.returncode, enabled.read_text(), switch.read_text()), (0, "0\n", "module\n"))
        wait_for(lambda: "Switched off by /run/vfioalign/off while the module" in self.daemon.log, "the end of the load")

    def test_lock(self):
        """No load begins while somebody has the switch in hand, nor behind their back when they have let it go."""
        systemd, root = self.systemd(), self.host()
        lock = root / "run/vfioalign/switch.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with open(lock, "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.start(VFIOALIGN_ROOT=str(root))
            self.assertIn("not loading the module vfio_align", self.daemon.log)
            (root / "run/vfioalign/off").touch()
        wait_for(lambda: "Switched off by /run/vfioalign/off\n" in self.daemon.log, "the switch")
        self.off(root).wait()
        subprocess.run([CTL, "on"], env={**self.bus.env, "VFIOALIGN_ROOT": str(root)}, stdout=subprocess.DEVNULL, check=True)
        wait_for(lambda: "did not load" in self.daemon.log, "a load once it is on")
        log = self.daemon.log
        self.assertLess(log.index("Switched on\n"), log.index("systemd was asked to load"))
        systemd.terminate()
        self.assertEqual(systemd.stdout.read().count("modprobe@"), 1)

    def test_no_consent(self):
        """By default, without the module's package, nothing is done to the host."""
        systemd = self.systemd()
        root = self.host()
        modules = next((root / "lib/modules").iterdir())
        (modules / "updates/dkms/vfio_align.ko").unlink()
        dep = modules / "modules.dep"
        dep.write_text("".join(line for line in dep.read_text().splitlines(True) if "vfio_align" not in line))
        before = {p: p.lstat().st_mtime_ns for p in root.rglob("*")}
        self.start(VFIOALIGN_ROOT=str(root))
        manager = dbus.Interface(self.connect().get_object("org.vfioalign1", "/org/vfioalign1", introspect=False), INTERFACE)
        self.assertEqual(json.loads(manager.GetReport())["module"]["installed"]["value"], "no")
        self.end()
        systemd.terminate()
        self.assertEqual(systemd.stdout.read(), "")
        self.assertEqual({p: p.lstat().st_mtime_ns for p in root.rglob("*")}, before)


THP = "/sys/kernel/mm/transparent_hugepage"


def can_mount():
    return subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", THP], stderr=subprocess.DEVNULL,
                          check=False).returncode == 0


@unittest.skipUnless(can_mount(), "needs mounts of its own")
class Here(unittest.TestCase):
    """By root, where the setting and the records are nobody's."""

    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="vfioalign-fix-")
        self.addCleanup(self.dir.cleanup)
        Path(self.dir.name, "enabled").write_text("always [madvise] never\n")

    def command(self, *args):
        return ["unshare", "--mount", "sh", "-ec",
                f"mount --bind {self.dir.name} {THP}; mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /var/lib; exec \"$@\"",
                "-", CTL, "fix", *args]

    def setting(self):
        return Path(self.dir.name, "enabled").read_text()

    def run_ctl(self, *args):
        return subprocess.run(self.command(*args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True)

    def answer(self, text, *args):
        """On a terminal: what it showed, and its exit code."""
        pid, fd = pty.fork()
        if pid == 0:
            os.execvp("unshare", self.command(*args))
        shown = b""
        while not shown.endswith(b"[y/N] "):
            shown += os.read(fd, 4096)
        os.write(fd, text)
        try:
            while data := os.read(fd, 4096):
                shown += data
        except OSError:
            pass
        os.close(fd)
        return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def plans(self):
        """Whether there is something to do on this kernel."""
        if self.run_ctl("plan", "--force", "thp").returncode != 10:
            self.skipTest("huge entries do not depend on the setting here")

    def test_no_terminal(self):
        self.plans()
        run = self.run_ctl("apply", "--force", "thp")
        self.assertEqual((run.returncode, run.stdout, run.stderr),
                         (1, "", "vfioalignctl: This would change the host, and there is no terminal to ask on; give --yes\n"))
        self.assertEqual(self.setting(), "always [madvise] never\n")

    def test_no_help(self):
        """Of this host, which has no device for guests."""
        self.plans()
        report = json.loads(self.run_ctl("list", "--json").stdout)
        if {f["id"]: f["helps"] for f in report["fixes"]}["thp"]:
            self.skipTest("it helps here")
        run = self.run_ctl("apply", "--yes", "thp")
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertIn("to apply it all the same, give --force", run.stderr)
        self.assertEqual(self.setting(), "always [madvise] never\n")

    def test_answer(self):
        self.plans()
        for text in b"n\n", b"\n", b"\4":
            shown, code = self.answer(text, "apply", "--force", "thp")
            self.assertEqual(code, 1, shown)
            self.assertEqual(self.setting(), "always [madvise] never\n")
        self.assertIn("thp: would run: echo always", shown)
        self.assertIn("thp: trade-off: all programs of the host get transparent huge pages", shown)
        self.assertIn("Apply it? [y/N] ", shown)
        Path(self.dir.name, "enabled").write_text("[never] madvise always\n")
        shown, code = self.answer(b"y\n", "apply", "--force", "thp")
        self.assertEqual((code, self.setting()[:6]), (0, "always"), shown)

    def test_read_back(self):
        """What is read, not what was written: here nobody takes the brackets away."""
        self.plans()
        run = self.run_ctl("apply", "--force", "--yes", "thp")
        self.assertEqual((run.returncode, run.stdout.splitlines()[-1]), (0, "thp: read back: partial"))
        Path(self.dir.name, "enabled").write_text("[never] madvise always\n")
        report = json.loads(self.run_ctl("apply", "--force", "--yes", "--json", "thp").stdout)
        Report(SCHEMA).check(json.dumps(report))
        self.assertEqual(report["fixes"][0]["read_back"], {"state": "partial", "guests": []})


@unittest.skipUnless(os.getuid() == 0, "needs root, to be somebody else")
class Polkit(Case):
    """As nobody, by the real vfioalignctl."""

    def polkit(self, answer):
        if importlib.util.find_spec("dbusmock") is None:
            self.skipTest("python3-dbusmock is not installed")
        process, mock = mock_polkit(self.bus, self.connect(), answer)
        self.addCleanup(self.drop, process)
        return mock

    def fix(self, *args):
        return subprocess.run([CTL, "fix", *args], user=65534, group=65534, extra_groups=[], env=self.bus.env, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def test_allowed(self):
        systemd = self.systemd()
        mock = self.polkit("True, False")
        ctl = self.ctl(json.dumps(outcome(note="until the next boot")))
        self.start(ctl)
        run = self.fix("apply", "--yes", "thp")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertEqual(run.stdout, "thp: write always to /sys/kernel/mm/transparent_hugepage/enabled\n"
                                     "thp: until the next boot\n")
        (_, _, (_, action, _, flags, _)), = mock.GetCalls(dbus_interface="org.freedesktop.DBus.Mock")
        self.assertEqual((action, flags), ("org.vfioalign1.fix", 1))
        self.assertEqual(json.loads(systemd.stdout.readline())[3][2:], ["fix", "--json", "--yes", "apply", "thp"])
        run = self.fix("--json", "revert")
        self.assertEqual(json.loads(run.stdout), outcome(note="until the next boot"))
        self.assertEqual(json.loads(systemd.stdout.readline())[3][2:], ["fix", "--json", "--yes", "revert"])

    def test_forced(self):
        systemd = self.systemd()
        self.polkit("True, False")
        self.start(self.ctl(json.dumps(outcome(read_back={"state": "applied", "guests": ["a", "b", "c", "d"]}))))
        run = self.fix("apply", "--yes", "--force", "thp")
        self.assertEqual(run.stdout.splitlines()[-1],
                         "thp: read back: applied; larger pages at the next start: a, b, c and 1 more")
        self.assertEqual(json.loads(systemd.stdout.readline())[3][2:], ["fix", "--json", "--yes", "--force", "apply", "thp"])

    def test_no_terminal(self):
        systemd = self.systemd()
        self.start(self.ctl(json.dumps(outcome())))
        run = self.fix("apply", "thp")
        self.assertEqual((run.returncode, run.stdout, run.stderr),
                         (1, "", "vfioalignctl: This would change the host, and there is no terminal to ask on; give --yes\n"))
        systemd.terminate()
        self.assertEqual(systemd.stdout.read(), "")

    def test_refused(self):
        self.systemd()
        self.polkit("True, False")
        self.start(self.ctl(json.dumps(outcome(steps=[], refusal="it must not be")), status=1))
        run = self.fix("apply", "--yes", "thp")
        self.assertEqual((run.returncode, run.stdout, run.stderr), (1, "", "vfioalignctl: thp: it must not be\n"))

    def test_failed(self):
        """A step that has failed does not look as if it was done."""
        self.systemd()
        self.polkit("True, False")
        self.start(self.ctl(json.dumps(outcome(error="Read-only file system")), status=1))
        run = self.fix("apply", "--yes", "thp")
        self.assertEqual((run.returncode, run.stderr), (1, "vfioalignctl: thp: failed: Read-only file system\n"))
        self.assertEqual(run.stdout, "thp: tried: write always to /sys/kernel/mm/transparent_hugepage/enabled\n")

    def test_none(self):
        self.systemd()
        self.polkit("True, False")
        self.start(self.ctl(json.dumps({**REPORT, "fixes": []})))
        self.assertEqual(self.fix("apply", "--yes").stdout, "No fix of the host gives a device of this host larger pages\n")
        self.assertEqual(self.fix("revert").stdout, "No fix is in force\n")

    def test_denied(self):
        systemd = self.systemd()
        self.polkit("False, False")
        self.start()
        run = self.fix("apply", "--yes", "thp")
        self.assertEqual((run.returncode, run.stdout, run.stderr), (1, "", "vfioalignctl: Not authorized, run it as root (sudo): polkit does not allow it\n"))
        systemd.terminate()
        self.assertEqual(systemd.stdout.read(), "")

    def test_plan(self):
        """Is nobody's business but the caller's."""
        run = self.fix("--json", "plan", "thp")
        self.assertTrue(self.schema.check(run.stdout)["dry_run"])

    def test_no_daemon(self):
        run = self.fix("apply", "--yes", "thp")
        self.assertEqual(run.returncode, 1)
        self.assertIn("without vfioalignd, which is not running", run.stderr)


if __name__ == "__main__":
    unittest.main()
