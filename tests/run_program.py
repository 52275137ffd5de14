# SPDX-License-Identifier: LGPL-2.1-or-later
"""Running programs, for the checks."""

import subprocess


def output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
