/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "facts/emulator/facts-emulator.h"

/* The largest power of two, in bytes, to which (address - area_offset) is surely a multiple when an emulator
 * of that generation maps one area of a region: the kernel can use a page of that size or less, not a larger
 * one. A region without sparse areas is one area of its own size at 0. At least `page_size`, which is also
 * what there is for GENERATION_NONE and _UNKNOWN, where somebody else decides. At most 1 GiB, which is where
 * QEMU stops. */
uint64_t emulator_placement(enum emulator_generation g, uint64_t region_size, uint64_t area_offset,
                            uint64_t area_size, uint64_t page_size);
