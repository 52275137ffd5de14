/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixes.h"

#include "audit/what-if.h"
#include "util/macro.h"

static bool bar_wants_fixes(const struct trace_account *a, const struct trace_bar *bar)
{
        return bar->page_size > 0 && bar->page_size < trace_bar_largest_page(a, bar);
}

bool trace_wants_fixes(const struct trace_account *a)
{
        for (size_t i = 0; i < a->n_processes; i++)
                for (size_t k = 0; k < a->processes[i].n_bars && !a->processes[i].ended; k++)
                        if (bar_wants_fixes(a, &a->processes[i].bars[k]))
                                return true;
        return false;
}

static const struct mapping *find_mapping(const struct host *h, uint32_t pid, const struct trace_bar *bar)
{
        for (size_t i = 0; i < h->mappings.n_mappings; i++) {
                const struct mapping *m = &h->mappings.mappings[i];

                if (m->pid == (pid_t) pid && m->start == bar->address && m->size == bar->size)
                        return m;
        }
        return NULL;
}

static void bar_add_fix(struct trace_bar *bar, const struct host *h, const struct mapping *m, unsigned fixes,
                        const char *name, const char *with)
{
        struct verdict v;

        if (bar->n_fixes == TRACE_FIXES_MAX || !what_if_mapping(h, m, fixes, &v))
                return;
        if (v.page_size <= bar->page_size || v.faults == COUNT_UNKNOWN || v.pin_steps != v.faults)
                return;
        bar->fixes[bar->n_fixes++] = (struct trace_fix){ name, with, v.page_size, v.faults };
}

static void bar_add_fixes(struct trace_bar *bar, const struct host *h, const struct mapping *m)
{
        struct help help = help_mapping(h, m);

        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++)
                if (help.alone & FIX_BIT(id) && fix_type(id)->with)
                        bar_add_fix(bar, h, m, FIX_BIT(id), fix_id_to_string(id), fix_type(id)->with);
        if (help.together)
                bar_add_fix(bar, h, m, FIX_BIT(FIX_MODULE) | FIX_BIT(FIX_THP), "module+thp",
                            "With the module vfio_align and transparent_hugepage=always");
}

void trace_fixes_add(struct trace_account *a, const struct host *h)
{
        for (size_t i = 0; i < a->n_processes; i++) {
                struct trace_process *p = &a->processes[i];

                for (size_t k = 0; k < p->n_bars && !p->ended; k++) {
                        const struct mapping *m = find_mapping(h, p->pid, &p->bars[k]);

                        if (m && bar_wants_fixes(a, &p->bars[k]))
                                bar_add_fixes(&p->bars[k], h, m);
                }
        }
}
