# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Debian packages as a maintainer makes them: in a root of each suite with what `apt-get build-dep .` installs, by
dpkg-buildpackage. The roots are of the lab's cache; the packages are of the code under test, but for those of the former version."""

import re
import shutil
import subprocess

import cache
from common import BUILD, TOP, LabError, digest, need, run, say, source
from packages import sources

SUITES = ("bookworm", "trixie")

# The version before: what hosts upgrade from. It is built once, from this commit.
FORMER = "6c0545b"

# A package is made of these; the rest of the checkout is built, or is of this machine.
LEFT_OUT = (".git", "build", "lab")

# $1: a root, $2: a folder that is /mnt in it, $3: what runs there, by sh; $4: a cache of compilers, or nothing. What it
# writes elsewhere is gone after it. It sees no other processes, and no systemd; its root is that of a container.
ENTER = r"""
set -e
mount -t tmpfs tmpfs "$2/over"
mkdir "$2/over/upper" "$2/over/work" "$2/over/root"
mount -t overlay -o "lowerdir=$1,upperdir=$2/over/upper,workdir=$2/over/work" overlay "$2/over/root"
cd "$2/over/root"
mount --bind "$2" mnt
mount -t proc proc proc
mount --rbind /dev dev
for i in tmp run; do mount -t tmpfs tmpfs $i; done
[ -z "$4" ] || { mkdir ccache; mount --bind "$4" ccache; }
mkdir old
pivot_root . old
exec chroot . sh -ec 'umount -l /old; rmdir /old; exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
	TERM=dumb DEBIAN_FRONTEND=noninteractive sh -ec "$1"' sh "$3"
"""


def enter(root, work, script, log, compilers=""):
    """Runs a script in a root, with the folder as its /mnt; returns its exit code."""
    over = work / "over"
    over.mkdir(exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as out:
        code = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "sh", str(root),
                               str(work), script, str(compilers)], stdin=subprocess.DEVNULL, stdout=out,
                              stderr=out).returncode
    over.rmdir()
    return code


def make_root(suite, work, packages, hook, log):
    need("mmdebstrap", "debian-archive-keyring")
    log.unlink(missing_ok=True)
    run(["unshare", "-m", "mmdebstrap", "--variant=minbase", "--aptopt=Acquire::Check-Valid-Until \"false\"",
         "--dpkgopt=force-unsafe-io",
         f"--include={','.join(packages)}", *hook, suite, str(work / "root"), *sources(suite)], log)


def build_depends():
    return re.search(r"^Build-Depends:.*\n(?: .*\n)*", (TOP / "debian/control").read_text(), re.M)[0]


def builder(suite):
    """A root in which packages are built: what every Debian builder has, and what the package asks for."""
    key = digest(build_depends(), source(make_root, build_builder))
    return cache.get(f"builder-{suite}", key, lambda work: build_builder(suite, work)) / "root"


def build_builder(suite, work):
    say(f"packages, {suite}: what they are built with (two minutes)")
    tree = work / "tree/debian"
    tree.mkdir(parents=True)
    for name in ("control", "changelog"):
        shutil.copy2(TOP / "debian" / name, tree)
    make_root(suite, work, ["build-essential", "fakeroot", "ccache"], [
        f"--customize-hook=copy-in {work}/tree /",
        "--customize-hook=chroot \"$1\" sh -ec 'cd /tree; apt-get -qy --no-install-recommends build-dep .; cd /; rm -r /tree'",
        "--customize-hook=chroot \"$1\" useradd --create-home builder"], BUILD / "logs" / f"builder-{suite}.log")
    shutil.rmtree(work / "tree")


def code_under_test():
    return [p for p in sorted(TOP.iterdir()) if p.name not in LEFT_OUT]


def build(suite, into, log, user="root", options=""):
    """Builds the packages of this checkout into a folder: what dpkg-buildpackage leaves. options: DEB_BUILD_OPTIONS."""
    tree = into / "tree"
    tree.mkdir(parents=True)
    run(["cp", "-a", *map(str, code_under_test()), str(tree)], log)
    build_tree(suite, into, log, f"DEB_BUILD_OPTIONS='{options}' dpkg-buildpackage -us -uc -b", user)


def build_tree(suite, into, log, command, user="root"):
    """Runs a command in into/tree, whose results are beside it."""
    compilers = BUILD / "ccache" / suite
    compilers.mkdir(parents=True, exist_ok=True)
    script = f"""
        chown -R {user}: /mnt/tree /mnt /ccache
        cd /mnt/tree
        export PATH=/usr/lib/ccache:$PATH CCACHE_DIR=/ccache CCACHE_BASEDIR=/mnt CCACHE_NOHASHDIR=1
        exec setpriv --reuid={user} --regid={user} --init-groups --reset-env env PATH=$PATH CCACHE_DIR=/ccache \\
            CCACHE_BASEDIR=/mnt CCACHE_NOHASHDIR=1 LC_ALL=C.UTF-8 sh -ec "{command}" """
    if enter(builder(suite), into, script, log, compilers):
        raise LabError(f"{suite}: the packages do not build, as {user}; the end of {log}:\n" + log.read_text()[-4000:])
    run(["chown", "-R", "root:", str(into)], log)
    shutil.rmtree(into / "tree")


def former(suite):
    """The folder with the packages of the former version."""
    key = digest(FORMER, builder(suite).parent.name, source(build_former, build_tree))
    return cache.get(f"former-{suite}", key, lambda work: build_former(suite, work))


def build_former(suite, work):
    """Its own build-dependencies cannot be met by the ordinary command, so they are not looked at."""
    say(f"packages, {suite}: building those of the former version")
    log = BUILD / "logs" / f"former-{suite}.log"
    log.unlink(missing_ok=True)
    (work / "tree").mkdir()
    run(["sh", "-ec", f"git -C '{TOP}' archive {FORMER} | tar -x -C '{work}/tree'"], log)
    build_tree(suite, work, log, "DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage -Pnocheck -d -us -uc -b")


def host(suite):
    """A root in which packages are checked, installed and removed: of a host with headers for its kernel."""
    packages = ["lintian", "dbus", "kmod", "dkms", "linux-headers-amd64", "man-db", "libvirt0", "systemd", "udev", "polkitd"]
    key = digest(str(packages), depends(), source(make_root, build_host))
    return cache.get(f"packaged-host-{suite}", key, lambda work: build_host(suite, packages, work)) / "root"


def depends():
    return "".join(re.findall(r"^Depends:.*\n(?: .*\n)*", (TOP / "debian/control").read_text(), re.M))


# What shared libraries our programs need, by the names of both suites.
LIBRARIES = "libarchive13 libbpf1 libelf1 libinih1 libjson-c5 libkmod2 libsmartcols1 libsystemd0 libudev1 libxml2".split()


def build_host(suite, packages, work):
    say(f"packages, {suite}: a host to install them on (two minutes)")
    make_root(suite, work, [*packages, *LIBRARIES], [], BUILD / "logs" / f"packaged-host-{suite}.log")
