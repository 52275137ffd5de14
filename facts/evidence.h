/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/emulator/facts-emulator.h"
#include "facts/kernel/facts-kernel.h"
#include "facts/kernel/facts-module.h"

/* What guests of this host really got, as vfioalignd has seen it: knowledge, where a verdict only foretells.
 * No guest is named. */
#define EVIDENCE_FILE "var/lib/vfioalign/evidence.json"

/* The oldest go. */
#define EVIDENCE_MAX 64

/* All that decides the page size of a whole BAR, but for its size. */
struct evidence_key {
        char emulator[96]; /* its build id, or "DEVICE:INODE:SIZE:SECONDS" of its file */
        char release[65];  /* of the kernel */
        bool module;       /* vfio_align was at work */
        bool preload;      /* libvfioalign-preload.so was meant to be under the emulator */
        enum thp_mode thp;
};

/* False where the emulator, or the kernel, is not known well enough to be known again. */
bool evidence_key_make(struct evidence_key *key, const struct kernel_facts *k, const struct module_facts *m,
                       const struct emulator *e, bool preload);
bool evidence_key_equal(const struct evidence_key *a, const struct evidence_key *b);

struct sighting {
        struct evidence_key key;
        uint64_t bar_size;  /* bytes; the mapping is of all of it */
        uint64_t page_size; /* bytes */
        uint64_t count;     /* mappings that got it */
        uint64_t time_usec; /* CLOCK_REALTIME, of the latest */
};

struct evidence {
        struct sighting *sightings;
        size_t n_sightings;
};

/* Returns 0; -ENOENT where there is none yet, -EBADMSG where the file is damaged, the negative errno of open
 * or read, or -ENOMEM: e is then empty. */
int evidence_read(struct evidence *e, const struct root *root);
void evidence_done(struct evidence *e);

/* As the file has it; the caller's to free. NULL: no memory */
char *evidence_format(const struct evidence *e);

/* One mapping more. seen->count is not read. again: it may have been counted before, and is only where
 * nothing like it is known. Returns 1 where that changed something, 0, or -ENOMEM. */
int evidence_add(struct evidence *e, const struct sighting *seen, bool again);
