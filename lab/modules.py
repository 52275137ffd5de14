# SPDX-License-Identifier: LGPL-2.1-or-later
"""The modules of the lab: vfio_align as dkms builds it on a host, and those that scenarios use. They are of the code under
test, so they stay in this checkout."""

import re
import shutil
import subprocess

import arm64
import cache
import source_kernel
from common import BUILD, LAB, TOP, LabError, alone, digest, remove, run, say, source
from images import image
from kernels import KERNELS, REBUILT, home_of, kernel, needed_modules, release_of

DKMS = TOP / "dkms"


def built(kind, name, key, build):
    """The folder build/lab/KIND/NAME, filled by build(folder) when its key has changed."""
    path = BUILD / kind / name
    stamp = path / ".key"
    with alone(f"{kind}-{name}"):
        if stamp.is_file() and stamp.read_text() == key:
            return path
        work = path.with_name(f"{name}.new")
        remove(work)
        work.mkdir(parents=True)
        build(work)
        (work / ".key").write_text(key)
        remove(path)
        work.rename(path)
        return path


# $1: the root of an image, $2: a folder that is /mnt in it, $3: what runs there; $4: a kernel that the image lacks, and
# $5: a lib/modules that goes before its own, if any. All that it writes elsewhere is gone after it. objtool of a 7.x
# kernel reads /proc.
IN_IMAGE = """set -e
mount -t tmpfs tmpfs "$2/over"
mkdir "$2/over/upper" "$2/over/work" "$2/over/root"
mount -t overlay -o "lowerdir=$1,upperdir=$2/over/upper,workdir=$2/over/work" overlay "$2/over/root"
[ -z "$4" ] || cp -a "$4/lib" "$4/headers/." "$2/over/root/usr"
[ -z "$5" ] || cp -a "$5" "$2/over/root/usr/lib"
mount --bind "$2" "$2/over/root/mnt"
mount -t proc proc "$2/over/root/proc"
exec chroot "$2/over/root" sh -ec "$3"
"""


def in_image(name, work, script, log, more=""):
    """Runs a script of sh in the image that fits a kernel, with the folder as its /mnt; returns its exit code. more: a
    lib/modules that goes before that of the kernel."""
    lacking = str(kernel(name)) if needed_modules(name) else ""
    return in_tree(image(home_of(name)) / "root", work, script, log, lacking, str(more))


def in_tree(root, work, script, log, lacking="", more=""):
    log.parent.mkdir(parents=True, exist_ok=True)
    over = work / "over"
    over.mkdir()
    with open(log, "wb") as out:
        code = subprocess.run(["unshare", "-m", "sh", "-c", IN_IMAGE, "sh", str(root), str(work), script, lacking, more],
                              stdin=subprocess.DEVNULL, stdout=out, stderr=out).returncode
    over.rmdir()
    return code


# What Debian's kernel lacks: iommufd, and for it the character devices of VFIO. As make has them, and as the compiler does.
OPTIONS = {
    "CONFIG_IOMMUFD": "m",
    "CONFIG_IOMMUFD_DRIVER_CORE": "m",
    "CONFIG_VFIO_DEVICE_CDEV": "y",
    "CONFIG_INTERVAL_TREE_SPAN_ITER": "y",
}
DEFINES = [f"-D{option}{'_MODULE' if value == 'm' else ''}=1" for option, value in OPTIONS.items()]


def vfio(name):
    """The lib/modules of a kernel of REBUILT with the modules of VFIO and iommufd only; None for the other kernels. Nothing
    of the code under test is in it."""
    if name not in REBUILT:
        return None
    _, patch = REBUILT[name]
    key = digest(kernel(name).name, image(home_of(name)).name, *source_kernel.patch_files(patch), str(DEFINES),
                 source(build_vfio, source_kernel.source_tree, source_kernel.apply_patch))
    return cache.get(f"vfio-{name}", key, lambda work: build_vfio(name, patch, work)) / "modules"


def build_vfio(name, patch, work):
    release = release_of(name)
    log = BUILD / "logs" / f"vfio-{name}.log"
    log.unlink(missing_ok=True)
    say(f"kernel {name}: building VFIO and iommufd from source")
    tree = source_kernel.source_tree(work, log, "Makefile", "drivers/vfio", "drivers/iommu", "lib/interval_tree.c")
    words = dict(re.findall(r"^(\w+) = *(\S*)$", (tree / "Makefile").read_text(), re.M))
    version = ".".join(words[w] for w in ("VERSION", "PATCHLEVEL", "SUBLEVEL"))
    if not release.startswith(f"{version}+"):
        raise LabError(f"{source_kernel.SUITE} has the source of Linux {version}, and kernel {name} is {release}. Remove "
                       f"{kernel(name)} to have the newest one.")
    source_kernel.apply_patch(patch, tree, log)
    # Without the drivers of single devices. The part of the interval tree that only iommufd uses is not in the kernel.
    pci, iommufd = tree / "drivers/vfio/pci/Makefile", tree / "drivers/iommu/iommufd/Makefile"
    pci.write_text(re.sub(r".*/\n", "", pci.read_text()))
    interval_tree = (tree / "lib/interval_tree.c").read_text()
    (iommufd.parent / "span_iter.c").write_text("#include <linux/interval_tree.h>\n#include <linux/export.h>\n"
                                                + interval_tree[interval_tree.index("#ifdef CONFIG_INTERVAL_TREE_SPAN"):])
    iommufd.write_text(iommufd.read_text() + "iommufd-y += span_iter.o\n")
    (tree / "Kbuild").write_text("obj-y += drivers/iommu/iommufd/ drivers/vfio/\n")
    (tree / "Makefile").unlink()
    tree.rename(work / "code")
    options = " ".join(f"{option}={value}" for option, value in OPTIONS.items())
    make_log = log.with_stem(f"{log.stem}-make")
    if in_image(name, work, f"make -C /lib/modules/{release}/build M=/mnt/code {options} "
                            f"KCFLAGS='{' '.join(DEFINES)}' modules", make_log):
        raise LabError(f"VFIO does not build for {release}, the end of {make_log}:\n{make_log.read_text()[-4000:]}")
    target = work / "modules" / release / "updates/lab"
    target.mkdir(parents=True)
    for made in (work / "code").rglob("*.ko"):
        run(["strip", "--strip-debug", "-o", str(target / made.name), str(made)], log)
    shutil.rmtree(work / "code")


def own_warnings(text):
    """The lines of a build's log that warn of our own files. An older compiler can warn of the kernel's headers."""
    return [line for line in text.splitlines()
            if re.search(r"\bwarning:", line, re.I) and re.search(r"\bvfio_align\.\w", line)]


def module(name):
    """The lib/modules of one kernel with vfio_align in it, and the index anew; None where dkms leaves the kernel
    out, as it must where the kernel has no huge entries for VFIO."""
    if name in arm64.KERNELS:
        key = digest(DKMS, kernel(name).name, arm64.cross().parent.name, source(build_arm64_module, in_tree), IN_IMAGE)
        return built("modules", name, key, lambda work: build_arm64_module(name, work))
    if name in source_kernel.KERNELS:
        key = digest(DKMS, kernel(name).name, source(build_source_module))
        return built("modules", name, key, lambda work: build_source_module(name, work))
    other_vfio = vfio(name)
    key = digest(DKMS, kernel(name).name, image(home_of(name)).name, source(build_module, in_image, in_tree), IN_IMAGE,
                 other_vfio.parent.name if other_vfio else "")
    path = built("modules", name, key, lambda work: build_module(name, work))
    return None if (path / "excluded").exists() else path


def build_module(name, work):
    say(f"kernel {name}: building vfio_align with dkms")
    release = release_of(name)
    conf = dict(re.findall(r'^(PACKAGE_\w+)="(.*)"', (DKMS / "dkms.conf").read_text(), re.M))
    package, version = conf["PACKAGE_NAME"], conf["PACKAGE_VERSION"]
    log = BUILD / "logs" / f"module-{name}.log"
    shutil.copytree(DKMS, work / "code")
    code = in_image(name, work, f"""
        cp -r /mnt/code /usr/src/{package}-{version}
        dkms add -m {package} -v {version}
        dkms install -m {package} -v {version} -k {release} && r=0 || r=$?
        cp -r /var/lib/dkms/{package} /mnt/result
        mkdir -p /mnt/usr/lib/modules/{release}
        cp -a /lib/modules/{release}/modules.* /lib/modules/{release}/updates /mnt/usr/lib/modules/{release} || true
        exit $r""", log, vfio(name) or "")
    text = log.read_text()
    makelog = "".join(p.read_text() for p in (work / "result").rglob("make.log"))
    if "BUILD_EXCLUSIVE" in text:
        (work / "excluded").write_text(text)
    elif code != 0 or own_warnings(makelog):
        raise LabError(f"dkms did not build cleanly for {release}:\n{text}\n{makelog}")
    for folder in ("code", "result"):
        shutil.rmtree(work / folder, ignore_errors=True)


def build_source_module(name, work):
    """With the compiler of this host, which built the kernel. The index is of all modules, as dkms leaves it."""
    path = kernel(name)
    release = release_of(name)
    log = BUILD / "logs" / f"module-{name}.log"
    target = work / "usr/lib/modules" / release
    shutil.copytree(path / "lib/modules" / release, target)
    (target / "updates/dkms").mkdir(parents=True)
    shutil.copytree(DKMS, work / "code")
    run(["make", "-C", str(path / "build"), f"M={work}/code", "modules"], log)
    shutil.copy2(work / "code/vfio_align.ko", target / "updates/dkms")
    shutil.rmtree(work / "code")
    (work / "lib").symlink_to("usr/lib")
    run(["depmod", "-b", str(work), release], log)
    (work / "lib").unlink()
    shutil.rmtree(target / "kernel")


def build_arm64_module(name, work):
    """With the compiler for arm64; dkms builds where it is installed."""
    path = kernel(name)
    release = release_of(name)
    log = BUILD / "logs" / f"module-{name}.log"
    target = work / "usr/lib/modules" / release
    shutil.copytree(path / "lib/modules" / release, target, symlinks=True)
    (target / "updates/dkms").mkdir(parents=True)
    shutil.copytree(DKMS, work / "code")
    run(["cp", "-a", f"{path}/headers", str(work)])
    code = in_tree(arm64.cross(), work, f"""
        cp -a /mnt/headers/usr/. /usr
        make -C /usr/src/linux-headers-{release} M=/mnt/code ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- \
            CC=aarch64-linux-gnu-gcc modules""", log)
    text = log.read_text()
    if code != 0 or own_warnings(text):
        raise LabError(f"vfio_align does not build cleanly for {release}:\n{text}")
    shutil.copy2(work / "code/vfio_align.ko", target / "updates/dkms")
    (work / "lib").symlink_to("usr/lib")
    run(["depmod", "-b", str(work), release], log)
    (work / "lib").unlink()
    for folder in (work / "code", work / "headers", target / "kernel"):
        shutil.rmtree(folder)


def tool_modules(name):
    """The folder with each lab/tools/NAME/, a kernel module that scenarios use, built for one kernel; an empty one for the
    others of `make check-all`, on which no such scenario runs."""
    if name not in (*KERNELS, *REBUILT):
        return built("tool-modules", name, "none", lambda work: None)
    folders = sorted(p for p in (LAB / "tools").iterdir() if p.is_dir())
    key = digest(*folders, kernel(name).name, image(home_of(name)).name, source(build_tool_modules, in_image, in_tree), IN_IMAGE)
    return built("tool-modules", name, key, lambda work: build_tool_modules(name, folders, work))


def build_tool_modules(name, folders, work):
    release = release_of(name)
    log = BUILD / "logs" / f"tool-modules-{name}.log"
    for folder in folders:
        shutil.copytree(folder, work / "code" / folder.name)
    if in_image(name, work, f"""
            for code in /mnt/code/*; do
                make -C /lib/modules/{release}/build M=$code modules
            done""", log):
        raise LabError(f"the modules of lab/tools do not build for {release}:\n{log.read_text()}")
    for made in (work / "code").rglob("*.ko"):
        shutil.copy2(made, work)
    shutil.rmtree(work / "code")
