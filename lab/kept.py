# SPDX-License-Identifier: LGPL-2.1-or-later
"""Results of scenarios that passed, kept by the digest of all that the scenario could see: what was interrupted goes on where
it was."""

import json
from dataclasses import asdict

import arm64
import modules
import product
from common import BUILD, LAB, digest
from images import image
from kernels import extra_modules, kernel
from scenario import Result

FOLDER = BUILD / "kept"

# Of the lab itself what a scenario could notice
PARTS = [LAB / p for p in ("agent", "init", "machine.py", "scenario.py", "scenarios/lib", "scenarios/seed")]


class Kept:
    """The code under test has to be built, and stays as it is meanwhile."""

    def __init__(self):
        usr = product.INSTALL / "usr"
        seen = [p for p in usr.iterdir() if p.name != "share"]
        seen += [p for p in (usr / "share").iterdir() if p.name not in ("man", "doc")]
        self.common = digest(*sorted(seen), product.INSTALL / "etc", product.build_tools(), *PARTS)

    def path(self, s, host):
        image_name, kernel_name = host.split("/")
        module = modules.module(kernel_name)
        common = (product.arm64_product() / ".key").read_text() if kernel_name in arm64.KERNELS else ""
        key = digest(self.common, common, s.path(), image(image_name).name, kernel(kernel_name).name,
                     (module / ".key").read_text() if module else "", product.packages_key() if s.packages else "",
                     extra_modules(kernel_name).name if s.modules else "")
        return FOLDER / f"{s.name}-{image_name}-{kernel_name}-{key}.json"

    def find(self, s, host):
        path = self.path(s, host)
        if not path.exists():
            return None
        return Result(**json.loads(path.read_text()) | {"kept": True})

    def add(self, s, result):
        if result.failed:
            return
        FOLDER.mkdir(parents=True, exist_ok=True)
        path = self.path(s, result.host)
        new = path.with_suffix(".new")
        new.write_text(json.dumps(asdict(result)))
        new.rename(path)
