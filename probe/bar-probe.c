/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bar-probe.h"

#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "probe-check.h"
#include "util/array.h"
#include "util/clock.h"
#include "util/macro.h"

/* Memory that is held so that the next mapping goes elsewhere. */
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

static int failed(struct prober *p, int error, const char *what)
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

/* Address space without memory: at an address, in place of what is there, or where the kernel wants (NULL).
 */
static int hold(struct prober *p, void *at, uint64_t size)
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

/* An odd number of pages, so that nothing lands well just because its neighbour did. */
static int jitter(struct prober *p)
{
        uint64_t random = 0;

        if (getrandom(&random, sizeof(random), 0) != sizeof(random))
                return -EIO;
        return hold(p, NULL, (2 * (random % 512) + 1) * p->host->kernel.page_size);
}

/* The verdict on an area at an address, on a kernel that can do everything. */
static struct verdict ideal(const struct kernel_facts *k, const struct probe_area *area, uint64_t size,
                            uint64_t address)
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

uint64_t probe_page_size(const struct kernel_facts *k, const struct probe_area *area, uint64_t alignment,
                         uint64_t faults)
{
        const uint64_t sizes[] = { k->pud_size, k->pmd_size, k->page_size };
        uint64_t found = 0, smallest = UINT64_MAX;

        /* Such a kernel fills a mapping at the first fault: no count tells anything, and there is but one
         * size. */
        if (k->huge_pmd.value == FACT_NO)
                return k->page_size;
        if (faults == COUNT_UNKNOWN || area->fault_size == 0)
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                uint64_t wanted, distance;

                if (sizes[i] > alignment)
                        continue;
                wanted = ideal(k, area, area->fault_size, area->offset + sizes[i]).faults;
                /* Fewer than the largest page needs: it was not one fault for each page. */
                if (found == 0 && faults < wanted)
                        return 0;
                distance = faults > wanted ? faults - wanted : wanted - faults;
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

/* Of an even number of them that of the two in the middle which costs more. */
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

void probe_area_conclude(struct probe_area *area, const struct kernel_facts *k)
{
        const struct verdict *v = &area->predicted;
        uint64_t page = v->page_size;
        uint64_t distance;
        bool agrees;

        take_median(area);
        area->expected_faults = area->fault_size == area->size ? v->faults : COUNT_UNKNOWN;
        if (area->fault_size > 0 && area->fault_size < area->size && page > 0)
                area->expected_faults =
                        k->huge_pmd.value == FACT_NO
                                ? 1
                                : ideal(k, area, area->fault_size, area->offset + page).faults;

        area->agrees = fact_unknown(page == 0 ? "the audit could not foretell it"
                                              : "no faults were measured");
        if (page == 0 || area->median.page_size == 0 || area->median.faults == COUNT_UNKNOWN)
                return;
        distance = area->median.faults > area->expected_faults ? area->median.faults - area->expected_faults
                                                               : area->expected_faults - area->median.faults;
        /* A page of the program's own can be taken from it and faulted in again, on a host that is short of
         * memory. */
        agrees = area->median.page_size == page &&
                 (distance <= 2 || distance <= area->expected_faults / 100);
        agrees |= v->luck && area->median.page_size > page;
        area->agrees = fact_is(agrees, SOURCE_NONE);
}

/* Maps the area, and its first fault_size bytes for DMA. */
static int map(struct prober *p, const struct probe_bar *bar, const struct probe_area *area, uint64_t size,
               struct probe_map *ret)
{
        uint64_t fault_size = area->fault_size < size ? area->fault_size : size, faults, start;
        int r, error = 0;
        void *at;

        r = jitter(p);
        if (r < 0)
                return failed(p, r, "reserve address space");
        faults = minor_faults();
        start = clock_usec(CLOCK_MONOTONIC);
        at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, p->device.device,
                  (off_t) (bar->offset + area->offset));
        if (at == MAP_FAILED)
                return failed(p, -errno, "map a BAR");
        if (fault_size > 0)
                error = vfio_device_map_dma(&p->device, at, fault_size);
        *ret = (struct probe_map){
                .address = (uintptr_t) at,
                .seconds = (double) (clock_usec(CLOCK_MONOTONIC) - start) / (double) USEC_PER_SEC,
                .faults = minor_faults() - faults,
        };
        if (fault_size > 0 && error >= 0)
                r = vfio_device_unmap_dma(&p->device, fault_size);
        if (hold(p, at, size) < 0)
                munmap(at, size);
        return error ?: r < 0 ? failed(p, r, "unmap a BAR from the IOMMU") : 0;
}

/* The faults that a mapping of one page costs beside its own; the first faults in what this program needs
 * itself. Finds out, too, whether DMA can be mapped at all. */
static int calibrate(struct prober *p, const struct probe_bar *bar, struct probe_area *area,
                     uint64_t *ret_own)
{
        struct probe_map once = {};
        int r = 0;

        *ret_own = 0;
        for (int i = 0; i < 2 && r >= 0 && area->fault_size > 0; i++)
                r = map(p, bar, area, p->host->kernel.page_size, &once);
        if (r < 0 && !p->result->failed) {
                area->error = r;
                area->fault_size = 0;
                return 0;
        }
        if (r >= 0 && once.faults > 1)
                *ret_own = once.faults - 1;
        return r;
}

static int probe_area(struct prober *p, const struct probe_bar *bar, struct probe_area *area)
{
        const struct kernel_facts *k = &p->host->kernel;
        uint64_t own;
        int r;

        r = calibrate(p, bar, area, &own);
        for (unsigned i = 0; i < PROBE_TIMES && r >= 0; i++) {
                struct probe_map *m = &area->maps[i];

                if (!p->step(p->function, bar, area, i, p->userdata)) {
                        r = -EINTR;
                        break;
                }
                r = map(p, bar, area, area->size, m);
                if (r < 0) {
                        if (!p->result->failed)
                                p->result->failed = "map a BAR for the IOMMU";
                        break;
                }
                m->faults = area->fault_size == 0 ? COUNT_UNKNOWN : m->faults > own ? m->faults - own : 0;
                m->alignment = ideal(k, area, area->size, m->address).page_size;
                m->page_size = probe_page_size(k, area, m->alignment, m->faults);
        }
        release_held(p);
        if (r >= 0)
                probe_area_conclude(area, k);
        return r;
}

static int probe_bar(struct prober *p, unsigned index)
{
        struct probe_bar *bar = &p->result->bars[p->result->n_bars++];
        struct vfio_region region;
        int r;

        bar->index = index;
        r = vfio_device_read_region(&p->device, index, &region);
        if (r < 0)
                return failed(p, r, p->device.failed);
        bar->size = region.size;
        bar->offset = region.offset;
        for (size_t i = 0; i < region.n_areas; i++) {
                const struct area whole = { region.size, region.areas[i].offset, region.areas[i].size };
                struct probe_area *area = array_append(bar->areas, bar->n_areas);

                if (!area)
                        return failed(p, -ENOMEM, "map a BAR");
                *area = (struct probe_area){
                        .offset = whole.offset,
                        .size = whole.size,
                        .fault_size = p->device.container < 0     ? 0
                                      : whole.size < VFIO_DMA_MAX ? whole.size
                                                                  : VFIO_DMA_MAX,
                        .predicted = verdict_area(&p->host->kernel, &p->host->module, PLACER_PROGRAM,
                                                  &whole),
                };
                r = probe_area(p, bar, area);
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

        *ret = (struct bar_probe){};
        r = vfio_device_open(&p.device, d->bdf, d->group, probe_cdev(h->root, d->bdf));
        if (r >= 0)
                r = vfio_device_enable_memory(&p.device);
        if (r < 0)
                ret->failed = p.device.failed;
        ret->cdev = r >= 0 && p.device.container < 0;
        for (size_t i = 0; i < d->n_bars && r >= 0; i++)
                r = probe_bar(&p, d->bars[i].index);
        vfio_device_close(&p.device);
        return r;
}

void bar_probe_done(struct bar_probe *p)
{
        for (size_t i = 0; i < p->n_bars; i++)
                free(p->bars[i].areas);
        *p = (struct bar_probe){};
}
