/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "placement.h"

#include "util/macro.h"

#define EMULATOR_ALIGN_MAX GIB(1) /* of all that align */

static uint64_t min_u64(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

/* The largest power of two that divides n; every one divides 0. */
static uint64_t lowest_bit(uint64_t n)
{
        return n ? n & -n : UINT64_MAX;
}

/* The smallest power of two that is not below n; 2^63 if there is none. */
static uint64_t power_above(uint64_t n)
{
        if (n <= 1)
                return 1;
        if (n > UINT64_C(1) << 63)
                return UINT64_C(1) << 63;
        return UINT64_C(1) << (64 - __builtin_clzll(n - 1));
}

uint64_t emulator_placement(enum emulator_generation g, uint64_t region_size, uint64_t area_offset,
                            uint64_t area_size, uint64_t page_size)
{
        uint64_t align = page_size;

        switch (g) {
        case GENERATION_PER_AREA:
                /* The address is a multiple of the alignment, whatever the offset. So it is congruent with
                 * the offset only as far as the offset is a multiple, too. */
                align = min_u64(min_u64(lowest_bit(area_size), EMULATOR_ALIGN_MAX), lowest_bit(area_offset));
                break;
        case GENERATION_ROUNDED_AREA:
                align = min_u64(min_u64(power_above(area_size), EMULATOR_ALIGN_MAX),
                                lowest_bit(area_offset));
                break;
        case GENERATION_PER_REGION:
                align = min_u64(power_above(region_size), EMULATOR_ALIGN_MAX);
                break;
        default:
                break;
        }
        return align > page_size ? align : page_size;
}
