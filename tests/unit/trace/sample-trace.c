/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints a recorded start as `vfioalignctl trace` would: sample-trace [json|svg [GUEST]] */
#include "report/json.h"
#include "sample-events.h"
#include "trace/report.h"

int main(int argc, char *argv[])
{
        static const struct trace_unseen unseen = { "devices reset", "pci_reset_bus" };
        const struct trace_selection selection = { .guest = argc > 2 ? argv[2] : "train-a" };
        const struct trace_watched watched = { .time_usec = 1762776000 * USEC_PER_SEC,
                                               .ns = 25 * SAMPLE_SECOND,
                                               .kernel = "7.3.4-test",
                                               .lost = 3,
                                               .unseen = &unseen,
                                               .n_unseen = 1 };
        struct trace_account account = { .page_size = KIB(4) };
        struct trace_event events[SAMPLE_EVENTS + 1];
        bool json = argc > 1 && streq(argv[1], "json"), svg = argc > 1 && streq(argv[1], "svg");
        size_t n = sample_start(events);
        struct trace_process *p;
        json_object *report;
        int r = 0;

        /* Somebody else's, which was not asked for. */
        events[n] = sample_event(TRACE_OPEN, 1, 1, "0000:00:06.0");
        events[n++].pid++;
        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (events[i].kind == TRACE_GUEST)
                        snprintf(events[i].text, sizeof(events[i].text), "%s", selection.guest);
                r = trace_account_add(&account, &events[i], &p);
                if (r >= 0 && p && !json && !svg && trace_is_selected(&selection, p))
                        trace_print_event(p, &events[i], stdout);
        }
        account.processes[0].bars[0].fixes[0] = (struct trace_fix){ "module", "With the module vfio_align",
                                                                    GIB(1), 2 };
        account.processes[0].bars[0].n_fixes = 1;
        account.processes[0].processors = (struct trace_processors){ 2, 34 };
        report = trace_report_new(&account, &selection, &watched);
        if (svg)
                trace_svg_print(&account, &account.processes[0], stdout);
        else if (json)
                r = report_print_json(report, 0, stdout);
        else
                r = trace_report_print(report, stdout);
        json_object_put(report);
        trace_account_done(&account);
        return r < 0;
}
