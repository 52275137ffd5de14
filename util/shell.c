/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shell.h"

#include <assert.h>

#include "macro.h"

#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:,+@%="
#define QUOTED_QUOTE "'\\''"

char *shell_argument(const char *name)
{
        _cleanup_free_ char *argument = NULL;
        char *to;

        assert(name);

        argument = malloc(strlen("-- ''") + strlen(QUOTED_QUOTE) * strlen(name) + 1);
        if (!argument)
                return NULL;
        to = stpcpy(argument, *name == '-' ? "-- " : "");
        if (*name && name[strspn(name, PLAIN)] == '\0') {
                (void) stpcpy(to, name);
                return TAKE_PTR(argument);
        }

        *to++ = '\'';
        for (; *name; name++)
                if (*name == '\'')
                        to = stpcpy(to, QUOTED_QUOTE);
                else
                        *to++ = *name;
        (void) stpcpy(to, "'");
        return TAKE_PTR(argument);
}
