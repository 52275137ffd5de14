/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>

#include "account.h"
#include "report.h"
#include "util/root.h"
#include "watch.h"

/* Watches this host, and keeps the account. What the kernel's events leave out is added from /proc as events
 * of the same kind: the guest of a process, and what a process had mapped before. */
struct trace_collector {
        struct root root;
        struct kernel_symbols *symbols; /* of vfio_pci_core */
        struct trace_account account;
        struct trace_watch *watch;
        uint64_t began;     /* nanoseconds of CLOCK_MONOTONIC */
        uint64_t time_usec; /* the same moment, CLOCK_REALTIME */

        /* Set before it is opened: a process that was there at `began`, but not yet then, has its start from
         * its own beginning on. 0: the same as `began`. */
        uint64_t since;
        bool knows_kernel;
        int error; /* of an event: the trace cannot go on */

        /* Called with each event once it is accounted, and never with those of /proc; may be NULL. */
        void (*on_event)(const struct trace_process *p, const struct trace_event *e, void *userdata);
        void *userdata;
};

/* pid: a process that runs already, whose BARs have addresses from before; 0: none. Returns 0, or a negative
 * errno with *ret_why: one sentence, static. trace_collector_done() in both cases. */
int trace_collector_open(struct trace_collector *c, uint32_t pid, const char **ret_why);
void trace_collector_done(struct trace_collector *c);

/* Takes what happens within so many milliseconds. Returns 0, also after a signal, or a negative errno. */
int trace_collector_wait(struct trace_collector *c, int milliseconds);

/* Whether the start of this process is over: the process has ended, or nothing has been mapped for a time
 * that depends on whether its firmware has enabled memory already, which is when BARs are mapped. */
bool trace_start_is_over(const struct trace_process *p, uint64_t now);

/* All of it until now, as trace_report_new(); the caller puts it. */
json_object *trace_collector_report(struct trace_collector *c, const struct trace_selection *s);

uint64_t trace_now(void); /* nanoseconds of CLOCK_MONOTONIC */
