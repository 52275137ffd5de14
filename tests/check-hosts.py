#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is said of each recorded host (tests/hosts/NAME, a directory or NAME.tar.gz) is exactly NAME.json, NAME.txt and
NAME.prom, and NAME.screen: the first screen on terminals of 80 and of 120 columns.

check-hosts.py CTL SCHEMA [--update] [TEST...]: with --update these files are written again; read the difference
before you commit it."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import unittest
from pathlib import Path

from schema import Report

CTL, SCHEMA = sys.argv[1:3]
UPDATE = "--update" in sys.argv
sys.argv[1:] = [word for word in sys.argv[3:] if word != "--update"]

HOSTS = Path(__file__).parent / "hosts"
TABLES = ["audit", "devices", "guests", "emulators", "mappings"]


def hosts():
    found = {p.name.removesuffix(".tar.gz"): p for p in sorted(HOSTS.iterdir())
             if p.is_dir() or p.name.endswith(".tar.gz")}
    assert found
    return found


def ctl(*args):
    run = subprocess.run([CTL, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert (run.returncode, run.stderr) == (0, ""), (args, run.returncode, run.stderr)
    return run.stdout


def on_terminal(columns, *args):
    """What it prints to a terminal of that width."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    env = {k: v for k, v in os.environ.items() if k != "COLUMNS"} | {"TERM": "dumb", "LC_ALL": "C.UTF-8"}
    run = subprocess.Popen([CTL, *args], stdout=slave, stderr=slave, stdin=slave, env=env, close_fds=True)
    os.close(slave)
    text = b""
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        if not data:
            break
        text += data
    os.close(master)
    assert run.wait() == 0
    return text.decode().replace("\r\n", "\n")


def as_of_old(text):
    """As json-c 0.16 prints it, and later ones do not: what is empty takes two lines."""
    return re.sub(r"^( *)(.*)(\[)(\],?)$|^( *)(.*)(\{)(\},?)$", lambda m: "{0}{1}{2}\n{0}{3}".format(
        *[part for part in m.groups() if part is not None]), text, flags=re.M)


def steady(text):
    """Without what is not the host's own: our version, and the moment where a host made by hand has none."""
    text = re.sub(r'"version":"[^"]*"', '"version":"VERSION"', text)
    return re.sub(r'"time":"[^"]*"', '"time":"TIME"', text)


def steady_metrics(text):
    """The same of metrics, and without what the audit took."""
    text = re.sub(r'version="[^"]*"', 'version="VERSION"', text)
    return re.sub(r"^(vfioalign_audit_(?:timestamp|duration)_seconds) .*$", r"\1 TIME", text, flags=re.M)


class Hosts(unittest.TestCase):
    maxDiff = None

    def compare(self, path, text):
        if UPDATE:
            path.write_text(text)
        self.assertEqual(path.read_text(), text, f"{path.name} (check-hosts.py --update writes it anew)")

    def test_golden(self):
        for name, host in hosts().items():
            with self.subTest(name):
                document = as_of_old(steady(ctl("audit", "--json", "--root", str(host))))
                Report(SCHEMA).check(document.replace('"TIME"', '"2026-01-01T00:00:00Z"').replace("VERSION", "0.1"))
                self.compare(HOSTS / f"{name}.json", document)
                text = "".join(f"$ vfioalignctl {verb}\n{ctl(verb, '--root', str(host))}\n" for verb in TABLES)
                text += f"$ vfioalignctl audit --all --full\n{ctl('audit', '--all', '--full', '--root', str(host))}"
                self.compare(HOSTS / f"{name}.txt", text)
                self.compare(HOSTS / f"{name}.prom", steady_metrics(ctl("metrics", "--root", str(host))))

    def test_screen(self):
        """Without a verb there is one screen, which fits a terminal, and a verb of that name is the same."""
        for name, host in hosts().items():
            with self.subTest(name):
                screens = {columns: on_terminal(columns, "--root", str(host)) for columns in (80, 120)}
                self.compare(HOSTS / f"{name}.screen", "".join(
                    f"--- {columns} columns\n{text}" for columns, text in screens.items()))
                self.assertLessEqual(screens[80].count("\n"), 24)
                self.assertEqual(max(map(len, screens[80].splitlines())) // 80, 0)
                self.assertEqual(ctl("doctor", "--root", str(host)), ctl("--root", str(host)))

    def test_columns(self):
        """Each column has a line of help, and can be asked for in any case; any other is refused with their names."""
        host = str(HOSTS / "lab-7.3.tar.gz")  # every table has rows
        for verb in [*TABLES[1:], "fix"]:
            with self.subTest(verb):
                listed = [line.split("  ", 1) for line in ctl(verb, "--output", "help").splitlines()]
                names = [name for name, _ in listed]
                self.assertGreater(len(names), 5)
                self.assertEqual(len(set(names)), len(names))
                for _, text in listed:
                    self.assertRegex(text.strip(), r"^\w{2}.*\w$")
                header = ctl(verb, "--root", host).split("\n", 1)[0].split()
                self.assertEqual(header, [name for name in names if name in header])
                self.assertEqual(ctl(verb, "-o", ",".join(names).lower(), "--root", host).split("\n", 1)[0].split(), names)
                run = subprocess.run([CTL, verb, "-o", f"{names[0]},NONE", "--root", host], capture_output=True, text=True)
                self.assertEqual((run.returncode, run.stdout), (2, ""))
                self.assertEqual(run.stderr, f"vfioalignctl: --output {names[0]},NONE: the columns are {','.join(names)}\n")

    def test_former_columns(self):
        """A column that was renamed can be asked for by the name that it had."""
        host = str(HOSTS / "lab-7.3.tar.gz")
        for verb, former, name in ("guests", "PIN-STEPS", "MAP-STEPS"), ("emulators", "learnt-from", "SOURCE"):
            self.assertEqual(ctl(verb, "-o", former, "--root", host), ctl(verb, "-o", name, "--root", host))
            self.assertNotIn(former.upper(), ctl(verb, "-o", "help"))

    def test_explain(self):
        """Everything that the audit names can be asked for."""
        for name, host in hosts().items():
            report = json.loads(ctl("audit", "--json", "--root", str(host)))
            subjects = {f["id"] for f in report["findings"]} | {g["name"] for g in report["guests"]}
            subjects |= {d["address"] for d in report["devices"][:40]}
            for subject in subjects:
                with self.subTest(f"{name}: {subject}"):
                    text = ctl("explain", subject, "--root", str(host))
                    self.assertGreater(len(text), 60)
                    self.assertNotIn("(null)", text)
                    self.assertNotIn("%", text)

    def test_explain_limit(self):
        """What the tables have under LIMITED-BY can be asked for, and who has it is named."""
        host = str(HOSTS / "eight-gpu")
        for limit in "none", "bar-size", "huge-fault", "thp", "placement", "unknown":
            text = ctl("explain", limit, "--root", host)
            self.assertTrue(text.startswith(limit + " (what limits a BAR)\n\n"), text)
            self.assertEqual("these guests: train-a, train-b." in " ".join(text.split()), limit == "placement")
            guests = json.loads(ctl("explain", "--json", limit, "--root", host))
            self.assertEqual([g["name"] for g in guests], ["train-a", "train-b"] if limit == "placement" else [])

    def test_bound_by(self):
        """Who handed a function over, and where it goes from there."""
        for address, sentence in {
                "0000:01:00.0": "vfioalign took it for the configuration, and has handed it to VFIO. It goes back to the driver nvme.",
                "0000:02:00.0": None,
                "0000:03:00.0": "vfioalign took it for the guest render, and has handed it to VFIO. It goes back to no driver, as "
                                "it had none.",
                "0000:04:00.0": "vfioalign took it for an operator, and could neither hand it to VFIO nor give it back. It goes back "
                                "to the driver nouveau."}.items():
            text = " ".join(ctl("explain", address, "--root", str(HOSTS / "rebound")).split())
            self.assertIn(sentence or address, text)
            self.assertEqual("vfioalign took it" in text, sentence is not None)
        rows = ctl("devices", "-o", "ADDRESS,OWNER", "--root", str(HOSTS / "rebound"))
        self.assertRegex(rows, r"0000:02:00.0 *\n0000:02:00.1 boot *\n0000:03:00.0 guest render\n")

    def test_width(self):
        for name, host in hosts().items():
            for columns in 80, 200:
                for verb in TABLES:
                    for line in on_terminal(columns, verb, "--root", str(host)).splitlines():
                        # What is to be pasted is never broken.
                        if len(line) > columns and not re.match(r"(info|notice|warning|error): |    -> ", line):
                            self.fail(f"{name}: {verb} at {columns} columns: {line}")

    def test_record_of_a_record(self):
        """A host that is recorded from its record tells the same again."""
        for name, host in hosts().items():
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                again = f"{folder}/again.tar.gz"
                subprocess.run([CTL, "dump", "--root", str(host), again], check=True, stderr=subprocess.DEVNULL)
                self.assertEqual(steady(ctl("audit", "--json", "--root", str(host))),
                                 steady(ctl("audit", "--json", "--root", again)))
                for verb in TABLES:
                    self.assertEqual(ctl(verb, "--root", str(host)), ctl(verb, "--root", again))


if __name__ == "__main__":
    unittest.main()
