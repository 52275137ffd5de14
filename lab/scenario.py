# SPDX-License-Identifier: LGPL-2.1-or-later
"""Scenarios: files that run inside a booted host and print TAP."""

import json
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from common import LAB, TOP, LabError
from machine import CPUS, Machine

GRACE_SECONDS = 30  # the agent in the host stops a scenario by itself; after this much longer the host is stuck


@dataclass
class Scenario:
    name: str
    hosts: list
    timeout: int = 120
    own_boot: bool = False
    seed: str = None
    devices: int = 0
    cpus: int = CPUS
    packages: bool = False
    folder: Path = LAB / "scenarios"

    def has_own_boot(self):
        return self.own_boot or self.seed or self.devices or self.packages or self.cpus != CPUS


@dataclass
class Result:
    scenario: str
    host: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0
    problems: list = field(default_factory=list)
    first_run: str = None  # where this is a second run, what came of the first
    rows: list = field(default_factory=list, repr=False)  # of a table that the scenario fills, over all its hosts

    def summary(self):
        return "; ".join([f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped", *self.problems])


def header(path):
    """The `# key: value` lines at the head of a scenario."""
    head = {}
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            break
        if m := re.match(r"# (\w+): *(.*)", line):
            head[m[1]] = m[2]
    return head


def load(name, folder=LAB / "scenarios"):
    path = folder / name
    if not path.is_file():
        raise LabError(f"no scenario '{name}' in {folder.name}/")
    head = header(path)
    if "hosts" not in head:
        raise LabError(f"scenario '{name}' has no line '# hosts: IMAGE/KERNEL ...'")
    return Scenario(name, head["hosts"].split(), int(head.get("timeout", 120)), head.get("boot") == "own",
                    head.get("seed"), int(head.get("devices", 0)), int(head.get("cpus", CPUS)), "packages" in head, folder)


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


def run_on(image, kernel, name, scenarios, show):
    """Runs scenarios on one host, in one boot unless one of them brings the host down: those after it get a new one.
    Returns the results, and of each boot what it was and how long it took."""
    results, boots, todo = [], [], scenarios
    while todo:
        machine = Machine(image, kernel, f"{name}-{len(boots) + 1}" if boots else name, devices=todo[0].devices,
                          cpus=todo[0].cpus, packages=todo[0].packages)
        got, seconds = run_boot(machine, todo, show)
        results += got
        boots.append({"host": f"{image}/{kernel}", "name": machine.name, "seconds": seconds})
        todo = todo[len(got):]
    return results, boots


def run_boot(machine, scenarios, show):
    """Returns the results up to the scenario that brought the host down, or of all, and the seconds of the boot."""
    host = f"{machine.image}/{machine.kernel}"
    booted = machine.share / "out" / "booted"
    results, started = [], time.monotonic()
    machine.scenarios = scenarios[0].folder
    try:
        machine.start([(s.name, s.timeout) for s in scenarios], scenarios[0].seed)
        while machine.running() and not booted.exists() and time.monotonic() - started < machine.boot_seconds():
            time.sleep(0.2)
        seconds = round(time.monotonic() - started, 1)
        if not booted.exists():
            show(f"# {host}: did not boot; console:\n{comment(machine.console_tail())}")
            return [Result(s.name, host, failed=1, problems=["the host did not boot"]) for s in scenarios], None
        show(f"# {host}: booted in {seconds:.0f} s")
        for s in scenarios:
            results.append(follow(machine, s, host, show))
            if not (machine.share / "out" / f"{s.name}.done").exists():
                return results, seconds
        machine.wait(GRACE_SECONDS)
        return results, seconds
    finally:
        machine.stop()


def comment(text):
    return "\n".join(f"#   {line}" for line in text.splitlines())


def follow(machine, s, host, show):
    """Shows the TAP of one scenario while it runs, and judges it."""
    result = Result(s.name, host)
    out = {what: machine.share / "out" / f"{s.name}.{what}" for what in ("tap", "err", "rc", "left", "rows", "done")}
    tap = Follow(out["tap"], lambda line: show(f"{host} {s.name}: {line}"))
    begin = time.monotonic()
    while machine.running() and not out["done"].exists() and time.monotonic() - begin < s.timeout + GRACE_SECONDS:
        tap.step()
        time.sleep(0.2)
    tap.step()
    result.seconds = round(time.monotonic() - begin, 1)
    count_tap(read(out["tap"]), result)
    result.rows = [json.loads(line) for line in read(out["rows"]).splitlines()]
    if not out["done"].exists():
        result.problems.append("the host hangs" if machine.running() else "the host went down")
    else:
        code = int(read(out["rc"]))
        if code in (124, 137):
            result.problems.append(f"stopped after {s.timeout} s")
        elif code != 0 and not result.failed:
            result.problems.append(f"exited with {code}")
        if not s.has_own_boot():  # nobody comes after it there
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


def read(path):
    return path.read_text(errors="replace") if path.exists() else ""
