#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What vfioalignctl prints as JSON follows fleet/audit.schema.json, on this host and on made-up ones; and all
that it prints is described there."""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path

from schema import Report

CTL, SCHEMA = sys.argv[1:3]
del sys.argv[1:3]

NONE = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"


def write(root, path, text):
    path = Path(root) / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_host(root):
    """A 6.x host with a GPU in use by QEMU, and the module switched off."""
    gpu = "sys/bus/pci/devices/0000:41:00.0/"
    write(root, "proc/sys/kernel/osrelease", "6.12.0-test\n")
    write(root, "proc/kallsyms", "0 T vmf_insert_pfn_pmd\n0 T vmf_insert_pfn_pud\n"
                                 "0 t vfio_pci_mmap_huge_fault\t[vfio_pci_core]\n")
    write(root, "sys/module/vfio_pci_core/refcnt", "1\n")
    write(root, "sys/module/vfio_align/parameters/enabled", "N\n")
    write(root, "sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n")
    write(root, gpu + "vendor", "0x10de\n")
    write(root, gpu + "device", "0x2330\n")
    write(root, gpu + "class", "0x030200\n")
    write(root, gpu + "resource", NONE + "0x0000380000000000 0x000038007fffffff 0x000000000014220c\n")
    os.symlink("../../../../kernel/iommu_groups/12", Path(root) / gpu / "iommu_group")
    os.symlink("../../../../bus/pci/drivers/vfio-pci", Path(root) / gpu / "driver")
    write(root, "proc/4242/comm", "qemu\n")
    write(root, "proc/4242/cmdline", "qemu\0-device\0vfio-pci,host=0000:41:00.0\0")
    write(root, "proc/4242/maps", "7f10c0001000-7f1140001000 rw-s 10000000000 00:13 1065 anon_inode:[vfio-device]\n")
    write(root, "usr/bin/qemu-system-x86_64", "#!/bin/sh\n")


class Schema(unittest.TestCase):
    def setUp(self):
        self.report = Report(SCHEMA)

    def run_ctl(self, *args):
        run = subprocess.run([CTL, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        return run.stdout

    def test_this_host(self):
        for verb in "audit", "mappings":
            report = self.report.check(self.run_ctl(verb, "--json"))
            self.assertEqual(report["kernel"]["release"], os.uname().release)
            self.assertEqual(report["host"]["name"], os.uname().nodename)

    def test_made_up_host(self):
        with tempfile.TemporaryDirectory() as root:
            write_host(root)
            report = self.report.check(self.run_ctl("audit", "--json", "--root", root))
            (device,) = report["devices"]
            self.assertEqual((device["address"], device["driver"], device["iommu_group"]),
                             ("0000:41:00.0", "vfio-pci", 12))
            self.assertEqual([p["by"] for p in device["bars"][0]["placements"]],
                             ["kernel", "/usr/bin/qemu-system-x86_64"])
            (mapping,) = report["mappings"]
            self.assertEqual((mapping["device"], mapping["verdict"]["page_size"]), ("0000:41:00.0", 4096))
            ids = [f["id"] for f in report["findings"]]
            self.assertIn("module-disabled", ids)
            self.assertIn("mapping-small-pages", ids)
            # What is shown to people comes from the same document.
            text = self.run_ctl("audit", "--root", root)
            for word in ids + ["0000:41:00.0", "2 GiB", "6.12.0-test"]:
                self.assertIn(word, text)

    def test_short(self):
        """--json=short prints the same document on one line."""
        host = str(Path(__file__).parent / "hosts/sriov-nic")
        for verb in ["audit"], ["explain", "router"], ["explain", "0000:16:00.0"], ["fix", "list"]:
            pretty, short = (self.run_ctl(*verb, option, "--root", host) for option in ("--json", "--json=short"))
            self.assertEqual(pretty, self.run_ctl(*verb, "--json=pretty", "--root", host))
            self.assertEqual(short.count("\n"), 1)
            self.assertGreater(pretty.count("\n"), 1)
            documents = [json.loads(text) for text in (pretty, short)]
            for document in documents:
                document.pop("time", None)
            self.assertEqual(*documents)

    def test_row(self):
        """A row is what a fleet asks of a host, on one line."""
        rows = Report(Path(SCHEMA).with_name("row.schema.json"))
        row = rows.check(self.run_ctl("row"))
        self.assertEqual(row["host"]["name"], os.uname().nodename)
        for host in sorted(p for p in (Path(__file__).parent / "hosts").iterdir() if p.is_dir()):
            text = self.run_ctl("row", "--root", str(host), "--host", "Muße")
            row, report = rows.check(text), json.loads(self.run_ctl("audit", "--json", "--root", str(host)))
            self.assertEqual(text.count("\n"), 1)
            self.assertLess(len(text), 2500)
            self.assertEqual(row["host"], report["host"] | {"name": "Muße"})
            self.assertEqual(row["need"], report["need"])
            self.assertEqual(set(row["findings"]), {f["id"] for f in report["findings"]})

    def test_no_host(self):
        """A folder or an archive that is not of a host is an error, whatever is asked of it."""
        with tempfile.TemporaryDirectory() as root:
            Path(root, "etc/libvirt").mkdir(parents=True)
            Path(root, "proc").mkdir()  # as in an image of a system
            Path(root, "sys").mkdir()
            archive = Path(root, "etc.tar")
            with tarfile.open(archive, "w") as tar:
                tar.add(Path(root, "etc"), "etc")
            for host in root, archive:
                for verb in (["audit"], ["audit", "--json"], ["audit", "--fail-on", "error"], ["devices"], ["guests"],
                             ["emulators"], ["mappings"], ["explain", "no-vfio"], ["fix", "list"], ["fix", "plan"],
                             ["dump", root + "/out.tar"]):
                    run = subprocess.run([CTL, *verb, "--root", host], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                         text=True)
                    self.assertEqual((run.returncode, run.stdout), (1, ""), (verb, host))
                    self.assertIn(f"'{host}' is not a recorded host", run.stderr)
            self.assertFalse(Path(root, "out.tar").exists())

    def test_bare_host(self):
        with tempfile.TemporaryDirectory() as root:
            write(root, "proc/cmdline", "quiet\n")
            report = self.report.check(self.run_ctl("audit", "--json", "--root", root))
            facts = [f for part in (report["kernel"], report["module"]) for f in part.values() if isinstance(f, dict)]
            self.assertEqual((report["devices"], report["iommu"]["value"]), ([], "unknown"))
            self.assertIn("unknown", {f["value"] for f in facts})
            self.run_ctl("audit", "--root", root)

    def test_exit_status(self):
        with tempfile.TemporaryDirectory() as root:
            write_host(root)
            for severity, code in ("info", 3), ("warning", 3), ("error", 0), ("dire", 2):
                run = subprocess.run([CTL, "audit", "--root", root, "--fail-on", severity], stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
                self.assertEqual(run.returncode, code, severity)
            for args, code in (["audit", "--root", root + "/none"], 1), (["audit", "word"], 2), (["audit", "-x"], 2):
                run = subprocess.run([CTL, *args], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                self.assertEqual(run.returncode, code, args)
                self.assertNotEqual(run.stderr, "")
            with open("/dev/full", "w") as full:
                run = subprocess.run([CTL, "audit", "--json", "--root", root], stdout=full, stderr=subprocess.DEVNULL)
                self.assertEqual(run.returncode, 1)

    def test_options(self):
        """Options can stand before the verb, and what is wrong with one is said by vfioalignctl."""
        with tempfile.TemporaryDirectory() as root:
            write_host(root)
            expected = self.run_ctl("devices", "--output", "ADDRESS", "--root", root)
            for args in (["--root", root, "devices", "-o", "ADDRESS"], ["-o", "ADDRESS", f"--root={root}", "devices"],
                         ["--root", root, "-oADDRESS", "devices"]):
                self.assertEqual(self.run_ctl(*args), expected)
            json.loads(self.run_ctl("--json", "devices", "--root", root))
        for args, error in ((["audit", "--nope"], "audit: unrecognized option '--nope'; see vfioalignctl audit --help"),
                            (["audit", "-jx"], "audit: unrecognized option '-x'; see vfioalignctl audit --help"),
                            (["audit", "--area", "x"], "audit: unrecognized option '--area'; see vfioalignctl audit --help"),
                            (["audit", "--root"], "audit: option '--root' requires an argument"),
                            (["devices", "-o"], "devices: option '-o' requires an argument"),
                            (["--json=1", "audit"], "--json=1: expected pretty or short"),
                            (["bind", "--force=1"], "bind: option '--force=1' takes no argument"),
                            (["--json", "nope"], "unknown verb 'nope'; see vfioalignctl --help")):
            run = subprocess.run([CTL, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.assertEqual((run.returncode, run.stdout, run.stderr), (2, "", f"vfioalignctl: {error}\n"), args)
        # What libvirt calls does not take a guest's name for an option of its own.
        run = subprocess.run([CTL, "hook", "--help", "reconnect", "begin", "-"], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertNotIn("vfioalignctl hook", run.stdout)

    def test_schema_bites(self):
        """A document that breaks its promise is turned away."""
        import copy
        import jsonschema
        good = self.report.check(self.run_ctl("audit", "--json"))

        def broken(change):
            report = copy.deepcopy(good)
            change(report)
            with self.assertRaises(jsonschema.ValidationError):
                self.report.check(json.dumps(report))

        broken(lambda r: r.pop("kernel"))
        broken(lambda r: r.update(schema_version=3))
        broken(lambda r: r["kernel"]["vfio"].update(value="maybe"))
        broken(lambda r: r.update(surprise=1))


if __name__ == "__main__":
    unittest.main()
