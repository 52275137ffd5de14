/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/finding.h"
#include "binding.h"
#include "outcome.h"

/* Handing a whole IOMMU group to VFIO, and back: check, record, write, verify, commit; on a failure
 * everything back to where it was. Killed at any point, settle() brings it to its old state or its new one.
 * Runs in a process that may hang (worker.h), holds the group's lock, and never waits for another's without
 * being stopped by its deadline. */

enum bind_operation {
        BIND_BIND,
        BIND_UNBIND,
        BIND_SETTLE, /* what a killed one has left */
        _BIND_OPERATION_MAX,
        _BIND_OPERATION_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(bind_operation, enum bind_operation);

struct bind_order {
        enum bind_operation operation;
        const char *driver; /* a VFIO driver's name; NULL: for each function the best one (vfio-driver.h). Of
                             * an unbind without a record: the driver of the host, which has to be named. */
        const char *owner;  /* see bind_record */
        bool dry_run;
        bool force;             /* past what only warns: bind_is_forceable() */
        uint64_t deadline_usec; /* CLOCK_BOOTTIME: no write of the way there after it; the way back has no
                                   deadline here */
        const volatile sig_atomic_t *stop;
};

struct bind_result {
        enum bind_outcome outcome;
        struct bind_record
                record; /* the group's members with before and after, also where none was written */
        struct findings findings; /* why it was refused or failed */
        unsigned writes;
        double seconds; /* these three are the worker's (worker.h) */
        pid_t pid;      /* of a task that hangs, else 0 */
        char *stack;    /* where in the kernel it does, or NULL */
};

/* h: read by bind_host_read() (bind-host.h). bdf: any function of the group. Returns 0 or -ENOMEM. */
int transaction_run(const struct host *h, const char *bdf, const struct bind_order *order,
                    struct bind_result *ret);
void bind_result_done(struct bind_result *r);

/* bind-check.c: what is against it, as the facts have it. Returns 0 or -ENOMEM. */
int bind_check(const struct host *h, const struct iommu_group *g, const struct bind_order *order,
               struct findings *ret);

/* May `force` go past this finding: it stops no guest and takes nothing from the host that it needs to run.
 */
bool bind_is_forceable(enum finding_id id);

/* bind-claim.c: what the kernel itself says, at the last moment: opens every block device of the group's
 * functions with O_EXCL, so that a mount, a swap area, an array or a volume that uses one makes it -EBUSY,
 * and holds them, so that none can come in between. Closing gives them back. */
struct bind_claims {
        int *fds;
        size_t n;
};
int bind_claims_take(const struct host *h, const struct iommu_group *g, struct bind_claims *ret,
                     struct findings *findings);
void bind_claims_release(struct bind_claims *c);
