/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config/config.h"
#include "facts/guest/facts-guest.h"
#include "facts/host.h"
#include "fix-plan.h"

/* How a fix of the host works. What it is called, and does, and costs is in struct fix_type. */
struct fix {
        enum fix_id id;

        /* Both NULL where it is a fix of guests alone (domain-fix.h). `run` adds each step to the plan and
         * takes it; with dry_run it takes none. Returns 0, and the plan may have a refusal, or a negative
         * errno where a step failed: the plan then has the steps up to there. */
        enum fix_state (*state)(const struct host *h);
        int (*run)(const struct host *h, enum fix_action action, bool dry_run, struct fix_plan *plan);
};

/* id: has to be valid. */
const struct fix *fix_get(enum fix_id id);

/* Chooses what to do first among the fixes that help and have at least that policy in the configuration.
 * Returns a set (FIX_BIT), which is empty where none helps. g: NULL: for the host. */
unsigned fixes_choose(const struct host *h, const struct guest *g, const struct config *c,
                      enum policy at_least);
