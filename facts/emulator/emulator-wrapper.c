/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "emulator-wrapper.h"

#include <errno.h>

#include "util/macro.h"

/* Characters of paths and options that have no other meaning to a shell. */
#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+-=,:@%"

/* The next word of the line, without the quotes around it. NULL at the end, or where it is not plain. */
static char *next_word(char **line)
{
        char *word = *line + strspn(*line, " \t"), quote = *word;
        size_t n;

        if (quote == '"' || quote == '\'')
                word++;
        n = strspn(word, quote == '"' ? PLAIN "$" : PLAIN);
        if (quote == '"' || quote == '\'') {
                if (word[n] != quote)
                        return NULL;
                word[n++] = '\0';
                *line = word + n;
                return strchr(" \t", **line) ? word : NULL; /* also at the end */
        }
        *line = word + n;
        if (n == 0 || !strchr(" \t", **line))
                return NULL;
        if (**line)
                *(*line)++ = '\0';
        return word;
}

/* NixOS has each shell in a directory of its own: /nix/store/HASH-bash-5.2/bin/bash. Returns what follows
 * its path, or NULL. */
static const char *skip_nix_shell(const char *text, const char *end)
{
        static const char store[] = "/nix/store/", bin[] = "/bin/";
        static const char *const names[] = { "bash", "dash", "sh" };
        size_t n = sizeof(store) - 1;
        const char *slash;

        if ((size_t) (end - text) < n || memcmp(text, store, n) != 0)
                return NULL;
        text += n;
        slash = memchr(text, '/', (size_t) (end - text));
        n = sizeof(bin) - 1;
        if (!slash || slash == text || (size_t) (end - slash) < n || memcmp(slash, bin, n) != 0)
                return NULL;
        text = slash + n;
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                n = strlen(names[i]);
                if ((size_t) (end - text) >= n && memcmp(text, names[i], n) == 0)
                        return text + n;
        }
        return NULL;
}

/* Returns what follows the path of a shell that does nothing by itself, or NULL. */
static const char *skip_shell(const char *text, const char *end)
{
        static const char *const shells[] = { "/bin/sh",         "/bin/bash",        "/bin/dash",
                                              "/usr/bin/sh",     "/usr/bin/bash",    "/usr/bin/dash",
                                              "/usr/bin/env sh", "/usr/bin/env bash" };

        for (size_t i = 0; i < ELEMENTSOF(shells); i++) {
                size_t n = strlen(shells[i]);

                if ((size_t) (end - text) >= n && memcmp(text, shells[i], n) == 0)
                        return text + n;
        }
        return skip_nix_shell(text, end);
}

/* Is the first line of the script a shell without options, or with -e? Anything else could do anything. */
static bool is_shell(const char *text, size_t size)
{
        const char *end = memchr(text, '\n', size), *rest;

        if (!end)
                return false;
        text += 2;
        while (text < end && *text == ' ')
                text++;
        rest = skip_shell(text, end);
        return rest && (rest == end || (end - rest == 3 && memcmp(rest, " -e", 3) == 0));
}

/* A path, or a name that is looked up in $PATH. */
static bool is_program(const char *word)
{
        if (strchr(word, '$'))
                return false;
        return *word == '/' || (!strchr(word, '/') && *word != '-' && *word);
}

/* The program of one line that is plain, or NULL. */
static const char *parse_exec(char *line)
{
        const char *program, *word = next_word(&line);

        if (!word || !streq(word, "exec"))
                return NULL;
        program = next_word(&line);
        if (program && streq(program, "-a")) { /* what the program is called matters to nobody */
                word = next_word(&line);
                if (!word || (strchr(word, '$') && !streq(word, "$0")))
                        return NULL;
                program = next_word(&line);
        }
        if (!program || !is_program(program))
                return NULL;
        for (bool first = true; (word = next_word(&line)); first = false) {
                if (streq(word, "$@"))
                        return line[strspn(line, " \t\r")] ? NULL : program;
                /* An emulator takes options. What takes a program as its first word starts that one. */
                if (strchr(word, '$') || (first && *word != '-'))
                        return NULL;
        }
        return NULL;
}

int emulator_wrapper_parse(const char *text, size_t size, char **ret_program)
{
        _cleanup_free_ char *copy = NULL;
        const char *program = NULL;
        char *save = NULL, *found;

        if (size < 2 || memcmp(text, "#!", 2) != 0)
                return -ENOEXEC;
        if (size > WRAPPER_MAX || memchr(text, '\0', size) || !is_shell(text, size))
                return -EINVAL;
        copy = strndup(text, size);
        if (!copy)
                return -ENOMEM;
        for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                line += strspn(line, " \t");
                if (*line == '#' || *line == '\0')
                        continue;
                if (program)
                        return -EINVAL;
                program = parse_exec(line);
                if (!program)
                        return -EINVAL;
        }
        if (!program)
                return -EINVAL;
        found = strdup(program);
        if (!found)
                return -ENOMEM;
        *ret_program = found;
        return 0;
}
