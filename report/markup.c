/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "markup.h"

#include <assert.h>

#include "util/escape.h"
#include "util/macro.h"
#include "util/memory.h"

#define ENTITY_SIZE (sizeof("&quot;") - 1) /* of the longest */

const char *markup_entity(char c)
{
        switch (c) {
        case '&':
                return "&amp;";
        case '<':
                return "&lt;";
        case '>':
                return "&gt;";
        case '"':
                return "&quot;";
        case '\'':
                return "&#39;";
        default:
                return NULL;
        }
}

char *markup_escape(const char *text)
{
        _cleanup_free_ char *safe = NULL;
        char *escaped, *p;

        assert(text);

        safe = memory_note(escape(text));
        escaped = safe ? memory_note(malloc(strlen(safe) * ENTITY_SIZE + 1)) : NULL;
        if (!escaped)
                return NULL;
        p = escaped;
        for (const char *s = safe; *s; s++) {
                const char *entity = markup_entity(*s);

                if (entity)
                        p = stpcpy(p, entity);
                else
                        *p++ = *s;
        }
        *p = '\0';
        return escaped;
}
