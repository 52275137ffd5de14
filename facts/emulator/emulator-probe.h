/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "facts-emulator.h"
#include "util/root.h"

/* Runs an emulator with a device that does not exist, and watches its mmap() calls. Because this executes
 * the binary, it is for --deep only. The emulator runs without privilege (run-confined.h) for a few seconds,
 * and needs none: no KVM, no VFIO, no network. */

#define PROBE_AREAS_MAX 8
#define PROBE_BARS_MAX 32

struct probe_area {
        uint64_t offset, size; /* bytes, multiples of the page size; in ascending order */
};

/* A BAR to be shown to the emulator. */
struct probe_bar {
        uint64_t size; /* bytes, 4 KiB to 512 GiB, a multiple of 4 KiB; need not be a power of two */
        struct probe_area areas[PROBE_AREAS_MAX]; /* the parts that can be mapped */
        size_t n_areas;                           /* 0: all of it */
};

/* How the emulator mapped one area. */
struct probe_seen {
        bool seen;  /* false: it did not get that far */
        bool fixed; /* the emulator chose the address */
        uint64_t address;
        uint64_t alignment; /* the largest power of two that divides (address - offset); 0 where not fixed.
                             * A single observation can by chance be more than it aims at. */
};

struct probe_result {
        struct probe_seen areas[PROBE_AREAS_MAX]; /* [0] where the BAR has no areas */
};

/* Observes the generation, and sets e->generation and e->source (and e->contradicted where the code promised
 * another one). A crash, a hang, or a refusal leaves a known generation as it was, and sets the reason of an
 * unknown one.
 *
 * library: the absolute path of libvfioalign-fake.so. bars: n_bars more BARs to try, at most PROBE_BARS_MAX;
 * NULL where there are none. ret_results: as many, or NULL.
 *
 * Returns 1 where the generation was observed, 0 where not (*ret_why: static text), -EOPNOTSUPP for a binary
 * that cannot be started here (in a container, replaced, of a recorded host without an answer), -EPERM where
 * we are root and others can change the binary, -EINVAL for bars out of bounds, or another negative errno
 * where the probe could not be set up. On a recorded host the noted answer counts: question "emulator-probe
 * PATH", answer "GENERATION". */
int emulator_probe(struct emulator *e, const struct root *root, const char *library,
                   const struct probe_bar *bars, size_t n_bars, struct probe_result *ret_results,
                   const char **ret_why);
