/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report.h"

#include "report/json.h"
#include "util/format.h"
#include "util/macro.h"

typedef char sentence_t[512];

static const char *format_ns(uint64_t ns, format_t buffer)
{
        return format_seconds((double) ns / 1e9, buffer);
}

static const char *plural_of(uint64_t n)
{
        return n == 1 ? "" : "s";
}

const char *trace_process_name(const struct trace_process *p, trace_name_t buffer)
{
        if (*p->guest)
                snprintf(buffer, sizeof(trace_name_t), "%s", p->guest);
        else
                snprintf(buffer, sizeof(trace_name_t), "%s[%u]", p->command, p->pid);
        return buffer;
}

static void ram_sentence(const struct trace_account *a, const struct trace_process *p, uint64_t ns,
                         sentence_t out)
{
        uint64_t bytes = p->ram.bytes + p->file.bytes, faults = p->ram.faults + p->file.faults;
        uint64_t calls = p->ram.calls + p->file.calls;
        format_t seconds, size, n_faults, n_calls, page;
        bool small = faults > 0 && bytes / faults <= 2 * a->page_size;

        snprintf(out, sizeof(sentence_t),
                 "%s: mapping %s of RAM for DMA, in %s call%s with %s fault%s%s%s%s.",
                 format_ns(ns, seconds), format_size(bytes, size), format_count(calls, n_calls),
                 plural_of(calls), format_count(faults, n_faults), plural_of(faults),
                 small ? ", by pages of " : "", small ? format_size(a->page_size, page) : "",
                 small ? ": hugepages would help" : "");
}

/* The BARs that got pages of one size. */
struct bar_group {
        uint64_t page_size, n, bytes, maps, faults, ns;
        uint64_t n_larger;     /* of these, larger pages would fit */
        uint64_t n_dma_bufs;   /* of these, mapped as dma-bufs */
        uint64_t least_faults; /* of all of them, in one mapping each */
};

static struct bar_group group_bars(const struct trace_account *a, const struct trace_process *p,
                                   uint64_t page_size)
{
        struct bar_group g = { .page_size = page_size };

        for (size_t i = 0; i < p->n_bars; i++) {
                const struct trace_bar *bar = &p->bars[i];

                if (bar->maps.calls == 0 || bar->page_size != page_size)
                        continue;
                g.n++;
                g.bytes += bar->size;
                g.maps += bar->maps.calls;
                g.faults += bar->maps.faults;
                g.ns += bar->maps.ns;
                g.n_dma_bufs += bar->dma_buf_time > 0;
                g.n_larger += trace_bar_largest_page(a, bar) > page_size;
                g.least_faults += trace_bar_least_faults(a, bar);
        }
        return g;
}

static void bars_sentence(const struct trace_account *a, const struct bar_group *g, sentence_t out)
{
        format_t seconds, size, faults, page, least, maps;
        int n;

        n = snprintf(out, sizeof(sentence_t), "%s: mapping %ju BAR%s of %s for DMA, %s time%s",
                     format_ns(g->ns, seconds), (uintmax_t) g->n, plural_of(g->n),
                     format_size(g->bytes, size), format_count(g->maps, maps), plural_of(g->maps));
        out += n;
        if (g->page_size == 0) {
                if (g->n_dma_bufs > 0)
                        snprintf(out, sizeof(sentence_t) - (size_t) n,
                                 ", %ju of them as dma-bufs, without a fault.", (uintmax_t) g->n_dma_bufs);
                else
                        snprintf(out, sizeof(sentence_t) - (size_t) n,
                                 ", without a fault: they had their pages before.");
                return;
        }
        format_size(g->page_size, page);
        format_count(g->faults, faults);
        if (a->fills_at_once)
                snprintf(out, sizeof(sentence_t) - (size_t) n,
                         ", with %s fault%s, each of which fills a BAR with pages of %s: this kernel has no "
                         "larger ones for VFIO.",
                         faults, plural_of(g->faults), page);
        else if (g->n_larger == 0)
                snprintf(out, sizeof(sentence_t) - (size_t) n,
                         ", with %s fault%s on pages of %s, the largest that fit.", faults,
                         plural_of(g->faults), page);
        else
                snprintf(
                        out, sizeof(sentence_t) - (size_t) n,
                        ", with %s fault%s on pages of %s. Larger pages fit, and would take %s fault%s each "
                        "time that all are mapped; vfioalignctl explain says why they do not come.",
                        faults, plural_of(g->faults), page, format_count(g->least_faults, least),
                        plural_of(g->least_faults));
}

/* What the BARs of a group would have taken with one fix. */
struct group_estimate {
        uint64_t n, faults; /* BARs that it helps, and their faults */
        double ns;          /* of all BARs of the group */
        double least_ns, most_ns;
        double fault_least_ns, fault_most_ns; /* what one fault took */
};

static void estimate_add(struct group_estimate *sum, const struct trace_bar *bar, const char *fix)
{
        struct trace_estimate e = { (double) bar->maps.ns, (double) bar->maps.ns, (double) bar->maps.ns };

        for (size_t i = 0; i < bar->n_fixes; i++) {
                if (!streq(bar->fixes[i].name, fix) || !trace_bar_estimate(bar, &bar->fixes[i], &e))
                        continue;
                sum->n++;
                sum->faults += bar->fixes[i].faults * bar->fault_calls;
                if (sum->n == 1 || bar->least_ns < sum->fault_least_ns)
                        sum->fault_least_ns = bar->least_ns;
                if (bar->most_ns > sum->fault_most_ns)
                        sum->fault_most_ns = bar->most_ns;
        }
        sum->ns += e.ns;
        sum->least_ns += e.least_ns;
        sum->most_ns += e.most_ns;
}

static void add_fix(const struct trace_process *p, const struct bar_group *g, const struct trace_fix *fix,
                    json_object *verdict)
{
        struct group_estimate sum = {};
        format_t faults, seconds, least, most;
        sentence_t text;

        for (size_t i = 0; i < p->n_bars; i++)
                if (p->bars[i].maps.calls > 0 && p->bars[i].page_size == g->page_size)
                        estimate_add(&sum, &p->bars[i], fix->name);
        if (sum.n == 0)
                return;
        format_count(sum.faults, faults);
        format_ns((uint64_t) sum.ns, seconds);
        if (sum.fault_least_ns < sum.fault_most_ns)
                snprintf(text, sizeof(text),
                         "%s that would have been %s fault%s and %s (%s to %s), as a fault took %.2f "
                         "to %.2f us here.",
                         fix->with, faults, plural_of(sum.faults), seconds,
                         format_ns((uint64_t) sum.least_ns, least), format_ns((uint64_t) sum.most_ns, most),
                         sum.fault_least_ns / 1e3, sum.fault_most_ns / 1e3);
        else
                snprintf(text, sizeof(text),
                         "%s that would have been %s fault%s and %s, as a fault took %.2f us here.",
                         fix->with, faults, plural_of(sum.faults), seconds, sum.fault_most_ns / 1e3);
        json_append_string(verdict, text);
}

static bool is_first_of_its_name(const struct trace_process *p, const struct bar_group *g, size_t n_bar,
                                 size_t n_fix)
{
        const char *name = p->bars[n_bar].fixes[n_fix].name;

        for (size_t i = 0; i < n_bar; i++)
                for (size_t k = 0; k < p->bars[i].n_fixes; k++)
                        if (p->bars[i].page_size == g->page_size && streq(p->bars[i].fixes[k].name, name))
                                return false;
        return true;
}

static void add_fixes(const struct trace_process *p, const struct bar_group *g, json_object *verdict)
{
        for (size_t i = 0; i < p->n_bars; i++)
                for (size_t k = 0; k < p->bars[i].n_fixes; k++)
                        if (p->bars[i].page_size == g->page_size && is_first_of_its_name(p, g, i, k))
                                add_fix(p, g, &p->bars[i].fixes[k], verdict);
}

static void add_bars(const struct trace_account *a, const struct trace_process *p, json_object *verdict)
{
        for (int level = -1; level <= 2; level++) {
                struct bar_group g = group_bars(a, p, level < 0 ? 0 : trace_large_page(a, (unsigned) level));
                sentence_t text;

                if (g.n == 0)
                        continue;
                bars_sentence(a, &g, text);
                json_append_string(verdict, text);
                add_fixes(p, &g, verdict);
        }
}

static void add_failed(const struct trace_process *p, json_object *verdict)
{
        uint64_t failed = p->ram.failed + p->file.failed;
        format_t count;
        sentence_t text;

        for (size_t i = 0; i < p->n_bars; i++)
                failed += p->bars[i].maps.failed;
        if (failed == 0)
                return;
        snprintf(text, sizeof(text), "%s call%s to map memory for DMA failed.", format_count(failed, count),
                 plural_of(failed));
        json_append_string(verdict, text);
}

/* What of BARs is not mapped for DMA with page faults, KVM maps when the guest uses it. */
static void add_processors(const struct trace_processors *processors, json_object *verdict)
{
        format_t threads, faults;
        sentence_t text;

        if (processors->threads == 0)
                return;
        snprintf(text, sizeof(text),
                 "The guest's %s processor%s took %s page fault%s, on BARs and on other memory.",
                 format_count(processors->threads, threads), plural_of(processors->threads),
                 format_count(processors->faults, faults), plural_of(processors->faults));
        json_append_string(verdict, text);
}

static void add_phase(json_object *verdict, uint64_t ns, const char *what)
{
        format_t seconds;
        sentence_t text;

        if (ns == 0)
                return;
        snprintf(text, sizeof(text), "%s: %s.", format_ns(ns, seconds), what);
        json_append_string(verdict, text);
}

json_object *trace_verdict(const struct trace_account *a, const struct trace_process *p)
{
        json_object *verdict = json_new_array();
        struct trace_phases f = trace_phases_of(a, p);
        trace_name_t name;
        const char *from = "its start";
        format_t seconds;
        sentence_t text;
        char what[64];

        if (f.from_hook)
                from = "prepare";
        else if (p->was_running)
                from = "its first call";

        snprintf(text, sizeof(text), "%s took %s from %s to its last mapping.", trace_process_name(p, name),
                 format_ns(f.end - f.begin, seconds), from);
        json_append_string(verdict, text);
        add_phase(verdict, f.hook, "the hook of vfioalign");
        add_phase(verdict, f.libvirt, "libvirt, until the emulator ran");
        snprintf(what, sizeof(what), "opening %zu device%s, without their resets", p->n_devices,
                 plural_of(p->n_devices));
        add_phase(verdict, f.open, what);
        add_phase(verdict, f.reset, "resetting devices");
        if (p->ram.calls + p->file.calls > 0) {
                ram_sentence(a, p, f.ram, text);
                json_append_string(verdict, text);
        }
        add_bars(a, p, verdict);
        add_failed(p, verdict);
        add_phase(verdict, f.unmap, "unmapping");
        add_phase(verdict, f.other, "everything else: the emulator, the firmware and the guest");
        add_processors(&p->processors, verdict);
        return verdict;
}
