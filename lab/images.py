# SPDX-License-Identifier: LGPL-2.1-or-later
"""The disks and kernels of the lab, made of Debian packages."""

import gzip
import inspect
import lzma
import re
import shutil
import subprocess
from pathlib import Path

import debug_kernel
from common import BUILD, LAB, Cached, LabError, building, digest, need, run, say

# name: suite with the kernel, the image whose compiler and headers fit it
KERNELS = {
    "6.1": ("bookworm", "bookworm"),
    "6.12-bpo": ("bookworm-backports", "bookworm"),
    "6.12": ("trixie", "trixie"),
    "7.3": ("trixie-backports", "trixie"),
}

IMAGES = ("bookworm", "trixie")

PACKAGES = """
    systemd systemd-sysv udev dbus apparmor kmod pciutils iproute2 procps jq strace python3-minimal busctl
    libvirt-daemon-system libvirt-clients qemu-system-x86 seabios
    libsystemd0 libudev1 libinih1 libjson-c5 libxml2 libkmod2 libsmartcols1 libelf1 libbpf1 libvirt0 libarchive13
    dkms gcc libc6-dev make pahole driverctl iputils-ping e2fsprogs
""".replace("busctl", "").split()

# What no scenario needs, and what a boot would wait for.
MASKED = """
    serial-getty@ttyS0.service getty@tty1.service systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer
    dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer man-db.timer libvirt-guests.service
    systemd-networkd-wait-online.service ModemManager.service systemd-binfmt.service ldconfig.service
    systemd-journal-catalog-update.service
    modprobe@drm.service modprobe@efi_pstore.service modprobe@loop.service modprobe@dm_mod.service
""".split()

# Modules nobody loads here; without them an image is a third of the size.
PRUNED = ("drivers/gpu drivers/media drivers/infiniband drivers/staging drivers/iio drivers/isdn drivers/comedi "
          "drivers/net/wireless drivers/net/ethernet/mellanox drivers/usb drivers/hid drivers/scsi drivers/bluetooth "
          "drivers/input drivers/md drivers/mtd drivers/hwmon drivers/net/can drivers/nfc sound net/bluetooth "
          "net/wireless net/mac80211 fs/xfs fs/btrfs fs/ocfs2 fs/gfs2 fs/f2fs fs/ceph").split()

INITRD_MODULES = "virtio_pci virtio_blk ext4 9pnet_virtio 9p".split()


def mirror():
    """The archive that this machine itself installs from."""
    out = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN) $(LABEL)"],
                         check=True, capture_output=True, text=True).stdout
    for line in out.splitlines():
        uri, _, rest = line.partition(" ")
        if rest == "Debian Debian":
            return uri.rstrip("/")
    raise LabError("apt has no Debian archive configured here (apt-get update?)")


def source(*functions):
    """The text of functions: what they build is built anew when they change."""
    return "".join(inspect.getsource(f) for f in functions)


def sources(*suites):
    return [f"deb {mirror()} {suite} main" for suite in suites]


def fetch_packages(suite, packages, into, log, names="linux-(?:image|binary|modules|headers|kbuild|base-)"):
    """Downloads packages and those they depend on, as far as their names begin so, and unpacks them into x. Uses an apt of
    its own, so that nothing of this machine's suites matters."""
    apt = into / "apt"
    for d in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/lib/apt/lists/partial", "var/lib/dpkg",
              "var/cache/apt/archives/partial"):
        (apt / d).mkdir(parents=True)
    (apt / "var/lib/dpkg/status").touch()
    base = suite.removesuffix("-backports")
    (apt / "etc/apt/sources.list").write_text("\n".join(sources(*{base, suite})) + "\n")
    options = ["-o", f"Dir={apt}", "-o", f"Dir::State::status={apt}/var/lib/dpkg/status",
               "-o", "Acquire::Check-Valid-Until=false", "-o", "APT::Architecture=amd64",
               "-o", "Dir::Etc::trustedparts=/etc/apt/trusted.gpg.d", "-o", "APT::Sandbox::User=root",
               "-o", "Dir::Etc::trusted=/usr/share/keyrings/debian-archive-keyring.gpg"]
    run(["apt-get", *options, "update"], log)
    out = subprocess.run(["apt-get", *options, "-y", "--no-install-recommends", "-t", suite, "--print-uris", "install",
                          *packages], check=True, capture_output=True, text=True).stdout
    wanted = []
    for name, version in re.findall(rf"^'\S+' ({names}[^_]*)_([^_]+)_", out, re.M):
        wanted.append(f"{name}={version.replace('%3a', ':')}")
    run(["apt-get", *options, "download", *wanted], log, cwd=into)
    for deb in into.glob("*.deb"):
        run(["dpkg", "-x", str(deb), str(into / "x")], log)
        deb.unlink()
    shutil.rmtree(apt)


def read_module(path):
    data = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(data)
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-qdc", str(path)], check=True, capture_output=True).stdout
    return data


def build_initrd(modules, target):
    """busybox and the few modules on the way to the root disk; lab/init does the rest."""
    depends, order = {}, []
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        depends[Path(path).name.split(".")[0].replace("-", "_")] = (path, rest.split())

    def add(name):
        path, rest = depends.get(name, (None, []))
        for p in rest:
            add(Path(p).name.split(".")[0].replace("-", "_"))
        if path and path not in order:
            order.append(path)

    # ext4 and 9p find these by name at run time.
    for name in ("crc32c_generic", "crc32c_intel", "libcrc32c", *INITRD_MODULES):
        add(name)
    tree = target.with_suffix(".tree")
    for d in ("bin", "modules", "proc", "sys", "dev", "root"):
        (tree / d).mkdir(parents=True)
    shutil.copy2("/bin/busybox", tree / "bin/busybox")
    shutil.copy2(LAB / "init", tree / "init")
    names = []
    for path in order:
        name = Path(path).name.split(".ko")[0] + ".ko"
        (tree / "modules" / name).write_bytes(read_module(modules / path))
        names.append(name)
    (tree / "modules/order").write_text("\n".join(names) + "\n")
    find = subprocess.run(["find", "."], cwd=tree, check=True, capture_output=True).stdout
    cpio = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"], cwd=tree, input=find, check=True,
                          capture_output=True).stdout
    target.write_bytes(gzip.compress(cpio, 1))
    shutil.rmtree(tree)


def kernel(name):
    """The folder of one kernel: vmlinuz, initrd, release, and its modules in lib/modules/RELEASE."""
    return debug_kernel.kernel() if name == debug_kernel.NAME else packaged_kernel(name)


@building()
def packaged_kernel(name):
    suite, _ = KERNELS[name]
    cached = Cached(BUILD / "kernels" / name, digest(suite, LAB / "init", str(PRUNED), str(INITRD_MODULES),
                                                           source(fetch_packages, build_initrd, packaged_kernel)))
    if cached.is_current():
        return cached.path
    need("busybox-static", "cpio", "kmod", "zstd", "xz-utils", "debian-archive-keyring")
    say(f"kernel {name}: fetching from {suite}")
    log = BUILD / "logs" / f"kernel-{name}.log"
    with cached as work:
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
        build_initrd(target, work / "initrd")
    return cached.path


def release_of(name):
    return (kernel(name) / "release").read_text()


@building()
def image(name):
    """The folder of one image: root (the tree, with compiler and headers for dkms) and disk.img."""
    kernels = {k: kernel(k) for k in KERNELS}
    cached = Cached(BUILD / "images" / name, digest(
        str(PACKAGES), str(MASKED), source(image, configure), *((p / ".key").read_text() for p in kernels.values()),
        *((p / "release").read_text() for p in kernels.values())))
    if cached.is_current():
        return cached.path
    need("mmdebstrap", "e2fsprogs", "debian-archive-keyring")
    log = BUILD / "logs" / f"image-{name}.log"
    log.unlink(missing_ok=True)
    with cached as work:
        root = work / "root"
        say(f"image {name}: installing packages (one to three minutes; log: {log})")
        # In a mount namespace of its own: were it killed, its mounts would stay, and deleting the tree follow them.
        run(["unshare", "-m", "mmdebstrap", "--variant=minbase", "--aptopt=Acquire::Check-Valid-Until \"false\"",
             f"--include={','.join(PACKAGES)}", 
             f"--customize-hook=chroot \"$1\" systemctl mask {' '.join(MASKED)}",
             name, str(root), *sources(name, f"{name}-backports")], log)
        for k, path in kernels.items():
            run(["cp", "-a", f"{path}/lib", str(root / "usr")], log)
            if KERNELS[k][1] == name:
                run(["cp", "-a", f"{path}/headers/.", str(root / "usr")], log)
        configure(root)
        say(f"image {name}: writing the disk")
        run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", str(root), str(work / "disk.img"), "5G"], log)
    return cached.path


def configure(root):
    (root / "etc/hostname").write_text("lab\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 lab\n")
    # AppArmor compiles its profiles at each boot, and trixie has a hundred: only those of libvirt are looked at here.
    for profile in (root / "etc/apparmor.d").iterdir():
        if profile.is_file() and "libvirt" not in profile.name and "virt-aa" not in profile.name:
            profile.unlink()
    # libvirt starts every emulator once to learn what it can do: one is enough.
    for other in (root / "usr/bin").glob("qemu-system-*"):
        if other.name != "qemu-system-x86_64":
            other.unlink()
    (root / "etc/fstab").write_text("/dev/vda / ext4 rw,noatime 0 0\n")
    (root / "etc/machine-id").write_text("6c616200000000000000000000000001\n")
    unit = root / "etc/systemd/system/lab.service"
    unit.write_text("[Unit]\nDescription=Scenarios of the lab\nAfter=multi-user.target\n"
                    "[Service]\nType=exec\nExecStart=/lab/agent\n[Install]\nWantedBy=multi-user.target\n")
    run(["systemctl", f"--root={root}", "-q", "enable", "lab.service"])
    (root / "lab").mkdir()


@building()
def module(name):
    """The lib/modules of one kernel with vfio_align in it, and the index anew; None where dkms leaves the kernel
    out, as it must where the kernel has no huge entries for VFIO."""
    if name == debug_kernel.NAME:
        return debug_kernel.module()
    dkms = LAB.parent / "dkms"
    _, home = KERNELS[name]
    root, release = image(home) / "root", release_of(name)
    cached = Cached(BUILD / "modules" / name, digest(dkms, release, (kernel(name) / ".key").read_text(),
                                                            source(module, add_module)))
    if cached.is_current():
        return None if (cached.path / "excluded").exists() else cached.path
    say(f"kernel {name}: building vfio_align with dkms")
    conf = dict(re.findall(r'^(PACKAGE_\w+)="(.*)"', (dkms / "dkms.conf").read_text(), re.M))
    package, version = conf["PACKAGE_NAME"], conf["PACKAGE_VERSION"]
    log = BUILD / "logs" / f"module-{name}.log"
    log.unlink(missing_ok=True)
    with cached as work:
        code = root / "usr/src" / f"{package}-{version}"
        shutil.rmtree(code, ignore_errors=True)
        shutil.copytree(dkms, code)
        result = root / "var/lib/dkms" / package
        shutil.rmtree(result, ignore_errors=True)
        # objtool of a 7.x kernel reads /proc.
        script = (f"mount -t proc proc /proc && dkms add -m {package} -v {version} && "
                  f"dkms build -m {package} -v {version} -k {release}; r=$?; umount /proc; exit $r")
        with open(log, "ab") as out:
            r = subprocess.run(["unshare", "-m", "chroot", str(root), "sh", "-c", script], stdout=out, stderr=out)
        text = log.read_text()
        makelog = "".join(p.read_text() for p in result.rglob("make.log"))
        if "BUILD_EXCLUSIVE" in text:
            (work / "excluded").write_text(text)
        elif r.returncode != 0 or re.search(r"\bwarning:", makelog, re.I):
            raise LabError(f"dkms did not build cleanly for {release}:\n{text}\n{makelog}")
        else:
            add_module(name, release, next(result.rglob(f"{release}/*/module/vfio_align.ko*")), work)
    return None if (cached.path / "excluded").exists() else cached.path


def add_module(name, release, built, work):
    stage = work / "stage"
    stage.mkdir()
    run(["cp", "-al", str(kernel(name) / "lib"), str(stage)])
    tree = stage / "lib/modules" / release
    for index in tree.glob("modules.*"):
        if index.name not in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
            index.unlink() # a hard link: depmod must not write through it
    (tree / "updates/dkms").mkdir(parents=True)
    shutil.copy2(built, tree / "updates/dkms")
    run(["depmod", "-b", str(stage), release])
    target = work / "usr/lib/modules" / release
    target.mkdir(parents=True)
    for p in (*tree.glob("modules.*"), tree / "updates"):
        run(["cp", "-a", str(p), str(target)])
    shutil.rmtree(stage)


@building()
def tool_modules(name):
    """The folder with each lab/tools/NAME/, a kernel module that scenarios use, built for one kernel."""
    if name == debug_kernel.NAME:
        return debug_kernel.tool_modules()
    root, release = image(KERNELS[name][1]) / "root", release_of(name)
    folders = sorted(p for p in (LAB / "tools").iterdir() if p.is_dir())
    cached = Cached(BUILD / "tool-modules" / name, digest(*folders, release, (kernel(name) / ".key").read_text(),
                                                          source(tool_modules)))
    if cached.is_current():
        return cached.path
    log = BUILD / "logs" / f"tool-modules-{name}.log"
    with cached as work:
        for folder in folders:
            code = root / "usr/src" / folder.name
            shutil.rmtree(code, ignore_errors=True)
            shutil.copytree(folder, code)
            # objtool of a 7.x kernel reads /proc.
            make = f"make -C /lib/modules/{release}/build M=/usr/src/{folder.name} modules"
            script = f"mount -t proc proc /proc && {make}"
            run(["unshare", "-m", "chroot", str(root), "sh", "-c", script], log)
            for built in code.glob("*.ko"):
                shutil.copy2(built, work)
            shutil.rmtree(code)
    return cached.path
