/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/verdict.h"
#include "facts/host.h"
#include "vfio-device.h"

/* Measures what the audit predicts: opens a function, maps its BARs, and counts the page faults. That resets
 * the function, so probe_check() has to allow it before. */

#define PROBE_TIMES 8

/* One mapping of an area, at an address that the kernel chose; or the median of them. */
struct probe_map {
        uint64_t address;   /* virtual */
        uint64_t alignment; /* bytes: the largest page that the address allows */
        uint64_t page_size; /* bytes: the page size that so many faults mean; 0: unknown */
        uint64_t faults;    /* of the area's first fault_size bytes, or COUNT_UNKNOWN */
        double seconds;     /* of mmap(), and of the faults */
};

/* A part of a BAR that can be mapped. */
struct probe_area {
        uint64_t offset, size; /* bytes, in the BAR */
        uint64_t fault_size;   /* bytes from its start that were faulted in: at most VFIO_DMA_MAX; 0: none */
        int error;             /* why there were no faults: the negative errno of mapping it for DMA, or 0 */
        struct verdict
                predicted; /* of the whole area, for a program that leaves the address to the kernel */
        uint64_t expected_faults; /* what that means for fault_size, or COUNT_UNKNOWN */
        struct probe_map maps[PROBE_TIMES];
        struct probe_map median; /* of each number by itself; no address */
        struct fact agrees; /* the measured page size is the predicted one, and the faults are within 1 %; or
                             * it is larger, and the prediction allowed for chance */
};

struct probe_bar {
        unsigned index;
        uint64_t size;   /* bytes */
        uint64_t offset; /* in VFIO's descriptor */
        struct probe_area *areas;
        size_t n_areas; /* 0: it cannot be mapped */
};

struct bar_probe {
        bool cdev; /* opened by the character device: no faults were made, because iommufd maps no BAR for
                      DMA */
        struct probe_bar bars[PCI_BARS];
        size_t n_bars;
        const char *failed; /* static text: what could not be done, after an error */
};

/* Called before each mapping of an area, after `done` of PROBE_TIMES. Returns true to go on. */
typedef bool (*probe_step_t)(const struct device *d, const struct probe_bar *bar,
                             const struct probe_area *area, unsigned done, void *userdata);

/* Works on the running host only, as root. d: a function of h. Returns 0, -EINTR if `step` ended it, -EBUSY
 * if somebody else opened the function first, or another negative errno. In any case the function is closed
 * and all is unmapped, and `ret` has to be released by bar_probe_done(). */
int bar_probe(struct bar_probe *ret, const struct host *h, const struct device *d, probe_step_t step,
              void *userdata);
void bar_probe_done(struct bar_probe *p);

/* These two work on numbers alone. The page size in bytes (0: unknown) that so many faults mean if the
 * address allows pages of `alignment`; and the median, the expectation and the agreement that follow from
 * `maps`. */
uint64_t probe_page_size(const struct kernel_facts *k, const struct probe_area *area, uint64_t alignment,
                         uint64_t faults);
void probe_area_conclude(struct probe_area *area, const struct kernel_facts *k);
