/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* For what has to work whatever is tested. */
#define must(expression) \
        do { \
                if (!(expression)) { \
                        fprintf(stderr, "%s:%d: %s does not hold: %m\n", __FILE__, __LINE__, #expression); \
                        exit(2); \
                } \
        } while (0)

/* A disk below one directory, on which system calls fail or the power goes. The code under test is linked
 * with
 * --wrap for openat64, write, fsync, renameat, unlinkat and mkdirat: what changes something there is noted,
 * as one step. Any failure of the model itself ends the program. */

enum disk_fault {
        DISK_NONE,
        DISK_ERRNO, /* the step fails, and does nothing */
        DISK_SHORT, /* a write takes only half */
};

/* What is left. A power cut loses the content of a file that was not synced; names in a directory survive in
 * the order in which they changed, or only as far as the directory was synced. */
enum disk_loss {
        DISK_KILLED,     /* nothing is lost: the process ended */
        DISK_NAMES_STAY, /* all names, and of the content what was synced */
        DISK_NAMES_GO,   /* names as well only where their directory was synced */
        _DISK_LOSS_MAX,
};

struct disk_file {
        const char *path, *text; /* text NULL: a directory */
};

/* Makes the directory hold these, each after its parent; ends with a path NULL. Forgets all steps. */
void disk_reset(const char *dir, const struct disk_file files[]);

/* Begins to note steps; step `at`, from 1, fails (0: none). */
void disk_arm(enum disk_fault fault, unsigned at, int error);
/* Returns how many steps there were, and notes no more. */
unsigned disk_disarm(void);
/* Whether the fault has struck, and the name of a step's system call. */
int disk_has_failed(void);
const char *disk_step_name(unsigned at);

/* Makes the directory hold what is left when it ends behind the first n steps. */
void disk_end_at(unsigned n, enum disk_loss loss);
