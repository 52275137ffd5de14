/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The targets under libFuzzer: FUZZ_TARGET=name fuzz [options of libFuzzer] [corpus...] */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

static const struct fuzz_target *target;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
        const char *name = getenv("FUZZ_TARGET");

        (void) argc, (void) argv;
        target = name ? fuzz_target_find(name) : NULL;
        if (!target) {
                fprintf(stderr, "FUZZ_TARGET= has to name a target:\n");
                for (size_t i = 0; i < n_fuzz_targets; i++)
                        fprintf(stderr, "  %s\n", fuzz_targets[i].name);
                exit(2);
        }
        fuzz_root_make();
        atexit(fuzz_root_remove);
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        fuzz_target_run(target, data, size);
        return 0;
}
