/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "start-time.h"
#include "what-if.h"

/* What shortens the starts of a guest: fixes, and a newer kernel, with the seconds that each saves. */

struct remedy {
        unsigned fixes;          /* FIX_BIT() */
        bool newer_kernel;       /* needed as well; these fixes are for that one then */
        struct start_time after; /* of a start with it */
        double saves;            /* seconds of a start; below 0: unknown, or none */
};

#define REMEDIES_MAX (_FIX_ID_MAX + 2)

struct remedies {
        struct start_time now; /* of the next start, as things are */
        double fault_seconds;  /* what of it goes into page faults; below 0: unknown */
        struct remedy remedies[REMEDIES_MAX];
        size_t n;              /* the one that saves the most is first; of equals the one that costs least */
        double without_others; /* seconds of a start on the newer kernel alone, where the remedy with the
                                * newer kernel has fixes, too; below 0: unknown, or it has none */
        const struct emulator *emulator; /* for FIX_EMULATOR; NULL: none is known */
};

/* One remedy at the most has the newer kernel: the one by which the start takes least. */
struct remedies remedies_of_guest(const struct host *h, const struct guest *g);

/* The one with the newer kernel; NULL where that saves nothing, or nobody knows. */
const struct remedy *remedies_find_kernel(const struct remedies *r);

/* "Linux 6.15 or later with the module", "the module". The caller frees it; NULL: no memory. */
char *remedy_name(const struct remedy *r);

/* "needs a reboot; taints the kernel". The caller frees it; NULL: no memory. */
char *remedy_price(const struct remedy *r);

/* The command that applies it now; NULL where there is none, or no memory, which is noted. guest: whose
 * domain it edits where the fix is for a guest. The caller frees it. */
char *remedy_command(const struct remedy *r, const char *guest);
