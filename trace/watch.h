/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "event.h"
#include "facts/kernel/kernel-symbols.h"

/* Watches the kernel by trace.bpf.c. Nothing of it stays when the process ends, in whatever way. */
struct trace_watch;

typedef void (*trace_event_t)(const struct trace_event *e, void *userdata);

/* Needs root. symbols: of vfio_pci_core; they have to outlive *ret. Functions of modules that are not loaded
 * are watched as soon as they are. Returns 0, or a negative errno with *ret_why: one sentence, static, that
 * says what is missing on this host. */
int trace_watch_new(struct kernel_symbols *symbols, trace_event_t on_event, void *userdata,
                    struct trace_watch **ret, const char **ret_why);
struct trace_watch *trace_watch_free(struct trace_watch *w);

/* Waits for events at most so long, and hands over what there is. Returns 0, also after a signal, or a
 * negative errno. */
int trace_watch_wait(struct trace_watch *w, int milliseconds);

/* How many events were lost because the ring was full. */
uint64_t trace_watch_lost(const struct trace_watch *w);

/* What cannot be seen on this kernel: a function that it lacks, or has inlined. Both texts are static. */
struct trace_unseen {
        const char *phase, *function;
};
#define TRACE_UNSEEN_MAX 8

/* Returns how many there are, at most TRACE_UNSEEN_MAX. A module that never was loaded hides nothing. */
size_t trace_watch_unseen(const struct trace_watch *w, struct trace_unseen ret[static TRACE_UNSEEN_MAX]);
