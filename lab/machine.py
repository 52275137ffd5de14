# SPDX-License-Identifier: LGPL-2.1-or-later
"""One real host in a virtual machine: an IOMMU, devices of every kind that matters, and a share with the build."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import arm64
import cache
import modules
import product
from common import BUILD, LAB, claim, run, say
from images import btrfs_pair, image
from initrd import initrd
from kernels import extra_modules, kernel, needed_modules, release_of

sys.path.append(str(LAB / "scenarios" / "lib"))
from truth_table import PLACE_PUD

CPUS = 1  # emulated ones can miss what another patches into the kernel, and the kernel then panics; seen twice
MEMORY = "4G"

# A boot may take so many seconds of processor time, 10 to 40 are usual, and so many of the clock: a slow machine is no
# failure, and one that stands still gets no processor time.
BOOT_CPU_SECONDS = 300
BOOT_SECONDS = 3600
DEVICE_SECONDS = 5  # more for each device that a scenario asks for

KVM_SECONDS = 20  # in which a host without systemd boots on a usable KVM; it takes 3

TROUBLE = re.compile(r"Kernel panic|BUG:|Oops|cut here|sysrq: Trigger a crash")

# What stands at which address on the root bus; scenarios get each as $LAB_NAME.
DEVICES = {
    "DISPLAY": "0000:00:04.0",   # bochs-display, a second one besides the boot display
    "BAR_2G": "0000:00:05.0",    # ivshmem: BAR 2 of 2 GiB with memory behind it
    "BAR_256M": "0000:00:06.0",  # pci-testdev: BAR 2 with nothing behind it
    "BAR_4M": "0000:00:07.0",
    "BAR_1M": "0000:00:08.0",
    "NIC": "0000:00:09.0",       # e1000e with its host driver
    "NIC2": "0000:00:0a.0",
    "NVME": "0000:00:0b.0",
    "BRIDGE": "0000:00:0c.0",    # pcie-pci-bridge: what is behind it shares an IOMMU group
    "BAR_4G": "0000:00:0d.0",
    "PATH_A": "0000:00:0e.0",    # two nvme controllers of one subsystem: two paths to one disk
    "PATH_B": "0000:00:0f.0",
    "PF": "0000:00:10.0",        # an nvme controller that can have two virtual functions
    "SHARED_BAR_4M": "0000:01:01.0",
    "SHARED_NIC": "0000:01:02.0",
}

# From here on stand the root ports of a scenario that asks for more devices: as many e1000e, each in an IOMMU group of
# its own, on the buses from 1 on. What stands behind BRIDGE is elsewhere then.
PORTS_SLOT = 0x11


def accelerator():
    """kvm where it really boots a kernel of ours; /dev/kvm can be there and of no use. Tried once in each boot of this
    machine."""
    now = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    known = cache.root() / "accelerator"
    if known.exists() and known.read_text().split()[0] == now:
        return known.read_text().split()[1]
    accel = "tcg"
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        say("trying whether KVM boots an image")
        m = Machine("bookworm", "6.1", "kvm-trial", accel="kvm")
        try:
            m.start(seed="without-systemd")
            m.wait(KVM_SECONDS, until=m.is_booted)
            accel = "kvm" if m.is_booted() else "tcg"
        finally:
            m.stop()
    say(f"virtual machines run on {accel}")
    new = known.with_suffix(f".{os.getpid()}")
    new.write_text(f"{now} {accel}\n")
    new.rename(known)
    return accel


def emulator():
    """QEMU 10.0 as the trixie image has it: Debian 12's own takes a third more processor time for the same boot. It finds
    its libraries and firmware in the image's tree, whatever this host has."""
    root = image("trixie") / "root"
    libraries = f"{root}/usr/lib/x86_64-linux-gnu"
    return (f"{root}/lib64/ld-linux-x86-64.so.2 --library-path {libraries} "
            f"{root}/usr/bin/qemu-system-x86_64 -L {root}/usr/share/qemu -L {root}/usr/share/seabios")


class Machine:
    """accel: for the trial of KVM only, which has nothing of the code under test."""

    def __init__(self, image, kernel, name, accel=None, console=None, devices=0, packages="", cpus=CPUS,
                 modules=False):
        self.image, self.kernel, self.accel, self.devices, self.packages = image, kernel, accel, devices, packages
        self.cpus, self.modules = cpus, modules
        self.name, self.claim = claim(BUILD / "boots", f"{image}-{kernel}-{name}")
        self.share = BUILD / "boots" / self.name
        self.console = BUILD / "logs" / f"console-{self.name}.log"
        self.messages = BUILD / "logs" / f"qemu-{self.name}.log"
        self.interactive = console == "terminal"
        self.scenarios = LAB / "scenarios"
        self.qemu = None
        self.sent = 0

    def is_arm64(self):
        return self.kernel in arm64.KERNELS

    def link_product(self):
        if self.is_arm64():
            run(["cp", "-al", f"{product.arm64_product()}/install/.", str(self.share / "install")])
        else:
            product.link_install(self.share / "install")

    def prepare(self, seed, mode, extra):
        shutil.rmtree(self.share, ignore_errors=True)
        for d in ("out", "install", "scenarios", "choice"):
            (self.share / d).mkdir(parents=True)
        module = None
        if self.accel is None:
            self.link_product()
            module = modules.module(self.kernel)
            run(["cp", "-a", f"{modules.tool_modules(self.kernel)}/.", str(self.share / "tools")])
        (self.share / "install/usr/lib").mkdir(parents=True, exist_ok=True)
        for more in filter(None, (needed_modules(self.kernel), modules.vfio(self.kernel))):
            run(["cp", "-a", str(more), str(self.share / "install/usr/lib")])
        if module:
            run(["cp", "-alf", f"{module}/usr", str(self.share / "install")])
        for folder in (LAB / "scenarios", self.scenarios):
            run(["cp", "-a", f"{folder}/.", str(self.share / "scenarios")])
        tools = product.arm64_product() / "tools" if self.is_arm64() else product.build_tools()
        run(["cp", "-a", f"{tools}/.", str(self.share / "tools")])
        if self.packages:
            folder = product.all_packages(self.image) if self.packages == "all" else product.build_packages()
            run(["cp", "-a", str(folder), str(self.share / "packages")])
        if self.modules:
            for folder in (extra_modules(self.kernel), btrfs_pair()):
                run(["cp", "-a", f"{folder}/.", str(self.share / "extra")])
        shutil.copy2(LAB / "agent", self.share / "agent")
        env = {f"LAB_{k}": v for k, v in DEVICES.items()}
        env |= {"LAB_IMAGE": self.image, "LAB_KERNEL": self.kernel, "LAB_MODE": mode,
                # The module does not load where the kernel does all that it would do.
                "LAB_RELEASE": release_of(self.kernel), "LAB_MODULE": "1" if module and self.kernel not in PLACE_PUD else "",
                "LAB_PACKAGES": "1" if self.packages else ""}
        (self.share / "env").write_text("".join(f"export {k}='{v}'\n" for k, v in env.items()))
        if seed:
            shutil.copy2(LAB / "scenarios" / "seed" / seed, self.share / "seed")
        for name, file in (extra or {}).items():
            shutil.copy2(file, self.share / name)

    def send(self, name, seconds, scale):
        """Has the host run a scenario, or end where that is "-"."""
        self.sent += 1
        new = self.share / "next.new"
        new.write_text(f"{self.sent} {name} {seconds} {scale}\n")
        new.rename(self.share / "next")

    def start(self, seed=None, mode="queue", extra=None):
        """extra: more files for the share, {their name there: the file}."""
        disk = image(self.image) / "disk.img"
        kernel_folder = kernel(self.kernel)
        self.prepare("without-systemd" if self.is_arm64() else seed, mode, extra)
        if self.is_arm64():
            busybox = image(self.image) / "root/usr/bin/busybox"
            self.run_emulator(self.arm64_command(disk, kernel_folder, initrd(self.kernel, kernel_folder, busybox)))
            return
        accel = self.accel or accelerator()
        disks = {name: self.share / f"{name}.img" for name in ("nvme", "paths", "pf")}
        for path in disks.values():
            with open(path, "wb") as f:
                f.truncate(64 << 20)
        self.console.parent.mkdir(parents=True, exist_ok=True)
        self.console.unlink(missing_ok=True)
        serial = "-serial mon:stdio" if self.interactive else f"-serial file:{self.console} -monitor none"
        # The interrupt remapping of intel-iommu needs its part of the irqchip outside the host's kernel.
        irqchip = ",kernel-irqchip=split" if accel == "kvm" else ""

        # Each function takes its queues and interrupts from those that are flexible.
        virtual_functions = "max_ioqpairs=6,msix_qsize=7,sriov_max_vfs=2,sriov_vq_flexible=4,sriov_vi_flexible=4"

        def at(name):
            return f"addr={DEVICES[name][8:10]}"

        command = f"""
            setpriv --pdeathsig KILL {emulator()} -name {self.name} -machine q35{irqchip} -smp {self.cpus} -m {MEMORY} -display none -no-reboot -nic none
            -accel {'tcg,thread=multi' if accel == 'tcg' else accel} -cpu {'max' if accel == 'tcg' else 'host'}
            {serial}
            -kernel {kernel_folder}/vmlinuz -initrd {initrd(self.kernel, kernel_folder)}
            -drive file={disk},if=virtio,format=raw,snapshot=on
            -virtfs local,path={self.share},mount_tag=lab,security_model=none,multidevs=remap
            -device intel-iommu,intremap=on,caching-mode=on,aw-bits=48
            -device bochs-display,{at('DISPLAY')}
            -object memory-backend-ram,id=bar,size=2G -device ivshmem-plain,memdev=bar,{at('BAR_2G')}
            -device pci-testdev,membar=256M,{at('BAR_256M')}
            -device pci-testdev,membar=4M,{at('BAR_4M')}
            -device pci-testdev,membar=1M,{at('BAR_1M')}
            -device pci-testdev,membar=4G,{at('BAR_4G')}
            -netdev hubport,id=wire,hubid=0 -device e1000e,romfile=,netdev=wire,{at('NIC')}
            -netdev hubport,id=wire2,hubid=0 -device e1000e,romfile=,netdev=wire2,{at('NIC2')}
            -drive file={disks['nvme']},if=none,format=raw,id=nvme -device nvme,drive=nvme,serial=lab,{at('NVME')}
            -device nvme-subsys,id=paths,nqn=lab-paths
            -device nvme,id=path,serial=paths,subsys=paths,{at('PATH_A')}
            -device nvme,serial=paths,subsys=paths,{at('PATH_B')}
            -drive file={disks['paths']},if=none,format=raw,id=paths-disk
            -device nvme-ns,drive=paths-disk,bus=path,shared=on
            -device nvme-subsys,id=pf,nqn=lab-pf
            -device nvme,id=pf-nvme,serial=pf,subsys=pf,{virtual_functions},{at('PF')}
            -drive file={disks['pf']},if=none,format=raw,id=pf-disk -device nvme-ns,drive=pf-disk,bus=pf-nvme
            -device pcie-pci-bridge,id=bridge,{at('BRIDGE')}
            -device pci-testdev,membar=4M,bus=bridge,{at('SHARED_BAR_4M')}
            -device e1000,bus=bridge,{at('SHARED_NIC')}
        """.split()
        if self.devices:
            # SeaBIOS stops where I/O ports run out. This one leaves them to Linux, which can do without.
            command += ["-bios", "qboot.rom"]
        for i in range(self.devices):
            slot = f"addr={PORTS_SLOT + i // 8:x}.{i % 8},multifunction=on"
            command += ["-device", f"pcie-root-port,id=port{i},chassis={i + 1},{slot}"]
            command += ["-device", f"e1000e,romfile=,bus=port{i}"]
        append = "console=ttyS0 intel_iommu=on no_timer_check panic=-1 mitigations=off loglevel=4 systemd.show_status=0"
        if accel == "tcg" and not self.kernel.endswith("-rt"):
            # An emulated clock is costly to set, and a kernel with high resolution or without a tick does so all the time.
            # PREEMPT_RT with neither stands still for most of a boot.
            append += " highres=off nohz=off"
        if self.devices:
            append += " modprobe.blacklist=e1000e"  # the scenario loads it; so many at once hold up a boot
        if self.kernel == "debug":
            # With five levels KASAN reports a memory access of the boot itself, after which lockdep is off.
            append += " no5lvl kasan_multi_shot"
        command += ["-append", append]
        self.run_emulator(command)

    def arm64_command(self, disk, kernel_folder, initrd):
        """Only the devices that have BARs to be mapped, and one with a host driver."""
        serial = "-serial mon:stdio" if self.interactive else f"-serial file:{self.console} -monitor none"
        self.console.parent.mkdir(parents=True, exist_ok=True)
        self.console.unlink(missing_ok=True)
        bars = {"BAR_256M": "256M", "BAR_4M": "4M", "BAR_1M": "1M", "BAR_4G": "4G"}
        devices = " ".join(f"-device pci-testdev,membar={size},addr={DEVICES[name][8:10]}" for name, size in bars.items())
        return f"""
            setpriv --pdeathsig KILL {arm64.emulator()} -name {self.name} -machine virt,iommu=smmuv3,gic-version=3
            -accel tcg,thread=multi -cpu neoverse-n1 -smp {self.cpus} -m {MEMORY} -display none -no-reboot -nic none
            {serial}
            -kernel {kernel_folder}/vmlinuz -initrd {initrd}
            -drive file={disk},if=none,format=raw,snapshot=on,id=disk -device virtio-blk-pci,drive=disk,romfile=
            -virtfs local,path={self.share},mount_tag=lab,security_model=none,multidevs=remap
            -object memory-backend-ram,id=bar,size=2G -device ivshmem-plain,memdev=bar,addr={DEVICES['BAR_2G'][8:10]}
            {devices}
            -netdev hubport,id=wire,hubid=0 -device e1000e,romfile=,netdev=wire,addr={DEVICES['NIC'][8:10]}
        """.split() + ["-append", "console=ttyAMA0 panic=-1 mitigations=off loglevel=4"]

    def run_emulator(self, command):
        if self.interactive:
            self.qemu = subprocess.Popen(command)
            return
        with open(self.messages, "wb") as out:
            self.qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def out(self, name):
        return self.share / "out" / name

    def is_booted(self):
        return self.out("booted").exists()

    def running(self):
        return self.qemu is not None and self.qemu.poll() is None

    def cpu_seconds(self):
        """What the running machine has cost of processor time."""
        try:
            fields = Path(f"/proc/{self.qemu.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0
        return round((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), 1)

    def wait(self, seconds, until=lambda: False):
        end = time.monotonic() + seconds
        while self.running() and not until() and time.monotonic() < end:
            time.sleep(0.1)

    def wait_for_boot(self):
        """True where it has booted; it has not where it went down, or made no way for a long time."""
        more = DEVICE_SECONDS * self.devices

        def is_over():
            return self.is_booted() or self.cpu_seconds() > BOOT_CPU_SECONDS + more
        self.wait(BOOT_SECONDS, until=is_over)
        return self.is_booted()

    def stop(self):
        if self.running():
            self.qemu.kill()
        if self.qemu:
            self.qemu.wait()
        self.claim.close()

    def console_tail(self, lines=40):
        """The end of the console and of what QEMU said, from the first sign of trouble on if there is one."""
        text = [line for log in (self.console, self.messages) if log.exists()
                for line in log.read_text(errors="replace").splitlines() if "has no peer" not in line]
        trouble = next((i for i, line in enumerate(text) if TROUBLE.search(line)), None)
        return "\n".join(text[-lines:] if trouble is None else text[trouble:trouble + lines])
