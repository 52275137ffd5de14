/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/host.h"
#include "fix-plan.h"

/* transparent_hugepage/enabled=always, where the kernel's huge entries for VFIO follow it. What it was
 * before is kept in /run, because the setting does not outlive a boot either. See struct fix for the
 * functions (fix.h). */
enum fix_state fix_thp_state(const struct host *h);
int fix_thp(const struct host *h, enum fix_action action, bool dry_run, struct fix_plan *plan);
