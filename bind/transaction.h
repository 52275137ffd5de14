/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/finding.h"
#include "binding.h"
#include "outcome.h"

/* Hands a whole IOMMU group to VFIO, and back: check, record, write, verify, commit; on a failure everything
 * goes back to where it was. Where a transaction is killed at any point, a settle brings the group to its
 * old state or its new one. Runs in a process that may hang (worker.h) and holds the group's lock. It waits
 * for another transaction's lock, but not past its own deadline, as the worker then stops it. */

enum bind_operation {
        BIND_BIND,
        BIND_UNBIND,
        BIND_SETTLE, /* clears up what a killed transaction left */
        _BIND_OPERATION_MAX,
        _BIND_OPERATION_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(bind_operation, enum bind_operation);

struct bind_order {
        enum bind_operation operation;
        /* Of a bind: a VFIO driver, or NULL for each function's best one (vfio-driver.h). Of an unbind: a
         * driver of the host, or NULL for the one on record; it has to be named where there is no record. */
        const char *driver;
        /* Of an unbind: the functions that were asked for by name, of whatever group; the one that
         * transaction_run() gets is always one of them. */
        const bdf_t *named;
        size_t n_named;
        const char *owner; /* see bind_record */
        bool dry_run;
        bool force;             /* past findings that only warn: bind_is_forceable() */
        uint64_t deadline_usec; /* CLOCK_BOOTTIME: no write of the way there after it; the way back has no
                                   deadline here */
        const volatile sig_atomic_t *stop;
};

struct bind_result {
        enum bind_outcome outcome;
        /* The group's members with before and after, also where no record was written. */
        struct bind_record record;
        /* What would be written to each member of the record, in their order; an unbind goes through the
         * members in reverse. NULL where the outcome is not BIND_PLANNED. */
        struct binding_writes *planned;
        struct findings findings; /* why it was refused or failed, and notes: bind_is_note() */
        unsigned writes;

        /* Filled in by the worker (worker.h). */
        double seconds;
        pid_t pid;   /* of a task that hangs, else 0 */
        char *stack; /* where in the kernel it does, or NULL */
};

/* h: read by bind_host_read() (bind-host.h). bdf: any function of the group. Returns 0, or -ENOMEM and
 * leaves *ret alone. */
int transaction_run(const struct host *h, const char *bdf, const struct bind_order *order,
                    struct bind_result *ret);
void bind_result_done(struct bind_result *r);

/* bind-check.c: adds what is against it, as far as the facts show. Returns 0 or -ENOMEM. */
int bind_check(const struct host *h, const struct iommu_group *g, const struct bind_order *order,
               struct findings *ret);

/* Whether `force` goes past this finding: nothing that it is about stops a guest, or takes from the host
 * what that needs to run. */
bool bind_is_forceable(enum finding_id id);

/* Whether this finding is only a note: it does not refuse anything. */
bool bind_is_note(enum finding_id id);

/* bind-claim.c: asks the kernel itself at the last moment. Opens every block device of the group's functions
 * with O_EXCL, which a mount, a swap area, an array or a volume that uses one turns into -EBUSY, and its
 * VFIO group. Holding them keeps a new user from coming in between. */
struct bind_claims {
        int *fds;
        size_t n;
};

/* Adds a finding for what is in use or cannot be opened. Returns 0, or -ENOMEM with nothing held. */
int bind_claims_take(const struct host *h, const struct iommu_group *g, struct bind_claims *ret,
                     struct findings *findings);
void bind_claims_release(struct bind_claims *c);
