# SPDX-License-Identifier: LGPL-2.1-or-later
"""A made-up fleet: hosts that are known by construction, made from what vfioalignctl says of recorded hosts and of variants of
them. Names, ids, times and kernels vary; some reports are cut, doubled, older, of something else, or nobody's."""

import copy
import json
import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

HOSTS = Path(__file__).resolve().parent / "hosts"
COUNTS = ["guests", "guests_short", "guests_unknown", "faults", "faults_after", "pin_steps", "pin_steps_after"]
SEVERITIES = ["info", "notice", "warning", "error"]
DAY = 24 * 3600


def remove_module(host):
    """As after an upgrade of the kernel without its headers."""
    for path in host.glob("**/modules.dep*"):
        path.write_text("")
    for path in host.glob("lib/modules/*/updates"):
        shutil.rmtree(path)


def enforce_signatures(host):
    parameters = host / "sys/module/module/parameters"
    parameters.mkdir(parents=True, exist_ok=True)
    (parameters / "sig_enforce").write_text("Y\n")


def allow_thp(host):
    (host / "sys/kernel/mm/transparent_hugepage/enabled").write_text("always [madvise] never\n")


# name: (recorded host, change, share of the fleet)
KINDS = {
    "eight-gpu": ("eight-gpu", None, 37),
    "no-module": ("eight-gpu", remove_module, 9),
    "no-key": ("eight-gpu", enforce_signatures, 3),
    "old-kernel": ("lab-6.1.tar.gz", None, 4),
    "well": ("built-in", None, 26),
    "nic": ("sriov-nic", None, 10),
    "arm": ("arm64", None, 10),
    "quarantined": ("rebound", None, 1),
}


def run(ctl, *args):
    return subprocess.run([ctl, *args], stdout=subprocess.PIPE, text=True, check=True).stdout


class Kind:
    def __init__(self, ctl, host, change, reports):
        with tempfile.TemporaryDirectory() as folder:
            root = HOSTS / host
            if change:
                root = Path(folder) / "host"
                shutil.copytree(HOSTS / host, root, symlinks=True)
                change(root)
            self.row = json.loads(run(ctl, "row", "--root", str(root), "--host", "NAME"))
            self.report = json.loads(run(ctl, "audit", "--json=short", "--root", str(root), "--host", "NAME")) if reports else None


class Host:
    """One host, whose truth is its row."""

    def __init__(self, kind, number, seconds, rng):
        self.kind = kind
        self.changes = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)),
            "host": {"name": f"host-{number:05d}", "id": f"{rng.getrandbits(128):032x}", "boot_id": f"{rng.getrandbits(128):032x}"},
            "version": rng.choice(["0.2.0", "0.2.1"]),
        }
        self.seconds, self.release = seconds, kind.row["kernel"] + rng.choice(["", "-1", "-2"])

    @property
    def row(self):
        return self.kind.row | self.changes | {"kernel": self.release}

    @property
    def report(self):
        report = self.kind.report | self.changes
        return report | {"kernel": report["kernel"] | {"release": self.release}}

    @property
    def name(self):
        return self.changes["host"]["name"]

    @property
    def severity(self):
        return max((s for s in SEVERITIES if self.row["severities"][s]), key=SEVERITIES.index, default="info")

    def text(self, form):
        if form == "row":
            return json.dumps(self.row, separators=(",", ":"), ensure_ascii=False) + "\n"
        if form == "report":
            return json.dumps(self.report, separators=(",", ":"), ensure_ascii=False) + "\n"
        return json.dumps(self.report if form == "pretty-report" else self.row, indent=2) + "\n"


class Fleet:
    """n hosts. texts: the documents, in some order; the rest is what is true of them."""

    def __init__(self, ctl, n, seed=1, forms=("row",), now=None):
        rng = random.Random(seed)
        self.now = int(now or time.time())
        reports = any("report" in form for form in forms)
        kinds = {name: Kind(ctl, host, change, reports) for name, (host, change, _) in KINDS.items()}
        names = rng.choices(list(kinds), [share for _, _, share in KINDS.values()], k=n)
        self.hosts, self.texts = [], []
        for number, name in enumerate(names):
            age = rng.randrange(8 * DAY, 30 * DAY) if number % 33 == 7 else rng.randrange(0, 6 * DAY)
            self.hosts.append(Host(kinds[name], number, self.now - age, rng))
        for host in self.hosts:
            self.texts.append(host.text(rng.choice(forms)))
        self.old = sum(h.seconds < self.now - 7 * DAY for h in self.hosts)

        # An older report of the same host, which had another need then; and the same report again.
        doubled = rng.sample(self.hosts, max(1, n // 700))
        for host in doubled:
            older = copy.copy(host)
            older.kind, older.seconds = kinds["quarantined"], host.seconds - 3600
            older.changes = host.changes | {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(older.seconds))}
            self.texts.append(older.text(rng.choice(forms)))
        self.texts.append(doubled[0].text(forms[0]))
        self.older = len(doubled) + 1

        cut = []
        for _ in range(max(2, n // 1000)):
            text = Host(kinds["no-module"], 99999, self.now, rng).text(rng.choice(forms)).rstrip()
            cut.append(text[:rng.randrange(1, len(text) - 1)] + "\n")
        foreign = ['{"hello":"world"}\n', '{"kind":"row","host":[1],"time":"yesterday"}\n', "{}\n"]
        nobody = kinds["well"].row | {"host": {"name": None, "id": None, "boot_id": None}}
        self.texts += cut + foreign + [json.dumps(nobody) + "\n"]
        self.unread, self.unnamed = len(cut) + len(foreign), 1
        rng.shuffle(self.texts)

    def write(self, path):
        """All in one file."""
        with open(path, "w") as file:
            file.writelines(self.texts)

    def groups(self, key=lambda h: h.row["need"]["need"]):
        """{word: {"hosts": ..., counts}}"""
        groups = {}
        for host in self.hosts:
            g = groups.setdefault(key(host), dict.fromkeys(["hosts", *COUNTS], 0))
            g["hosts"] += 1
            for count in COUNTS:
                g[count] += host.row["need"][count] or 0
        return groups
