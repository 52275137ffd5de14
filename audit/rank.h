/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "finding.h"

/* What the guests of a host lose by each finding, in seconds of a start, decides which is the warning. */

/* A warning saves a start at least so many seconds, and no other finding saves ten times as much. */
#define RANK_WARNING_SECONDS 1.0
#define RANK_DOMINATES 10.0

/* What saves less is a notice at the most. */
#define RANK_NOTICE_SECONDS 0.2

/* Its severity in general, for a manual: "warning; notice or info where it costs less". Static. id: valid.
 */
const char *finding_severities(enum finding_id id);

/* Adds to the findings how many seconds they cost a start, changes the severity of those by it, and sorts:
 * the severest first, and of those that costs most. f: with all that was found. Returns 0 or -ENOMEM. */
int findings_rank(struct findings *f, const struct host *h);
