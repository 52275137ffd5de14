#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the recorded hosts that are made by hand: eight-gpu, sriov-nic, arm64, built-in and
rebound, in this directory.

A host is what the audit reads of one (vfioalignctl dump writes the same of a real one): the files and symlinks
of /proc, /sys, /etc and so on, and in vfioalign/answers what is no file. README tells where the values come from."""

import json
import shutil
from pathlib import Path

HERE = Path(__file__).parent

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

# include/linux/ioport.h, as /sys/bus/pci/devices/*/resource has them
MEM32 = 0x40200          # IORESOURCE_MEM, IORESOURCE_SIZEALIGN
MEM64 = 0x140204         # and IORESOURCE_MEM_64
MEM64_PREFETCH = 0x14220c

BOOTED = 1767600000      # 2026-01-05 08:00:00 UTC
RECORDED = 1767690000    # a day and an hour later
HOOK_INSTALLED = 1767400000
BOOT_ID = "5d3f6a0e-3c1b-4b52-9f43-1f5f3f8f0c77"


class Host:
    def __init__(self, name, release):
        self.root = HERE / name
        self.release = release
        self.answers = {}
        if self.root.exists():
            shutil.rmtree(self.root)
        self.answer("time", RECORDED * 1000000)
        self.answer("all-processes-seen", "yes")
        self.write("proc/sys/kernel/osrelease", release)
        self.write("proc/sys/kernel/modules_disabled", 0)
        self.write("proc/stat", f"btime {BOOTED}")
        self.write("proc/1/comm", "systemd")

    def write(self, path, text):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else f"{text}\n".encode())

    def link(self, path, target):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)

    def answer(self, question, answer):
        self.answers[question] = answer

    def done(self):
        lines = [f"{q}\t{a}" for q, a in sorted(self.answers.items())]
        self.write("vfioalign/answers", "\n".join(lines))

    def pci(self, address, ids, class_, driver=None, subsystem="0000:0000", bars={}, group=None, node=None, **more):
        """One function. bars: index -> (address, size, flags); more: other attributes by name."""
        base = f"sys/bus/pci/devices/{address}"
        lines = ([f"DRIVER={driver}"] if driver else []) + [
            f"PCI_CLASS={class_:X}", f"PCI_ID={ids.upper()}", f"PCI_SUBSYS_ID={subsystem.upper()}",
            f"PCI_SLOT_NAME={address}"]
        self.write(f"{base}/uevent", "\n".join(lines))
        if bars:
            rows = [bars.get(i, (0, 0, 0)) for i in range(7)]
            self.write(f"{base}/resource", "\n".join(
                f"{start:#018x} {start + size - 1 if size else 0:#018x} {flags:#018x}" for start, size, flags in rows))
        if group is not None:
            self.link(f"{base}/iommu_group", f"../../../../kernel/iommu_groups/{group}")
        if node is not None:
            self.write(f"{base}/numa_node", node)
        for name, text in more.items():
            self.write(f"{base}/{name}", text)

    def bridge(self, address, ids, group=None, node=None, class_=0x060400, driver="pcieport"):
        self.pci(address, ids, class_, driver, group=group, node=node)

    def interface(self, name, address, flags):
        device = f"bus/pci/devices/{address}/net/{name}"
        self.write(f"sys/{device}/flags", f"{flags:#x}")
        self.link(f"sys/class/net/{name}", f"../../{device}")

    def record(self, group, members, owner, state="bound", reason=None):
        """What vfioalign keeps of a group that it has handed over; members: address -> IDs, driver before, and after."""
        text = {"boot_id": BOOT_ID, "state": state, "owner": owner, "reason": reason, "time_usec": (BOOTED + 40) * 1000000,
                "group": group, "members": []}
        for address, (ids, subsystem, before, after) in members.items():
            vendor, device, sub_vendor, sub_device = (int(n, 16) for n in (*ids.split(":"), *subsystem.split(":")))
            text["members"].append({
                "address": address, "vendor": vendor, "device": device, "subsystem_vendor": sub_vendor,
                "subsystem_device": sub_device, "serial": None, "before": {"driver": before, "override": None},
                "after": {"driver": after, "override": after},
                "settings": {"control": "auto", "d3cold_allowed": "1", "sriov_drivers_autoprobe": None}})
        self.write("proc/sys/kernel/random/boot_id", BOOT_ID)
        self.write(f"run/vfioalign/bind/{min(members)}", json.dumps(text))

    def loopback(self):
        self.write("sys/devices/virtual/net/lo/flags", "0x9")
        self.link("sys/class/net/lo", "../../devices/virtual/net/lo")

    def disk(self, name, address, number, parts=0):
        """An NVMe namespace and its partitions, with device numbers from `number` on."""
        device = f"bus/pci/devices/{address}/nvme/{name[:-2]}/{name}"
        for i in range(parts + 1):
            part = f"{name}p{i}" if i else name
            folder = f"{device}/{part}" if i else device
            self.write(f"sys/{folder}/dev", f"259:{number + i}")
            self.link(f"sys/class/block/{part}", f"../../{folder}")

    def mounts(self, *lines):
        self.write("proc/1/mountinfo", "\n".join(lines))

    def routes(self, interface, network, gateway, *more):
        """A default route and a network of 24 bits, in the kernel's hexadecimal; more: interfaces and networks."""
        lines = [(interface, "00000000", gateway, "0003", "00000000"),
                 *((name, to, "00000000", "0001", "00FFFFFF") for name, to in ((interface, network), *more))]
        head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
        self.write("proc/net/route", "\n".join([head] + [
            f"{name}\t{to}\t{via}\t{flags}\t0\t0\t100\t{mask}\t0\t0\t0" for name, to, via, flags, mask in lines]))
        self.answer("interfaces-with-address", " lo " + "".join(
            f"{name} " for name in dict.fromkeys(line[0] for line in lines)))

    def thp(self, mode, pmd_size=2 * MIB):
        words = " ".join(f"[{m}]" if m == mode else m for m in ("always", "madvise", "never"))
        self.write("sys/kernel/mm/transparent_hugepage/enabled", words)
        self.write("sys/kernel/mm/transparent_hugepage/hpage_pmd_size", pmd_size)

    def btf(self, tva_type, addr_mask, pud=True):
        for question, answer in (
                ("enum tva_type", "yes" if tva_type else "no"),
                ("function vfio_pci_mmap_huge_fault", "yes"),
                ("function vfio_pci_mmap_page_fault", "yes"),
                ("function vfio_pci_dma_buf_iommufd_map", "yes" if tva_type else "no"),
                ("function vmf_insert_pfn_pmd", "yes"),
                ("function vmf_insert_pfn_pud", "yes" if pud else "no"),
                ("member file_operations get_mapping_order", "no"),
                ("member file_operations get_unmapped_area", 152),
                ("member file_operations mmap", 96),
                ("member follow_pfnmap_args addr_mask", addr_mask or "no"),
                ("member vfio_device_ops get_mapping_order", "no"),
                ("member vfio_device_ops get_unmapped_area", "no")):
            self.answer(f"btf {question}", answer)

    def probe(self, pmd, pud):
        self.answer("socket-probe pmd", pmd)
        self.answer("socket-probe pud", pud)

    def symbols(self, symbols):
        """Of (address, type, name, module or None)."""
        self.write("proc/kallsyms", "\n".join(
            f"{address:016x} {kind} {name}" + (f"\t[{module}]" if module else "")
            for address, kind, name, module in symbols))
        self.address = {name: address for address, _, name, _ in symbols}

    def hook(self, function=None):
        """What vfio_device_fops has from `mmap` to `get_unmapped_area`: eight words."""
        words = [0] * 8
        words[0] = self.address["vfio_device_fops_mmap"]
        words[7] = self.address[function] if function else 0
        self.answer(f"kcore {self.address['vfio_device_fops'] + 96:x} 40",
                    b"".join(w.to_bytes(8, "little") for w in words).hex())

    def exemption(self, there=True):
        """__thp_vma_allowable_orders() with or without a test of VM_PFNMAP; 48 bytes up to the next function."""
        test = "f6402104" if there else "f6402004"
        code = bytes.fromhex("f30f1efa0f1f440000" "4157" "4156" "488b4710" + test + "7406" "b800000400" "c3")
        self.answer(f"kcore {self.address['__thp_vma_allowable_orders']:x} 30", code.ljust(48, b"\xcc").hex())

    def modules(self, dep, aliases, builtin=()):
        base = f"lib/modules/{self.release}"
        self.write(f"{base}/modules.dep", "\n".join(dep))
        self.write(f"{base}/modules.alias", "\n".join(f"alias {alias}" for alias in aliases))
        self.write(f"{base}/modules.builtin", "\n".join(builtin))

    def align_module(self, path, signature=("", "", "")):
        self.write(f"lib/modules/{self.release}/{path}", "")
        self.answer("module vfio_align info vermagic", f"{self.release} SMP preempt mod_unload modversions ")
        for key, value in zip(("sig_id", "signer", "sig_key"), signature):
            self.answer(f"module vfio_align info {key}", value)

    def loaded(self, *modules):
        for module in modules:
            self.write(f"sys/module/{module}/refcnt", 1)

    def parameters(self, module, **values):
        for name, value in values.items():
            self.write(f"sys/module/{module}/parameters/{name}", value)

    def open_for_modules(self, secure_boot=False):
        """No lockdown; EFI."""
        self.write("sys/kernel/security/lockdown", "[none] integrity confidentiality")
        self.parameters("module", sig_enforce="N")
        self.write("sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
                   bytes([6, 0, 0, 0, int(secure_boot)]))

    def intel_iommu(self, units, cap, ecap):
        for i in range(units):
            self.write(f"sys/class/iommu/dmar{i}/intel-iommu/cap", f"{cap:x}")
            self.write(f"sys/class/iommu/dmar{i}/intel-iommu/ecap", f"{ecap:x}")

    def interrupts(self, *lines):
        self.write("proc/interrupts", "\n".join(lines))

    def names(self, **names):
        for ids, name in names.items():
            self.answer(f"hwdb {ids[1:5].upper()}:{ids[6:10].upper()}", name)

    def emulator(self, path, answer):
        self.write(path.lstrip("/"), "")
        self.answer(f"emulator {path}", answer)

    def libvirt(self, daemon, pid, start, hook=True):
        """start: seconds after the boot."""
        self.write(f"usr/sbin/{daemon}", "")
        self.write(f"run/{daemon}.pid", str(pid).encode())
        self.write(f"proc/{pid}/comm", daemon)
        self.write(f"proc/{pid}/stat", f"{pid} ({daemon}) S 1 {pid} {pid} 0 -1 4194560 8057 23600 62 88 "
                                       f"404 312 854 334 20 0 22 0 {start * 100} 759193600 8739 18446744073709551615")
        self.write(f"proc/{pid}/status", "THP_enabled:\t1")
        if hook:
            self.write("etc/libvirt/hooks/qemu.d/50-vfioalignd", "")
            self.answer("stat etc/libvirt/hooks/qemu.d/50-vfioalignd", f"100755 0 {HOOK_INSTALLED * 1000000}")


XEON = ("flags\t\t: fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 pdpe1gb vmx la57\n"
        "vmx flags\t: vnmi preemption_timer posted_intr invvpid ept_x_only ept_ad ept_1gb flexpriority\n"
        "address sizes\t: {} bits physical, 57 bits virtual")
SWAPS = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority"
PM9A3 = "Samsung Electronics Co Ltd NVMe SSD Controller PM9A1/PM9A3/980PRO"
ANY_ALIAS = "vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci"


def alias(vendor, device, module):
    return f"vfio_pci:v0000{vendor:04X}d0000{device:04X}sv*sd*bc*sc*i* {module}"


def vfio_dep(*more, suffix=".ko"):
    base = "kernel/drivers/vfio"
    return [f"{base}/vfio{suffix}:",
            f"{base}/vfio_iommu_type1{suffix}: {base}/vfio{suffix}",
            f"{base}/pci/vfio-pci-core{suffix}: {base}/vfio{suffix} kernel/virt/lib/irqbypass{suffix}",
            f"{base}/pci/vfio-pci{suffix}: {base}/pci/vfio-pci-core{suffix} {base}/vfio{suffix}", *more]


def split(address):
    domain, bus, rest = address.split(":")
    slot, function = rest.split(".")
    return f"domain='0x{domain}' bus='0x{bus}' slot='0x{slot}' function='0x{function}'"


def hostdev(address):
    return f"""    <hostdev mode='subsystem' type='pci' managed='yes'>
      <source>
        <address {split(address)}/>
      </source>
    </hostdev>"""


def domain(name, uuid, memory_gib, devices, emulator="/usr/bin/qemu-system-x86_64", arch="x86_64",
           machine="pc-q35-8.2", code="/usr/share/OVMF/OVMF_CODE_4M.fd", cpu="host-passthrough", extra=""):
    return f"""<domain type='kvm'{" xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'" if extra else ""}>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='GiB'>{memory_gib}</memory>
  <vcpu placement='static'>32</vcpu>
  <os>
    <type arch='{arch}' machine='{machine}'>hvm</type>
    <loader readonly='yes' type='pflash'>{code}</loader>
  </os>
  <cpu mode='{cpu}' check='none' migratable='off'/>
  <devices>
    <emulator>{emulator}</emulator>
    <controller type='pci' index='0' model='pcie-root'/>
{devices}
    <memballoon model='none'/>
  </devices>{extra}
</domain>"""


# A server with eight H100 behind PCIe switches, as in DGX and HGX: (root port's bus, GPU's, NIC's, NVMe's)
GPU_TREES = [(0x15, 0x1b, 0x18, 0x19), (0x3d, 0x43, 0x40, 0x41), (0x4c, 0x52, 0x4f, None), (0x5b, 0x61, 0x5e, None),
             (0x97, 0x9d, 0x9a, 0x9b), (0xbd, 0xc3, 0xc0, 0xc1), (0xcb, 0xd1, 0xce, None), (0xd9, 0xdf, 0xdc, None)]
ROOT_PORT, SWITCH = "8086:352a", "1000:c030"
H100, NVSWITCH, CONNECTX7, NVME = "10de:2330", "10de:22a3", "15b3:1021", "144d:a80a"


def gpu_tree(h, n, root, gpu, nic, nvme):
    node = 0 if root < 0x80 else 1
    base = (0x200 + 0x20 * n) << 36                   # 2 TiB for each
    group = 20 + 8 * n
    up, down = root + 1, root + 2
    h.bridge(f"0000:{root:02x}:00.0", "8086:09a2", class_=0x088000, driver=None, group=group, node=node)
    h.bridge(f"0000:{root:02x}:01.0", ROOT_PORT, group=group + 1, node=node)
    h.bridge(f"0000:{up:02x}:00.0", SWITCH, group=group + 2, node=node)
    h.bridge(f"0000:{down:02x}:00.0", SWITCH, group=group + 3, node=node)
    # The first GPU has its group together with the port above it.
    h.bridge(f"0000:{down:02x}:03.0", SWITCH, group=group + (5 if n == 0 else 4), node=node)
    h.pci(f"0000:{nic:02x}:00.0", CONNECTX7, 0x020700, "mlx5_core", "15b3:0023", group=group + 6, node=node,
          bars={0: (base + 0x1100000000, 32 * MIB, MEM64_PREFETCH)}, reset_method="flr bus", sriov_totalvfs=16)
    h.interface(f"ibp{nic}s0", f"0000:{nic:02x}:00.0", 0x1003)
    more = {"driver_override": "vfio-pci"} if n == 0 else {}
    h.pci(f"0000:{gpu:02x}:00.0", H100, 0x030200, "vfio-pci", "10de:16c1", group=group + 5, node=node,
          bars={0: (base + 0x2042000000, 16 * MIB, MEM64_PREFETCH), 2: (base, 128 * GIB, MEM64_PREFETCH),
                4: (base + 0x2040000000, 32 * MIB, MEM64_PREFETCH)},
          reset_method="flr bus", resource2_resize="000000000003ffc0", boot_vga=0, **more)
    if nvme:
        h.bridge(f"0000:{down:02x}:01.0", SWITCH, group=group + 3, node=node)
        h.pci(f"0000:{nvme:02x}:00.0", NVME, 0x010802, "nvme", "144d:aa4a", group=group + 7, node=node,
              bars={0: (0x9e000000 + 0x100000 * n, 16 * KIB, MEM64)}, reset_method="flr bus")


def eight_gpu():
    h = Host("eight-gpu", "6.12.48-061248-generic")
    h.thp("madvise")
    h.btf(tva_type=False, addr_mask=None)
    h.probe("yes", "no")
    h.symbols([(0xffffffff9a000000, "T", "_stext", None),
               (0xffffffff9a46d2f0, "T", "vmf_insert_pfn_pud", None),
               (0xffffffff9a46d710, "T", "vmf_insert_pfn_pmd", None),
               (0xffffffff9a46da30, "T", "__thp_vma_allowable_orders", None),
               (0xffffffff9a46da60, "T", "mm_get_huge_zero_folio", None),
               (0xffffffff9b200080, "T", "entry_SYSCALL_64", None),
               (0xffffffffc1357610, "t", "vfio_pci_mmap_huge_fault", "vfio_pci_core"),
               (0xffffffffc1359390, "T", "vfio_pci_core_register_device", "vfio_pci_core"),
               (0xffffffffc1041230, "t", "vfio_device_fops_mmap", "vfio"),
               (0xffffffffc10a1260, "r", "vfio_device_fops", "vfio")])
    h.hook()
    h.exemption(there=False)
    h.modules(vfio_dep("kernel/drivers/vfio/pci/mlx5/mlx5-vfio-pci.ko: kernel/drivers/vfio/pci/vfio-pci-core.ko",
                       "updates/dkms/vfio_align.ko: kernel/drivers/vfio/vfio.ko"),
              [ANY_ALIAS, alias(0x15b3, 0x101e, "mlx5_vfio_pci")])
    h.align_module("updates/dkms/vfio_align.ko")
    h.loaded("vfio", "vfio_pci", "vfio_pci_core", "kvm", "kvm_intel")
    h.parameters("vfio_iommu_type1", allow_unsafe_interrupts="N", dma_entry_limit=65535)
    h.parameters("kvm", tdp_mmu="Y", nx_huge_pages="N")
    h.parameters("kvm_intel", ept="Y")
    h.open_for_modules()
    h.write("proc/cmdline", "BOOT_IMAGE=/boot/vmlinuz-6.12.48-061248-generic root=/dev/nvme0n1p2 ro "
                            "intel_iommu=on iommu=pt vfio-pci.disable_idle_d3=1 pci=realloc=off")
    h.write("proc/cpuinfo", XEON.format(52))
    h.interrupts("   0:        108  IR-IO-APIC    2-edge      timer",
                 " 140:        212  IR-PCI-MSIX-0000:19:00.0    0-edge      nvme0q0",
                 " 220:       7141  IR-PCI-MSIX-0000:18:00.0    0-edge      mlx5_async0@pci:0000:18:00.0")
    h.intel_iommu(8, 0x19ed008c40780c66, 0x3ee9e86f050df)

    h.bridge("0000:00:0c.0", ROOT_PORT, group=1, node=0)
    h.bridge("0000:00:0d.0", ROOT_PORT, group=2, node=0)
    h.pci("0000:02:00.0", "1a03:2000", 0x030000, "ast", "1a03:2000", group=3, node=0, boot_vga=1,
          bars={0: (0x9c000000, 64 * MIB, MEM32), 1: (0xa0000000, 256 * KIB, MEM32)})
    h.bridge("0000:03:00.0", SWITCH, group=4, node=0)
    for i in range(4):
        h.bridge(f"0000:04:{i:02x}.0", SWITCH, group=5 + i, node=0)
        h.pci(f"0000:{5 + i:02x}:00.0", NVSWITCH, 0x068000, "nvidia-nvswitch", "10de:1796", group=9 + i, node=0,
              bars={0: (0xa8000000 + 32 * MIB * i, 32 * MIB, MEM64)})
    for n, tree in enumerate(GPU_TREES):
        gpu_tree(h, n, *tree)
    h.bridge("0000:00:0e.0", ROOT_PORT, group=13, node=0)
    h.pci("0000:0a:00.0", "8086:1563", 0x020000, "ixgbe", "1028:0a6b", group=14, node=0, reset_method="flr bus",
          bars={0: (0x9ce00000, 4 * MIB, MEM64_PREFETCH), 4: (0x9d200000, 16 * KIB, MEM64_PREFETCH)},
          sriov_totalvfs=64)
    h.interface("eno3", "0000:0a:00.0", 0x1003)
    for i, tree in enumerate(t for t in GPU_TREES if t[3]):
        h.disk(f"nvme{i}n1", f"0000:{tree[3]:02x}:00.0", 4 * i, parts=2 if i == 0 else 0)
    h.mounts("29 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw",
             "40 29 259:1 / /boot/efi rw,relatime shared:30 - vfat /dev/nvme0n1p1 rw",
             "96 29 259:4 / /var/lib/libvirt/images rw,relatime shared:52 - xfs /dev/nvme1n1 rw")
    h.write("proc/swaps", SWAPS)
    h.loopback()
    h.routes("eno3", "0000140A", "0100140A")
    h.write("sys/class/tty/console/active", "tty0")
    h.answer("open-device-nodes", "all")
    h.names(_10de_2330="NVIDIA Corporation GH100 [H100 SXM5 80GB]",
            _10de_22a3="NVIDIA Corporation GH100 [H100 NVSwitch]",
            _15b3_1021="Mellanox Technologies MT2910 Family [ConnectX-7]",
            _144d_a80a=PM9A3,
            _1000_c030="Broadcom / LSI PEX890xx PCIe Gen 5 Switch", _8086_352a="Intel Corporation Device 352a",
            _8086_1563="Intel Corporation Ethernet Controller X550",
            _8086_09a2="Intel Corporation Ice Lake Memory Map/VT-d",
            _1a03_2000="ASPEED Technology, Inc. ASPEED Graphics Family")

    h.emulator("/usr/bin/qemu-system-x86_64", "none elf 2f6d1c0e7ab94e1d8c35a0b9f4d2e6170c8b5a34 ")
    h.libvirt("libvirtd", 2417, start=31)
    gpus = [f"0000:{tree[1]:02x}:00.0" for tree in GPU_TREES]
    # An OVMF that is told how large its window has to be, 1 TiB, and one that is not
    window = """
  <qemu:commandline>
    <qemu:arg value='-fw_cfg'/>
    <qemu:arg value='name=opt/ovmf/X-PciMmio64Mb,string=1048576'/>
  </qemu:commandline>"""
    for name, uuid, part, extra in (("train-a", "5b0c7a3e-3d0f-4d55-9a55-6f2f0a6c1e01", gpus[:4], window),
                                    ("train-b", "5b0c7a3e-3d0f-4d55-9a55-6f2f0a6c1e02", gpus[4:], "")):
        h.write(f"etc/libvirt/qemu/{name}.xml",
                domain(name, uuid, 960, "\n".join(map(hostdev, part)), extra=extra))
    h.write("etc/driverctl.d/pci-0000:1b:00.0", "vfio-pci")
    h.done()


PF = "0000:5e:00.0"


def sriov_nic():
    h = Host("sriov-nic", "7.3.2-generic")
    h.thp("madvise")
    h.btf(tva_type=True, addr_mask=40)
    h.probe("no", "no")
    h.symbols([(0xffffffff8b800000, "T", "_stext", None),
               (0xffffffff8bd73ca0, "T", "vmf_insert_pfn_pmd", None),
               (0xffffffff8bd740c0, "T", "vmf_insert_pfn_pud", None),
               (0xffffffff8bd74280, "T", "__thp_vma_allowable_orders", None),
               (0xffffffff8bd742b0, "T", "mm_get_huge_zero_folio", None),
               (0xffffffff8c800080, "T", "entry_SYSCALL_64", None),
               (0xffffffffc0d99dd0, "t", "vfio_pci_mmap_huge_fault", "vfio_pci_core"),
               (0xffffffffc0d9b820, "T", "vfio_pci_core_register_device", "vfio_pci_core"),
               (0xffffffffc0c013b0, "t", "vfio_device_fops_mmap", "vfio"),
               (0xffffffffc0bc6220, "r", "vfio_device_fops", "vfio")])
    h.hook()
    h.exemption()
    h.modules(vfio_dep("kernel/drivers/vfio/pci/mlx5/mlx5-vfio-pci.ko.zst: "
                       "kernel/drivers/vfio/pci/vfio-pci-core.ko.zst", suffix=".ko.zst"),
              [ANY_ALIAS, alias(0x15b3, 0x101e, "mlx5_vfio_pci")])
    h.loaded("vfio", "vfio_pci", "vfio_pci_core", "mlx5_vfio_pci", "kvm", "kvm_intel")
    h.parameters("vfio_iommu_type1", allow_unsafe_interrupts="N", dma_entry_limit=65535)
    h.parameters("kvm", tdp_mmu="Y", nx_huge_pages="N")
    h.parameters("kvm_intel", ept="Y")
    h.open_for_modules()
    h.write("proc/cmdline", "BOOT_IMAGE=/vmlinuz-7.3.2-generic root=/dev/mapper/vg-root ro intel_iommu=on iommu=pt")
    h.write("proc/cpuinfo", XEON.format(46))
    h.interrupts("   0:         36  IR-IO-APIC    2-edge      timer",
                 " 131:      90211  IR-PCI-MSIX-0000:5e:00.0    0-edge      mlx5_async0@pci:0000:5e:00.0")
    h.intel_iommu(4, 0x8d2078c106f0466, 0xf020df)

    h.bridge("0000:5d:00.0", "8086:347a", group=10, node=0)
    h.pci(PF, "15b3:101d", 0x020000, "mlx5_core", "15b3:0016", group=11, node=0, reset_method="flr bus",
          sriov_totalvfs=256, bars={0: (0x20fffe000000, 32 * MIB, MEM64_PREFETCH)})
    h.interface("ens3np0", PF, 0x1003)
    for n in range(256):
        function = 1 + n                               # VF offset 1, stride 1: over to the next bus
        address = f"0000:{0x5e + (function >> 8):02x}:{function >> 3 & 31:02x}.{function & 7}"
        driver = "mlx5_vfio_pci" if n < 128 else "vfio-pci" if n == 128 else "mlx5_core"
        h.pci(address, "15b3:101e", 0x020000, driver, "15b3:0016", group=100 + n,
              bars={0: (0x20ffa0000000 + n * 2 * MIB, 2 * MIB, MEM64_PREFETCH)})
        h.link(f"sys/bus/pci/devices/{address}/physfn", f"../{PF}")
        if n in (129, 130):                            # of the others the host uses no network interface
            h.interface(f"ens3v{n}", address, 0x1003 if n == 129 else 0x1002)

    h.bridge("0000:16:00.0", "8086:347a", group=2, node=0)
    h.pci("0000:17:00.0", NVME, 0x010802, "nvme", "144d:aa4a", group=3, node=0, reset_method="flr bus",
          bars={0: (0x9e000000, 16 * KIB, MEM64)})
    h.disk("nvme0n1", "0000:17:00.0", 0, parts=3)
    h.write("sys/devices/virtual/block/dm-0/dev", "252:0")
    h.write("sys/devices/virtual/block/dm-0/dm/name", "vg-root")
    h.link("sys/devices/virtual/block/dm-0/slaves/nvme0n1p3", "../../../../../class/block/nvme0n1p3")
    h.link("sys/class/block/dm-0", "../../devices/virtual/block/dm-0")
    h.mounts("29 1 252:0 / / rw,relatime shared:1 - xfs /dev/mapper/vg-root rw",
             "40 29 259:2 / /boot rw,relatime shared:30 - ext4 /dev/nvme0n1p2 rw",
             "41 40 259:1 / /boot/efi rw,relatime shared:31 - vfat /dev/nvme0n1p1 rw")
    h.write("proc/swaps", SWAPS)
    h.loopback()
    # 10.0.0.10/24 on the PF, with the default route; 192.168.7.2/24 on a VF of the host's own
    h.routes("ens3np0", "0000000A", "0100000A", ("ens3v129", "0007A8C0"))
    h.write("sys/class/tty/console/active", "tty0")
    h.answer("open-device-nodes", "all")
    h.names(_15b3_101d="Mellanox Technologies MT2892 Family [ConnectX-6 Dx]",
            _15b3_101e="Mellanox Technologies ConnectX Family mlx5Gen Virtual Function",
            _144d_a80a=PM9A3,
            _8086_347a="Intel Corporation Ice Lake PCIe Root Port A")

    h.emulator("/usr/bin/qemu-system-x86_64", "per-area elf 8f1b6f4f6a0c2b4a3f59d0e1c7b2a6d49e385c17 ")
    h.libvirt("virtqemud", 1893, start=22)
    h.write("etc/libvirt/qemu/networks/vf-pool.xml", """<network>
  <name>vf-pool</name>
  <uuid>0d6f2c1e-53a4-4f0b-8d3c-0a1b2c3d4e5f</uuid>
  <forward mode='hostdev' managed='yes'>
    <pf dev='ens3np0'/>
  </forward>
</network>""")
    h.write("etc/libvirt/qemu/router.xml", domain(
        "router", "7a1f6b52-8c1d-4c9e-9a52-3d3b0b7c1a10", 16, """    <interface type='network'>
      <mac address='52:54:00:6d:90:02'/>
      <source network='vf-pool'/>
    </interface>""", machine="pc-q35-10.0"))
    # By iommufd, with a QEMU that does not export BARs as dma-bufs
    h.write("etc/libvirt/qemu/firewall.xml", domain(
        "firewall", "c2e95b0d-6f0e-4f2b-b1a3-52d1f0c7a911", 8,
        hostdev("0000:5e:00.1").replace("<source>", "<driver iommufd='yes'/>\n      <source>"), machine="pc-q35-10.0"))
    h.answer("emulator-text /usr/bin/qemu-system-x86_64 vfio_region_dmabuf", "no")
    h.done()


def arm64():
    h = Host("arm64", "6.12.41-64k")
    h.thp("always", 512 * MIB)
    h.answer("page-size", 65536)
    h.btf(tva_type=False, addr_mask=None, pud=False)
    h.probe("yes", "no")
    h.symbols([(0xffffa8d6e0010000, "T", "_stext", None),
               (0xffffa8d6e0421d30, "T", "vmf_insert_pfn_pmd", None),
               (0xffffa8d6e0422a58, "T", "__thp_vma_allowable_orders", None),
               (0xffffa8d6977f3c98, "t", "vfio_pci_mmap_huge_fault", "vfio_pci_core"),
               (0xffffa8d6977f6120, "T", "vfio_pci_core_register_device", "vfio_pci_core"),
               (0xffffa8d697511868, "t", "vfio_device_fops_mmap", "vfio"),
               (0xffffa8d6975320c8, "r", "vfio_device_fops", "vfio")])
    h.hook()
    h.modules(vfio_dep("kernel/drivers/vfio/pci/nvgrace-gpu/nvgrace-gpu-vfio-pci.ko.xz: "
                       "kernel/drivers/vfio/pci/vfio-pci-core.ko.xz", suffix=".ko.xz"),
              [ANY_ALIAS] + [alias(0x10de, device, "nvgrace_gpu_vfio_pci") for device in (0x2342, 0x2345, 0x2348)])
    h.loaded("vfio", "vfio_pci_core", "nvgrace_gpu_vfio_pci")
    h.parameters("vfio_iommu_type1", allow_unsafe_interrupts="N", dma_entry_limit=65535)
    h.parameters("kvm", halt_poll_ns=500000)
    h.open_for_modules(secure_boot=True)
    h.write("proc/cmdline", "BOOT_IMAGE=/vmlinuz-6.12.41-64k root=UUID=6d0f9d3a-2f7c-43a6-9c39-0f8a4f7f8c11 ro "
                            "iommu.passthrough=0 init_on_alloc=0")
    h.write("proc/cpuinfo", "processor\t: 0\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics sve sve2\n"
                            "CPU implementer\t: 0x41\nCPU part\t: 0xd4f")
    h.interrupts(" 13:   48811234     GICv3  26 Level     arch_timer",
                 " 402:         18  ITS-PCI-MSIX-0004:01:00.0   0 Edge      nvme0q0",
                 " 433:        710  ITS-PCI-MSIX-0002:01:00.0   0 Edge      mlx5_async0@pci:0002:01:00.0")
    for i, base in enumerate((0x5000000, 0x6000000, 0x11000000, 0x12000000, 0x15000000)):
        h.link(f"sys/class/iommu/smmu3.{base:#018x}",
               f"../../devices/platform/arm-smmu-v3.{i}.auto/iommu/smmu3.{base:#018x}")

    for domain_, group in ((2, 11), (4, 14), (9, 19)):
        h.bridge(f"{domain_:04x}:00:00.0", "10de:22b8" if domain_ == 9 else "10de:22b2", group=group, node=0)
    h.pci("0002:01:00.0", "15b3:a2dc", 0x020000, "mlx5_core", "15b3:0009", group=12, node=0, reset_method="flr bus",
          bars={0: (0x620000000000, 32 * MIB, MEM64_PREFETCH), 2: (0x620002000000, 8 * MIB, MEM64_PREFETCH)},
          sriov_totalvfs=16)
    h.interface("enP2s2f0np0", "0002:01:00.0", 0x1003)
    h.pci("0004:01:00.0", NVME, 0x010802, "nvme", "144d:aa4a", group=15, node=0, reset_method="flr bus",
          bars={0: (0x50100000000, 16 * KIB, MEM64)})
    h.pci("0009:01:00.0", "10de:2342", 0x030200, "nvgrace_gpu_vfio_pci", "10de:16eb", group=20, node=0,
          bars={0: (0x661002000000, 16 * MIB, MEM64_PREFETCH), 2: (0x660000000000, 128 * GIB, MEM64_PREFETCH),
                4: (0x661000000000, 32 * MIB, MEM64_PREFETCH)},
          reset_method="flr bus", boot_vga=0, driver_override="nvgrace_gpu_vfio_pci")
    h.disk("nvme0n1", "0004:01:00.0", 0, parts=2)
    h.mounts("29 1 259:2 / / rw,relatime shared:1 - xfs /dev/nvme0n1p2 rw",
             "40 29 259:1 / /boot/efi rw,relatime shared:30 - vfat /dev/nvme0n1p1 rw")
    h.write("proc/swaps", SWAPS)
    h.loopback()
    h.routes("enP2s2f0np0", "0000000A", "0100000A")
    h.write("sys/class/tty/console/active", "ttyAMA0")
    h.answer("open-device-nodes", "all")
    h.names(_10de_2342="NVIDIA Corporation GH100 [GH200 120GB / 480GB]", _15b3_a2dc="Mellanox Technologies MT43244 "
            "BlueField-3 integrated ConnectX-7 network controller", _10de_22b2="NVIDIA Corporation Device 22b2",
            _10de_22b8="NVIDIA Corporation Device 22b8",
            _144d_a80a=PM9A3)

    h.emulator("/usr/bin/qemu-system-aarch64", "unknown none 5d8f0e8ad1b46b90c7e6f1a2b3948576c0d1e2f3 "
               "a program for another processor than 64-bit x86, whose code is not understood")
    h.libvirt("virtqemud", 2056, start=19, hook=False)
    h.write("etc/libvirt/qemu/grace.xml", domain(
        "grace", "c3a1d8c0-59f7-49b3-8a0e-6d1b0b5f7e21", 200, hostdev("0009:01:00.0"),
        emulator="/usr/bin/qemu-system-aarch64", arch="aarch64", machine="virt-10.0",
        code="/usr/share/AAVMF/AAVMF_CODE.fd"))
    h.done()


def built_in():
    h = Host("built-in", "7.2.5")
    h.thp("madvise")
    h.answer("page-size", 4096)
    h.btf(tva_type=True, addr_mask=40)
    h.probe("no", "no")
    h.symbols([(0xffffffff81000000, "T", "_stext", None),
               (0xffffffff81373ca0, "T", "vmf_insert_pfn_pmd", None),
               (0xffffffff813740c0, "T", "vmf_insert_pfn_pud", None),
               (0xffffffff81374280, "T", "__thp_vma_allowable_orders", None),
               (0xffffffff813742b0, "T", "mm_get_huge_zero_folio", None),
               (0xffffffff81a013b0, "t", "vfio_device_fops_mmap", None),
               (0xffffffff81a09dd0, "t", "vfio_pci_mmap_huge_fault", None),
               (0xffffffff81a0b820, "T", "vfio_pci_core_register_device", None),
               (0xffffffff82000080, "T", "entry_SYSCALL_64", None),
               (0xffffffff82666220, "d", "vfio_device_fops", None),
               (0xffffffffa0207070, "t", "vfio_align_get_unmapped_area", "vfio_align")])
    h.hook("vfio_align_get_unmapped_area")
    h.exemption()
    h.modules(["updates/vfio_align.ko:"], [],
              ["kernel/drivers/vfio/vfio.ko", "kernel/drivers/vfio/vfio_iommu_type1.ko",
               "kernel/drivers/vfio/pci/vfio-pci-core.ko", "kernel/drivers/vfio/pci/vfio-pci.ko"])
    h.align_module("updates/vfio_align.ko")
    h.parameters("vfio_iommu_type1", allow_unsafe_interrupts="N", dma_entry_limit=65535)
    h.parameters("vfio_pci", disable_idle_d3="N", nointxmask="N")
    h.parameters("vfio_align", enabled="Y", hits=3, aligned=2)
    h.parameters("kvm", tdp_mmu="Y", nx_huge_pages="N")
    h.parameters("kvm_amd", npt="Y")
    h.open_for_modules()
    h.write("proc/cmdline", "BOOT_IMAGE=/vmlinuz-7.2.5 root=/dev/nvme0n1p2 ro vfio-pci.ids=10de:25b6")
    h.write("proc/cpuinfo", "flags\t\t: fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 nx "
                            "mmxext pdpe1gb rdtscp lm svm npt\naddress sizes\t: 48 bits physical, 48 bits virtual")
    h.interrupts("   0:        122  IR-IO-APIC    2-edge      timer",
                 "  81:        344  IR-PCI-MSIX-0000:01:00.0    0-edge      nvme0q0",
                 " 120:          1  IR-PCI-MSI-0000:41:00.0    0-edge      vfio-msi[0](0000:41:00.0)")
    for i in range(4):
        bus = f"0000:{i * 0x20:02x}"
        h.link(f"sys/class/iommu/ivhd{i}", f"../../devices/pci{bus}/{bus}:00.2/iommu/ivhd{i}")

    h.bridge("0000:00:01.1", "1022:1483", group=1, node=0)
    h.pci("0000:01:00.0", NVME, 0x010802, "nvme", "144d:aa4a", group=8, node=0, reset_method="flr bus",
          bars={0: (0xf6200000, 16 * KIB, MEM64)})
    h.disk("nvme0n1", "0000:01:00.0", 0, parts=2)
    h.bridge("0000:00:01.2", "1022:1483", group=2, node=0)
    h.pci("0000:02:00.0", "8086:1533", 0x020000, "igb", "8086:0002", group=9, node=0, reset_method="flr bus",
          bars={0: (0xf6100000, 512 * KIB, MEM32), 3: (0xf6180000, 16 * KIB, MEM32)}, sriov_totalvfs=0)
    h.interface("enp2s0", "0000:02:00.0", 0x1003)
    h.bridge("0000:40:01.1", "1022:1483", group=26, node=0)
    h.pci("0000:41:00.0", "10de:25b6", 0x030200, "vfio-pci", "10de:157e", group=27, node=0, reset_method="flr bus",
          bars={0: (0xf4000000, 16 * MIB, MEM32), 1: (0x18000000000, 16 * GIB, MEM64_PREFETCH),
                3: (0x18400000000, 32 * MIB, MEM64_PREFETCH)}, resource1_resize="0000000000007fc0", boot_vga=0)
    h.mounts("29 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw",
             "40 29 259:1 / /boot/efi rw,relatime shared:30 - vfat /dev/nvme0n1p1 rw")
    h.write("proc/swaps", SWAPS)
    h.loopback()
    h.routes("enp2s0", "0001A8C0", "0101A8C0")
    h.write("sys/class/tty/console/active", "tty0")
    h.names(_10de_25b6="NVIDIA Corporation GA107GL [A2 / A16]",
            _8086_1533="Intel Corporation I210 Gigabit Network Connection",
            _1022_1483="Advanced Micro Devices, Inc. [AMD] Starship/Matisse GPP Bridge",
            _144d_a80a=PM9A3)

    h.emulator("/usr/bin/qemu-system-x86_64", "none elf 0b7c6d5e4f3a29180716253443526170899a0b1c ")
    # A guest that somebody started by hand: 32 GiB of memory in huge pages, and the GPU
    h.write("proc/4242/comm", "qemu-system-x86")
    h.write("proc/4242/cmdline", "\0".join([
        "/usr/bin/qemu-system-x86_64", "-name", "guest=render", "-machine", "q35,accel=kvm", "-m", "32768", "-device",
        "vfio-pci,host=0000:41:00.0,id=gpu"]).encode() + b"\0")
    h.link("proc/4242/exe", "/usr/bin/qemu-system-x86_64")
    h.write("proc/4242/status", "Name:\tqemu-system-x86\nRssAnon:\t   91412 kB\nVmPTE:\t     612 kB\n"
                                "VmSwap:\t       0 kB\nHugetlbPages:\t33554432 kB\nTHP_enabled:\t1")
    h.write("proc/4242/maps", "\n".join([
        "556c1c200000-556c1cd31000 r-xp 00000000 103:02 1181217                   /usr/bin/qemu-system-x86_64",
        "556c5b0e4000-556c5c1f9000 rw-p 00000000 00:00 0                          [heap]",
        "7f0a00000000-7f1200000000 rw-s 00000000 00:0f 41823                      /dev/hugepages/render",
        "7f1240000000-7f1640000000 rw-s 10000000000 00:10 31                      anon_inode:[vfio-device]",
        "7f1648000000-7f164a000000 rw-s 30000000000 00:10 31                      anon_inode:[vfio-device]",
        "7f164b000000-7f164c000000 rw-s 00000000 00:10 31                         anon_inode:[vfio-device]",
        "7f164c3a1000-7f164c5d0000 r-xp 00000000 103:02 1180422                   /usr/lib/x86_64-linux-gnu/libc.so.6",
        "7ffd6b1f0000-7ffd6b211000 rw-p 00000000 00:00 0                          [stack]"]))
    h.write("proc/4242/fdinfo/31", "pos:\t0\nflags:\t02000002\nmnt_id:\t15\nino:\t3076\n"
                                   "vfio-device-syspath: /sys/devices/pci0000:40/0000:40:01.1/0000:41:00.0")
    h.answer("emulator-process 4242", "here /usr/bin/qemu-system-x86_64")
    h.answer("vfio-descriptors 4242", "container,group 27,device")
    h.link("sys/dev/char/243:0", "../../devices/virtual/vfio/27")
    h.answer("open-device-nodes", "all 4242:c:243:0")
    h.done()


def rebound():
    h = Host("rebound", "6.12.48-061248-generic")
    h.thp("always")
    h.btf(tva_type=False, addr_mask=None)
    h.probe("yes", "no")
    h.modules(vfio_dep(), [ANY_ALIAS])
    h.loaded("vfio", "vfio_pci", "vfio_pci_core", "kvm", "kvm_intel")
    h.parameters("vfio_iommu_type1", allow_unsafe_interrupts="N", dma_entry_limit=65535)
    h.parameters("kvm", tdp_mmu="Y", nx_huge_pages="N")
    h.parameters("kvm_intel", ept="Y")
    h.open_for_modules()
    h.write("proc/cmdline", "BOOT_IMAGE=/vmlinuz-6.12.48-061248-generic root=/dev/sda2 ro intel_iommu=on")
    h.write("proc/cpuinfo", XEON.format(46))
    h.interrupts("   0:         36  IR-IO-APIC    2-edge      timer")
    h.intel_iommu(1, 0x8d2078c106f0466, 0xf020df)

    # For the configuration: a disk, whose ID nobody else has; and one of two ports, both with the same ID
    h.bridge("0000:00:01.0", "8086:347a", group=1, node=0)
    h.pci("0000:01:00.0", NVME, 0x010802, "vfio-pci", "144d:aa4a", group=20, node=0, reset_method="flr bus",
          driver_override="vfio-pci", bars={0: (0x9e000000, 16 * KIB, MEM64)})
    h.record(20, {"0000:01:00.0": (NVME, "144d:aa4a", "nvme", "vfio-pci")}, "boot")
    h.bridge("0000:00:02.0", "8086:347a", group=2, node=0)
    for n, driver in enumerate(("igb", "vfio-pci")):
        h.pci(f"0000:02:00.{n}", "8086:1521", 0x020000, driver, "8086:0001", group=21 + n, node=0, reset_method="flr bus",
              bars={0: (0x9d000000 + n * MIB, 512 * KIB, MEM32)})
    h.interface("eno1", "0000:02:00.0", 0x1003)
    h.record(22, {"0000:02:00.1": ("8086:1521", "8086:0001", "igb", "vfio-pci")}, "boot")

    # For a guest; and a card that came to a stop half-way
    gpu, audio = ("10de:25b6", "10de:157e"), ("10de:2291", "10de:157e")
    for bus, group, drivers in ((3, 23, ("vfio-pci", "vfio-pci")), (4, 24, (None, "vfio-pci"))):
        h.bridge(f"0000:00:{bus:02x}.0", "8086:347a", group=bus, node=0)
        h.pci(f"0000:{bus:02x}:00.0", gpu[0], 0x030200, drivers[0], gpu[1], group=group, node=0, reset_method="flr bus",
              driver_override="vfio-pci", bars={0: (0x90000000 + bus * 64 * MIB, 16 * MIB, MEM32),
                                                1: (0x18000000000 + bus * 16 * GIB, 16 * GIB, MEM64_PREFETCH)})
        h.pci(f"0000:{bus:02x}:00.1", audio[0], 0x040300, drivers[1], audio[1], group=group, node=0,
              driver_override="vfio-pci", bars={0: (0x91000000 + bus * 64 * MIB, 16 * KIB, MEM32)})
        h.record(group, {f"0000:{bus:02x}:00.0": (*gpu, None if bus == 3 else "nouveau", "vfio-pci"),
                         f"0000:{bus:02x}:00.1": (*audio, "snd_hda_intel", "vfio-pci")},
                 *(("guest render",) if bus == 3 else ("operator", "quarantined", "nouveau does not leave 0000:04:00.0 "
                                                       "(task 1207 hangs in nvkm_fence_wait)")))

    # The controller of the host's disk, and the one of its only keyboard
    h.pci("0000:00:17.0", "8086:a1d2", 0x010601, "ahci", "8086:7270", group=10, node=0,
          bars={5: (0x92300000, 512 * KIB, MEM32)})
    for i in range(3):
        disk = "bus/pci/devices/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda" + (f"/sda{i}" if i else "")
        h.write(f"sys/{disk}/dev", f"8:{i}")
        h.link(f"sys/class/block/sda{i or ''}", f"../../{disk}")
    h.pci("0000:00:14.0", "8086:a1af", 0x0c0330, "xhci_hcd", "8086:7270", group=9, node=0,
          bars={0: (0x92310000, 64 * KIB, MEM64)})
    event = "bus/pci/devices/0000:00:14.0/usb1/1-7/1-7:1.0/0003:046B:FF10.0001/input/input3/event2"
    h.write(f"sys/{event}/device/name", "American Megatrends Inc. Virtual Keyboard and Mouse")
    h.write(f"sys/{event}/device/capabilities/key", "1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe")
    h.link("sys/class/input/event2", f"../../{event}")
    h.mounts("29 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw",
             "40 29 8:1 / /boot/efi rw,relatime shared:30 - vfat /dev/sda1 rw")
    h.write("proc/swaps", SWAPS)
    h.loopback()
    h.routes("eno1", "0001A8C0", "0101A8C0")
    h.write("sys/class/tty/console/active", "tty0")
    h.answer("open-device-nodes", "all")
    h.names(_10de_25b6="NVIDIA Corporation GA107GL [A2 / A16]", _10de_2291="NVIDIA Corporation GA107 High Definition Audio Controller",
            _8086_1521="Intel Corporation I350 Gigabit Network Connection",
            _8086_347a="Intel Corporation Ice Lake PCIe Root Port A",
            _8086_a1d2="Intel Corporation C620 Series Chipset Family SSATA Controller [AHCI mode]",
            _8086_a1af="Intel Corporation C620 Series Chipset Family USB 3.0 xHCI Controller",
            _144d_a80a=PM9A3)
    h.emulator("/usr/bin/qemu-system-x86_64", "per-area elf 1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f70819203 ")
    h.done()


if __name__ == "__main__":
    eight_gpu()
    sriov_nic()
    arm64()
    built_in()
    rebound()
