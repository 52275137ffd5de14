# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion for vfioalignctl(1), which itself says what a word can become

function __vfioalignctl_complete
    set -l words (commandline -opc)
    # Without the quote that begins it.
    set -l begun (commandline -ct | string replace -r '^[\'"]' '')
    test (count $begun) -eq 0; and set begun ""
    for line in ($words[1] complete $words[2..-1] "$begun" 2>/dev/null)
        if test "$line" = files
            __fish_complete_path (string replace -r -- '^--[a-z-]+=' '' "$begun")
        else
            printf '%s\n' $line
        end
    end
end

complete -c vfioalignctl -f -a '(__vfioalignctl_complete)'
