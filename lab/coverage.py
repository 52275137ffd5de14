# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `make check` takes of all that `make check-all` runs: which rows of the truth table, and which hosts of the other
scenarios."""

import sys
from itertools import combinations

from common import LAB

sys.path.append(str(LAB / "scenarios" / "lib"))
from truth_table import BARS, FACTORS, GIB, TIMES, line, may_be_luck

# About what the truth table takes on an emulated host.
AUDIT_SECONDS = 3  # before each state
START_SECONDS = 4  # of an emulator, which has all BARs of a state
SMALL_SECONDS = 3  # to map a large BAR in pages of 4 KiB
MAP_SECONDS = 0.2  # to map any other

# What is hurt or stopped at any moment is hurt at all of them: half of such a run shows nothing.
WHOLE = ("bind-kill", "bind-stuck", "harm", "module-storm")


def pairs(row):
    """Each two values of factors that the row has together."""
    return set(combinations(zip(FACTORS, row[1:]), 2))


def pairs_of(rows):
    return set().union(*map(pairs, rows))


def state(row):
    """Rows that have it in common share an audit, and their BARs an emulator."""
    return row.image, row.kernel, row.module, row.thp


def seconds(rows):
    """About what these rows take on all their hosts together."""
    total, starts = AUDIT_SECONDS * len({state(row) for row in rows}), {}
    for row in rows:
        lucky = may_be_luck(row, follows_thp=False)  # what takes longer, as a kernel's release decides it
        times = TIMES if lucky else 1
        total += times * (SMALL_SECONDS if lucky and BARS[row.bar].length >= GIB else MAP_SECONDS)
        if row.placer != "kernel":
            starts[state(row)] = max(times, starts.get(state(row), 0))
    return total + START_SECONDS * sum(starts.values())


def goals(row):
    """What a choice of rows has to have: the pairs, and one row that may be luck, which is judged in another way. Those
    cost most, so that none would be chosen by itself."""
    return pairs(row) | {("luck", may_be_luck(row, follows_thp=True))}


def goals_of(rows):
    return set().union(*map(goals, rows))


def covering(rows, cost=seconds):
    """A few of the rows, in their order, that have every pair which any of them has. No host is left without one: each
    is the only one with its kernel and its emulator, and those are a pair."""
    chosen, missing = [], goals_of(rows)
    while missing:
        now = cost(chosen)
        best = max((row for row in rows if goals(row) & missing),
                   key=lambda row: len(goals(row) & missing) / (cost([*chosen, row]) - now))
        chosen.append(best)
        missing -= goals(best)
    return sorted(without_spare(chosen, cost), key=rows.index)


def without_spare(chosen, cost):
    """Later rows can have made earlier ones superfluous: these go, the most expensive first."""
    while True:
        fewer = [[other for other in chosen if other != row] for row in chosen]
        enough = [rows for rows in fewer if goals_of(rows) == goals_of(chosen)]
        if not enough:
            return chosen
        chosen = min(enough, key=cost)


def choice(chosen, image, kernel):
    """The lines for the scenario on one host."""
    return [line(row) for row in chosen if (row.image, row.kernel) == (image, kernel)]


def problems(scenarios, images, kernels):
    """What `make check` would miss, as texts. Scenarios have a name, hosts and check_hosts."""
    found = []
    for s in scenarios:
        found += [f"{s.name}: check: has {h}, which hosts: has not" for h in s.check_hosts if h not in s.hosts]
        if not s.check_hosts and not s.check_all_only:
            found.append(f"{s.name}: make check runs it on no host")
        for host in s.check_hosts:
            image, _, kernel = host.partition("/")
            if image not in images or kernel not in kernels:
                found.append(f"{s.name}: check: has {host}, which only make check-all has")
    booted = [host.split("/") for s in scenarios for host in s.check_hosts]
    for what, wanted, at in (("image", images, 0), ("kernel", kernels, -1)):
        found += [f"{what} {w}: make check boots it nowhere" for w in wanted if all(w != host[at] for host in booted)]
    return found + [f"{name}: make check has no whole run of it" for name in WHOLE
                    if not any(s.name == name and s.check_hosts for s in scenarios)]


def by_pair_of_factors(chosen, rows):
    counts = {}
    for key, of in (("pairs", chosen), ("pairs_all", rows)):
        for (a, _), (b, _) in pairs_of(of):
            counts.setdefault(f"{a} x {b}", {"pairs": 0, "pairs_all": 0})[key] += 1
    return dict(sorted(counts.items()))


def summary(scenarios, chosen, rows):
    """left_out: pairs of the table that no chosen row has."""
    return {
        "truth": {"rows": len(chosen), "rows_all": len(rows), "pairs": len(pairs_of(chosen)),
                  "pairs_all": len(pairs_of(rows)), "by_pair_of_factors": by_pair_of_factors(chosen, rows)},
        "scenarios": {s.name: {"hosts": s.check_hosts,
                               "left_to_check_all": [h for h in s.hosts if h not in s.check_hosts]} for s in scenarios},
        "left_out": sorted(", ".join(f"{factor} {value}" for factor, value in pair)
                           for pair in pairs_of(rows) - pairs_of(chosen)),
    }
