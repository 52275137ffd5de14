#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The images: vfioalignctl explain --svg draws where BARs lie against the lines of large pages, as they are and as a fix would
lay them. In a browser, where there is one, the texts of these and of a trace's timeline are within the image, and none covers
another.

check-svg.py CTL SAMPLE-TRACE"""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from xml.etree import ElementTree

import browser

CTL, SAMPLE = map(os.path.abspath, sys.argv[1:3])
del sys.argv[1:3]

HOST = Path(__file__).parent / "hosts/built-in"
DEVICE = "0000:41:00.0"
NAME = "{http://www.w3.org/2000/svg}"
GIB = 1 << 30

# Where the browser has put each text.
BOXES = """return [...document.querySelectorAll('svg text')].map(t => {
        const b = t.getBBox(); return [t.textContent, b.x, b.y, b.x + b.width, b.y + b.height]; });"""


class Image:
    def __init__(self, text):
        self.text, self.svg = text, ElementTree.fromstring(text)
        self.width, self.height = float(self.svg.get("width")), float(self.svg.get("height"))

    def texts(self, kind):
        return [t.text for t in self.svg.iter(NAME + "text") if t.get("class") == kind]

    def shapes(self, tag, kind):
        return [s for s in self.svg.iter(NAME + tag) if s.get("class") == kind]


class Rulers(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="vfioalign-svg-")
        self.addCleanup(folder.cleanup)
        self.root, self.file = Path(folder.name) / "host", Path(folder.name) / "rulers.svg"
        shutil.copytree(HOST, self.root, symlinks=True)
        shutil.rmtree(self.root / "sys/module/vfio_align")

    def lay(self, start, size=2 * GIB, offset=0):
        """One BAR, there."""
        (self.root / "proc/4242/maps").write_text(
            f"{start:x}-{start + size:x} rw-s {(1 << 40) + offset:011x} 00:10 31    anon_inode:[vfio-device]\n")

    def ctl(self, *args, code=0):
        run = subprocess.run([CTL, "explain", *args, "--root", self.root, "--svg", self.file], capture_output=True, text=True)
        self.assertEqual(run.returncode, code, run.stderr)
        return run.stdout if code == 0 else run.stderr

    def draw(self):
        self.assertIn(DEVICE, self.ctl(DEVICE))
        return Image(self.file.read_text())

    def test_past(self):
        self.lay(0x7f1272400000)
        image = self.draw()
        self.assertEqual(image.texts("title"), [f"{DEVICE} BAR 1, 2 GiB, now", f"{DEVICE} BAR 1, 2 GiB, with the fix module"])
        self.assertEqual(image.texts("pages"), ["2 MiB pages: 1,024 to fill it", "1 GiB pages: 2 to fill it"])
        self.assertEqual(image.texts("position"), ["804 MiB past a line of 1 GiB", "on a line of 1 GiB"])
        self.assertEqual(image.texts("address"), ["0x7f1240000000", "0x7f1280000000", "0x7f12c0000000"])
        # From the first line to the end of the BAR are 2 GiB and 804 MiB, on 860 pixels.
        (small,), (best,) = image.shapes("rect", "small"), image.shapes("rect", "best")
        self.assertAlmostEqual(float(small.get("x")), 70 + 860 * 804 / (2048 + 804), delta=0.1)
        self.assertAlmostEqual(float(small.get("width")), 860 * 2048 / (2048 + 804), delta=0.1)
        self.assertEqual((best.get("x"), best.get("width")), ("70.0", "860.0"))
        (gap,) = image.shapes("line", "gap")  # between the two pages of 1 GiB
        self.assertEqual((gap.get("x1"), gap.get("y1")), ("500.0", best.get("y")))
        (off,) = image.shapes("line", "off")
        self.assertEqual((off.get("x1"), off.get("x2")), ("70.0", small.get("x")))

    def test_well(self):
        """Where nothing helps, because it is as it should be, there is one ruler."""
        self.lay(0x7f1240000000)
        image = self.draw()
        self.assertEqual(image.texts("title"), [f"{DEVICE} BAR 1, 2 GiB, now"])
        self.assertEqual(image.texts("position"), ["on a line of 1 GiB"])
        self.assertEqual((image.shapes("rect", "small"), image.shapes("line", "off")), ([], []))

    def test_old(self):
        """Nor does anything help a mapping from before the module was loaded: the next will be well."""
        shutil.copytree(HOST / "sys/module/vfio_align", self.root / "sys/module/vfio_align")
        self.lay(0x7f1272400000)
        self.assertEqual(self.draw().texts("title"), [f"{DEVICE} BAR 1, 2 GiB, now"])

    def test_guest(self):
        """All that a guest maps."""
        self.root = HOST.parent / "lab-7.3.tar.gz"
        self.assertIn("A start now would be allowed", self.ctl("recorded"))
        self.assertEqual(Image(self.file.read_text()).texts("title"),
                         ["0000:00:05.0 BAR 2, 2 GiB, now", "0000:00:05.0 BAR 0, 4 KiB, now"])
        self.root = HOST.parent / "eight-gpu"
        self.assertIn("this guest maps no BAR now", self.ctl("train-a", code=1))

    def test_area(self):
        """A part of a BAR is well where its offset is, and not on the line itself."""
        self.lay(0x7f1250000000, 2 * GIB, 0x10000000)
        self.assertEqual(self.draw().texts("position"), ["on a line of 1 GiB"])
        self.lay(0x7f1240000000, 2 * GIB, 0x10000000)
        self.assertEqual(self.draw().texts("position")[0], "768 MiB past a line of 1 GiB")

    def test_large(self):
        """However many lines there are, few are drawn."""
        self.lay(0x7f0000001000, 16 * GIB)
        image = self.draw()
        self.assertLessEqual(len(image.texts("address")), 7)
        self.assertEqual(len(image.shapes("line", "gap")), 15)  # of the 16 pages that the fix gives it
        self.assertEqual(image.texts("pages")[0], "4 KiB pages: 4,194,304 to fill it")

    def test_refused(self):
        (self.root / "proc/4242/maps").write_text("")
        self.assertIn("nobody maps a BAR of this device now", self.ctl(DEVICE, code=1))
        self.lay(0x7f1240000000)
        self.assertIn("nobody maps a BAR of this device now", self.ctl("0000:01:00.0", code=1))
        self.assertFalse(self.file.exists())
        self.assertIn("--svg draws what is mapped", self.ctl("no-vfio", code=2))
        self.assertIn("--svg draws what is mapped", self.ctl(DEVICE, "--area", "1:0+1G", code=2))
        self.file = Path("/nowhere/at/all.svg")
        self.assertIn("No such file", self.ctl(DEVICE, code=1))


class Browser(browser.TestCase):
    """What a browser makes of them."""

    def check(self, text):
        image = Image(text)
        boxes = self.measure(f'<!DOCTYPE html><body style="margin:0">{text}', BOXES)
        self.assertEqual(len(boxes), len(list(image.svg.iter(NAME + "text"))))
        for words, left, top, right, bottom in boxes:
            self.assertTrue(0 <= left < right <= image.width and 0 <= top < bottom <= image.height, words)
        for i, (words, left, top, right, bottom) in enumerate(boxes):
            for other, left2, top2, right2, bottom2 in boxes[:i]:
                self.assertFalse(left < right2 and left2 < right and top + 2 < bottom2 and top2 + 2 < bottom, (words, other))
        (self.folder / "image.svg").write_text(text)
        self.picture(self.folder / "image.svg", int(image.width), int(image.height))

    def test_rulers(self):
        file = self.folder / "rulers.svg"
        subprocess.run([CTL, "explain", DEVICE, "--root", HOST, "--svg", file], stdout=subprocess.DEVNULL, check=True)
        self.check(file.read_text())

    def test_timeline(self):
        self.check(subprocess.run([SAMPLE, "svg"], stdout=subprocess.PIPE, text=True, check=True).stdout)
        self.check(subprocess.run([SAMPLE, "svg", "&W" * 40], stdout=subprocess.PIPE, text=True, check=True).stdout)


if __name__ == "__main__":
    unittest.main()
