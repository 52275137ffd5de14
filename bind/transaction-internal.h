/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transaction.h"

/* What transaction.c and its two parts share. All functions return 0 or -ENOMEM; how it went is in the
 * result. */

struct transaction {
        const struct host *host;
        const struct root *root;
        const struct bind_order *order;
        const struct iommu_group *group; /* as it is now; NULL: its functions have left the host */
        struct bind_result *result;
        struct bind_claims claims;
        char boot_id[37];
};

int transaction_finish(struct transaction *t, enum bind_outcome outcome);
int transaction_refuse(struct transaction *t, enum finding_id id, const char *subject, const char *detail);
/* The record could not be written: nothing more is. */
int transaction_refuse_journal(struct transaction *t, int error);

/* transaction-plan.c: the group's functions as they stand and as they shall be, into the result's record;
 * then what is against it, into its findings. */
int transaction_plan(struct transaction *t);
int transaction_check(struct transaction *t);
bool transaction_changes_nothing(const struct transaction *t);
/* Whether what was found forbids it. */
bool transaction_is_refused(const struct transaction *t);

/* transaction-carry.c: brings the functions of the record to `after`, or back; and clears up what a killed
 * one left. */
int transaction_carry_out(struct transaction *t, bool after);
int transaction_settle(struct transaction *t);

/* It is in the hands of VFIO, if by another of its drivers than ours: still to be given back by its record.
 */
bool is_with_vfio(const struct transaction *t, const struct bind_member *m, const struct binding *now);
bool is_same_function(const struct transaction *t, const struct bind_member *m);
