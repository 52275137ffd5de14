/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/facts-guest.h"
#include "audit/host.h"
#include "audit/verdict.h"
#include "config/config.h"

/* One row of the table of fixes; its place is its preference. */
struct fix {
        const char *id;
        enum remedy remedy;
        enum policy (*policy)(const struct config *c); /* what the configuration lets us do unasked */
        const char *plan; /* what applying it does, for --dry-run and the log */
};

/* The fix that lifts the condition, or NULL. */
const struct fix *fix_for(enum remedy remedy);

/* What one guest gets: its verdict is that of the BAR that falls furthest short of what it could have. */
struct guest_verdict {
        struct verdict verdict;
        uint64_t best_page_size; /* of that BAR */
        bdf_t bdf;               /* whose it is; empty where the guest has no BAR that could have huge pages */
};

/* h: its list of emulators may grow by the guest's. */
struct guest_verdict guest_verdict(struct host *h, const struct guest *g);

/* The first fix by preference that gives a BAR of this guest larger pages, or makes luck a certainty; NULL. */
const struct fix *fix_for_guest(struct host *h, const struct guest *g);

/* The same for whatever VMM may come: any assignable device, at an address of the kernel's choice. */
const struct fix *fix_for_host(const struct host *h);
