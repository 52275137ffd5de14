/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "util/fact.h"

/* Maps a TCP socket several times, in several sizes, and looks where the kernel puts it. A socket's file
 * operations have no get_unmapped_area(), as VFIO's have none, and tcp_mmap() takes any length, so the
 * kernel treats both alike (measured equal on 6.1, 6.12, 7.2, 7.3). Needs no privilege and no device, and
 * faults nothing in.
 *
 * Sets *pmd and *pud to yes only where every mapping was aligned, to no at the first that was not: a single
 * aligned mapping proves nothing. */
void probe_socket(uint64_t pmd_size, uint64_t pud_size, struct fact *pmd, struct fact *pud);
