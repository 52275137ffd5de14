/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/host.h"
#include "fix-plan.h"

/* The kernel module, by modprobe, for who may do that and can wait for it; a daemon asks systemd
 * (systemd-job.h). */
enum fix_state fix_module_state(const struct host *h);
int fix_module(const struct host *h, enum fix_action action, bool dry_run, struct fix_plan *plan);
