#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the guides tell people to type is there: each command of ours in README.md, SECURITY.md and docs/ has a verb and options
that exist, and those that only look are run on recorded hosts. Keys, findings and packages that they name exist, too."""

import re
import shlex
import subprocess
import sys
import unittest
from pathlib import Path

ROOT, CTL, DAEMON = Path(sys.argv[1]), *sys.argv[2:4]
del sys.argv[1:4]

GUIDES = [page for page in sorted((ROOT / "docs").glob("*.md")) if page.name != "architecture.md"]
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *GUIDES]

# What stands for any one in a guide, as it is on the recorded host that has guests.
HOST = ROOT / "tests/hosts/eight-gpu"
STANDS_FOR = {"GUEST": "train-a", "ADDRESS": "0000:1b:00.0", "HOST": str(HOST), "host.tar.gz": str(HOST), "101": "train-a"}
LOOKS = ("audit", "devices", "guests", "emulators", "mappings", "explain", "fix list", "fix plan")


def help_of(program, *verb):
    return subprocess.run([program, *verb, "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout


def blocks(text):
    """The lines that are indented by four and belong to no list: what people copy."""
    return re.findall(r"^    (?! )(.+)$", re.sub(r"^```\w*\n(.*?)^```$", lambda m: re.sub("^", "    ", m[1], flags=re.M), text,
                                                 flags=re.M | re.S), flags=re.M)


def commands(page):
    """Each command of ours on a page, as its words."""
    text = page.read_text()
    found = []
    for line in blocks(text) + re.findall(r"`([^`\n]+)`", text):
        line = line.removeprefix("$ ").removeprefix("# ")
        for part in re.split(r" && | \| |; ", line):
            part = re.split(r" (?:#|>|2>) ?", part)[0].removeprefix("sudo ").strip()
            if re.match(r"vfioalignctl( |$)", part):
                found.append(shlex.split(part)[1:])
    return found


class Commands(unittest.TestCase):
    def setUp(self):
        self.verbs = {}
        for verb, rest in re.findall(r"^  ([a-z]+) ?(.*)\n {8}\S", help_of(CTL), flags=re.M):
            options = set(re.findall(r"^  (?:-\w|  ) (--[a-z-]+)", help_of(CTL, verb), flags=re.M))
            self.verbs[verb] = options | {"-h"}, re.findall(r"\[?(\w+(?:\|\w+)+)\]?", rest)
        self.options = set(re.findall(r"(?<!\w)--[a-z-]+", help_of(CTL)))

    def test_exist(self):
        seen = 0
        for page in PAGES:
            for words in commands(page):
                with self.subTest(page=page.name, command=" ".join(words)):
                    given = {word.split("=")[0] for word in words if word.startswith("--")}
                    plain = [word for word in words if not word.startswith("-")]
                    if not plain:
                        self.assertLessEqual(given, self.options)
                        continue
                    self.assertIn(plain[0], self.verbs)
                    options, choices = self.verbs[plain[0]]
                    self.assertLessEqual(given, options)
                    # "fix list|plan|...", "guest plan|apply|revert": the next word is one of them.
                    if len(plain) > 1 and choices and plain[0] in ("fix", "guest"):
                        self.assertIn(plain[1], choices[0].split("|"))
                    seen += 1
        self.assertGreater(seen, 30)

    def test_look(self):
        """Those that only look succeed."""
        ran = set()
        for page in PAGES:
            for words in commands(page):
                plain = [word for word in words if not word.startswith("-")]
                if not any(" ".join(plain[:2]).startswith(verb) for verb in LOOKS) or "--deep" in words:
                    continue
                words = [STANDS_FOR.get(word, word) for word in words]
                if "--root" not in words:
                    words += ["--root", str(HOST)]
                if " ".join(words) in ran:
                    continue
                ran.add(" ".join(words))
                with self.subTest(page=page.name, command=" ".join(words)):
                    run = subprocess.run([CTL, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                    good = {0, 3} if "--fail-on" in words else {0, 10} if plain[:2] == ["fix", "plan"] else {0}
                    self.assertIn(run.returncode, good, run.stdout)
        self.assertGreater(len(ran), 8)


class Names(unittest.TestCase):
    def test_keys(self):
        keys = set(re.findall(r"^  (\w+)=", help_of(DAEMON), flags=re.M))
        seen = 0
        for page in PAGES[:1] + GUIDES:
            for key in re.findall(r"(?:`|^    )([A-Z][a-z]\w+)=[\w-]*(?:`|$)", page.read_text(), flags=re.M):
                with self.subTest(page=page.name, key=key):
                    self.assertIn(key, keys)
                seen += 1
        self.assertGreater(seen, 8)

    def test_findings(self):
        """A name with a hyphen in back quotes that begins as findings do is one."""
        ids = set(re.findall(r'\[FINDING_\w+\] = "([a-z-]+)"', (ROOT / "audit/finding.c").read_text()))
        first = {id.split("-")[0] for id in ids}
        other = {"module-install", "module-key", "module-dead",  # needs of a host in a fleet
                 "no-mmap", "no-guest", "module-cases", "module-storm", "module-takeover", "guest-matrix", "bind-guest"}
        seen = 0
        for page in PAGES:
            for name in re.findall(r"`([a-z]+(?:-[a-z]+)+)`", page.read_text()):
                if name.split("-")[0] in first and name not in other:
                    with self.subTest(page=page.name, finding=name):
                        self.assertIn(name, ids)
                    seen += 1
        self.assertGreater(seen, 8)

    def test_packages(self):
        packages = set(re.findall(r"^Package: (\S+)", (ROOT / "debian/control").read_text(), flags=re.M))
        seen = set()
        for page in PAGES:
            text = "\n".join(blocks(page.read_text()))
            for line in re.findall(r"apt (?:install|purge|remove) (.+)", text):
                seen |= {re.sub(r"^\./|_\*\.deb$", "", word) for word in line.split() if "vfioalign" in word}
        self.assertLessEqual(seen, packages)
        self.assertGreaterEqual(len(seen), 3)

    def test_links(self):
        """Links between the pages lead somewhere, and each guide is reached from the README."""
        for page in PAGES:
            for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
                with self.subTest(page=page.name, link=link):
                    self.assertTrue((page.parent / link).exists())
        readme = (ROOT / "README.md").read_text()
        for page in GUIDES:
            self.assertIn(f"(docs/{page.name})", readme)


if __name__ == "__main__":
    unittest.main()
