#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vfioalignd hands devices over and back: on a bus of its own, on a made-up host, with a worker that does what the
test says (fake_worker.py). The daemon is told of them by VFIOALIGN_ROOT, VFIOALIGN_WORKER and VFIOALIGN_GRACE_MSEC (how
long a guest's process may take to come, and a worker to end)."""

import importlib.util
import json
import os
import pwd
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import dbus
import dbus.lowlevel

import private_bus
from private_bus import Bus, domain, memfd, wait_for

DAEMON = sys.argv[1]
del sys.argv[1:2]

INTERFACE = "org.vfioalign1.Manager"
ERROR = "org.freedesktop.DBus.Error."
NIC, NIC2, AUDIO, BRIDGE = "0000:01:00.0", "0000:02:00.0", "0000:01:00.1", "0000:00:01.0"
BOOT = "[Device nic]\nAddress={}\nBind=boot\n"
GUEST = "[Device nic]\nAddress={}\nBind=guest\n"
DRY_RUN, FORCE = 1, 2
NOT_HANDED = "^1 its devices were not handed to VFIO: "


class Host:
    """Two network cards with a group each, and whatever is added."""

    def __init__(self):
        self.dir = tempfile.TemporaryDirectory(prefix="vfioalign-host-")
        self.home = Path(self.dir.name)
        self.root = self.home / "root"
        self.write("proc/sys/kernel/random/boot_id", "6b0f8f0e-1d8b-4f5c-9c5e-7a2f4f7a3b11\n")
        self.write("proc/cmdline", "quiet\n")
        os.environ["VFIOALIGN_ROOT"] = str(self.root)
        spec = importlib.util.spec_from_file_location("fake_worker", Path(__file__).parent / "fake_worker.py")
        self.worker = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.worker)
        self.program = self.home / "worker"
        self.program.write_text(f"#!/bin/sh\nexec {sys.executable} {shlex.quote(spec.origin)}\n")
        self.program.chmod(0o755)
        self.add(NIC, 7)
        self.add(NIC2, 8)
        self.plan()

    def write(self, path, text):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def add(self, address, group, driver="e1000e", kind="20000"):
        function = f"sys/bus/pci/devices/{address}"
        self.write(function + "/uevent", f"PCI_CLASS={kind}\nPCI_ID=8086:10D3\nPCI_SUBSYS_ID=8086:0000\n")
        (self.root / function / "iommu_group").symlink_to(f"../../../../kernel/iommu_groups/{group}")
        member = self.root / f"sys/kernel/iommu_groups/{group}/devices"
        member.mkdir(parents=True, exist_ok=True)
        (member / address).symlink_to(f"../../../../bus/pci/devices/{address}")
        self.worker.set_driver(address, driver)

    def configure(self, text):
        self.write("etc/vfioalignd.conf", text)

    def plan(self, **operations):
        (self.home / "plan.new").write_text(json.dumps(operations))
        (self.home / "plan.new").rename(self.home / "plan")

    def gate(self, name="gate"):
        """A FIFO at which a worker waits; open() it to let one through."""
        path = str(self.home / name)
        if not os.path.exists(path):
            os.mkfifo(path)
        return path

    def notes(self):
        try:
            return [json.loads(line) for line in (self.home / "orders").read_text().splitlines()]
        except FileNotFoundError:
            return []

    def orders(self):
        return [n["order"] for n in self.notes() if "order" in n and n["order"]["driver"] != "sync"]

    def said(self):
        """(operation, devices) of each order"""
        return [(o["operation"], o["devices"]) for o in self.orders()]

    def runs(self, guest, pid):
        self.write(f"run/libvirt/qemu/{guest}.pid", f"{pid}\n")
        self.write(f"proc/{pid}/maps", "")
        self.write(f"proc/{pid}/status", "Name:\tqemu\n")

    def close(self):
        self.dir.cleanup()


class Case(unittest.TestCase):
    grace = 60000
    syncs = 0

    def setUp(self):
        self.bus = Bus()
        self.addCleanup(self.bus.close)
        self.host = Host()
        self.addCleanup(self.host.close)

    def start(self, config="", grace=None, prefix=(), **env):
        self.host.configure("[Fix]\nModule=off\n" + config)
        env = {"VFIOALIGN_ROOT": str(self.host.root), "VFIOALIGN_WORKER": str(self.host.program),
               "VFIOALIGN_GRACE_MSEC": str(grace or self.grace), **env}
        self.daemon = private_bus.Daemon(DAEMON, self.bus, env, prefix)
        self.addCleanup(self.end)
        self.connection = self.connect()
        self.manager = self.proxy(self.connection)

    def end(self):
        for note in self.host.notes():  # none stays, also where a test failed
            try:
                os.kill(note["pid"], signal.SIGKILL)
            except ProcessLookupError:
                pass
        status = self.daemon.close()
        self.assertEqual(status, 0, self.daemon.log)

    def connect(self):
        connection = dbus.bus.BusConnection(self.bus.address)
        self.addCleanup(connection.close)
        return connection

    @staticmethod
    def proxy(connection):
        return dbus.Interface(connection.get_object("org.vfioalign1", "/org/vfioalign1", introspect=False), INTERFACE)

    def wait_orders(self, *said):
        wait_for(lambda: len(self.host.orders()) >= len(said), f"{said}")
        self.assertEqual(self.host.said(), list(said))

    def wait_log(self, text):
        wait_for(lambda: text in self.daemon.log, f"{text}: {self.daemon.log}")

    def generation(self):
        return self.manager.GetReport() and json.loads(self.manager.GetReport())["generation"]

    def no_more_orders(self, *said):
        """Two audits later, which would have made them. Workers begin in order: they had begun before this one."""
        self.manager.Audit()
        self.manager.Audit()
        self.bind(NIC2, driver="sync", flags=DRY_RUN)
        begun = re.findall(r"vfioalign-worker \((.*)\) begins", self.daemon.log)
        self.assertEqual(len(begun) - self.syncs, len(said), begun)
        self.assertEqual(self.host.said(), list(said))

    def send(self, method, signature, *args, connection=None):
        """A call whose answer is waited for later: answer()."""
        run = ["busctl", "--address=" + self.bus.address, "--timeout=60", "call", "org.vfioalign1", "/org/vfioalign1",
               INTERFACE, method, signature, *args]
        process = subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.drop, process)
        return process

    @staticmethod
    def drop(process):
        process.kill()
        process.communicate()

    def bind(self, *devices, method="Bind", driver="", flags=0):
        self.syncs += driver == "sync"
        report = json.loads(getattr(self.manager, method)(devices, driver, dbus.UInt64(flags), signature="asst"))
        self.assertEqual((report["schema_version"], report["operation"]), (1, method.lower()))
        return report

    def send_bind(self, *devices, method="Bind"):
        return self.send(method, "asst", str(len(devices)), *devices, "", "0")

    def prepare(self, seconds=20.0, name="web1", devices=(NIC,), managed="no", waits="60"):
        """Starts a guest: a process whose output is the answer. waits: how long for it, in Python."""
        code = ("import dbus, os, sys, time\nconnection = dbus.bus.BusConnection(sys.argv[1])\n"
                "object = connection.get_object('org.vfioalign1', '/org/vfioalign1', introspect=False)\n"
                "print(*object.PrepareGuest(sys.argv[2], dbus.types.UnixFd(int(sys.argv[4])), "
                "dbus.UInt64(int(sys.argv[3])), "
                f"dbus_interface='org.vfioalign1.Manager', signature='sht', timeout={waits}), flush=True)\n")
        fd = memfd(domain(name, devices, managed))
        deadline = int((time.clock_gettime(time.CLOCK_BOOTTIME) + seconds) * 1e6)
        process = subprocess.Popen([sys.executable, "-c", code, self.bus.address, name, str(deadline), str(fd)],
                                   pass_fds=[fd], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        os.close(fd)
        self.addCleanup(self.drop, process)
        return process

    def post_prepare(self):
        """A start whose answer is in the log; it has reached the daemon."""
        fd = memfd(domain("web1", (NIC,), "no"))
        message = dbus.lowlevel.MethodCallMessage("org.vfioalign1", "/org/vfioalign1", INTERFACE, "PrepareGuest")
        deadline = dbus.UInt64(time.clock_gettime(time.CLOCK_BOOTTIME) * 1e6 + 50e6)
        message.append("web1", dbus.types.UnixFd(fd), deadline, signature="sht")
        message.set_no_reply(True)
        os.close(fd)
        self.connection.send_message(message)
        self.manager.GetReport()

    def answer(self, process):
        out, err = process.communicate(timeout=60)
        return out.strip() or err.strip()

    def assert_error(self, name, call, *args, **kwargs):
        with self.assertRaises(dbus.DBusException) as caught:
            call(*args, **kwargs)
        self.assertEqual(caught.exception.get_dbus_name(), ERROR + name)
        return caught.exception.get_dbus_message()


class Boot(Case):
    def test_order(self):
        self.host.add(BRIDGE, 1, "pcieport", "60400")
        self.start(BOOT.format(NIC) + f"[Device b]\nAddress={NIC2}\nBind=boot\nVfioDriver=mlx5_vfio_pci\n"
                   f"[Device c]\nAddress={BRIDGE}\nBind=boot\n[Bind]\nDeadlineSec=7\n")
        wait_for(lambda: len(self.host.orders()) == 2, "two orders, side by side")
        first, second = sorted(self.host.orders(), key=lambda o: o["devices"])
        self.assertEqual((first["devices"], second["devices"]), ([NIC], [NIC2]))
        self.assertEqual((first["owner"], first["driver"]), ("boot", None))
        self.assertEqual((first["dry_run"], first["force"]), (False, False))
        self.assertEqual(first["timeout_usec"], 7000000)
        self.assertEqual((second["owner"], second["driver"]), ("boot", "mlx5_vfio_pci"))
        self.wait_log(f"IOMMU group 7 ({NIC}): bound [boot]")
        self.no_more_orders(*self.host.said())
        self.assertEqual(len(self.host.orders()), 2)

    def test_nothing(self):
        """What has no Bind=boot, or is with VFIO already."""
        self.host.worker.set_driver(NIC2, "vfio-pci")
        self.start(GUEST.format(NIC) + f"[Device b]\nAddress={NIC2}\nBind=boot\n")
        self.no_more_orders()

    def test_never(self):
        self.host.add(AUDIO, 7, "snd_hda_intel")
        self.start(BOOT.format(NIC) + f"[Device a]\nAddress={AUDIO}\nBind=never\n")
        self.wait_log(f"{NIC} stays with the host: {AUDIO} is in its IOMMU group, and has Bind=never")
        self.no_more_orders()
        self.assertEqual(self.daemon.log.count("stays with the host"), 1)

    def test_refused_once(self):
        self.host.plan(bind={"outcome": "refused", "finding": "bind-in-use"})
        self.start(BOOT.format(NIC))
        self.wait_orders(("bind", [NIC]))
        self.wait_log(f"IOMMU group 7 ({NIC}): refused, nothing was written: A function is in use ({NIC}: /boot) [boot]")
        self.no_more_orders(("bind", [NIC]))
        self.daemon.signal(signal.SIGHUP)
        self.wait_orders(("bind", [NIC]), ("bind", [NIC]))
        self.assertEqual(self.bind(NIC)["groups"][0]["findings"][0]["id"], "bind-in-use")
        self.no_more_orders(*[("bind", [NIC])] * 3)

    def test_taken_back(self):
        """What an operator takes back stays there, until he says otherwise."""
        self.start(BOOT.format(NIC))
        self.wait_orders(("bind", [NIC]))
        self.wait_log(": bound [")
        self.manager.Audit()
        self.assertEqual(self.bind(NIC, method="Unbind")["groups"][0]["outcome"], "returned")
        said = ("bind", [NIC]), ("unbind", [NIC])
        self.no_more_orders(*said)
        self.assertIn(f"{NIC} was taken from VFIO again", self.daemon.log)
        self.daemon.signal(signal.SIGHUP)
        self.wait_orders(*said, ("bind", [NIC]))

    def test_appears(self):
        self.start(f"[Device x]\nID=8086:*\nDriver=ixgbevf\nBind=boot\n")
        self.host.add("0000:03:10.0", 9, "ixgbevf")
        self.manager.Audit()
        self.wait_orders(("bind", ["0000:03:10.0"]))

    def test_switched_off(self):
        self.host.write("run/vfioalign/off", "")
        self.start(BOOT.format(NIC))
        self.manager.Audit()
        self.assertIn("/run/vfioalign/off", self.assert_error("Failed", self.bind, NIC))
        self.assertEqual(self.bind(NIC, method="Unbind", flags=DRY_RUN)["groups"][0]["outcome"], "planned")
        self.assertEqual(self.host.said(), [("unbind", [NIC])])

    def test_switched_off_at_boot(self):
        """What cannot read the command line sees it too."""
        self.host.write("proc/cmdline", "quiet vfioalign=off\n")
        (self.host.root / "run/vfioalign").mkdir(parents=True, exist_ok=True)
        self.start(BOOT.format(NIC))
        self.assertTrue((self.host.root / "run/vfioalign/off").exists())
        self.assertEqual(self.host.said(), [])

    def test_settle_first(self):
        self.host.worker.record(NIC, "boot", "binding")
        self.host.plan(settle={"gate": self.host.gate()})
        self.start(BOOT.format(NIC))
        self.wait_orders(("settle", []))
        self.no_more_orders(("settle", []))
        open(self.host.gate(), "w").close()
        self.wait_orders(("settle", []), ("bind", [NIC]))

    def test_settle_fails(self):
        self.host.worker.record(NIC, "boot", "binding")
        self.host.plan(settle={"dies": signal.SIGKILL})
        self.start(BOOT.format(NIC2))
        self.wait_orders(("settle", []), ("bind", [NIC2]))
        self.wait_log("vfioalign-worker (settle): the worker was ended by signal 9 (Killed) before it was through")


    def test_settle_after(self):
        """What a worker leaves that was killed, with all its children, is settled by another one; once."""
        self.start()
        self.host.plan(unbind={"dies": signal.SIGKILL}, settle={"dies": signal.SIGKILL})
        self.assert_error("Failed", self.manager.Unbind, [NIC], "", dbus.UInt64(DRY_RUN))
        self.no_more_orders(("unbind", [NIC]))
        self.assert_error("Failed", self.manager.Unbind, [NIC], "", dbus.UInt64(0))
        self.wait_orders(("unbind", [NIC]), ("unbind", [NIC]), ("settle", []))
        self.no_more_orders(("unbind", [NIC]), ("unbind", [NIC]), ("settle", []))


class Guests(Case):
    def test_start_and_release(self):
        self.host.plan(bind={"gate": self.host.gate()})
        self.start(GUEST.format(NIC) + BOOT.format(NIC2).replace("nic", "other"))
        self.wait_orders(("bind", [NIC2]))
        open(self.host.gate(), "w").close()
        self.wait_log(": bound [boot]")
        before = time.clock_gettime(time.CLOCK_BOOTTIME) * 1e6
        start = self.prepare(devices=(NIC, NIC2))
        wait_for(lambda: len(self.host.orders()) == 2, "the order")
        order = self.host.orders()[1]
        self.assertEqual((order["devices"], order["owner"], order["driver"]), ([NIC], "guest web1", None))
        self.assertGreater(order["deadline_usec"], before + 19e6)
        self.assertLess(order["deadline_usec"], time.clock_gettime(time.CLOCK_BOOTTIME) * 1e6 + 19.5e6)
        self.manager.GetReport()
        self.assertIsNone(start.poll())
        open(self.host.gate(), "w").close()
        self.assertRegex(self.answer(start), "^1 no BAR")
        self.assertEqual(self.host.worker.driver_of(NIC), "vfio-pci")
        self.host.plan()
        self.manager.GuestReleased("web1")
        self.wait_orders(("bind", [NIC2]), ("bind", [NIC]), ("unbind", [NIC]))
        self.assertEqual(self.host.orders()[2]["owner"], "guest web1")
        self.wait_log(": returned [guest web1]")
        self.manager.GuestReleased("web1")
        self.no_more_orders(("bind", [NIC2]), ("bind", [NIC]), ("unbind", [NIC]))

    def test_not_ours(self):
        """managed='yes' is libvirt's, and what the configuration does not name is nobody's."""
        self.start(GUEST.format(NIC))
        for managed, devices in ("yes", (NIC,)), ("no", (NIC2,)), ("no", ("0000:7f:00.0",)):
            self.assertRegex(self.answer(self.prepare(managed=managed, devices=devices)), "^1 ")
        self.manager.GuestReleased("web1")
        self.no_more_orders()

    def test_bound_already(self):
        self.start(GUEST.format(NIC))
        self.host.worker.set_driver(NIC, "vfio-pci")  # since the audit
        self.assertRegex(self.answer(self.prepare()), "^1 ")
        self.no_more_orders()

    def test_came_back(self):
        """Taken from VFIO since the audit."""
        self.host.worker.set_driver(NIC, "vfio-pci")
        self.start(GUEST.format(NIC))
        self.host.worker.set_driver(NIC, "e1000e")
        self.assertRegex(self.answer(self.prepare()), "^1 ")
        self.wait_orders(("bind", [NIC]))

    def test_fails(self):
        self.start(GUEST.format(NIC))
        self.host.plan(bind={"outcome": "refused", "finding": "bind-in-use"})
        self.assertRegex(self.answer(self.prepare()), rf"^1 IOMMU group 7 \({NIC}\): refused, nothing was written: A function .*/boot\); ")
        self.host.plan(bind={"dies": signal.SIGKILL})
        self.assertRegex(self.answer(self.prepare()), NOT_HANDED + "the worker was ended by signal 9")
        self.host.program.unlink()
        self.assertRegex(self.answer(self.prepare()), NOT_HANDED + ".* could not be started: No such")
        self.assertRegex(self.answer(self.prepare(seconds=0.4)), NOT_HANDED + "Connection timed out")

    def test_never(self):
        self.host.add(AUDIO, 7, "snd_hda_intel")
        self.start(GUEST.format(NIC) + f"[Device a]\nAddress={AUDIO}\nBind=never\n")
        self.assertRegex(self.answer(self.prepare()), f"^1 {NIC} stays with the host: {AUDIO} ")
        self.no_more_orders()

    def give_up(self, runs):
        self.host.plan(bind={"gate": self.host.gate()})
        self.start(GUEST.format(NIC), grace=1000)
        # As the hook, which is gone at its deadline.
        start = self.prepare(seconds=1.5, waits="int(sys.argv[3]) / 1e6 - time.clock_gettime(time.CLOCK_BOOTTIME)")
        self.wait_orders(("bind", [NIC]))
        self.assertRegex(self.answer(start), "^1 its devices were not handed to VFIO in time; ")
        if runs:
            self.host.runs("web1", 4242)
        open(self.host.gate(), "w").close()
        self.wait_log(": bound [")

    def test_hook_gave_up(self):
        self.give_up(False)
        self.wait_orders(("bind", [NIC]), ("unbind", [NIC]))

    def test_hook_gave_up_and_it_runs(self):
        self.give_up(True)
        before = self.generation()
        wait_for(lambda: self.generation() >= before + 2, "the audits after the job, and of the look back")
        self.no_more_orders(("bind", [NIC]))

    def test_hook_gone(self):
        self.host.plan(bind={"gate": self.host.gate()})
        self.start(GUEST.format(NIC), grace=1000)
        start = self.prepare()
        self.wait_orders(("bind", [NIC]))
        start.kill()
        self.wait_log("The hook of guest 'web1' left before it had an answer")
        open(self.host.gate(), "w").close()
        self.wait_orders(("bind", [NIC]), ("unbind", [NIC]))

    def test_release_meanwhile(self):
        self.host.plan(bind={"gate": self.host.gate()})
        self.start(GUEST.format(NIC))
        start = self.prepare()
        self.wait_orders(("bind", [NIC]))
        self.manager.GuestReleased("web1")
        self.no_more_orders(("bind", [NIC]))
        open(self.host.gate(), "w").close()
        self.answer(start)
        self.wait_orders(("bind", [NIC]), ("unbind", [NIC]))

    def test_start_meanwhile(self):
        """The last start has its answer, the one before an error; nothing is given back between them."""
        self.host.plan(bind={"gate": self.host.gate()})
        self.start(GUEST.format(NIC))
        first = self.prepare()
        self.wait_orders(("bind", [NIC]))
        second = self.prepare()
        self.assertIn("another start of guest 'web1'", self.answer(first))
        open(self.host.gate(), "w").close()
        self.assertRegex(self.answer(second), "^1 no BAR")
        self.no_more_orders(("bind", [NIC]))

    def test_start_meanwhile_again(self):
        """What failed for the first is tried anew for the second."""
        self.host.plan(bind={"gate": self.host.gate(), "outcome": "failed"})
        self.start(GUEST.format(NIC))
        first = self.prepare()
        self.wait_orders(("bind", [NIC]))
        self.host.plan()
        self.post_prepare()
        self.assertIn("another start of guest 'web1'", self.answer(first))
        open(self.host.gate(), "w").close()
        self.wait_log("Guest 'web1' may start: no BAR")
        self.assertEqual(self.host.said(), [("bind", [NIC])] * 2)

    def test_start_while_it_goes_back(self):
        self.start(GUEST.format(NIC))
        self.answer(self.prepare())
        self.host.plan(unbind={"gate": self.host.gate()})
        self.manager.GuestReleased("web1")
        said = ("bind", [NIC]), ("unbind", [NIC])
        self.wait_orders(*said)
        answers = self.daemon.log.count("may start")
        self.post_prepare()
        self.no_more_orders(*said)
        self.assertEqual(self.daemon.log.count("may start"), answers)
        open(self.host.gate(), "w").close()
        self.wait_orders(*said, ("bind", [NIC]))
        wait_for(lambda: self.daemon.log.count("may start: no BAR") == answers + 1, "the answer")
        self.assertEqual(self.host.worker.driver_of(NIC), "vfio-pci")

    def test_crash(self):
        """A guest whose process ends without a word, and whose hook says nothing."""
        self.start(GUEST.format(NIC), grace=500)
        self.answer(self.prepare())
        with subprocess.Popen(["sleep", "infinity"]) as qemu:
            self.addCleanup(qemu.kill)
            self.host.runs("web1", qemu.pid)
            fd = memfd(domain("web1", (NIC,), "no"))
            self.manager.GuestStarted("web1", dbus.types.UnixFd(fd), signature="sh")
            os.close(fd)
            guests = json.loads(self.manager.GetReport())["guests"]
            self.assertEqual([g["name"] for g in guests], ["web1"], self.daemon.log)
            qemu.kill()
            (self.host.root / f"run/libvirt/qemu/web1.pid").unlink()
        self.wait_orders(("bind", [NIC]), ("unbind", [NIC]))

    def test_switched_off(self):
        self.start(GUEST.format(NIC) + BOOT.format(NIC2).replace("nic", "other"), grace=300)
        self.host.plan(unbind={"gate": self.host.gate()})
        said = ("bind", [NIC2]), ("bind", [NIC])
        self.wait_orders(said[0])
        self.answer(self.prepare())
        self.host.write("run/vfioalign/off", "")
        self.assertIn("/run/vfioalign/off", self.answer(self.prepare()))
        self.manager.GuestReleased("web1")
        self.manager.Audit()
        self.assertEqual(self.daemon.log.count("begins"), 2)
        (self.host.root / "run/vfioalign/off").unlink()
        self.daemon.signal(signal.SIGHUP)
        self.wait_orders(*said, ("unbind", [NIC]))
        open(self.host.gate(), "w").close()

    def test_while_away(self):
        """A guest ended while no daemon was there. One that runs keeps its own, and a quarantine is an operator's."""
        self.host.add("0000:03:00.0", 9)
        self.host.add("0000:04:00.0", 10)
        for address, owner, state in ((NIC, "guest web1", "bound"), (NIC2, "guest web2", "bound"),
                                      ("0000:03:00.0", "operator", "bound"),
                                      ("0000:04:00.0", "guest web3", "quarantined")):
            self.host.worker.set_driver(address, "vfio-pci")
            self.host.worker.record(address, owner, state)
        self.host.runs("web2", 4242)
        self.start(GUEST.format(NIC), grace=300)
        self.wait_orders(("settle", []), ("unbind", [NIC]))
        self.wait_log(": returned [guest web1]")
        self.no_more_orders(("settle", []), ("unbind", [NIC]))


class Jobs(Case):
    def test_report(self):
        self.start()
        report = self.bind("1:0.0", "0000:02:00.0", driver="auto", flags=DRY_RUN | FORCE)
        self.assertTrue(report["dry_run"])
        order, = self.host.orders()
        self.assertEqual((order["devices"], order["owner"], order["driver"], order["dry_run"], order["force"]),
                         (["0000:01:00.0", NIC2], "operator", None, True, True))
        self.assertEqual([g["group"] for g in report["groups"]], [7, 8])
        self.bind(NIC, method="Unbind", driver="e1000e", flags=DRY_RUN)
        self.assertEqual(self.host.orders()[1]["driver"], "e1000e")

    def test_arguments(self):
        self.start()
        for devices, driver, flags in (([], "", 0), (["junk"], "", 0), (["../01:00.0"], "", 0), ([NIC], "a/b", 0),
                                       ([NIC], "x" * 64, 0), ([NIC], "", 4), ([NIC], "", 1 << 63),
                                       ([NIC] * 1025, "", 0)):
            for method in "Bind", "Unbind":
                self.assert_error("InvalidArgs", self.bind, *devices, method=method, driver=driver, flags=flags)
        self.assertEqual(self.host.orders(), [])
        self.assertEqual(len(self.bind(*[NIC] * 1024, flags=DRY_RUN)["groups"]), 1024)

    def test_caller_leaves(self):
        self.host.plan(bind={"gate": self.host.gate()})
        self.start()
        call = self.send_bind(NIC)
        self.wait_orders(("bind", [NIC]))
        self.drop(call)
        open(self.host.gate(), "w").close()
        self.wait_log(": bound [operator]")
        self.manager.GetReport()

    def test_queue(self):
        """Eight at a time, then in order but guests first; so many may wait, and no more."""
        self.host.plan(bind={"gate": self.host.gate()})
        self.start(GUEST.format(NIC))
        for _ in range(8 + 256):
            message = dbus.lowlevel.MethodCallMessage("org.vfioalign1", "/org/vfioalign1", INTERFACE, "Bind")
            message.append([NIC2], "", dbus.UInt64(DRY_RUN), signature="asst")
            message.set_no_reply(True)
            self.connection.send_message(message)
        self.assertIn("Too many", self.assert_error("LimitsExceeded", self.bind, NIC2))
        wait_for(lambda: len(self.host.orders()) == 8, "eight of them")
        self.manager.Audit()
        self.assertEqual(len(self.host.orders()), 8)
        for expected, say in ("operator", False), ("guest web1", True):
            if say:
                self.post_prepare()
            before = len(self.host.orders())
            os.kill(self.host.notes()[before - 8]["pid"], signal.SIGKILL)
            wait_for(lambda: len(self.host.orders()) > before, "the next")
            self.assertEqual([o["owner"] for o in self.host.orders()[before:]], [expected])
        # The daemon ends with all of them waiting.

    def test_junk(self):
        group = {"type": "group", "group": 7, "outcome": "bound", "devices": [{"address": NIC}], "findings": []}
        junk = ["junk\n", "{\n", "[]\n", "null\n", "7\n", "{}\n", '{"type": 7}\n', '{"type": "other"}\n', "\0\n", "\n",
                "[" * 100000 + "\n"]
        for change in ({"outcome": "fine"}, {"outcome": None}, {"group": "7"}, {"devices": None}, {"devices": [7]},
                       {"devices": [{}]}, {"findings": {}}, {"findings": [{"id": None}]}):
            junk.append(json.dumps({**group, **change}) + "\n")
        self.start()
        for text in junk:
            with self.subTest(text[:40]):
                self.host.plan(bind={"raw": text})
                why = self.assert_error("Failed", self.bind, NIC)
                self.assertIn("the worker misbehaved: unexpected output (IOMMU groups that were through: 1,", why)
        for text, why in ("x" * (9 << 20), "a line of more than 8 MiB"), \
                ((json.dumps({**group, "more": "x" * 500000}) + "\n") * 40, "more than 16 MiB"):
            self.host.plan(bind={"raw": text})
            self.assertIn(why, self.assert_error("Failed", self.bind, NIC))
        self.host.plan(bind={"raw": '{"type": "error", "message": "no memory"}\n', "silent": True})
        self.assertIn("no memory", self.assert_error("Failed", self.bind, NIC))
        self.host.plan(bind={"silent": True, "status": 3})
        self.assertIn("status 3 before it was through (IOMMU groups that were through: 1,", self.assert_error("Failed", self.bind, NIC))
        self.host.plan()
        self.assertEqual(self.bind(NIC)["groups"][0]["outcome"], "bound")

    def test_not_utf8(self):
        """A report that cannot be sent is an error, and no caller waits for it for ever."""
        group = {"type": "group", "group": 7, "outcome": "bound", "owner": "\udcff", "devices": [], "findings": []}
        self.host.plan(bind={"raw": json.dumps(group, ensure_ascii=False) + "\n"})
        self.start(PYTHONIOENCODING="utf-8:surrogateescape")
        self.assertIn("cannot be sent", self.assert_error("Failed", self.bind, NIC))

    def test_large(self):
        """What a group of hundreds of functions may say is no junk."""
        group = {"type": "group", "group": 7, "outcome": "bound", "devices": [{"address": NIC}] * 5000, "findings": []}
        self.host.plan(bind={"raw": json.dumps(group) + "\n"})
        self.start()
        self.assertEqual(len(self.bind(NIC)["groups"][0]["devices"]), 5000)

    def test_no_worker(self):
        self.start()
        self.host.program.chmod(0o644)
        self.assertIn("could not be started", self.assert_error("Failed", self.bind, NIC))
        self.host.program.unlink()
        self.assertIn("could not be started", self.assert_error("Failed", self.bind, NIC))
        self.assertIn("vfioalign-worker (operator)", self.daemon.log)

    def test_hang(self):
        """A worker that neither ends nor listens: everything else goes on, and it is killed after its time."""
        self.host.plan(bind={"deaf": True})
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(self.bus.dir.name + "/notify")
            notify.settimeout(20)
            self.start(GUEST.format(NIC), grace=300, NOTIFY_SOCKET=self.bus.dir.name + "/notify",
                       WATCHDOG_USEC="600000")
            start = self.prepare(seconds=1.0)
            self.wait_orders(("bind", [NIC]))
            self.manager.GetReport()
            self.assertRegex(self.answer(start), "^1 its devices were not handed to VFIO in time; ")
            self.manager.GetReport()
            self.host.plan()
            self.assertEqual(self.bind(NIC2)["groups"][0]["outcome"], "bound")
            notify.setblocking(False)
            try:
                while notify.recv(4096):
                    pass
            except BlockingIOError:
                pass
            notify.settimeout(20)
            while b"WATCHDOG=1" not in notify.recv(4096):
                pass
            self.assertEqual(len(self.host.notes()), 2)  # it still hangs
        self.wait_log("vfioalign-worker (guest web1): the worker did not end in time, giving up")
        with self.assertRaises(ProcessLookupError):
            os.kill(self.host.notes()[0]["pid"], 0)

    def test_end(self):
        """SIGTERM: the worker goes back first, and its caller hears of it."""
        self.host.plan(bind={"gate": self.host.gate()})
        self.start()
        call = self.send_bind(NIC)
        self.wait_orders(("bind", [NIC]))
        self.daemon.signal(signal.SIGTERM)
        self.assertIn('\\"outcome\\":\\"failed\\"', self.answer(call))
        self.assertEqual(self.daemon.process.wait(20), 0)
        self.assertEqual([n.get("event") for n in self.host.notes()], [None, "stopped"])
        self.assertEqual(self.host.worker.driver_of(NIC), "e1000e")

    def test_end_twice(self):
        """Who cannot wait is not kept waiting; the worker is left to itself."""
        self.host.plan(bind={"deaf": True})
        self.start()
        call = self.send_bind(NIC)
        self.wait_orders(("bind", [NIC]))
        self.daemon.signal(signal.SIGTERM)
        other = self.send_bind(NIC2)
        self.assertIn("shutdown", self.answer(other).lower())
        self.assertIsNone(self.daemon.process.poll())
        self.daemon.signal(signal.SIGTERM)
        self.assertEqual(self.daemon.process.wait(20), 0)
        self.assertIn("vfioalignd stopped before the worker did", self.answer(call))
        os.kill(self.host.notes()[0]["pid"], 0)


def murmur2(data):
    """What systemd sorts events by."""
    m, mask = 0x5bd1e995, 0xffffffff
    h = len(data)
    while len(data) >= 4:
        k = struct.unpack("<I", data[:4])[0] * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
        data = data[4:]
    for i in reversed(range(len(data))):
        h ^= data[i] << 8 * i
    if data:
        h = h * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def uevent(address, action, **more):
    """As systemd-udevd sends it (sd-device-monitor.c)."""
    properties = {"ACTION": action, "DEVPATH": f"/devices/pci0000:00/{address}", "SUBSYSTEM": "pci", "SEQNUM": "1",
                  **more}
    data = b"".join(f"{k}={v}\0".encode() for k, v in properties.items())
    return struct.pack(">8sI", b"libudev", 0xfeedcafe) + struct.pack("=III", 40, 40, len(data)) + \
        struct.pack(">IIII", murmur2(b"pci"), 0, 0, 0) + data


SENDER = """import ast, socket, sys, time
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15)
s.bind((0, 0))
count, data = int(sys.argv[1]), ast.literal_eval(sys.argv[2])
for _ in range(count):
    try:
        s.sendto(data, (0, 2))
    except OSError as e:  # nobody's buffer has room
        pass
    time.sleep(float(sys.argv[3]))
"""


@unittest.skipUnless(os.getuid() == 0 and subprocess.run(["unshare", "--net", "--mount", "true"]).returncode == 0,
                     "needs namespaces of its own")
class Udev(Case):
    def start(self, *args):
        super().start(*args, prefix=["unshare", "--net", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /run && "
                                     "mkdir /run/udev && : >/run/udev/control && exec \"$@\"", "sh"])

    def send_events(self, data, count, interval):
        process = subprocess.Popen(["nsenter", "--net", "-t", str(self.daemon.process.pid), sys.executable, "-c", SENDER,
                                    str(count), repr(data), str(interval)])
        self.addCleanup(self.drop, process)
        return process

    def send_event(self, data, count=1):
        self.assertEqual(self.send_events(data, count, 0).wait(), 0)

    def refuse(self):
        self.host.plan(bind={"outcome": "refused"})
        self.start(BOOT.format(NIC))
        self.wait_orders(("bind", [NIC]))
        self.wait_log("refused")

    def test_added(self):
        self.refuse()
        for data in uevent(NIC, "bind"), uevent(NIC, "change"), uevent(NIC2, "add"), uevent(NIC, "add", SYNTH_UUID="0"):
            before = self.generation()
            self.send_event(data)
            wait_for(lambda: self.generation() > before, "the audit: " + self.daemon.log)
        self.no_more_orders(("bind", [NIC]))
        self.send_event(uevent(NIC, "add"))
        self.wait_orders(("bind", [NIC]), ("bind", [NIC]))

    def test_burst(self):
        """Is audited once it is over."""
        self.start("")
        before = self.generation()
        self.assertEqual(self.send_events(uevent(NIC, "change"), 60, 0.05).wait(), 0)
        wait_for(lambda: self.generation() > before, "the audit")
        self.assertLessEqual(self.generation(), before + 4)  # 12 where each event is followed by one soon

    def test_guest_in_burst(self):
        """What has come with it is looked at for a guest."""
        self.start(GUEST.format("0000:03:00.0"))
        self.host.add("0000:03:00.0", 9)
        events = self.send_events(uevent("0000:03:00.0", "change"), 100, 0.05)
        self.wait_log("0000:03:00.0: change")
        before = self.generation()
        self.assertRegex(self.answer(self.prepare(devices=("0000:03:00.0",))), "^1 ")
        self.assertEqual(self.host.said(), [("bind", ["0000:03:00.0"])])
        self.assertEqual((events.poll(), self.generation()), (None, before + 1))

    def test_events_lost(self):
        self.refuse()
        self.daemon.signal(signal.SIGSTOP)
        self.send_event(uevent(NIC, "change", FILL="x" * 8000), 10000)
        self.daemon.signal(signal.SIGCONT)
        self.wait_log("Events of udev were lost")
        self.wait_orders(("bind", [NIC]), ("bind", [NIC]))


@unittest.skipUnless(os.getuid() == 0, "needs root, to be somebody else")
class Polkit(Case):
    def setUp(self):
        super().setUp()
        os.chmod(self.bus.dir.name, 0o755)
        self.start()

    def mock(self, answer):
        if importlib.util.find_spec("dbusmock") is None:
            self.skipTest("python3-dbusmock is not installed")
        polkit, self.polkit = private_bus.mock_polkit(self.bus, self.connect(), answer)
        self.addCleanup(self.drop, polkit)
        return polkit

    def calls(self):
        return self.polkit.GetCalls(dbus_interface="org.freedesktop.DBus.Mock")

    def call(self, *options):
        return self.run_as_nobody("busctl", "--address=" + self.bus.address, "--timeout=60", *options, "call",
                                  "org.vfioalign1", "/org/vfioalign1", INTERFACE, "Bind", "asst", "1", NIC, "", "0")

    def plain_call(self, user=65534):
        """One that allows no interaction, and whose error is told in full."""
        return self.run_as(user, "dbus-send", "--bus=" + self.bus.address, "--print-reply", "--reply-timeout=60000",
                                  "--dest=org.vfioalign1", "/org/vfioalign1", INTERFACE + ".Bind",
                                  "array:string:" + NIC, "string:", "uint64:0")

    def run_as_nobody(self, *args):
        return self.run_as(65534, *args)

    def run_as(self, user, *args):
        process = subprocess.Popen(args, user=user, group=user, extra_groups=[], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.drop, process)
        return process

    def test_allowed(self):
        self.mock("True, False")
        self.assertIn('\\"outcome\\":\\"bound\\"', self.answer(self.call()))
        self.assertEqual(self.host.orders()[0]["owner"], "operator")
        (_, name, (subject, action, _, flags, _)), = self.calls()
        self.assertEqual((name, subject[0], action), ("CheckAuthorization", "system-bus-name", "org.vfioalign1.bind"))
        self.assertRegex(subject[1]["name"], r"^:1\.\d+$")
        self.assertEqual(flags, 1)  # busctl lets it ask
        self.answer(self.plain_call())
        self.assertEqual(self.calls()[1][2][3], 0)

    def test_denied(self):
        self.mock("False, False")
        self.assertIn("polkit does not allow it", self.answer(self.plain_call()))
        self.assertEqual(self.host.orders(), [])

    def test_challenge(self):
        self.mock("False, True")
        self.assertIn("InteractiveAuthorizationRequired: polkit has to ask", self.answer(self.plain_call()))
        self.assertEqual(self.host.orders(), [])

    def test_absent(self):
        self.assertIn("only root may do this", self.answer(self.plain_call()))
        self.assertEqual(self.host.orders(), [])

    def test_root(self):
        """Is not asked about."""
        self.mock("False, False")
        self.bind(NIC)
        self.assertEqual(len(self.calls()), 0)

    def test_queue(self):
        """Whoever may bind does not take all places of those who wait for their turn."""
        self.mock("True, False")
        self.host.plan(bind={"gate": self.host.gate()})
        code = ("import dbus, dbus.bus, dbus.lowlevel, sys\n"
                "connection = dbus.bus.BusConnection(sys.argv[1])\n"
                "for n in range(int(sys.argv[3])):\n"
                "    message = dbus.lowlevel.MethodCallMessage('org.vfioalign1', '/org/vfioalign1', sys.argv[2], 'Bind')\n"
                "    message.append([sys.argv[4]], '', dbus.UInt64(1), signature='asst')\n"
                "    try:\n"
                "        connection.send_message_with_reply_and_block(message, 1)\n"
                "    except dbus.DBusException as e:\n"
                "        print(e, flush=True)\n")

        def flood(user, n):
            return [self.run_as(user, sys.executable, "-c", code, self.bus.address, INTERFACE, str(n), NIC) for _ in range(4)]

        answers = "".join(self.answer(run) for run in flood(65534, 9))
        self.assertEqual(answers.count("NoReply"), 32, answers)
        self.assertEqual(answers.count("Too many calls of this user are waiting"), 4, answers)
        self.assertEqual("".join(self.answer(run) for run in flood(1, 1)).count("NoReply"), 4)
        self.host.plan()
        for note in self.host.notes():
            os.kill(note["pid"], signal.SIGKILL)
        self.assertEqual(self.bind(NIC2)["groups"][0]["outcome"], "bound")
        self.assertNotIn("Too many", "".join(self.answer(run) for run in flood(65534, 1)))

    def test_hangs(self):
        """Nobody waits for polkit but who asks; so many calls of one user may, so many in all, and no more."""
        polkit = self.mock("True, False")
        polkit.send_signal(signal.SIGSTOP)
        calls = [self.plain_call() for _ in range(9)]
        wait_for(lambda: any(c.poll() is not None for c in calls), "the one that is too many")
        self.assertIn("Too many calls of this user", self.answer(next(c for c in calls if c.poll() is not None)))
        self.assertEqual(sum(c.poll() is None for c in calls), 8)

        others = [u.pw_uid for u in pwd.getpwall() if u.pw_uid not in (0, 65534)][:8]
        self.assertEqual(len(others), 8)
        more = [self.plain_call(user) for user in others for _ in range(8)]
        wait_for(lambda: sum(c.poll() is not None for c in more) == 8, "those that are too many")
        for call in [c for c in more if c.poll() is not None]:
            self.assertIn("Too many callers", self.answer(call))
        calls += more
        self.manager.GetReport()
        self.bind(NIC2)
        self.assertEqual(sum(c.poll() is None for c in calls), 64)
        polkit.kill()
        for call in calls:
            if call.poll() is None:
                self.assertIn("only root may do this", self.answer(call))
        self.assertEqual(self.host.said(), [("bind", [NIC2])])


if __name__ == "__main__":
    unittest.main()
