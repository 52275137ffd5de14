/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/host.h"
#include "fix-plan.h"

/* A drop-in gives libvirt's daemons LD_PRELOAD with libvfioalign-preload.so, which all that they start
 * inherits. No domain is changed, and transient domains have it as well. */

/* By the files, and by the environment of the daemon that runs. FIX_UNKNOWN where these cannot be read. */
enum fix_state fix_preload_state(const struct host *h);

/* Writes below h->root and restarts nothing. Before FIX_APPLY writes, and with dry_run as well, it runs the
 * daemons and the emulators of the host with --version under the library, as nobody: it blocks for seconds
 * for each of them. Returns 0, also where the plan has a refusal, or a negative errno; what has been written
 * by then stays, and the same call finishes it. */
int fix_preload(const struct host *h, enum fix_action action, bool dry_run, struct fix_plan *plan);
