/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parse.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

int parse_u64(const char *s, int base, uint64_t *ret)
{
        unsigned long long v;
        char *end;

        assert(s);
        assert(ret);

        if (!isxdigit((unsigned char) s[0]))
                return -EINVAL;
        errno = 0;
        v = strtoull(s, &end, base);
        if (errno)
                return -errno;
        if (end == s || *end)
                return -EINVAL;
        *ret = v;
        return 0;
}
