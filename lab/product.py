# SPDX-License-Identifier: LGPL-2.1-or-later
"""The code under test as machines get it: the installed tree, the tools of the scenarios, the Debian packages."""

import os
import shutil
from pathlib import Path

import arm64
import packaging
from common import BUILD, LAB, TOP, LabError, alone, digest, need, run, say, source
from modules import IN_IMAGE, built, in_tree

INSTALL = BUILD / "install"
MESON = Path(os.environ.get("LAB_MESON", BUILD / "meson"))  # make check has built it already, with warnings as errors


@alone("install")
def build_install():
    """The build under test as a tree, with the unit enabled as a package would. Stripped, because each boot copies it."""
    run([str(TOP / "tests" / "install-dependencies")])
    log = BUILD / "logs" / "build.log"
    log.unlink(missing_ok=True)
    if not (MESON / "build.ninja").exists():
        shutil.rmtree(MESON, ignore_errors=True)
        run(["meson", "setup", "--prefix=/usr", "--sysconfdir=/etc", "--libdir=lib/x86_64-linux-gnu", str(MESON), str(TOP)],
            log)
    run(["ninja", "-C", str(MESON)], log)
    shutil.rmtree(INSTALL, ignore_errors=True)
    run(["meson", "install", "-C", str(MESON), "--no-rebuild", "--strip", "--destdir", str(INSTALL)], log)
    run(["systemctl", f"--root={INSTALL}", "-q", "enable", "vfioalignd.service"], log)
    return INSTALL


@alone("install")
def link_install(target):
    """Links of the same files: a machine only reads them."""
    run(["cp", "-al", f"{INSTALL}/.", str(target)])


@alone("tools")
def build_tools():
    """Each lab/tools/NAME.c as a static program, so that it runs on every image; NAME-preload.c as NAME-preload.so,
    NAME-32.c as a 32-bit program, without a C library, NAME-dynamic.c as a program that takes a LD_PRELOAD."""
    target = BUILD / "tools"
    target.mkdir(parents=True, exist_ok=True)
    newest = max(source.stat().st_mtime for source in (LAB / "tools").glob("*.c"))  # one can include another
    ways = {"preload": ["-shared", "-fPIC"], "dynamic": [],
            "32": ["-m32", "-nostdlib", "-static", "-ffreestanding", "-fno-pic", "-no-pie"]}
    for source in (LAB / "tools").glob("*.c"):
        way = source.stem.rpartition("-")[2]
        program = target / (source.stem + (".so" if way == "preload" else ""))
        if not program.exists() or program.stat().st_mtime < newest:
            how = ways.get(way, ["-static"])
            run(["gcc", "-O2", "-g", "-std=gnu11", "-Wall", "-Wextra", "-Werror", *how, "-o", str(program), str(source)])
    return target


def arm64_product():
    """The folder with install, the build under test, and tools, those that its scenarios use; both for arm64."""
    key = digest(*packaged_code(), LAB / "tools", arm64.cross().parent.name, source(build_arm64_product, in_tree), IN_IMAGE)
    return built("arm64", "product", key, build_arm64_product)


def build_arm64_product(work):
    say("building for arm64 (two minutes)")
    log = BUILD / "logs" / "arm64-product.log"
    for folder in ("code", "tools"):
        (work / folder).mkdir()
    run(["cp", "-a", *map(str, packaged_code()), str(work / "code")])
    run(["cp", "-a", str(LAB / "tools"), str(work / "tool-code")])
    if in_tree(arm64.cross(), work, """
            cd /mnt
            meson setup --cross-file /aarch64.ini --prefix=/usr --sysconfdir=/etc --libdir=lib/aarch64-linux-gnu made code
            ninja -C made
            meson install -C made --no-rebuild --strip --destdir /mnt/install
            cd tool-code
            build() { aarch64-linux-gnu-gcc -O2 -g -std=gnu11 -Wall -Wextra -Werror -o "$@"; }
            build /mnt/tools/bar-map -static bar-map.c
            build /mnt/tools/bar-map-dynamic bar-map-dynamic.c
            build /mnt/tools/sparse-area-preload.so -shared -fPIC sparse-area-preload.c""", log):
        raise LabError(f"the build for arm64 failed:\n{log.read_text()[-4000:]}")
    for folder in ("code", "made", "tool-code"):
        shutil.rmtree(work / folder)


def packaged_code():
    return [p for p in sorted(TOP.iterdir()) if p.name not in (".git", "build", "lab")]


def packages_key():
    return digest(*packaged_code(), source(packaged_code, make_packages))


def all_packages(suite):
    """The folder with the Debian packages for an image, built there as a maintainer builds them; in dkms the module's, which
    the machine compiles, and in former those of the version before."""
    key = digest(packages_key(), packaging.builder(suite).parent.name, packaging.FORMER, source(make_all_packages))
    return built("packages", suite, key, lambda work: make_all_packages(suite, work))


def make_all_packages(suite, work):
    say(f"building the packages on {suite}")
    log = BUILD / "logs" / f"packages-{suite}.log"
    log.unlink(missing_ok=True)
    packaging.build(suite, work, log, options="nocheck")
    for p in work.iterdir():
        if p.suffix != ".deb" or "-dbgsym" in p.name:
            p.unlink()
    for name in ("dkms", "former"):
        (work / name).mkdir()
    for p in work.glob("vfioalign-dkms_*.deb"):
        p.rename(work / "dkms" / p.name)
    for p in packaging.former(suite).glob("*.deb"):
        if "-dbgsym" not in p.name:
            shutil.copy2(p, work / "former")


def build_packages():
    """The folder with the Debian packages, but for the module's: dkms would compile it in the machine. Built on this host,
    they fit the image of the same release."""
    return built("packages", "deb", packages_key(), make_packages)


def make_packages(work):
    need("debhelper", "dh-dkms", "dpkg-dev")
    say("building the packages")
    log = BUILD / "logs" / "packages.log"
    log.unlink(missing_ok=True)
    tree = work / "tree"
    tree.mkdir()
    run(["cp", "-a", *map(str, packaged_code()), str(tree)], log)
    run(["dpkg-buildpackage", "-b", "-d", "-us", "-uc"], log, cwd=tree,
        env=os.environ | {"DEB_BUILD_OPTIONS": "nocheck", "DEB_BUILD_PROFILES": "nocheck"})
    shutil.rmtree(tree)
    for p in work.iterdir():
        if p.suffix != ".deb" or "-dkms" in p.name or "-dbgsym" in p.name:
            p.unlink()
