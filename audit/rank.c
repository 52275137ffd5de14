/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rank.h"

#include <assert.h>

#include "remedy.h"
#include "util/macro.h"

/* By what the seconds of a finding come back. */
enum cause {
        CAUSE_NONE, /* it is not about time, or has its costs already */
        CAUSE_MODULE,
        CAUSE_THP,
        CAUSE_KERNEL,
        CAUSE_GUEST,
        _CAUSE_MAX,
};

static const enum cause causes[_FINDING_MAX] = {
        [FINDING_KERNEL_NO_HUGE_FAULT] = CAUSE_KERNEL,
        [FINDING_KERNEL_PINS_PAGES] = CAUSE_KERNEL,
        [FINDING_KERNEL_UNALIGNED] = CAUSE_MODULE,
        [FINDING_KERNEL_PARTLY_ALIGNED] = CAUSE_MODULE,
        [FINDING_MODULE_NOT_INSTALLED] = CAUSE_MODULE,
        [FINDING_MODULE_NOT_LOADED] = CAUSE_MODULE,
        [FINDING_MODULE_DISABLED] = CAUSE_MODULE,
        [FINDING_MODULE_FORBIDDEN] = CAUSE_MODULE,
        [FINDING_EMULATOR_UNALIGNED] = CAUSE_MODULE,
        [FINDING_THP_RESTRICTS] = CAUSE_THP,
        [FINDING_THP_ASKS] = CAUSE_THP,
        [FINDING_GUEST_SMALL_PAGES] = CAUSE_GUEST,
};

const char *finding_severities(enum finding_id id)
{
        const struct finding_type *type = finding_type(id);

        assert(type);

        if (causes[id] == CAUSE_KERNEL)
                return "notice; warning where it costs a start long";
        if (type->severity == SEVERITY_WARNING && causes[id] != CAUSE_NONE)
                return type->lacks ? "warning; notice or info where it costs less"
                                   : "warning; notice where it costs less";
        if (type->severity == SEVERITY_NOTICE && type->lacks)
                return "notice; info where it costs nothing";
        return severity_to_string(type->severity);
}

/* The most that one guest would save. */
struct gain {
        double seconds; /* below 0: nothing, or nobody knows */
        bool estimated;
        const char *guest;
};

struct ranking {
        struct ranked_guest {
                const char *name;
                struct remedies remedies;
        } * guests; /* those with VFIO devices */
        size_t n_guests;
        struct gain gains[_CAUSE_MAX];
        unsigned kernel_fixes; /* what the newer kernel needs besides, for that guest */
};

static void gain_raise(struct gain *gain, double seconds, bool estimated, const char *guest)
{
        if (seconds > gain->seconds)
                *gain = (struct gain){ seconds, estimated, guest };
}

static void add_remedy(struct ranking *ranking, const struct remedy *r, const struct remedies *all,
                       const char *guest)
{
        bool estimated = all->now.estimated || r->after.estimated;

        if (r->newer_kernel && r->saves > ranking->gains[CAUSE_KERNEL].seconds)
                ranking->kernel_fixes = r->fixes;
        if (r->newer_kernel)
                gain_raise(&ranking->gains[CAUSE_KERNEL], r->saves, estimated, guest);
        else if (r->fixes & FIX_BIT(FIX_MODULE))
                gain_raise(&ranking->gains[CAUSE_MODULE], r->saves, estimated, guest);
        if (!r->newer_kernel && r->fixes & FIX_BIT(FIX_THP))
                gain_raise(&ranking->gains[CAUSE_THP], r->saves, estimated, guest);
}

/* h: with the module as if nothing forbade it, because what the host forbids has a finding of its own. */
static int ranking_make(struct ranking *ranking, const struct host *h)
{
        for (size_t i = 0; i < ELEMENTSOF(ranking->gains); i++)
                ranking->gains[i].seconds = -1;
        ranking->guests = calloc(h->libvirt.n_guests ?: 1, sizeof(*ranking->guests));
        if (!ranking->guests)
                return -ENOMEM;
        for (size_t i = 0; i < h->libvirt.n_guests; i++) {
                const struct guest *g = &h->libvirt.guests[i].xml;
                struct ranked_guest *guest = &ranking->guests[ranking->n_guests];

                if (g->n_hostdevs == 0)
                        continue;
                *guest = (struct ranked_guest){ g->name, remedies_of_guest(h, g) };
                for (size_t k = 0; k < guest->remedies.n; k++)
                        add_remedy(ranking, &guest->remedies.remedies[k], &guest->remedies, g->name);
                ranking->n_guests++;
        }
        return 0;
}

static void ranking_done(struct ranking *ranking)
{
        free(ranking->guests);
        *ranking = (struct ranking){};
}

/* What its small pages cost this guest: what the best fix of them saves, or else all of its faults. */
static struct gain gain_of_guest(const struct remedies *r, const char *guest)
{
        struct gain gain = { .seconds = -1 };

        for (size_t i = 0; i < r->n; i++)
                if (!r->remedies[i].newer_kernel)
                        gain_raise(&gain, r->remedies[i].saves,
                                   r->now.estimated || r->remedies[i].after.estimated, guest);
        if (gain.seconds < 0)
                gain_raise(&gain, r->fault_seconds, r->now.estimated, guest);
        return gain;
}

static int finding_set_costs(struct finding *finding, const struct ranking *ranking)
{
        enum cause cause = causes[finding->id];
        struct gain gain;

        if (cause == CAUSE_NONE || finding->severity == SEVERITY_INFO)
                return 0;
        gain = ranking->gains[cause];
        if (cause == CAUSE_GUEST)
                for (size_t i = 0; i < ranking->n_guests; i++)
                        if (streq(ranking->guests[i].name, finding->subject ?: ""))
                                gain = gain_of_guest(&ranking->guests[i].remedies, ranking->guests[i].name);
        if (gain.seconds < 0)
                return 0;
        finding->costs = gain.seconds;
        finding->costs_estimated = gain.estimated;
        finding->costs_guest = strdup(gain.guest);
        return finding->costs_guest ? 0 : -ENOMEM;
}

/* A newer kernel aligns nothing by itself, so that it can make it worse where nobody else does. */
static void finding_set_remedy(struct finding *finding, unsigned kernel_fixes)
{
        if (finding->id != FINDING_KERNEL_PINS_PAGES || kernel_fixes == 0)
                return;
        finding->remedy = kernel_fixes & FIX_BIT(FIX_MODULE)
                                  ? "Boot Linux 6.15 or later, and load the module vfio_align there"
                                  : "Boot Linux 6.15 or later, and see vfioalignctl doctor for what its "
                                    "guests need there";
}

static void judge_by_costs(struct finding *finding, double most)
{
        if (finding->costs < 0 || finding->severity == SEVERITY_INFO)
                return;
        if (finding->costs < RANK_NOTICE_SECONDS || finding->costs * RANK_DOMINATES < most)
                finding->severity = SEVERITY_NOTICE;
        else if (finding->costs >= RANK_WARNING_SECONDS && causes[finding->id] == CAUSE_KERNEL)
                finding->severity =
                        SEVERITY_WARNING; /* the others have warnings already that say the same */
}

static int compare_findings(const void *x, const void *y)
{
        const struct finding *a = x, *b = y;

        if (a->severity != b->severity)
                return a->severity > b->severity ? -1 : 1;
        if (a->costs != b->costs)
                return a->costs > b->costs ? -1 : 1;
        return a->order < b->order ? -1 : 1;
}

int findings_rank(struct findings *f, const struct host *h)
{
        _cleanup_(ranking_done) struct ranking ranking = {};
        struct host allowed;
        double most = -1;
        int r;

        assert(f);
        assert(h);

        allowed = *h;
        if (allowed.module.loadable.value == FACT_NO)
                allowed.module.loadable = fact_unknown(NULL);
        r = ranking_make(&ranking, &allowed);
        if (r < 0)
                return r;
        for (size_t i = 0; i < f->n_findings; i++) {
                struct finding *finding = &f->findings[i];

                finding->order = i;
                r = finding_set_costs(finding, &ranking);
                if (r < 0)
                        return r;
                finding_set_remedy(finding, ranking.kernel_fixes);
                if (finding->costs > most)
                        most = finding->costs;
        }
        for (size_t i = 0; i < f->n_findings; i++)
                judge_by_costs(&f->findings[i], most);
        if (f->n_findings > 0)
                qsort(f->findings, f->n_findings, sizeof(*f->findings), compare_findings);
        return 0;
}
