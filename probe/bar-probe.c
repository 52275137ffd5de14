/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bar-probe.h"

#include <assert.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "probe-check.h"
#include "util/array.h"
#include "util/clock.h"
#include "util/macro.h"

/* Address space that is held, so the next mapping goes elsewhere. */
struct held {
        void *p;
        uint64_t size;
};

struct prober {
        struct bar_probe *result;
        const struct host *host;
        const struct device *function;
        struct vfio_device device;
        probe_step_t step;
        void *userdata;
        struct held held[2 * (PROBE_TIMES + 2)];
        size_t n_held;
};

/* what: static text, "could not ..." */
static int set_failed(struct prober *p, int error, const char *what)
{
        p->result->failed = what;
        return error;
}

static uint64_t minor_faults(void)
{
        struct rusage usage;

        getrusage(RUSAGE_SELF, &usage);
        return (uint64_t) usage.ru_minflt;
}

/* Occupies address space without memory. at: instead of what is mapped there; NULL: where the kernel likes.
 */
static int hold_address(struct prober *p, void *at, uint64_t size)
{
        void *got = mmap(at, size, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED : 0), -1, 0);

        if (got == MAP_FAILED)
                return -errno;
        p->held[p->n_held++] = (struct held){ got, size };
        return 0;
}

static void release_held(struct prober *p)
{
        while (p->n_held > 0) {
                p->n_held--;
                munmap(p->held[p->n_held].p, p->held[p->n_held].size);
        }
}

/* Occupies an odd number of pages, so nothing is aligned just because its neighbour was. */
static int shift_next_mapping(struct prober *p)
{
        uint64_t random = 0;

        if (getrandom(&random, sizeof(random), 0) != sizeof(random))
                return -EIO;
        return hold_address(p, NULL, (2 * (random % 512) + 1) * p->host->kernel.page_size);
}

/* The verdict on an area at an address, if the kernel could do everything. */
static struct verdict ideal_verdict(const struct kernel_facts *k, const struct probe_area *area,
                                    uint64_t size, uint64_t address)
{
        const struct fact yes = fact_is(true, SOURCE_NONE);
        const struct kernel_facts able = {
                .page_size = k->page_size,
                .pmd_size = k->pmd_size,
                .pud_size = k->pud_size,
                .huge_pmd = yes,
                .huge_pud = yes,
                .thp = THP_ALWAYS,
        };

        return verdict_mapping(&able, yes, PLACER_PROGRAM,
                               &(struct mapping){ .start = address, .size = size, .offset = area->offset });
}

static uint64_t count_distance(uint64_t a, uint64_t b)
{
        return a > b ? a - b : b - a;
}

uint64_t probe_page_size(const struct kernel_facts *k, const struct probe_area *area, uint64_t alignment,
                         uint64_t faults)
{
        const uint64_t sizes[] = { k->pud_size, k->pmd_size, k->page_size };
        uint64_t found = 0, smallest = UINT64_MAX;

        assert(k);
        assert(area);

        /* A kernel without huge entries fills a mapping at the first fault, so the count shows nothing, and
         * there is only one size. */
        if (k->huge_pmd.value == FACT_NO)
                return k->page_size;
        if (faults == COUNT_UNKNOWN || area->fault_size == 0)
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                uint64_t expected, distance;

                if (sizes[i] > alignment)
                        continue;
                expected = ideal_verdict(k, area, area->fault_size, area->offset + sizes[i]).faults;
                /* These are fewer than the largest page needs, so it was not one fault for each page. */
                if (found == 0 && faults < expected)
                        return 0;
                distance = count_distance(faults, expected);
                if (distance < smallest) {
                        smallest = distance;
                        found = sizes[i];
                }
        }
        return found;
}

static int by_number(const void *a, const void *b)
{
        const uint64_t *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

static int by_seconds(const void *a, const void *b)
{
        const double *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

/* PROBE_TIMES is even, so this takes the one that costs more of the two in the middle. */
static void take_median(struct probe_area *area)
{
        uint64_t alignments[PROBE_TIMES], pages[PROBE_TIMES], faults[PROBE_TIMES];
        double seconds[PROBE_TIMES];

        for (size_t i = 0; i < PROBE_TIMES; i++) {
                alignments[i] = area->maps[i].alignment;
                pages[i] = area->maps[i].page_size;
                faults[i] = area->maps[i].faults;
                seconds[i] = area->maps[i].seconds;
        }
        qsort(alignments, PROBE_TIMES, sizeof(*alignments), by_number);
        qsort(pages, PROBE_TIMES, sizeof(*pages), by_number);
        qsort(faults, PROBE_TIMES, sizeof(*faults), by_number);
        qsort(seconds, PROBE_TIMES, sizeof(*seconds), by_seconds);
        area->median = (struct probe_map){
                .alignment = alignments[(PROBE_TIMES - 1) / 2],
                .page_size = pages[(PROBE_TIMES - 1) / 2],
                .faults = faults[PROBE_TIMES / 2],
                .seconds = seconds[PROBE_TIMES / 2],
        };
}

/* The faults that the prediction means for the first fault_size bytes; COUNT_UNKNOWN without one. */
static uint64_t expect_faults(const struct probe_area *area, const struct kernel_facts *k)
{
        uint64_t page = area->predicted.page_size;

        if (area->fault_size == area->size)
                return area->predicted.faults;
        if (area->fault_size == 0 || area->fault_size > area->size || page == 0)
                return COUNT_UNKNOWN;
        if (k->huge_pmd.value == FACT_NO)
                return 1;
        return ideal_verdict(k, area, area->fault_size, area->offset + page).faults;
}

void probe_area_conclude(struct probe_area *area, const struct kernel_facts *k)
{
        const struct verdict *v;
        uint64_t distance;
        bool agrees;

        assert(area);
        assert(k);

        v = &area->predicted;
        take_median(area);
        area->expected_faults = expect_faults(area, k);
        if (v->page_size == 0) {
                area->agrees = fact_unknown("the audit could not predict it");
                return;
        }
        if (area->median.page_size == 0 || area->median.faults == COUNT_UNKNOWN) {
                area->agrees = fact_unknown("no faults were measured");
                return;
        }
        /* On a host that is short of memory, a page of this program itself can be taken away and faulted in
         * again. */
        distance = count_distance(area->median.faults, area->expected_faults);
        agrees = area->median.page_size == v->page_size &&
                 (distance <= 2 || distance <= area->expected_faults / 100);
        agrees |= v->chance && area->median.page_size > v->page_size;
        area->agrees = fact_is(agrees, SOURCE_NONE);
}

/* Maps the area, and its first fault_size bytes for DMA. An error without p->result->failed is that of
 * mapping for DMA. */
static int map_area(struct prober *p, const struct probe_bar *bar, const struct probe_area *area,
                    uint64_t size, struct probe_map *ret)
{
        uint64_t fault_size = area->fault_size < size ? area->fault_size : size, faults, start;
        void *at;
        int r;

        r = shift_next_mapping(p);
        if (r < 0)
                return set_failed(p, r, "reserve address space");
        faults = minor_faults();
        start = clock_usec(CLOCK_MONOTONIC);
        at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, p->device.device,
                  (off_t) (bar->offset + area->offset));
        if (at == MAP_FAILED)
                return set_failed(p, -errno, "map a BAR");
        if (fault_size > 0)
                r = vfio_device_map_dma(&p->device, at, fault_size);
        *ret = (struct probe_map){
                .address = (uintptr_t) at,
                .seconds = (double) (clock_usec(CLOCK_MONOTONIC) - start) / (double) USEC_PER_SEC,
                .faults = minor_faults() - faults,
        };
        if (fault_size > 0 && r == 0) {
                r = vfio_device_unmap_dma(&p->device, fault_size);
                if (r < 0)
                        (void) set_failed(p, r, "unmap a BAR from the IOMMU");
        }
        /* The address stays occupied until all mappings were measured. */
        if (hold_address(p, at, size) < 0)
                munmap(at, size);
        return r;
}

/* Measures the faults that a mapping of one page costs in addition to its own. The first of two mappings
 * faults in what this program needs itself. This also shows whether DMA can be mapped at all. */
static int calibrate_faults(struct prober *p, const struct probe_bar *bar, struct probe_area *area,
                            uint64_t *ret_own)
{
        struct probe_map once = {};
        int r;

        *ret_own = 0;
        if (area->fault_size == 0)
                return 0;
        for (int i = 0; i < 2; i++) {
                r = map_area(p, bar, area, p->host->kernel.page_size, &once);
                if (r < 0 && p->result->failed)
                        return r;
                if (r < 0) {
                        area->error = r;
                        area->fault_size = 0;
                        return 0;
                }
        }
        if (once.faults > 1)
                *ret_own = once.faults - 1;
        return 0;
}

/* The faults of the area alone. */
static uint64_t count_faults(const struct probe_area *area, uint64_t measured, uint64_t own)
{
        if (area->fault_size == 0)
                return COUNT_UNKNOWN;
        return measured > own ? measured - own : 0;
}

static int measure_area(struct prober *p, const struct probe_bar *bar, struct probe_area *area)
{
        const struct kernel_facts *k = &p->host->kernel;
        uint64_t own;
        int r;

        r = calibrate_faults(p, bar, area, &own);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < PROBE_TIMES; i++) {
                struct probe_map *m = &area->maps[i];

                if (!p->step(p->function, bar, area, i, p->userdata))
                        return -EINTR;
                r = map_area(p, bar, area, area->size, m);
                if (r < 0)
                        return p->result->failed ? r : set_failed(p, r, "map a BAR for the IOMMU");
                m->faults = count_faults(area, m->faults, own);
                m->alignment = ideal_verdict(k, area, area->size, m->address).page_size;
                m->page_size = probe_page_size(k, area, m->alignment, m->faults);
        }
        return 0;
}

static int probe_area(struct prober *p, const struct probe_bar *bar, struct probe_area *area)
{
        int r;

        r = measure_area(p, bar, area);
        release_held(p); /* also after an error */
        if (r < 0)
                return r;
        probe_area_conclude(area, &p->host->kernel);
        return 0;
}

/* How much of an area can be faulted in. */
static uint64_t limit_fault_size(const struct vfio_device *d, uint64_t size)
{
        if (d->container < 0)
                return 0;
        return size < VFIO_DMA_MAX ? size : VFIO_DMA_MAX;
}

static int probe_bar(struct prober *p, unsigned index)
{
        struct probe_bar *bar = &p->result->bars[p->result->n_bars++];
        struct vfio_region region;
        int r;

        bar->index = index;
        r = vfio_device_read_region(&p->device, index, &region);
        if (r < 0)
                return set_failed(p, r, p->device.failed);
        bar->size = region.size;
        bar->offset = region.offset;
        for (size_t i = 0; i < region.n_areas; i++) {
                const struct area whole = { region.size, region.areas[i].offset, region.areas[i].size };
                struct probe_area *area = array_append(bar->areas, bar->n_areas);

                if (!area)
                        return set_failed(p, -ENOMEM, "map a BAR");
                *area = (struct probe_area){
                        .offset = whole.offset,
                        .size = whole.size,
                        .fault_size = limit_fault_size(&p->device, whole.size),
                        .predicted = verdict_area(&p->host->kernel, &p->host->module, PLACER_PROGRAM,
                                                  &whole),
                };
                r = probe_area(p, bar, area);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int probe_function(struct prober *p)
{
        const struct device *d = p->function;
        int r;

        r = vfio_device_open(&p->device, d->bdf, d->group, probe_cdev(p->host->root, d->bdf));
        if (r < 0)
                return set_failed(p, r, p->device.failed);
        r = vfio_device_enable_memory(&p->device);
        if (r < 0)
                return set_failed(p, r, p->device.failed);
        p->result->cdev = p->device.container < 0;
        for (size_t i = 0; i < d->n_bars; i++) {
                r = probe_bar(p, d->bars[i].index);
                if (r < 0)
                        return r;
        }
        return 0;
}

int bar_probe(struct bar_probe *ret, const struct host *h, const struct device *d, probe_step_t step,
              void *userdata)
{
        struct prober p = { .result = ret, .host = h, .function = d, .step = step, .userdata = userdata };
        int r;

        assert(ret);
        assert(h);
        assert(d);
        assert(step);

        *ret = (struct bar_probe){};
        r = probe_function(&p);
        vfio_device_close(&p.device);
        return r;
}

void bar_probe_done(struct bar_probe *p)
{
        assert(p);

        for (size_t i = 0; i < p->n_bars; i++)
                free(p->bars[i].areas);
        *p = (struct bar_probe){};
}
