/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit-name.h"

#include <assert.h>
#include <ctype.h>

#include "macro.h"

/* systemd, src/basic/unit-name.c: unit_name_escape() */
static bool is_plain(char c, bool first)
{
        unsigned char u = (unsigned char) c;

        return (u < 0x80 && isalnum(u)) || c == ':' || c == '_' || (c == '.' && !first);
}

char *unit_name_escape(const char *name)
{
        char *escaped, *to;

        assert(name && *name);

        escaped = to = malloc(4 * strlen(name) + 1);
        if (!escaped)
                return NULL;
        for (const char *s = name; *s; s++)
                if (*s == '/')
                        *to++ = '-';
                else if (is_plain(*s, s == name))
                        *to++ = *s;
                else
                        to += sprintf(to, "\\x%02x", (unsigned char) *s);
        *to = '\0';
        return escaped;
}
