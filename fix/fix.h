/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config/config.h"
#include "facts/guest/facts-guest.h"
#include "facts/host.h"
#include "fix-plan.h"

/* One row of the table of fixes; its place is its preference. */
struct fix {
        enum fix_id id;
        const char *does; /* a line each, for the log and for people */
        const char *price;

        /* Of the host; NULL where it is the guest's alone. `run` does what it adds to the plan, or with
         * dry_run would do. Returns 0, with what came of it in the plan, or a negative errno where it failed
         * on the way: the plan then has the steps up to there. */
        enum fix_state (*state)(const struct host *h);
        int (*run)(const struct host *h, enum fix_action action, bool dry_run, struct fix_plan *plan);
};

const struct fix *fix_get(enum fix_id id);

/* What to do first of what helps and has at least that policy in the configuration: a set of fixes
 * (FIX_BIT), empty where nothing helps. g: NULL: the host. */
unsigned fixes_choose(const struct host *h, const struct guest *g, const struct config *c,
                      enum policy at_least);
