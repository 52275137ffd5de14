#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The report of a trace follows fleet/trace.schema.json, and its text says the same; what the verb says where it cannot
trace. That it sees what the kernel does is for the lab: lab/scenarios/trace."""

import copy
import ctypes
import errno
import json
import os
import re
import struct
import subprocess
import sys
import unittest
from xml.etree import ElementTree

import jsonschema
from run_program import output
from schema import Report

CTL, SAMPLE, SCHEMA, BUILT = sys.argv[1:5]
del sys.argv[1:5]

BTF = "/sys/kernel/btf/vmlinux"
NR_BPF = {"x86_64": 321, "aarch64": 280}
NR_PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}


def can_mount():
    mount = ("unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/sys/kernel")
    return subprocess.run(mount, stderr=subprocess.DEVNULL, check=False).returncode == 0


def forbid_bpf(error, numbers=NR_BPF):
    """A filter of system calls that answers bpf(2) with this error, or another one."""
    program = b"".join(struct.pack("=HBBI", *line) for line in (
        (0x20, 0, 0, 0),                          # load the number of the call
        (0x15, 0, 1, numbers[os.uname().machine]),  # is it that one?
        (0x06, 0, 0, 0x00050000 | error),         # SECCOMP_RET_ERRNO
        (0x06, 0, 0, 0x7fff0000)))                # SECCOMP_RET_ALLOW
    code = ctypes.create_string_buffer(program, len(program))
    filter = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, filter, 0, 0):  # PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP
        raise OSError(ctypes.get_errno(), "seccomp")


class Trace(unittest.TestCase):
    def setUp(self):
        self.schema = Report(SCHEMA)
        self.report = self.schema.check(output(SAMPLE, "json"))

    def test_report(self):
        (process,) = self.report["processes"]
        self.assertEqual((process["pid"], process["guest"], process["ended"]), (1234, "train-a", True))
        self.assertEqual(process["seconds"], 19.5)
        self.assertAlmostEqual(sum(process["phases"].values()), process["seconds"], places=5)
        self.assertEqual(process["phases"]["bars"], 3.7)
        (bar,) = process["bars"]
        self.assertEqual((bar["device"], bar["region"], bar["size"], bar["calls"], bar["faults"], bar["page_size"]),
                         ("0000:00:05.0", 2, 2 << 30, 1, 524288, 4096))
        self.assertEqual((bar["largest_page"], bar["least_faults"]), (1 << 30, 2))
        self.assertEqual(bar["after"], {"module": {"page_size": 1 << 30, "faults": 2, "seconds": 0.000014,
                                                   "least_seconds": 0.000014, "most_seconds": 0.000014}})
        self.assertEqual(process["processors"], {"threads": 2, "faults": 34})
        self.assertEqual((self.report["lost"], self.report["unseen"][0]["function"]), (3, "pci_reset_bus"))

    def test_text(self):
        text = output(SAMPLE)
        flat = re.sub(r"\s+", " ", text)
        for sentence in self.report["processes"][0]["verdict"]:
            self.assertIn(sentence, flat)
        for words in ("0.300 train-a: RAM, 64 MiB: 32 faults, 0.646 s",
                      "11.800 train-a: 0000:00:05.0 BAR 2, 2 GiB: 524,288 faults on pages of 4 KiB, 3.700 s",
                      "train-a took 19.5 s from prepare to its last mapping.",
                      "3.70 s: mapping 1 BAR of 2 GiB for DMA, 1 time, with 524,288 faults on pages of 4 KiB. Larger pages fit, and "
                      "would take 2 faults", "With the module vfio_align that would have been 2 faults and 14 us, as a fault "
                      "took 7.06 us here.", "3.00 s: libvirt, until the emulator ran.", "1.00 s: the hook of vfioalign.",
                      "0.66 s: mapping 64.12 MiB of RAM for DMA, in 2 calls with 32 faults.",
                      "The guest's 2 processors took 34 page faults, on BARs and on other memory.",
                      "3 events were lost", "Not seen: devices reset (pci_reset_bus)."):
            self.assertIn(words, flat)
        self.assertNotIn("00:06.0", text)
        self.assertLessEqual(max(map(len, text.splitlines())), 100)

    def test_svg(self):
        """An image that stands alone, with all text and all bars of the chart within it."""
        image = output(SAMPLE, "svg")
        self.assertNotRegex(image.replace("http://www.w3.org/2000/svg", ""), "href|url|http|script|import")
        svg = ElementTree.fromstring(image)
        width, height = float(svg.get("width")), float(svg.get("height"))
        name = "{http://www.w3.org/2000/svg}"
        lines = [(float(t.get("x")), float(t.get("y")), t.get("class"), t.text) for t in svg.iter(name + "text")]
        for x, y, kind, text in lines:
            pixels = 8 * len(text)
            self.assertTrue(0 < y <= height, text)
            self.assertTrue(x - pixels >= 0 if kind == "label" else x + (pixels / 2 if kind == "tick" else pixels) <= width, text)
        labels = [text for *_, kind, text in lines if kind == "label"]
        self.assertEqual(labels, ["libvirt, until the emulator ran", "0000:00:05.0 opened, reset", "RAM mapped for DMA",
                                  "0000:00:05.0 BAR 2, 2 GiB, pages of 4 KiB", "unmapped"])
        (bar,) = [r for r in svg.iter(name + "rect") if r.get("class") == "bar"]
        ticks = {text: x for x, _, kind, text in lines if kind == "tick"}
        second = (ticks["10 s"] - ticks["0 s"]) / 10
        self.assertAlmostEqual(float(bar.get("width")), 3.7 * second, delta=1)
        self.assertAlmostEqual(float(bar.get("x")), ticks["0 s"] + 15.8 * second, delta=1)
        said = " ".join(text for *_, kind, text in lines if kind == "verdict")
        self.assertEqual(said, " ".join(self.report["processes"][0]["verdict"]))
        for r in svg.iter(name + "rect"):
            self.assertLessEqual(float(r.get("x", 0)) + float(r.get("width")), width)

    def test_svg_name(self):
        """A guest can be called anything."""
        image = output(SAMPLE, "svg", 'a<b>&"\x1b\u00e9z')
        self.assertIn('The start of a<b>&"???z', "".join(ElementTree.fromstring(image).itertext()))
        image = output(SAMPLE, "svg", "&" * 90)
        self.assertIn("&" * 90, "".join(ElementTree.fromstring(image).itertext()))

    def test_schema_bites(self):
        def broken(change):
            report = copy.deepcopy(self.report)
            change(report)
            with self.assertRaises(jsonschema.ValidationError):
                self.schema.check(json.dumps(report))

        broken(lambda r: r.pop("lost"))
        broken(lambda r: r.update(schema_version=2))
        broken(lambda r: r.update(surprise=1))
        broken(lambda r: r["processes"][0]["bars"][0].pop("faults"))
        broken(lambda r: r["processes"][0]["phases"].pop("other"))


class Refused(unittest.TestCase):
    """One line, which says why."""

    def refused(self, code, *arguments, **how):
        run = subprocess.run([CTL, "trace", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)
        self.assertEqual((run.returncode, run.stdout), (code, ""), run.stderr)
        self.assertEqual(run.stderr.count("\n"), 1, run.stderr)
        return run.stderr

    def test_arguments(self):
        for wrong in "x", "-1", "0", "1.5", "99999999999":
            self.assertIn("the number of a process", self.refused(2, "--pid", wrong))
            self.assertIn("a number of seconds", self.refused(2, "--for", wrong))
        self.assertIn("not both", self.refused(2, "--pid", "1", "train-a"))
        self.assertIn("No such file", self.refused(1, "--svg", "/nowhere/at/all.svg"))
        self.assertIn("no argument 'b'", self.refused(2, "a", "b"))

    def why(self, *command, **how):
        run = subprocess.run([*command, CTL, "trace", "--for", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)
        self.assertEqual((run.returncode, run.stdout), (1, ""), run.stderr)
        (line,) = run.stderr.splitlines()
        return line.removeprefix("vfioalignctl: cannot trace: ")

    @unittest.skipUnless(BUILT == "without", "it was built")
    def test_not_built(self):
        self.assertEqual(self.why(), "vfioalign was built without the trace, which takes clang and bpftool")

    @unittest.skipUnless(BUILT == "with" and os.geteuid() == 0, "it would be refused anyhow")
    def test_root(self):
        self.assertEqual(self.why(user=65534, group=65534, extra_groups=[]), "only root can do that")

    def mounted(self, mount):
        """The verb where this was mounted."""
        return self.why("unshare", "--mount", "sh", "-ec", f'{mount}; exec "$@"', "-")

    @unittest.skipUnless(BUILT == "with" and can_mount(), "needs mounts of its own")
    def test_lockdown(self):
        file = "/sys/kernel/security/lockdown"
        self.assertEqual(self.mounted(f"mount -t tmpfs tmpfs {os.path.dirname(file)}; echo 'none integrity [confidentiality]' >{file}"),
                         "the kernel is locked down (lockdown=confidentiality), and then nobody may")

    @unittest.skipUnless(can_mount(), "needs mounts of its own")
    def test_switched_off(self):
        self.assertEqual(self.mounted("mount -t tmpfs tmpfs /var/lib; mkdir /var/lib/vfioalign; : >/var/lib/vfioalign/off"),
                         "vfioalign is switched off by /var/lib/vfioalign/off")

    @unittest.skipUnless(BUILT == "with" and can_mount(), "needs mounts of its own")
    def test_no_types(self):
        self.assertEqual(self.mounted(f"mount -t tmpfs tmpfs {os.path.dirname(BTF)}"),
                         f"this kernel does not describe its types (no {BTF}, CONFIG_DEBUG_INFO_BTF)")

    @unittest.skipUnless(BUILT == "with" and os.geteuid() == 0 and os.path.exists(BTF) and os.uname().machine in NR_BPF,
                         "it would be refused anyhow")
    def test_bpf(self):
        self.assertEqual(self.why(preexec_fn=lambda: forbid_bpf(errno.EPERM)),
                         "this kernel refuses BPF to this process (CAP_BPF and CAP_PERFMON are needed)")
        self.assertEqual(self.why(preexec_fn=lambda: forbid_bpf(errno.ENOSYS)), "this kernel has no BPF (CONFIG_BPF_SYSCALL)")
        why = self.why(preexec_fn=lambda: forbid_bpf(errno.EACCES, NR_PERF_EVENT_OPEN))
        self.assertIn(why, ("this kernel lets no function be watched without performance events (CONFIG_FPROBE), and refuses "
                            "these to this process: it needs CAP_SYS_ADMIN, or 'sysctl kernel.perf_event_paranoid=2'",
                            "vfioalignctl: nothing that opens a VFIO device was seen to start"))  # it has CONFIG_FPROBE
        self.assertEqual(self.why(preexec_fn=lambda: forbid_bpf(errno.EINVAL)), "this kernel does not accept the BPF programs")


if __name__ == "__main__":
    unittest.main()
