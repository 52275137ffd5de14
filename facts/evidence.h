/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/emulator/facts-emulator.h"
#include "facts/kernel/facts-kernel.h"
#include "facts/kernel/facts-module.h"

/* The page sizes that guests of this host really got, as vfioalignd has seen them, where a verdict only
 * predicts. No guest is named. */
#define EVIDENCE_FILE "var/lib/vfioalign/evidence.json"

/* Entries; a new one then replaces the oldest. */
#define EVIDENCE_MAX 64

/* All that decides the page size of a whole BAR, but for its size. */
struct evidence_key {
        char emulator[96]; /* its build id, or "DEVICE:INODE:SIZE:SECONDS" of its file */
        char release[65];  /* of the kernel */
        bool module;       /* vfio_align was loaded and aligned mappings */
        bool preload;      /* libvfioalign-preload.so was set up for the emulator */
        enum thp_mode thp;
};

/* e may be NULL. False where the emulator or the kernel is not known well enough to be recognized later. */
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

/* The text of the file, the caller's to free. NULL: no memory */
char *evidence_format(const struct evidence *e);

/* Counts one more mapping; seen->count is not read. again: it may have been counted before, so it only
 * counts where nothing like it is known. Returns 1 where that changed e, 0 where not, or -ENOMEM. */
int evidence_add(struct evidence *e, const struct sighting *seen, bool again);
