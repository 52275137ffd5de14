/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fleet.h"

#include <assert.h>
#include <search.h>

#include "audit/verdict.h"
#include "host-row.h"
#include "util/array.h"
#include "util/macro.h"

/* clang-format off */
static const char *const host_word_table[_HOST_WORD_MAX + 1] = {
        [WORD_NEED] = "need",
        [WORD_KERNEL] = "kernel",
        [WORD_EMULATOR] = "emulator",
        [WORD_LIMIT] = "limit",
        [WORD_VERSION] = "version",
        [WORD_MODULE] = "module",
        [WORD_THP] = "thp",
        [WORD_HOST] = "host",
};
/* clang-format on */
DEFINE_STRING_TABLE(host_word, enum host_word);

int fleet_open(struct fleet *f)
{
        assert(f);

        *f = (struct fleet){};
        return fleet_words_open(&f->words);
}

void fleet_done(struct fleet *f)
{
        assert(f);

        tdestroy(f->by_key, free);
        free(f->hosts);
        fleet_words_free(f->words);
        *f = (struct fleet){};
}

static int compare_keys(const void *a, const void *b)
{
        const struct fleet_host *x = a, *y = b;

        if (x->has_id != y->has_id)
                return x->has_id ? -1 : 1;
        return x->has_id ? memcmp(x->id, y->id, sizeof(x->id)) : strcmp(x->name, y->name);
}

const char *fleet_word(const struct fleet *f, const struct fleet_host *h, enum host_word word)
{
        assert(f);
        assert(h);
        assert(word >= 0 && word <= WORD_HOST);

        return word == WORD_HOST ? h->name : fleet_words_get(f->words, h->words[word]);
}

/* Whether the report `a` counts, and not `b`, of the same host. Of two of the same second any may, as long
 * as it is the same one whatever their order was. */
static bool is_newer(const struct fleet *f, const struct fleet_host *a, const struct fleet_host *b)
{
        int r = memcmp(&a->counts, &b->counts, sizeof(a->counts));

        if (a->time != b->time)
                return a->time > b->time;
        for (enum host_word w = 0; r == 0 && w <= WORD_HOST; w++)
                r = strcmp(fleet_word(f, a, w), fleet_word(f, b, w));
        if (r == 0)
                r = (a->severity > b->severity) - (a->severity < b->severity);
        return r > 0 || (r == 0 && a->bar_seconds > b->bar_seconds);
}

static int add_host(struct fleet *f, struct fleet_host *h)
{
        struct fleet_host **known = tsearch(h, &f->by_key, compare_keys);

        if (!known) {
                free(h);
                return -ENOMEM;
        }
        if (*known == h) {
                f->n_hosts++;
                return 0;
        }
        f->n_older++;
        if (is_newer(f, h, *known))
                SWAP(h, *known);
        free(h);
        return 0;
}

int fleet_add(struct fleet *f, json_object *document)
{
        struct fleet_host *h;
        int r;

        assert(f);

        r = host_row_read(document, f->words, &h);
        if (r < 0)
                return r;
        if (r == HOST_ROW_GOOD)
                return add_host(f, h);
        if (r == HOST_ROW_UNNAMED)
                f->n_unnamed++;
        else
                f->n_unread++;
        return 0;
}

/* Words of a newer vfioalign come before "none". */
static int need_rank(const char *word)
{
        enum need_id id = need_from_string(word);

        return id < 0 ? 2 * NEED_NONE - 1 : 2 * (int) id;
}

static int compare_word(const struct fleet *f, const struct fleet_host *a, const struct fleet_host *b,
                        enum host_word word)
{
        const char *x, *y;

        if (word < _HOST_WORD_MAX && a->words[word] == b->words[word])
                return 0;
        x = fleet_word(f, a, word);
        y = fleet_word(f, b, word);
        if (word == WORD_NEED && need_rank(x) != need_rank(y))
                return need_rank(x) - need_rank(y);
        return strcmp(x, y);
}

struct grouping {
        const struct fleet *fleet;
        const enum host_word *by;
        size_t n;
};

static int compare_by(const struct grouping *g, const struct fleet_host *a, const struct fleet_host *b)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < g->n; i++) {
                r = compare_word(g->fleet, a, b, g->by[i]);
                if (r == 0 && g->by[i] == WORD_HOST)
                        r = compare_keys(a, b);
        }
        return r;
}

static int compare_hosts(const void *a, const void *b, void *userdata)
{
        const struct fleet_host *x = *(struct fleet_host *const *) a, *y = *(struct fleet_host *const *) b;

        return compare_by(userdata, x, y) ?: strcmp(x->name, y->name) ?: compare_keys(x, y);
}

static void list_host(const void *node, VISIT visit, void *userdata)
{
        struct fleet_host ***next = userdata;

        if (visit == postorder || visit == leaf)
                *(*next)++ = *(struct fleet_host *const *) node;
}

static struct fleet_host **new_list(const struct fleet *f, const struct grouping *g)
{
        struct fleet_host **hosts = calloc(f->n_hosts ?: 1, sizeof(*hosts)), **next = hosts;

        if (!hosts)
                return NULL;
        twalk_r(f->by_key, list_host, &next);
        qsort_r(hosts, f->n_hosts, sizeof(*hosts), compare_hosts, (void *) g);
        return hosts;
}

int fleet_sort(struct fleet *f)
{
        static const enum host_word by_need = WORD_NEED;

        assert(f);

        free(f->hosts);
        f->hosts = new_list(f, &(struct grouping){ f, &by_need, 1 });
        return f->hosts ? 0 : -ENOMEM;
}

/* What is unknown adds nothing; no sum wraps around. */
static void add_known(uint64_t *sum, uint64_t n)
{
        if (n != COUNT_UNKNOWN && __builtin_add_overflow(*sum, n, sum))
                *sum = COUNT_UNKNOWN - 1;
}

static void group_add(struct fleet_group *g, const struct fleet_host *h)
{
        if (g->n_hosts++ == 0) {
                g->first = h;
                g->bar_seconds = -1;
        }
        add_known(&g->counts.guests, h->counts.guests);
        add_known(&g->counts.guests_short, h->counts.guests_short);
        add_known(&g->counts.guests_unknown, h->counts.guests_unknown);
        add_known(&g->counts.faults, h->counts.faults);
        add_known(&g->counts.faults_after, h->counts.faults_after);
        add_known(&g->counts.pin_steps, h->counts.pin_steps);
        add_known(&g->counts.pin_steps_after, h->counts.pin_steps_after);
        if (h->bar_seconds >= 0)
                g->bar_seconds = (g->bar_seconds < 0 ? 0 : g->bar_seconds) + h->bar_seconds;
        if (h->severity > g->severity)
                g->severity = h->severity;
}

/* By need where that comes first, then the largest first, then by their words. */
static int compare_groups(const void *a, const void *b, void *userdata)
{
        const struct fleet_group *x = a, *y = b;
        const struct grouping *g = userdata;
        int r = 0;

        if (g->by[0] == WORD_NEED)
                r = compare_word(g->fleet, x->first, y->first, WORD_NEED);
        return r ?: (x->n_hosts < y->n_hosts) - (x->n_hosts > y->n_hosts)
                            ?: compare_by(g, x->first, y->first);
}

int fleet_group(const struct fleet *f, const enum host_word by[], size_t n, struct fleet_group **ret,
                size_t *ret_n)
{
        struct grouping grouping = { f, by, n };
        _cleanup_free_ struct fleet_host **hosts = NULL;
        _cleanup_free_ struct fleet_group *groups = NULL;
        size_t n_groups = 0;

        assert(f);
        assert(n > 0);
        assert(ret);
        assert(ret_n);

        hosts = new_list(f, &grouping);
        if (!hosts)
                return -ENOMEM;
        for (size_t i = 0; i < f->n_hosts; i++) {
                if (i == 0 || compare_by(&grouping, hosts[i - 1], hosts[i]) != 0)
                        if (!array_append(groups, n_groups))
                                return -ENOMEM;
                group_add(&groups[n_groups - 1], hosts[i]);
        }
        if (n_groups > 0)
                qsort_r(groups, n_groups, sizeof(*groups), compare_groups, &grouping);
        *ret = TAKE_PTR(groups);
        *ret_n = n_groups;
        return 0;
}

struct fleet_group fleet_total(const struct fleet *f)
{
        struct fleet_group total = { .bar_seconds = -1 };

        assert(f);

        for (size_t i = 0; i < f->n_hosts; i++)
                group_add(&total, f->hosts[i]);
        return total;
}

size_t fleet_count_short(const struct fleet *f)
{
        size_t n = 0;

        assert(f);

        for (size_t i = 0; i < f->n_hosts; i++)
                n += f->hosts[i]->pages == PAGES_BASE || f->hosts[i]->pages == PAGES_LARGE;
        return n;
}

size_t fleet_count_before(const struct fleet *f, uint64_t time)
{
        size_t n = 0;

        assert(f);

        for (size_t i = 0; i < f->n_hosts; i++)
                n += f->hosts[i]->time < time;
        return n;
}
