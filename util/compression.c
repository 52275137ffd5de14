/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compression.h"

#include <archive.h>
#include <assert.h>

#include "macro.h"

int compression_find(const char *begin, size_t n)
{
        static const struct {
                const char *magic;
                size_t n;
                int filter;
        } filters[] = {
                { "\x1f\x8b", 2, ARCHIVE_FILTER_GZIP },
                { "BZh", 3, ARCHIVE_FILTER_BZIP2 },
                { "\xfd\x37zXZ", 5, ARCHIVE_FILTER_XZ },
                { "\x28\xb5\x2f\xfd", 4, ARCHIVE_FILTER_ZSTD },
                { "\x04\x22\x4d\x18", 4, ARCHIVE_FILTER_LZ4 },
        };

        assert(begin || n == 0);

        for (size_t i = 0; i < ELEMENTSOF(filters); i++)
                if (n >= filters[i].n && memcmp(begin, filters[i].magic, filters[i].n) == 0)
                        return filters[i].filter;
        return ARCHIVE_FILTER_NONE;
}
