/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix.h"

#include "util/macro.h"

static enum policy module_policy(const struct config *c)
{
        return c->module;
}

static enum policy suggest_only(const struct config *c)
{
        (void) c;
        return POLICY_SUGGEST;
}

static const struct fix fixes[] = {
        {
                .id = "module",
                .remedy = REMEDY_MODULE,
                .policy = module_policy,
                .plan = "load the kernel module vfio_align (undo: modprobe -r vfio_align)",
        },
        {
                .id = "thp",
                .remedy = REMEDY_THP,
                .policy = suggest_only,
                .plan = "echo always >/sys/kernel/mm/transparent_hugepage/enabled",
        },
};

const struct fix *fix_for(enum remedy remedy)
{
        for (size_t i = 0; i < ELEMENTSOF(fixes); i++)
                if (fixes[i].remedy == remedy)
                        return &fixes[i];
        return NULL;
}

/* Whether the remedy gives a BAR of that size more than it has now. */
static bool helps(const struct host *h, enum remedy remedy, enum emulator_generation g, uint64_t size)
{
        struct verdict now = verdict_bar(&h->kernel, &h->module, g, size), then;
        struct kernel_facts k = h->kernel;
        struct module_facts m = h->module;

        if (!remedy_assume(remedy, &k, &m))
                return false;
        then = verdict_bar(&k, &m, g, size);
        if (then.limit == CONDITION_UNKNOWN)
                /* What limits it next cannot be seen; that this limit goes is sure. */
                return now.limit == CONDITION_PLACEMENT && remedy == REMEDY_MODULE;
        return then.page_size > now.page_size;
}

static enum emulator_generation guest_generation(struct host *h, const struct guest *g)
{
        const struct emulator *e = g->emulator ? emulator_facts_get(&h->emulators, h->root, g->emulator) : NULL;

        return e ? e->generation : GENERATION_UNKNOWN;
}

struct guest_verdict guest_verdict(struct host *h, const struct guest *g)
{
        enum emulator_generation generation = guest_generation(h, g);
        struct guest_verdict worst = {};
        uint64_t most = 0, largest = 0;

        for (size_t i = 0; i < g->n_hostdevs; i++) {
                const struct device *d = device_facts_find(&h->devices, g->hostdevs[i].bdf);

                for (size_t b = 0; d && b < d->n_bars; b++) {
                        uint64_t size = d->bars[b].size;
                        struct verdict v = verdict_bar(&h->kernel, &h->module, generation, size);
                        uint64_t by = verdict_shortfall(&h->kernel, &v, size);

                        if (size < h->kernel.pmd_size || by < most || (by == most && size <= largest))
                                continue;
                        most = by;
                        largest = size;
                        worst.verdict = v;
                        worst.best_page_size = verdict_best_page(&h->kernel, size);
                        memcpy(worst.bdf, d->bdf, sizeof(bdf_t));
                }
        }
        return worst;
}

static bool helps_device(const struct host *h, enum remedy remedy, enum emulator_generation g, const struct device *d)
{
        for (size_t i = 0; i < d->n_bars; i++)
                if (helps(h, remedy, g, d->bars[i].size))
                        return true;
        return false;
}

const struct fix *fix_for_guest(struct host *h, const struct guest *g)
{
        enum emulator_generation generation = guest_generation(h, g);

        for (size_t i = 0; i < ELEMENTSOF(fixes); i++)
                for (size_t k = 0; k < g->n_hostdevs; k++) {
                        const struct device *d = device_facts_find(&h->devices, g->hostdevs[k].bdf);

                        if (d && helps_device(h, fixes[i].remedy, generation, d))
                                return &fixes[i];
                }
        return NULL;
}

const struct fix *fix_for_host(const struct host *h)
{
        for (size_t i = 0; i < ELEMENTSOF(fixes); i++)
                for (size_t k = 0; k < h->devices.n_devices; k++) {
                        const struct device *d = &h->devices.devices[k];

                        if (device_is_assignable(d) && helps_device(h, fixes[i].remedy, GENERATION_NONE, d))
                                return &fixes[i];
                }
        return NULL;
}
