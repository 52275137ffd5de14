#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The preload library shows two symbols, needs the C library of 2012 alone, runs nothing when it is loaded, and any
# program runs with it. ld.so stops every process that inherits the variable where this does not hold.
# Arguments: the library
set -eu

shows=$(nm -D --defined-only "$1" | awk '{print $2, $3}' | sort | tr '\n' ' ')
[ "$shows" = "T mmap T mmap64 " ] || { echo "it shows: $shows" >&2; exit 1; }

needs=$(readelf -dW "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
[ "$needs" = libc.so.6 ] || { echo "it needs: $needs" >&2; exit 1; }

# Also what is no symbol's version: GLIBC_ABI_DT_RELR is 2.36.
versions=$(readelf -VW "$1" | sed -n 's/.*Name: \([^ ]*\).*/\1/p' | sort -u)
[ -n "$versions" ] || { echo "its versions cannot be read" >&2; exit 1; }
for version in $versions; do
        newest=$(printf '%s\n' GLIBC_2.17 "$version" | sort -V | tail -1)
        case $version in
        GLIBC_[0-9]*) [ "$newest" = GLIBC_2.17 ] || { echo "it needs $version" >&2; exit 1; } ;;
        *) echo "it needs $version" >&2; exit 1 ;;
        esac
done

# No constructor, no resolver, no relocation of text, no path of its own
readelf -dW "$1" | grep -E '\((INIT|FINI|PREINIT|TEXTREL|RPATH|RUNPATH)' && { echo "in its dynamic section" >&2; exit 1; }
readelf -rW "$1" | grep IRELATIV && { echo "it has a resolver" >&2; exit 1; }

# Only what is async-signal-safe, allocates nothing, takes no lock, and is no point of cancellation
calls=$(nm -D --undefined-only "$1" | sed 's/.* //; s/@.*//' | sort)
for call in $calls; do
        case $call in
        __errno_location | __stack_chk_fail | access | madvise | munmap | readlink | strchr | strlen | strncmp | \
        strstr | syscall | sysconf | __readlink_chk) ;;
        *) echo "it calls: $call" >&2; exit 1 ;;
        esac
done

LD_PRELOAD="$1" sh -c 'ls / >/dev/null && echo fine | grep -q fine'
