#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# hooks/qemu turns one exit of vfioalignctl into a refusal, in one phase; all else is success.
# Arguments: the hook
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
sed "s|/usr/bin/vfioalignctl|$dir/vfioalignctl|g; s|/run/|$dir/run/|; s|/var/lib/|$dir/var/lib/|" "$1" >"$dir/hook"
chmod +x "$dir/hook"
failed=0

expect() { # CODE WHAT
        if [ "$code" -ne "$1" ]; then
                echo "$2: exit $code in place of $1" >&2
                failed=1
        fi
}

run() { # OPERATION
        code=0
        out=$("$dir/hook" "guest name" "$1" begin - </dev/null 2>"$dir/stderr") || code=$?
        [ -z "$out" ] || { echo "$1: the hook printed '$out'" >&2; failed=1; }
}

for operation in prepare start started stopped release reconnect migrate restore attach; do
        rm -f "$dir/vfioalignctl"
        run $operation
        expect 0 "$operation without vfioalignctl"

        for status in 0 1 2 3 4 77 127 signal; do
                {
                        echo '#!/bin/sh'
                        echo "[ \"\$*\" = 'hook guest name $operation begin -' ] && [ \"\$2\" = 'guest name' ] || exit 4"
                        echo 'echo noise; echo reason >&2'
                        [ $status = signal ] && echo 'kill -9 $$' || echo "exit $status"
                } >"$dir/vfioalignctl"
                chmod +x "$dir/vfioalignctl"
                run $operation
                if [ $operation = prepare ] && [ $status = 4 ]; then
                        expect 1 "$operation, vfioalignctl ends with $status"
                else
                        expect 0 "$operation, vfioalignctl ends with $status"
                fi
                grep -qx reason "$dir/stderr" || { echo "$operation: the reason is lost" >&2; failed=1; }
        done

        # not executable: as if it were not there
        chmod -x "$dir/vfioalignctl"
        run $operation
        expect 0 "$operation with a vfioalignctl that cannot be run"
done

# Switched off, nothing is run, and nothing refused.
printf '#!/bin/sh\ntouch %s/ran\nexit 4\n' "$dir" >"$dir/vfioalignctl"
chmod +x "$dir/vfioalignctl"
for file in run/vfioalign/off var/lib/vfioalign/off; do
        mkdir -p "$dir/${file%/*}"
        touch "$dir/$file"
        run prepare
        expect 0 "prepare while /$file is there"
        [ ! -e "$dir/ran" ] || { echo "vfioalignctl was run while /$file is there" >&2; failed=1; }
        rm -f "$dir/$file" "$dir/ran"
done
run prepare
expect 1 "prepare, switched on again"
exit $failed
