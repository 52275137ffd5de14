/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* malloc() and its kin, for the whole program with all its libraries: what is armed fails. Not for two
 * threads at a time. */

enum alloc_fault {
        ALLOC_COUNT, /* none fails; they are counted */
        ALLOC_ONE,   /* that one fails */
        ALLOC_ALL,   /* that one and all that follow */
};

/* Counts from 1 again; the at-th one fails. */
void alloc_arm(enum alloc_fault fault, unsigned long at);

/* Returns how many there were. Nothing fails any more. */
unsigned long alloc_disarm(void);

/* Until it is resumed, nothing fails and nothing is counted. */
void alloc_pause(bool pause);

/* Whether one has failed since it was armed; where the first one was called from, for a person to read. */
bool alloc_has_failed(void);
void alloc_print_where(void);

/* Whether that was a library other than the C library, which may not bear it. */
bool alloc_failed_in_library(void);

/* Blocks in use; what a library keeps for later is among them. */
long alloc_in_use(void);
