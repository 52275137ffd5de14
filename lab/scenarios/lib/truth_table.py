# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rows of the truth table. The scenario `truth` measures them in a host; the lab chooses among them outside, where
measure.py cannot be imported. Only what python3-minimal has."""

import os
from collections import namedtuple

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
PAGE, PMD, PUD = 4 * KIB, 2 * MIB, GIB

TIMES = 8  # each row that may be luck is measured so often


class Bar:
    def __init__(self, name, variable, length, offset=None):
        self.name, self.variable, self.length, self.offset = name, variable, length, offset

    @property
    def device(self):
        """Its address, in a host."""
        return os.environ[self.variable]

    def largest(self, pages):
        """The largest of these pages, from the largest down, that fits in where the address is congruent with the offset."""
        start = self.offset or 0
        return next(page for page in pages if page == pages[-1] or
                    start + self.length >= (start + page - 1) // page * page + page)


def pages_of(kernel):
    """The sizes that a page can have with it. Linux has no third one for devices on arm64."""
    if kernel.endswith("-16k"):
        return 32 * MIB, 16 * KIB
    return (PMD, PAGE) if kernel.endswith("-arm64") else (PUD, PMD, PAGE)


def emulator(image):
    """The placer that is the QEMU of this image."""
    return f"QEMU of {image}"


# The last is an area only of its BAR, no power of two, and around one whole 1 GiB page. That one gets who places by
# the offset in the BAR: the module, QEMU from 11.0 on. QEMU 9.2 to 10 makes the address a multiple of 64 MiB, the
# lowest bit of the length, which the offset is not: they agree in 2 MiB, and never by chance in more.
BARS = {b.name: b for b in (
    Bar("1 MiB", "LAB_BAR_1M", MIB),
    Bar("4 MiB", "LAB_BAR_4M", 4 * MIB),
    Bar("256 MiB", "LAB_BAR_256M", 256 * MIB),
    Bar("2 GiB", "LAB_BAR_2G", 2 * GIB),
    Bar("1088 MiB at 1022 MiB of 4 GiB", "LAB_BAR_4G", 1088 * MIB, 1022 * MIB),
)}
THP = ("always", "madvise", "never")
NO_THP = ("none",)  # of a kernel that is built without it, and has no huge pages for VFIO then either

# Kernels without huge pages for VFIO; those whose huge pages follow THP in some release; those that place a mapping of a
# device by huge pages of the first size (2 MiB on x86), or by 1 GiB, by themselves.
WITHOUT_HUGE, FOLLOW_THP = ("6.1", "7.3-rt"), ("6.12", "6.12-bpo", "7.0")
PLACE_PMD, PLACE_PUD = ("6.12", "6.12-bpo", "6.12-arm64", "next-seed"), ("next-order",)

# The image is no factor: what matters of it is its QEMU, which is a placer.
FACTORS = ("kernel", "module", "thp", "placer", "bar")
Row = namedtuple("Row", ("image", *FACTORS))


def rows(image, kernel, has_module):
    """All rows of one host, in the order in which they are measured."""
    # A program that leaves the place to the kernel behaves alike in all images: one of them will do.
    placers = ["kernel", emulator(image)] if image in ("trixie", "trixie-arm64") else [emulator(image)]
    modules = ["off", "on"] if has_module else ["off"]
    modes = NO_THP if kernel == "7.3-rt" else THP
    return [Row(image, kernel, module, thp, placer, bar)
            for module in modules for thp in modes for placer in placers for bar in BARS]


def line(row):
    """A row as a choice for its host has it."""
    return "\t".join(row[1:])


def chosen(rows, text):
    """Those of the rows that the lines of a choice name."""
    lines = text.splitlines()
    if unknown := set(lines) - set(map(line, rows)):
        raise ValueError(f"the table has no row {sorted(unknown)}")
    return [row for row in rows if line(row) in lines]


def may_be_luck(row, follows_thp):
    """Whether nobody sees to a page that would fit, so that chance can: kept here, not by the audit. follows_thp: whether
    the huge pages of a kernel of FOLLOW_THP do."""
    if row.kernel in (*WITHOUT_HUGE, *PLACE_PUD) or row.module == "on" or row.placer not in ("kernel", emulator("bookworm")):
        return False
    # Where they follow THP and it does not allow them, it is 4 KiB wherever the mapping is. QEMU says MADV_HUGEPAGE.
    follows_thp = follows_thp and row.kernel in FOLLOW_THP
    allowed = not follows_thp or row.thp == "always" or (row.thp == "madvise" and row.placer != "kernel")
    # Some have each length that is a multiple on the boundary of a huge page, by accident.
    pages = pages_of(row.kernel)
    placed = pages[-2] if row.kernel in PLACE_PMD else pages[-1]
    return allowed and BARS[row.bar].largest(pages) > placed
