/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/facts-guest.h"
#include "audit/host.h"
#include "config/config.h"
#include "fix-plan.h"

/* One row of the table of fixes; its place is its preference. */
struct fix {
        enum fix_id id;
        bool of_guest;     /* can be an edit of one persistent domain: vfioalignctl guest */
        const char *does;  /* a line each, for the log and for people */
        const char *price;

        /* Of the host; NULL where it is the guest's alone. `run` does what it adds to the plan, or with dry_run would
         * do. Returns 0, with what came of it in the plan, or a negative errno where it failed on the way: the plan
         * then has the steps up to there. */
        enum fix_state (*state)(const struct host *h);
        int (*run)(const struct host *h, enum fix_action action, bool dry_run, struct fix_plan *plan);
};

/* id: valid. */
const struct fix *fix_get(enum fix_id id);

/* Does it give a BAR of this guest larger pages, or make luck a certainty? g: NULL: any assignable device of the host, at
 * an address of the kernel's choice, for whatever VMM may come. */
bool fix_helps(const struct fix *fix, const struct host *h, const struct guest *g);

/* The first that helps, of those that the configuration gives that policy, or more; NULL. */
const struct fix *fix_find(const struct host *h, const struct guest *g, const struct config *c, enum policy at_least);

/* An emulator of this host that can run the guest, and aligns where its own does not, for BARs that gain by it; NULL. */
const struct emulator *fix_better_emulator(const struct host *h, const struct guest *g);
