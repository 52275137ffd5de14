/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transaction.h"

/* What transaction.c and its two parts share. Functions that return int return 0 or -ENOMEM; how it went is
 * in the result. */

/* The two places where a function of the group can be. */
enum bind_side {
        SIDE_HOST, /* bind_member.before */
        SIDE_VFIO, /* bind_member.after */
};

struct transaction {
        const struct host
                *host; /* the caller's; or own_host, where a settle has changed what is known of it */
        struct host own_host;
        const struct root *root;
        const struct bind_order *order;
        const char *bdf;                 /* the function that was asked for, whose group it is */
        const struct iommu_group *group; /* as it is now; NULL: its functions have left the host */
        struct bind_result *result;
        struct bind_claims claims;
        int lock; /* journal_lock(); negative: none */
        char boot_id[37];
};

int transaction_finish(struct transaction *t, enum bind_outcome outcome);
int transaction_refuse(struct transaction *t, enum finding_id id, const char *subject, const char *detail);
/* The record could not be written, so nothing else is. error: a negative errno. */
int transaction_refuse_journal(struct transaction *t, int error);

/* transaction-plan.c: fills the result's record with the group's functions, where they are and where they
 * have to go; then fills its findings with what is against that. */
int transaction_plan(struct transaction *t);
int transaction_check(struct transaction *t);
bool transaction_changes_nothing(const struct transaction *t);
/* A finding is against it, and `force` does not go past that. */
bool transaction_is_refused(const struct transaction *t);

/* transaction-carry.c: brings the functions of the record to one side, or back to the other; or only says
 * what the first would write; or clears up what a killed transaction left. */
int transaction_carry_out(struct transaction *t, enum bind_side to);
int transaction_plan_writes(struct transaction *t, enum bind_side to);
int transaction_settle(struct transaction *t);

/* A VFIO driver has the function, even if it is not the one of the record: it still has to be given back by
 * that. */
bool is_with_vfio(const struct transaction *t, const struct bind_member *m, const struct binding *now);
/* Another function may have come to the address of the recorded one. */
bool is_same_function(const struct transaction *t, const struct bind_member *m);
