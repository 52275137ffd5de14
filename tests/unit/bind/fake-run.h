/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bind/transaction.h"
#include "fake-kernel.h"

/* The code under test, each time in a process of its own, as after a start: what it remembers is on disk. */

#define FAKE_FINDINGS_MAX 12

struct fake_result {
        int signal; /* it died of it: SIGKILL by a fault, SIGABRT by the fake kernel; else 0 */
        int status; /* its exit code; 0: what follows holds */
        enum bind_outcome outcome;
        unsigned writes;
        size_t n_findings, n_members;
        struct {
                enum finding_id id;
                char subject[sizeof(bdf_t)];
                char detail[160];
        } findings[FAKE_FINDINGS_MAX];
        struct bind_member members[FAKE_FUNCTIONS_MAX];
        struct binding_writes planned[FAKE_FUNCTIONS_MAX]; /* of each member; a dry run's */
};

/* transaction_run() for the group of that function. */
struct fake_result fake_run(struct fake_kernel *k, const char *bdf, const struct bind_order *order);

struct fake_result fake_bind(struct fake_kernel *k, const char *bdf);
struct fake_result fake_unbind(struct fake_kernel *k, const char *bdf);

/* Settles each record that there is; the last result, or the first that died. */
struct fake_result fake_settle(struct fake_kernel *k);

/* Starts what fake_run() runs, and waits for it: for two at a time. */
pid_t fake_start(struct fake_kernel *k, const char *bdf, const struct bind_order *order,
                 struct fake_result *shared);
void fake_wait(pid_t pid, struct fake_result *shared);
struct fake_result *fake_result_new(void);

bool fake_result_has(const struct fake_result *r, enum finding_id id, const char *bdf, const char *detail);

/* The writes that the dry run planned are those that the log has for each function, up to settings, and to a
 * driver that has to be bound by name because the kernel prefers another: *ret_by_name (may be NULL) counts
 * those. They begin as planned all the same. */
bool fake_plan_holds(const struct fake_kernel *k, const struct fake_result *plan,
                     enum bind_operation operation, unsigned *ret_by_name);

/* "failed: bind-failed 0000:01:00.0 ..." Static buffer. */
const char *fake_result_text(const struct fake_result *r);

/* The state of the record that has the function; "none" where there is none. */
const char *fake_record_state(struct fake_kernel *k, const char *bdf);
