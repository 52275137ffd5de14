/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

/* Metrics as text, in the format 0.0.4 that Prometheus and all who follow it read:
 * https://prometheus.io/docs/instrumenting/exposition_formats/. It is not OpenMetrics: node_exporter rejects
 * a whole file for "# TYPE x info". */

struct metric_family {
        const char *name, *type;
        const char *labels; /* for the manual: "domain, limit"; "": none */
        const char *help;   /* one line, without a period */
};

struct metric_label {
        const char *name;
        const char *value; /* valid UTF-8, as json_add_string() makes it */
};

struct metrics_text {
        FILE *out;
        const struct metric_family *last; /* of the sample before */
};

/* One sample, with up to two labels; a label without a name is none. The family's own two lines come before
 * its first one, so a family without samples is not there at all. All samples of a family follow each
 * other. */
void metrics_add(struct metrics_text *t, const struct metric_family *family, struct metric_label a,
                 struct metric_label b, double value);

/* A histogram: how many observations were at most as large as each of n bounds, how many there were, and
 * their sum. */
void metrics_add_histogram(struct metrics_text *t, const struct metric_family *family, const double bounds[],
                           const unsigned long counts[], size_t n, unsigned long count, double sum);
