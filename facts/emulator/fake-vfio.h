/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/* The protocol between the probe and the library that it preloads.
 *
 * The probe describes the device in the environment: the descriptor of the pipe, then the size of each BAR,
 * hexadecimal, with the offset and size of the areas that can be mapped (none: all of it), as in
 * "3 80000000 4000000:10000+1000000,2010000+1000000". BAR i is a 64-bit one in slot 2 * i.
 *
 * The library writes one struct fake_report to the pipe for each mmap() of the device, and ends the emulator
 * after the last one. */
#define FAKE_VARIABLE "VFIOALIGN_FAKE"
#define FAKE_BARS_MAX 3
#define FAKE_AREAS_MAX 8

#define FAKE_GROUP "77777" /* the target of the symlink "iommu_group" in the device's directory */
#define FAKE_DEVICE "0000:77:00.0"

struct fake_report {
        uint64_t hint;         /* what mmap() was given as address */
        uint64_t offset, size; /* bytes, in the BAR */
        uint32_t bar;          /* i */
        uint32_t fixed;        /* 1: with MAP_FIXED or MAP_FIXED_NOREPLACE */
};
