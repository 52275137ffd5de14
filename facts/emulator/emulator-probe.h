/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "facts-emulator.h"
#include "util/root.h"

/* Runs an emulator against a device that does not exist, and looks at which mmap() calls it makes: for
 * --deep only, since it executes the binary. It runs without privilege (as nobody where we are root, no new
 * privileges, limits, a session of its own, no standard streams, a few seconds) and needs none: no KVM, no
 * VFIO, no network. */

#define PROBE_AREAS_MAX 8
#define PROBE_BARS_MAX 32

struct probe_area {
        uint64_t offset, size; /* bytes, multiples of the page size; in ascending order */
};

/* A BAR to be shown to the emulator. */
struct probe_bar {
        uint64_t size; /* bytes, 4 KiB to 512 GiB, a multiple of 4 KiB; need not be a power of two */
        struct probe_area areas[PROBE_AREAS_MAX]; /* what of it can be mapped */
        size_t n_areas;                           /* 0: all of it */
};

/* What it did with one area. */
struct probe_seen {
        bool seen;  /* false: the emulator did not come that far */
        bool fixed; /* the emulator chose the address */
        uint64_t address;
        uint64_t alignment; /* the largest power of two that divides (address - offset); 0 where not fixed.
                             * One observation: more than it aims at can come by chance */
};

struct probe_result {
        struct probe_seen areas[PROBE_AREAS_MAX]; /* [0] where the BAR has no areas */
};

/* Observes the generation, and sets e->generation and e->source (and e->contradicted where the code promised
 * another). A crash, a hang, or a refusal leaves a known generation as it was, and sets the reason of an
 * unknown one. `library`: the absolute path of libvfioalign-fake.so. bars: up to PROBE_BARS_MAX more BARs to
 * try, may be none; ret_results: as many, or NULL. Returns 1 where the generation was observed, 0 where not
 * (*ret_why: static text), -EOPNOTSUPP for a binary that cannot be started here (container, replaced,
 * recorded host without an answer), -EINVAL for bars out of bounds, -ENOMEM or another negative errno where
 * the probe itself could not be set up. On a recorded host: the noted answer, question "emulator-probe PATH"
 * -> "GENERATION". */
int emulator_probe(struct emulator *e, const struct root *root, const char *library,
                   const struct probe_bar *bars, size_t n_bars, struct probe_result *ret_results,
                   const char **ret_why);
