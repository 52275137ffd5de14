/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/host.h"
#include "fix-plan.h"

/* libvfioalign-preload.so under all that libvirt's daemons start, by a drop-in that gives them LD_PRELOAD.
 * No domain is changed, and domains that are defined nowhere have it too. */

/* By the files, and by the environment of the daemon that runs. Unknown where these cannot be read. */
enum fix_state fix_preload_state(const struct host *h);

/* Both write below h->root and restart nothing. Before it writes, `apply` runs the daemons and the emulators
 * of the host with --version under the library, as nobody; so it does where nothing is to be written
 * (dry_run), for the plan to be true. Blocks: seconds for each of them. Returns 0, also where the plan says
 * why not, or a negative errno; what was written till then stays, and the same call finishes it. */
int fix_preload(const struct host *h, enum fix_action action, bool dry_run, struct fix_plan *plan);
