# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the lab builds, kept by the digest of what went in: LAB_CACHE, or vfioalign-lab in the user's cache. All checkouts
share it; nothing of the code under test is in it.

An entry is a folder NAME-DIGEST. It is renamed into place when it is whole, so an interrupted build leaves none. The
file .NAME-DIGEST.lock guards it: exclusively while it is built or removed, shared by each process that uses it."""

import contextlib
import fcntl
import os
import threading
import time
from pathlib import Path

from common import LabError, remove, say

KEEP_BYTES = 24 << 30  # a kernel has 0.4 GB, an image 2.5, the debug kernel 1; each of two recipes fit in

_guard = threading.Lock()
_threads = {}  # path: lock among the threads of this process
_held = {}     # path: the open lock file, shared, until this process ends
built = {}     # name: seconds, of what this process has built
used = set()   # names of what it found built


def root():
    """The folder of the cache."""
    if place := os.environ.get("LAB_CACHE"):
        return Path(place).resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vfioalign-lab"


def _lock_of(path):
    return path.with_name(f".{path.name}.lock")


def _open_lock(path):
    """The lock file, opened; another process may remove it between the opening and the locking."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return open(_lock_of(path), "w")


def _is_current(path, lock):
    """The lock is still the one that others would take."""
    try:
        return os.fstat(lock.fileno()).st_ino == os.stat(_lock_of(path)).st_ino
    except FileNotFoundError:
        return False


def get(name, key, build):
    """The folder of an entry. build(folder) fills an empty one where it is not there yet, and may get() others."""
    path = root() / f"{name}-{key}"
    with _guard:
        mine = _threads.setdefault(path, threading.Lock())
    with mine:
        while path not in _held:
            lock = _open_lock(path)
            fcntl.flock(lock, fcntl.LOCK_SH)
            if _is_current(path, lock) and path.is_dir():
                _held[path] = lock
                os.utime(path)
                if name not in built:
                    used.add(name)
                break
            lock.close()
            _build(path, name, build)
    return path


def _build(path, name, build):
    with _exclusively(path, f"waiting for {name}, which another process builds") as lock:
        if path.is_dir() or not lock:
            return
        work = path.with_name(f".{path.name}.new")
        remove(work)
        work.mkdir()
        begin = time.monotonic()
        build(work)
        work.rename(path)
        built[name] = round(time.monotonic() - begin, 1)


@contextlib.contextmanager
def _exclusively(path, waiting=None):
    """Yields the lock; None where it is held by others and nobody wants to wait, or was removed meanwhile."""
    with _open_lock(path) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not waiting:
                yield None
                return
            say(waiting)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock if _is_current(path, lock) else None


def size_of(path):
    """Bytes on disk: disk images have holes."""
    total = 0
    for folder, _, files in os.walk(path):
        for f in files:
            total += os.lstat(os.path.join(folder, f)).st_blocks * 512
    return total


def prune(keep_bytes=KEEP_BYTES, show=say):
    """Removes what interrupted builds left, and of the entries the longest unused until the rest has at most that many
    bytes. What a process uses stays. Returns the bytes that are left."""
    place = root()
    if not place.is_dir():
        return 0
    for work in place.glob(".*.new"):
        with _exclusively(place / work.name[1:-len(".new")]) as lock:
            if lock:
                remove(work)
    entries = sorted((p for p in place.iterdir() if p.is_dir() and not p.name.startswith(".")),
                     key=lambda p: p.stat().st_mtime)
    sizes = {p: size_of(p) for p in entries}
    left = sum(sizes.values())
    for path in entries:
        if left <= keep_bytes:
            break
        with _exclusively(path) as lock:
            if not lock:
                show(f"{path.name}: in use, stays")
                continue
            remove(path)
            _lock_of(path).unlink()
        left -= sizes[path]
        show(f"{path.name}: removed, {sizes[path] >> 20} MiB")
    return left


def parse_size(text):
    """Bytes of '20G', '500M' or a plain number."""
    units = {"K": 10, "M": 20, "G": 30, "T": 40}
    number, unit = (text[:-1], text[-1].upper()) if text and text[-1].upper() in units else (text, None)
    if not number.isdigit():
        raise LabError(f"'{text}' is not a size such as 20G")
    return int(number) << units.get(unit, 0)
