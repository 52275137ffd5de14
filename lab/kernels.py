# SPDX-License-Identifier: LGPL-2.1-or-later
"""The kernels of the lab."""

import shutil
import subprocess

import arm64
import cache
import source_kernel
from common import BUILD, LabError, digest, need, run, say, source
from initrd import INITRD_MODULES, load_order, read_module
from packages import fetch_from_pool, fetch_packages

# name: suite with the kernel, the image whose compiler and headers fit it. Every image has the modules of all of these.
KERNELS = {
    "6.1": ("bookworm", "bookworm"),
    "6.12-bpo": ("bookworm-backports", "bookworm"),
    "6.12": ("trixie-security", "trixie"),
    "7.3": ("trixie-backports", "trixie"),
}

# Kernels of `make check-all` only: no image has their modules, so a machine gets those of NEEDED with the code under test.
# Either a suite and the flavour of its kernel, or files of the archive's pool, which no index has all any more, and their
# SHA-256.
BESIDE = {
    "7.0": {
        "l/linux-signed-amd64/linux-binary-7.0.13+deb13-amd64_7.0.13-1~bpo13+1_amd64.deb":
            "108e1c0e8e36a5cb13d62fc3f03c05f23448b7801657553c6e9880591c4f97d3",
        "l/linux/linux-modules-7.0.13+deb13-amd64_7.0.13-1~bpo13+1_amd64.deb":
            "787ac652f5fac4805092ed951a6ae617d448684f5f399659f0e5dcfa544fabf4",
        "l/linux/linux-headers-7.0.13+deb13-amd64_7.0.13-1~bpo13+1_amd64.deb":
            "5010f3c012ca6f9705bab59dbd47006422753be0aad2b016b96377841009b38d",
        "l/linux/linux-headers-7.0.13+deb13-common_7.0.13-1~bpo13+1_all.deb":
            "792c522ae61a5a5a1c78c161b80fbd61fe7f4e49ff3de2363e39ac77d7518616",
        "l/linux/linux-kbuild-7.0.13+deb13_7.0.13-1~bpo13+1_amd64.deb":
            "7e8b3b17d5c6d3e232e0b31c18fd781ca21f79e45eca5afd5644c55d02c15429",
    },
    "7.3-rt": ("trixie-backports", "rt-amd64"),
}

# Kernels of KERNELS with the modules of VFIO built again from source, as modules.vfio() does: with its character devices
# for iommufd, and with a patch of lab/patches. For `make check-all` only, too.
REBUILT = {
    "next": ("7.3", None),
    "next-seed": ("7.3", "seed.patch"),
}

NAMES = (*KERNELS, *BESIDE, *REBUILT, *arm64.KERNELS, *source_kernel.KERNELS)

# What a machine loads of the modules of such a kernel, together with all that they need.
NEEDED = [*INITRD_MODULES, *"""
    vfio_pci vfio_iommu_type1 iommufd mdev e1000e e1000 nvme autofs4 fuse configfs loop bridge tun vhost_net virtio_rng
    crc32c_generic crc32c_intel libcrc32c
""".split()]

# Modules nobody loads here; without them an image is a third of the size.
PRUNED = ("drivers/gpu drivers/media drivers/infiniband drivers/staging drivers/iio drivers/isdn drivers/comedi "
          "drivers/net/wireless drivers/net/ethernet/mellanox drivers/usb drivers/hid drivers/scsi drivers/bluetooth "
          "drivers/input drivers/md drivers/mtd drivers/hwmon drivers/net/can drivers/nfc sound net/bluetooth "
          "net/wireless net/mac80211 drivers/ata fs/xfs fs/btrfs fs/ocfs2 fs/gfs2 fs/f2fs fs/ceph").split()

# Pruned modules that a scenario with `# modules: yes` has nevertheless, together with all that they need.
EXTRA = "btrfs raid1 dm_crypt dm_multipath dm_round_robin bochs usbcore".split()


def kernel(name):
    """The folder of one kernel: vmlinuz, release, and its modules in lib/modules/RELEASE."""
    if name in arm64.KERNELS:
        return arm64.kernel(name)
    if name in source_kernel.KERNELS:
        return source_kernel.kernel(name)
    if name in REBUILT:
        return kernel(REBUILT[name][0])
    if name in BESIDE:
        key = digest(str(BESIDE[name]), str(NEEDED), str(PRUNED),
                     source(fetch_packages, fetch_from_pool, lay_out, build_kernel_beside))
        return cache.get(f"kernel-{name}", key, lambda work: build_kernel_beside(name, work))
    suite, _ = KERNELS[name]
    key = digest(suite, str(PRUNED), source(fetch_packages, lay_out, build_packaged_kernel))
    return cache.get(f"kernel-{name}", key, lambda work: build_packaged_kernel(name, suite, work))


TOOLS = ("kmod", "xz-utils", "debian-archive-keyring")


def packages_of(flavour):
    return [f"linux-image-{flavour}", f"linux-headers-{flavour}"]


def build_packaged_kernel(name, suite, work):
    need(*TOOLS)
    say(f"kernel {name}: fetching from {suite}")
    log = BUILD / "logs" / f"kernel-{name}.log"
    fetch_packages(suite, packages_of("amd64"), work, log)
    lay_out(work, log)


def build_kernel_beside(name, work):
    need(*TOOLS)
    say(f"kernel {name}: fetching")
    log = BUILD / "logs" / f"kernel-{name}.log"
    if isinstance(BESIDE[name], dict):
        fetch_from_pool(BESIDE[name], work, log)
    else:
        suite, flavour = BESIDE[name]
        fetch_packages(suite, packages_of(flavour), work, log)
    modules = lay_out(work, log)
    needed = set(load_order(modules, NEEDED))
    for path in modules.rglob("*.ko*"):
        if path not in needed:
            path.unlink()
    run(["depmod", "-b", str(work), modules.name], log)


def lay_out(work, log):
    """Makes of the packages that are unpacked in x a kernel as kernel() has it, with headers and kbuild in headers, as on
    a merged /usr: their packages would draw the kernel's own into an image. Returns the folder of its modules."""
    (modules,) = {p.parent for p in (work / "x").glob("**/lib/modules/*/kernel")}
    release = modules.name
    (vmlinuz,) = {p.resolve() for p in (work / "x").rglob("vmlinuz*") if p.is_file() and not p.is_symlink()}
    target = work / "lib/modules" / release
    target.parent.mkdir(parents=True)
    modules.rename(target)
    if vmlinuz.is_relative_to(modules):
        vmlinuz = target / vmlinuz.relative_to(modules)
    vmlinuz.rename(work / "vmlinuz")
    (work / "headers").mkdir()
    run(["cp", "-a", f"{work}/x/usr/src", f"{work}/x/usr/lib", str(work / "headers")], log)
    if (work / "x/lib").is_dir():
        run(["cp", "-a", f"{work}/x/lib", str(work / "headers")], log)
    shutil.rmtree(work / "x")
    for p in PRUNED:
        shutil.rmtree(target / "kernel" / p, ignore_errors=True)
    run(["depmod", "-b", str(work), release], log)
    (work / "release").write_text(release)
    return target


def needed_modules(name):
    """The lib/modules of a kernel whose modules the images lack; None for the others."""
    return None if name in (*KERNELS, *REBUILT, *arm64.KERNELS) else kernel(name) / "lib/modules"


def extra_modules(name):
    """The folder with EXTRA of one kernel, and in NAME.order the files that have to be loaded for each of them, in their
    order. They are an entry of their own because a change of the kernel's would rebuild all images."""
    key = digest(kernel(name).name, str(EXTRA), source(fetch_packages, build_extra_modules, load_order))
    return cache.get(f"modules-{name}", key, lambda work: build_extra_modules(name, work))


def build_extra_modules(name, work):
    need(*TOOLS)
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
    """The image whose compiler fits a kernel."""
    if name in arm64.KERNELS:
        return arm64.IMAGE
    return KERNELS[name][1] if name in KERNELS else "trixie"
