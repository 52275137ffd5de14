/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start-time.h"

#include <assert.h>

#include "util/format.h"

#define UNKNOWN ((struct start_time){ .seconds = -1, .estimated = true })

struct start_rates start_rates(const struct host *h)
{
        assert(h);

        return (struct start_rates){ .fault_ns = START_FAULT_NS, .step_ns = START_STEP_NS };
}

struct start_time start_time(const struct start_rates *rates, uint64_t faults, uint64_t pin_steps)
{
        double fault_ns, step_ns;

        assert(rates);

        if (faults == COUNT_UNKNOWN || pin_steps == COUNT_UNKNOWN)
                return UNKNOWN;
        fault_ns = (double) faults * rates->fault_ns;
        step_ns = (double) pin_steps * rates->step_ns;
        return (struct start_time){
                .seconds = (fault_ns + step_ns) / 1e9,
                /* By what takes most of it. Nothing takes no time for sure. */
                .estimated = fault_ns + step_ns > 0 &&
                             !(fault_ns >= step_ns ? rates->fault_measured : rates->step_measured),
        };
}

struct start_time start_time_of_cost(const struct host *h, const struct guest_cost *cost)
{
        struct start_rates rates;

        assert(h);
        assert(cost);

        if (cost->n_bars == 0 && cost->why)
                return UNKNOWN;
        rates = start_rates(h);
        return start_time(&rates, cost->faults, cost->pin_steps);
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
