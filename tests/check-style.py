#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a reader takes for granted of all C here: its format, and that static functions carry their noun."""

import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(sys.argv.pop(1))

# The kernel has a style of its own.
KERNEL = ("dkms/", "lab/tools/hold-lock/", "lab/tools/lab_mdev/")
ROOMS = ("audit", "bind", "config", "ctl", "daemon", "facts", "fix", "preload", "probe", "record", "report", "util")
WIDTH = 109

# Words that say alone what a static function does.
ALONE = {"main", "streq", "help", "version"}


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


if __name__ == "__main__":
    unittest.main()
