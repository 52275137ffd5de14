/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transaction.h"
#include "util/macro.h"

bool bind_is_forceable(enum finding_id id)
{
        return id == FINDING_BIND_CONSOLE || id == FINDING_BIND_CLAIMED;
}

static enum finding_id finding_of_use(enum use_kind kind)
{
        switch (kind) {
        case USE_CONSOLE:
        case USE_KEYBOARD:
                return FINDING_BIND_CONSOLE;
        case USE_VFS:
                return FINDING_BIND_VIRTUAL_FUNCTIONS;
        default:
                return FINDING_BIND_IN_USE;
        }
}

static int check_uses(const struct host *h, const struct device *d, bool only_vfio, struct findings *ret)
{
        const struct device_use *uses;
        size_t n;
        int r = 0;

        uses = device_uses_find(&h->uses, d->bdf, &n);
        for (size_t i = 0; i < n && r >= 0; i++)
                if (!only_vfio || uses[i].kind == USE_GUEST || uses[i].kind == USE_PROCESS ||
                    uses[i].kind == USE_VFS)
                        r = findings_add(ret, finding_of_use(uses[i].kind), d->bdf, "%s: %s",
                                         use_kind_to_string(uses[i].kind), uses[i].what);
        return r;
}

/* libvirt takes a device with managed='yes' by itself when its guest starts, and gives it back. */
static int check_guests(const struct host *h, const struct device *d, bool returning, struct findings *ret)
{
        int r = 0;

        for (size_t i = 0; i < h->libvirt.n_guests && r >= 0; i++) {
                const struct libvirt_guest *g = &h->libvirt.guests[i];

                for (size_t k = 0; k < g->xml.n_hostdevs; k++) {
                        if (!streq(g->xml.hostdevs[k].bdf, d->bdf))
                                continue;
                        if (g->running)
                                r = findings_add(ret, FINDING_BIND_IN_USE, d->bdf,
                                                 "the guest %s runs with it", g->xml.name ?: "?");
                        else if (g->xml.hostdevs[k].managed && !returning)
                                r = findings_add(ret, FINDING_BIND_CLAIMED, d->bdf,
                                                 "libvirt binds it for the guest %s (managed='yes')",
                                                 g->xml.name ?: "?");
                        break;
                }
        }
        return r;
}

/* A claim for a VFIO driver by a module option wants what a bind wants. */
static int check_claims(const struct host *h, const struct device *d, struct findings *ret)
{
        int r = 0;

        for (size_t i = 0; i < h->claims.n_claims && r >= 0; i++) {
                const struct claim *c = &h->claims.claims[i];

                if ((c->tool == CLAIM_DRIVERCTL || c->tool == CLAIM_MDEVCTL) && claim_matches(c, d))
                        r = findings_add(ret, FINDING_BIND_CLAIMED, d->bdf, "%s (%s)",
                                         claim_tool_to_string(c->tool), c->file);
        }
        return r;
}

static int check_unseen(const struct host *h, const struct device *d, struct findings *ret)
{
        const struct fact *const facts[] = { &h->uses.block, &h->uses.network, &h->uses.processes,
                                             &h->libvirt.readable };

        for (size_t i = 0; i < ELEMENTSOF(facts); i++)
                if (facts[i]->value == FACT_UNKNOWN)
                        return findings_add(ret, FINDING_BIND_UNSEEN, d->bdf, "%s",
                                            facts[i]->why ?: "its uses are unknown");
        return 0;
}

int bind_check(const struct host *h, const struct iommu_group *g, const struct bind_order *order,
               struct findings *ret)
{
        bool returning = order->operation == BIND_UNBIND, seen = false;
        int r = 0;

        for (size_t i = 0; i < g->n_members && r >= 0; i++) {
                const struct device *d = g->members[i];

                if (device_is_bridge(d)) {
                        if (!returning && !iommu_group_tolerates(d))
                                r = findings_add(ret, FINDING_BIND_GROUP, d->bdf,
                                                 "group %d: it is bound to %s", g->number, d->driver);
                        continue;
                }
                r = check_uses(h, d, returning, ret);
                if (r >= 0)
                        r = check_guests(h, d, returning, ret);
                /* Giving back what we took is no quarrel; taking what another bound is. */
                if (r >= 0 && (!returning || order->driver))
                        r = check_claims(h, d, ret);
                if (r >= 0 && !seen)
                        r = check_unseen(h, d, ret);
                seen = true;
        }
        return r;
}
