#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The audit of a recorded host from which one thing after another is taken: each file, link and answer removed, made
unreadable, emptied, and filled with nonsense. It answers each time, by the schema; and what it cannot see any more it
calls unknown: a fact never turns from yes to no, or back, because its source went away.

check-partial.py MANY-AUDITS SCHEMA HOST..."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jsonschema

from schema import Report

AUDITS, SCHEMA, *HOSTS = sys.argv[1:]

# (path or answer, fact): why the absence of the one does tell of the other.
JUSTIFIED = [
    (r"sys/module/vfio_align/parameters.*|sys/module/vfio_align", r"module\.(loaded|enabled|alive)",
     "a module that is not below /sys/module is not loaded"),
    (r"sys/module/kvm", r"kvm\.present", "nor is one that is not built in"),
    (r"sys/firmware/efi", r"module\.secure_boot", "firmware that is no EFI has no such folder"),
    (r"(usr/)?lib/modules/[^/]*/modules\.dep", r"module\.installed", "a list without a line"),
]


def facts(node, path=""):
    """Every fact of a report, by where it stands."""
    if isinstance(node, dict):
        if {"value", "source"} <= node.keys():
            yield path, node["value"]
        for key, value in node.items():
            yield from facts(value, f"{path}.{key}" if path else key)


class Partial:
    def __init__(self, host, work):
        self.root = Path(work) / "host"
        if host.is_dir():
            shutil.copytree(host, self.root, symlinks=True)
        else:
            self.root.mkdir()
            subprocess.run(["tar", "-xf", host, "-C", self.root], check=True)
        self.audits = subprocess.Popen([AUDITS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.schema = Report(SCHEMA)
        self.valid = set()
        self.tried = 0
        self.wrong = []
        self.base = dict(facts(json.loads(self.audit())))

    def audit(self):
        self.audits.stdin.write(f"{self.root}\n")
        self.audits.stdin.flush()
        status = int(self.audits.stdout.readline())
        out, err = (Path(f"{self.root}.{end}").read_text() for end in ("out", "err"))
        if status != 0 or err:
            raise ValueError(f"exit {status}: {err.strip()[-300:]}")
        return out

    def check(self, what, how, flips_matter):
        self.tried += 1
        try:
            text = re.sub(r'"time":"[^"]*"', '"time":"2026-01-01T00:00:00Z"', self.audit())
            report = json.loads(text)
            if hash(text) not in self.valid:
                self.schema.check(text)
                self.valid.add(hash(text))
        except (ValueError, jsonschema.ValidationError) as error:
            self.wrong.append(f"{what} {how}: {str(error).splitlines()[0]}")
            return
        for fact, value in facts(report) if flips_matter else ():
            if {self.base.get(fact), value} == {"yes", "no"} and not any(
                    re.fullmatch(w, what) and re.fullmatch(f, fact) for w, f, _ in JUSTIFIED):
                self.wrong.append(f"{what} {how}: {fact} turns from {self.base[fact]} to {value}")

    def try_file(self, path):
        name, hidden = str(path.relative_to(self.root)), path.with_name(path.name + ".hidden-from-audit")
        is_link, data = path.is_symlink(), b"" if path.is_symlink() or path.is_dir() else path.read_bytes()
        keep = Path(self.root.parent) / "kept"
        os.rename(path, keep)
        self.check(name, "removed", True)
        os.symlink(path.name, path)  # as a record says that it could not be read
        self.check(name, "unreadable", True)
        path.unlink()
        if not is_link and not keep.is_dir():
            for how, other in ("emptied", b""), ("cut", data[:len(data) // 2]), ("nonsense", b"\xff\x80\xc0\xaf\xed\xa0\x80\x00%s-1\n<&'\"" * 40):
                path.write_bytes(other)
                self.check(name, how, False)
                path.unlink()
        os.rename(keep, path)

    def try_answers(self):
        path = self.root / "vfioalign/answers"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        for i, line in enumerate(lines):
            path.write_text("".join(lines[:i] + lines[i + 1:]))
            self.check(f"answer {line.split(chr(9))[0]}", "removed", True)
            question = line.split("\t")[0]
            for nonsense in "", "nonsense \x01", "9" * 40:
                path.write_text("".join(lines[:i] + [f"{question}\t{nonsense}\n"] + lines[i + 1:]))
                self.check(f"answer {question}", "nonsense", False)
        if lines:
            path.write_text("".join(lines))

    def run(self):
        everything = sorted(p for p in self.root.rglob("*"))
        seen = set()
        for path in everything:
            # Many files of one kind are one case: the same name below the numbers of devices and processes.
            kind = re.sub(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.\d|(?<=/)\d+(?=/|$)", "N", str(path.relative_to(self.root)))
            kind = (re.sub(r".*/N/", "N/", kind), path.is_symlink())
            if kind in seen and len([k for k in seen if k == kind]):
                continue
            seen.add(kind)
            self.try_file(path)
        self.try_answers()


def main():
    failed = 0

    def one(host):
        with tempfile.TemporaryDirectory() as work:
            p = Partial(Path(host), work)
            p.run()
            p.audits.communicate()
            return host, p

    with ThreadPoolExecutor(2) as pool:
        for host, p in pool.map(one, HOSTS):
            print(f"{Path(host).name}: {p.tried} hosts with something missing, {len(p.wrong)} answers wrong")
            for line in p.wrong:
                print(f"  {line}")
            failed += bool(p.wrong) or p.tried == 0
    sys.exit(1 if failed else 0)


main()
