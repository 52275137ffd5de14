/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bind/transaction.h" /* enum bind_operation */
#include "report/metrics.h"

struct manager;

/* What we write for those who watch many hosts, below /run/vfioalign and nowhere else: the metrics, and
 * the host's row (report/row.h), which goes to the journal as well where it has changed, and each hour.
 * Somebody else publishes them (vfioalign-textfile.path). They are written after each audit and where
 * something was counted, while nothing else is to be done, and twice a second at most. */

#define METRICS_FILE "run/vfioalign/metrics.prom"
#define ROW_FILE "run/vfioalign/row.json"

/* Begins to count. Returns 0 or a negative errno. */
int manager_export_start(struct manager *m);
void manager_export_close(struct manager *m);

/* An audit has ended, well or not. took_usec: how long it took. The next comes at the latest after
 * AuditIntervalSec=. */
void manager_export_audited(struct manager *m, bool done, uint64_t took_usec);

/* Counts the starts in the second that are not in the first: what was measured since. */
void manager_export_count_measured(struct manager *m, const struct host *before, const struct host *now);

/* Each of these counts one. took_usec: how long libvirt waited for our answer. */
void manager_export_count_hook(struct manager *m, uint64_t took_usec);
void manager_export_count_start(struct manager *m, enum start_result result);
void manager_export_count_bind(struct manager *m, enum bind_operation operation, json_object *group);
