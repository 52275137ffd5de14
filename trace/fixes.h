/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "account.h"
#include "facts/host.h"

/* Adds to each BAR what helps it, as the audit has it for the process that mapped it, where its faults are
 * all that the fix changes: where this kernel pins a BAR by pages of its smallest size whatever it is mapped
 * with, nobody has measured what would remain. The processes have to run still. */
void trace_fixes_add(struct trace_account *a, const struct host *h);

/* Whether there is a BAR that a fix may help, so that it is worth reading the host. */
bool trace_wants_fixes(const struct trace_account *a);
