# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kernels built from Debian's source of the newest one, with base.config and what else each has.

debug watches itself (KASAN, lockdep, VFIO built in). next-order has a proposal for aligned VFIO mappings that changes
the whole kernel. A build takes from half an hour to an hour of processor time, so none is part of `make check`."""

import os
import re
import shutil

import cache
from common import BUILD, LAB, LabError, digest, need, run, say, source
from packages import fetch_packages

SUITE = "trixie-backports"

# name: what it is configured by besides base.config, and what it is patched with
KERNELS = {
    "debug": ("debug.config", None),
    "next-order": ("next.config", "mapping-order.patch"),
}


def config_files(config):
    return [LAB / "base.config", LAB / config]


def patch_files(patch):
    return [LAB / "patches" / patch] if patch else []


def expected(config):
    """{option: value}, "n" where it is off."""
    options = {}
    for line in "".join(p.read_text() for p in config_files(config)).splitlines():
        if m := re.fullmatch(r"(CONFIG_\w+)=(.*)|# (CONFIG_\w+) is not set", line):
            options[m[1] or m[3]] = m[2] or "n"
    return options


def configure(tree, config, log):
    run(["make", "-C", str(tree), "x86_64_defconfig"], log)
    with open(tree / ".config", "a") as f:
        f.writelines(p.read_text() for p in config_files(config))
    run(["make", "-C", str(tree), "olddefconfig"], log)
    have = dict(re.findall(r"^(CONFIG_\w+)=(.*)$", (tree / ".config").read_text(), re.M))
    missing = [o for o, value in expected(config).items() if have.get(o, "n") != value]
    if missing:
        raise LabError(f"{tree.name} cannot be configured as lab/{config} asks: {' '.join(missing)}")


def source_tree(work, log, *parts):
    """Debian's source, or those parts of it, unpacked in a folder; it is as new as the kernel of that suite."""
    fetch_packages(SUITE, ["linux-source"], work, log, names="linux-source-")
    (archive,) = (work / "x").rglob("linux-source-*.tar.xz")
    tree = archive.name.removesuffix(".tar.xz")
    run(["tar", "-xf", str(archive), "-C", str(work), *(f"{tree}/{p}" for p in parts)], log)
    shutil.rmtree(work / "x")
    return work / tree


def apply_patch(patch, tree, log):
    if patch:
        run(["patch", "-d", str(tree), "-p1", "--no-backup-if-mismatch", "-i", str(LAB / "patches" / patch)], log)


def kernel(name):
    """As kernels.kernel(); and in build/ what modules are built against."""
    config, patch = KERNELS[name]
    key = digest(SUITE, *config_files(config), *patch_files(patch),
                 source(fetch_packages, source_tree, apply_patch, configure, build_kernel))
    return cache.get(f"kernel-{name}", key, lambda work: build_kernel(name, work))


def build_kernel(name, work):
    need("bc", "bison", "flex", "gcc", "make", "patch", "rsync", "xz-utils", "libelf-dev", "libssl-dev", "dwarves",
         "kmod", "debian-archive-keyring")
    config, patch = KERNELS[name]
    log = BUILD / "logs" / f"kernel-{name}.log"
    log.unlink(missing_ok=True)
    say(f"kernel {name}: fetching its source from {SUITE}")
    tree = source_tree(work, log)
    apply_patch(patch, tree, log)
    configure(tree, config, log)
    say(f"kernel {name}: building (half an hour to a whole one on two processors; log: {log})")
    run(["nice", "-n", "5", "make", "-C", str(tree), f"-j{os.cpu_count()}", "bzImage", "modules"], log)
    run(["make", "-C", str(tree), "modules_install", f"INSTALL_MOD_PATH={work}", "INSTALL_MOD_STRIP=1"], log)
    (modules,) = (work / "lib/modules").iterdir()
    for link in ("build", "source"):
        (modules / link).unlink(missing_ok=True)
    shutil.copy2(tree / "arch/x86/boot/bzImage", work / "vmlinuz")
    (work / "release").write_text(modules.name)
    run(["make", "-C", str(tree), "run-command",
         f"KBUILD_RUN_COMMAND=$(srctree)/scripts/package/install-extmod-build {work}/build"], log)
    shutil.rmtree(tree)
