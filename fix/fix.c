/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix.h"

#include "audit/guest-cost.h"
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
        {
                .id = "preload",
                .remedy = REMEDY_PRELOAD,
                .policy = suggest_only,
                .plan = "start QEMU with LD_PRELOAD=libvfioalign-preload.so, by a drop-in of libvirt's daemon",
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
static bool helps(const struct host *h, enum remedy remedy, struct placer placer, uint64_t size)
{
        const struct area whole = {.region_size = size, .size = size};
        struct verdict now = verdict_area(&h->kernel, &h->module, placer, &whole), then;
        struct kernel_facts k = h->kernel;
        struct module_facts m = h->module;

        if (!remedy_assume(remedy, &k, &m, &placer))
                return false;
        then = verdict_area(&k, &m, placer, &whole);
        if (then.limit == CONDITION_UNKNOWN)
                /* What limits it next cannot be seen; that this limit goes is sure. */
                return now.limit == CONDITION_PLACEMENT && remedy == REMEDY_MODULE;
        return then.page_size > now.page_size;
}

static bool helps_device(const struct host *h, enum remedy remedy, struct placer placer, const struct device *d)
{
        for (size_t i = 0; i < d->n_bars; i++)
                if (helps(h, remedy, placer, d->bars[i].size))
                        return true;
        return false;
}

const struct fix *fix_for_guest(const struct host *h, const struct guest *g)
{
        for (size_t i = 0; i < ELEMENTSOF(fixes); i++)
                for (size_t k = 0; k < g->n_hostdevs; k++) {
                        const struct device *d = device_facts_find(&h->devices, g->hostdevs[k].bdf);

                        if (d && helps_device(h, fixes[i].remedy, guest_placer(h, g), d))
                                return &fixes[i];
                }
        return NULL;
}

const struct fix *fix_for_host(const struct host *h)
{
        for (size_t i = 0; i < ELEMENTSOF(fixes); i++)
                for (size_t k = 0; k < h->devices.n_devices; k++) {
                        const struct device *d = &h->devices.devices[k];

                        if (device_is_assignable(d) && helps_device(h, fixes[i].remedy, PLACER_PROGRAM, d))
                                return &fixes[i];
                }
        return NULL;
}
