/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "what-if.h"

#include <assert.h>

#include "emulator-fit.h"
#include "util/macro.h"

#define MODULE_AND_THP (FIX_BIT(FIX_MODULE) | FIX_BIT(FIX_THP))

/* Copies of the facts that decide what a BAR gets, for a fix to change. The host owns what they point to. */
struct what_if {
        struct kernel_facts kernel;
        struct module_facts module;
        struct placer placer;
        const struct emulator *emulator; /* what FIX_EMULATOR would start the guest with; NULL: unknown */
};

/* m: the module's facts, which need not be the host's. */
static struct what_if what_if_now(const struct host *h, const struct module_facts *m, struct placer placer)
{
        return (struct what_if){ .kernel = h->kernel, .module = *m, .placer = placer };
}

static bool assume_module(struct what_if *w)
{
        if (w->module.enabled.value == FACT_YES || w->module.loadable.value == FACT_NO)
                return false;
        w->module.loaded = w->module.enabled = fact_is(true, SOURCE_NONE);
        return true;
}

static bool assume_emulator(struct what_if *w)
{
        if (!w->emulator)
                return false;
        w->placer = placer_emulator(w->emulator);
        return true;
}

/* The library acts only on a mapping for which the program names no address, and only in a program into
 * which it can be loaded by what the fix sets up: the environment of libvirt's QEMU driver. */
static bool assume_preload(struct what_if *w)
{
        if (generation_aligns(w->placer.generation) || w->placer.preload || w->placer.unpreloadable)
                return false;
        w->placer.preload = true;
        w->placer.advises = FACT_YES;
        return true;
}

static bool assume_thp(struct what_if *w)
{
        if (w->kernel.thp == THP_ALWAYS || w->kernel.thp == THP_UNKNOWN ||
            w->kernel.thp_exempt.value == FACT_YES)
                return false;
        w->kernel.thp = THP_ALWAYS;
        return true;
}

/* How each fix changes the facts. False if it cannot be applied or is in force already. A fix without a row
 * changes no page size. */
static bool (*const fix_assume[_FIX_ID_MAX])(struct what_if *w) = {
        [FIX_MODULE] = assume_module,
        [FIX_EMULATOR] = assume_emulator,
        [FIX_PRELOAD] = assume_preload,
        [FIX_THP] = assume_thp,
};

/* Which page sizes VFIO gets on a newer kernel, where this one has no huge entries at all. 1 GiB is on
 * x86-64 alone, and which machine this is does not matter to a kernel without: 2 MiB is sure. */
static void assume_huge_entries(struct kernel_facts *k)
{
        if (k->huge_pmd.value == FACT_YES)
                return;
        k->huge_pmd = fact_is(true, SOURCE_NONE);
        k->huge_pud = fact_is(false, SOURCE_NONE);
        k->fault_fills = fact_is(false, SOURCE_NONE);
}

static bool assume_newer_kernel(struct what_if *w)
{
        struct kernel_facts *k = &w->kernel;

        if (k->pin_by_leaf.value != FACT_NO || k->huge_pmd.value == FACT_UNKNOWN ||
            (k->huge_pmd.value == FACT_NO && k->fault_fills.value != FACT_YES))
                return false;
        k->pin_by_leaf = fact_is(true, SOURCE_NONE);
        assume_huge_entries(k);
        /* Linux 6.13 ended what aligned mappings by accident. */
        if (k->aligns.value != FACT_YES)
                k->places_pmd = k->places_pud = fact_is(false, SOURCE_NONE);
        return true;
}

static bool what_if_assume(struct what_if *w, unsigned fixes)
{
        if (fixes & WHAT_IF_NEWER_KERNEL && !assume_newer_kernel(w))
                return false;
        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++)
                if (fixes & FIX_BIT(id) && (!fix_assume[id] || !fix_assume[id](w)))
                        return false;
        return true;
}

/* What is mapped: one area, the BARs of any device that could be assigned, or those of a guest. */
struct subject {
        const struct host *host;
        const struct area *area;
        const struct mapping_process *process; /* the process that maps the area, or NULL */
        const struct guest *guest;
};

/* Whether `then` surely gives more than `now`. */
typedef bool (*gains_t)(const struct what_if *now, const struct what_if *then, const struct subject *s);

static bool verdict_gains(const struct kernel_facts *k, const struct verdict *now,
                          const struct verdict *then)
{
        /* The next limit is unknown, but this one surely goes away. */
        if (then->limit == CONDITION_UNKNOWN)
                return now->limit == CONDITION_PLACEMENT || now->limit == CONDITION_THP;
        return then->page_size > (now->page_size ?: k->page_size);
}

static struct verdict what_if_verdict(const struct what_if *w, const struct subject *s)
{
        struct fact thp = s->process ? s->process->thp : fact_unknown(NULL);
        struct kernel_facts k = kernel_facts_of_process(&w->kernel, thp);

        return verdict_area(&k, &w->module, w->placer, s->area);
}

static bool area_gains(const struct what_if *now, const struct what_if *then, const struct subject *s)
{
        struct verdict a = what_if_verdict(now, s), b = what_if_verdict(then, s);

        return verdict_gains(&now->kernel, &a, &b);
}

static bool device_gains(const struct what_if *now, const struct what_if *then, const struct device *d)
{
        for (size_t i = 0; i < d->n_bars; i++) {
                const struct area whole = { .region_size = d->bars[i].size, .size = d->bars[i].size };

                /* Nothing is known about a region that the driver exposes instead of the BAR. */
                if (bar_is_mappable(&d->bars[i]) && !bar_is_unknown(&d->bars[i]) &&
                    area_gains(now, then, &(struct subject){ .area = &whole }))
                        return true;
        }
        return false;
}

/* There can be hundreds of equal virtual functions, one after the other: trying one of them is enough. */
static bool device_has_same_bars(const struct device *a, const struct device *b)
{
        if (a->n_bars != b->n_bars)
                return false;
        for (size_t i = 0; i < a->n_bars; i++)
                if (a->bars[i].size != b->bars[i].size ||
                    bar_is_unknown(&a->bars[i]) != bar_is_unknown(&b->bars[i]) ||
                    bar_is_mappable(&a->bars[i]) != bar_is_mappable(&b->bars[i]))
                        return false;
        return true;
}

static bool any_device_gains(const struct what_if *now, const struct what_if *then, const struct subject *s)
{
        const struct device_facts *f = &s->host->devices;
        const struct device *tried = NULL;

        for (size_t i = 0; i < f->n_devices; i++) {
                const struct device *d = &f->devices[i];

                if (!device_is_assignable(d) || (tried && device_has_same_bars(d, tried)))
                        continue;
                if (device_gains(now, then, d))
                        return true;
                tried = d;
        }
        return false;
}

static bool guest_gains(const struct what_if *now, const struct what_if *then, const struct subject *s)
{
        for (size_t i = 0; i < s->guest->n_hostdevs; i++) {
                const struct hostdev *hostdev = &s->guest->hostdevs[i];
                const struct device *d = device_facts_find(&s->host->devices, hostdev->bdf);

                if (hostdev_has_no_bars(hostdev))
                        continue;
                if (d && device_gains(now, then, d))
                        return true;
                /* libvirt picks the function when the guest starts, so it can be any. */
                if (hostdev->kind == HOSTDEV_NETWORK && !*hostdev->bdf && any_device_gains(now, then, s))
                        return true;
        }
        return false;
}

/* Everything but the kernel's part goes through libvirt: its daemon's environment, or an edit of a domain.
 */
static bool fix_reaches(const struct guest *g, unsigned fixes)
{
        return !g || g->manager == GUEST_OF_LIBVIRT || !(fixes & ~(MODULE_AND_THP | WHAT_IF_NEWER_KERNEL));
}

static struct help help_of(const struct what_if *now, gains_t gains, const struct subject *s)
{
        struct help help = { .emulator = now->emulator };
        struct what_if then;

        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++) {
                then = *now;
                if (fix_reaches(s->guest, FIX_BIT(id)) && what_if_assume(&then, FIX_BIT(id)) &&
                    gains(now, &then, s))
                        help.alone |= FIX_BIT(id);
        }
        if (help.alone & MODULE_AND_THP)
                return help;
        then = *now;
        help.together = what_if_assume(&then, MODULE_AND_THP) && gains(now, &then, s);
        return help;
}

unsigned help_all(const struct help *help)
{
        assert(help);

        return help->alone | (help->together ? MODULE_AND_THP : 0);
}

unsigned help_choose(const struct help *help, unsigned allowed)
{
        assert(help);

        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++)
                if (help->alone & allowed & FIX_BIT(id))
                        return FIX_BIT(id);
        return help->together && (allowed & MODULE_AND_THP) == MODULE_AND_THP ? MODULE_AND_THP : 0;
}

struct help help_area(const struct host *h, struct placer placer, const struct area *area)
{
        struct what_if now;

        assert(h);
        assert(area);

        now = what_if_now(h, &h->module, placer);
        return help_of(&now, area_gains, &(struct subject){ .host = h, .area = area });
}

static const struct emulator *find_better_emulator(const struct what_if *now, const struct subject *s)
{
        const struct emulator_facts *f = &s->host->emulators;
        const struct emulator *own = guest_emulator(s->host, s->guest);

        for (size_t i = 0; i < f->n_emulators; i++) {
                const struct emulator *e = &f->emulators[i];
                struct what_if then = *now;

                if (e == own || !emulator_is_hosts(e) || !generation_aligns(e->generation))
                        continue;
                then.emulator = e;
                if (what_if_assume(&then, FIX_BIT(FIX_EMULATOR)) && guest_gains(now, &then, s) &&
                    emulator_fits_guest(s->host->root, e, s->guest))
                        return e;
        }
        return NULL;
}

static struct help help_guest_with(const struct host *h, const struct module_facts *m, const struct guest *g,
                                   const struct emulator *emulator)
{
        struct subject s = { .host = h, .guest = g };
        struct what_if now = what_if_now(h, m, guest_placer(h, g));

        if (g->manager == GUEST_OF_LIBVIRT)
                now.emulator = emulator ?: find_better_emulator(&now, &s);
        return help_of(&now, guest_gains, &s);
}

struct help help_guest(const struct host *h, const struct guest *g, const struct emulator *emulator)
{
        assert(h);
        assert(g);

        return help_guest_with(h, &h->module, g, emulator);
}

static uint64_t mapping_region_size(const struct host *h, const struct mapping *m)
{
        const struct device *d = device_facts_find(&h->devices, m->bdf);

        for (size_t i = 0; d && i < d->n_bars; i++)
                if (d->bars[i].index == m->region && d->bars[i].size >= m->offset + m->size)
                        return d->bars[i].size;
        return m->offset + m->size;
}

/* Whether libvirt's daemon has started the process, or may have. The library is in the environment that the
 * fix gives to that daemon, or to a guest. */
static bool libvirt_started(const struct host *h, pid_t pid)
{
        const struct libvirt_guest *g = libvirt_facts_find_pid(&h->libvirt, pid);

        if (g)
                return g->xml.manager == GUEST_OF_LIBVIRT;
        return h->libvirt.installed.value != FACT_NO && h->libvirt.readable.value == FACT_UNKNOWN;
}

static struct area mapping_area(const struct host *h, const struct mapping *m)
{
        return (struct area){
                .region_size = mapping_region_size(h, m),
                .offset = m->offset,
                .size = m->size,
        };
}

static struct subject mapping_subject(const struct host *h, const struct mapping *m, const struct area *area)
{
        return (struct subject){
                .host = h,
                .area = area,
                .process = mapping_facts_find_process(&h->mappings, m->pid),
        };
}

static struct help help_mapping_with(const struct host *h, const struct module_facts *m,
                                     const struct mapping *mapping)
{
        const struct area area = mapping_area(h, mapping);
        const struct subject s = mapping_subject(h, mapping, &area);
        struct what_if now = what_if_now(h, m, process_placer(h, mapping->pid));
        struct help help = help_of(&now, area_gains, &s);

        if (!libvirt_started(h, mapping->pid))
                help.alone &= ~FIX_BIT(FIX_PRELOAD);
        return help;
}

struct help help_mapping(const struct host *h, const struct mapping *m)
{
        assert(h);
        assert(m);

        return help_mapping_with(h, &h->module, m);
}

static void help_merge(struct help *sum, struct help help)
{
        sum->alone |= help.alone;
        sum->together = (sum->together || help.together) && !(sum->alone & MODULE_AND_THP);
}

/* The mappings of such a process are covered by its guest. */
static bool is_guest_process(const struct host *h, pid_t pid)
{
        const struct libvirt_guest *g = libvirt_facts_find_pid(&h->libvirt, pid);

        return g && g->xml.n_hostdevs > 0;
}

/* Adds what helps the guests and processes that have a device now. Returns whether there are any. */
static bool help_add_users(struct help *sum, const struct host *h, const struct module_facts *m)
{
        bool any = false;

        for (size_t i = 0; i < h->libvirt.n_guests; i++) {
                const struct guest *g = &h->libvirt.guests[i].xml;

                if (g->n_hostdevs == 0)
                        continue;
                help_merge(sum, help_guest_with(h, m, g, NULL));
                any = true;
        }
        for (size_t i = 0; i < h->mappings.n_mappings; i++) {
                const struct mapping *mapping = &h->mappings.mappings[i];

                if (is_guest_process(h, mapping->pid))
                        continue;
                help_merge(sum, help_mapping_with(h, m, mapping));
                any = true;
        }
        return any;
}

bool users_are_unseen(const struct host *h)
{
        assert(h);

        return h->mappings.complete.value == FACT_UNKNOWN ||
               ((h->libvirt.installed.value != FACT_NO || h->libvirt.proxmox) &&
                h->libvirt.readable.value == FACT_UNKNOWN);
}

static void help_add_placer(struct help *sum, const struct host *h, const struct module_facts *m,
                            struct placer placer)
{
        struct what_if now = what_if_now(h, m, placer);

        help_merge(sum, help_of(&now, any_device_gains, &(struct subject){ .host = h }));
}

static struct help help_host_with(const struct host *h, const struct module_facts *m)
{
        struct help help = {};

        if (help_add_users(&help, h, m)) {
                help.here = help_all(&help);
                return help;
        }

        for (size_t i = 0; i < h->emulators.n_emulators; i++) {
                const struct emulator *e = &h->emulators.emulators[i];

                if (!e->replaced && !e->container)
                        help_add_placer(&help, h, m, placer_emulator(e));
        }
        /* There may be guests and mappings that could not be seen, made by these emulators. */
        if (users_are_unseen(h))
                help.here = help_all(&help);
        help_add_placer(&help, h, m, PLACER_PROGRAM);
        return help;
}

struct help help_host(const struct host *h)
{
        assert(h);

        return help_host_with(h, &h->module);
}

struct help help_host_unless_forbidden(const struct host *h)
{
        struct module_facts allowed;

        assert(h);

        allowed = h->module;
        if (allowed.loadable.value == FACT_NO)
                allowed.loadable = fact_unknown(NULL);
        return help_host_with(h, &allowed);
}

struct help help_host_without_module(const struct host *h)
{
        struct module_facts without;

        assert(h);

        without = h->module;
        without.loaded = without.enabled = without.alive = fact_is(false, SOURCE_NONE);
        without.loadable = fact_unknown(NULL);
        return help_host_with(h, &without);
}

bool what_if_area(const struct host *h, struct placer placer, const struct area *area, unsigned fixes,
                  struct verdict *ret)
{
        struct what_if w;

        assert(h);
        assert(area);
        assert(ret);

        w = what_if_now(h, &h->module, placer);
        if (!what_if_assume(&w, fixes))
                return false;
        *ret = verdict_area(&w.kernel, &w.module, w.placer, area);
        return true;
}

bool what_if_mapping(const struct host *h, const struct mapping *m, unsigned fixes, struct verdict *ret)
{
        struct subject s;
        struct area area;
        struct what_if w;

        assert(h);
        assert(m);
        assert(ret);

        w = what_if_now(h, &h->module, process_placer(h, m->pid));
        if (!what_if_assume(&w, fixes))
                return false;
        area = mapping_area(h, m);
        s = mapping_subject(h, m, &area);
        *ret = what_if_verdict(&w, &s);
        return true;
}

bool what_if_guest(const struct host *h, const struct guest *g, unsigned fixes,
                   const struct emulator *emulator, struct guest_cost *ret)
{
        struct what_if w;

        assert(h);
        assert(g);
        assert(ret);

        w = what_if_now(h, &h->module, guest_placer(h, g));
        w.emulator = emulator;
        if (!fix_reaches(g, fixes) || !what_if_assume(&w, fixes))
                return false;
        *ret = guest_cost(&h->devices, g, &w.kernel, &w.module, w.placer, 0);
        return true;
}
