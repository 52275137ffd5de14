# SPDX-License-Identifier: LGPL-2.1-or-later
"""For scenarios in Python about the trace: TAP, and what of the trace is in the kernel."""

import os
import re
import subprocess
import time

from measure import read

TOOLS = "/lab/tools"
SCALE = int(os.environ.get("LAB_SCALE", "1"))

# Of the kernel side
NAMES = {"program dma_begin", "program dma_end", "program open_begin", "program open_end", "program region_mapped",
         "program reset_begin", "program reset_end", "program process_began", "program process_ended",
         "map calls", "map processes", "map executions", "map events"}
FUNCTIONS = {"vfio_iommu_type1_ioctl", "vfio_pci_core_enable", "vfio_pci_core_mmap"}
# The same where performance events are refused: one program for all entries, and one for all returns
TOGETHER = {"program any_begin", "program any_end", "program process_began", "program process_ended"} | {
    name for name in NAMES if name.startswith("map ")}

tests = 0


def check(name, good):
    global tests
    tests += 1
    print(f"{'ok' if good else 'not ok'} {tests} - {name}", flush=True)
    return good


def done():
    print(f"1..{tests}", flush=True)


def wait_until(condition, seconds):
    end = time.monotonic() + seconds * SCALE
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def watched():
    """What of the trace is in the kernel: BPF programs and maps, and the functions that have a probe."""
    lines = subprocess.run([f"{TOOLS}/bpf-names"], stdout=subprocess.PIPE, universal_newlines=True).stdout.splitlines()
    probes = re.findall(r"[0-9a-f]+ +[kr] +(\w+)\+", read("/sys/kernel/debug/kprobes/list"))
    return (NAMES | TOGETHER).intersection(lines) | FUNCTIONS.intersection(probes)
