#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vfioalignctl fleet: many hosts' reports, one answer, against a fleet that is made up and so known (made_up_fleet.py).

check-fleet.py CTL [TEST...]. HOSTS in the environment: so many hosts; make check-all takes 10,000."""

import csv
import gzip
import io
import json
import lzma
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from xml.etree import ElementTree

import browser
from made_up_fleet import COUNTS, SEVERITIES, Fleet

CTL = os.path.abspath(sys.argv[1])
N = int(os.environ.get("HOSTS", "200"))
del sys.argv[1]

FORMS = ("row", "report", "pretty-row", "pretty-report")
NAMES = ["quarantine", "module-dead", "module", "module-install", "module-key", "thp", "preload", "kernel", "hook", "unseen", "none"]


def setUpModule():
    global MADE
    # Whole reports of a large fleet would be a gigabyte.
    MADE = Fleet(CTL, N, forms=FORMS if N <= 1000 else ("row",) * 20 + FORMS)


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="vfioalign-fleet-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_ctl(self, *args, code=0, stdin=None, errors=""):
        run = subprocess.run([CTL, "fleet", *map(str, args)], input=stdin, capture_output=True, text=stdin is None or
                             isinstance(stdin, str), env=os.environ | {"LC_ALL": "C.UTF-8"})
        stderr = run.stderr if isinstance(run.stderr, str) else run.stderr.decode()
        self.assertEqual(run.returncode, code, stderr)
        if errors is not None:
            self.assertEqual(stderr, errors)
        return run.stdout if isinstance(run.stdout, str) else run.stdout.decode()

    def answer(self, *args, **kwargs):
        return json.loads(self.run_ctl("--json", *args, **kwargs))

    def file(self, *texts, name="reports"):
        path = self.folder / name
        path.write_text("".join(texts))
        return path


class Truth(Case):
    """Whatever the form, the order and the road of the reports, the answer is what is true."""

    def check(self, answer):
        groups = MADE.groups()
        self.assertEqual([g["need"] for g in answer["groups"]], [n for n in NAMES if n in groups])
        for g in answer["groups"]:
            self.assertEqual({key: g[key] for key in groups[g["need"]]}, groups[g["need"]])
        self.assertEqual((answer["unread"], answer["unnamed"], answer["older"], answer["hosts_old"]),
                         (MADE.unread, MADE.unnamed, MADE.older, MADE.old))
        self.assertEqual(answer["hosts"], N)
        self.assertEqual(answer["hosts_short"], sum(h.row["need"]["guests_short"] > 0 for h in MADE.hosts))
        for count in COUNTS:
            self.assertEqual(answer[count], sum(g[count] for g in groups.values()))

    def test_mixed(self):
        self.check(self.answer(self.file(*MADE.texts)))

    def test_order(self):
        """Not a letter of any output depends on the order of what is read."""
        for texts in MADE.texts[::-1], random.Random(5).sample(MADE.texts, len(MADE.texts)):
            path = self.file(*texts)
            self.check(self.answer(path))
            outputs = [self.run_ctl(*how, path) for how in (["--by", "need,kernel,version"], ["--csv", "--by", "host"],
                                                           ["--hosts", "module"])]
            first = getattr(self, "first", outputs)
            self.first = first
            self.assertEqual(outputs, first)

    def test_roads(self):
        """Compressed, cut into files, in a directory, by a pipe."""
        text = "".join(MADE.texts).encode()
        path = self.file()
        for name, data in {"gzip": gzip.compress(text, 1), "xz": lzma.compress(text, preset=0),
                           "zstd": subprocess.run(["zstd", "-1"], input=text, capture_output=True, check=True).stdout
                           if shutil.which("zstd") else text}.items():
            path.write_bytes(data)
            self.check(self.answer(path))
            self.check(self.answer("-", stdin=data))
        path.unlink()
        for i in range(7):
            (self.folder / f"part-{i}").write_text("".join(MADE.texts[i::7]))
        # What is not a report, or not yet.
        (self.folder / ".part-8.x1y2").write_text("".join(MADE.texts[:50]).replace('"id"', '"was"'))
        (self.folder / "deeper").mkdir()
        (self.folder / "deeper/part").write_text("{")
        os.mkfifo(self.folder / "fifo")
        (self.folder / "link").symlink_to("/dev/zero")
        self.check(self.answer(self.folder))
        self.check(self.answer(*(self.folder / f"part-{i}" for i in (3, 1, 6, 2, 0, 5, 4))))

    def test_forms(self):
        """A row and a report of a host give the same line."""
        for host in {h.kind: h for h in MADE.hosts}.values():
            outputs = {self.run_ctl("--csv", "--by", "host,need,kernel,emulator,limit,version,module,thp", self.file(host.text(form)))
                       for form in FORMS}
            self.assertEqual(len(outputs), 1, outputs)
            (row,) = csv.DictReader(io.StringIO(outputs.pop()))
            self.assertEqual((row["host"], row["need"], row["kernel"], row["module"], row["severity"]),
                             (host.name, host.row["need"]["need"], host.release, host.row["module"], host.severity))
        array = json.dumps([h.row for h in MADE.hosts[:9]], indent=1)
        self.assertEqual(self.answer(self.file(array))["hosts"], 9)
        self.assertEqual(self.answer(self.file("".join(h.text("pretty-row").rstrip() for h in MADE.hosts[:9])))["hosts"], 9)

    def test_text(self):
        text = self.run_ctl(self.file(*MADE.texts))
        short = sum(h.row["need"]["guests_short"] > 0 for h in MADE.hosts)
        guests = sum(h.row["need"]["guests_short"] for h in MADE.hosts)
        self.assertIn(f"{guests:,} guests on {short:,} of {N:,} hosts have smaller pages than they could have\n", text)
        self.assertIn(f"{MADE.unread:,} reports could not be read, 1 report does not say whose it is", text)
        groups = MADE.groups()
        g = groups["module"]
        self.assertRegex(text, rf'(?m)^ *{g["hosts"]:,} +{g["guests_short"]:,} +{g["faults"]:,} → {g["faults_after"]:,} +.* module +'
                               r"vfioalignctl fix apply module *$")
        self.assertRegex(text, rf'(?m)^ *{groups["none"]["hosts"]:,} +none *$')
        self.assertEqual(len(text.splitlines()), 4 + len(groups))

    def test_hosts(self):
        names = self.run_ctl("--hosts", "module-install", self.file(*MADE.texts)).splitlines()
        self.assertEqual(names, sorted(h.name for h in MADE.hosts if h.row["need"]["need"] == "module-install"))

    def test_by(self):
        path = self.file(*MADE.texts)
        for by, key in {"kernel": lambda h: h.release, "version": lambda h: h.row["version"], "thp": lambda h: h.row["thp"],
                        "module": lambda h: h.row["module"], "host": lambda h: h.name}.items():
            answer = self.answer("--by", by, path)
            groups = MADE.groups(key)
            self.assertEqual({g[by]: {k: g[k] for k in ["hosts", *COUNTS]} for g in answer["groups"]}, groups)
            self.assertEqual([g["hosts"] for g in answer["groups"]], sorted((g["hosts"] for g in groups.values()), reverse=True))
        both = self.answer("--by", "need,module", path)["groups"]
        self.assertEqual({(g["need"], g["module"]): g["hosts"] for g in both},
                         {pair: g["hosts"] for pair, g in MADE.groups(lambda h: (h.row["need"]["need"], h.row["module"])).items()})
        text = self.run_ctl("--output", "hosts,severity,need", path)
        self.assertEqual(text.splitlines()[0].split(), ["HOSTS", "SEVERITY", "NEED"])
        self.assertEqual(self.answer("--max-age", "100w", path)["hosts_old"], 0)
        self.assertEqual(self.answer("--max-age", "0s", path)["hosts_old"], N)

    def test_seconds(self):
        """What starts took, where it was measured."""
        host = next(h for h in MADE.hosts if h.row["need"]["need"] == "module")
        row = host.row | {"guests": [g | {"start_seconds": 9.5, "bar_seconds": 4.25} for g in host.row["guests"]]}
        path = self.file(json.dumps(row) + "\n")
        self.assertEqual(self.answer(path)["bar_seconds"], 8.5)
        self.assertRegex(self.run_ctl(path), r"(?m)^HOSTS .* SECONDS .*\n.* 8\.5 module")

    def test_fail_on(self):
        path = self.file(*MADE.texts)
        worst = max((h.severity for h in MADE.hosts), key=SEVERITIES.index)
        for severity in SEVERITIES:
            self.run_ctl("--fail-on", severity, path, code=3 if SEVERITIES.index(worst) >= SEVERITIES.index(severity) else 0)
        idle = next(h for h in MADE.hosts if h.severity == "info")
        self.run_ctl("--fail-on", "notice", self.file(idle.text("row")))


class Hostile(Case):
    """Reports are strangers' data."""

    def row(self, **changes):
        return MADE.hosts[0].row | changes

    def named(self, name, **changes):
        return json.dumps(self.row(host={"name": name, "id": None, "boot_id": None}, **changes)) + "\n"

    def test_nothing(self):
        self.run_ctl(self.file("{}\n", "what?\n", "[1,2]\n"), code=1, errors=None)
        self.run_ctl(self.file(""), code=1, errors=None)
        self.run_ctl("/nowhere", code=1, errors=None)
        path = self.file(self.named("one"))
        self.assertEqual(self.answer("/nowhere", path, errors=None)["hosts"], 1)

    def test_usage(self):
        path = self.file(self.named("one"))
        for args in ([], ["--by", "colour", path], ["--hosts", "luck", path], ["--max-age", "7", path], ["--max-age", "d", path],
                     ["--json", "--csv", path], ["--output", "HOSTS,NONE", path], ["--nope", path], ["--by", "", path],
                     ["--html", self.folder / "x", "--hosts", "none", path]):
            self.assertEqual(self.run_ctl(*args, code=2, errors=None), "", args)

    def test_cut(self):
        """Wherever a report is cut, the next one is whole."""
        host = MADE.hosts[0]
        good = self.named("good")
        for form in FORMS:
            text = host.text(form).rstrip()
            places = [1, 2, len(text) // 3, len(text) // 2, len(text) - 1, *(m.start() for m in re.finditer(r'"[:,]|[\[{]', text) if m.start() > 0)][:40]
            cut = "".join(text[:place] + "\n" + good.replace("good", f"good-{i}") for i, place in enumerate(places))
            answer = self.answer(self.file(cut))
            self.assertEqual((answer["hosts"], answer["unread"]), (len(places), len(places)), form)

    def test_twice(self):
        """A member that is there twice can mean either."""
        text = self.named("good").replace('"kind": "row"', '"kind": "row", "version": "0"')
        self.assertEqual(self.answer(self.file(text, self.named("other")))["unread"], 1)

    def test_large(self):
        """What is too large or too deep is left out, and takes no memory."""
        good = self.named("good")
        huge = '{"x":"' + "y" * (65 << 20) + '"}\n'
        many = '{"kind":"row","x":[' + "0," * (5 << 20) + '0]}\n'
        skipped = '{"devices":[' + "0," * (30 << 20) + "0]" + json.dumps(self.row(kernel={"release": "1"}))[1:].join([",", "\n"])
        deep = '{"x":' + "[" * 33 + "]" * 33 + "}\n" + '{"devices":' + "[" * 9999 + "]" * 9999 + "}\n"
        path = self.file(huge, good, many, deep, skipped)
        # A sanitizer maps terabytes.
        limit = "" if "ASAN_OPTIONS" in os.environ else "ulimit -v 400000; "
        run = subprocess.run(["sh", "-c", limit + 'exec "$@"', "sh", CTL, "fleet", "--json", path], capture_output=True, text=True)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        answer = json.loads(run.stdout)
        self.assertEqual((answer["hosts"], answer["unread"]), (2, 4))

    def test_values(self):
        """Each member of a row, as something else; each row of another host."""
        base, n = self.row(), 0
        host = base["host"]["id"]
        values = [None, -1, 1e300, 2**63, 2**64, "x", "\0", [], {}, [[]], [None], {"need": []}, True, "9" * 5000, "\x1b[31m"]

        def change(node, value):
            for key in node if isinstance(node, dict) else range(len(node)):
                old, node[key] = node[key], value
                yield
                node[key] = old
                if isinstance(old, (dict, list)):
                    yield from change(old, value)

        texts = []
        for value in values:
            for _ in change(base, value):
                texts.append(json.dumps(base).replace(host, f"{n:032x}") + "\n")
                n += 1
        answer = self.answer(self.file(*texts))
        self.assertEqual(answer["hosts"] + answer["unread"] + answer["unnamed"] + answer["older"], n)
        for key in COUNTS:
            self.assertLessEqual(answer[key], answer["hosts"] << 53)
        self.answer(self.file(*(text.replace('"kernel": "', '"kernel": {"release": "').replace('", "thp"', '"}, "thp"').replace(
            '"kind": "row", ', "") for text in texts)))

    def test_terminal(self):
        """Nothing of a report reaches a terminal, a spreadsheet or a browser but as text."""
        evil = "\x1b]0;x\x07\r\n\u202e<script>alert(1)</script>&\"'"
        path = self.file(self.named(evil, kernel=evil, version="=HYPERLINK(1)", module=evil, need={"need": evil, "guests": 1}))
        by = ["--by", "host,kernel,version,module,need"]
        for args in by, [*by, "--json"], [*by, "--csv"]:
            text = self.run_ctl(*args, path)
            self.assertNotRegex(text, r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]")
        cells = next(csv.DictReader(io.StringIO(self.run_ctl(*by, "--csv", path))))
        self.assertEqual(cells["version"], "'=HYPERLINK(1)")
        page = self.folder / "page.html"
        self.run_ctl("--html", page, path)
        self.assertNotIn("<script", page.read_text())
        self.assertIn("&lt;script&gt;alert(1)", page.read_text())

    def test_inventory(self):
        """A name is a line of Ansible's inventory, where more than a name would be a command."""
        names = ["good.example-1_2", "x ansible_connection=local", "[all:vars]", "-x", "a=b", "www[01:50]", "a\nb", "#x", "a,b", "", "a/b",
                 "é"]
        path = self.file(*(self.named(name, need=MADE.hosts[0].row["need"] | {"need": "module"}) for name in names))
        self.assertEqual(self.run_ctl("--hosts", "module", path, errors="vfioalignctl: Leaving out 10 of the hosts, whose names are not names of hosts\n"),
                         "good.example-1_2\n")

    def test_bombs(self):
        """What is compressed in vain, cut or damaged costs its own file only."""
        good = self.file(self.named("good"), name="good")
        bomb, cut, twice = (self.folder / name for name in ("bomb", "cut", "twice"))
        bomb.write_bytes(gzip.compress(b" " * (50 << 20), 6))
        data = gzip.compress("".join(MADE.texts[:200]).encode(), 1)
        cut.write_bytes(data[:len(data) // 2])
        twice.write_bytes(gzip.compress(gzip.compress(b"{}")))
        answer = self.answer(bomb, cut, twice, good, errors=None)
        self.assertGreater(answer["hosts"], 1)
        self.assertLess(answer["hosts"], 201)


class Page(browser.TestCase):
    def page(self, *texts):
        path, page = self.folder / "reports", self.folder / "page.html"
        path.write_text("".join(texts))
        subprocess.run([CTL, "fleet", "--html", page, path], check=True, env=os.environ | {"LC_ALL": "C.UTF-8"})
        return page

    def test_looks(self):
        """In a browser: nothing is said on the console, nothing is wider than the window, and all hosts are drawn."""
        page = self.page(*MADE.texts)
        text = page.read_text()
        self.assertNotRegex(text, r"https?:|<script|@import|url\(")
        self.assertIn("default-src 'none'", text)
        open_text = re.sub(r"<meta http-equiv[^>]*>", "", text).replace("<details>", "<details open>")
        for width in 360, 1000:
            boxes = self.measure(open_text, """
                const wide = [...document.querySelectorAll('body *')].filter(e => {
                        const b = e.getBoundingClientRect(); return b.width > 0 && (b.right > innerWidth + 0.5 || b.left < 0); });
                const squares = [...document.querySelectorAll('path')].map(p => p.getAttribute('d').match(/z/g).length);
                return {inner: innerWidth, scroll: document.documentElement.scrollWidth, wide: wide.map(e => e.outerHTML.slice(0, 80)),
                        squares: squares, rows: document.querySelectorAll('tbody tr').length,
                        names: [...document.querySelectorAll('.names')].map(e => e.textContent.trim().split(/\\s+/).length)};""", width)
            self.assertEqual((boxes["inner"], boxes["wide"]), (width, []))
            self.assertLessEqual(boxes["scroll"], width)
            self.assertEqual((sum(boxes["squares"]), boxes["rows"], sum(boxes["names"])), (N, len(MADE.groups()), N))
        self.picture(page, 1000, 1500)

    def test_dark(self):
        page = self.page(*MADE.texts[:50])
        text = re.sub(r"<meta http-equiv[^>]*>", "", page.read_text())
        script = "const s = getComputedStyle(document.body); return [s.color, s.backgroundColor];"
        light = self.measure(text, script)
        dark = self.measure(text.replace("@media(prefers-color-scheme:dark)", "@media all"), script)
        for (text_colour, back), bright in (light, False), (dark, True):
            luminance = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (text_colour, back)]
            self.assertEqual(luminance[0] > luminance[1], bright)
            self.assertGreater(abs(luminance[0] - luminance[1]), 500)

    def test_bars(self):
        """Above 50,000 hosts there are bars, and no names."""
        row = MADE.hosts[0].row
        head = json.dumps(row | {"host": "HOST"}, separators=(",", ":")) + "\n"
        page = self.page(*(head.replace('"HOST"', f'{{"name":"h{i}"}}') for i in range(50001)))
        root = ElementTree.fromstring(re.search(r"<svg.*?</svg>", page.read_text(), re.S)[0])
        self.assertEqual([child.tag for child in root], ["rect"] * 5)
        self.assertLess(page.stat().st_size, 16 << 10)


class Size(Case):
    def test_page(self):
        page = self.folder / "page.html"
        self.run_ctl("--html", page, self.file(*MADE.texts))
        self.assertLess(page.stat().st_size, 8192 + 50 * N)  # 512 KB of 10,000
        ElementTree.fromstring(re.search(r"<svg.*?</svg>", page.read_text(), re.S)[0])

    def test_killed(self):
        """A writer that is killed leaves the old page or the new one, and no other."""
        page, path = self.folder / "page.html", self.file(*MADE.texts)
        page.write_text("old")
        seen = set()
        begin = time.monotonic()
        self.run_ctl("--html", self.folder / "whole.html", path)
        whole = time.monotonic() - begin
        size = (self.folder / "whole.html").stat().st_size
        for i in range(40):
            run = subprocess.Popen([CTL, "fleet", "--html", page, path])
            time.sleep(whole * i / 30)
            run.send_signal(signal.SIGKILL)
            run.wait()
            text = page.read_text()
            self.assertTrue(text == "old" or (len(text.encode()) == size and text.endswith("</html>\n")), len(text))
            seen.add(text == "old")
        self.assertIn(True, seen | {True})
        # Not a file: it is written to.
        self.assertTrue(self.run_ctl("--html", "/dev/stdout", path).endswith("</html>\n"))
        self.assertTrue(Path("/dev/stdout").is_symlink())
        self.run_ctl("--html", "/nowhere/page.html", path, code=1, errors=None)


if __name__ == "__main__":
    unittest.main()
