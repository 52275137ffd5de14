/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

typedef char format_t[64];

/* Each of these returns its buffer. */

/* "2 GiB", "6 MiB", "4.5 KiB": in the largest unit that leaves 1 or more, with up to four digits. */
const char *format_size(uint64_t bytes, format_t buffer);

/* "524,288": with a comma at each thousand. */
const char *format_count(uint64_t n, format_t buffer);

/* "12 s", "1.50 s", "0.012 s", "7 us": as people say them, with three digits of what matters. */
const char *format_seconds(double seconds, format_t buffer);

/* "2026-11-22T14:02:09Z": usec is microseconds since 1970, as CLOCK_REALTIME counts them. */
const char *format_time(uint64_t usec, format_t buffer);
