/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decision.h"

#include <assert.h>

#include "audit/fix-command.h"
#include "audit/guest-cost.h"
#include "audit/guest-evidence.h"
#include "config/guest-section.h"
#include "util/format.h"
#include "util/macro.h"

struct guest_policy decision_policy(const struct config *c, const struct guest *g)
{
        struct guest_policy p;

        assert(c);
        assert(g);

        p = config_guest_policy(c, g->name);
        /* A word that is not known changes nothing: nobody who edits a domain would see an error of ours. */
        if (g->on_unaligned)
                (void) parse_on_unaligned(g->on_unaligned, &p.on_unaligned);
        if (g->min_bar_size)
                (void) parse_size(g->min_bar_size, &p.min_bar_size);
        return p;
}

/* Only limits that somebody can do something about count, not those of the kernel or of the BAR itself. */
static bool is_unaligned(const struct verdict *v, uint64_t best)
{
        return v->page_size < best && (v->limit == CONDITION_PLACEMENT || v->limit == CONDITION_THP);
}

static void describe_pages(const struct guest_cost *cost, char *text, size_t size)
{
        const struct verdict *v = &cost->worst;
        format_t page, best;

        if (v->page_size == cost->best_page_size)
                snprintf(text, size, "%s gets %s pages", cost->bdf, format_size(v->page_size, page));
        else
                snprintf(text, size, "%s gets %s pages%s where %s are possible (%s)", cost->bdf,
                         v->page_size ? format_size(v->page_size, page) : "unknown",
                         v->chance ? " or more by chance" : "", format_size(cost->best_page_size, best),
                         condition_to_string(v->limit));
}

/* What is not known is not said to be none. */
static void describe_cost(const struct guest_cost *cost, char *text, size_t size)
{
        char pages[160];

        if (!*cost->bdf) {
                if (cost->why)
                        snprintf(text, size, "nothing is predicted, because %s", cost->why);
                else
                        snprintf(text, size, "no BAR that could have huge pages");
                return;
        }
        describe_pages(cost, pages, sizeof(pages));
        snprintf(text, size, "%s%s%s", pages, cost->why ? ", but " : "", cost->why ?: "");
}

struct decision decision_make(const struct host *h, const struct config *c, const struct guest *g)
{
        _cleanup_free_ char *command = NULL;
        const char *helps = NULL;
        struct guest_cost counted, all;
        struct guest_policy policy;
        struct decision d = {};
        char cost[256], seen[128];
        struct placer placer;
        unsigned fixes;

        assert(h);
        assert(c);
        assert(g);

        policy = decision_policy(c, g);
        placer = guest_placer(h, g);
        counted = guest_cost(&h->devices, g, &h->kernel, &h->module, placer, policy.min_bar_size);
        all = guest_cost(&h->devices, g, &h->kernel, &h->module, placer, 0);
        d.unaligned = *counted.bdf && is_unaligned(&counted.worst, counted.best_page_size);
        d.warn = d.unaligned && policy.on_unaligned >= ON_UNALIGNED_WARN;
        d.allowed = !d.unaligned || policy.on_unaligned != ON_UNALIGNED_REFUSE;
        describe_cost(d.unaligned ? &counted : &all, cost, sizeof(cost));
        guest_evidence_text(h, g, d.unaligned ? counted.largest : all.largest, seen, sizeof(seen));
        fixes = fixes_choose(h, g, c, POLICY_SUGGEST);
        if (fixes)
                command = fix_command(fixes, g->name);
        /* A command is there as a whole or not at all: half a name can be another one, or open a quote. */
        if (command && strlen(command) < sizeof(d.text) - sizeof(cost) - sizeof(seen) - 64)
                helps = command;
        snprintf(d.text, sizeof(d.text), "%s%s%s%s%s%s", cost, *seen ? "; " : "", seen,
                 helps ? "; what helps: " : "", helps ?: "",
                 d.allowed ? "" : "; OnUnaligned=refuse is set for it");
        return d;
}
