/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pci-address.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The kernel's names are far shorter; facts/bind-record.h has room for as much. */
#define DRIVER_NAME_MAX 63

int bdf_parse(const char *s, bdf_t ret)
{
        unsigned domain = 0, bus, slot, function;
        int end = -1;

        assert(s);
        assert(ret);

        /* sscanf() would also take signs, white space and 0x. */
        if (s[strspn(s, "0123456789abcdefABCDEF:.")])
                return -EINVAL;
        if (sscanf(s, "%8x:%2x:%2x.%1u%n", &domain, &bus, &slot, &function, &end) != 4 || end < 0 ||
            s[end]) {
                domain = 0;
                end = -1;
                if (sscanf(s, "%2x:%2x.%1u%n", &bus, &slot, &function, &end) != 3 || end < 0 || s[end])
                        return -EINVAL;
        }
        if (slot > 0x1f || function > 7)
                return -EINVAL;
        snprintf(ret, sizeof(bdf_t), "%04x:%02x:%02x.%u", domain, bus & 0xff, slot, function & 7);
        return 0;
}

int bdf_compare(const char *a, const char *b)
{
        size_t x, y;

        assert(a);
        assert(b);

        /* A domain over 16 bits has more digits, and comes after the others. */
        x = strlen(a);
        y = strlen(b);
        if (x != y)
                return x < y ? -1 : 1;
        return strcmp(a, b);
}

bool driver_name_is_valid(const char *s)
{
        size_t n;

        assert(s);

        n = strlen(s);
        for (size_t i = 0; i < n; i++)
                if (s[i] <= ' ' || s[i] > '~' || s[i] == '/')
                        return false;
        return n > 0 && n <= DRIVER_NAME_MAX && strcmp(s, ".") != 0 && strcmp(s, "..") != 0;
}
