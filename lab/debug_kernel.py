# SPDX-License-Identifier: LGPL-2.1-or-later
"""A kernel that watches itself (lab/debug.config: KASAN, lockdep, VFIO built in), from Debian's source of the newest one.
Its build takes an hour of processor time, so it is no part of `make check`."""

import os
import re
import shutil

import cache
from common import BUILD, LAB, LabError, digest, need, run, say, source
from packages import fetch_packages

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


def kernel():
    """As kernels.kernel(); and in build/ what modules are built against."""
    key = digest(SUITE, LAB / "debug.config", source(fetch_packages, configure, build_kernel))
    return cache.get(f"kernel-{NAME}", key, build_kernel)


def build_kernel(work):
    need("bc", "bison", "flex", "gcc", "make", "rsync", "xz-utils", "libelf-dev", "libssl-dev", "dwarves",
         "kmod", "debian-archive-keyring")
    log = BUILD / "logs" / "kernel-debug.log"
    log.unlink(missing_ok=True)
    say(f"kernel {NAME}: fetching its source from {SUITE}")
    fetch_packages(SUITE, ["linux-source"], work, log, names="linux-source-")
    (archive,) = (work / "x").rglob("linux-source-*.tar.xz")
    run(["tar", "-xf", str(archive), "-C", str(work)], log)
    shutil.rmtree(work / "x")
    (source_tree,) = work.glob("linux-source-*")
    configure(source_tree, log)
    say(f"kernel {NAME}: building (half an hour on two processors; log: {log})")
    run(["nice", "make", "-C", str(source_tree), f"-j{os.cpu_count()}", "bzImage", "modules"], log)
    run(["make", "-C", str(source_tree), "modules_install", f"INSTALL_MOD_PATH={work}", "INSTALL_MOD_STRIP=1"], log)
    (modules,) = (work / "lib/modules").iterdir()
    for link in ("build", "source"):
        (modules / link).unlink(missing_ok=True)
    shutil.copy2(source_tree / "arch/x86/boot/bzImage", work / "vmlinuz")
    (work / "release").write_text(modules.name)
    run(["make", "-C", str(source_tree), "run-command",
         f"KBUILD_RUN_COMMAND=$(srctree)/scripts/package/install-extmod-build {work}/build"], log)
    shutil.rmtree(source_tree)
