# SPDX-License-Identifier: LGPL-2.1-or-later
"""The disks of the lab, made of Debian packages."""

import shutil

import arm64
import cache
from common import BUILD, digest, need, run, say, source
from kernels import KERNELS, kernel
from packages import sources

# name: its suite, and the source packages that come from the backports of that
IMAGES = {
    "bookworm": ("bookworm", ""),
    "trixie": ("trixie", ""),
    "trixie-bpo": ("trixie", "src:libvirt src:qemu src:seabios"),
}

OF_CHECK = ("bookworm", "trixie")  # of `make check`; the others are for `make check-all` only

PACKAGES = """
    systemd systemd-sysv udev dbus apparmor kmod pciutils iproute2 procps jq strace python3-minimal
    libvirt-daemon-system libvirt-clients qemu-system-x86 seabios
    libsystemd0 libudev1 libinih1 libjson-c5 libxml2 libkmod2 libsmartcols1 libelf1 libbpf1 libvirt0 libarchive13
    dkms gcc libc6-dev make pahole driverctl iputils-ping e2fsprogs
""".split()

# What no scenario needs, and what a boot would wait for.
MASKED = """
    serial-getty@ttyS0.service getty@tty1.service systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer
    dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer man-db.timer libvirt-guests.service
    systemd-networkd-wait-online.service ModemManager.service systemd-binfmt.service ldconfig.service
    systemd-journal-catalog-update.service systemd-journal-flush.service systemd-random-seed.service
    systemd-update-done.service systemd-update-utmp.service systemd-sysusers.service systemd-user-sessions.service
    systemd-udev-load-credentials.service systemd-remount-fs.service systemd-modules-load.service
    sys-fs-fuse-connections.mount sys-kernel-config.mount dev-mqueue.mount proc-sys-fs-binfmt_misc.automount
    modprobe@fuse.service modprobe@configfs.service
    modprobe@drm.service modprobe@efi_pstore.service modprobe@loop.service modprobe@dm_mod.service
""".split()


def image(name):
    """The folder of one image: root (the tree, with compiler and headers for dkms) and disk.img."""
    if name == arm64.IMAGE:
        return arm64.image()
    kernels = {k: kernel(k) for k in KERNELS}
    key = digest(str(PACKAGES), str(MASKED), str(IMAGES[name]), source(build_image, configure),
                 *(p.name for p in kernels.values()))
    return cache.get(f"image-{name}", key, lambda work: build_image(name, kernels, work))


def btrfs_pair():
    """The folder with a.img.gz and b.img.gz, the two disks of one Btrfs, which no tool in an image can make. Its data is
    there only once, so it cannot do without either of them."""
    return cache.get("btrfs-pair", digest(source(build_btrfs_pair)), build_btrfs_pair)


def build_btrfs_pair(work):
    need("btrfs-progs")
    disks = [work / f"{name}.img" for name in "ab"]
    for path in disks:
        with open(path, "wb") as f:
            f.truncate(32 << 20)
    run(["mkfs.btrfs", "-q", "-M", "-m", "single", "-d", "single", *map(str, disks)], BUILD / "logs" / "btrfs-pair.log")
    run(["gzip", "-9", *map(str, disks)])


def build_image(name, kernels, work):
    need("mmdebstrap", "e2fsprogs", "debian-archive-keyring")
    log = BUILD / "logs" / f"image-{name}.log"
    log.unlink(missing_ok=True)
    root = work / "root"
    suite, backported = IMAGES[name]
    backports = f"{suite}-backports"
    preferences = work / "preferences"
    preferences.write_text(f"Package: {backported}\nPin: release n={backports}\nPin-Priority: 990\n" if backported else "")
    say(f"image {name}: installing packages (one to three minutes; log: {log})")
    # In a mount namespace of its own: were it killed, its mounts would stay, and deleting the tree follow them.
    run(["unshare", "-m", "mmdebstrap", "--variant=minbase", "--aptopt=Acquire::Check-Valid-Until \"false\"",
         f"--setup-hook=cp {preferences} \"$1/etc/apt/preferences.d/lab\"",
         f"--include={','.join(PACKAGES)}", f"--customize-hook=chroot \"$1\" systemctl mask {' '.join(MASKED)}",
         suite, str(root), *sources(suite, backports)], log)
    for k, path in kernels.items():
        run(["cp", "-a", f"{path}/lib", str(root / "usr")], log)
        if KERNELS[k][1] == suite:
            run(["cp", "-a", f"{path}/headers/.", str(root / "usr")], log)
    configure(root)
    say(f"image {name}: writing the disk")
    run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", str(root), str(work / "disk.img"), "5G"], log)


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
    # Whatever systemd reads of itself it would have these ask first, at a boot and at every daemon-reload.
    for generator in (root / "usr/lib/systemd/system-generators").iterdir():
        generator.unlink()
    # udev looks only at devices that scenarios see: hundreds of drivers, modules, terminals and blocks of memory cost as
    # much as those.
    seen = "pci block net nvme* virtio iommu vfio* misc mem rtc"
    trigger = root / "etc/systemd/system/systemd-udev-trigger.service.d/lab.conf"
    trigger.parent.mkdir()
    trigger.write_text("[Service]\nExecStart=\nExecStart=-udevadm trigger --type=devices --action=add "
                       + " ".join(f"--subsystem-match={s}" for s in seen.split()) + "\n")
    # Of each guest that starts libvirt asks QEMU 464 times what its CPU can do, of which nothing here depends.
    with open(root / "etc/libvirt/qemu.conf", "a") as f:
        f.write('capability_filters = [ "cpu-unavailable-features" ]\n')
    # A guest's profile is compiled five times for a start: without the costliest step, which only makes it smaller.
    with open(root / "etc/apparmor/parser.conf", "a") as f:
        f.write("Optimize=no-expr-simplify\n")
    # The journal stays in memory: the agent copies what is of use.
    shutil.rmtree(root / "var/log/journal", ignore_errors=True)
    (root / "lab").mkdir()
