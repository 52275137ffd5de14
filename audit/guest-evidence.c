/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-evidence.h"

#include <assert.h>

#include "guest-cost.h"
#include "util/format.h"
#include "util/macro.h"

static bool has_bar(const struct host *h, const struct guest *g, uint64_t size)
{
        for (size_t i = 0; i < g->n_hostdevs; i++) {
                const struct device *d = device_facts_find(&h->devices, g->hostdevs[i].bdf);

                for (size_t b = 0; d && b < d->n_bars; b++)
                        if (d->bars[b].size == size)
                                return true;
        }
        return false;
}

static int sighting_compare(const void *a, const void *b)
{
        const struct sighting *x = *(const struct sighting *const *) a,
                              *y = *(const struct sighting *const *) b;

        if (x->bar_size != y->bar_size)
                return x->bar_size > y->bar_size ? -1 : 1;
        if (x->count != y->count)
                return x->count > y->count ? -1 : 1;
        if (x->page_size != y->page_size)
                return x->page_size > y->page_size ? -1 : 1;
        return 0;
}

size_t guest_evidence(const struct host *h, const struct guest *g, const struct sighting *ret[EVIDENCE_MAX])
{
        struct evidence_key key;
        size_t n = 0;

        assert(h);
        assert(g);
        assert(ret);

        if (!evidence_key_make(&key, &h->kernel, &h->module, guest_emulator(h, g),
                               guest_placer(h, g).preload))
                return 0;
        for (size_t i = 0; i < h->evidence.n_sightings; i++) {
                const struct sighting *s = &h->evidence.sightings[i];

                if (evidence_key_equal(&s->key, &key) && has_bar(h, g, s->bar_size))
                        ret[n++] = s;
        }
        if (n > 0)
                qsort(ret, n, sizeof(*ret), sighting_compare);
        return n;
}

void guest_evidence_text(const struct host *h, const struct guest *g, uint64_t bar_size, char *ret,
                         size_t size)
{
        const struct sighting *seen[EVIDENCE_MAX];
        size_t n, length = 0;

        assert(ret);
        assert(size > 0);

        n = guest_evidence(h, g, seen);
        *ret = '\0';
        for (size_t i = 0; i < n && length < size; i++) {
                format_t count, page;

                if (seen[i]->bar_size != bar_size)
                        continue;
                length += (size_t) snprintf(
                        ret + length, size - length, "%s%s time%s: %s", length > 0 ? ", " : "seen here ",
                        format_count(seen[i]->count, count), seen[i]->count == 1 ? "" : "s",
                        format_size(seen[i]->page_size, page));
        }
}

static bool is_latest(const struct evidence *e, const struct sighting *s)
{
        for (size_t i = 0; i < e->n_sightings; i++) {
                const struct sighting *other = &e->sightings[i];

                if (other->bar_size == s->bar_size && other->time_usec > s->time_usec &&
                    evidence_key_equal(&other->key, &s->key))
                        return false;
        }
        return true;
}

const struct sighting *emulator_contradiction(const struct host *h, const struct emulator *e,
                                              uint64_t *ret_predicted)
{
        assert(h);
        assert(ret_predicted);

        for (size_t i = 0; i < h->evidence.n_sightings; i++) {
                const struct sighting *s = &h->evidence.sightings[i];
                const struct area whole = { .region_size = s->bar_size, .size = s->bar_size };
                struct placer placer = placer_emulator(e);
                struct evidence_key now;
                struct verdict v;

                placer.preload = s->key.preload;
                if (!evidence_key_make(&now, &h->kernel, &h->module, e, s->key.preload) ||
                    !evidence_key_equal(&now, &s->key) || !is_latest(&h->evidence, s))
                        continue;
                v = verdict_area(&h->kernel, &h->module, placer, &whole);
                /* A guest gets at least what is predicted. It can get more by chance, or because of a fact
                 * that is unknown. */
                if (s->page_size >= v.page_size &&
                    (s->page_size == v.page_size || v.chance || v.limit == CONDITION_UNKNOWN))
                        continue;
                *ret_predicted = v.page_size;
                return s;
        }
        return NULL;
}
