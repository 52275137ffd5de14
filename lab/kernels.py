# SPDX-License-Identifier: LGPL-2.1-or-later
"""The kernels of the lab."""

import shutil
import subprocess

import cache
import debug_kernel
from common import BUILD, LabError, digest, need, run, say, source
from initrd import load_order, read_module
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

# Pruned modules that a scenario with `# modules: yes` has nevertheless, together with all that they need.
EXTRA = "btrfs raid1 dm_crypt dm_multipath dm_round_robin bochs usbcore".split()


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


def extra_modules(name):
    """The folder with EXTRA of one kernel, and in NAME.order the files that have to be loaded for each of them, in their
    order. They are an entry of their own because a change of the kernel's would rebuild all images."""
    key = digest(kernel(name).name, str(EXTRA), source(fetch_packages, build_extra_modules, load_order))
    return cache.get(f"modules-{name}", key, lambda work: build_extra_modules(name, work))


def build_extra_modules(name, work):
    need("kmod", "xz-utils", "debian-archive-keyring")
    release = release_of(name)
    suite, _ = KERNELS[name]
    say(f"kernel {name}: fetching more of its modules from {suite}")
    log = BUILD / "logs" / f"modules-{name}.log"
    try:
        fetch_packages(suite, [f"linux-image-{release}"], work, log)
    except subprocess.CalledProcessError as e:
        raise LabError(f"{suite} has no linux-image-{release} any more, from which kernel {name} was made. Remove "
                       f"{kernel(name)} to have the newest one.") from e
    (modules,) = {p.parent for p in (work / "x").glob("**/lib/modules/*/kernel")}
    if not (work / "x/lib").exists():
        (work / "x/lib").symlink_to("usr/lib")
    run(["depmod", "-b", str(work / "x"), release], log)
    for wanted in EXTRA:
        files = []
        for path in load_order(modules, [wanted]):
            files.append(path.name.split(".ko")[0] + ".ko")
            (work / files[-1]).write_bytes(read_module(path))
        (work / f"{wanted}.order").write_text("".join(f"{f}\n" for f in files))
    shutil.rmtree(work / "x")


def release_of(name):
    return (kernel(name) / "release").read_text()


def home_of(name):
    """The image that a kernel was built with."""
    return "trixie" if name == debug_kernel.NAME else KERNELS[name][1]
