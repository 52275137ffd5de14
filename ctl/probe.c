/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/prctl.h>

#include "ask.h"
#include "ctl.h"
#include "long-run.h"
#include "probe-report.h"
#include "probe/probe-check.h"
#include "snapshot.h"
#include "util/format.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/print.h"
#include "verbs.h"

static bool on_step(const struct device *d, const struct probe_bar *bar, const struct probe_area *area,
                    unsigned done, void *userdata)
{
        format_t size;
        char line[128];

        (void) userdata;
        snprintf(line, sizeof(line), "%s: BAR %u, %s: map %u of %u", d->bdf, bar->index,
                 format_size(area->size, size), done + 1, PROBE_TIMES);
        long_run_show_progress(line);
        return !long_run_stopped_by;
}

/* Whether nothing is in the way, and the user agrees to what the probe does; else prints why not. */
static bool is_agreed(const struct host *h, const char *bdf, bool yes)
{
        _cleanup_free_ char *line = NULL;
        char question[64];
        int r = probe_check(h, bdf, geteuid() == 0, &line);

        if (r < 0) {
                log_error(r, "Failed to look at %s: %m", bdf);
                return false;
        }
        if (r != PROBE_FREE)
                print_line(stderr, "vfioalignctl: %s%s", line,
                           r == PROBE_DEFINED && !yes ? "; to probe it all the same give --yes" : "");
        if (yes)
                return r == PROBE_FREE || r == PROBE_DEFINED;
        if (r != PROBE_FREE)
                return false;
        snprintf(question, sizeof(question), "%s will be reset. Probe it?", bdf);
        r = ask_yes(question);
        if (r == -ENOTTY)
                print_line(stderr,
                           "vfioalignctl: %s would be reset, and there is no terminal to ask on; give --yes",
                           bdf);
        return r > 0;
}

static int print_probe(const struct host *h, const struct device *d, const struct bar_probe *p,
                       enum json_style json)
{
        json_object *report = probe_report_new(h, d, p);
        int r = 0;

        if (json)
                r = report_print_json_as(report, json, 0, stdout);
        else
                r = probe_report_print(report, stdout);
        json_object_put(report);
        if (r < 0)
                return log_error(r, "Failed to print the report: %m");
        return fflush(stdout) != 0 ? log_error(-errno, "Failed to print the report: %m") : 0;
}

static void log_probe_error(int r, const char *bdf, const char *failed)
{
        if (r == -EINTR)
                log_error(0, "Stopped; %s is closed again", bdf);
        else if (r == -EBUSY)
                log_error(0, "Failed to %s: somebody else has opened %s or its IOMMU group in the meantime",
                          failed ?: "probe", bdf);
        else
                log_error(r, "Failed to probe %s: could not %s: %m", bdf, failed ?: "go on");
}

static int probe_device(const struct host *h, const char *bdf, enum json_style json)
{
        const struct device *d = device_facts_find(&h->devices, bdf);
        struct bar_probe p;
        int r;

        /* What is forbidden to this process alone says nothing about the host. */
        (void) prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
        (void) long_run_catch_signals(); /* at the second one the kernel closes the device */
        r = bar_probe(&p, h, d, on_step, NULL);
        long_run_show_progress(NULL);
        if (r < 0)
                log_probe_error(r, bdf, p.failed);
        else
                r = print_probe(h, d, &p, json);
        bar_probe_done(&p);
        return r;
}

static int probe_host(const struct options *o, const char *bdf)
{
        struct snapshot s;
        int r;

        r = snapshot_read(&s, o);
        if (r < 0) {
                snapshot_done(&s);
                return r;
        }
        r = is_agreed(&s.host, bdf, o->yes) ? probe_device(&s.host, bdf, o->json) : -ECANCELED;
        snapshot_done(&s);
        return r;
}

int verb_probe(int argc, char *argv[])
{
        struct options o;
        bdf_t spelt;
        const char *bdf;
        int word, r;

        word = options_parse(argc, argv, OPTION_JSON | OPTION_YES, 1, 1, &o);
        if (word < 0)
                return -word;
        bdf = bdf_parse(argv[word], spelt) < 0 ? argv[word] : spelt;
        r = probe_host(&o, bdf);
        if (long_run_stopped_by)
                raise(long_run_stopped_by); /* its handler is gone: the shell learns why this ended */
        return r < 0 ? CTL_FAILED : CTL_OK;
}
