/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"

/* What the events of a trace amount to, by process. A pure function of the events: nothing here asks the
 * host. All times are nanoseconds of CLOCK_MONOTONIC. */

#define TRACE_PROCESSES_MAX 64
#define TRACE_DEVICES_MAX 256 /* of one process */
#define TRACE_BARS_MAX 1024   /* the same */
#define TRACE_SPANS_MAX 8192  /* the same */
#define TRACE_HOOKS_MAX 256   /* runs of our hook; the oldest make room */

/* Calls of one kind. */
struct trace_sum {
        uint64_t calls, failed; /* calls has those that failed, too; the rest of this has not */
        uint64_t bytes, faults, ns;
};

struct trace_device {
        char name[TRACE_TEXT_MAX]; /* its address */
        uint64_t opens, open_ns;   /* open_ns without the resets within */
        uint64_t resets, reset_ns;
        uint64_t reset_time, reset_end; /* internal: of the last */
};

/* What one of vfioalign's fixes would change for a BAR. */
#define TRACE_FIXES_MAX 4
struct trace_fix {
        const char *name; /* as in vfioalignctl(1); static */
        const char *with; /* the beginning of a sentence; static */
        uint64_t page_size, faults;
};

/* A region of a device, or a part of one, that has an address in the process. */
struct trace_bar {
        char device[TRACE_TEXT_MAX]; /* "": unknown */
        uint32_t region;             /* 0 to 5 are the BARs */
        uint64_t offset, size;       /* bytes, in the region */
        uint64_t address;            /* the last that it had */
        struct trace_sum maps;
        uint64_t page_size;    /* bytes: the one that the faults show; 0: there were none */
        uint64_t page_bytes;   /* internal: how much was mapped when it was found */
        uint64_t dma_buf_time; /* when it was last mapped as a dma-buf, which has no page faults; 0: never */

        /* Of `maps`, the calls that took faults; and how long one fault took on average in the calls that
         * took enough of them to say so: in the quickest and in the slowest. 0: there was no such call. */
        uint64_t fault_calls, fault_ns;
        double least_ns, most_ns;
        struct trace_fix fixes[TRACE_FIXES_MAX]; /* what helps; see fixes.h */
        size_t n_fixes;
};

/* When a call was under way, for a timeline. */
enum trace_span_kind {
        TRACE_SPAN_RAM,
        TRACE_SPAN_UNMAP,
        TRACE_SPAN_OPEN,  /* index: of the device */
        TRACE_SPAN_RESET, /* the same */
        TRACE_SPAN_BAR,   /* index: of the BAR */
};
struct trace_span {
        enum trace_span_kind kind;
        size_t index;
        uint64_t begin, end;
};

/* The threads that run a guest's processors, and the page faults that they have taken, in KVM as well. */
struct trace_processors {
        uint64_t threads, faults;
};

struct trace_process {
        uint32_t pid;
        uint64_t started; /* when its program began; or when it was seen first, if that was before the watch
                           */
        bool was_running; /* the latter */
        char command[TRACE_COMMAND_MAX + 1];
        char guest[TRACE_TEXT_MAX]; /* "": it runs none, or that is not known */
        bool guest_unread;          /* for whoever adds TRACE_GUEST: it has to be asked again */
        bool ended;
        uint64_t last; /* end of the last call that maps memory or opens a device; 0: there was none */
        struct trace_sum ram, file, unmap;
        uint64_t unmap_ns, reset_ns; /* of the calls before `last` alone */
        uint64_t resets_ns;          /* internal: of all */
        struct trace_device *devices;
        size_t n_devices;
        struct trace_bar *bars;
        size_t n_bars;
        struct trace_span *spans; /* in the order in which the calls returned */
        size_t n_spans;
        uint64_t n_omitted;                 /* devices, BARs and spans beyond those that are kept */
        struct trace_processors processors; /* for whoever reports it to fill; no threads: unknown */
};

struct trace_hook {
        uint32_t pid;
        uint64_t begin, end; /* end is 0 while it runs */
        char guest[TRACE_TEXT_MAX], operation[16], suboperation[16];
};

struct trace_account {
        uint64_t page_size; /* the kernel's smallest page, in bytes */
        bool fills_at_once; /* this kernel fills a whole mapping at its first fault, in its smallest pages */
        struct trace_process *processes; /* in the order in which they were seen */
        size_t n_processes;
        uint64_t n_omitted; /* events of processes beyond those that are kept */
        struct trace_hook *hooks;
        size_t n_hooks;
};

/* Takes one event. ret: the process that it was accounted to, until the next call; NULL where there is none.
 * Returns 0, -EBADMSG for an event that the kernel side does not make, or -ENOMEM. */
int trace_account_add(struct trace_account *a, const struct trace_event *e, struct trace_process **ret);
void trace_account_done(struct trace_account *a);

/* The process with that pid that has not ended, or NULL. */
struct trace_process *trace_account_find(const struct trace_account *a, uint32_t pid);

/* Whether it did what a VMM does: opened a device, or mapped memory for DMA. */
bool trace_process_is_vmm(const struct trace_process *p);

/* The BAR of this process that has that virtual address, or NULL. */
struct trace_bar *trace_process_find_bar(const struct trace_process *p, uint64_t address);

/* The BAR that an event mapped for DMA, which may have been added; NULL: none that is known. */
struct trace_bar *trace_process_find_mapped(const struct trace_process *p, const struct trace_event *e);

/* Where the time between begin and end went. These are its parts, and `other` is what they leave: the
 * emulator, the firmware and the guest. Where calls overlapped it is 0, and the sum of the parts larger. */
struct trace_phases {
        uint64_t begin, end;
        bool from_hook; /* begin is that of "prepare"; else the process's own */
        uint64_t hook, libvirt, open, reset, ram, bars, unmap, other;
};
struct trace_phases trace_phases_of(const struct trace_account *a, const struct trace_process *p);

/* How long it would have taken to map a BAR for DMA with that fix, by what a fault took in this very start:
 * in all, and with the quickest and the slowest. False where that was not measured. */
struct trace_estimate {
        double ns, least_ns, most_ns;
};
bool trace_bar_estimate(const struct trace_bar *bar, const struct trace_fix *fix,
                        struct trace_estimate *ret);

/* Page sizes in bytes, and what fits into the region at that offset. The number of faults is what these
 * pages would take. */
uint64_t trace_large_page(const struct trace_account *a, unsigned level); /* level: 0 to 2 */
uint64_t trace_bar_largest_page(const struct trace_account *a, const struct trace_bar *bar);
uint64_t trace_bar_least_faults(const struct trace_account *a, const struct trace_bar *bar);
