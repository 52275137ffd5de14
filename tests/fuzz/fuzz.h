/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "util/root.h"

/* An input that comes from somebody else, and what reads it. */
struct fuzz_target {
        const char *name;
        const char *file; /* below the root, where the input is written before; NULL: it stays in memory */
        void (*run)(const struct root *root, const uint8_t *data, size_t size);
};

extern const struct fuzz_target fuzz_targets[];
extern const size_t n_fuzz_targets;

/* Makes the root of made-up files that the targets read, in memory where that is possible. Ends the process
 * where it cannot. */
void fuzz_root_make(void);
void fuzz_root_remove(void);

void fuzz_target_run(const struct fuzz_target *target, const uint8_t *data, size_t size);
const struct fuzz_target *fuzz_target_find(const char *name);
