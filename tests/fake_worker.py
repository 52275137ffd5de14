# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stands for vfioalign-worker, on a made-up host: writes down each order, and does and answers what the test's plan says
for its operation. A gate is a FIFO: the worker goes on when the test opens it."""

import json
import os
import signal
import sys

ROOT = os.environ["VFIOALIGN_ROOT"]
HOME = os.path.dirname(ROOT)
DEVICES = ROOT + "/sys/bus/pci/devices/"
RECORDS = ROOT + "/run/vfioalign/bind/"
BOOT_ID = "6b0f8f0e-1d8b-4f5c-9c5e-7a2f4f7a3b11"


def note(**what):
    line = json.dumps({"pid": os.getpid(), **what}) + "\n"
    fd = os.open(HOME + "/orders", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, line.encode())
    os.close(fd)


def set_driver(address, driver):
    path = DEVICES + address
    if os.path.lexists(path + "/driver"):
        os.unlink(path + "/driver")
    with open(path + "/uevent") as file:
        lines = [line for line in file if not line.startswith("DRIVER=")]
    if driver:
        os.symlink("../../drivers/" + driver, path + "/driver")
        lines.insert(0, f"DRIVER={driver}\n")
    with open(path + "/uevent.new", "w") as file:
        file.writelines(lines)
    os.rename(path + "/uevent.new", path + "/uevent")


def driver_of(address):
    try:
        return os.path.basename(os.readlink(DEVICES + address + "/driver"))
    except FileNotFoundError:
        return None


def group_of(address):
    return int(os.path.basename(os.readlink(DEVICES + address + "/iommu_group")))


def record(address, owner, state="bound", before="e1000e"):
    """That one function is in VFIO's hands."""
    os.makedirs(RECORDS, exist_ok=True)
    member = {"address": address, "vendor": 0x8086, "device": 0x10d3, "subsystem_vendor": 0, "subsystem_device": 0,
              "serial": None, "before": {"driver": before, "override": None},
              "after": {"driver": "vfio-pci", "override": "vfio-pci"},
              "settings": {"control": None, "d3cold_allowed": None, "sriov_drivers_autoprobe": None}}
    with open(RECORDS + address, "w") as file:
        json.dump({"boot_id": BOOT_ID, "state": state, "owner": owner,
                   "reason": "why" if state == "quarantined" else None, "time_usec": 1,
                   "group": group_of(address), "members": [member]}, file)


def say(what):
    sys.stdout.write(what if isinstance(what, str) else json.dumps(what) + "\n")
    sys.stdout.flush()


def finding(plan):
    if "finding" not in plan:
        return []
    return [{"id": plan["finding"], "severity": "warning", "subject": "0000:01:00.0", "detail": "/boot",
             "text": "A function is in use", "remedy": "unmount it", "forceable": False}]


def carry_out(order, plan, outcome):
    if order["operation"] == "settle":
        return
    for address in order["devices"]:
        before = driver_of(address)
        if outcome == "bound":
            set_driver(address, "vfio-pci")
            record(address, order["owner"])
        elif outcome == "returned":
            set_driver(address, "e1000e")
            os.unlink(RECORDS + address)
        say({"type": "group", "group": group_of(address), "outcome": outcome, "owner": order["owner"], "reason": None,
             "writes": 2, "seconds": 0.01,
             "devices": [{"address": address, "before": {"driver": before, "override": None},
                          "after": {"driver": driver_of(address), "override": None}}],
             "findings": finding(plan), "pid": None, "stack": None})


class Stopped(Exception):
    pass


def stop(*_):
    note(event="stopped")
    raise Stopped


def main():
    order = json.load(sys.stdin)
    with open(HOME + "/plan") as file:
        plan = json.load(file).get(order["operation"], {}) if order["driver"] != "sync" else {}
    deaf = plan.get("deaf")
    signal.signal(signal.SIGTERM, signal.SIG_IGN if deaf else stop)
    usual = {"bind": "bound", "unbind": "returned", "settle": None}[order["operation"]]
    outcome = plan.get("outcome", "planned" if order["dry_run"] else usual)
    try:
        note(order=order)
        if deaf:
            while True:
                signal.pause()
        if "gate" in plan:
            open(plan["gate"]).close()
    except Stopped:
        outcome = "failed"
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "dies" in plan:
        os.kill(os.getpid(), plan["dies"])
    if "raw" in plan:
        say(plan["raw"])
    carry_out(order, plan, outcome)
    if "silent" not in plan:
        say({"type": "done"})
    sys.exit(plan.get("status", 0))


if __name__ == "__main__":
    main()
