#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The report of a probe follows fleet/probe.schema.json, and its text says the same; what the verb refuses without
touching anything."""

import copy
import json
import subprocess
import sys
import unittest

import jsonschema
from run_program import output
from schema import Report

CTL, SAMPLE, SCHEMA, AUDIT_SCHEMA = sys.argv[1:5]
del sys.argv[1:5]


class Probe(unittest.TestCase):
    def setUp(self):
        self.schema = Report(SCHEMA)
        self.report = self.schema.check(output(SAMPLE, "json"))

    def test_report(self):
        small, large, sparse = self.report["bars"]
        self.assertEqual(small["areas"], [])
        (area,) = large["areas"]
        self.assertEqual((area["size"], area["fault_size"], area["expected_faults"]), (128 << 30, 4 << 30, 2048))
        self.assertEqual((area["predicted"]["page_size"], area["median"]["page_size"]), (2 << 20, 2 << 20))
        self.assertEqual([m["seconds"] for m in area["measured"]], [0.25] * 8)
        (area,) = sparse["areas"]
        self.assertEqual((area["offset"], area["no_faults_because"]), (64 << 10, "Bad address"))
        for part in area["predicted"], area["median"], area["measured"][7]:
            self.assertEqual((part["page_size"], part["faults"]), (None, None))

    def test_text(self):
        text = output(SAMPLE)
        for words in ("0000:41:00.0 Some GPU", "6.12.0-test", "BAR 0, 1 KiB, cannot be mapped", "BAR 1, 128 GiB\n",
                      "Predicted: 2 MiB pages (or larger by chance), 65,536 faults", "in the first 4 GiB only; predicted there: 2,048",
                      "As predicted.", "BAR 3, 128 KiB, the 64 KiB at 64 KiB", "Predicted: unknown", "not measured: Bad address"):
            self.assertIn(words, text)
        self.assertEqual(sum("0x7f" in line for line in text.splitlines()), 16)
        self.assertEqual(sum("median" in line for line in text.splitlines()), 2)
        self.assertLessEqual(max(map(len, text.splitlines())), 100)

    def test_schema_bites(self):
        def broken(change):
            report = copy.deepcopy(self.report)
            change(report)
            with self.assertRaises(jsonschema.ValidationError):
                self.schema.check(json.dumps(report))

        broken(lambda r: r.pop("device"))
        broken(lambda r: r.update(schema_version=3))
        broken(lambda r: r.update(surprise=1))
        broken(lambda r: r["bars"][1]["areas"][0]["measured"].pop())
        broken(lambda r: r["bars"][1]["areas"][0].update(agrees=True))

    def test_same_verdict(self):
        """A verdict is what it is in the audit."""
        with open(SCHEMA) as probe, open(AUDIT_SCHEMA) as audit:
            probe, audit = json.load(probe)["$defs"], json.load(audit)["$defs"]
        limit = probe["verdict"]["properties"].pop("limit")
        self.assertEqual(limit["enum"], audit["limit"]["enum"])
        audit["verdict"]["properties"].pop("limit")
        self.assertEqual(probe["verdict"], audit["verdict"])


class Refusals(unittest.TestCase):
    def refused(self, code, *args):
        run = subprocess.run([CTL, "probe", *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual((run.returncode, run.stdout), (code, ""))
        return run.stderr

    def test_unknown(self):
        for address in "ffff:ff:1f.7", "GPU":
            error = self.refused(1, "--yes", address)
            self.assertEqual(error.count("\n"), 1)
            self.assertIn(f"no PCI function '{address}'", error)

    def test_usage(self):
        self.refused(2)
        self.refused(2, "0000:00:00.0", "0000:00:00.1")
        self.refused(2, "--root", "/", "0000:00:00.0")


if __name__ == "__main__":
    unittest.main()
