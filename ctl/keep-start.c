/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vfioalign-trace --keep GUEST, which vfioalign-trace@.service runs for vfioalignd: measures one start of
 * the guest, keeps the result, and ends by itself. */
#include "keep-start.h"

#include "ctl.h"
#include "long-run.h"
#include "trace/collect.h"
#include "trace/keep.h"
#include "trace/report.h"
#include "util/array.h"
#include "util/log.h"
#include "util/macro.h"

#define WAIT_MS 100
#define SECOND_NS UINT64_C(1000000000)

/* libvirt makes networks and labels files before it runs the emulator; where that fails it calls the hook.
 */
#define NO_PROCESS_NS (300 * SECOND_NS)

struct keeping {
        const char *guest;
        struct trace_selection selection;
        struct trace_collector collector;
        uint64_t
                began; /* nanoseconds of CLOCK_MONOTONIC: libvirt's hook waits for the daemon, or just did */
};

/* The hook of "prepare" has had this started, so its beginning was not seen. */
static int add_prepare(struct keeping *k)
{
        struct trace_account *a = &k->collector.account;
        struct trace_hook *hook = array_append(a->hooks, a->n_hooks);

        if (!hook)
                return -ENOMEM;
        *hook = (struct trace_hook){
                .begin = k->began, .end = k->began, .operation = "prepare", .suboperation = "begin"
        };
        snprintf(hook->guest, sizeof(hook->guest), "%s", k->guest);
        return 0;
}

/* What libvirt did last with this guest, as far as it called our hook. */
static const struct trace_hook *find_last_hook(const struct keeping *k)
{
        const struct trace_account *a = &k->collector.account;

        for (size_t i = a->n_hooks; i > 0; i--)
                if (trace_is_guest(a->hooks[i - 1].guest, k->guest))
                        return &a->hooks[i - 1];
        return NULL;
}

/* Whether the start was seen and is over, or does not come. */
static bool is_over(const struct keeping *k, uint64_t now)
{
        const struct trace_account *a = &k->collector.account;
        const struct trace_hook *hook = find_last_hook(k);
        uint64_t since = hook ? hook->begin : k->began;
        bool seen = false, prepared = hook && streq(hook->operation, "prepare");

        for (size_t i = 0; i < a->n_processes; i++) {
                const struct trace_process *p = &a->processes[i];

                if (!trace_is_selected(&k->selection, p))
                        continue;
                if (!trace_start_is_over(p, now))
                        return false;
                seen = seen || !prepared || p->started >= since; /* else it is of the start before */
        }
        return seen || (hook && streq(hook->operation, "release")) || now - since >= NO_PROCESS_NS;
}

static int watch_until_over(struct keeping *k)
{
        while (!long_run_stopped_by && !is_over(k, trace_now())) {
                int r = trace_collector_wait(&k->collector, WAIT_MS);

                if (r < 0)
                        return log_error(r, "Failed to read what the kernel reports: %m");
        }
        return trace_collector_wait(&k->collector, 0);
}

static int keep_process(struct keeping *k, const struct trace_process *p)
{
        const struct trace_selection selection = { .process = p };
        struct trace_collector *c = &k->collector;
        uint64_t begin = trace_phases_of(&c->account, p).begin, time_usec = c->time_usec;
        json_object *document;
        int r;

        /* Where the watch began later than the start, which is the rule, it was so much earlier. */
        if (begin < c->began)
                time_usec -= (c->began - begin) / 1000;
        else
                time_usec += (begin - c->began) / 1000;
        document = trace_collector_report(c, &selection);
        r = trace_keep(&c->root, k->guest, time_usec, document);
        json_object_put(document);
        return r < 0 ? log_error(r, "Failed to keep the start of guest '%s': %m", k->guest) : 0;
}

/* A guest that was started again at once has two. */
static int keep_starts(struct keeping *k)
{
        const struct trace_account *a = &k->collector.account;
        size_t n = 0;

        for (size_t i = 0; i < a->n_processes; i++) {
                int r;

                if (!trace_is_selected(&k->selection, &a->processes[i]))
                        continue;
                r = keep_process(k, &a->processes[i]);
                if (r < 0)
                        return r;
                n++;
        }
        if (n == 0)
                log_info("No start of guest '%s' was seen", k->guest);
        return 0;
}

static int measure_start(struct keeping *k)
{
        const char *why = NULL;
        int r;

        k->collector.since = k->began;
        r = trace_collector_open(&k->collector, 0, &why);
        if (r == -EOPNOTSUPP) {
                log_info("The start of guest '%s' is not measured: %s", k->guest, why);
                return 0;
        }
        if (r < 0)
                return log_error(r, "Cannot measure the start of guest '%s': %s", k->guest, why);
        r = add_prepare(k);
        if (r < 0)
                return log_error(r, "Failed to measure the start of guest '%s': %m", k->guest);
        (void) long_run_catch_signals(); /* what was seen until then is kept */
        r = watch_until_over(k);
        return r < 0 ? r : keep_starts(k);
}

int keep_start(const char *guest)
{
        struct keeping k = { .guest = guest, .selection.guest = guest, .began = trace_now() };
        _cleanup_(root_close) struct root root = { .fd = -EBADF };
        _cleanup_close_ int slot = -EBADF;
        int r;

        r = root_open(&root, NULL);
        if (r < 0) {
                log_error(r, "Failed to open '/': %m");
                return CTL_FAILED;
        }
        slot = trace_take_slot(&root);
        if (slot == -EBUSY) {
                log_info("The start of guest '%s' is not measured, because %d others are", guest,
                         TRACE_SLOTS);
                return CTL_OK;
        }
        if (slot < 0) {
                log_error(slot, "Failed to keep the start of guest '%s': %m", guest);
                return CTL_FAILED;
        }
        r = measure_start(&k);
        trace_collector_done(&k.collector);
        return r < 0 ? CTL_FAILED : CTL_OK;
}
