# SPDX-License-Identifier: LGPL-2.1-or-later
"""Scenarios: files that run inside a booted host and print TAP."""

import json
import math
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from common import LAB, TOP, LabError
from machine import CPUS

GRACE_SECONDS = 30  # the agent in the host stops a scenario by itself; after this much longer the host is stuck

# What a boot takes on the machine that the limits of the scenarios were set on, with systemd and without. On a slower
# one they are as many times longer.
BOOT_SECONDS = {True: 36, False: 14}


@dataclass
class Scenario:
    name: str
    hosts: list
    check_hosts: list  # those of `make check`; none where its head says so
    seconds: int = 60  # about what it takes, for the order only
    timeout: int = 120
    own_boot: bool = False
    seed: str = None
    devices: int = 0
    cpus: int = CPUS
    packages: str = ""  # "yes": those for hosts of this release; "all": for any, with the module's and the former version's
    modules: bool = False  # of its kernel also those that images lack
    folder: Path = LAB / "scenarios"
    check_all_only: bool = False

    def boot(self):
        """Those that name the same share a boot."""
        if self.own_boot or self.devices or self.packages or self.cpus != CPUS:
            return self.name
        return self.seed or "shared"

    def shares_boot(self):
        """Others may come after it, and expect the host as it was."""
        return self.boot() in ("shared", "without-systemd")

    def has_systemd(self):
        return self.seed != "without-systemd"

    def path(self):
        return self.folder / self.name


@dataclass
class Result:
    scenario: str
    host: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0
    cpu_seconds: float = 0
    problems: list = field(default_factory=list)
    first_run: str = None  # where this is a second run, what came of the first
    kept: bool = False     # it ran before, on the very same code
    rows: list = field(default_factory=list, repr=False)  # of a table that the scenario fills, over all its hosts

    def summary(self):
        return "; ".join([f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped", *self.problems])


def header(path):
    """The `# key: value` lines at the head of a scenario; a key's further lines continue its first."""
    head = {}
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            break
        if m := re.match(r"# (\w+): *(.*)", line):
            head[m[1]] = f"{head[m[1]]} {m[2]}" if m[1] in head else m[2]
    return head


def load(name, folder=LAB / "scenarios"):
    path = folder / name
    if not path.is_file():
        raise LabError(f"no scenario '{name}' in {folder.name}/")
    head = header(path)
    if "hosts" not in head:
        raise LabError(f"scenario '{name}' has no line '# hosts: IMAGE/KERNEL ...'")
    hosts = head["hosts"].split()
    check = head.get("check", head["hosts"])
    later = check == "none"
    check_hosts = [] if later else check.split()
    return Scenario(name, hosts, check_hosts, int(head.get("seconds", 60)),
                    int(head.get("timeout", 120)), head.get("boot") == "own", head.get("seed"),
                    int(head.get("devices", 0)), int(head.get("cpus", CPUS)), head.get("packages", ""), "modules" in head, folder, later)


def load_all(folder=LAB / "scenarios"):
    return [load(p.name, folder) for p in sorted(folder.iterdir()) if p.is_file()]


def count_tap(text, result):
    """Adds the tests of one TAP stream to the result, and says what is wrong with the stream itself."""
    plan = None
    for line in text.splitlines():
        if m := re.match(r"1\.\.(\d+)", line):
            plan = int(m[1])
        elif m := re.match(r"(not )?ok\b(.*)", line):
            if re.search(r"#\s*skip", m[2], re.I):
                result.skipped += 1
            elif m[1]:
                result.failed += 1
            else:
                result.passed += 1
    seen = result.passed + result.failed + result.skipped
    if plan is None:
        result.problems.append("printed no plan")
    elif plan != seen:
        result.problems.append(f"planned {plan} tests and ran {seen}")


class Follow:
    """Prints what a file grows by."""

    def __init__(self, path, show):
        self.path, self.show, self.at = path, show, 0

    def step(self):
        try:
            with open(self.path, "rb") as f:
                f.seek(self.at)
                data = f.read()
        except FileNotFoundError:
            return
        whole = data[:data.rfind(b"\n") + 1]
        self.at += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            self.show(line)


def scale_of(boot_seconds, has_systemd=True):
    """How many times longer than usual things take on this machine; a whole number, since the shell reckons with it."""
    return max(1, math.ceil(boot_seconds / BOOT_SECONDS[has_systemd]))


def run_on(machine, s, scale, show):
    """Runs a scenario on a booted machine: shows its TAP meanwhile, and judges it."""
    host = f"{machine.image}/{machine.kernel}"
    result = Result(s.name, host)
    out = {what: machine.out(f"{s.name}.{what}") for what in ("tap", "err", "rc", "left", "rows", "done")}
    tap = Follow(out["tap"], lambda line: show(f"{host} {s.name}: {line}"))
    begin, cpu_begin = time.monotonic(), machine.cpu_seconds()
    timeout = s.timeout * scale
    machine.send(s.name, timeout, scale)
    while machine.running() and not out["done"].exists() and time.monotonic() - begin < timeout + GRACE_SECONDS * scale:
        tap.step()
        time.sleep(0.2)
    tap.step()
    result.seconds = round(time.monotonic() - begin, 1)
    result.cpu_seconds = round(machine.cpu_seconds() - cpu_begin, 1)
    count_tap(read(out["tap"]), result)
    result.rows = [json.loads(line) for line in read(out["rows"]).splitlines()]
    if not out["done"].exists():
        result.problems.append("the host hangs" if machine.running() else "the host went down")
    else:
        code = int(read(out["rc"]))
        if code in (124, 137):
            result.problems.append(f"stopped after {timeout} s")
        elif code != 0 and not result.failed:
            result.problems.append(f"exited with {code}")
        if s.shares_boot():
            result.problems += [f"left behind: {line}" for line in read(out["left"]).splitlines()]
    if not result.problems and not result.failed:
        return result
    result.failed += bool(result.problems)
    for p in result.problems:
        show(f"{host} {s.name}: not ok - {p}")
    if error := read(out["err"]):
        show(f"# standard error:\n{comment(error[-4000:])}")
    if not out["done"].exists():
        show(f"# console:\n{comment(machine.console_tail())}")
    show(f"# more in {machine.share.relative_to(TOP)}/out and {machine.console.relative_to(TOP)}")
    return result


def comment(text):
    return "\n".join(f"#   {line}" for line in text.splitlines())


def read(path):
    return path.read_text(errors="replace") if path.exists() else ""
