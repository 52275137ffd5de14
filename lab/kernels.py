# SPDX-License-Identifier: LGPL-2.1-or-later
"""The kernels of the lab."""

import shutil

import cache
import debug_kernel
from common import BUILD, digest, need, run, say, source
from packages import fetch_packages

# name: suite with the kernel, the image whose compiler and headers fit it
KERNELS = {
    "6.1": ("bookworm", "bookworm"),
    "6.12-bpo": ("bookworm-backports", "bookworm"),
    "6.12": ("trixie", "trixie"),
    "7.3": ("trixie-backports", "trixie"),
}

# Modules nobody loads here; without them an image is a third of the size.
PRUNED = ("drivers/gpu drivers/media drivers/infiniband drivers/staging drivers/iio drivers/isdn drivers/comedi "
          "drivers/net/wireless drivers/net/ethernet/mellanox drivers/usb drivers/hid drivers/scsi drivers/bluetooth "
          "drivers/input drivers/md drivers/mtd drivers/hwmon drivers/net/can drivers/nfc sound net/bluetooth "
          "net/wireless net/mac80211 drivers/ata fs/xfs fs/btrfs fs/ocfs2 fs/gfs2 fs/f2fs fs/ceph").split()


def kernel(name):
    """The folder of one kernel: vmlinuz, release, and its modules in lib/modules/RELEASE."""
    return debug_kernel.kernel() if name == debug_kernel.NAME else packaged_kernel(name)


def packaged_kernel(name):
    suite, _ = KERNELS[name]
    key = digest(suite, str(PRUNED), source(fetch_packages, build_packaged_kernel))
    return cache.get(f"kernel-{name}", key, lambda work: build_packaged_kernel(name, suite, work))


def build_packaged_kernel(name, suite, work):
    need("kmod", "xz-utils", "debian-archive-keyring")
    say(f"kernel {name}: fetching from {suite}")
    log = BUILD / "logs" / f"kernel-{name}.log"
    fetch_packages(suite, ["linux-image-amd64", "linux-headers-amd64"], work, log)
    (modules,) = {p.parent for p in (work / "x").glob("**/lib/modules/*/kernel")}
    release = modules.name
    (vmlinuz,) = {p.resolve() for p in (work / "x").rglob("vmlinuz*") if p.is_file() and not p.is_symlink()}
    target = work / "lib/modules" / release
    target.parent.mkdir(parents=True)
    modules.rename(target)
    for p in PRUNED:
        shutil.rmtree(target / "kernel" / p, ignore_errors=True)
    if vmlinuz.is_relative_to(modules):
        vmlinuz = target / vmlinuz.relative_to(modules)
    vmlinuz.rename(work / "vmlinuz")
    # Headers and kbuild, laid out for a merged /usr. Their packages would draw the kernel's own into an image.
    (work / "headers").mkdir()
    run(["cp", "-a", f"{work}/x/usr/src", f"{work}/x/usr/lib", str(work / "headers")], log)
    if (work / "x/lib").is_dir():
        run(["cp", "-a", f"{work}/x/lib", str(work / "headers")], log)
    shutil.rmtree(work / "x")
    run(["depmod", "-b", str(work), release], log)
    (work / "release").write_text(release)


def release_of(name):
    return (kernel(name) / "release").read_text()


def home_of(name):
    """The image that a kernel was built with."""
    return "trixie" if name == debug_kernel.NAME else KERNELS[name][1]
