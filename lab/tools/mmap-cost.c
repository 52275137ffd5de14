/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mmap-cost: what mmap and munmap of 4 KiB cost, of anonymous memory and of a file: two numbers, nanoseconds
 * for the pair of calls. Each is the best of several chunks, and the two kinds take turns: what disturbs a
 * chunk is no cost.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define CHUNK 500

static double now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec * 1e9 + (double) t.tv_nsec;
}

/* fd -1: anonymous */
static double chunk(int fd)
{
        const int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
        double start = now();

        for (int i = 0; i < CHUNK; i++) {
                void *p = mmap(NULL, PAGE, PROT_READ, flags, fd, 0);

                if (p == MAP_FAILED || munmap(p, PAGE) < 0) {
                        perror("mmap-cost");
                        exit(EXIT_FAILURE);
                }
        }
        return (now() - start) / CHUNK;
}

int main(int argc, char **argv)
{
        int chunks = argc == 2 ? atoi(argv[1]) : 0, fd = memfd_create("mmap-cost", MFD_CLOEXEC);
        double anonymous = 1e12, file = 1e12;

        if (chunks < 1 || fd < 0 || ftruncate(fd, PAGE) < 0) {
                fputs("usage: mmap-cost CHUNKS\n", stderr);
                return 2;
        }
        for (int i = 0; i < chunks; i++) {
                double a = chunk(-1), f = chunk(fd);

                anonymous = a < anonymous ? a : anonymous;
                file = f < file ? f : file;
        }
        printf("%.0f %.0f\n", anonymous, file);
        return EXIT_SUCCESS;
}
