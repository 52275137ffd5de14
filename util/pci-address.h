/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* A PCI address as text, "0000:00:05.0"; domains can have up to 8 digits (VMD, Hyper-V). */
typedef char bdf_t[sizeof("00010000:00:00.0")];

/* Brings an address ("00:05.0", "0:0:5.0", "0000:00:05.0") into the kernel's spelling. Returns 0, or -EINVAL
 * if s is not an address; ret is then untouched. */
int bdf_parse(const char *s, bdf_t ret);

/* Compares two addresses in the kernel's spelling; the result is as strcmp()'s. */
int bdf_compare(const char *a, const char *b);

/* Whether s can be the name of a driver: one part of a path, of up to 63 printable ASCII characters. */
bool driver_name_is_valid(const char *s);
