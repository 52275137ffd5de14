# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian packages of any suite, from the archive that this machine installs from."""

import re
import shutil
import subprocess

from common import LabError, run


def mirror(label="Debian"):
    """The archive that this machine itself installs from."""
    out = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN) $(LABEL)"],
                         check=True, capture_output=True, text=True).stdout
    for line in out.splitlines():
        uri, _, rest = line.partition(" ")
        if rest == f"Debian {label}":
            return uri.rstrip("/")
    raise LabError(f"apt has no {label} archive configured here (apt-get update?)")


def sources(*suites):
    """The updates of a suite are of no use without it."""
    lines = []
    for suite in suites:
        base = suite.removesuffix("-security")
        if base != suite:
            lines += sources(base)
        lines.append(f"deb {mirror('Debian' if base == suite else 'Debian-Security')} {suite} main")
    return lines


def fetch_packages(suite, packages, into, log, names="linux-(?:image|binary|modules|headers|kbuild|base-)",
                   architecture="amd64"):
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
               "-o", "Acquire::Check-Valid-Until=false", "-o", f"APT::Architecture={architecture}",
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


def fetch_from_pool(files, into, log):
    """As fetch_packages(), of packages that no index has any more: {path in the pool: SHA-256}."""
    for path, sha256 in files.items():
        deb = into / "package.deb"
        run(["/usr/lib/apt/apt-helper", "-o", "APT::Sandbox::User=root", "download-file", f"{mirror()}/pool/main/{path}",
             str(deb), f"SHA256:{sha256}"], log)
        run(["dpkg", "-x", str(deb), str(into / "x")], log)
        deb.unlink()
