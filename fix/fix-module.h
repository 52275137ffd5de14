/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/host.h"
#include "fix-plan.h"

/* The kernel module, by modprobe, for a process that is allowed to run it and can wait for it. The daemon
 * asks systemd instead (systemd-job.h). See struct fix for the functions (fix.h). */
enum fix_state fix_module_state(const struct host *h);
int fix_module(const struct host *h, enum fix_action action, bool dry_run, struct fix_plan *plan);
