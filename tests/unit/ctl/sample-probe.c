/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints the report on a probe that never was, for check-probe.py: as text, or with an argument as JSON. */
#include "ctl/probe-report.h"
#include "report/report.h"
#include "util/macro.h"

static const struct probe_area whole = {
        .size = GIB(128),
        .fault_size = GIB(4),
        .expected_faults = 2048,
        .agrees = { .value = FACT_YES },
        .predicted = { .page_size = MIB(2),
                       .chance = true,
                       .faults = 65536,
                       .pin_steps = 65536,
                       .limit = CONDITION_PLACEMENT },
        .median = { .alignment = MIB(2), .page_size = MIB(2), .faults = 2048, .seconds = 0.25 },
};
static const struct probe_area sparse = {
        .offset = KIB(64),
        .size = KIB(64),
        .error = -EFAULT,
        .expected_faults = COUNT_UNKNOWN,
        .predicted = { .faults = COUNT_UNKNOWN, .pin_steps = COUNT_UNKNOWN, .limit = CONDITION_UNKNOWN },
        .median = { .alignment = KIB(4), .faults = COUNT_UNKNOWN, .seconds = 0.000001 },
};

int main(int argc, char *argv[])
{
        const struct host host = { .time_usec = 1700000000000000,
                                   .kernel = { .release = (char *) "6.12.0-test" } };
        const struct device device = { .bdf = "0000:41:00.0",
                                       .name = "Some GPU",
                                       .driver = (char *) "vfio-pci" };
        struct probe_area areas[] = { whole, sparse };
        struct bar_probe p = {
                .n_bars = 3,
                .bars = {
                        {.index = 0, .size = KIB(1)},
                        {.index = 1, .size = GIB(128), .offset = UINT64_C(1) << 40,
                         .areas = &areas[0], .n_areas = 1},
                        {.index = 3, .size = KIB(128), .offset = UINT64_C(3) << 40,
                         .areas = &areas[1], .n_areas = 1},
                },
        };
        json_object *report;
        int r = 0;

        (void) argv;
        for (size_t i = 0; i < PROBE_TIMES; i++) {
                areas[0].maps[i] = areas[0].median;
                areas[0].maps[i].address = 0x7f0000000000 + i * MIB(2);
                areas[1].maps[i] = areas[1].median;
                areas[1].maps[i].address = 0x7f0000001000;
        }
        report = probe_report_new(&host, &device, &p);
        if (argc > 1)
                r = report_print_json(report, 0, stdout);
        else
                r = probe_report_print(report, stdout);
        json_object_put(report);
        return r < 0;
}
