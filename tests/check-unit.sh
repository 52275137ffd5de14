#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The unit's exposure, as systemd counts it, does not grow unnoticed; and systemd finds no fault with the unit. Nothing but
# its [Install] section names it: what an administrator disables stays disabled.
# Arguments: the unit, the ceiling in tenths
set -eu

# udev starts what SYSTEMD_WANTS names, whether it is enabled or not.
if grep -r 'SYSTEMD_WANTS.*[.]service' "$(dirname "$1")"; then
        echo "a rule for udev would start a unit that is disabled" >&2
        exit 1
fi
if ! command -v systemd-analyze >/dev/null; then
        echo "systemd-analyze is not installed" >&2
        exit 77
fi
systemd-analyze security --no-pager --offline=true --threshold="$2" "$1"
