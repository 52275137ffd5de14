/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "macro.h"

const char *format_size(uint64_t bytes, format_t buffer)
{
        static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
        size_t unit = 0;
        double value = (double) bytes;

        assert(buffer);

        while (value >= 1024 && unit + 1 < ELEMENTSOF(units)) {
                value /= 1024;
                unit++;
        }
        snprintf(buffer, sizeof(format_t), "%.4g %s", value, units[unit]);
        return buffer;
}

const char *format_count(uint64_t n, format_t buffer)
{
        char digits[24], *out = buffer;
        int length = snprintf(digits, sizeof(digits), "%" PRIu64, n);

        assert(buffer);

        for (int i = 0; i < length; i++) {
                if (i > 0 && (length - i) % 3 == 0)
                        *out++ = ',';
                *out++ = digits[i];
        }
        *out = '\0';
        return buffer;
}

const char *format_seconds(double seconds, format_t buffer)
{
        assert(buffer);

        if (seconds < 0.0005)
                snprintf(buffer, sizeof(format_t), "%.0f us", seconds * 1e6);
        else if (seconds < 0.0995)
                snprintf(buffer, sizeof(format_t), "%.3f s", seconds);
        else if (seconds < 9.95)
                snprintf(buffer, sizeof(format_t), "%.2f s", seconds);
        else if (seconds < 99.95)
                snprintf(buffer, sizeof(format_t), "%.1f s", seconds);
        else
                snprintf(buffer, sizeof(format_t), "%.0f s", seconds);
        return buffer;
}

const char *format_time(uint64_t usec, format_t buffer)
{
        time_t t = (time_t) (usec / USEC_PER_SEC);
        struct tm tm;

        assert(buffer);

        strftime(buffer, sizeof(format_t), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
        return buffer;
}
