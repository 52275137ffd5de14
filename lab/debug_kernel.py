# SPDX-License-Identifier: LGPL-2.1-or-later
"""A kernel that watches itself (lab/debug.config: KASAN, lockdep, VFIO built in), from Debian's source of the newest one.
Its build takes an hour of processor time, so that it is no part of `lab check`."""

import contextlib
import fcntl
import os
import re
import shutil

import images
from common import BUILD, LAB, Cached, LabError, building, digest, need, run, say

NAME = "debug"
SUITE = "trixie-backports"


def wanted():
    """{option: value}, "n" where it is off."""
    options = {}
    for line in (LAB / "debug.config").read_text().splitlines():
        if m := re.fullmatch(r"(CONFIG_\w+)=(.*)|# (CONFIG_\w+) is not set", line):
            options[m[1] or m[3]] = m[2] or "n"
    return options


def configure(source, log):
    run(["make", "-C", str(source), "x86_64_defconfig"], log)
    with open(source / ".config", "a") as config:
        config.write((LAB / "debug.config").read_text())
    run(["make", "-C", str(source), "olddefconfig"], log)
    have = dict(re.findall(r"^(CONFIG_\w+)=(.*)$", (source / ".config").read_text(), re.M))
    missing = [o for o, value in wanted().items() if have.get(o, "n") != value]
    if missing:
        raise LabError(f"{source.name} cannot be configured as lab/debug.config wants it: {' '.join(missing)}")


@contextlib.contextmanager
def alone():
    """One build at a time; not that of the lab, which all others would wait for."""
    with open(BUILD / "debug-kernel.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@alone()
def kernel():
    """As images.kernel(); and in build/ what modules are built against."""
    cached = Cached(BUILD / "kernels" / NAME, digest(SUITE, LAB / "debug.config", LAB / "init",
                                                     images.source(images.fetch_packages, images.build_initrd, configure,
                                                                   kernel)))
    if cached.is_current():
        return cached.path
    need("bc", "bison", "flex", "gcc", "make", "rsync", "xz-utils", "libelf-dev", "libssl-dev", "dwarves", "busybox-static", "cpio",
         "kmod", "debian-archive-keyring")
    log = BUILD / "logs" / "kernel-debug.log"
    log.unlink(missing_ok=True)
    with cached as work:
        say(f"kernel {NAME}: fetching its source from {SUITE}")
        images.fetch_packages(SUITE, ["linux-source"], work, log, names="linux-source-")
        (archive,) = (work / "x").rglob("linux-source-*.tar.xz")
        run(["tar", "-xf", str(archive), "-C", str(work)], log)
        shutil.rmtree(work / "x")
        (source,) = work.glob("linux-source-*")
        configure(source, log)
        say(f"kernel {NAME}: building (half an hour on two processors; log: {log})")
        run(["nice", "make", "-C", str(source), f"-j{os.cpu_count()}", "bzImage", "modules"], log)
        run(["make", "-C", str(source), "modules_install", f"INSTALL_MOD_PATH={work}", "INSTALL_MOD_STRIP=1"], log)
        (modules,) = (work / "lib/modules").iterdir()
        for link in ("build", "source"):
            (modules / link).unlink(missing_ok=True)
        shutil.copy2(source / "arch/x86/boot/bzImage", work / "vmlinuz")
        (work / "release").write_text(modules.name)
        run(["make", "-C", str(source), "run-command",
             f"KBUILD_RUN_COMMAND=$(srctree)/scripts/package/install-extmod-build {work}/build"], log)
        shutil.rmtree(source)
        images.build_initrd(modules, work / "initrd")
    return cached.path


@building()
def module():
    """As images.module(), with all modules: the images have none of this kernel."""
    dkms, path = LAB.parent / "dkms", kernel()
    cached = Cached(BUILD / "modules" / NAME, digest(dkms, (path / ".key").read_text(), images.source(module)))
    if cached.is_current():
        return cached.path
    release = images.release_of(NAME)
    log = BUILD / "logs" / "module-debug.log"
    log.unlink(missing_ok=True)
    with cached as work:
        target = work / "usr/lib/modules" / release
        shutil.copytree(path / "lib/modules" / release, target)
        (target / "updates/dkms").mkdir(parents=True)
        shutil.copytree(dkms, work / "code")
        run(["make", "-C", str(path / "build"), f"M={work}/code", "modules"], log)
        shutil.copy2(work / "code/vfio_align.ko", target / "updates/dkms")
        shutil.rmtree(work / "code")
        (work / "lib").symlink_to("usr/lib")
        run(["depmod", "-b", str(work), release], log)
        (work / "lib").unlink()
    return cached.path


def tool_modules():
    """As images.tool_modules(); none, since what they stand for is not in this kernel."""
    empty = BUILD / "tool-modules" / NAME
    empty.mkdir(parents=True, exist_ok=True)
    return empty
