# SPDX-License-Identifier: LGPL-2.1-or-later
"""The names of tests as versions of Meson print them: "PROJECT:SUITE / NAME", and "SUITE - PROJECT:NAME" in later ones."""

import re


def name_of(listed):
    """What `meson test` takes."""
    return re.sub(r".*( / |:)", "", listed)


def may_run_again(listed):
    """Those that run programs against the clock get a second chance, alone: a busy machine is no failure. Tests of one piece
    of code, random ones among them, do not."""
    return ":check / " in listed or listed.startswith("check - ")


def names(output):
    """Those of `meson test --list`."""
    return [name_of(line) for line in output.splitlines() if " / " in line or " - " in line]
