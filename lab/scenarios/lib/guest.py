# SPDX-License-Identifier: LGPL-2.1-or-later
"""For scenarios in Python with a guest of libvirt that has two VFIO devices: what is predicted of it, and what it maps."""

import os
import re
import subprocess

from measure import ask, diag, number, read, sh

DEVICES = os.environ["LAB_BAR_2G"], os.environ["LAB_BAR_256M"]
QEMU = subprocess.run(["qemu-system-x86_64", "--version"], stdout=subprocess.PIPE, universal_newlines=True).stdout.split()[3]


class Tap:
    n = 0

    def check(self, name, good, why=""):
        self.n += 1
        print(f"{'ok' if good else 'not ok'} {self.n} - {name}", flush=True)
        if not good:
            diag(str(why))


def ctl(*args):
    """vfioalignctl. Returns its exit code and what it said."""
    p = subprocess.run(["vfioalignctl", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       stdin=subprocess.DEVNULL, universal_newlines=True)
    return p.returncode, p.stdout


def define(name):
    """A guest with both DEVICES."""
    second = DEVICES[1]
    hostdev = (f"<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x0000' bus='0x{second[5:7]}' "
               f"slot='0x{second[8:10]}' function='0x{second[11]}'/></source></hostdev>")
    sh('define_guest "$@"', name, DEVICES[0], hostdev)


def predicted(name):
    """What the audit says beforehand of the guest."""
    rows = ask("vfioalignctl guests --json", f'.guests[] | select(.name == "{name}").foretold | '
               "[.page_size, .faults, .chance, .limit]")
    if len(rows) != 1:
        return {"page_size": None, "faults": None, "chance": False, "limit": "not in the report"}
    page, faults, chance, limit = rows[0]
    return {"page_size": number(page), "faults": number(faults), "chance": chance == "true", "limit": limit}


def vfio_mappings(pid):
    """{address: bytes}"""
    found = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw\S* .*vfio", read(f"/proc/{pid}/maps"), re.M)
    return {int(a, 16): int(b, 16) - int(a, 16) for a, b in found}


def counted(faults, pid):
    """[(bytes of the mapping, {order: faults})]"""
    return [(size, faults.count(address)) for address, size in vfio_mappings(pid).items()]


def start(name):
    """Its pid, or None."""
    p = subprocess.run(["virsh", "-q", "start", name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       universal_newlines=True)
    if p.returncode != 0:
        diag(f"virsh start: {p.stdout}")
        return None
    return int(read(f"/run/libvirt/qemu/{name}.pid"))
