#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""All that say what would help say the same, with the same numbers: on every recorded host, and on some of them changed (THP,
the module, the guests, the emulators), the JSON, explain, fix list, fix plan, guest plan, the findings, and vfioalignd by what
it does and by its answer to the hook.

check-agree.py DAEMON CTL [--cases DIR]

By hand, --cases compares the same on more hosts: each folder of DIR with a make.py, which makes one or more recorded hosts
(folders with a "sys" in them) next to itself. It finds DIR in the variable CASES, and this project in PROJECT."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from xml.etree import ElementTree

import dbus

from private_bus import Bus, Daemon, memfd, wait_for

DAEMON, CTL = map(os.path.abspath, sys.argv[1:3])
del sys.argv[1:3]
CASES = Path(sys.argv[2]).resolve() if sys.argv[1:2] == ["--cases"] else None
if CASES:
    del sys.argv[1:3]

HOSTS = Path(__file__).resolve().parent / "hosts"
SYSTEMD = Path(__file__).parent / "fake_systemd.py"

# In the order of preference, as config/fix-id.h has them.
FIXES = ["module", "emulator", "preload", "thp", "iommufd", "no-mmap"]
OF_GUEST = {"emulator", "preload", "iommufd", "no-mmap"}
OF_HOST = {"module", "preload", "thp"}
TOGETHER = "module+thp"
PAIR = {"module", "thp"}


def thp(mode):
    def change(root):
        words = " ".join(f"[{m}]" if m == mode else m for m in ("always", "madvise", "never"))
        (root / "sys/kernel/mm/transparent_hugepage/enabled").write_text(words + "\n")
    return change


def no_guests(root):
    for path in (root / "etc/libvirt/qemu").glob("*.xml"):
        path.unlink()


def forbidden(root):
    (root / "proc/sys/kernel/modules_disabled").write_text("1\n")


def answer(question, text):
    """What the host says of something that no small file tells."""
    def change(root):
        path = root / "vfioalign/answers"
        lines = [l for l in path.read_text().splitlines() if not l.startswith(question + "\t")]
        path.write_text("\n".join([*lines, f"{question}\t{text}"]) + "\n")
    return change


def module_gone(root):
    shutil.rmtree(root / "sys/module/vfio_align")


def not_installed(root):
    for path in root.glob("lib/modules/*/modules.dep"):
        path.write_text("".join(line for line in path.read_text().splitlines(True) if "vfio_align" not in line))


def edited(guest, pattern, text):
    """Guests (a glob), of whose XML something is changed."""
    def change(root):
        for path in (root / "etc/libvirt/qemu").glob(f"{guest}.xml"):
            path.write_text(re.sub(pattern, text, path.read_text()))
    return change


def started_by(emulator, guest="*"):
    return edited(guest, "<emulator>.*<", f"<emulator>{emulator}<")


def linked(root):
    (root / "usr/bin/qemu-kvm").symlink_to("/usr/bin/qemu-system-x86_64")


def script(root):
    """As Debian's /usr/bin/kvm: it leaves the path to the shell."""
    (root / "usr/bin/kvm").write_text('#! /bin/sh\nexec qemu-system-x86_64 -enable-kvm "$@"\n')


def renamed(old, new):
    def change(root):
        path = root / f"etc/libvirt/qemu/{old}.xml"
        path.with_stem(new).write_text(path.read_text().replace(f"<name>{old}<", f"<name>{new}<"))
        path.unlink()
    return change


def damaged(root):
    """A file of no bytes, as a full disk leaves it."""
    (root / "etc/libvirt/qemu/damaged.xml").write_text("")


def odd_guest(root):
    """A guest with what is not a <hostdev> of a PCI function: mdev, a disk by QEMU's own driver, arguments, one not mapped."""
    (root / "etc/libvirt/qemu/odd.xml").write_text("""
<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>odd</name>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <hostdev mode='subsystem' type='mdev' model='vfio-pci'>
      <source><address uuid='c2177883-f1bb-47f0-914d-32a22e3a8804'/></source>
    </hostdev>
    <disk type='nvme' device='disk'>
      <source type='pci' managed='yes' namespace='1'>
        <address domain='0x0000' bus='0x9b' slot='0x00' function='0x0'/>
      </source>
    </disk>
  </devices>
  <qemu:commandline>
    <qemu:arg value='-device'/>
    <qemu:arg value='{"driver":"vfio-pci","host":"0000:05:00.0","x-no-mmap":true}'/>
    <qemu:arg value='-device'/>
    <qemu:arg value='vfio-pci,sysfsdev=/sys/bus/pci/devices/0000:06:00.0/'/>
  </qemu:commandline>
</domain>
""".lstrip())


def unassigned(root):
    """A BAR that the firmware had no room for."""
    path = root / "sys/bus/pci/devices/0000:1b:00.0/resource"
    lines = path.read_text().splitlines(True)
    lines[2] = f"{0:#018x} {(128 << 30) - 1:#018x} {0x2014220c:#018x}\n"
    path.write_text("".join(lines))


def gone(root):
    """The firmware numbers the devices of a guest differently now."""
    edited("train-b", "slot='0x00'", "slot='0x1f'")(root)


def boot_display(iomem):
    """A GPU that the firmware has used as its display, and what /proc/iomem shows of it."""
    def change(root):
        device = root / "sys/bus/pci/devices/0000:df:00.0"
        (device / "boot_vga").write_text("1\n")
        uevent = device / "uevent"
        uevent.write_text(re.sub("DRIVER=.*", "DRIVER=vfio-pci", uevent.read_text()))
        start, end, _ = (int(n, 16) for n in (device / "resource").read_text().splitlines()[2].split())
        (root / "proc/iomem").write_text(iomem and f"{start:x}-{end:x} : 0000:df:00.0\n  {start:x}-{start + 0x7fffff:x} : {iomem}\n" or
                                         "0-0 : 0000:df:00.0\n  0-0 : BOOTFB\n")
    return change


def vendor_vfio(root):
    """A function that the vendor's own driver registers with VFIO."""
    device = root / "sys/bus/pci/devices/0000:df:00.0"
    uevent = device / "uevent"
    uevent.write_text(uevent.read_text().replace("DRIVER=vfio-pci", "DRIVER=nvidia"))
    (device / "vfio-dev/vfio0").mkdir(parents=True)
    (device / "vfio-dev/vfio0/dev").write_text("511:0\n")
    edited("train-b", "managed='yes'", "managed='no'")(root)


def other_vmm(code, start=0x7f1240200000, offset=0):
    """A process that is no QEMU, on a kernel that does not say which device it maps, nor does its command line."""
    def change(root):
        process = root / "proc/5000"
        process.mkdir()
        (process / "comm").write_text("cloud-hyperviso\n")
        (process / "cmdline").write_bytes(b"/usr/bin/cloud-hypervisor\0")
        (process / "exe").symlink_to("/usr/bin/cloud-hypervisor")
        (process / "status").write_text("Name:\tcloud-hyperviso\nTHP_enabled:\t1\n")
        (process / "maps").write_text(f"{start:x}-{start + (128 << 30):x} rw-s {(2 << 40) + offset:x} 00:10 31     anon_inode:[vfio-device]\n")
        answer("vfio-descriptors 5000", "container,group 25,device")(root)
        answer("emulator-process 5000", "here /usr/bin/cloud-hypervisor")(root)
        answer("emulator /usr/bin/cloud-hypervisor", code)(root)
    return change


UNREAD = "unknown none 5d8f no call to mmap is found"
CLOUD = "none elf 5d8f [cloud-hypervisor,static] "
NEW_CLOUD = "rounded-area elf 5d8f [cloud-hypervisor,static] "
CROSVM = "unknown none 5d8f [other] its code is not QEMU's, and does not show where it maps BARs"


def no_iommu(root):
    shutil.rmtree(root / "sys/class/iommu")


NEW_QEMU = answer("emulator /usr/local/bin/qemu-system-x86_64", "per-region elf 0a1b ")
NOT_THIS_MACHINE = answer("emulator-text /usr/local/bin/qemu-system-x86_64 pc-q35-8.2-machine", "no")
OLD_QEMU = answer("emulator /usr/bin/qemu-system-x86_64", "none elf 0a1b ")

# name: the recorded host, what is changed of it, and what has to help it first; None: whatever it says
CHANGED = {
    "eight-gpu": ("eight-gpu", [], "module"),
    "always": ("eight-gpu", [thp("always")], "module"),
    "never": ("eight-gpu", [thp("never")], "thp"),
    "never-unaligned": ("eight-gpu", [thp("never"), answer("socket-probe pmd", "no")], TOGETHER),
    "forbidden": ("eight-gpu", [forbidden], "preload"),
    "no-guests": ("eight-gpu", [no_guests], "module"),
    "no-guests-never-unaligned": ("eight-gpu", [no_guests, thp("never"), answer("socket-probe pmd", "no")], TOGETHER),
    "new-qemu": ("eight-gpu", [NEW_QEMU], "module"),
    "new-qemu-forbidden": ("eight-gpu", [NEW_QEMU, forbidden], "emulator"),
    # Guests with needs of their own: one has the new QEMU already, or another machine type.
    "one-has-it": ("eight-gpu", [NEW_QEMU, started_by("/usr/local/bin/qemu-system-x86_64", "train-b")], "module"),
    "two-machines": ("eight-gpu", [NEW_QEMU, NOT_THIS_MACHINE, forbidden, edited("train-a", "pc-q35-8.2", "q35")], "preload"),
    "mapping": ("built-in", [module_gone], "module"),
    "not-installed": ("eight-gpu", [not_installed], "module"),
    "linked-qemu": ("eight-gpu", [thp("always"), linked, started_by("/usr/bin/qemu-kvm")], "module"),
    "script": ("eight-gpu", [thp("always"), script, started_by("/usr/bin/kvm")], "module"),
    "qemu-gone": ("eight-gpu", [started_by("/opt/qemu/bin/qemu-system-x86_64")], "preload"),
    "names": ("eight-gpu", [renamed("train-a", "Ana's PC"), renamed("train-b", "-gpu")], "module"),
    "damaged": ("eight-gpu", [damaged], "module"),
    "damaged-alone": ("eight-gpu", [no_guests, damaged], "module"),
    "odd-guest": ("eight-gpu", [odd_guest], "module"),
    "unassigned": ("eight-gpu", [unassigned], "module"),
    "gone": ("eight-gpu", [gone], "module"),
    "reserved": ("eight-gpu", [boot_display("simpledrm")], "module"),
    "may-be-reserved": ("eight-gpu", [boot_display(None)], "module"),
    "vendor-vfio": ("eight-gpu", [vendor_vfio], "module"),
    "other-vmm": ("eight-gpu", [no_guests, other_vmm(UNREAD)], "module+thp"),
    # libvirt's variable does not reach these. cloud-hypervisor asks for no huge pages; whether crosvm does is unknown.
    "cloud-hypervisor": ("eight-gpu", [no_guests, other_vmm(CLOUD)], "thp"),
    "cloud-hypervisor-always": ("eight-gpu", [no_guests, other_vmm(CLOUD), thp("always")], "module"),
    "new-cloud-hypervisor": ("eight-gpu", [no_guests, other_vmm(NEW_CLOUD, 0x7f1240000000)], "thp"),
    "crosvm": ("eight-gpu", [no_guests, answer("socket-probe pmd", "no"), other_vmm(CROSVM, 0x7f1240001000)], "module"),
    "no-iommu": ("eight-gpu", [no_iommu], "module"),
    "sriov-nic": ("sriov-nic", [], None),
    "pool-old-qemu": ("sriov-nic", [OLD_QEMU], "module"),
}


def size(n):
    if n is None:
        return "unknown"
    for unit, name in (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"):
        if n >= unit:
            return f"{n // unit} {name}"
    return f"{n} B"


def count(n, word):
    return "unknown " + word + "s" if n is None else f"{n:,} {word}{'' if n == 1 else 's'}"


def ctl(root, verb, *args, status=(0,)):
    run = subprocess.run([CTL, verb, "--root", str(root), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.returncode in status, (verb, args, run.returncode, run.stderr)
    return run.stdout


QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"


def domains(root):
    """The guests that libvirt knows and that are understood: by name the file and the XML of each."""
    found = {}
    for path in sorted((root / "etc/libvirt/qemu").glob("*.xml")):
        try:
            domain = ElementTree.parse(path).getroot()
        except ElementTree.ParseError:
            continue
        if domain.tag == "domain":
            found[domain.findtext("name")] = path, domain
    return found


def is_whole(domain):
    """Whether libvirt's test driver, which drops what is QEMU's alone, keeps all that decides."""
    values = [arg.get("value") for arg in domain.iter(QEMU + "arg")]
    return not domain.findall(QEMU + "override") and not list(domain.iter(QEMU + "env")) and \
        not set(values) & {"-device", "-set", "-global"}


def helping(afters):
    """The fixes that help somebody, by the keys of every "after": module and thp as a pair only where neither helps alone."""
    alone = set().union(*afters) - {TOGETHER}
    pair = not alone & PAIR and any(TOGETHER in a for a in afters)
    return alone | PAIR if pair else alone


def first(afters, allowed=frozenset(FIXES)):
    """What is to be done first: a list of ids."""
    alone = set().union(*afters) - {TOGETHER}
    for fix in FIXES:
        if fix in alone & allowed:
            return [fix]
    return sorted(PAIR) if PAIR <= helping(afters) else []


def quote(name):
    """As an argument for a shell."""
    plain = re.fullmatch(r"[\w./:,+@%=-]+", name, flags=re.A)
    return ("-- " if name.startswith("-") else "") + (name if plain else "'" + name.replace("'", "'\\''") + "'")


def command(fixes, guest):
    return " && ".join(f"vfioalignctl guest apply {quote(guest)} {f}" if guest and f in OF_GUEST else
                       f"vfioalignctl fix apply {f}" for f in fixes)


class Agree(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="vfioalign-agree-")
        self.addCleanup(self.dir.cleanup)

    def host(self, name, changes=()):
        root = Path(self.dir.name) / "host"
        shutil.rmtree(root, ignore_errors=True)
        if (HOSTS / name).is_dir():
            shutil.copytree(HOSTS / name, root, symlinks=True)
        else:
            root.mkdir()
            subprocess.run(["tar", "-xf", HOSTS / f"{name}.tar.gz", "-C", root], check=True)
        for change in changes:
            change(root)
        return root

    def check_guest(self, root, report, guest):
        """The fixes that help a guest: by its "after", and by explain. Returns what a start is answered."""
        name, after = guest["name"], guest["after"]
        text = ctl(root, "explain", "--", name)
        explained = json.loads(ctl(root, "explain", "--json", "--", name))
        if isinstance(explained, list):
            return None  # the findings that the guest has the name of
        self.assertEqual(explained["after"], after)
        self.assertEqual(re.findall(r"^    -> (.*)$", text, flags=re.M),
                         [command([f], name) for f in FIXES if f in helping([after])])

        # The numbers, one sentence for each
        words = " ".join(text.split())
        for cost in after.values() if guest["foretold"]["bars"] > 0 else ():
            self.assertIn(f": {size(cost['page_size'])} pages, {count(cost['faults'], 'page fault')}, "
                          f"{count(cost['pin_steps'], 'IOMMU mapping step')}{'.' if cost['seconds'] is None else ', '}", words)
        self.assertEqual(len(re.findall(r" With (?:the module|the preload library|another|transparent)", words)),
                         len(after) if guest["foretold"]["bars"] > 0 else 0)

        choice = first([after])
        decision = None
        if missing := re.search(r"^A start now would fail: (\S+) is not on this host\.$", text, flags=re.M):
            self.assertIn(("guest-device-missing", name), [(f["id"], f["subject"]) for f in report["findings"]])
            self.assertIn(missing[1], [d["address"] for d in guest["devices"] if not d["present"]])
        else:
            decision = re.search(r"^A start now would be [a-z, ]+: (.*)\.$", text, flags=re.M)[1]
            self.assertEqual(re.findall(r"what helps: (.*?)(?:;|$)", decision),
                             [command(choice, name)] if choice else [])
        for finding in report["findings"]:
            if finding["id"] == "guest-small-pages" and finding["subject"] == name:
                self.assertEqual(finding.get("fixes", []), choice)
        self.check_plan(root, report, guest)
        return decision

    def plan(self, root, name, *fix):
        """guest plan, of a guest of libvirt's test driver."""
        run = subprocess.run([CTL, "guest", "--connect", f"test://{self.dir.name}/node.xml", "--json", "plan", "--", name,
                              *fix],
                             env={**os.environ, "VFIOALIGN_ROOT": str(root)}, capture_output=True, text=True)
        self.assertLessEqual(run.returncode, 1, run.stderr)
        told = json.loads(run.stdout)
        self.assertNotEqual(told["outcome"], "failed", told)
        return told

    def check_plan(self, root, report, guest):
        """The fixes of the guest itself by guest plan: which help, which is chosen, and what is said of one that does not."""
        name, cost = guest["name"], guest["foretold"]
        _, domain = domains(root).get(name, (None, None))
        if domain is None or not is_whole(domain):
            return
        # What an old libvirt may not know, and another architecture, would keep the driver from starting.
        domain.set("type", "test")
        domain.find("os/type").set("arch", "x86_64")
        devices = domain.find("devices")
        for device in list(devices):
            if device.tag not in ("emulator", "hostdev", "interface", "disk"):
                devices.remove(device)
        (Path(self.dir.name) / "node.xml").write_text(f"<node>{ElementTree.tostring(domain, encoding='unicode')}</node>")

        told = self.plan(root, name)
        for fix in told["fixes"]:
            if library := re.match(r"/(\S+libvfioalign-preload\.so) is not there", fix["refusal"] or ""):
                path = root / library[1]
                path.parent.mkdir(parents=True)
                path.write_text("")
                told = self.plan(root, name)
        # These change no page size: they spare a guest that falls short the filling of its BARs.
        short = cost["page_size"] and cost["best_page_size"] and cost["page_size"] < cost["best_page_size"]
        helps = helping([guest["after"]]) & OF_GUEST | ({"iommufd", "no-mmap"} if short else set())
        self.assertEqual({f["id"] for f in told["fixes"] if f["helps"]}, helps)
        possible = [f["id"] for f in told["fixes"] if not f["refusal"] and f["state"] == "absent"]
        chosen = [f for f in FIXES if f in helps and f in possible and f != "no-mmap"]
        self.assertEqual(told["fix"], chosen[0] if chosen else None)
        missing = {f["detail"] for f in report["findings"] if f["id"] == "guest-device-missing" and f["subject"] == name}
        if missing and told["outcome"] == "unchanged":
            self.assertIn("but its device is not on this host", told["reason"])
        for fix in possible:
            named = self.plan(root, name, fix)
            if named["outcome"] == "planned":
                self.assertEqual(not any("gains" in note for note in named["notes"]), fix in helps, (fix, named["notes"]))

    @staticmethod
    def afters_of_host(report):
        """The "after" of all who count for the host."""
        afters = [g["after"] for g in report["guests"]]
        guests = {g["pid"] for g in report["guests"]}
        devices = {d["address"]: d for d in report["devices"]}
        users = bool(afters)
        for m in report["mappings"]:
            if m["pid"] in guests:
                continue
            users = True
            path = next((p["exe"] for p in report["processes"] if p["pid"] == m["pid"]), None)
            # Of one whose device is not known, every BAR that it may be stands for it.
            may_be = [devices[m["device"]]] if m["device"] else report["devices"]
            for bar in (bar for d in may_be for bar in d["bars"]):
                if bar["index"] == m["region"] and (m["device"] or bar["size"] == m["size"]):
                    # libvirt did not start it, so it has not what libvirt's daemon has in its environment.
                    afters += [p["after"].keys() - {"preload"} for p in bar["placements"] if p["by"] == path]
        if not users:
            afters = [p["after"] for d in report["devices"] if d["assignable"] for b in d["bars"] for p in b["placements"]]
        return afters

    @staticmethod
    def helps_now(report):
        """Whether the module helps somebody who is there, given that it helps: users who are not seen are a QEMU's guests."""
        if report["guests"] or report["mappings"]:
            return True
        libvirt = report["libvirt"]
        if report["mappings_complete"]["value"] != "unknown" and \
                (libvirt["installed"]["value"] == "no" or libvirt["guests_readable"]["value"] != "unknown"):
            return False
        afters = [p["after"] for d in report["devices"] if d["assignable"] for b in d["bars"]
                  for p in b["placements"] if p["by"] != "kernel"]
        return "module" in helping(afters)

    def check_host(self, root):
        """What helps the host. Returns it, what is to be done first, and what each guest's start is answered."""
        report = json.loads(ctl(root, "audit", "--json"))
        afters = self.afters_of_host(report)
        helps = {f["id"] for f in json.loads(ctl(root, "fix", "list", "--json"))["fixes"] if f["helps"]}
        expected = helping(afters)
        if not report["guests"]:
            expected -= {"emulator"}  # the edit of a guest
        self.assertEqual(helps, expected)

        choice = first(afters, OF_HOST)
        plan = json.loads(ctl(root, "fix", "plan", "--json", status=(0, 1, 10)))
        # A plan ends at the first that is refused.
        planned = [f["id"] for f in plan["fixes"]]
        self.assertEqual(planned, choice[:len(planned)])
        self.assertTrue(len(planned) == len(choice) or plan["fixes"][-1]["refusal"])

        for finding in report["findings"]:
            fixes = finding.get("fixes", [])
            self.assertLessEqual(set(fixes), helps, finding["id"])
            if fixes:
                guest = finding["subject"] if finding["id"] == "guest-small-pages" else None
                if finding["id"] != "mapping-small-pages":
                    self.assertEqual(finding["remedy"], command(fixes, guest), finding["id"])
        ids = {f["id"]: f for f in report["findings"]}
        if "module-not-loaded" in ids:
            self.assertIn("module", helps)
            self.assertEqual(ids["module-not-loaded"]["severity"], self.severity(report, ids["module-not-loaded"]))
        elif report["module"]["installed"]["value"] == "yes" and report["module"]["loadable"]["value"] != "no":
            self.assertNotIn("module", helps)
        return report, helps, choice, {g["name"]: self.check_guest(root, report, g) for g in report["guests"]}

    def severity(self, report, finding):
        """Of a warning about what would help: by the seconds that it costs a start, where these are known."""
        if not self.helps_now(report):
            return "info"
        costs = {f["id"]: f["costs"]["seconds"] for f in report["findings"] if "costs" in f}
        own = costs.get(finding["id"])
        return "warning" if own is None or (own >= 0.2 and 10 * own >= max(costs.values())) else "notice"

    def check_daemon(self, root, report, choice, decisions):
        bus = Bus()
        self.addCleanup(bus.close)
        log = open(bus.dir.name + "/systemd", "w+")
        self.addCleanup(log.close)
        systemd = subprocess.Popen([sys.executable, SYSTEMD, "run"], env=bus.env, stdout=log)
        connection = dbus.bus.BusConnection(bus.address)
        daemon = None
        try:
            wait_for(lambda: connection.name_has_owner("org.freedesktop.systemd1"), "systemd")
            daemon = Daemon(DAEMON, bus, env={"VFIOALIGN_ROOT": str(root)})
            module = report["module"]
            may_load = (module["installed"]["value"], module["loadable"]["value"], module["loaded"]["value"]) == ("yes", "yes", "no")
            if choice == ["module"] and may_load:
                wait_for(lambda: "did not load" in daemon.log, "the module to be asked for")
            manager = dbus.Interface(connection.get_object("org.vfioalign1", "/org/vfioalign1", introspect=False),
                                     "org.vfioalign1.Manager")
            defined = domains(root)
            for name, decision in decisions.items():
                if next(g for g in report["guests"] if g["name"] == name)["running"] or name not in defined or \
                        decision is None:
                    continue
                fd = memfd(defined[name][0].read_bytes())
                deadline = int((time.clock_gettime(time.CLOCK_BOOTTIME) + 10) * 1e6)
                self.assertEqual(manager.PrepareGuest(name, dbus.types.UnixFd(fd), dbus.UInt64(deadline), signature="sht")[1],
                                 decision)
                os.close(fd)
            seen = json.loads(manager.GetReport())
            self.assertEqual(seen["findings"], report["findings"])
            self.assertEqual([d["bars"] for d in seen["devices"]], [d["bars"] for d in report["devices"]])
            log.seek(0)
            asked = [json.loads(line)[0] for line in log]
            self.assertEqual(asked, ["modprobe@vfio_align.service"] if choice == ["module"] and may_load else [])
        finally:
            status = daemon.close() if daemon else 0
            connection.close()
            systemd.kill()
            systemd.wait()
        self.assertEqual(status, 0, daemon.log)

    def check(self, root):
        report, helps, choice, decisions = self.check_host(root)
        self.check_daemon(root, report, choice, decisions)
        return report, helps, choice

    def test_recorded(self):
        names = sorted({p.name.removesuffix(".tar.gz") for p in HOSTS.iterdir() if p.is_dir() or p.name.endswith(".tar.gz")})
        self.assertGreaterEqual(len(names), 9)
        for name in names:
            with self.subTest(name):
                self.check(self.host(name))

    def test_told_by_a_process(self):
        """Whether a program aligns that does not show it, or a QEMU that hides its functions, is seen by what it has mapped."""
        name = "its code is not QEMU's, and does not show where it maps BARs"
        for code, place, generation, source in ((CROSVM, (0x7f1240200000,), "unknown", "none"),
                                                (CROSVM, (0x7f1240201000, 0x1000), "unknown", "none"),
                                                (CROSVM, (0x7f1240001000,), "none", "proc"),
                                                (UNREAD, (0x7f1240001000,), "none", "proc"),
                                                (NEW_CLOUD, (0x7f1240001000,), "rounded-area", "elf")):
            with self.subTest(code=code, place=place):
                report = json.loads(ctl(self.host("eight-gpu", [no_guests, other_vmm(code, *place)]), "audit", "--json"))
                told, = [e for e in report["emulators"] if e["path"] == "/usr/bin/cloud-hypervisor"]
                self.assertEqual((told["generation"], told["source"]), (generation, source))
                self.assertEqual(told.get("why"), name if generation == "unknown" else None)
                found = [f["id"] for f in report["findings"] if f["subject"] == "/usr/bin/cloud-hypervisor"]
                self.assertEqual(found, {"unknown": ["emulator-unknown"], "none": ["emulator-unaligned"]}.get(generation, []))

    def test_changed(self):
        for name, (recorded, changes, expected) in CHANGED.items():
            with self.subTest(name):
                report, helps, choice = self.check(self.host(recorded, changes))
                if expected == "emulator":  # which is no fix of the host
                    self.assertIn("emulator", helps)
                    self.assertEqual([first([g["after"]]) for g in report["guests"]], [["emulator"]] * 2)
                elif expected:
                    self.assertEqual("+".join(choice), expected)

    def test_emulator_names(self):
        """A guest whose emulator is a link to a known one is judged, and refused, as one that names the file itself."""
        answers = {}
        for path in "/usr/bin/qemu-system-x86_64", "/usr/bin/qemu-kvm", "/usr/bin/../bin/qemu-kvm":
            root = self.host("eight-gpu", [linked, started_by(path)])
            (root / "etc/vfioalignd.conf").write_text("[Guest]\nOnUnaligned=refuse\n")
            [(guest, decision)] = [(g, self.check_guest(root, {"findings": []}, g)) for g in
                                   json.loads(ctl(root, "audit", "--json"))["guests"] if g["name"] == "train-a"]
            self.assertIn("OnUnaligned=refuse", decision)
            answers[path] = guest["generation"], guest["foretold"], guest["after"], decision
        self.assertEqual(len({json.dumps(answer) for answer in answers.values()}), 1, answers)
        self.assertNotEqual(guest["generation"], "unknown")

    def test_pool(self):
        """All virtual functions of a network that is a pool are libvirt's, by all that name claims; a damaged file is no guest's."""
        root = self.host("sriov-nic")
        networks = root / "etc/libvirt/qemu/networks"
        (networks / "half.xml").write_text("<network><forward mode='hostdev'")
        devices = json.loads(ctl(root, "devices", "--json"))["devices"]
        table = dict(line.split() for line in ctl(root, "devices", "--output", "ADDRESS,CLAIMED-BY").splitlines() if " " in line.strip())
        pool = [d["address"] for d in devices if d["physical_function"] == "0000:5e:00.0"]
        self.assertGreater(len(pool), 1)
        self.assertEqual([d["address"] for d in devices if d["claims"]], pool)
        self.assertEqual([address for address, by in table.items() if by == "libvirt"], pool)
        for address in pool[0], pool[-1]:
            self.assertIn("It is claimed by libvirt, in /etc/libvirt/qemu/networks/vf-pool.xml.", ctl(root, "explain", address))
        [damaged] = [f for f in json.loads(ctl(root, "audit", "--json"))["findings"] if f["id"] == "guest-damaged"]
        self.assertEqual(damaged["detail"], "/etc/libvirt/qemu/networks/half.xml")
        run = subprocess.run([CTL, "explain", "--root", str(root), "half"], stderr=subprocess.PIPE, text=True)
        self.assertNotIn("is damaged", run.stderr)
        (networks / "vf-pool.xml").write_text((networks / "vf-pool.xml").read_text().replace("managed='yes'", "managed='no'"))
        self.assertFalse([d for d in json.loads(ctl(root, "devices", "--json"))["devices"] if d["claims"]])

    @unittest.skipUnless(CASES, "--cases")
    def test_cases(self):
        env = {**os.environ, "CASES": str(CASES), "PROJECT": str(HOSTS.parent.parent), "PYTHONDONTWRITEBYTECODE": "1"}
        for case in sorted(path.parent for path in CASES.glob("*/make.py")):
            copy = Path(self.dir.name) / case.name
            shutil.copytree(case, copy)
            subprocess.run([sys.executable, "make.py"], cwd=copy, env=env, check=True)
            for made in sorted(path.parent for path in copy.rglob("sys") if (path.parent / "vfioalign").is_dir()):
                with self.subTest(made.relative_to(self.dir.name)):
                    self.check(made)


if __name__ == "__main__":
    unittest.main()
