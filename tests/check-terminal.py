#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is different on a terminal (width, colours, links, the pager, --watch), and what is not: and how to choose what is shown.

check-terminal.py CTL"""

import csv
import fcntl
import io
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest
from pathlib import Path

CTL = os.path.abspath(sys.argv[1])
del sys.argv[1]

HOST = str(Path(__file__).parent / "hosts/eight-gpu")
RUNNING = str(Path(__file__).parent / "hosts/lab-7.3.tar.gz")
BARE = {"PATH": "/usr/bin:/bin", "HOME": "/", "LC_ALL": "C.UTF-8"}
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\]8;;[^\x1b]*\x1b\\")
SETSID = shutil.which("setsid")
WAIT = 60


def run(*args, **env):
    """(exit code, output, errors) where no terminal is there."""
    done = subprocess.run([CTL, *args], capture_output=True, env={**BARE, "TERM": "xterm", **env}, timeout=WAIT)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


class Terminal:
    def __init__(self, *args, columns=80, rows=50, **env):
        self.fd, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.raw, self.text = b"", ""
        env = {**BARE, "TERM": "xterm", "VFIOALIGN_PAGER": "", **env}
        self.process = subprocess.Popen([SETSID, "--ctty", "--wait", CTL, *args], stdin=slave, stdout=slave, stderr=slave,
                                        env={name: value for name, value in env.items() if value is not None})
        os.close(slave)

    def read(self, wait=WAIT):
        """Reads what there is. False at the end."""
        if not select.select([self.fd], [], [], wait)[0]:
            raise AssertionError(f"nothing more after {self.text!r}")
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        self.raw += data
        self.text = self.raw.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)

    def read_until(self, wanted):
        end = time.monotonic() + WAIT
        while not re.search(wanted, self.text):
            if time.monotonic() > end or not self.read():
                raise AssertionError(f"no {wanted} in {self.text!r}")

    def press(self, key):
        """The exit code. A key that comes just when a program begins to wait for one can be lost, so it is pressed again."""
        for _ in range(WAIT):
            try:
                os.write(self.fd, key)
                while self.read(wait=1):
                    pass
                break
            except (AssertionError, OSError):
                continue
        return self.finish()[0]

    def finish(self):
        """(exit code, output)"""
        while self.read():
            pass
        os.close(self.fd)
        return self.process.wait(), self.text


def on_terminal(*args, **env):
    return Terminal(*args, **env).finish()


class Tables(unittest.TestCase):
    def test_words(self):
        """At 80 columns no line is longer, and each word that is shown is whole."""
        for verb, host in ("devices", HOST), ("guests", HOST), ("emulators", HOST), ("mappings", RUNNING):
            whole = set(run(verb, "--root", host)[1].split())
            code, text = on_terminal(verb, "--root", host, TERM="dumb")
            self.assertEqual(code, 0)
            self.assertLessEqual(max(map(len, text.splitlines())), 80, verb)
            self.assertLessEqual(set(text.split()), whole, verb)
            # In a wide one all columns are there.
            code, text = on_terminal(verb, "--root", host, TERM="dumb", columns=250)
            self.assertEqual([line.rstrip() for line in text.splitlines()],
                             [line.rstrip() for line in run(verb, "--root", host)[1].splitlines()])

    def test_dropped(self):
        """The least important column goes, unless it was named."""
        def headings(*args, **how):
            return on_terminal("guests", "--root", HOST, *args, TERM="dumb", **how)[1].split("\n")[0].split()
        whole = ["GUEST", "STATE", "PID", "PAGE", "BEST", "LIMITED-BY", "NEXT-START", "HOW"]
        self.assertEqual(headings(columns=100), whole)
        self.assertEqual(headings(columns=50), [name for name in whole if name not in ("PID", "HOW")])
        self.assertEqual(headings("-o", ",".join(whole), columns=40), whole)
        self.assertEqual(headings(columns=200, COLUMNS="50"), [name for name in whole if name not in ("PID", "HOW")])
        # A program that reads it gets all.
        self.assertEqual(run("guests", "--root", HOST, COLUMNS="50")[1].split("\n")[0].split(), whole)

    def test_csv(self):
        code, text, error = run("devices", "--csv", "--root", HOST, "-o", "address,name,largest-bar,numa")
        self.assertEqual((code, error), (0, ""))
        self.assertEqual(text.count("\r\n"), text.count("\n"))
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        devices = json.loads(run("devices", "--json", "--root", HOST)[1])["devices"]
        self.assertEqual([row["ADDRESS"] for row in rows], [d["address"] for d in devices])
        for row, device in zip(rows, devices):
            self.assertEqual(row["NAME"], device["name"] or "")
            self.assertEqual(int(row["LARGEST-BAR"] or 0), max([bar["size"] for bar in device["bars"]], default=0))
        self.assertEqual(run("devices", "--csv", "--no-headings", "--root", HOST, "-o", "address,name,largest-bar,numa")[1],
                         text.split("\r\n", 1)[1])
        self.assertTrue(run("fix", "--csv", "--root", HOST)[1].startswith("FIX,OF,STATE,HELPS,POLICY,DOES\r\nmodule,host,"))
        for args in ["--csv", "--json"], ["--csv", "--watch"]:
            self.assertEqual(run("devices", *args)[:2], (2, ""))
        self.assertEqual(run("fix", "plan", "--csv", "--root", HOST)[:2], (2, ""))

    def test_formula(self):
        """What a guest is called is no formula in a spreadsheet, and no escape sequence on a terminal."""
        with tempfile.TemporaryDirectory() as root:
            guests = Path(root) / "etc/libvirt/qemu"
            guests.mkdir(parents=True)
            (Path(root) / "proc/sys").mkdir(parents=True)
            (Path(root) / "sys/bus").mkdir(parents=True)
            (guests / "a.xml").write_text("<domain type='kvm'><name>=cmd|'a,b'!A0&#10;\"</name><devices><hostdev mode='subsystem' "
                                          "type='pci'><source><address domain='0' bus='1' slot='0' function='0'/></source></hostdev>"
                                          "</devices></domain>")
            code, text, _ = run("guests", "--csv", "--no-headings", "--root", root, "-o", "guest,faults")
            self.assertEqual((code, text), (0, "\"'=cmd|'a,b'!A0\\x0a\"\"\",0\r\n"))

    def test_no_headings(self):
        text = run("guests", "--root", HOST)[1]
        self.assertEqual(run("--no-headings", "guests", "--root", HOST)[1].split(), text.split("\n", 1)[1].split())
        self.assertEqual(run("mappings", "--no-headings", "--root", HOST)[1], "")


class Filters(unittest.TestCase):
    def rows(self, verb, column, *words, host=HOST):
        code, text, error = run(verb, "--csv", "--no-headings", "-o", column, "--root", host, *words)
        self.assertEqual((code, error), (0, ""), words)
        return text.split()

    def test_devices(self):
        everything = self.rows("devices", "address")
        for words, wanted in {("1b:00",): r"0000:1b:00\..", ("1b:00.0",): "0000:1b:00.0", ("0000:1b",): "0000:1b:.*",
                              ("1B",): "0000:1b:.*", ("4",): None, ("04",): "0000:04:.*", ("0000:04:0",): None,
                              ("04:",): "0000:04:.*", ("0000:04:00.",): r"0000:04:00\..", ("*:00.0",): r".*:00\.0",
                              ("1b", "04"): "0000:(1b|04):.*", ("0000",): ".*"}.items():
            if wanted:
                self.assertEqual(self.rows("devices", "address", *words), [a for a in everything if re.fullmatch(wanted, a)], words)
            else:
                self.assertEqual(run("devices", "--root", HOST, *words)[0], 1)
        document = json.loads(run("devices", "--json", "--root", HOST, "1b:00")[1])
        self.assertEqual([d["address"] for d in document["devices"]], ["0000:1b:00.0"])
        self.assertEqual(len(document["guests"]), 2)

    def test_names(self):
        self.assertEqual(self.rows("guests", "guest", "train-*"), ["train-a", "train-b"])
        self.assertEqual(self.rows("guests", "guest", "train-b"), ["train-b"])
        self.assertEqual(self.rows("emulators", "emulator", "qemu-*"), ["/usr/bin/qemu-system-x86_64"])
        pids = self.rows("mappings", "pid", host=RUNNING)
        for word in "qemu-system-x86", "0000:00:05.0", "5", pids[0]:
            if word == "5":
                self.assertEqual(run("mappings", "--root", RUNNING, word)[0], 1)
            else:
                self.assertEqual(self.rows("mappings", "pid", word, host=RUNNING), pids)
        document = json.loads(run("guests", "--json", "--root", HOST, "train-b")[1])
        self.assertEqual([g["name"] for g in document["guests"]], ["train-b"])

    def test_nothing(self):
        """What matches nothing is one clear error, with what may have been meant."""
        for args, error in {
                ("devices", "1b:00.7"): "devices: nothing matches '1b:00.7'; did you mean '1b:00.0'?",
                ("devices", "1b:00", "zz"): "devices: nothing matches 'zz'",
                ("guests", "trian-a"): "guests: nothing matches 'trian-a'; did you mean 'train-a'?",
                ("emulators", "qemu-system-x86"): "emulators: nothing matches 'qemu-system-x86'; did you mean 'qemu-system-x86_64'?",
                ("mappings", "1"): "mappings: nothing matches '1'"}.items():
            self.assertEqual(run(*args, "--root", HOST), (1, "", f"vfioalignctl: {error}\n"))

    def test_near(self):
        """A word that is not known is answered with the nearest ones."""
        for args, code, error in [
                (["gests"], 2, "unknown verb 'gests'; did you mean 'guests'?"),
                (["xyzzy"], 2, "unknown verb 'xyzzy'; see vfioalignctl --help"),
                (["audit", "--jsn"], 2, "audit: unrecognized option '--jsn'; did you mean '--json'?"),
                (["devices", "--fail-on", "eror"], 2, "'error'?"),
                (["devices", "--output", "ADRESS"], 2, "; did you mean 'ADDRESS'?"),
                (["devices", "--color", "x"], 2, "--color x: expected auto, always or never"),
                (["fix", "aply"], 2, "did you mean 'apply'?"),
                (["fix", "plan", "modul"], 2, "there is no fix 'modul'; did you mean 'module'?"),
                (["guest", "plan", "any", "iommufs"], 2, "did you mean 'iommufd'?"),
                (["explain", "modul-not-loaded", "--root", HOST], 1, "did you mean 'module-not-loaded'?"),
                (["explain", "train-c", "--root", HOST], 1, "did you mean 'train-a' or 'train-b'?"),
                (["explain", "1b:00.1", "--root", HOST], 1, "did you mean '1b:00.0'?")]:
            with self.subTest(args):
                done = run(*args)
                self.assertEqual(done[:2], (code, ""))
                self.assertTrue(done[2].endswith(error + "\n"), done[2])


class Styles(unittest.TestCase):
    WARNING = "\x1b[0;1;33mwarning\x1b[0m: "
    LINK = "[\x1b]8;;man:vfioalignctl(1)\x1b\\module-not-loaded\x1b]8;;\x1b\\]\n"

    def test_colors(self):
        plain = on_terminal("audit", "--root", HOST, TERM="dumb")[1]
        self.assertNotIn("\x1b", plain)
        text = on_terminal("audit", "--root", HOST)[1]
        self.assertIn(self.WARNING, text)
        self.assertIn("\x1b[0;4m", text)
        self.assertEqual(ESCAPES.sub("", text).replace(" ", ""), plain.replace(" ", ""))
        self.assertNotIn("\x1b", on_terminal("audit", "--root", HOST, NO_COLOR="1")[1])
        self.assertIn(self.WARNING, on_terminal("audit", "--root", HOST, NO_COLOR="")[1])
        self.assertNotIn("\x1b", on_terminal("audit", "--root", HOST, "--color=never")[1])
        self.assertIn(self.WARNING, on_terminal("--color=always", "audit", "--root", HOST, NO_COLOR="1")[1])
        self.assertNotIn("\x1b", run("audit", "--root", HOST)[1])
        self.assertIn(self.WARNING, run("audit", "--root", HOST, "--color", "always")[1])
        self.assertNotIn("\x1b", run("audit", "--json", "--root", HOST, "--color", "always")[1])

    def test_links(self):
        self.assertIn(self.LINK, on_terminal("audit", "--root", HOST)[1])
        for env in {"SYSTEMD_URLIFY": "0"}, {"NO_COLOR": "1"}, {"TERM": "dumb", "SYSTEMD_URLIFY": "1"}:
            self.assertNotIn("\x1b]8", on_terminal("audit", "--root", HOST, **env)[1], env)
        self.assertIn(self.LINK, on_terminal("audit", "--root", HOST, NO_COLOR="1", SYSTEMD_URLIFY="1")[1])
        self.assertNotIn("\x1b]8", run("audit", "--root", HOST, "--color=always", SYSTEMD_URLIFY="1")[1])


class Pager(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="vfioalign-pager-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        # Each writes down what it is and what it gets.
        for name in "mine", "less":
            path = self.folder / name
            path.write_text(f'#!/bin/sh\n{{ echo {name} "$@" "$LESS" "secure=$LESSSECURE"; /bin/cat; }} >{self.folder}/paged\n')
            path.chmod(0o755)
        self.path = f"{self.folder}:/usr/bin:/bin"

    def paged(self, *args, **env):
        """(exit code, what the terminal got, what the pager said and got)"""
        code, text = on_terminal(*args, **{"VFIOALIGN_PAGER": str(self.folder / "mine"), "PATH": self.path, **env})
        path = self.folder / "paged"
        said = path.read_text() if path.exists() else None
        path.unlink(missing_ok=True)
        return code, text, said

    def test_used(self):
        whole = on_terminal("audit", "--root", HOST, "--color=never")[1]
        code, text, said = self.paged("audit", "--root", HOST, "--color=never")
        self.assertEqual((code, text, said), (0, "", "mine FRSXMK secure=\n" + whole))
        # Colours and the width are those of the terminal.
        self.assertIn(Styles.WARNING, self.paged("audit", "--root", HOST)[2])
        self.assertIn("LARGEST-BAR", self.paged("devices", "--root", HOST, columns=200)[2])
        self.assertNotIn("LARGEST-BAR", self.paged("devices", "--root", HOST, columns=80)[2])
        for verb in ["devices"], ["guests"], ["explain", "train-a"], ["fix", "list"]:
            self.assertIn("mine", self.paged(*verb, "--root", HOST)[2], verb)

    def test_unused(self):
        for args, env in ((["--no-pager"], {}), ([], {"TERM": "dumb"}), ([], {"VFIOALIGN_PAGER": ""}), ([], {"VFIOALIGN_PAGER": "cat"})):
            code, text, said = self.paged("audit", "--root", HOST, *args, **env)
            self.assertEqual((code, said), (0, None), args)
            self.assertIn("module-not-loaded", text)
        code, text, _ = run("audit", "--json", "--root", HOST, VFIOALIGN_PAGER=str(self.folder / "mine"))
        self.assertEqual((code, json.loads(text)["findings"] != [], (self.folder / "paged").exists()), (0, True, False))

    def test_chosen(self):
        """The first that is set counts, with its arguments; one that is not there is passed over."""
        mine = str(self.folder / "mine")
        self.assertTrue(self.paged("audit", "--root", HOST, VFIOALIGN_PAGER=None, SYSTEMD_PAGER=f"{mine} -a  -b", PAGER="less")[2]
                        .startswith("mine -a -b FRSXMK"))
        self.assertTrue(self.paged("audit", "--root", HOST, VFIOALIGN_PAGER=None, PAGER=mine, VFIOALIGN_LESS="R")[2]
                        .startswith("mine R "))
        self.assertTrue(self.paged("audit", "--root", HOST, VFIOALIGN_PAGER="/nowhere", PATH=str(self.folder))[2].startswith("less "))
        code, text, said = self.paged("audit", "--root", HOST, VFIOALIGN_PAGER="/nowhere", PATH="/nowhere")
        self.assertEqual((code, said), (0, None))
        self.assertIn("module-not-loaded", text)

    def test_secure(self):
        """Who became root by sudo gets less, which starts no shell then, unless they say otherwise."""
        said = self.paged("audit", "--root", HOST, SUDO_UID="1000")[2]
        self.assertTrue(said.startswith("less FRSXMK secure=1\n"), said[:80])
        said = self.paged("audit", "--root", HOST, SUDO_UID="1000", SYSTEMD_PAGERSECURE="1")[2]
        self.assertTrue(said.startswith("mine FRSXMK secure=1\n"), said[:80])
        said = self.paged("audit", "--root", HOST, SUDO_UID="1000", VFIOALIGN_PAGERSECURE="0")[2]
        self.assertTrue(said.startswith("mine FRSXMK secure=\n"), said[:80])

    def test_exit(self):
        """The exit code is that of the verb, also where the reader quits before the end."""
        self.assertEqual(self.paged("audit", "--root", HOST, "--fail-on", "warning")[0], 3)
        quitter = self.folder / "quitter"
        quitter.write_text(f"#!/bin/sh\nexec <&-\ntouch {self.folder}/paged\n")
        quitter.chmod(0o755)
        code, text, said = self.paged("devices", "--json", "--root", HOST, "--fail-on", "warning", VFIOALIGN_PAGER=str(quitter))
        self.assertEqual((code, text, said), (3, "", ""))
        # Without a pager a pipe that is closed ends it as it ends others.
        process = subprocess.Popen([CTL, "devices", "--json", "--root", HOST], stdout=subprocess.PIPE, env=BARE)
        process.stdout.close()
        self.assertEqual(process.wait(WAIT), -signal.SIGPIPE)

    def test_less(self):
        """With the real one: what fits is simply there, and the rest can be read on."""
        if not shutil.which("less"):
            self.skipTest("no less")
        code, text = on_terminal("guests", "--root", HOST, VFIOALIGN_PAGER="less")
        self.assertEqual(code, 0)
        self.assertIn("train-b", text)
        terminal = Terminal("devices", "--root", HOST, "--fail-on", "warning", rows=10, VFIOALIGN_PAGER="less")
        terminal.read_until("lines 1-")  # its prompt
        self.assertEqual(terminal.press(b"q"), 3)
        # ^C quits less (its option K), and we wait for it.
        terminal = Terminal("devices", "--root", HOST, "--fail-on", "warning", rows=10, VFIOALIGN_PAGER="less")
        terminal.read_until("lines 1-")  # its prompt
        self.assertEqual(terminal.press(b"\x03"), 3)


class Watch(unittest.TestCase):
    def test_terminal(self):
        """Each look takes the place of the one before; ^C ends it with the exit code of the last look."""
        terminal = Terminal("guests", "--watch=1", "--root", HOST, "--fail-on", "warning")
        terminal.read_until(r"(?s)train-b.*\x1b\[H.*train-b")
        os.write(terminal.fd, b"\x03")
        code, text = terminal.finish()
        self.assertEqual(code, 3)
        self.assertEqual(text.count("\x1b[2J"), 1)
        self.assertEqual(text.count("\x1b[?7l"), text.count("\x1b[?7h"))
        self.assertTrue(text.split("Ctrl-C ends it\x1b[K", 1)[1].startswith("\n\x1b[K\n"))
        self.assertNotIn("there is more", text)

    def test_resize(self):
        """The next look has the width that the terminal has then."""
        terminal = Terminal("devices", "--watch=1", "--root", HOST)
        terminal.read_until(r"\x1b\[J")
        self.assertNotIn("LARGEST-BAR", terminal.text)
        fcntl.ioctl(terminal.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        terminal.read_until("LARGEST-BAR")
        self.assertEqual(terminal.press(b"\x03"), 0)

    def test_small(self):
        """What does not fit is left out, and that is said."""
        terminal = Terminal("devices", "--watch=1", "--root", HOST, rows=10)
        terminal.read_until(r"\x1b\[J")
        os.write(terminal.fd, b"\x03")
        text = terminal.finish()[1].split("\x1b[J")[0]
        self.assertIn("Ctrl-C ends it; there is more than fits", text)
        self.assertEqual(text.count("\n"), 9)

    def lines(self, *args, n, end=signal.SIGINT):
        process = subprocess.Popen([CTL, *args, "--root", HOST], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                   env=BARE)
        lines = [process.stdout.readline() for _ in range(n)]
        process.send_signal(end)
        process.stdout.read()
        code = process.wait(WAIT)
        process.stdout.close()
        return lines, code

    def test_json(self):
        """One document is one line."""
        lines, code = self.lines("guests", "train-a", "--watch=1", "--json", n=2)
        self.assertEqual(code, 0)
        for line in lines:
            self.assertEqual([g["name"] for g in json.loads(line)["guests"]], ["train-a"])

    def test_errors(self):
        """What is said on the way goes to the standard error and not into a line of JSON."""
        lines, _ = self.lines("emulators", "--watch=1", "--json", "--deep", n=2)
        for line in lines:
            self.assertIn("emulators", json.loads(line))

    def test_pipe(self):
        lines, code = self.lines("guests", "--watch=1", n=8, end=signal.SIGTERM)
        self.assertEqual(code, -signal.SIGTERM)
        self.assertEqual(lines[:4], lines[4:])
        self.assertEqual(lines[3], b"\n")

    def test_arguments(self):
        for argument in "0", "x", "-1":
            self.assertEqual(run("guests", f"--watch={argument}")[:2], (2, ""))
        self.assertEqual(run("explain", "--watch", "train-a")[0], 2)
        begin = time.monotonic()
        lines, _ = self.lines("guests", "--watch", n=5)
        self.assertGreater(time.monotonic() - begin, 2)


if __name__ == "__main__":
    unittest.main()
