# SPDX-License-Identifier: LGPL-2.1-or-later
"""For scenarios in Python about the trace: TAP, the trace itself, and what of it is in the kernel."""

import os
import re
import signal
import subprocess
import time

from measure import diag, read

TOOLS = "/lab/tools"
SCALE = int(os.environ.get("LAB_SCALE", "1"))

# Of the kernel side
NAMES = {"program dma_begin", "program dma_end", "program open_begin", "program open_end", "program region_mapped",
         "program reset_begin", "program reset_end", "program process_began", "program process_ended",
         "map calls", "map processes", "map executions", "map events"}
FUNCTIONS = {"vfio_iommu_type1_ioctl", "vfio_pci_core_enable", "vfio_pci_core_mmap"}
OF_IOMMUFD = {"iommufd_fops_ioctl", "vfio_pci_dma_buf_iommufd_map"}
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
    return (NAMES | TOGETHER).intersection(lines) | (FUNCTIONS | OF_IOMMUFD).intersection(probes)


class Trace:
    """vfioalignctl trace, once it watches all that is needed. It watches until it is stopped, if nothing else is said."""

    REPORT, ERRORS = "/run/trace.json", "/run/trace.err"

    def __init__(self, *arguments, wait=True, until=("--for", "100000"), rights=(), needs=NAMES | FUNCTIONS):
        with open(self.REPORT, "w") as out, open(self.ERRORS, "w") as errors:
            self.process = subprocess.Popen([*rights, "vfioalignctl", "trace", *arguments, *until], stdout=out, stderr=errors)
        self.attached = wait and wait_until(lambda: self.process.poll() is not None or needs <= watched(), 60) \
            and self.process.poll() is None
        if needs == TOGETHER:
            time.sleep(5 * SCALE)  # nothing but its links shows that functions are watched, and they come a little later
        if wait and not self.attached:
            diag(f"trace: {self.process.poll()} {read(self.ERRORS)} {watched()}")
        if wait:
            time.sleep(SCALE)  # what starts before it knows of that itself counts as running already

    def stop(self, how=signal.SIGINT):
        self.process.send_signal(how)
        return self.process.wait()
