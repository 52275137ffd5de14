# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for vfioalignctl(1), which itself says what a word can become

# Bash breaks the line at ":" and "=" as well, which are part of addresses and options: this joins what has no blank in
# between, up to the cursor. A quote or backslash is not part of the word.
_vfioalignctl_words() {
        local line=${COMP_LINE:0:COMP_POINT} word glued= i
        words=()
        for ((i = 0; i <= COMP_CWORD; i++)); do
                word=${COMP_WORDS[i]}
                [[ $line == [[:blank:]]* ]] && glued=
                line=${line#"${line%%[![:blank:]]*}"}
                # The cursor can be inside of the last one.
                [[ $i -eq $COMP_CWORD ]] && word=$line
                line=${line#"$word"}
                if [[ $glued && (${words[-1]} == *[:=] || $word == [:=]*) ]]; then
                        words[-1]+=$word
                else
                        words+=("$word")
                fi
                glued=1
        done
        for i in "${!words[@]}"; do
                word=${words[i]#[\"\']}
                words[i]=${word//\\/}
        done
}

_vfioalignctl() {
        local words=() line word cur keep=
        COMPREPLY=()
        _vfioalignctl_words
        cur=${words[-1]}
        # Bash replaces only what is behind the last of these.
        if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
                keep=${cur%"${cur##*:}"}
        elif [[ $cur == *=* && $COMP_WORDBREAKS == *=* ]]; then
                keep=${cur%"${cur##*=}"}
        fi
        while IFS= read -r line; do
                if [[ $line == files ]]; then
                        compopt -o filenames 2>/dev/null
                        while IFS= read -r word; do
                                COMPREPLY+=("$word")
                        done < <(compgen -f -- "${cur#--*=}")
                        continue
                fi
                word=${line%%$'\t'*}
                word=${word#"$keep"}
                # A name can be like $(reboot), also with a quote in it.
                case ${COMP_WORDS[COMP_CWORD]} in
                \'*) word=${word//\'/\'\\\'\'} ;;
                \"*) word=$(sed 's/[\\$`"!]/\\&/g' <<<"$word") ;;
                *) [[ $word != *[^[:alnum:],.:=/_-]* ]] || printf -v word %q "$word" ;;
                esac
                COMPREPLY+=("$word")
        done < <("${words[0]/#\~/$HOME}" complete "${words[@]:1}" 2>/dev/null)
} && complete -F _vfioalignctl vfioalignctl
