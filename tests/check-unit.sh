#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The unit's exposure, as systemd counts it, does not grow unnoticed; and systemd finds no fault with the unit.
# Arguments: the unit, the ceiling in tenths
set -eu

if ! command -v systemd-analyze >/dev/null; then
        echo "systemd-analyze is not installed" >&2
        exit 77
fi
systemd-analyze security --no-pager --offline=true --threshold="$2" "$1"
