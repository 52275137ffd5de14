/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/host.h"
#include "guest-cost.h"

/* How long a start is in the BARs of a guest: its page faults, and its IOMMU mapping steps, each times what
 * one takes.
 *
 * A step: 0fd06844de5d ("vfio/type1: Use mapping page mask for pfnmaps") saved some 1 s for a BAR of 32 GiB,
 * which is 8,388,608 steps. 356e88ebe447 ("vfio/type1: Improve memory pinning process for raw PFN mapping")
 * saved 0.4 s for 16 GiB, which is 0.095 us for each.
 *
 * A fault: no figure from real hardware is published. On Linux 7.3 in an emulated machine, 524,288 faults of
 * 4 KiB took 2.0 to 3.2 s, and 1,024 of 2 MiB 4 to 8 ms: some 4 us for each, of either size. That is
 * with the step that follows each. Of faults of 1 GiB there are too few for the difference to matter.
 *
 * A guest enables its devices' memory several times while it starts, and VFIO takes the entries away each
 * time that it is disabled (vfio_pci_zap_bars()), so both are taken each time. They are counted once here,
 * unless a kept start of the guest shows how often; so a start can take longer, and not less. */
#define START_FAULT_NS 4000.0
#define START_STEP_NS 119.2

/* What one of them takes, in nanoseconds: as published, or as kept starts of this host show it
 * (facts/start.h) that were made with the kernel that runs. */
struct start_rates {
        double fault_ns, step_ns;
        bool fault_measured, step_measured;
        double maps; /* how often a BAR is mapped for DMA: 1, unless a start of the guest shows more */
};

struct start_time {
        double seconds; /* below 0: unknown */
        bool estimated; /* a rate that counts was not measured on this host; true where it is unknown */
};

struct start_rates start_rates(const struct host *h);

/* faults, pin_steps: COUNT_UNKNOWN where they are not known. */
struct start_time start_time(const struct start_rates *rates, uint64_t faults, uint64_t pin_steps);

/* The same for what a guest's BARs would cost it. */
struct start_time start_time_of_cost(const struct host *h, const struct guest *g,
                                     const struct guest_cost *cost);

/* For what they cost it now: as measured, where its last start took the faults that are predicted. */
struct start_time start_time_now(const struct host *h, const struct guest *g, const struct guest_cost *cost);

/* What the first takes longer, in seconds; below 0 where it is unknown, or it takes no longer. */
double start_time_saved(struct start_time now, struct start_time then);

/* "16 s", "1.1 s", "0.2 s", "< 0.1 s", with "~" before it where it is estimated; or "unknown". Returns the
 * buffer. */
typedef char seconds_t[32];
const char *format_start_seconds(double seconds, bool estimated, seconds_t buffer);
