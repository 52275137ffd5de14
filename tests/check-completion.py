#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What Tab makes of a command line, in real shells on a terminal: bash with and without bash-completion, zsh and fish.

check-completion.py CTL BASH ZSH FISH: the program and the three files"""

import os
import pty
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

CTL, BASH, ZSH, FISH = map(os.path.abspath, sys.argv[1:5])
del sys.argv[1:5]

HOST = Path(__file__).parent.absolute() / "hosts/eight-gpu"
EVIL = "evil $(touch ran);`touch ran`'x"
WAIT = 60

# The line as it is typed, and what is there after Tab. HOST is the recorded host, NAMES one with guests of bad names.
CASES = [
    ("vfioalignctl dev", "vfioalignctl devices "),
    ("vfioalignctl explain --root HOST 0000:1b", "vfioalignctl explain --root HOST 0000:1b:00.0 "),
    ("vfioalignctl explain --root HOST 0000:1b:00.", "vfioalignctl explain --root HOST 0000:1b:00.0 "),
    ("vfioalignctl explain --root HOST 1b:", "vfioalignctl explain --root HOST 1b:00.0 "),
    ("vfioalignctl --root HOST devices 0000:00:0", "vfioalignctl --root HOST devices 0000:00:0"),
    ("vfioalignctl explain --root HOST trai", "vfioalignctl explain --root HOST train-"),
    ("vfioalignctl explain module-not-l", "vfioalignctl explain module-not-loaded "),
    ("vfioalignctl devices --fail-on w", "vfioalignctl devices --fail-on warning "),
    ("vfioalignctl devices --fail-on=w", "vfioalignctl devices --fail-on=warning "),
    ("vfioalignctl devices --output ADDRESS,NUM", "vfioalignctl devices --output ADDRESS,NUMA "),
    ("vfioalignctl devices --no-h", "vfioalignctl devices --no-headings "),
    ("vfioalignctl fix app", "vfioalignctl fix apply "),
    ("vfioalignctl fix apply th", "vfioalignctl fix apply thp "),
    ("vfioalignctl guest plan any no-", "vfioalignctl guest plan any no-mmap "),
    ("vfioalignctl dump a-fi", "vfioalignctl dump a-file "),
    ("vfioalignctl nonsense de", "vfioalignctl nonsense de"),
]


class Shell:
    """An interactive one, whose line is written to the file `line` by ^X l."""

    def __init__(self, folder, command, setup):
        self.folder = folder
        self.seen = b""
        env = {"PATH": f"{Path(CTL).parent}:/usr/bin:/bin", "HOME": str(folder), "TERM": "vt100", "LC_ALL": "C.UTF-8"}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(command[0], command, env)
        self.type(setup + "\ntouch ready\n")
        self.wait_for("ready")

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait_for(self, name):
        """The text of the file, once it is there."""
        path, end = self.folder / name, time.monotonic() + WAIT
        while not path.exists():
            if select.select([self.fd], [], [], 0.02)[0]:
                self.seen += os.read(self.fd, 65536)
            if time.monotonic() > end:
                raise AssertionError(f"no answer; the terminal shows {self.seen.decode(errors='replace')}")
        text = path.read_text()
        path.unlink()
        return text

    def complete(self, line):
        self.type(f"\x15{line}\t\x18l")
        return self.wait_for("line")

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


class Completion(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="vfioalign-completion-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "a-file").write_text("")
        (self.folder / "host").symlink_to(HOST)
        guests = self.folder / "names/etc/libvirt/qemu"
        guests.mkdir(parents=True)
        for i, name in enumerate([EVIL, "line\nbreak", "plain"]):
            name = name.replace("\n", "&#10;")
            (guests / f"{i}.xml").write_text(f"""<domain type='kvm'><name>{name}</name><devices>
                <hostdev mode='subsystem' type='pci'><source><address domain='0' bus='1' slot='0' function='0'/></source></hostdev>
                </devices></domain>""")

    def check(self, command, setup):
        if not shutil.which(command[0]):
            self.skipTest(f"no {command[0]}")
        shell = Shell(self.folder, command, setup)
        self.addCleanup(shell.close)
        for line, after in CASES:
            with self.subTest(line):
                self.assertEqual(shell.complete(line.replace("HOST", "host")), after.replace("HOST", "host"))
        # What begins with a quote goes on in it.
        self.assertEqual(shell.complete("vfioalignctl explain --root host 'trai").rstrip("'"), "vfioalignctl explain --root host 'train-")
        for quote in "'", '"':
            after = shell.complete(f"vfioalignctl explain --root names {quote}ev")
            script = f"vfioalignctl() {{ printf %s \"$4\"; }}; {after}"
            run = subprocess.run(["bash", "-c", script], cwd=self.folder, capture_output=True, text=True)
            self.assertEqual((run.stdout, run.stderr), (EVIL, ""))
        # A name that would run something is quoted, and one with a line break is left out.
        for begun, name in ("ev", EVIL), ("pl", "plain"), ("li", "li"):
            after = shell.complete(f"vfioalignctl explain --root names {begun}")
            self.assertEqual(shlex.split(after), ["vfioalignctl", "explain", "--root", "names", name])
        self.assertFalse((self.folder / "ran").exists())

    def bash(self, before):
        widget = "write_line() { printf %s \"$READLINE_LINE\" >line.new; mv line.new line; }; bind -x '\"\\C-xl\": write_line'"
        self.check(["bash", "--norc", "--noprofile", "-i"], f"{before}source {shlex.quote(BASH)}; {widget}")

    def test_bash(self):
        self.bash("")

    def test_bash_completion(self):
        """Its functions are there, and break words and complete files otherwise."""
        package = "/usr/share/bash-completion/bash_completion"
        if not os.path.exists(package):
            self.skipTest("no bash-completion")
        self.bash(f"source {package}; ")

    def test_zsh(self):
        (self.folder / "functions").mkdir()
        (self.folder / "functions/_vfioalignctl").symlink_to(ZSH)
        widget = "write_line() { print -rn -- \"$BUFFER\" >line.new; mv line.new line }; zle -N write_line; bindkey '^Xl' write_line"
        self.check(["zsh", "-f", "-i"], f"fpath=(functions $fpath); autoload -U compinit; compinit -u -d dump; bindkey -e; {widget}")

    def test_fish(self):
        if not shutil.which("fish"):
            self.skipTest("no fish")

        def complete(line):
            script = f"source {shlex.quote(FISH)}; complete -C {shlex.quote(line)}"
            run = subprocess.run(["fish", "-N", "-c", script], cwd=self.folder, capture_output=True, text=True, check=True,
                                 env={"PATH": f"{Path(CTL).parent}:/usr/bin:/bin", "HOME": str(self.folder), "LC_ALL": "C.UTF-8"})
            self.assertEqual(run.stderr, "")
            return [line.split("\t")[0] for line in run.stdout.splitlines()]
        for line, after in CASES:
            begun, whole = line.replace("HOST", "host").split(" ")[-1], after.replace("HOST", "host").rstrip().split(" ")[-1]
            with self.subTest(line):
                offered = complete(line.replace("HOST", "host"))
                if begun == whole:
                    self.assertNotEqual(len(offered), 1, offered)
                elif after.endswith(" "):
                    self.assertEqual(offered, [whole])
                else:
                    self.assertEqual(os.path.commonprefix(offered), whole)
        for begun in "ev", "'ev", '"ev':
            self.assertEqual(complete(f"vfioalignctl explain --root names {begun}"), [EVIL])
        self.assertEqual(complete("vfioalignctl explain --root names li"), [])
        self.assertFalse((self.folder / "ran").exists())

    def test_words(self):
        """What the program says to a shell: each word once, with what it means."""
        def complete(*words):
            run = subprocess.run([CTL, "complete", *words], capture_output=True, text=True, check=True)
            self.assertEqual(run.stderr, "")
            return [line.split("\t") for line in run.stdout.splitlines()]
        for words in [""], ["explain", ""], ["devices", "--"], ["devices", "-o", ""], ["fix", "apply", ""]:
            answers = complete(*words)
            self.assertGreater(len(answers), 4)
            self.assertEqual(len({word for word, _ in answers}), len(answers))
            self.assertTrue(all(text for _, text in answers), answers)
        host = ["--root", str(HOST)]
        address = ["0000:1b:00.0", "NVIDIA Corporation GH100 [H100 SXM5 80GB]"]
        self.assertEqual(complete(*host, "bind", "0000:1b"), [address])
        self.assertEqual(complete(*host, "bind", "1b:00.0", "0000:1b"), [])
        self.assertEqual(complete("dump", ""), [["files"]])
        self.assertEqual(complete("fleet", ""), [["files"]])
        self.assertEqual([word for word, _ in complete("fleet", "--by", "need,ker")], ["need,kernel"])
        self.assertEqual(complete("status", ""), [])
        self.assertEqual(complete(), complete(""))


if __name__ == "__main__":
    unittest.main()
