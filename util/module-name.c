/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "module-name.h"

#include <assert.h>
#include <string.h>

static bool is_separator(char c)
{
        return c == '-' || c == '_';
}

bool module_name_equal_n(const char *s, size_t n, const char *name)
{
        assert(s);
        assert(name);

        for (size_t i = 0; i < n; i++) {
                if (!name[i])
                        return false;
                if (s[i] != name[i] && !(is_separator(s[i]) && is_separator(name[i])))
                        return false;
        }
        return !name[n];
}

bool module_name_equal(const char *a, const char *b)
{
        assert(a);

        return module_name_equal_n(a, strlen(a), b);
}
