/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/stat.h>

#include "fact.h"
#include "util/root.h"

/* How an emulator places the mapping of a BAR. */
enum emulator_generation {
        GENERATION_UNKNOWN,
        GENERATION_NONE,       /* mmap(NULL): the kernel decides. QEMU up to 9.1 */
        GENERATION_PER_AREA,   /* at the lowest set bit of each area's size, at most 1 GiB. QEMU 9.2 (00b519c0bca0) */
        GENERATION_PER_REGION, /* the whole region at the power of two above it. QEMU 11.0 (3863e47828d5) */
        _GENERATION_MAX,
        _GENERATION_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(emulator_generation, enum emulator_generation);

struct emulator {
        char *path; /* as the host names it, absolute */
        enum emulator_generation generation;
        enum fact_source source;
        const char *why; /* static: why the generation is unknown, or NULL */
        struct stat stat; /* of the file that was looked at: a path can get another binary */
};

struct emulator_facts {
        struct emulator *emulators;
        size_t n_emulators;
};

/* Looks at the code of one binary. A wrapper script, another architecture, or a binary that hides its symbols
 * is "unknown". Returns 0, -ENOENT where there is no such file, or -ENOMEM. */
int emulator_read(struct emulator *e, const struct root *root, const char *path);
void emulator_done(struct emulator *e);

/* The emulators at the distributions' usual places. Returns 0 or -ENOMEM. */
int emulator_facts_read(struct emulator_facts *f, const struct root *root);
void emulator_facts_done(struct emulator_facts *f);

/* The emulator with that path; read now where it is not there yet, or the file is another one by now. NULL where
 * there is no such file, or memory is out. Earlier pointers into the list become invalid. */
const struct emulator *emulator_facts_get(struct emulator_facts *f, const struct root *root, const char *path);
