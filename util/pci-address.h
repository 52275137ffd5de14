/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* A PCI address as text, "0000:00:05.0"; domains can have up to 8 digits (VMD, Hyper-V). */
typedef char bdf_t[sizeof("00010000:00:00.0")];

/* Brings an address into the kernel's spelling: "0:5.0", "00:05.0", "0000:00:05.0". -EINVAL if it is none.
 */
int bdf_parse(const char *s, bdf_t ret);

/* Their order, of two in the kernel's spelling, as strcmp() gives it. */
int bdf_compare(const char *a, const char *b);

/* It can be the name of a driver: one part of a path, of up to 63 ASCII letters, digits and signs. */
bool driver_name_is_valid(const char *s);
