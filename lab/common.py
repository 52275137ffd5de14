# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the parts of the lab share: paths, running commands, telling how far things are."""

import contextlib
import fcntl
import hashlib
import inspect
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

STILL_SECONDS = 10  # a step that takes longer says how far it is

_start = time.monotonic()


class LabError(Exception):
    """Something that the person at the terminal can act on."""


def say(text):
    print(f"# [{time.monotonic() - _start:4.0f} s] {text}", file=sys.stderr, flush=True)


def run(command, log=None, **kwargs):
    """Runs a command to its end; on failure shows the tail of what it wrote. One with a log that takes long shows from
    time to time the last line it wrote there."""
    if log is None:
        return subprocess.run(command, check=True, **kwargs)
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **kwargs)
        while True:
            try:
                code = process.wait(STILL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                say(f"  ... {log.stem}: {last_line(log)}")
            except BaseException:
                process.kill()
                process.wait()
                raise
    if code != 0:
        tail = "".join(log.read_text(errors="replace").splitlines(keepends=True)[-30:])
        raise LabError(f"{command[0]} failed ({code}), the end of {log}:\n{tail}")


def last_line(log, width=100):
    with open(log, "rb") as f:
        f.seek(max(0, f.seek(0, os.SEEK_END) - 4096))
        lines = f.read().decode(errors="replace").replace("\r", "\n").split("\n")
    return next((line.strip()[:width] for line in reversed(lines) if line.strip()), "nothing written yet")


_apt = threading.Lock()


def need(*packages):
    """Installs the host packages that are missing."""
    with _apt:
        missing = [p for p in packages if subprocess.run(
            ["dpkg-query", "-Wf${db:Status-Status}", p], capture_output=True).stdout != b"installed"]
        if not missing:
            return
        say(f"installing {' '.join(missing)}")
        log = BUILD / "logs" / "apt.log"
        env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        wait = ["-o", "DPkg::Lock::Timeout=600"]
        run(["apt-get", "-q", *wait, "update"], log, env=env)
        run(["apt-get", "-qy", *wait, "--no-install-recommends", "install", *missing], log, env=env)


def digest(*parts):
    """A short hash of strings, files and folders, to name what was built from them. Of a link its target counts."""
    h = hashlib.sha256()
    for part in parts:
        files = [part] if isinstance(part, str) or part.is_file() else sorted(
            p for p in part.rglob("*") if p.is_symlink() or p.is_file())
        for f in files:
            if isinstance(f, str):
                h.update(f.encode())
            else:
                h.update(str(f.relative_to(part) if f != part else f.name).encode() + b"\0")
                h.update(os.readlink(f).encode() if f.is_symlink() else f.read_bytes())
            h.update(b"\0")
    return h.hexdigest()[:16]


def source(*functions):
    """The text of functions: what they build is built anew when they change."""
    return "".join(inspect.getsource(f) for f in functions)


@contextlib.contextmanager
def alone(what):
    """What is built in this checkout, one thread of one process builds at a time. Serves as a decorator too."""
    (BUILD / "locks").mkdir(parents=True, exist_ok=True)
    with open(BUILD / "locks" / what, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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


def remove(path):
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    if below := [m for m in mounts if Path(m).is_relative_to(path)]:
        raise LabError(f"{below[0]} is mounted; unmount it first")
    if path.exists():
        shutil.rmtree(path)
