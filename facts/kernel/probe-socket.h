/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "util/fact.h"

/* Maps a TCP socket several times, in several sizes, and looks where the kernel puts it. Neither a socket's
 * file operations nor VFIO's have get_unmapped_area(), and tcp_mmap() takes any length, so the kernel treats
 * both alike (measured equal on 6.1, 6.12, 7.2, 7.3). This needs no privilege and no device, and faults
 * nothing in.
 *
 * A single aligned mapping proves nothing, so *pmd and *pud are yes only if every mapping was aligned; the
 * first one that is not makes them no. Unknown if the socket cannot be mapped. Sizes are in bytes. */
void probe_socket(uint64_t pmd_size, uint64_t pud_size, struct fact *pmd, struct fact *pud);
