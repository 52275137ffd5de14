/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report.h"

#include <assert.h>
#include <inttypes.h>

#include "report/json.h"
#include "util/format.h"
#include "util/macro.h"
#include "util/memory.h"

bool trace_is_guest(const char *seen, const char *guest)
{
        return strncmp(seen, guest, TRACE_TEXT_MAX - 1) == 0;
}

bool trace_is_selected(const struct trace_selection *s, const struct trace_process *p)
{
        if (s->process)
                return p == s->process;
        if (s->pid)
                return p->pid == s->pid;
        if (!trace_process_is_vmm(p))
                return false;
        return !s->guest || trace_is_guest(p->guest, s->guest);
}

static void add_seconds(json_object *o, const char *key, uint64_t ns)
{
        json_add_seconds(o, key, (double) ns / 1e9);
}

/* A name that is not known is null. */
static void add_name(json_object *o, const char *key, const char *name)
{
        json_add_string(o, key, *name ? name : NULL);
}

static void add_sum(json_object *o, const struct trace_sum *sum)
{
        json_add_count(o, "calls", sum->calls);
        json_add_count(o, "failed", sum->failed);
        json_add_count(o, "bytes", sum->bytes);
        json_add_count(o, "faults", sum->faults);
        add_seconds(o, "seconds", sum->ns);
}

static json_object *new_sum(const struct trace_sum *sum)
{
        json_object *o = json_new_object();

        add_sum(o, sum);
        return o;
}

static json_object *new_device(const struct trace_device *d)
{
        json_object *o = json_new_object();

        add_name(o, "address", d->name);
        json_add_count(o, "opens", d->opens);
        add_seconds(o, "open_seconds", d->open_ns);
        json_add_count(o, "resets", d->resets);
        add_seconds(o, "reset_seconds", d->reset_ns);
        return o;
}

/* By fix. */
static json_object *new_after(const struct trace_bar *bar)
{
        json_object *after = json_new_object();

        for (size_t i = 0; i < bar->n_fixes; i++) {
                const struct trace_fix *fix = &bar->fixes[i];
                struct trace_estimate estimate;
                json_object *o;

                if (!trace_bar_estimate(bar, fix, &estimate))
                        continue;
                o = json_new_object();
                json_add_count(o, "page_size", fix->page_size);
                json_add_count(o, "faults", fix->faults * bar->fault_calls);
                add_seconds(o, "seconds", (uint64_t) estimate.ns);
                add_seconds(o, "least_seconds", (uint64_t) estimate.least_ns);
                add_seconds(o, "most_seconds", (uint64_t) estimate.most_ns);
                json_add(after, fix->name, o);
        }
        return after;
}

static json_object *new_bar(const struct trace_account *a, const struct trace_bar *bar)
{
        json_object *o = json_new_object();
        format_t address;

        snprintf(address, sizeof(address), "%#" PRIx64, bar->address);
        add_name(o, "device", bar->device);
        json_add_count(o, "region", bar->region);
        json_add_count(o, "offset", bar->offset);
        json_add_count(o, "size", bar->size);
        json_add_string(o, "address", address);
        add_sum(o, &bar->maps);
        json_add_count(o, "page_size", bar->page_size ?: UINT64_MAX);
        json_add_count(o, "largest_page", trace_bar_largest_page(a, bar));
        json_add_count(o, "least_faults", trace_bar_least_faults(a, bar));
        json_add(o, "after", new_after(bar));
        return o;
}

static json_object *new_phases(const struct trace_phases *f)
{
        json_object *o = json_new_object();

        add_seconds(o, "hook", f->hook);
        add_seconds(o, "libvirt", f->libvirt);
        add_seconds(o, "open", f->open);
        add_seconds(o, "reset", f->reset);
        add_seconds(o, "ram", f->ram);
        add_seconds(o, "bars", f->bars);
        add_seconds(o, "unmap", f->unmap);
        add_seconds(o, "other", f->other);
        return o;
}

/* null where they could not be told from other threads. */
static json_object *new_processors(const struct trace_processors *processors)
{
        json_object *o;

        if (processors->threads == 0)
                return NULL;
        o = json_new_object();
        json_add_count(o, "threads", processors->threads);
        json_add_count(o, "faults", processors->faults);
        return o;
}

static json_object *new_process(const struct trace_account *a, const struct trace_process *p)
{
        json_object *o = json_new_object(), *devices = json_new_array();
        json_object *bars = json_new_array();
        struct trace_phases f = trace_phases_of(a, p);

        json_add_count(o, "pid", p->pid);
        json_add_string(o, "command", p->command);
        add_name(o, "guest", p->guest);
        json_add_bool(o, "ended", p->ended);
        json_add_bool(o, "from_hook", f.from_hook);
        json_add_bool(o, "was_running", p->was_running);
        add_seconds(o, "seconds", f.end - f.begin);
        json_add(o, "phases", new_phases(&f));
        json_add(o, "ram", new_sum(&p->ram));
        json_add(o, "file", new_sum(&p->file));
        json_add(o, "unmap", new_sum(&p->unmap));
        for (size_t i = 0; i < p->n_devices; i++)
                json_append(devices, new_device(&p->devices[i]));
        for (size_t i = 0; i < p->n_bars; i++)
                json_append(bars, new_bar(a, &p->bars[i]));
        json_add(o, "devices", devices);
        json_add(o, "bars", bars);
        json_add(o, "processors", new_processors(&p->processors));
        json_add_count(o, "omitted", p->n_omitted);
        json_add(o, "verdict", trace_verdict(a, p));
        return o;
}

static json_object *new_unseen(const struct trace_watched *w)
{
        json_object *unseen = json_new_array();

        for (size_t i = 0; i < w->n_unseen; i++) {
                json_object *o = json_new_object();

                json_add_string(o, "phase", w->unseen[i].phase);
                json_add_string(o, "function", w->unseen[i].function);
                json_append(unseen, o);
        }
        return unseen;
}

json_object *trace_report_new(const struct trace_account *a, const struct trace_selection *s,
                              const struct trace_watched *w)
{
        json_object *o = json_new_object(), *processes = json_new_array();
        format_t time;

        assert(a);
        assert(s);
        assert(w);
        json_add(o, "schema_version", memory_note(json_object_new_int(TRACE_SCHEMA_VERSION)));
        json_add_string(o, "version", PROJECT_VERSION);
        json_add_string(o, "time", format_time(w->time_usec, time));
        json_add_string(o, "kernel", w->kernel);
        add_seconds(o, "watched_seconds", w->ns);
        json_add_count(o, "lost", w->lost);
        json_add_count(o, "omitted", a->n_omitted);
        json_add(o, "unseen", new_unseen(w));
        for (size_t i = 0; i < a->n_processes; i++)
                if (trace_is_selected(s, &a->processes[i]))
                        json_append(processes, new_process(a, &a->processes[i]));
        json_add(o, "processes", processes);
        return o;
}
