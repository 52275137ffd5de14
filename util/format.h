/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

typedef char format_t[64];

/* "2 GiB", "6 MiB", "4.5 KiB": the largest unit in which it is short. Returns its buffer. */
const char *format_size(uint64_t bytes, format_t buffer);

/* "524,288" */
const char *format_count(uint64_t n, format_t buffer);

/* "2026-11-22T14:02:09Z" */
const char *format_time(uint64_t usec, format_t buffer);
