/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start-cost.h"

#include <assert.h>

#include "guest-cost.h"
#include "verdict.h"

/* Of one time that it is mapped; COUNT_UNKNOWN where nothing can be said. */
static uint64_t predict_faults(const struct host *h, struct placer placer, const struct start_bar *bar)
{
        const struct device *d = device_facts_find(&h->devices, bar->device);

        for (size_t i = 0; d && i < d->n_bars; i++) {
                const struct area area = { .region_size = d->bars[i].size,
                                           .offset = bar->offset,
                                           .size = bar->size };

                if (d->bars[i].index != bar->region || bar->size == 0 || bar->offset > d->bars[i].size ||
                    bar->size > d->bars[i].size - bar->offset || bar_is_unknown(&d->bars[i]))
                        continue;
                return verdict_area(&h->kernel, &h->module, placer, &area).faults;
        }
        return COUNT_UNKNOWN;
}

bool start_exceeds_prediction(const struct host *h, const struct guest *g, const struct start *s,
                              uint64_t *ret_predicted, uint64_t *ret_faults)
{
        struct placer placer;
        uint64_t predicted = 0, faults = 0, calls = 0;

        assert(h && g && s && ret_predicted && ret_faults);

        placer = guest_placer(h, g);
        for (size_t i = 0; i < s->n_bars; i++) {
                const struct start_bar *bar = &s->bars[i];
                uint64_t once = predict_faults(h, placer, bar), sum;

                if (bar->calls == bar->failed || once == COUNT_UNKNOWN ||
                    __builtin_mul_overflow(once, bar->calls - bar->failed, &sum) ||
                    __builtin_add_overflow(predicted, sum, &predicted))
                        continue;
                faults += bar->faults;
                calls += bar->calls - bar->failed;
        }
        if (faults <= predicted || faults - predicted <= calls)
                return false;
        *ret_predicted = predicted;
        *ret_faults = faults;
        return true;
}
