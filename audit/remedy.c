/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "remedy.h"

#include <assert.h>

#include "fix-command.h"
#include "util/macro.h"

/* Seconds that make no difference between two remedies. */
#define NO_DIFFERENCE 0.05

struct subject {
        const struct host *host;
        const struct guest *guest;
        const struct emulator *emulator;
};

/* False where the fixes cannot be applied. */
static bool time_with(const struct subject *s, unsigned fixes, struct start_time *ret)
{
        struct guest_cost cost;

        if (!what_if_guest(s->host, s->guest, fixes, s->emulator, &cost))
                return false;
        *ret = start_time_of_cost(s->host, s->guest, &cost);
        return true;
}

static void add_remedy(struct remedies *r, unsigned fixes, bool newer_kernel, struct start_time after)
{
        assert(r->n < REMEDIES_MAX);

        r->remedies[r->n++] = (struct remedy){
                .fixes = fixes,
                .newer_kernel = newer_kernel,
                .after = after,
                .saves = start_time_saved(r->now, after),
        };
}

/* What makes the most of a newer kernel: nothing else where that is as good, else the fix that costs least.
 */
static void add_newer_kernel(struct remedies *r, const struct subject *s)
{
        static const unsigned sets[] = {
                0,
                FIX_BIT(FIX_MODULE),
                FIX_BIT(FIX_EMULATOR),
                FIX_BIT(FIX_PRELOAD),
                FIX_BIT(FIX_THP),
                FIX_BIT(FIX_MODULE) | FIX_BIT(FIX_THP),
        };
        struct start_time best = { .seconds = -1 }, alone = { .seconds = -1 };
        unsigned fixes = 0;

        for (size_t i = 0; i < ELEMENTSOF(sets); i++) {
                struct start_time t;

                if (!time_with(s, sets[i] | WHAT_IF_NEWER_KERNEL, &t) || t.seconds < 0)
                        continue;
                if (sets[i] == 0)
                        alone = t;
                if (best.seconds >= 0 && t.seconds > best.seconds - NO_DIFFERENCE)
                        continue;
                best = t;
                fixes = sets[i];
        }
        if (start_time_saved(r->now, best) < NO_DIFFERENCE)
                return;
        add_remedy(r, fixes, true, best);
        if (fixes != 0)
                r->without_others = alone.seconds;
}

static void add_fixes(struct remedies *r, const struct subject *s, const struct help *help)
{
        struct start_time t;

        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++)
                if (help->alone & FIX_BIT(id) && time_with(s, FIX_BIT(id), &t))
                        add_remedy(r, FIX_BIT(id), false, t);
        if (help->together && time_with(s, help_all(help) & (FIX_BIT(FIX_MODULE) | FIX_BIT(FIX_THP)), &t))
                add_remedy(r, FIX_BIT(FIX_MODULE) | FIX_BIT(FIX_THP), false, t);
}

/* Stable: of equals the first stays first. */
static void sort_remedies(struct remedies *r)
{
        for (size_t i = 1; i < r->n; i++)
                for (size_t k = i; k > 0 && r->remedies[k].saves > r->remedies[k - 1].saves + NO_DIFFERENCE;
                     k--) {
                        struct remedy less = r->remedies[k - 1];

                        r->remedies[k - 1] = r->remedies[k];
                        r->remedies[k] = less;
                }
}

/* What each saves is by the same rates, and so is taken from what was measured. */
static void use_measured(struct remedies *r, struct start_time measured)
{
        if (r->now.seconds < 0 || measured.seconds < 0)
                return;
        r->now = measured;
        for (size_t i = 0; i < r->n; i++) {
                struct remedy *remedy = &r->remedies[i];
                double left = measured.seconds - remedy->saves;

                if (remedy->saves > 0 && !measured.estimated)
                        remedy->after.seconds = left > 0 ? left : 0;
                if (remedy->saves > measured.seconds)
                        remedy->saves = measured.seconds;
        }
}

struct remedies remedies_of_guest(const struct host *h, const struct guest *g)
{
        struct remedies r = { .without_others = -1 };
        struct start_rates rates;
        struct guest_cost cost;
        struct help help;

        assert(h);
        assert(g);

        cost = guest_cost(&h->devices, g, &h->kernel, &h->module, guest_placer(h, g), 0);
        help = help_guest(h, g, NULL);
        r.now = start_time_of_cost(h, g, &cost);
        rates = start_rates(h);
        r.fault_seconds = start_time(&rates, cost.faults, 0).seconds;
        r.emulator = help.emulator;
        /* Of equals the newer kernel comes last: it needs a reboot. */
        add_fixes(&r, &(struct subject){ h, g, help.emulator }, &help);
        add_newer_kernel(&r, &(struct subject){ h, g, help.emulator });
        sort_remedies(&r);
        use_measured(&r, start_time_now(h, g, &cost));
        return r;
}

const struct remedy *remedies_find_kernel(const struct remedies *r)
{
        assert(r);

        for (size_t i = 0; i < r->n; i++)
                if (r->remedies[i].newer_kernel)
                        return &r->remedies[i];
        return NULL;
}

/* Joins what `get` has of each fix. */
static char *join_fixes(unsigned fixes, const char *before, const char *separator,
                        const char *(*get)(const struct fix_type *type))
{
        _cleanup_free_ char *text = strdup(before);
        const char *between = "";

        for (enum fix_id id = 0; text && id < _FIX_ID_MAX; id++) {
                char *longer;

                if (!(fixes & FIX_BIT(id)))
                        continue;
                if (asprintf(&longer, "%s%s%s", text, between, get(fix_type(id))) < 0)
                        return NULL;
                free(text);
                text = longer;
                between = separator;
        }
        return TAKE_PTR(text);
}

static const char *get_label(const struct fix_type *type)
{
        return type->label;
}

static const char *get_toll(const struct fix_type *type)
{
        return type->toll;
}

char *remedy_name(const struct remedy *r)
{
        const char *kernel = "";

        assert(r);

        if (r->newer_kernel)
                kernel = r->fixes != 0 ? "Linux 6.15 or later with " : "Linux 6.15 or later";
        return join_fixes(r->fixes, kernel, " and ", get_label);
}

char *remedy_price(const struct remedy *r)
{
        const char *reboot = "";

        assert(r);

        if (r->newer_kernel)
                reboot = r->fixes != 0 ? "needs a reboot; " : "needs a reboot";
        return join_fixes(r->fixes, reboot, "; ", get_toll);
}

char *remedy_command(const struct remedy *r, const char *guest)
{
        assert(r);

        return r->newer_kernel ? NULL : fix_command(r->fixes, guest);
}
