# SPDX-License-Identifier: LGPL-2.1-or-later
"""A made-up host for VFIOALIGN_ROOT: the kernel as it was recorded (tests/hosts), under bench/make-host's devices."""

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent
FUNCTIONS, VFIO = 121, 64  # so many of them are with VFIO
BOOT_ID = "6b0f8f0e-1d8b-4f5c-9c5e-7a2f4f7a3b11"


def make_host(root):
    """The addresses of the functions that VFIO has."""
    with tarfile.open(TESTS / "hosts/lab-7.3.tar.gz") as recorded:
        recorded.extraction_filter = lambda member, path: member  # links lead where the host's do
        recorded.extractall(root)
    kernel = (root / "proc/sys/kernel/osrelease").read_text()
    for path in [root / "sys/bus/pci", root / "sys/kernel/iommu_groups", *(root / "sys/devices").glob("pci*")]:
        shutil.rmtree(path)
    subprocess.run([TESTS / "bench/make-host", root, str(FUNCTIONS)], check=True)
    (root / "proc/sys/kernel/osrelease").write_text(kernel)
    (root / "proc/sys/kernel/random").mkdir(exist_ok=True)
    (root / "proc/sys/kernel/random/boot_id").write_text(BOOT_ID + "\n")
    vfio = with_driver(root, "vfio")
    assert len(vfio) == VFIO, len(vfio)
    return vfio


def with_driver(root, word):
    return sorted(p.name for p in (root / "sys/bus/pci/devices").iterdir() if word in os.readlink(p / "driver"))


def run_guest(root, name, process):
    """What libvirt and the kernel show of a guest that runs: as recorded, under the number of a process of ours."""
    recorded = re.search(r'<domstatus [^>]*pid="(\d+)"', (root / "run/libvirt/qemu/recorded.xml").read_text())[1]
    (root / f"run/libvirt/qemu/{name}.pid").write_text(f"{process.pid}\n")
    (root / f"proc/{recorded}").rename(root / f"proc/{process.pid}")


def make_hook(path, ctl):
    """libvirt's hook, with the vfioalignctl that was built."""
    text = (TESTS.parent / "hooks/qemu").read_text()
    path.write_text(text.replace("/usr/bin/vfioalignctl", str(ctl)))
    path.chmod(0o755)
    return str(path)
