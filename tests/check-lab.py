#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `make check` takes of the lab covers what it says: each pair of the truth table, each host, image and kernel."""

import sys
import unittest
from pathlib import Path
from types import SimpleNamespace

LAB = Path(sys.argv.pop(1)) / "lab"
sys.path.insert(0, str(LAB))
import arm64
import coverage
import images
import kernels
import scenario
import truth_table


def rows_of(hosts):
    return [row for image, kernel in (host.split("/") for host in hosts)
            for row in truth_table.rows(image, kernel, kernel not in (*truth_table.WITHOUT_HUGE, *truth_table.PLACE_PUD))]


def table():
    """All rows on all hosts that make check has of the scenario."""
    return rows_of(scenario.load("truth").check_hosts)


def made_up(name, hosts, check_hosts, check_all_only=False):
    return SimpleNamespace(name=name, hosts=hosts.split(), check_hosts=check_hosts.split(), check_all_only=check_all_only)


# In check: both images, both kernels, and all that has to run whole.
GOOD = [made_up("truth", "bookworm/6.1 trixie/7.3", "bookworm/6.1")] + \
       [made_up(name, "bookworm/6.1 trixie/7.3", "trixie/7.3") for name in coverage.WHOLE]


class Table(unittest.TestCase):
    def setUp(self):
        self.rows = table()
        self.chosen = coverage.covering(self.rows)

    def test_all_rows(self):
        self.assertEqual(len(self.rows), 225)
        self.assertEqual(len(set(self.rows)), 225)

    def test_make_check_all(self):
        """Of 7.3-rt a few, which has neither THP nor a module; half of those of next-order, where the module does not load."""
        more = rows_of(scenario.load("truth").hosts)[len(self.rows):]
        self.assertEqual({host: sum(row[:2] == host for row in more) for host in {row[:2] for row in more}},
                         {("trixie", "7.0"): 60, ("trixie", "7.3-rt"): 10, ("trixie", "next"): 60, ("trixie", "next-order"): 30,
                          ("trixie-bpo", "next"): 30, **{(arm64.IMAGE, kernel): 60 for kernel in arm64.KERNELS}})

    def test_luck_of_make_check_all(self):
        """On 7.0, without the module: who leaves the place to the kernel, with THP=always; with madvise QEMU 7.2, which
        advises. In each the four BARs that have room for a huge page."""
        lucky = [row for row in rows_of(["trixie/7.0", "bookworm/7.0", "trixie/7.3-rt"])
                 if truth_table.may_be_luck(row, follows_thp=True)]
        self.assertEqual({(row.kernel, row.module, row.thp, row.placer) for row in lucky},
                         {("7.0", "off", "always", "kernel"), ("7.0", "off", "always", "QEMU of bookworm"),
                          ("7.0", "off", "madvise", "QEMU of bookworm")})
        self.assertEqual(len(lucky), 3 * 4)

    def test_luck_of_arm64(self):
        """6.12 places each BAR on the largest page that arm64 has, by accident; 7.3 none of the four or, where that page has
        32 MiB, of the three that have room for one."""
        lucky = [row for row in rows_of(f"{arm64.IMAGE}/{kernel}" for kernel in arm64.KERNELS)
                 if truth_table.may_be_luck(row, follows_thp=False)]
        self.assertEqual({(row.kernel, row.module, row.placer) for row in lucky},
                         {("7.3-arm64", "off", "kernel"), ("7.3-arm64-16k", "off", "kernel")})
        self.assertEqual([sum(row.kernel == kernel for row in lucky) for kernel in arm64.KERNELS], [0, 3 * 4, 3 * 3])

    def test_all_pairs(self):
        self.assertEqual(coverage.pairs_of(self.rows) - coverage.pairs_of(self.chosen), set())
        self.assertLessEqual(set(self.chosen), set(self.rows))

    def test_pairs_by_hand(self):
        """Counted without the code under test: there is no module for 6.1, and 6.12 has each image's own QEMU only."""
        counts = coverage.summary([], self.chosen, self.rows)["truth"]["by_pair_of_factors"]
        self.assertEqual({name: c["pairs_all"] for name, c in counts.items()}, {
            "kernel x module": 4 * 2 - 1, "kernel x thp": 4 * 3, "kernel x placer": 2 * 3 + 2 + 1,
            "kernel x bar": 4 * 5, "module x thp": 2 * 3, "module x placer": 2 * 3, "module x bar": 2 * 5, "thp x placer": 3 * 3,
            "thp x bar": 3 * 5, "placer x bar": 3 * 5})
        self.assertEqual(counts, {name: {"pairs": c["pairs_all"], "pairs_all": c["pairs_all"]}
                                  for name, c in counts.items()})

    def test_every_host(self):
        self.assertEqual({row[:2] for row in self.chosen}, {row[:2] for row in self.rows})

    def test_luck(self):
        self.assertTrue(any(truth_table.may_be_luck(row, follows_thp=True) for row in self.chosen))

    def test_few(self):
        self.assertLess(len(self.chosen), len(self.rows) / 4)
        self.assertLess(coverage.seconds(self.chosen), coverage.seconds(self.rows) / 4)

    def test_deterministic(self):
        self.assertEqual(coverage.covering(table()), self.chosen)

    def test_lines(self):
        """What the lab writes for a host, the scenario reads there, in the order in which it measures."""
        for image, kernel in {row[:2] for row in self.rows}:
            text = "".join(f"{line}\n" for line in coverage.choice(self.chosen, image, kernel))
            of_host = [row for row in self.rows if row[:2] == (image, kernel)]
            self.assertEqual(truth_table.chosen(of_host, text), [row for row in self.chosen if row in of_host])
        with self.assertRaisesRegex(ValueError, "no row"):
            truth_table.chosen(self.rows, "7.3\ton\tnever\tkernel\t3 GiB\n")


class Problems(unittest.TestCase):
    def found(self, scenarios, kernels=("6.1", "7.3")):
        return coverage.problems(scenarios, images.OF_CHECK, kernels)

    def test_ours(self):
        self.assertEqual(self.found(scenario.load_all(), kernels.KERNELS), [])

    def test_none(self):
        self.assertEqual(self.found(GOOD), [])

    def test_host(self):
        self.assertEqual(self.found([*GOOD, made_up("thp", "trixie/7.3", "trixie/7.3 bookworm/7.3")]),
                         ["thp: check: has bookworm/7.3, which hosts: has not"])

    def test_no_host(self):
        self.assertEqual(self.found([*GOOD, made_up("thp", "trixie/7.3", "")]), ["thp: make check runs it on no host"])
        self.assertEqual(self.found([*GOOD, made_up("thp", "trixie/7.3", "", check_all_only=True)]), [])
        left = [s for s in scenario.load_all() if s.check_all_only]
        self.assertIn("module-takeover", [s.name for s in left])
        self.assertEqual([s.check_hosts for s in left], [[]] * len(left))

    def test_host_of_check_all(self):
        """Such a host is not built for make check."""
        self.assertEqual(self.found([*GOOD, made_up("thp", "trixie/next", "trixie/next")]),
                         ["thp: check: has trixie/next, which only make check-all has"])

    def test_image_and_kernel(self):
        self.assertEqual(self.found(GOOD[1:], ("7.3", "6.12")),
                         ["image bookworm: make check boots it nowhere", "kernel 6.12: make check boots it nowhere"])

    def test_whole(self):
        for s in GOOD[1:]:
            others = [other for other in GOOD if other is not s]
            problem = f"{s.name}: make check has no whole run of it"
            self.assertEqual(self.found(others), [problem])
            self.assertIn(problem, self.found([*others, made_up(s.name, "trixie/7.3", "")]))


class Summary(unittest.TestCase):
    def test(self):
        rows = table()
        chosen = coverage.covering(rows)
        summary = coverage.summary(GOOD[:1], chosen, rows)
        self.assertEqual(summary["scenarios"],
                         {"truth": {"hosts": ["bookworm/6.1"], "left_to_check_all": ["trixie/7.3"]}})
        truth = summary["truth"]
        self.assertEqual((truth["rows"], truth["rows_all"]), (len(chosen), 225))
        self.assertEqual((truth["pairs"], summary["left_out"]), (truth["pairs_all"], []))
        # The only row of its host and of the pair of its kernel and emulator.
        without = [row for row in chosen if row[:2] != ("bookworm", "6.1")]
        self.assertIn("kernel 6.1, placer QEMU of bookworm", coverage.summary([], without, rows)["left_out"])


if __name__ == "__main__":
    unittest.main()
