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

/* Is the first line of the script a shell without options, or with -e? Anything else could do anything. */
static bool is_shell(const char *text, size_t size)
{
        static const char *const shells[] = { "/bin/sh",         "/bin/bash",        "/bin/dash",
                                              "/usr/bin/sh",     "/usr/bin/bash",    "/usr/bin/dash",
                                              "/usr/bin/env sh", "/usr/bin/env bash" };
        const char *end = memchr(text, '\n', size);

        text += 2;
        while (end && text < end && *text == ' ')
                text++;
        for (size_t i = 0; end && i < ELEMENTSOF(shells); i++) {
                size_t n = strlen(shells[i]);
                const char *rest;

                if ((size_t) (end - text) < n || memcmp(text, shells[i], n) != 0)
                        continue;
                rest = text + n;
                if (rest == end || (end - rest == 3 && memcmp(rest, " -e", 3) == 0))
                        return true;
        }
        return false;
}

/* The program of one line that is plain, or NULL. */
static const char *parse_exec(char *line)
{
        const char *program, *word = next_word(&line);

        if (!word || !streq(word, "exec"))
                return NULL;
        program = next_word(&line);
        if (!program || *program != '/' || strchr(program, '$'))
                return NULL;
        while ((word = next_word(&line))) {
                if (streq(word, "$@"))
                        return line[strspn(line, " \t\r")] ? NULL : program;
                if (strchr(word, '$'))
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
