/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nanoseconds of one mmap() and munmap() of 4 KiB: anonymous, and of a file, shared, which the preload
 * library has to look at longest. For tests/bench/preload-cost, which runs it with and without the library.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAIRS 200 /* of one sample: about a millisecond, which often passes undisturbed */
#define SAMPLES 40

static uint64_t now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec;
}

/* The best of its samples: what disturbs only adds. */
static double measure(int flags, int fd)
{
        uint64_t best = UINT64_MAX;

        for (unsigned i = 0; i < SAMPLES; i++) {
                uint64_t start = now(), took;

                for (unsigned k = 0; k < PAIRS; k++) {
                        void *p = mmap(NULL, 4096, PROT_READ, flags, fd, 0);

                        if (p == MAP_FAILED || munmap(p, 4096) < 0)
                                exit(EXIT_FAILURE);
                }
                took = now() - start;
                best = took < best ? took : best;
        }
        return (double) best / PAIRS;
}

int main(void)
{
        int fd = memfd_create("preload-cost", MFD_CLOEXEC);
        double anonymous, file;

        if (fd < 0 || ftruncate(fd, 4096) < 0)
                return EXIT_FAILURE;
        anonymous = measure(MAP_PRIVATE | MAP_ANONYMOUS, -1);
        file = measure(MAP_SHARED, fd);
        printf("%.1f %.1f\n", anonymous, file);
        return EXIT_SUCCESS;
}
