/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Works out what a function of the kernel returns, from its x86-64 code: an interpreter of the few
 * instructions that compilers make of plain decisions. Nothing is executed and nothing is written; what the
 * function reads is made up by the caller. An instruction that is not known here ends it, so compilers may
 * differ as they like: the answer is right, or there is none. */

struct code_world {
        /* Returns the code from `address` on: *ret_code stays valid during the run. */
        int (*fetch)(void *userdata, uint64_t address, const uint8_t **ret_code, size_t *ret_size);
        /* Whether a jump to that address is how the kernel returns ("__x86_return_thunk"). */
        int (*returns)(void *userdata, uint64_t address);
        /* Reads 1, 2, 4 or 8 bytes of the made-up memory, in the low bytes of *ret. */
        int (*read)(void *userdata, uint64_t address, size_t size, uint64_t *ret);
        void *userdata;
};

/* Calls the function at `entry` with four arguments; *ret is what it returns. Returns 0, -EOPNOTSUPP for an
 * instruction that is not known, -ELOOP if the function does not come to an end, -EFAULT if it writes to
 * what is not its own stack, or what a callback returned. */
int code_run(const struct code_world *world, uint64_t entry, const uint64_t arguments[static 4],
             uint64_t *ret);
