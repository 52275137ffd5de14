/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-cost.h"

#include <assert.h>

#include "emulator-fit.h"
#include "util/macro.h"

/* clang-format off */
static const char *const dma_route_table[_DMA_ROUTE_MAX] = {
        [DMA_ROUTE_UNKNOWN] = "unknown",
        [DMA_ROUTE_TYPE1] = "type1",
        [DMA_ROUTE_NONE] = "none",
        [DMA_ROUTE_DMA_BUF] = "dma-buf",
};
/* clang-format on */
DEFINE_STRING_TABLE(dma_route, enum dma_route);

/* A trace event of hw/vfio/region.c, where QEMU 11 exports BARs */
#define QEMU_DMA_BUF "vfio_region_dmabuf"

const struct emulator *guest_emulator(const struct host *h, const struct guest *g)
{
        assert(h);
        assert(g);

        if (g->emulator)
                return emulator_facts_by_name(&h->emulators, g->emulator);
        for (size_t i = 0; i < h->emulators.n_emulators; i++)
                if (h->emulators.emulators[i].distribution)
                        return &h->emulators.emulators[i];
        return NULL;
}

struct placer guest_placer(const struct host *h, const struct guest *g)
{
        struct placer placer = placer_emulator(guest_emulator(h, g));

        /* The domain's own LD_PRELOAD replaces the daemon's. */
        placer.preload = g->preload ? strstr(g->preload, PRELOAD_NAME) != NULL
                                    : h->libvirt.preload.value == FACT_YES;
        placer.preload = placer.preload && !placer.unpreloadable;
        if (placer.preload)
                placer.advises = FACT_YES;
        return placer;
}

/* Whether QEMU has iommufd map BARs as dma-bufs. Without the event's name only an older one surely does not.
 */
static enum fact_value emulator_exports_bars(const struct root *root, const struct emulator *e)
{
        struct fact has = emulator_has_text(root, e, QEMU_DMA_BUF);

        if (has.value == FACT_NO && e->generation != GENERATION_NONE && e->generation != GENERATION_PER_AREA)
                return FACT_UNKNOWN;
        return has.value;
}

enum dma_route guest_dma_route(const struct host *h, const struct guest *g, const struct hostdev *hostdev)
{
        enum fact_value exports;

        assert(h);
        assert(g);
        assert(hostdev);

        if (hostdev_has_no_bars(hostdev))
                return DMA_ROUTE_NONE;
        if (!hostdev->iommufd)
                return DMA_ROUTE_TYPE1;
        if (h->kernel.dma_buf.value == FACT_NO)
                return DMA_ROUTE_NONE;
        exports = emulator_exports_bars(h->root, guest_emulator(h, g));
        if (exports == FACT_NO)
                return DMA_ROUTE_NONE;
        return exports == FACT_YES && h->kernel.dma_buf.value == FACT_YES ? DMA_ROUTE_DMA_BUF
                                                                          : DMA_ROUTE_UNKNOWN;
}

bool process_uses_iommufd(const struct mapping_facts *f, pid_t pid)
{
        assert(f);

        for (size_t i = 0; i < f->n_holders; i++)
                if (f->holders[i].pid == pid && f->holders[i].iommufd)
                        return !f->holders[i].container;
        return false;
}

/* IOMMU_IOAS_MAP refuses the addresses of a BAR and touches nothing, and a dma-buf has no addresses: the
 * pages are filled one by one when the guest uses them. */
static void spare_start(struct verdict *v)
{
        v->faults = v->pin_steps = 0;
}

void count_add(uint64_t *sum, uint64_t n)
{
        assert(sum);

        if (*sum != COUNT_UNKNOWN)
                *sum = n == COUNT_UNKNOWN ? COUNT_UNKNOWN : *sum + n;
}

static void add_bar(struct guest_cost *c, const struct kernel_facts *k, const struct verdict *v,
                    uint64_t size, uint64_t from, const char *bdf)
{
        uint64_t by = verdict_shortfall(k, v, size), most = c->best_page_size / (c->worst.page_size ?: 1);

        count_add(&c->faults, v->faults);
        count_add(&c->pin_steps, v->pin_steps);
        c->n_bars++;
        if (size < k->pmd_size || size < from || by < most || (by == most && size <= c->largest))
                return;
        c->worst = *v;
        c->largest = size;
        c->best_page_size = verdict_best_page(k, size);
        memcpy(c->bdf, bdf, sizeof(bdf_t));
}

/* Why nothing is predicted of the BAR. */
static const char *reason_of_bar(const struct bar *b)
{
        if (b->unassigned)
                return "a BAR of its device has no address";
        if (b->reserved_by)
                return "a part of a BAR of its device is reserved for something else";
        if (b->replaced)
                return "the driver of its device has regions of its own";
        return "a framebuffer may have reserved a part of its device, which could not be seen";
}

static void add_device(struct guest_cost *c, const struct device *d, const struct kernel_facts *k,
                       const struct module_facts *m, struct placer placer, bool iommufd, uint64_t from)
{
        for (size_t i = 0; i < d->n_bars; i++) {
                const struct area whole = { .region_size = d->bars[i].size, .size = d->bars[i].size };
                struct verdict v;

                if (!bar_is_mappable(&d->bars[i]) || bar_is_unknown(&d->bars[i])) {
                        c->incomplete = true;
                        /* What is wrong is said first. */
                        if (!c->why || !bar_is_mappable(&d->bars[i]))
                                c->why = reason_of_bar(&d->bars[i]);
                        c->faults = c->pin_steps = COUNT_UNKNOWN;
                        continue;
                }
                v = verdict_area(k, m, placer, &whole);
                if (iommufd)
                        spare_start(&v);
                add_bar(c, k, &v, d->bars[i].size, from, d->bdf);
        }
}

/* Why nothing is known of the BARs of a function that is not in the list. */
static const char *unknown_reason(const struct device_facts *devices, const struct hostdev *hostdev)
{
        if (hostdev->kind == HOSTDEV_MDEV)
                return "its mediated device decides what is mapped";
        if (!*hostdev->bdf)
                return "which function it gets is decided at its start";
        return devices->listed.value == FACT_YES ? "its device is not on this host"
                                                 : "the devices of this host could not be listed";
}

struct guest_cost guest_cost(const struct device_facts *devices, const struct guest *g,
                             const struct kernel_facts *k, const struct module_facts *m,
                             struct placer placer, uint64_t from)
{
        struct guest_cost c = {};

        assert(devices);
        assert(g);
        assert(k);
        assert(m);

        for (size_t i = 0; i < g->n_hostdevs; i++) {
                const struct hostdev *hostdev = &g->hostdevs[i];
                const struct device *d = device_facts_find(devices, hostdev->bdf);

                if (hostdev_has_no_bars(hostdev))
                        continue;
                if (d)
                        add_device(&c, d, k, m, placer, hostdev->iommufd, from);
                else {
                        c.incomplete |= !*hostdev->bdf;
                        c.why = c.why ?: unknown_reason(devices, hostdev);
                }
        }
        return c;
}

struct placer process_placer(const struct host *h, pid_t pid)
{
        return placer_emulator(emulator_facts_of_process(&h->emulators, pid));
}

struct guest_cost process_cost(const struct host *h, pid_t pid)
{
        const struct mapping_process *p = mapping_facts_find_process(&h->mappings, pid);
        struct placer placer = process_placer(h, pid);
        const bool iommufd = process_uses_iommufd(&h->mappings, pid);
        struct guest_cost c = {};

        for (size_t i = 0; i < h->mappings.n_mappings; i++) {
                const struct mapping *m = &h->mappings.mappings[i];
                struct verdict v;

                if (m->pid != pid)
                        continue;
                v = verdict_mapping(&h->kernel, p ? p->thp : fact_unknown(NULL), placer, m);
                if (iommufd)
                        spare_start(&v);
                add_bar(&c, &h->kernel, &v, m->size, 0, m->bdf);
        }
        return c;
}

struct guest_cost host_cost(const struct host *h)
{
        struct guest_cost sum = {};

        assert(h);

        for (size_t i = 0; i < h->libvirt.n_guests; i++) {
                const struct libvirt_guest *g = &h->libvirt.guests[i];
                struct guest_cost c = {};

                if (g->running && g->pid > 0)
                        c = process_cost(h, g->pid);
                if (c.n_bars == 0)
                        c = guest_cost(&h->devices, &g->xml, &h->kernel, &h->module,
                                       guest_placer(h, &g->xml), 0);
                count_add(&sum.faults, c.faults);
                count_add(&sum.pin_steps, c.pin_steps);
                sum.n_bars += c.n_bars;
        }
        return sum;
}
