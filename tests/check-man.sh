#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Nothing in a manual page is hyphenated, whatever the terminal's width: a path or a command would not be one any more.
# check-man.sh PAGE...
set -eu
command -v groff >/dev/null || exit 77
for page; do
	for width in 80 100; do
		if groff -man -Tutf8 -rLL=${width}n "$page" | grep -n '‐$'; then
			echo "$page, $width columns: hyphenated" >&2
			exit 1
		fi
	done
done
