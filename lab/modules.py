# SPDX-License-Identifier: LGPL-2.1-or-later
"""The modules of the lab: vfio_align as dkms builds it on a host, and those that scenarios use. They are of the code under
test, so they stay in this checkout."""

import re
import shutil
import subprocess

import source_kernel
from common import BUILD, LAB, TOP, LabError, alone, digest, remove, run, say, source
from images import image
from kernels import KERNELS, home_of, kernel, needed_modules, release_of

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


# $1: the root of an image, $2: a folder that is /mnt in it, $3: what runs there, $4: a kernel that the image lacks, if
# any. All that it writes elsewhere is gone after it. objtool of a 7.x kernel reads /proc.
IN_IMAGE = """set -e
mount -t tmpfs tmpfs "$2/over"
mkdir "$2/over/upper" "$2/over/work" "$2/over/root"
mount -t overlay -o "lowerdir=$1,upperdir=$2/over/upper,workdir=$2/over/work" overlay "$2/over/root"
[ -z "$4" ] || cp -a "$4/lib" "$4/headers/." "$2/over/root/usr"
mount --bind "$2" "$2/over/root/mnt"
mount -t proc proc "$2/over/root/proc"
exec chroot "$2/over/root" sh -ec "$3"
"""


def in_image(name, work, script, log):
    """Runs a script of sh in the image that fits a kernel, with the folder as its /mnt; returns its exit code."""
    log.parent.mkdir(parents=True, exist_ok=True)
    over = work / "over"
    over.mkdir()
    lacking = str(kernel(name)) if needed_modules(name) else ""
    with open(log, "wb") as out:
        code = subprocess.run(["unshare", "-m", "sh", "-c", IN_IMAGE, "sh", str(image(home_of(name)) / "root"), str(work),
                               script, lacking], stdin=subprocess.DEVNULL, stdout=out, stderr=out).returncode
    over.rmdir()
    return code


def own_warnings(text):
    """The lines of a build's log that warn of our own files. An older compiler can warn of the kernel's headers."""
    return [line for line in text.splitlines()
            if re.search(r"\bwarning:", line, re.I) and re.search(r"\bvfio_align\.\w", line)]


def module(name):
    """The lib/modules of one kernel with vfio_align in it, and the index anew; None where dkms leaves the kernel
    out, as it must where the kernel has no huge entries for VFIO."""
    if name in source_kernel.KERNELS:
        key = digest(DKMS, kernel(name).name, source(build_source_module))
        return built("modules", name, key, lambda work: build_source_module(name, work))
    key = digest(DKMS, kernel(name).name, image(home_of(name)).name, source(build_module, in_image), IN_IMAGE)
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
        exit $r""", log)
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


def tool_modules(name):
    """The folder with each lab/tools/NAME/, a kernel module that scenarios use, built for one kernel; an empty one for a
    kernel of `make check-all` only, on which no such scenario runs."""
    if name not in KERNELS:
        return built("tool-modules", name, "none", lambda work: None)
    folders = sorted(p for p in (LAB / "tools").iterdir() if p.is_dir())
    key = digest(*folders, kernel(name).name, image(home_of(name)).name, source(build_tool_modules, in_image), IN_IMAGE)
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
