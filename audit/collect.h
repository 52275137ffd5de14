/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shared by the files that collect findings; findings_collect() is for everybody else. */

#include "finding.h"

/* Each adds what it finds. Returns 0 or -ENOMEM. */
int collect_groups(struct findings *f, const struct host *h);
int collect_devices(struct findings *f, const struct host *h);
int collect_bars(struct findings *f, const struct host *h);
int collect_binds(struct findings *f, const struct host *h);
