#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vfioalignctl metrics: what Prometheus' own checker says of it, names that strangers chose, and the file that it writes.

check-metrics.py CTL [PROMTOOL]; what it prints of recorded hosts is in tests/hosts/NAME.prom (check-hosts.py)."""

import os
import re
import stat
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path
from xml.sax.saxutils import quoteattr

CTL, *PROMTOOL = [os.path.abspath(path) for path in sys.argv[1:3]]
del sys.argv[1:3]

HOSTS = Path(__file__).parent / "hosts"
SERIES_MAX, BYTES_MAX = 10, 10_000


def metrics(root, *options):
    run = subprocess.run([CTL, "metrics", "--root", str(root), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert run.returncode == 0, run
    return run.stdout.decode(), run.stderr.decode()


def write(root, path, text):
    path = Path(root) / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def unescape(value):
    return re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), value)


SAMPLE = r'(\w+)(?:\{((?:\w+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (\d+(?:\.\d+)?)'


def parse(text):
    """[(name, labels, value)], by the letter of the format."""
    samples = []
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("#"):
            continue
        match = re.fullmatch(SAMPLE, line)
        assert match, line
        labels = {k: unescape(v) for k, v in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or "")}
        samples.append((match[1], labels, float(match[3])))
    return samples


def make_host(root, names):
    """One with a GPU, and guests of these names that have it. libvirt's files are named by numbers."""
    gpu = "sys/bus/pci/devices/0000:41:00.0/"
    none = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
    write(root, "proc/sys/kernel/osrelease", "6.12.0-test\n")
    write(root, "proc/kallsyms", "0 T vmf_insert_pfn_pmd\n0 T vmf_insert_pfn_pud\n0 t vfio_pci_mmap_huge_fault\t[vfio_pci_core]\n")
    write(root, "sys/module/vfio_pci_core/refcnt", "1\n")
    write(root, "sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n")
    for file, text in ("vendor", "0x10de"), ("device", "0x2330"), ("class", "0x030200"):
        write(root, gpu + file, text + "\n")
    write(root, gpu + "resource", none + "0x0000380000000000 0x000038007fffffff 0x000000000014220c\n")
    os.symlink("../../../../kernel/iommu_groups/12", Path(root) / gpu / "iommu_group")
    os.symlink("../../../../bus/pci/drivers/vfio-pci", Path(root) / gpu / "driver")
    for i, name in enumerate(names):
        text = quoteattr(name, {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})[1:-1].replace("&quot;", '"')
        write(root, f"etc/libvirt/qemu/{i}.xml",
              f"<domain type='kvm'><name>{text}</name><uuid>00000000-0000-0000-0000-{i:012}</uuid><devices>"
              "<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x0' bus='0x41' slot='0' "
              "function='0'/></source></hostdev></devices></domain>")


class Metrics(unittest.TestCase):
    def check_text(self, text):
        self.assertTrue(text.endswith("\n"))
        samples = parse(text)
        keys = [(name, tuple(sorted(labels.items()))) for name, labels, _ in samples]
        self.assertEqual(len(keys), len(set(keys)), "two equal series")
        # The samples of a family stand together, behind its two lines.
        families = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")]
        self.assertEqual(len(families), len(set(families)))
        if PROMTOOL:
            run = subprocess.run([*PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True)
            self.assertEqual((run.returncode, run.stdout + run.stderr), (0, ""), text)
        return samples

    def test_recorded_hosts(self):
        for path in sorted(HOSTS.glob("*.prom")):
            with self.subTest(path.stem):
                text = path.read_text().replace("TIME\n", "0\n").replace("VERSION", "0")
                self.assertLessEqual(len(text), BYTES_MAX)
                samples = self.check_text(text)
                of_guest = [labels["domain"] for _, labels, _ in samples if "domain" in labels]
                for domain in set(of_guest):
                    self.assertLessEqual(of_guest.count(domain), SERIES_MAX)

    def test_names(self):
        """Whatever a guest is called, there is one series of it, and nothing else."""
        hostile = ['quote"d', "back\\slash", "new\nline", '"} 1\nvfioalign_enabled{x="', "ä€😀", "end\\", "a,b=c{}",
                   "x" * 4096, "x" * 4095 + "y", "ctrl\x7f", "rtl\u202e", "del\x9b31m"]
        with tempfile.TemporaryDirectory() as root:
            make_host(root, hostile)
            text, errors = metrics(root)
            self.assertEqual(errors, "")
            samples = self.check_text(text)
            named = [labels["domain"] for name, labels, _ in samples if name == "vfioalign_guest_running"]
            self.assertEqual(len(named), len(hostile))
            for name in hostile[:7]:
                self.assertIn(name, named)
            for name in named:
                self.assertLessEqual(len(name.encode()), 255 + len(" (00000000-0000-0000-0000-000000000000)"))
                self.assertNotRegex(name, "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")
            self.assertEqual([value for name, _, value in samples if name == "vfioalign_enabled"], [1])
            for name in named:
                self.assertLessEqual(sum(labels.get("domain") == name for _, labels, _ in samples), SERIES_MAX)

    def test_export(self):
        """Guests=, and who cannot read it names nobody."""
        with tempfile.TemporaryDirectory() as root:
            make_host(root, ["secret-a", "secret-b"])
            for setting, domains, errors in [
                    ("Guests=name\n", ["secret-a", "secret-b"], ""),
                    ("Guests=uuid\n", ["00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000001"], ""),
                    ("Guests=none\n", [], ""),
                    ("Guests=nobody\n", [], "/etc/vfioalignd.conf:2: Guests=nobody: expected name, uuid or none; no guest is named")]:
                write(root, "etc/vfioalignd.conf", "[Export]\n" + setting)
                text, said = metrics(root)
                samples = self.check_text(text)
                self.assertEqual([labels["domain"] for name, labels, _ in samples if name == "vfioalign_guest_running"], domains)
                self.assertIn(errors, said)
                self.assertEqual(bool(errors), bool(said))
                self.assertEqual("secret" in text, "Guests=name" in setting)
                counted = [value for name, labels, value in samples if name == "vfioalign_guests" and labels["state"] == "stopped"]
                self.assertEqual(counted, [2])

    def test_file(self):
        with tempfile.TemporaryDirectory() as root, tempfile.TemporaryDirectory() as out:
            make_host(root, ["web1"])
            path = Path(out) / "vfioalign.prom"
            path.symlink_to(Path(out) / "victim")
            text, _ = metrics(root, "--output", str(path))
            self.assertEqual(text, "")
            self.assertEqual(os.listdir(out), ["vfioalign.prom"])
            self.assertEqual(stat.S_IMODE(path.lstat().st_mode), 0o644)
            self.check_text(path.read_text())
            run = subprocess.run([CTL, "metrics", "--root", root, "-o", "relative.prom"], cwd=out)
            self.assertEqual((run.returncode, sorted(os.listdir(out))), (0, ["relative.prom", "vfioalign.prom"]))
            for wrong in f"{out}/none/x.prom", out, "/dev/full/x":
                run = subprocess.run([CTL, "metrics", "--root", root, "--output", wrong], capture_output=True, text=True)
                self.assertEqual((run.returncode, run.stdout), (1, ""))
                self.assertIn(f"Failed to write '{wrong}': ", run.stderr)
            with open("/dev/full", "w") as full:
                run = subprocess.run([CTL, "metrics", "--root", root], stdout=full, stderr=subprocess.DEVNULL)
                self.assertEqual(run.returncode, 1)
            self.assertEqual(subprocess.run([CTL, "metrics", "x"], stderr=subprocess.DEVNULL).returncode, 2)

    def test_whole(self):
        """Whoever reads while it is written, and while writers are killed, sees all of it."""
        with tempfile.TemporaryDirectory() as root, tempfile.TemporaryDirectory() as out:
            make_host(root, ["web1"])
            path = Path(out) / "vfioalign.prom"
            metrics(root, "--output", str(path))
            lines, done = len(path.read_text().splitlines()), threading.Event()
            seen = set()

            def read():
                while not done.is_set():
                    seen.add(len(path.read_text().splitlines()))

            reader = threading.Thread(target=read)
            reader.start()
            try:
                for i in range(30):
                    writer = subprocess.Popen([CTL, "metrics", "--root", root, "--output", str(path)])
                    try:
                        writer.wait(0.002 * i)
                    except subprocess.TimeoutExpired:
                        writer.kill()
                        writer.wait()
            finally:
                done.set()
                reader.join()
            self.assertEqual(seen, {lines})


if __name__ == "__main__":
    unittest.main()
