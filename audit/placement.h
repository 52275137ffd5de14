/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "facts/emulator/facts-emulator.h"

/* The largest power of two, in bytes, of which (address - area_offset) is surely a multiple if an emulator
 * of that generation maps one area of a region: the kernel can use pages up to that size. A region without
 * sparse areas is one area of its own size at offset 0. The result is at least `page_size`, also for
 * GENERATION_NONE and _UNKNOWN, which leave the address to the kernel or may do so, and at most 1 GiB, where
 * QEMU stops. */
uint64_t emulator_placement(enum emulator_generation g, uint64_t region_size, uint64_t area_offset,
                            uint64_t area_size, uint64_t page_size);
