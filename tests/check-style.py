#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a reader takes for granted of all C here: its format, names that carry their noun, and that a room includes only
what docs/architecture.md allows."""

import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(sys.argv.pop(1)).resolve()

# The kernel has a style of its own.
KERNEL = ("dkms/", "lab/tools/hold-lock/", "lab/tools/lab_mdev/")
ROOMS = ("audit", "bind", "config", "ctl", "daemon", "facts", "fix", "fleet", "preload", "probe", "record", "report",
         "trace", "util")
# They print what is in the code, while it is built.
PRINTERS = ("man", "systemd")
WIDTH = 109

# Words that say alone what a static function does; streq() and its like have systemd's names.
ALONE = {"main", "streq", "startswith", "freep", "closep", "help", "version"}


def sources(*folders):
    files = sorted(path for folder in folders or (".",) for path in (ROOT / folder).rglob("*.[ch]"))
    return [path for path in files
            if not str(path.relative_to(ROOT)).startswith(KERNEL + ("build/", "."))]


class Style(unittest.TestCase):
    @unittest.skipUnless(shutil.which("clang-format-14"), "no clang-format-14: others format the same code otherwise")
    def test_format(self):
        """To mend it: clang-format-14 -i FILE"""
        wrong = subprocess.run(["clang-format-14", "--dry-run", "-Werror", *sources()], cwd=ROOT, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(wrong.returncode, 0, "\n".join(wrong.stdout.splitlines()[:20]))

    def test_width(self):
        """Where clang-format cannot break a line, somebody has to."""
        wide = [f"{path.relative_to(ROOT)}:{number}: {len(line)} columns" for path in sources()
                for number, line in enumerate(path.read_text().splitlines(), 1) if len(line) > WIDTH]
        self.assertFalse(wide, "\n" + "\n".join(wide))

    def test_nouns(self):
        """The name of a static function holds a noun: journal_write(), not write()."""
        bare = [f"{path.relative_to(ROOT)}: {name}()" for path in sources(*ROOMS)
                for name in re.findall(r"^static (?:inline )?(?:const )?[\w ]+?[ *]+(\w+)\(", path.read_text(), flags=re.M)
                if "_" not in name and name not in ALONE]
        self.assertFalse(bare, "\n" + "\n".join(bare))

    def test_ladders(self):
        """Each call is checked where it is made: no `if (r >= 0)` around what comes next."""
        ladders = [f"{path.relative_to(ROOT)}:{number}" for path in sources(*ROOMS)
                   for number, line in enumerate(path.read_text().splitlines(), 1) if re.search(r"\bif \(r >= 0\b", line)]
        self.assertFalse(ladders, "\n" + "\n".join(ladders))

    def test_output(self):
        """What people read is printed by util/print.h, which escapes it: names come from strangers."""
        raw = [f"{path.relative_to(ROOT)}:{number}" for path in sources("ctl", "fleet", "report", "trace")
               for number, line in enumerate(path.read_text().splitlines(), 1)
               if re.search(r"\b(v?f?printf|v?dprintf|puts|perror|fputs_unlocked|putchar)\(|\bfputs\((?![^,]*\")|\bfwrite\(", line)
               and path.name not in ("json.c", "metrics-text.c")]
        self.assertFalse(raw, "\n" + "\n".join(raw))


class Arrows(unittest.TestCase):
    """The table under "Arrows" is what may be included, and what is."""

    def setUp(self):
        section = (ROOT / "docs/architecture.md").read_text().split("\n## Arrows\n")[1].split("\n## ")[0]
        rows = [re.findall(r"`([\w/]+)`", row) for row in section.splitlines() if row.startswith("| `")]
        self.order = [row[0] for row in rows]
        self.allowed = {row[0]: set(row[1:]) for row in rows}
        self.used = {room: {} for room in self.order}
        for path in sources(*ROOMS):
            room = str(path.parent.relative_to(ROOT))
            for name in re.findall(r'^#include "([^"]+)"', path.read_text(), flags=re.M):
                included = path.parent / name if (path.parent / name).exists() else ROOT / name
                target = str(included.resolve().parent.relative_to(ROOT.resolve()))
                if target != room:
                    self.used.setdefault(room, {}).setdefault(target, f"{path.relative_to(ROOT)} includes {name}")

    def test_rooms(self):
        """Every room with C in it has a row, here and under "Rooms"."""
        rooms = {str(path.parent.relative_to(ROOT)) for path in sources() if not str(path).startswith(
            tuple(f"{ROOT}/{folder}/" for folder in ("tests", "lab", *PRINTERS)))}
        self.assertEqual(set(self.order), rooms)
        described = (ROOT / "docs/architecture.md").read_text().split("\n## Rooms\n")[1].split("\n## ")[0]
        for room in rooms:
            self.assertIn(f"| `{room}/` |", described)

    def test_one_way(self):
        """A row names rooms of the rows above it, so there is no circle."""
        for i, room in enumerate(self.order):
            self.assertLessEqual(self.allowed[room], set(self.order[:i]), room)

    def test_includes(self):
        wrong = [f"{room} may not include {target}: {where}" for room, targets in self.used.items()
                 for target, where in targets.items() if target not in self.allowed.get(room, set())]
        self.assertFalse(wrong, "\n" + "\n".join(wrong))
        idle = [f"{room} no longer includes {target}" for room in self.order for target in self.allowed[room]
                if target not in self.used[room]]
        self.assertFalse(idle, "\n" + "\n".join(idle))


if __name__ == "__main__":
    unittest.main()
