/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "need.h"

#include <assert.h>

#include "guest-cost.h"
#include "what-if.h"

static const struct need_type need_types[_NEED_MAX] = {
        [NEED_QUARANTINE] = { "quarantine", "an IOMMU group is neither with VFIO nor with its drivers",
                              "vfioalignctl unbind ADDRESS" },
        [NEED_MODULE_DEAD] = { "module-dead", "the module claims to be active but is not",
                               "vfioalignctl fix revert module && vfioalignctl fix apply module" },
        [NEED_MODULE] = { "module", "nobody aligns the BARs of guests, and the module is not in force",
                          "vfioalignctl fix apply module" },
        [NEED_MODULE_INSTALL] = { "module-install",
                                  "nobody aligns the BARs of guests, and the module is not installed for "
                                  "the running kernel",
                                  "install vfioalign-dkms" },
        [NEED_MODULE_KEY] = { "module-key",
                              "nobody aligns the BARs of guests, and the kernel does not trust the "
                              "module's signature",
                              "enroll the module's key; or vfioalignctl fix apply preload" },
        [NEED_THP] = { "thp", "transparent_hugepage/enabled keeps guests from large pages",
                       "vfioalignctl fix apply thp" },
        [NEED_PRELOAD] = { "preload", "nobody aligns the BARs of guests, and the module cannot be loaded",
                           "vfioalignctl fix apply preload" },
        [NEED_KERNEL] = { "kernel",
                          "the kernel has no huge pages for VFIO, or maps BARs for DMA page by page",
                          "a kernel that maps VFIO devices by huge pages" },
        [NEED_HOOK] = { "hook", "libvirt does not call the hook",
                        "systemctl reload libvirtd (or virtqemud)" },
        [NEED_UNSEEN] = { "unseen", "what decides could not be seen", "run it as root: vfioalignctl audit" },
        [NEED_NONE] = { "none", "nothing has to be done", NULL },
};

const struct need_type *need_type(enum need_id id)
{
        assert(id >= 0 && id < _NEED_MAX);

        return &need_types[id];
}

const char *need_to_string(enum need_id id)
{
        return id >= 0 && id < _NEED_MAX ? need_types[id].name : NULL;
}

enum need_id need_from_string(const char *name)
{
        for (enum need_id id = 0; name && id < _NEED_MAX; id++)
                if (streq(need_types[id].name, name))
                        return id;
        return _NEED_INVALID;
}

/* What can be done, the cheapest first, and nothing before anything: a guest that was started before the
 * module was loaded only has to be started again. */
static const unsigned remedies[] = {
        0,
        FIX_BIT(FIX_MODULE),
        FIX_BIT(FIX_PRELOAD),
        FIX_BIT(FIX_THP),
        FIX_BIT(FIX_MODULE) | FIX_BIT(FIX_THP),
};

/* A guest, or a process that belongs to none. */
struct user {
        const struct guest *guest;
        pid_t pid; /* 0: it does not run, or cannot be seen */
};

/* What a user has now, or would have at its next start. */
struct outcome {
        bool is_short, is_unknown;
        enum condition limit;
        uint64_t page_size; /* of the BAR that falls furthest short; 0: unknown */
        uint64_t faults, pin_steps;
};

/* What no remedy is about: the BAR, or a part of it that is mapped, has no room for a larger page. */
static bool is_short_of(const struct verdict *v, uint64_t best)
{
        return v->page_size > 0 && v->page_size < best && v->limit != CONDITION_BAR_SIZE;
}

static struct outcome outcome_of_cost(const struct guest_cost *c)
{
        return (struct outcome){
                .is_short = is_short_of(&c->worst, c->best_page_size),
                /* Where `why` is set, no fact of the host is missing. */
                .is_unknown = c->n_bars > 0 && c->worst.limit == CONDITION_UNKNOWN && !c->why,
                .limit = c->worst.limit,
                .page_size = c->worst.page_size,
                .faults = c->faults,
                .pin_steps = c->pin_steps,
        };
}

/* What the user has: measured where that can be, as the report shows it. */
static struct outcome outcome_now(const struct host *h, const struct user *u)
{
        struct guest_cost cost = {};

        if (u->pid > 0)
                cost = process_cost(h, u->pid);
        if (cost.n_bars == 0 && u->guest)
                cost = guest_cost(&h->devices, u->guest, &h->kernel, &h->module, guest_placer(h, u->guest),
                                  0);
        return outcome_of_cost(&cost);
}

/* The same mappings made again. A fix that does not reach one of them leaves it as it would be without. */
static struct outcome process_then(const struct host *h, pid_t pid, unsigned fixes)
{
        struct outcome o = { .limit = CONDITION_NONE };
        uint64_t most = 0;

        for (size_t i = 0; i < h->mappings.n_mappings; i++) {
                const struct mapping *m = &h->mappings.mappings[i];
                unsigned able = fixes;
                struct verdict v;
                uint64_t by;

                if (m->pid != pid)
                        continue;
                if (able & FIX_BIT(FIX_PRELOAD) && !(help_mapping(h, m).alone & FIX_BIT(FIX_PRELOAD)))
                        able = 0;
                if (!what_if_mapping(h, m, able, &v) && !what_if_mapping(h, m, 0, &v))
                        continue;
                count_add(&o.faults, v.faults);
                count_add(&o.pin_steps, v.pin_steps);
                by = verdict_shortfall(&h->kernel, &v, m->size);
                if (by < most)
                        continue;
                most = by;
                o.is_short = is_short_of(&v, verdict_best_page(&h->kernel, m->size));
                o.is_unknown = v.limit == CONDITION_UNKNOWN;
                o.limit = v.limit;
                o.page_size = v.page_size;
        }
        return o;
}

/* What the user would have at its next start. */
static struct outcome outcome_then(const struct host *h, const struct user *u, unsigned fixes)
{
        struct guest_cost cost;

        if (!u->guest)
                return process_then(h, u->pid, fixes);
        if (!what_if_guest(h, u->guest, fixes, NULL, &cost))
                (void) what_if_guest(h, u->guest, 0, NULL, &cost);
        return outcome_of_cost(&cost);
}

/* The i-th user of the host: guests first, then processes. False: there are no more, or this one is none. */
static bool user_get(const struct host *h, size_t i, struct user *ret)
{
        const struct libvirt_guest *g;

        if (i < h->libvirt.n_guests) {
                g = &h->libvirt.guests[i];
                *ret = (struct user){ &g->xml, g->running ? g->pid : 0 };
                return g->xml.n_hostdevs > 0;
        }
        *ret = (struct user){ .pid = h->mappings.processes[i - h->libvirt.n_guests].pid };
        g = libvirt_facts_find_pid(&h->libvirt, ret->pid);
        return !g || g->xml.n_hostdevs == 0;
}

static size_t user_count(const struct host *h)
{
        return h->libvirt.n_guests + h->mappings.n_processes;
}

/* What a remedy does for those that are short now. */
struct remedy {
        unsigned fixes;
        size_t n_best, n_better; /* how many get their best pages; larger ones */
        bool lacks_huge_fault;   /* one is left to which only another kernel gives more */
        uint64_t faults, pin_steps;
};

static struct remedy remedy_try(const struct host *h, unsigned fixes)
{
        struct remedy r = { .fixes = fixes };
        struct user u;

        for (size_t i = 0; i < user_count(h); i++) {
                struct outcome now, then;

                if (!user_get(h, i, &u))
                        continue;
                now = outcome_now(h, &u);
                if (!now.is_short)
                        continue;
                then = outcome_then(h, &u, fixes);
                r.n_best += then.page_size > 0 && !then.is_short;
                r.n_better += then.page_size > now.page_size;
                r.lacks_huge_fault |= then.is_short && then.limit == CONDITION_HUGE_FAULT;
                count_add(&r.faults, then.faults);
                count_add(&r.pin_steps, then.pin_steps);
        }
        return r;
}

static bool is_better(const struct remedy *a, const struct remedy *b)
{
        return a->n_best > b->n_best || (a->n_best == b->n_best && a->n_better > b->n_better);
}

static struct remedy remedy_choose(const struct host *h)
{
        struct remedy best = remedy_try(h, remedies[0]);

        for (size_t i = 1; i < ELEMENTSOF(remedies); i++) {
                struct remedy r = remedy_try(h, remedies[i]);

                if (is_better(&r, &best))
                        best = r;
        }
        return best;
}

/* Whether nothing but its signature keeps the module from being loaded. */
static bool module_lacks_key(const struct module_facts *m)
{
        return m->loadable.value == FACT_NO && m->loadable.source == SOURCE_SYSFS &&
               m->signature_enforced.value == FACT_YES &&
               (m->is_signed.value == FACT_NO || m->key_enrolled.value == FACT_NO);
}

static enum need_id need_of_remedy(const struct host *h, const struct remedy *r)
{
        if (r->fixes & FIX_BIT(FIX_THP))
                return NEED_THP;
        if (r->fixes & FIX_BIT(FIX_PRELOAD))
                return NEED_PRELOAD;
        if (r->fixes & FIX_BIT(FIX_MODULE)) {
                if (h->module.installed.value == FACT_NO)
                        return NEED_MODULE_INSTALL;
                return module_lacks_key(&h->module) ? NEED_MODULE_KEY : NEED_MODULE;
        }
        return r->lacks_huge_fault ? NEED_KERNEL : NEED_NONE;
}

static bool has_finding(const struct findings *f, enum finding_id id)
{
        for (size_t i = 0; i < f->n_findings; i++)
                if (f->findings[i].id == id)
                        return true;
        return false;
}

/* Of the ranking by seconds: such a kernel is a warning where nothing saves more. */
static bool kernel_saves_most(const struct findings *f)
{
        for (size_t i = 0; i < f->n_findings; i++)
                if (f->findings[i].id == FINDING_KERNEL_PINS_PAGES && f->findings[i].costs >= 0 &&
                    f->findings[i].severity >= SEVERITY_WARNING)
                        return true;
        return false;
}

/* Whether somebody may map a device, and cannot be seen. */
static bool mappers_are_unseen(const struct host *h)
{
        return h->devices.listed.value == FACT_UNKNOWN || (h->devices.n_devices > 0 && users_are_unseen(h));
}

static enum need_id need_without_remedy(const struct host *h, const struct findings *f, const struct need *n)
{
        if (n->n_unknown > 0 || mappers_are_unseen(h))
                return NEED_UNSEEN;
        return has_finding(f, FINDING_HOOK_UNSEEN) ? NEED_HOOK : NEED_NONE;
}

static void count_users(const struct host *h, struct need *n)
{
        struct user u;

        for (size_t i = 0; i < user_count(h); i++) {
                struct outcome now;

                if (!user_get(h, i, &u))
                        continue;
                now = outcome_now(h, &u);
                n->n_guests++;
                n->n_unknown += now.is_unknown;
                if (!now.is_short)
                        continue;
                n->n_short++;
                if (n->page_size == 0 || now.page_size < n->page_size)
                        n->page_size = now.page_size;
                count_add(&n->faults, now.faults);
                count_add(&n->pin_steps, now.pin_steps);
        }
}

struct need need_of_host(const struct host *h, const struct findings *f)
{
        struct need n = { .id = NEED_NONE };
        struct remedy remedy;
        struct host trusted;

        assert(h);
        assert(f);

        count_users(h, &n);
        trusted = *h; /* it owns nothing */
        if (module_lacks_key(&h->module))
                trusted.module.loadable = fact_unknown(NULL);
        remedy = remedy_choose(&trusted);
        n.fixes = remedy.fixes;
        n.faults_after = remedy.faults;
        n.pin_steps_after = remedy.pin_steps;
        n.newer_kernel = kernel_saves_most(f);
        n.id = need_of_remedy(h, &remedy);
        if (n.id == NEED_NONE && n.newer_kernel)
                n.id = NEED_KERNEL;
        if (n.id == NEED_NONE)
                n.id = need_without_remedy(h, f, &n);
        if (has_finding(f, FINDING_MODULE_NOT_ALIVE))
                n.id = NEED_MODULE_DEAD;
        if (has_finding(f, FINDING_BIND_QUARANTINED))
                n.id = NEED_QUARANTINE;
        return n;
}
