#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Nothing in a manual page is hyphenated, whatever the terminal's width: a path or a command would not be one any more.
# A page with a table names tbl(1), in the way of man(1).
# check-man.sh PAGE...
set -eu
command -v groff >/dev/null || exit 77
for page; do
	if grep -q '^\.TS' "$page" && [ "$(head -1 "$page")" != "'\\\" t" ]; then
		echo "$page: has a table, and its first line does not say so" >&2
		exit 1
	fi
	for width in 80 100; do
		if groff -man -Tutf8 -rLL=${width}n "$page" | grep -n '‐$'; then
			echo "$page, $width columns: hyphenated" >&2
			exit 1
		fi
	done
done
