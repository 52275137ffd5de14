/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program of its own, because it alone needs the trace: see verbs.h. */
#include <locale.h>

#include "ctl.h"
#include "keep-start.h"
#include "long-run.h"
#include "options.h"
#include "report/json.h"
#include "trace/collect.h"
#include "trace/fixes.h"
#include "trace/report.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/print.h"
#include "util/switch.h"
#include "verbs.h"

#define WAIT_MS 100

struct trace_run {
        struct options options;
        struct trace_selection selection;
        struct trace_collector collector;
        FILE *svg; /* or NULL */
};

static void on_event(const struct trace_process *p, const struct trace_event *e, void *userdata)
{
        const struct trace_run *run = userdata;

        if (run->options.json || !trace_is_selected(&run->selection, p))
                return;
        long_run_show_progress(NULL);
        trace_print_event(p, e, stdout);
        fflush(stdout);
}

/* Whether a start was seen, and all that were seen are over. */
static bool is_over(const struct trace_run *run, uint64_t now)
{
        const struct trace_account *a = &run->collector.account;
        bool seen = false;

        for (size_t i = 0; i < a->n_processes; i++) {
                if (!trace_is_selected(&run->selection, &a->processes[i]))
                        continue;
                if (!trace_start_is_over(&a->processes[i], now))
                        return false;
                seen = true;
        }
        return seen;
}

static void show_watching(const struct trace_run *run, uint64_t now)
{
        uint64_t n = 0;
        char line[128];

        for (size_t i = 0; i < run->collector.account.n_processes; i++)
                n += trace_is_selected(&run->selection, &run->collector.account.processes[i]);
        snprintf(line, sizeof(line), "%.0f s, %s", (double) (now - run->collector.began) / 1e9,
                 n > 0 ? "watching the start" : "waiting for a start");
        long_run_show_progress(line);
}

static int watch_until_over(struct trace_run *run)
{
        uint64_t now = trace_now(), end = now + run->options.seconds * UINT64_C(1000000000);

        while (!long_run_stopped_by) {
                int r = trace_collector_wait(&run->collector, WAIT_MS);

                if (r < 0)
                        return log_error(r, "Failed to read what the kernel reports: %m");
                now = trace_now();
                if (run->options.seconds > 0 ? now >= end : is_over(run, now))
                        break;
                show_watching(run, now);
        }
        long_run_show_progress(NULL);
        return trace_collector_wait(&run->collector, 0);
}

static int print_report(json_object *report, enum json_style json)
{
        int r = 0;

        if (json)
                r = report_print_json_as(report, json, 0, stdout);
        else if (json_length(json_get(report, "processes")) > 0)
                r = trace_report_print(report, stdout);
        if (r < 0)
                return log_error(r, "Failed to print the trace: %m");
        if (fflush(stdout) != 0)
                return log_error(-errno, "Failed to print the trace: %m");
        if (json_length(json_get(report, "processes")) > 0)
                return 0;
        print_line(stderr, "vfioalignctl: nothing that opens a VFIO device was seen to start");
        return -ENODATA;
}

/* The first start that was asked for; without one the file stays empty. */
static int write_svg(const struct trace_run *run)
{
        const struct trace_account *a = &run->collector.account;

        for (size_t i = 0; i < a->n_processes; i++)
                if (trace_is_selected(&run->selection, &a->processes[i])) {
                        trace_svg_print(a, &a->processes[i], run->svg);
                        break;
                }
        if (fflush(run->svg) != 0 || ferror(run->svg))
                return log_error(-EIO, "Failed to write '%s': %m", run->options.svg);
        return 0;
}

/* Only where one may help, because reading the host takes a second or more. */
static int add_fixes(struct trace_run *run)
{
        struct host host;
        int r;

        if (!trace_wants_fixes(&run->collector.account))
                return 0;
        r = host_read(&host, &run->collector.root);
        if (r < 0)
                return log_error(r, "Failed to read this host: %m");
        trace_fixes_add(&run->collector.account, &host);
        host_done(&host);
        return 0;
}

static int print_trace(struct trace_run *run)
{
        json_object *report;
        int r;

        r = add_fixes(run);
        if (r < 0)
                return r;
        report = trace_collector_report(&run->collector, &run->selection);
        r = print_report(report, run->options.json);
        json_object_put(report);
        return r < 0 || !run->svg ? r : write_svg(run);
}

/* The programs in the kernel change nothing, and still are something that somebody has switched off. */
static int check_switch(void)
{
        _cleanup_(root_close) struct root root = { .fd = -EBADF };
        const char *off;
        int r;

        r = root_open(&root, NULL);
        if (r < 0)
                return log_error(r, "Failed to open '/': %m");
        off = switched_off(&root);
        if (!off)
                return 0;
        print_line(stderr, "vfioalignctl: cannot trace: vfioalign is switched off by %s", off);
        return -EPERM;
}

static int trace_run(struct trace_run *run)
{
        const char *why = NULL;
        int r;

        r = check_switch();
        if (r < 0)
                return r;
        run->collector.on_event = on_event;
        run->collector.userdata = run;
        r = trace_collector_open(&run->collector, run->selection.pid, &why);
        if (r < 0) {
                print_line(stderr, "vfioalignctl: cannot trace: %s", why);
                return r;
        }
        (void) long_run_catch_signals(); /* what was seen until then is printed */
        r = watch_until_over(run);
        return r < 0 ? r : print_trace(run);
}

int verb_trace(int argc, char *argv[])
{
        struct trace_run run = {};
        int word, r;

        word = options_parse(argc, argv, OPTION_JSON | OPTION_SVG | OPTION_PID | OPTION_FOR, 0, 1,
                             &run.options);
        if (word < 0)
                return -word;
        run.selection = (struct trace_selection){ .guest = argv[word], .pid = run.options.pid };
        if (run.selection.guest && run.selection.pid) {
                print_line(stderr, "vfioalignctl: trace takes a guest or --pid, not both");
                return CTL_USAGE;
        }
        /* Not after minutes of watching. */
        run.svg = run.options.svg ? fopen(run.options.svg, "we") : NULL;
        if (run.options.svg && !run.svg) {
                log_error(-errno, "Failed to write '%s': %m", run.options.svg);
                return CTL_FAILED;
        }
        r = trace_run(&run);
        if (run.svg)
                fclose(run.svg);
        trace_collector_done(&run.collector);
        return r < 0 ? CTL_FAILED : CTL_OK;
}

int main(int argc, char *argv[])
{
        if (argc == 3 && streq(argv[1], "--keep"))
                return keep_start(argv[2]);
        setlocale(LC_ALL, "");
        setlocale(LC_NUMERIC, "C"); /* numbers are written here as in the configuration */
        return argc < 2 ? CTL_USAGE : verb_trace(argc - 1, argv + 1);
}
