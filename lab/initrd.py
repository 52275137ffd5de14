# SPDX-License-Identifier: LGPL-2.1-or-later
"""The initrd of the lab's kernels: busybox, the few modules on the way to the root disk, and lab/init."""

import gzip
import lzma
import shutil
import subprocess
from pathlib import Path

import cache
from common import LAB, digest, need, source

INITRD_MODULES = "virtio_pci virtio_blk ext4 9pnet_virtio 9p".split()


def read_module(path):
    data = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(data)
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-qdc", str(path)], check=True, capture_output=True).stdout
    return data


def load_order(modules, names):
    """The files of modules in a lib/modules/RELEASE and of all that they need, each behind what it needs. A name that is
    not there adds nothing: such a module is built in, or of another release."""
    depends, order = {}, []
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        depends[Path(path).name.split(".")[0].replace("-", "_")] = (path, rest.split())

    def add(name):
        path, rest = depends.get(name, (None, []))
        for p in rest:
            add(Path(p).name.split(".")[0].replace("-", "_"))
        if path and modules / path not in order:
            order.append(modules / path)

    for name in names:
        add(name)
    return order


def initrd(name, kernel, busybox="/bin/busybox"):
    """The file of one kernel, whose folder is given. busybox: the program of its processor."""
    key = digest(kernel.name, LAB / "init", str(INITRD_MODULES), str(busybox), source(build_initrd, load_order, read_module))
    (modules,) = (kernel / "lib/modules").iterdir()
    return cache.get(f"initrd-{name}", key, lambda work: build_initrd(modules, work / "initrd", busybox)) / "initrd"


def build_initrd(modules, target, busybox):
    """busybox and the few modules on the way to the root disk; lab/init does the rest."""
    need("busybox-static", "cpio", "zstd")
    # ext4 and 9p find these by name at run time.
    order = load_order(modules, ["crc32c_generic", "crc32c_intel", "libcrc32c", *INITRD_MODULES])
    tree = target.with_suffix(".tree")
    for d in ("bin", "modules", "proc", "sys", "dev", "root"):
        (tree / d).mkdir(parents=True)
    shutil.copy2(busybox, tree / "bin/busybox")
    shutil.copy2(LAB / "init", tree / "init")
    names = []
    for path in order:
        name = path.name.split(".ko")[0] + ".ko"
        (tree / "modules" / name).write_bytes(read_module(path))
        names.append(name)
    (tree / "modules/order").write_text("\n".join(names) + "\n")
    find = subprocess.run(["find", "."], cwd=tree, check=True, capture_output=True).stdout
    cpio = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"], cwd=tree, input=find, check=True,
                          capture_output=True).stdout
    target.write_bytes(gzip.compress(cpio, 1))
    shutil.rmtree(tree)
