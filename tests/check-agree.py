#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""All that say what would help say the same, with the same numbers: on every recorded host, and on some of them changed (THP,
the module, the guests, the emulators), the JSON, explain, fix list, fix plan, the findings, and vfioalignd by what it does and
by its answer to the hook.

check-agree.py DAEMON CTL"""

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

import dbus

from private_bus import Bus, Daemon, memfd, wait_for

DAEMON, CTL = sys.argv[1:3]
del sys.argv[1:3]

HOSTS = Path(__file__).parent / "hosts"
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


NEW_QEMU = answer("emulator /usr/local/bin/qemu-system-x86_64", "per-region elf 0a1b ")
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
    "mapping": ("built-in", [module_gone], "module"),
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


def ctl(root, *args, status=(0,)):
    run = subprocess.run([CTL, *args, "--root", str(root)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.returncode in status, (args, run.returncode, run.stderr)
    return run.stdout


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


def command(fixes, guest):
    return " && ".join(f"vfioalignctl guest apply {guest} {f}" if guest and f in OF_GUEST else f"vfioalignctl fix apply {f}"
                       for f in fixes)


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
        text = ctl(root, "explain", name)
        self.assertEqual(json.loads(ctl(root, "explain", name, "--json"))["after"], after)
        self.assertEqual(re.findall(r"^    -> (.*)$", text, flags=re.M),
                         [command([f], name) for f in FIXES if f in helping([after])])

        # The numbers, one sentence for each
        words = " ".join(text.split())
        for cost in after.values() if guest["foretold"]["bars"] > 0 else ():
            self.assertIn(f": {size(cost['page_size'])} pages, {count(cost['faults'], 'page fault')}, "
                          f"{count(cost['pin_steps'], 'step')} for DMA.", words)
        self.assertEqual(len(re.findall(r" With (?:the module|another|libvfioalign|transparent)", words)),
                         len(after) if guest["foretold"]["bars"] > 0 else 0)

        choice = first([after])
        decision = re.search(r"^A start now would be [a-z, ]+: (.*)\.$", text, flags=re.M)[1]
        self.assertEqual(re.findall(r"what helps: (.*?)(?:;|$)", decision), [command(choice, name)] if choice else [])
        for finding in report["findings"]:
            if finding["id"] == "guest-small-pages" and finding["subject"] == name:
                self.assertEqual(finding.get("fixes", []), choice)
        return decision

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
            for bar in devices[m["device"]]["bars"]:
                if bar["index"] == m["region"]:
                    afters += [p["after"] for p in bar["placements"] if p["by"] == path]
        if not users:
            afters = [p["after"] for d in report["devices"] if d["assignable"] for b in d["bars"] for p in b["placements"]]
        return afters

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
        plan = json.loads(ctl(root, "fix", "plan", "--json", status=(0, 1)))
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
        users = bool(report["guests"] or report["mappings"])
        if "module-not-loaded" in ids:
            self.assertIn("module", helps)
            self.assertEqual(ids["module-not-loaded"]["severity"], "warning" if users else "info")
        elif report["module"]["installed"]["value"] == "yes" and report["module"]["loadable"]["value"] != "no":
            self.assertNotIn("module", helps)
        return report, helps, choice, {g["name"]: self.check_guest(root, report, g) for g in report["guests"]}

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
            for name, decision in decisions.items():
                path = root / f"etc/libvirt/qemu/{name}.xml"
                if next(g for g in report["guests"] if g["name"] == name)["running"] or not path.exists():
                    continue
                fd = memfd(path.read_bytes())
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

    def test_changed(self):
        for name, (recorded, changes, expected) in CHANGED.items():
            with self.subTest(name):
                report, helps, choice = self.check(self.host(recorded, changes))
                if expected == "emulator":  # which is no fix of the host
                    self.assertIn("emulator", helps)
                    self.assertEqual([first([g["after"]]) for g in report["guests"]], [["emulator"]] * 2)
                elif expected:
                    self.assertEqual("+".join(choice), expected)


if __name__ == "__main__":
    unittest.main()
