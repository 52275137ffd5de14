# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the parts of the lab share: paths, running commands, telling how far things are."""

import contextlib
import fcntl
import hashlib
import itertools
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
LAB = TOP / "lab"
BUILD = TOP / "build" / "lab"
RESULTS = TOP / "build" / "results"

_start = time.monotonic()


class LabError(Exception):
    """Something that the person at the terminal can act on."""


def say(text):
    print(f"# [{time.monotonic() - _start:4.0f} s] {text}", file=sys.stderr, flush=True)


def run(command, log=None, **kwargs):
    """Runs a command to its end; on failure shows the tail of what it wrote."""
    if log is None:
        return subprocess.run(command, check=True, **kwargs)
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as out:
        r = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **kwargs)
    if r.returncode != 0:
        tail = "".join(log.read_text(errors="replace").splitlines(keepends=True)[-30:])
        raise LabError(f"{command[0]} failed ({r.returncode}), the end of {log.relative_to(TOP)}:\n{tail}")
    return r


def need(*packages):
    """Installs the host packages that are missing."""
    missing = [p for p in packages if subprocess.run(
        ["dpkg-query", "-Wf${db:Status-Status}", p], capture_output=True).stdout != b"installed"]
    if not missing:
        return
    say(f"installing {' '.join(missing)}")
    log = BUILD / "apt.log"
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "-q", "update"], log, env=env)
    run(["apt-get", "-qy", "--no-install-recommends", "install", *missing], log, env=env)


def digest(*parts):
    """A short hash of strings, files and folders, to name what was built from them."""
    h = hashlib.sha256()
    for part in parts:
        files = [part] if isinstance(part, str) or part.is_file() else sorted(p for p in part.rglob("*") if p.is_file())
        for f in files:
            h.update(f.encode() if isinstance(f, str) else f.name.encode() + b"\0" + f.read_bytes())
            h.update(b"\0")
    return h.hexdigest()[:16]


_builder = threading.RLock()
_build_depth = 0


@contextlib.contextmanager
def building():
    """What is built, one thread of one process builds at a time. May be nested; serves as a decorator too."""
    global _build_depth
    with _builder, contextlib.ExitStack() as held:
        if _build_depth == 0:
            BUILD.mkdir(parents=True, exist_ok=True)
            lock = held.enter_context(open(BUILD / "lock", "w"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("waiting for another build of the lab")
                fcntl.flock(lock, fcntl.LOCK_EX)
        _build_depth += 1
        try:
            yield
        finally:
            _build_depth -= 1


def claim(folder, name):
    """A name of which no other machine is running: the one given, or that with a number behind it. It is claimed as
    long as the file that comes with it is open."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        claimed = name if number == 1 else f"{name}.{number}"
        lock = open(folder / f"{claimed}.lock", "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return claimed, lock
        except BlockingIOError:
            lock.close()


class Cached:
    """A folder that is built anew when its key changes. It is renamed into place when it is whole, so that an
    interrupted build leaves none."""

    def __init__(self, path, key):
        self.path, self.key = path, key
        self.work = path.with_name(path.name + ".new")

    def is_current(self):
        stamp = self.path / ".key"
        return stamp.is_file() and stamp.read_text() == self.key

    def __enter__(self):
        remove(self.work)
        self.work.mkdir(parents=True)
        return self.work

    def __exit__(self, failed, *_):
        if failed:
            return
        (self.work / ".key").write_text(self.key)
        remove(self.path)
        self.work.rename(self.path)


def remove(path):
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    if below := [m for m in mounts if Path(m).is_relative_to(path)]:
        raise LabError(f"{below[0]} is mounted; unmount it first")
    if path.exists():
        shutil.rmtree(path)
