/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>
#include <string.h>

#include "trace/account.h"
#include "util/macro.h"

/* A start as the kernel reports it: a guest of 64 MiB with a BAR of 2 GiB, on Linux 7.3 and QEMU 7.2, which
 * leaves the address to the kernel. */

#define SAMPLE_SECOND UINT64_C(1000000000)
#define SAMPLE_MS UINT64_C(1000000)
#define SAMPLE_START (1000 * SAMPLE_SECOND) /* of the emulator */
#define SAMPLE_PID 1234
#define SAMPLE_DEVICE "0000:00:05.0"
#define SAMPLE_BAR UINT64_C(0x7f1200201000) /* in 4 KiB */
#define SAMPLE_REGION(n, offset) (((uint64_t) (n) << 40) + (offset))

static inline struct trace_event sample_event(enum trace_kind kind, uint64_t ms, uint64_t duration_ms,
                                              const char *text)
{
        struct trace_event e = { .kind = kind,
                                 .time = SAMPLE_START + ms * SAMPLE_MS,
                                 .duration = duration_ms * SAMPLE_MS,
                                 .started = SAMPLE_START,
                                 .pid = SAMPLE_PID,
                                 .tid = SAMPLE_PID,
                                 .command = "qemu-system-x86" };

        snprintf(e.text, sizeof(e.text), "%s", text);
        return e;
}

static inline struct trace_event sample_map(uint64_t ms, uint64_t duration_ms, uint64_t address,
                                            uint64_t size, uint64_t faults)
{
        struct trace_event e = sample_event(TRACE_MAP, ms, duration_ms, "");

        e.address = address;
        e.size = size;
        e.faults = faults;
        return e;
}

static inline struct trace_event sample_region(uint64_t ms, uint64_t address, uint64_t size, uint64_t offset)
{
        struct trace_event e = sample_event(TRACE_REGION, ms, 0, SAMPLE_DEVICE);

        e.address = address;
        e.size = size;
        e.offset = offset;
        return e;
}

/* A run of our hook, so many seconds before the emulator's start. */
static inline struct trace_event sample_hook(uint64_t seconds_before, uint32_t pid, const char *guest,
                                             const char *operation)
{
        struct trace_event e = { .kind = TRACE_HOOK,
                                 .time = SAMPLE_START - seconds_before * SAMPLE_SECOND,
                                 .pid = pid,
                                 .command = "vfioalignctl-ho" };
        char *p = e.text;

        p = stpcpy(p, "vfioalignctl") + 1;
        p = stpcpy(p, "hook") + 1;
        p = stpcpy(p, guest) + 1;
        p = stpcpy(p, operation) + 1;
        stpcpy(p, "begin");
        return e;
}

/* Fills ret with the whole start, in the order in which the calls return; returns how many events. */
#define SAMPLE_EVENTS 13
static inline size_t sample_start(struct trace_event ret[static SAMPLE_EVENTS])
{
        size_t n = 0;

        ret[n++] = sample_hook(4, 77, "train-a", "prepare");
        ret[n] = ret[0];
        ret[n].kind = TRACE_HOOK_END;
        ret[n++].time += SAMPLE_SECOND;
        ret[n++] = sample_event(TRACE_RESET, 110, 80, SAMPLE_DEVICE); /* within the opening */
        ret[n++] = sample_event(TRACE_OPEN, 100, 100, SAMPLE_DEVICE);
        ret[n++] = sample_event(TRACE_GUEST, 200, 0, "train-a");
        ret[n++] = sample_region(210, SAMPLE_BAR, GIB(2), SAMPLE_REGION(2, 0));
        ret[n++] = sample_map(300, 646, 0x7f1100000000, MIB(64), 32);
        ret[n++] = sample_map(1000, 14, 0x7f1110000000, KIB(128), 0);
        ret[n++] = sample_event(TRACE_UNMAP, 2000, 16, "");
        ret[n++] = sample_map(11800, 3700, SAMPLE_BAR, GIB(2), 524288);
        ret[n++] = sample_event(TRACE_UNMAP, 16000, 500, "");
        ret[n++] = sample_event(TRACE_RESET, 16600, 80, SAMPLE_DEVICE);
        ret[n++] = sample_event(TRACE_EXIT, 16700, 0, "");
        return n;
}
