# SPDX-License-Identifier: LGPL-2.1-or-later
"""Scenarios: files that run inside a booted host and print TAP."""

import re
import time
from dataclasses import dataclass, field

from common import LAB, LabError
from machine import BOOT_SECONDS


@dataclass
class Scenario:
    name: str
    hosts: list
    timeout: int = 120
    own_boot: bool = False
    seed: str = None


@dataclass
class Result:
    scenario: str
    host: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0
    problems: list = field(default_factory=list)


def load(name):
    """Reads the `# key: value` lines at the head of a scenario."""
    path = LAB / "scenarios" / name
    if not path.is_file():
        raise LabError(f"no scenario '{name}' in {path.parent.name}/")
    head = {}
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            break
        if m := re.match(r"# (hosts|timeout|boot|seed): *(.*)", line):
            head[m[1]] = m[2]
    if "hosts" not in head:
        raise LabError(f"scenario '{name}' has no line '# hosts: IMAGE/KERNEL ...'")
    return Scenario(name, head["hosts"].split(), int(head.get("timeout", 120)), head.get("boot") == "own",
                    head.get("seed"))


def load_all():
    return [load(p.name) for p in sorted((LAB / "scenarios").iterdir()) if p.is_file()]


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
            with open(self.path, errors="replace") as f:
                f.seek(self.at)
                text = f.read()
        except FileNotFoundError:
            return
        end = text.rfind("\n") + 1
        self.at += len(text[:end].encode(errors="replace"))
        for line in text[:end].splitlines():
            self.show(line)


def run_on(machine, scenarios, show):
    """Boots the machine, runs the scenarios, and returns a Result of each, and how long the boot took."""
    host = f"{machine.image}/{machine.kernel}"
    out = machine.share / "out"
    results, boot = [], None
    started = time.monotonic()
    try:
        machine.start([(s.name, s.timeout) for s in scenarios], scenarios[0].seed)
        while machine.running() and not (out / "booted").exists() and time.monotonic() - started < BOOT_SECONDS:
            time.sleep(0.2)
        boot = time.monotonic() - started
        if (out / "booted").exists():
            show(f"# {host}: booted in {boot:.0f} s")
        for s in scenarios:
            results.append(follow(machine, s, out, host, show))
        machine.wait(30)
    finally:
        machine.stop()
    return results, boot


def follow(machine, s, out, host, show):
    result = Result(s.name, host)
    tap = Follow(out / f"{s.name}.tap", lambda line: show(f"{host} {s.name}: {line}"))
    begin = time.monotonic()
    done = out / f"{s.name}.done"
    while machine.running() and not done.exists() and time.monotonic() - begin < s.timeout + 60:
        if not (out / "booted").exists():
            break
        tap.step()
        time.sleep(0.2)
    tap.step()
    result.seconds = time.monotonic() - begin
    text = (out / f"{s.name}.tap").read_text(errors="replace") if (out / f"{s.name}.tap").exists() else ""
    count_tap(text, result)
    if not (out / "booted").exists():
        result.problems.append("the host did not boot")
    elif not done.exists():
        result.problems.append("hung" if machine.running() else "the host went down (panic?)")
    else:
        code = int((out / f"{s.name}.rc").read_text())
        if code in (124, 137):
            result.problems.append(f"was stopped after {s.timeout} s")
        elif code != 0:
            result.problems.append(f"exited with {code}")
        result.problems += [f"left behind: {line}" for line in (out / f"{s.name}.left").read_text().splitlines()]
    if result.problems or result.failed:
        result.failed += bool(result.problems)
        for p in result.problems:
            show(f"{host} {s.name}: not ok - {p}")
        err = out / f"{s.name}.err"
        if err.exists() and err.stat().st_size:
            show("# standard error:\n" + "\n".join("#   " + x for x in err.read_text(errors="replace").splitlines()[-20:]))
        show("# console:\n" + "\n".join("#   " + x for x in machine.console_tail(25).splitlines()))
    return result
