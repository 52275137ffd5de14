/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "facts/guest/facts-mapping.h"
#include "facts/kernel/kernel-symbols.h"
#include "processors.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/guest-name.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/process-file.h"

#define REGION_SHIFT 40 /* as VFIO shows it: include/linux/vfio_pci_core.h */
#define QUIET_NS (10 * UINT64_C(1000000000))
#define QUIET_WITHOUT_BARS_NS (60 * UINT64_C(1000000000))

uint64_t trace_now(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * UINT64_C(1000000000) + (uint64_t) now.tv_nsec;
}

/* Returns 0, with ret as it is where the process runs no guest, or a negative errno where it did not answer
 * in time. */
static int read_guest_name(struct trace_collector *c, uint32_t pid, char ret[static TRACE_TEXT_MAX])
{
        _cleanup_free_ char *name = NULL;
        int r;

        process_round_begin(&c->root);
        r = guest_name_of(&c->root, (pid_t) pid, &name);
        (void) process_round_end(&c->root, NULL);
        if (r < 0)
                return r;
        if (name)
                snprintf(ret, TRACE_TEXT_MAX, "%s", name);
        return 0;
}

static int collector_add(struct trace_collector *c, const struct trace_event *e, struct trace_process **ret)
{
        int r = trace_account_add(&c->account, e, ret);

        return r == -EBADMSG ? 0 : r; /* of a newer kernel side than this: there is none */
}

static const char *const names[] = { "vfio_pci_mmap_fault", NULL };

/* Whether this kernel's fault handler for BARs fills a whole mapping: up to 6.11, by its name. It is known
 * once vfio-pci is loaded. */
static void read_kernel(struct trace_collector *c)
{
        c->knows_kernel = true;
        kernel_symbols_refresh(c->symbols);
        c->account.fills_at_once = !kernel_symbols_btf_has_function(
                                           c->symbols, "vfio_pci_mmap_page_fault" /* of later ones */) &&
                                   kernel_symbols_has_function(c->symbols, names[0]).value == FACT_YES;
}

static int add_mapping(struct trace_collector *c, uint32_t pid, uint64_t time, const struct mapping *m)
{
        struct trace_event e = { .time = time,
                                 .pid = pid,
                                 .kind = TRACE_REGION,
                                 .address = m->start,
                                 .size = m->size,
                                 .offset = ((uint64_t) m->region << REGION_SHIFT) + m->offset };
        struct trace_process *p;

        if (m->region < 0)
                return 0;
        snprintf(e.text, sizeof(e.text), "%s", m->bdf);
        return collector_add(c, &e, &p);
}

/* The addresses that the BARs of a process have already, as if they got them now. What does not answer in
 * time has none. */
static int add_mappings(struct trace_collector *c, uint32_t pid, uint64_t time)
{
        struct mapping_facts mappings = {};
        struct device_facts devices;
        int r;

        r = device_facts_read(&devices, &c->root);
        if (r < 0)
                return r;
        process_round_begin(&c->root);
        r = mapping_facts_read_process(&mappings, &c->root, (pid_t) pid, &devices, NULL, 0);
        (void) process_round_end(&c->root, NULL);
        if (r != -ENOMEM)
                r = 0;
        for (size_t i = 0; r == 0 && i < mappings.n_mappings; i++)
                r = add_mapping(c, pid, time, &mappings.mappings[i]);
        mapping_facts_done(&mappings);
        device_facts_done(&devices);
        return r;
}

/* What the first event of a process leaves out: its guest, and what it had before it was watched. */
static int add_process(struct trace_collector *c, const struct trace_event *first)
{
        struct trace_event e = { .time = first->time, .pid = first->pid, .kind = TRACE_GUEST };
        struct trace_process *p;
        bool unread;
        int r;

        e.started = first->started >= c->since ? first->started : 0;
        memcpy(e.command, first->command, sizeof(e.command));
        unread = read_guest_name(c, e.pid, e.text) < 0;
        r = collector_add(c, &e, &p);
        if (r < 0)
                return r;
        if (p) {
                p->guest_unread = unread;
                p->was_running = e.started < c->began;
        }
        if (e.started >= c->began)
                return 0;
        return add_mappings(c, e.pid, e.time);
}

/* It maps memory for as long as it does not answer, and may have ended that. */
static int ask_again(struct trace_collector *c, const struct trace_process *process)
{
        struct trace_event e = { .time = trace_now(), .pid = process->pid, .kind = TRACE_GUEST };
        struct trace_process *p;
        int r;

        if (read_guest_name(c, e.pid, e.text) < 0)
                return 0;
        r = collector_add(c, &e, &p);
        if (r < 0)
                return r;
        if (p)
                p->guest_unread = false;
        return 0;
}

static bool is_of_process(const struct trace_event *e)
{
        return e->kind != TRACE_HOOK && e->kind != TRACE_HOOK_END && e->kind != TRACE_EXIT;
}

static int account_event(struct trace_collector *c, const struct trace_event *e, struct trace_process **ret)
{
        const struct trace_process *p;
        int r = 0;

        if (!is_of_process(e))
                return collector_add(c, e, ret);
        p = trace_account_find(&c->account, e->pid);
        if (!p)
                r = add_process(c, e);
        else if (p->guest_unread)
                r = ask_again(c, p);
        if (r < 0)
                return r;
        /* That takes a while, and what a process can be asked it has been asked by now. */
        if (e->kind == TRACE_MAP && !c->knows_kernel)
                read_kernel(c);
        return collector_add(c, e, ret);
}

static void take_event(const struct trace_event *e, void *userdata)
{
        struct trace_collector *c = userdata;
        struct trace_process *p = NULL;

        if (c->error < 0)
                return;
        c->error = account_event(c, e, &p);
        if (c->error >= 0 && p && c->on_event)
                c->on_event(p, e, c->userdata);
}

static int add_running_process(struct trace_collector *c, uint32_t pid, const char **ret_why)
{
        struct trace_event e = { .time = c->began, .pid = pid };
        _cleanup_free_ char *command = NULL;
        char path[sizeof("proc//comm") + 10];
        int r;

        snprintf(path, sizeof(path), "proc/%u/comm", pid);
        r = read_line_at(c->root.fd, path, &command);
        if (r < 0) {
                *ret_why = "there is no such process";
                return r;
        }
        snprintf(e.command, sizeof(e.command), "%s", command);
        r = add_process(c, &e);
        if (r < 0)
                *ret_why = "there is no memory for it";
        return r;
}

int trace_collector_open(struct trace_collector *c, uint32_t pid, const char **ret_why)
{
        int r;

        assert(c);
        assert(ret_why);
        c->root.fd = -EBADF;
        c->account.page_size = (uint64_t) sysconf(_SC_PAGESIZE);
        r = root_open(&c->root, NULL);
        if (r < 0) {
                *ret_why = "the root directory cannot be opened";
                return r;
        }
        r = kernel_symbols_open(&c->root, "vfio_pci_core", names, &c->symbols);
        if (r < 0) {
                *ret_why = "there is no memory for it";
                return r;
        }
        r = trace_watch_new(c->symbols, take_event, c, &c->watch, ret_why);
        if (r < 0)
                return r;
        c->began = trace_now();
        c->time_usec = clock_usec(CLOCK_REALTIME);
        if (c->since == 0)
                c->since = c->began;
        /* That takes a while, and a start may be under way already: events wait in the kernel. */
        if (exists_at(c->root.fd, "sys/module/vfio_pci_core"))
                read_kernel(c);
        return pid ? add_running_process(c, pid, ret_why) : 0;
}

void trace_collector_done(struct trace_collector *c)
{
        c->watch = trace_watch_free(c->watch);
        trace_account_done(&c->account);
        kernel_symbols_close(c->symbols);
        c->symbols = NULL;
        root_close(&c->root);
}

int trace_collector_wait(struct trace_collector *c, int milliseconds)
{
        int r;

        assert(c);
        r = trace_watch_wait(c->watch, milliseconds);
        return c->error < 0 ? c->error : r;
}

static bool has_mapped_bars(const struct trace_process *p)
{
        for (size_t i = 0; i < p->n_bars; i++)
                if (p->bars[i].maps.calls > 0)
                        return true;
        return false;
}

bool trace_start_is_over(const struct trace_process *p, uint64_t now)
{
        uint64_t quiet = has_mapped_bars(p) ? QUIET_NS : QUIET_WITHOUT_BARS_NS;

        return p->ended || (trace_process_is_vmm(p) && now > p->last && now - p->last >= quiet);
}

/* What their own threads count costs nothing while it is watched, as a program at each fault would. */
static int read_processors(struct trace_collector *c, const struct trace_selection *s)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < c->account.n_processes; i++) {
                struct trace_process *p = &c->account.processes[i];

                if (!p->ended && trace_is_selected(s, p))
                        r = trace_processors_read(&c->root, (pid_t) p->pid, &p->processors);
        }
        return r;
}

json_object *trace_collector_report(struct trace_collector *c, const struct trace_selection *s)
{
        struct trace_unseen unseen[TRACE_UNSEEN_MAX];
        struct trace_watched w = { .unseen = unseen };
        struct utsname uts;

        assert(c);
        assert(s);
        if (read_processors(c, s) < 0)
                memory_note_failure();
        w.time_usec = c->time_usec;
        w.ns = trace_now() - c->began;
        w.kernel = uname(&uts) >= 0 ? uts.release : NULL;
        w.lost = trace_watch_lost(c->watch);
        w.n_unseen = trace_watch_unseen(c->watch, unseen);
        return trace_report_new(&c->account, s, &w);
}
