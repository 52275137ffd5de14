# SPDX-License-Identifier: LGPL-2.1-or-later
"""For scenarios in Python: asking the host, and counting page faults where the kernel handles them. Only what
python3-minimal of both images has: no json, hence jq."""

import os
import re
import subprocess
from collections import Counter

from truth_table import PLACE_PUD, WITHOUT_HUGE

KERNEL, IMAGE = os.environ["LAB_KERNEL"], os.environ["LAB_IMAGE"]
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
PAGE = os.sysconf("SC_PAGE_SIZE")
PMD = PAGE * PAGE // 8  # a table fills a page with entries of 8 bytes
PUD = PMD * PAGE // 8

TRACING = "/sys/kernel/tracing"
EVENTS = f"{TRACING}/events/lab"
EVENT = f"{EVENTS}/fault"
NOPAGE = 0x100  # VM_FAULT_NOPAGE: handled, and not handed on to a smaller order


def sh(script, *args):
    """A step from the scenarios in shell."""
    r = subprocess.run(["bash", "-c", f". /lab/scenarios/lib/sh; {script}", "-", *args], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, universal_newlines=True)
    if r.returncode != 0:
        diag(f"{script} {' '.join(args)}: {r.stdout.strip()}")
    return r.stdout


def write(path, text):
    fd = os.open(path, os.O_WRONLY)  # truncating would remove the triggers that are there
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def read(path):
    with open(path) as f:
        return f.read()


def diag(text):
    for line in text.splitlines():
        print(f"# {line}", flush=True)


def ask(command, query):
    """Rows of a JSON document, as a list of words each."""
    p = subprocess.run(["bash", "-o", "pipefail", "-c", f"{command} | jq -r '{query} | @tsv'"], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, universal_newlines=True)
    if p.returncode != 0:
        diag(f"{command}: {p.stderr}")
    return [line.split("\t") for line in p.stdout.splitlines()]


def number(word):
    return int(word) if word.isdigit() else None


class Faults:
    """Counts the faults that are handled, by mapping and by order. A fault takes half as long again meanwhile."""

    counting = False

    def __enter__(self):
        start, keys = "start=+0(+0($arg1)):x64", "hist:keys=start.hex:size=2048"  # vmf->vma->vm_start
        handled = f" if result == {NOPAGE}"
        page = f"vfio_pci_core:vfio_pci_mmap_page_fault result=$retval:u32 {start}", keys + handled
        if KERNEL == "6.1":  # fills a whole mapping at one fault, in pages of 4 KiB
            probes = {"p:lab/fault": (f"vfio_pci_core:vfio_pci_mmap_fault {start}", keys)}
        elif KERNEL in WITHOUT_HUGE:
            probes = {"r:lab/fault": page}
        else:
            probes = {"r:lab/fault": (f"vfio_pci_core:vfio_pci_mmap_huge_fault result=$retval:u32 order=$arg2:u32 {start}",
                                      "hist:keys=start.hex,order:size=2048" + handled)}
            if KERNEL in PLACE_PUD:  # built here, by a compiler that has no call of the one in the other
                probes["r:lab/page_fault"] = page
        self.triggers = {name[6:]: trigger for name, (_, trigger) in probes.items()}
        for name, (probe, _) in probes.items():
            write(f"{TRACING}/kprobe_events", f"{name} {probe}")
        return self

    def __exit__(self, *_):
        self.stop()
        for event in self.triggers:
            write(f"{TRACING}/kprobe_events", f"-:lab/{event}")

    def start(self):
        """From 0."""
        self.stop()
        for event, trigger in self.triggers.items():
            write(f"{EVENTS}/{event}/trigger", trigger)
        self.counting = True

    def stop(self):
        """The counts are gone then."""
        if self.counting:
            for event, trigger in self.triggers.items():
                write(f"{EVENTS}/{event}/trigger", "!" + trigger)
            self.counting = False

    def count(self, address):
        """Counter({order: faults}) of the mapping that starts at that address."""
        orders = Counter()
        for event in self.triggers:
            for start, order, n in re.findall(r"start: *([0-9a-f]+)(?:, order: *(\d+))? *} hitcount: *(\d+)",
                                              read(f"{EVENTS}/{event}/hist")):
                if int(start, 16) == address:
                    orders[int(order or 0)] += int(n)
        return orders

    def missed(self):
        """Faults that were not counted."""
        words = [line.split() for line in read(f"{TRACING}/kprobe_profile").splitlines()]
        return sum(int(w[-1]) for w in words if w and w[0].endswith("fault"))


# --- Telling

def size(n):
    for unit in ("B", "KiB", "MiB"):
        if n < 1024:
            return f"{n} {unit}"
        n //= 1024
    return f"{n} GiB"


def told(page, faults):
    return "unknown" if page is None or faults is None else f"{size(page)}/{faults}"


def as_json(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{as_json(k)}: {as_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(as_json(v) for v in value) + "]"
    if isinstance(value, str):
        return f'"{value}"'  # none of ours has anything to escape
    return "null" if value is None else str(value).lower()
