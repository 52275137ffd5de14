/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/* What the probe and the library that it preloads say to each other.
 *
 * The device, in the environment: the descriptor of the pipe, then each BAR, hexadecimal, with the areas
 * that can be mapped (none: all of it): "3 80000000 4000000:10000+1000000,2010000+1000000". BAR i is a
 * 64-bit one in slot 2 * i.
 *
 * The answer, through the pipe: one record per mmap() of the device. The emulator ends when all were seen.
 */
#define FAKE_VARIABLE "VFIOALIGN_FAKE"
#define FAKE_BARS_MAX 3
#define FAKE_AREAS_MAX 8

#define FAKE_GROUP "77777" /* of the device's directory, a symlink "iommu_group" to it */
#define FAKE_DEVICE "0000:77:00.0"

struct fake_report {
        uint64_t hint;         /* what mmap() was given as address */
        uint64_t offset, size; /* bytes, in the BAR */
        uint32_t bar;          /* i */
        uint32_t fixed;        /* 1: with MAP_FIXED or MAP_FIXED_NOREPLACE */
};
