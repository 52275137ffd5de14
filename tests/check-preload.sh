#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The preload library shows two symbols, needs the C library alone, runs nothing when it is loaded, and any program
# runs with it.
# Arguments: the library
set -eu

shows=$(nm -D --defined-only "$1" | awk '{print $3}' | sort | tr '\n' ' ')
[ "$shows" = "mmap mmap64 " ] || { echo "it shows: $shows" >&2; exit 1; }

needs=$(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
[ "$needs" = libc.so.6 ] || { echo "it needs: $needs" >&2; exit 1; }

# open, read and the like only: nothing that allocates, locks or is not async-signal-safe
calls=$(nm -D --undefined-only "$1" | awk '$1 == "U" {sub(/@.*/, "", $2); print $2}' | sort)
for call in $calls; do
        case $call in
        __errno_location | __stack_chk_fail | access | close | munmap | open | read | readlink | strchr | strlen | \
        strncmp | strstr | syscall | sysconf | __read_chk | __readlink_chk | __open_2) ;;
        *) echo "it calls: $call" >&2; exit 1 ;;
        esac
done

LD_PRELOAD="$1" sh -c 'ls / >/dev/null && echo fine | grep -q fine'
