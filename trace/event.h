/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
#pragma once

#include <linux/types.h>

/* What the kernel side of the trace (trace.bpf.c) reports of each call, once it has returned. The same
 * records make up a recorded trace. */

enum trace_kind {
        TRACE_MAP = 1,  /* memory was mapped for DMA, by type1 or by iommufd */
        TRACE_MAP_FILE, /* the same, by IOMMU_IOAS_MAP_FILE: part of a file instead of an address. text: the
                         * device, where that is a dma-buf of its BARs */
        TRACE_UNMAP,    /* and unmapped */
        TRACE_OPEN,     /* a device was opened, which resets it */
        TRACE_RESET,    /* a device was reset */
        TRACE_REGION,   /* a region of a device, as a BAR, got an address in the process: mmap() */
        TRACE_HOOK,     /* our hook started; text: its arguments, each with its NUL */
        TRACE_HOOK_END, /* and ended */
        TRACE_EXIT,     /* a process that was seen before has ended */
        TRACE_GUEST,    /* text: the guest that the process runs; from its command line */
        _TRACE_KIND_MAX,
};

#define TRACE_TEXT_MAX 96
#define TRACE_COMMAND_MAX 16 /* TASK_COMM_LEN */

struct trace_event {
        __u64 time;     /* when the call began; nanoseconds of CLOCK_MONOTONIC, as all times here */
        __u64 duration; /* nanoseconds */
        __u64 started;  /* when the process began to run its program; 0: before it was watched */
        __u64 address;  /* TRACE_MAP, TRACE_REGION: virtual; TRACE_MAP_FILE: in the file */
        __u64 size;     /* bytes */
        __u64 offset;   /* TRACE_REGION: in VFIO's descriptor, which has the region's number in it */
        __u64 faults;   /* of the calling thread, during the call */
        __u32 pid, tid;
        __u32 kind;   /* enum trace_kind */
        __s32 result; /* a negative errno where the call failed */
        char command[TRACE_COMMAND_MAX];
        char text[TRACE_TEXT_MAX]; /* TRACE_OPEN, TRACE_RESET, TRACE_REGION: the device's address */
};
