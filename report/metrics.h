/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config/config.h"
#include "metrics-text.h"
#include "report.h"

/* The report of a host as metrics for Prometheus: vfioalignctl(1) has the list. What is unknown is left out,
 * and is never 0. */

/* All metrics, in the order in which they are printed. */
const struct metric_family *metrics_families(size_t *ret_n);

/* How the start of a guest ended. */
enum start_result {
        START_BEST,  /* nothing keeps it from the largest pages but its BARs' sizes and the kernel */
        START_SHORT, /* it has smaller pages than it could have */
        START_UNKNOWN,
        START_REFUSED, /* by us: OnUnaligned=refuse */
        _START_RESULT_MAX,
        _START_RESULT_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(start_result, enum start_result);

enum handover {
        HANDOVER_BIND,
        HANDOVER_UNBIND,
        _HANDOVER_MAX,
        _HANDOVER_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(handover, enum handover);

/* How it ended for one IOMMU group. */
enum handover_result {
        HANDOVER_DONE,
        HANDOVER_REFUSED,
        HANDOVER_ROLLED_BACK,
        HANDOVER_QUARANTINED,
        _HANDOVER_RESULT_MAX,
        _HANDOVER_RESULT_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(handover_result, enum handover_result);

#define HISTOGRAM_BUCKETS_MAX 9

/* How often something took at most as long as each bound of its metric. */
struct metrics_histogram {
        unsigned long counts[HISTOGRAM_BUCKETS_MAX], n;
        double seconds; /* in all */
};

/* What a daemon has counted since it started. */
struct metrics_counters {
        uint64_t start_usec; /* of the daemon, CLOCK_REALTIME */
        unsigned long audits;
        unsigned long starts[_START_RESULT_MAX];
        unsigned long binds[_HANDOVER_MAX][_HANDOVER_RESULT_MAX];
        struct metrics_histogram hook;     /* starts that waited for our answer */
        struct metrics_histogram measured; /* starts that were measured (Measure=) */
};

/* Count one more of them that took so long. */
void metrics_count_hook(struct metrics_counters *c, uint64_t usec);
void metrics_count_measured(struct metrics_counters *c, uint64_t usec);

/* head: report_head() of the host. counters: NULL: no daemon prints this. audit_usec: how long the audit
 * took; 0: unknown. Where memory is out, that is noted (util/memory.h), and what was printed is to be thrown
 * away. */
void metrics_print(const struct host *h, json_object *head, const struct metrics_counters *counters,
                   uint64_t audit_usec, enum export_guests guests, FILE *out);
