# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hosts of arm64: Debian's kernels, a root file system of unpacked packages without systemd, and what this machine needs to
build for them and to emulate them. For `make check-all` only."""

import shutil

import cache
from common import BUILD, digest, need, run, say, source
from initrd import load_order
from packages import fetch_packages, sources

IMAGE = "trixie-arm64"
SUITE = "trixie"

# name: suite with the kernel, and its flavour
KERNELS = {
    "6.12-arm64": ("trixie", "arm64"),
    "7.3-arm64": ("trixie-backports", "arm64"),
    "7.3-arm64-16k": ("trixie-backports", "arm64-16k"),
}

# What builds for arm64, and the emulator. qemu-user runs the programs that the build itself uses.
CROSS = """
    gcc libc6-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross pkgconf meson ninja-build make kmod pahole qemu-user
    qemu-system-arm
""".split()
LIBRARIES = """
    libc6-dev libsystemd-dev libudev-dev libinih-dev libjson-c-dev libxml2-dev libkmod-dev libsmartcols-dev libelf-dev
    libbpf-dev libvirt-dev libarchive-dev
""".split()

# What a host has. No maintainer script runs, which would need its processor.
PACKAGES = """
    base-files base-passwd bash dash coreutils util-linux mount kmod jq python3-minimal procps pciutils grep sed mawk findutils
    gzip xz-utils libc-bin busybox-static qemu-system-arm libsystemd0 libudev1 libinih1 libjson-c5 libxml2 libkmod2
    libsmartcols1 libelf1t64 libbpf1 libvirt0 libarchive13t64
""".split()

MODULES = """
    virtio_blk ext4 9pnet_virtio 9p crc32c_generic vfio_pci vfio_iommu_type1 vfio_iommu_spapr_tce e1000e nvme
""".split()


def tree(name, work, variant, architectures, packages):
    need("mmdebstrap", "debian-archive-keyring")
    say(f"{name}: installing packages (a minute)")
    log = BUILD / "logs" / f"{name}.log"
    log.unlink(missing_ok=True)
    # In a mount namespace of its own: were it killed, its mounts would stay, and deleting the tree follow them.
    run(["unshare", "-m", "mmdebstrap", f"--variant={variant}", f"--architectures={architectures}",
         "--aptopt=Acquire::Check-Valid-Until \"false\"", "--aptopt=APT::Install-Recommends \"false\"",
         f"--include={','.join(packages)}", SUITE, str(work / "root"), *sources(SUITE, f"{SUITE}-backports")], log)


CROSS_FILE = """[binaries]
c = 'aarch64-linux-gnu-gcc'
ar = 'aarch64-linux-gnu-ar'
strip = 'aarch64-linux-gnu-strip'
pkg-config = 'pkg-config'
exe_wrapper = 'qemu-aarch64'
[properties]
pkg_config_libdir = ['/usr/lib/aarch64-linux-gnu/pkgconfig', '/usr/share/pkgconfig']
[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'aarch64'
endian = 'little'
"""


def cross():
    """The tree of a Debian that builds for arm64 and emulates it; /aarch64.ini is its file for Meson."""
    packages = CROSS + [f"{p}:arm64" for p in LIBRARIES]

    def build(work):
        tree("cross-arm64", work, "minbase", "amd64,arm64", packages)
        (work / "root/aarch64.ini").write_text(CROSS_FILE)
    return cache.get("cross-arm64", digest(str(packages), CROSS_FILE, source(tree)), build) / "root"


def emulator():
    root = cross()
    libraries = f"{root}/usr/lib/x86_64-linux-gnu"
    return (f"{root}/lib64/ld-linux-x86-64.so.2 --library-path {libraries} "
            f"{root}/usr/bin/qemu-system-aarch64 -L {root}/usr/share/qemu")


def kernel(name):
    """As kernels.kernel()."""
    suite, flavour = KERNELS[name]
    key = digest(suite, flavour, str(MODULES), source(fetch_packages, build_kernel))
    return cache.get(f"kernel-{name}", key, lambda work: build_kernel(name, suite, flavour, work))


def build_kernel(name, suite, flavour, work):
    need("kmod", "xz-utils", "debian-archive-keyring")
    say(f"kernel {name}: fetching from {suite}")
    log = BUILD / "logs" / f"kernel-{name}.log"
    fetch_packages(suite, [f"linux-image-{flavour}", f"linux-headers-{flavour}"], work, log, architecture="arm64")
    (modules,) = {p.parent for p in (work / "x").glob("**/lib/modules/*/kernel")}
    (vmlinuz,) = {p.resolve() for p in (work / "x").rglob("vmlinuz*") if p.is_file() and not p.is_symlink()}
    target = work / "lib/modules" / modules.name
    target.parent.mkdir(parents=True)
    shutil.copy2(vmlinuz, work / "vmlinuz")
    modules.rename(target)
    run(["depmod", "-b", str(work), modules.name], log)
    keep_modules(target)
    # The programs of kbuild run here.
    (kbuild,) = {p.name for p in (work / "x/usr/lib").glob("linux-kbuild-*")}
    shutil.rmtree(work / "x/usr/lib" / kbuild)
    fetch_packages(suite, [kbuild], work, log, names="linux-kbuild")
    (work / "headers/usr/lib").mkdir(parents=True)
    (work / "x/usr/src").rename(work / "headers/usr/src")
    (work / "x/usr/lib" / kbuild).rename(work / "headers/usr/lib" / kbuild)
    shutil.rmtree(work / "x")
    run(["depmod", "-b", str(work), modules.name], log)
    (work / "release").write_text(modules.name)


def keep_modules(folder):
    """Removes all modules but MODULES and those that they need."""
    needed = set(load_order(folder, MODULES))
    for path in (folder / "kernel").rglob("*.ko*"):
        if path not in needed:
            path.unlink()


def image():
    """The folder of the image: root, and disk.img."""
    kernels = {name: kernel(name) for name in KERNELS}
    key = digest(str(PACKAGES), source(tree, build_image, configure), *(p.name for p in kernels.values()))
    return cache.get(f"image-{IMAGE}", key, lambda work: build_image(kernels, work))


def build_image(kernels, work):
    need("e2fsprogs")
    tree(f"image-{IMAGE}", work, "extract", "arm64", PACKAGES)
    root = work / "root"
    log = BUILD / "logs" / f"image-{IMAGE}.log"
    for path in kernels.values():
        run(["cp", "-a", f"{path}/lib", str(root / "usr")], log)
    configure(root)
    run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", str(root), str(work / "disk.img"), "2G"], log)


def configure(root):
    """What maintainer scripts would have done, as far as scenarios need it."""
    for name in ("passwd", "group"):
        shutil.copy2(root / "usr/share/base-passwd" / f"{name}.master", root / "etc" / name)
    (root / "usr/bin/awk").symlink_to("mawk")
    # Scenarios stop our daemon before they measure, and start it again. It does not run here.
    (root / "usr/bin/systemctl").write_text("#!/bin/sh\nexit 0\n")
    (root / "usr/bin/systemctl").chmod(0o755)
    (root / "lab").mkdir()
