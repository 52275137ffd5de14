#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The alerts, rules and dashboards of fleet/mixin: promtool's unit tests, a runbook for each alert, only metrics that there
are, and panels that do not overlap.

check-mixin.py SOURCE_ROOT ALERTS RULES DASHBOARD..."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT, ALERTS, RULES, *DASHBOARDS = map(Path, sys.argv[1:])
del sys.argv[1:]


def read(path):
    return (ROOT / path).read_text()


def metrics():
    """Those of report/metrics.c, with what Prometheus makes of a histogram."""
    found = re.findall(r'ROW\(\s*"(\w+)", "(\w+)"', read("report/metrics.c"))
    assert len(found) > 25
    names = set()
    for name, kind in found:
        names |= {f"vfioalign_{name}{end}" for end in (["_bucket", "_sum", "_count"] if kind == "histogram" else [""])}
    return names


def expressions():
    """[(where, expression)]"""
    for path in ALERTS, RULES:
        for text in re.findall(r'"expr": (?:\|\n((?: {6}.*\n)+)|"(.*)")', path.read_text()):
            yield path.name, "".join(text)
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{path.name}: {panel['title']}", target["expr"]


class Mixin(unittest.TestCase):
    def test_rules(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(ALERTS, f"{folder}/alerts.yaml")
            shutil.copy(RULES, f"{folder}/rules.yaml")
            shutil.copy(ROOT / "fleet/mixin/tests/test.yaml", folder)
            for args in ["check", "rules", "alerts.yaml", "rules.yaml"], ["test", "rules", "test.yaml"]:
                run = subprocess.run(["promtool", *args], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                self.assertEqual(run.returncode, 0, run.stdout)
        tested = set(re.findall(r"alertname: (\w+)", read("fleet/mixin/tests/test.yaml")))
        self.assertEqual(tested, set(self.alerts()))
        records = re.findall(r'"record": "(.+)"', RULES.read_text())
        self.assertGreater(len(records), 5)
        for record in records:
            self.assertIn(f"expr: {record}", read("fleet/mixin/tests/test.yaml"))

    def alerts(self):
        names = re.findall(r'"alert": "(\w+)"', ALERTS.read_text())
        self.assertGreater(len(names), 8)
        return names

    def test_runbooks(self):
        """Each alert has a section, which its URL names; and no section is left of an alert that is gone."""
        sections = re.split(r"^## (.+)\n", read("docs/alerts.md"), flags=re.M)[1:]
        self.assertEqual(sections[::2], self.alerts())
        for text in sections[1::2]:
            self.assertGreater(len(text), 200)
        urls = re.findall(r'"runbook_url": ".*#(\w+)"', ALERTS.read_text())
        self.assertEqual(urls, [name.lower() for name in self.alerts()])

    def test_metrics(self):
        """Whatever is asked for is printed by somebody."""
        known, used = metrics() | set(re.findall(r'"record": "(.+)"', RULES.read_text())), set()
        shown = list(expressions())
        self.assertGreater(len(shown), 30)
        for where, text in shown:
            for name in re.findall(r"\bvfioalign_\w+", text):
                self.assertIn(name, known, f"{where}: {text}")
                used.add(name)
        self.assertGreater(len(used), 15)

    def test_dashboards(self):
        self.assertEqual(len(DASHBOARDS), 2)
        for path in DASHBOARDS:
            board = json.loads(path.read_text())
            self.assertEqual(board["uid"], path.stem)
            variables = {"datasource", "__rate_interval"} | {v["name"] for v in board["templating"]["list"]}
            cells = set()
            for panel in board["panels"]:
                place = panel["gridPos"]
                for x in range(place["x"], place["x"] + place["w"]):
                    self.assertLess(x, 24, panel["title"])
                    for y in range(place["y"], place["y"] + place["h"]):
                        self.assertNotIn((x, y), cells, f"{path.name}: {panel['title']} lies over another panel")
                        cells.add((x, y))
                self.assertTrue(panel["description"])
                for part in [panel, *panel["targets"]]:
                    self.assertEqual(part["datasource"], {"type": "prometheus", "uid": "${datasource}"})
            for name in re.findall(r"\$\{?(\w+)", path.read_text()):
                self.assertIn(name, variables)
            self.assertEqual([p["id"] for p in board["panels"]], list(range(1, len(board["panels"]) + 1)))


if __name__ == "__main__":
    unittest.main()
