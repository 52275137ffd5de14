# SPDX-License-Identifier: LGPL-2.1-or-later
"""A systemd on a bus of our own: it prints what it is asked to run, one JSON line each, and runs transient units. One job at a
time, as systemd has it. No module ever comes of it.

fake_systemd.py run|fail|stuck: what becomes of jobs. A load of a module that is stuck ends with SIGUSR1."""

import json
import os
import signal
import subprocess
import sys

import dbus
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

DBusGMainLoop(set_as_default=True)
UNITS, MODE = set(), sys.argv[1]

class Exists(dbus.DBusException):
    _dbus_error_name = "org.freedesktop.systemd1.UnitExists"

class NoSuchUnit(dbus.DBusException):
    _dbus_error_name = "org.freedesktop.systemd1.NoSuchUnit"

class Manager(dbus.service.Object):
    @dbus.service.method("org.freedesktop.systemd1.Manager")
    def Subscribe(self):
        pass

    @dbus.service.method("org.freedesktop.systemd1.Manager", in_signature="ss", out_signature="o",
                         async_callbacks=("reply", "refuse"))
    def StartUnit(self, unit, mode, reply, refuse):
        print(json.dumps([unit, mode]), flush=True)
        if MODE == "fail":
            refuse(NoSuchUnit(f"Unit {unit} not found."))
        elif MODE != "stuck":
            reply(dbus.ObjectPath("/job/5"))

    @dbus.service.method("org.freedesktop.systemd1.Manager", in_signature="ss", out_signature="o")
    def StopUnit(self, unit, mode):
        print(json.dumps(["stop", unit, mode]), flush=True)
        if MODE == "fail":
            raise NoSuchUnit(f"Unit {unit} not loaded.")
        return dbus.ObjectPath("/job/6")

    @dbus.service.method("org.freedesktop.systemd1.Manager", in_signature="ss", out_signature="o")
    def RestartUnit(self, unit, mode):
        print(json.dumps([unit, mode]), flush=True)
        if MODE != "stuck":
            GLib.idle_add(self.JobRemoved, 9, "/job/9", unit, "failed" if MODE == "fail" else "done")
        return dbus.ObjectPath("/job/9")

    @dbus.service.method("org.freedesktop.systemd1.Manager", in_signature="ssa(sv)a(sa(sv))", out_signature="o")
    def StartTransientUnit(self, unit, mode, properties, aux):
        properties = dict(properties)
        out = properties.pop("StandardOutputFileDescriptor").take()
        (path, argv, ignore), = properties.pop("ExecStart")
        print(json.dumps([unit, mode, properties, [path, *argv], bool(ignore), list(aux)]), flush=True)
        if unit in UNITS:
            raise Exists("is there")
        if MODE == "stuck":
            UNITS.add(unit)
            return dbus.ObjectPath("/job/1")
        # As systemd has it: the two go together, unless both are told where to.
        apart = properties.get("StandardOutput") == "null" and properties.get("StandardError") == "journal"
        process = subprocess.Popen([str(a) for a in argv], executable=str(path), stdout=out,
                                   stderr=subprocess.DEVNULL if apart else subprocess.STDOUT)
        os.close(out)
        def ended():
            if process.poll() is None:
                return True
            self.JobRemoved(1, "/job/1", unit, "failed" if process.returncode else "done")
        GLib.timeout_add(20, ended)
        return dbus.ObjectPath("/job/1")

    @dbus.service.signal("org.freedesktop.systemd1.Manager", signature="uoss")
    def JobRemoved(self, number, job, unit, result):
        pass

bus = dbus.SystemBus()
name = dbus.service.BusName("org.freedesktop.systemd1", bus)
manager = Manager(bus, "/org/freedesktop/systemd1")
GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGUSR1,
                     lambda: manager.JobRemoved(9, "/job/9", "modprobe@vfio_align.service", "done") or True)
GLib.MainLoop().run()
