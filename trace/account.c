/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "account.h"

#include <assert.h>
#include <errno.h>

#include "util/array.h"
#include "util/macro.h"

/* include/linux/vfio_pci_core.h: a region's index stands above its offset in the file. */
#define REGION_SHIFT 40
#define REGION_OFFSET_MASK ((UINT64_C(1) << REGION_SHIFT) - 1)

/* With fewer, what the call itself takes would count as theirs. */
#define SAMPLE_FAULTS_MIN 64

/* What comes from the kernel's ring is bounded, but need not end with a NUL. */
static void copy_text(char *to, size_t size, const char *from, size_t n)
{
        n = strnlen(from, n < size - 1 ? n : size - 1);
        memcpy(to, from, n);
        to[n] = '\0';
}

/* The kernel gives devices names of ASCII. */
static void copy_device(char to[static TRACE_TEXT_MAX], const struct trace_event *e)
{
        copy_text(to, TRACE_TEXT_MAX, e->text, sizeof(e->text));
        for (char *p = to; *p; p++)
                if (*p < ' ' || *p > '~')
                        *p = '?';
}

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
        return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t sub_saturated(uint64_t a, uint64_t b)
{
        return a > b ? a - b : 0;
}

static uint64_t end_of(const struct trace_event *e)
{
        return add_saturated(e->time, e->duration);
}

static void sum_add(struct trace_sum *sum, const struct trace_event *e)
{
        sum->calls++;
        if (e->result < 0) {
                sum->failed++;
                return;
        }
        sum->bytes = add_saturated(sum->bytes, e->size);
        sum->faults = add_saturated(sum->faults, e->faults);
        sum->ns = add_saturated(sum->ns, e->duration);
}

/* --- Pages */

uint64_t trace_large_page(const struct trace_account *a, unsigned level)
{
        uint64_t page = a->page_size;

        assert(level <= 2);
        /* A table of entries of 8 bytes is a page. */
        for (unsigned i = 0; i < level; i++)
                page *= a->page_size / 8;
        return page;
}

/* How many whole pages of that size, at multiples of it, are between the two. */
static uint64_t whole_pages(uint64_t start, uint64_t end, uint64_t page)
{
        uint64_t first = start / page + (start % page != 0), last = end / page;

        return last > first ? last - first : 0;
}

uint64_t trace_bar_largest_page(const struct trace_account *a, const struct trace_bar *bar)
{
        for (unsigned level = 2; level > 0; level--) {
                uint64_t page = trace_large_page(a, level);

                if (whole_pages(bar->offset, bar->offset + bar->size, page) > 0)
                        return page;
        }
        return a->page_size;
}

uint64_t trace_bar_least_faults(const struct trace_account *a, const struct trace_bar *bar)
{
        uint64_t start = bar->offset, end = bar->offset + bar->size, larger = 0, faults = 0;

        for (unsigned level = 2;; level--) {
                uint64_t page = trace_large_page(a, level), n = whole_pages(start, end, page);

                faults += n - larger;
                if (level == 0)
                        return faults;
                larger = n * (a->page_size / 8);
        }
}

/* The page that so many faults show, each of which fills one: the largest of a mapping that has several. */
static uint64_t page_by_faults(const struct trace_account *a, uint64_t faults, uint64_t size)
{
        if (a->fills_at_once)
                return a->page_size;
        for (unsigned level = 0; level < 2; level++) {
                uint64_t page = trace_large_page(a, level);

                if (faults >= size / page + (size % page != 0))
                        return page;
        }
        return trace_large_page(a, 2);
}

/* --- Processes */

struct trace_process *trace_account_find(const struct trace_account *a, uint32_t pid)
{
        for (size_t i = a->n_processes; i > 0; i--)
                if (a->processes[i - 1].pid == pid && !a->processes[i - 1].ended)
                        return &a->processes[i - 1];
        return NULL;
}

/* NULL and *r 0: there are too many. */
static struct trace_process *process_of(struct trace_account *a, const struct trace_event *e, int *r)
{
        struct trace_process *p = trace_account_find(a, e->pid);

        *r = 0;
        if (p)
                return p;
        if (a->n_processes == TRACE_PROCESSES_MAX) {
                a->n_omitted++;
                return NULL;
        }
        p = array_append(a->processes, a->n_processes);
        if (!p) {
                *r = -ENOMEM;
                return NULL;
        }
        p->pid = e->pid;
        p->was_running = e->started == 0;
        p->started = e->started && e->started <= e->time ? e->started : e->time;
        copy_text(p->command, sizeof(p->command), e->command, sizeof(e->command));
        return p;
}

bool trace_process_is_vmm(const struct trace_process *p)
{
        return p->last > 0;
}

/* NULL: there are too many, or there is no memory. */
static struct trace_device *device_of(struct trace_process *p, const struct trace_event *e)
{
        char name[TRACE_TEXT_MAX];
        struct trace_device *d;

        copy_device(name, e);
        for (size_t i = 0; i < p->n_devices; i++)
                if (streq(p->devices[i].name, name))
                        return &p->devices[i];
        d = p->n_devices < TRACE_DEVICES_MAX ? array_append(p->devices, p->n_devices) : NULL;
        if (!d) {
                p->n_omitted++;
                return NULL;
        }
        strcpy(d->name, name);
        return d;
}

struct trace_bar *trace_process_find_bar(const struct trace_process *p, uint64_t address)
{
        /* What was mapped last has taken the address. */
        for (size_t i = p->n_bars; i > 0; i--) {
                struct trace_bar *bar = &p->bars[i - 1];

                if (address >= bar->address && address - bar->address < bar->size)
                        return bar;
        }
        return NULL;
}

/* Of the BARs of its device that are large enough the smallest; of two of one size the one that was mapped
 * longer ago. */
static struct trace_bar *find_dma_buf(const struct trace_process *p, const struct trace_event *e)
{
        char device[TRACE_TEXT_MAX];
        struct trace_bar *best = NULL;

        if (!*e->text)
                return NULL;
        copy_device(device, e);
        for (size_t i = 0; i < p->n_bars; i++) {
                struct trace_bar *bar = &p->bars[i];

                if (bar->size < e->size || !streq(bar->device, device))
                        continue;
                if (bar->dma_buf_time == e->time)
                        return bar; /* the event has been added */
                if (!best || bar->size < best->size ||
                    (bar->size == best->size && bar->dma_buf_time < best->dma_buf_time))
                        best = bar;
        }
        return best;
}

struct trace_bar *trace_process_find_mapped(const struct trace_process *p, const struct trace_event *e)
{
        if (e->kind == TRACE_MAP_FILE)
                return find_dma_buf(p, e);
        return e->kind == TRACE_MAP ? trace_process_find_bar(p, e->address) : NULL;
}

/* --- Events */

static void add_span(struct trace_process *p, enum trace_span_kind kind, size_t index,
                     const struct trace_event *e)
{
        struct trace_span *span = p->n_spans < TRACE_SPANS_MAX ? array_append(p->spans, p->n_spans) : NULL;

        if (span)
                *span = (struct trace_span){ kind, index, e->time, end_of(e) };
        else
                p->n_omitted++;
}

static void add_region(struct trace_process *p, const struct trace_event *e)
{
        struct trace_bar bar = { .region = (uint32_t) (e->offset >> REGION_SHIFT),
                                 .offset = e->offset & REGION_OFFSET_MASK,
                                 .size = e->size,
                                 .address = e->address };
        struct trace_bar *slot;

        copy_device(bar.device, e);
        for (size_t i = 0; i < p->n_bars; i++) {
                slot = &p->bars[i];
                if (slot->region == bar.region && slot->offset == bar.offset && slot->size == bar.size &&
                    streq(slot->device, bar.device)) {
                        slot->address = bar.address;
                        return;
                }
        }
        slot = p->n_bars < TRACE_BARS_MAX ? array_append(p->bars, p->n_bars) : NULL;
        if (!slot) {
                p->n_omitted++;
                return;
        }
        *slot = bar;
}

static void bar_add_cost(struct trace_bar *bar, const struct trace_event *e)
{
        double ns = (double) e->duration / (double) e->faults;

        bar->fault_calls++;
        bar->fault_ns = add_saturated(bar->fault_ns, e->duration);
        if (e->faults < SAMPLE_FAULTS_MIN)
                return;
        if (bar->least_ns == 0 || ns < bar->least_ns)
                bar->least_ns = ns;
        if (ns > bar->most_ns)
                bar->most_ns = ns;
}

static void add_map(const struct trace_account *a, struct trace_process *p, const struct trace_event *e)
{
        struct trace_bar *bar = trace_process_find_mapped(p, e);

        if (!bar) {
                add_span(p, TRACE_SPAN_RAM, 0, e);
                sum_add(e->kind == TRACE_MAP ? &p->ram : &p->file, e);
                return;
        }
        add_span(p, TRACE_SPAN_BAR, (size_t) (bar - p->bars), e);
        sum_add(&bar->maps, e);
        if (e->kind == TRACE_MAP_FILE)
                bar->dma_buf_time = e->time;
        /* A BAR that has its pages from before takes no faults, and shows nothing. */
        if (e->result < 0 || e->faults == 0)
                return;
        bar_add_cost(bar, e);
        if (e->size <= bar->page_bytes)
                return;
        bar->page_size = page_by_faults(a, e->faults, e->size);
        bar->page_bytes = e->size;
}

/* Opening a device resets it, and that event came before. */
static void add_open(struct trace_process *p, const struct trace_event *e)
{
        struct trace_device *d = device_of(p, e);
        uint64_t ns = e->duration;

        if (!d)
                return;
        if (d->reset_time >= e->time && d->reset_end <= end_of(e))
                ns -= d->reset_end - d->reset_time;
        add_span(p, TRACE_SPAN_OPEN, (size_t) (d - p->devices), e);
        d->opens++;
        d->open_ns = add_saturated(d->open_ns, ns);
}

static void add_reset(struct trace_process *p, const struct trace_event *e)
{
        struct trace_device *d = device_of(p, e);

        if (!d)
                return;
        add_span(p, TRACE_SPAN_RESET, (size_t) (d - p->devices), e);
        d->resets++;
        d->reset_ns = add_saturated(d->reset_ns, e->duration);
        d->reset_time = e->time;
        d->reset_end = end_of(e);
        p->resets_ns = add_saturated(p->resets_ns, e->duration);
}

/* What was called until now belongs to the start. */
static void process_advance(struct trace_process *p, const struct trace_event *e)
{
        if (end_of(e) > p->last)
                p->last = end_of(e);
        p->unmap_ns = p->unmap.ns;
        p->reset_ns = p->resets_ns;
}

/* NULL: no memory */
static struct trace_hook *hook_new(struct trace_account *a)
{
        struct trace_hook *hook;

        if (a->n_hooks < TRACE_HOOKS_MAX)
                return array_append(a->hooks, a->n_hooks);
        memmove(a->hooks, a->hooks + 1, (a->n_hooks - 1) * sizeof(*a->hooks));
        hook = &a->hooks[a->n_hooks - 1];
        *hook = (struct trace_hook){};
        return hook;
}

/* The next of the arguments, each of which ends with a NUL; returns what is behind it. */
static const char *copy_argument(char *to, size_t size, const char *from, const char *end)
{
        size_t n = strnlen(from, (size_t) (end - from));

        copy_text(to, size, from, n);
        return from + n < end ? from + n + 1 : end;
}

static int add_hook(struct trace_account *a, const struct trace_event *e)
{
        const char *p = e->text, *end = e->text + sizeof(e->text);
        struct trace_hook *hook = hook_new(a);
        char word[16];

        if (!hook)
                return -ENOMEM;
        hook->pid = e->pid;
        hook->begin = e->time;
        p = copy_argument(word, sizeof(word), p, end); /* "vfioalignctl" */
        p = copy_argument(word, sizeof(word), p, end); /* "hook" */
        p = copy_argument(hook->guest, sizeof(hook->guest), p, end);
        p = copy_argument(hook->operation, sizeof(hook->operation), p, end);
        copy_argument(hook->suboperation, sizeof(hook->suboperation), p, end);
        return 0;
}

static void end_hook(struct trace_account *a, const struct trace_event *e)
{
        for (size_t i = a->n_hooks; i > 0; i--)
                if (a->hooks[i - 1].pid == e->pid && a->hooks[i - 1].end == 0) {
                        a->hooks[i - 1].end = e->time > a->hooks[i - 1].begin ? e->time
                                                                              : a->hooks[i - 1].begin;
                        return;
                }
}

static void add_to_process(const struct trace_account *a, struct trace_process *p,
                           const struct trace_event *e)
{
        switch (e->kind) {
        case TRACE_MAP:
        case TRACE_MAP_FILE:
                add_map(a, p, e);
                process_advance(p, e);
                return;
        case TRACE_OPEN:
                add_open(p, e);
                process_advance(p, e);
                return;
        case TRACE_UNMAP:
                add_span(p, TRACE_SPAN_UNMAP, 0, e);
                sum_add(&p->unmap, e);
                return;
        case TRACE_RESET:
                add_reset(p, e);
                return;
        case TRACE_REGION:
                add_region(p, e);
                return;
        case TRACE_GUEST:
                copy_text(p->guest, sizeof(p->guest), e->text, sizeof(e->text));
                return;
        case TRACE_EXIT:
                p->ended = true;
                return;
        }
}

int trace_account_add(struct trace_account *a, const struct trace_event *e, struct trace_process **ret)
{
        struct trace_process *p;
        int r;

        assert(a->page_size >= 4096);
        *ret = NULL;
        if (e->kind == 0 || e->kind >= _TRACE_KIND_MAX)
                return -EBADMSG;
        if (e->kind == TRACE_HOOK)
                return add_hook(a, e);
        if (e->kind == TRACE_HOOK_END) {
                end_hook(a, e);
                return 0;
        }
        if (e->kind == TRACE_EXIT && !trace_account_find(a, e->pid))
                return 0;
        p = process_of(a, e, &r);
        if (!p)
                return r;
        add_to_process(a, p, e);
        *ret = p;
        return 0;
}

void trace_account_done(struct trace_account *a)
{
        for (size_t i = 0; i < a->n_processes; i++) {
                free(a->processes[i].devices);
                free(a->processes[i].bars);
                free(a->processes[i].spans);
        }
        free(a->processes);
        free(a->hooks);
        a->processes = NULL;
        a->hooks = NULL;
        a->n_processes = a->n_hooks = 0;
}

/* --- Phases */

/* The run of our hook that began this start, or NULL. */
static const struct trace_hook *find_prepare(const struct trace_account *a, const struct trace_process *p)
{
        for (size_t i = a->n_hooks; i > 0 && *p->guest; i--) {
                const struct trace_hook *hook = &a->hooks[i - 1];

                if (hook->begin <= p->started && streq(hook->guest, p->guest) &&
                    streq(hook->operation, "prepare") && streq(hook->suboperation, "begin"))
                        return hook;
        }
        return NULL;
}

/* How long our hook ran for this guest between the two. */
static uint64_t hooks_between(const struct trace_account *a, const char *guest, uint64_t begin, uint64_t end)
{
        uint64_t ns = 0;

        for (size_t i = 0; i < a->n_hooks; i++) {
                const struct trace_hook *hook = &a->hooks[i];
                uint64_t until = hook->end && hook->end < end ? hook->end : end;

                if (streq(hook->guest, guest) && hook->begin >= begin)
                        ns = add_saturated(ns, sub_saturated(until, hook->begin));
        }
        return ns;
}

struct trace_phases trace_phases_of(const struct trace_account *a, const struct trace_process *p)
{
        const struct trace_hook *prepare = find_prepare(a, p);
        struct trace_phases f = { .begin = prepare ? prepare->begin : p->started,
                                  .end = p->last > p->started ? p->last : p->started,
                                  .from_hook = prepare };
        uint64_t sum;

        if (prepare) {
                uint64_t before = hooks_between(a, p->guest, f.begin, p->started);

                f.hook = hooks_between(a, p->guest, f.begin, f.end);
                f.libvirt = sub_saturated(p->started - f.begin, before);
        }
        for (size_t i = 0; i < p->n_devices; i++)
                f.open = add_saturated(f.open, p->devices[i].open_ns);
        for (size_t i = 0; i < p->n_bars; i++)
                f.bars = add_saturated(f.bars, p->bars[i].maps.ns);
        f.ram = add_saturated(p->ram.ns, p->file.ns);
        f.unmap = p->unmap_ns;
        f.reset = p->reset_ns;
        sum = f.hook;
        sum = add_saturated(sum, f.libvirt);
        sum = add_saturated(sum, f.open);
        sum = add_saturated(sum, f.reset);
        sum = add_saturated(sum, f.ram);
        sum = add_saturated(sum, f.bars);
        sum = add_saturated(sum, f.unmap);
        f.other = sub_saturated(f.end - f.begin, sum);
        return f;
}

bool trace_bar_estimate(const struct trace_bar *bar, const struct trace_fix *fix, struct trace_estimate *ret)
{
        double faults = (double) bar->fault_calls * (double) fix->faults, rest;

        if (bar->most_ns == 0)
                return false;
        /* The calls that took no faults take as long as they did, at most. */
        rest = (double) sub_saturated(bar->maps.ns, bar->fault_ns);
        *ret = (struct trace_estimate){
                .ns = rest + faults * (double) bar->fault_ns / (double) bar->maps.faults,
                .least_ns = rest + faults * bar->least_ns,
                .most_ns = rest + faults * bar->most_ns,
        };
        return true;
}
