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

/* The first fix by preference that gives a BAR of this guest larger pages, or makes luck a certainty; NULL. */
const struct fix *fix_for_guest(const struct host *h, const struct guest *g);

/* The same for whatever VMM may come: any assignable device, at an address of the kernel's choice. */
const struct fix *fix_for_host(const struct host *h);
