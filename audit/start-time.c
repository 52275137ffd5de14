/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start-time.h"

#include <assert.h>

#include "util/format.h"
#include "util/macro.h"

#define UNKNOWN ((struct start_time){ .seconds = -1, .estimated = true })

/* What a start shows is only taken over where there is enough of it, and for the kernel that runs. */
#define MEASURED_FAULTS 1000
#define MEASURED_STEPS 100000
#define MEASURED_USEC 1000

static bool start_counts(const struct host *h, const struct start *s)
{
        return !s->partial && h->kernel.release && streq(h->kernel.release, s->kernel);
}

static uint64_t bar_maps(const struct start_bar *bar)
{
        return bar->calls - bar->failed;
}

/* Faults or steps, and the time that they took. */
struct sample {
        double count, usec;
};

static void sample_add(struct sample *s, double count, uint64_t usec)
{
        s->count += count;
        s->usec += (double) usec;
}

/* Each BAR tells of one of them: of its faults where the kernel pins by entries, because there are no more
 * steps than entries, and each has had a fault; or of its steps where it walks page by page, and faults are
 * few beside them. */
static void sample_start(const struct host *h, const struct start *start, struct sample *faults,
                         struct sample *steps)
{
        for (size_t i = 0; i < start->n_bars; i++) {
                const struct start_bar *bar = &start->bars[i];
                double n = (double) bar_maps(bar) * (double) (bar->size / h->kernel.page_size);

                if (h->kernel.pin_by_leaf.value == FACT_YES)
                        sample_add(faults, (double) bar->faults, bar->usec);
                else if (h->kernel.pin_by_leaf.value == FACT_NO && (double) bar->faults * 100 < n)
                        sample_add(steps, n, bar->usec);
        }
}

struct start_rates start_rates(const struct host *h)
{
        struct start_rates rates = { .fault_ns = START_FAULT_NS, .step_ns = START_STEP_NS, .maps = 1 };
        struct sample faults = {}, steps = {};

        assert(h);

        for (size_t i = 0; i < h->starts.n_starts && h->kernel.page_size > 0; i++)
                if (start_counts(h, &h->starts.starts[i]))
                        sample_start(h, &h->starts.starts[i], &faults, &steps);
        if (faults.count >= MEASURED_FAULTS && faults.usec >= MEASURED_USEC) {
                rates.fault_ns = faults.usec * 1000 / faults.count;
                rates.fault_measured = true;
        }
        if (steps.count >= MEASURED_STEPS && steps.usec >= MEASURED_USEC) {
                rates.step_ns = steps.usec * 1000 / steps.count;
                rates.step_measured = true;
        }
        return rates;
}

/* How often the guest had its BARs mapped for DMA the last time it started. */
static double maps_of_guest(const struct host *h, const struct start *last)
{
        uint64_t maps = 1;

        for (size_t i = 0; last && start_counts(h, last) && i < last->n_bars; i++)
                if (last->bars[i].region <= 5 && bar_maps(&last->bars[i]) > maps)
                        maps = bar_maps(&last->bars[i]);
        return (double) maps;
}

struct start_time start_time(const struct start_rates *rates, uint64_t faults, uint64_t pin_steps)
{
        double fault_ns, step_ns;

        assert(rates);

        if (faults == COUNT_UNKNOWN || pin_steps == COUNT_UNKNOWN)
                return UNKNOWN;
        fault_ns = (double) faults * rates->fault_ns * rates->maps;
        step_ns = (double) pin_steps * rates->step_ns * rates->maps;
        return (struct start_time){
                .seconds = (fault_ns + step_ns) / 1e9,
                /* By what takes most of it. Nothing takes no time for sure. */
                .estimated = fault_ns + step_ns > 0 &&
                             !(fault_ns >= step_ns ? rates->fault_measured : rates->step_measured),
        };
}

struct start_time start_time_of_cost(const struct host *h, const struct guest *g,
                                     const struct guest_cost *cost)
{
        struct start_rates rates;

        assert(h);
        assert(g);
        assert(cost);

        if (cost->n_bars == 0 && cost->why)
                return UNKNOWN;
        rates = start_rates(h);
        rates.maps = maps_of_guest(h, starts_find(&h->starts, g->name));
        return start_time(&rates, cost->faults, cost->pin_steps);
}

/* Whether the last start was as the next one will be: it took the faults that are predicted, once or each
 * time that it was mapped. */
static bool start_is_alike(const struct host *h, const struct start *last, const struct guest_cost *cost)
{
        double least, most, got;

        if (!last || last->ended || !start_counts(h, last) || cost->faults == COUNT_UNKNOWN)
                return false;
        got = (double) last->bar_faults;
        least = (double) cost->faults;
        most = least * maps_of_guest(h, last);
        return got >= least * 0.99 - 8 && got <= most * 1.01 + 8;
}

struct start_time start_time_now(const struct host *h, const struct guest *g, const struct guest_cost *cost)
{
        const struct start *last;

        assert(h);
        assert(g);
        assert(cost);

        last = starts_find(&h->starts, g->name);
        if (!start_is_alike(h, last, cost))
                return start_time_of_cost(h, g, cost);
        return (struct start_time){ .seconds = (double) last->bars_usec / 1e6 };
}

double start_time_saved(struct start_time now, struct start_time then)
{
        if (now.seconds < 0 || then.seconds < 0 || then.seconds >= now.seconds)
                return -1;
        return now.seconds - then.seconds;
}

const char *format_start_seconds(double seconds, bool estimated, seconds_t buffer)
{
        const char *about = estimated ? "~" : "";
        format_t count;

        if (seconds < 0)
                snprintf(buffer, sizeof(seconds_t), "unknown");
        else if (seconds >= 9.95)
                snprintf(buffer, sizeof(seconds_t), "%s%.20s s", about,
                         format_count((uint64_t) (seconds + 0.5), count));
        else if (seconds >= 0.05)
                snprintf(buffer, sizeof(seconds_t), "%s%.1f s", about, seconds);
        else
                snprintf(buffer, sizeof(seconds_t), "< 0.1 s");
        return buffer;
}
