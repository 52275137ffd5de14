/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Names of modules and drivers may be spelled with "-" or "_" interchangeably, as for modprobe(8). */
bool module_name_equal(const char *a, const char *b);

/* The same for the first n bytes of s. */
bool module_name_equal_n(const char *s, size_t n, const char *name);
