/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * map-storm: mmap, munmap, fork and exec without a pause, on VFIO devices (as /dev/vfio gives them), a file,
 * and anonymous memory, from several processes and threads at once. Prints how many of each there were;
 * fails where a call fails that should not, or a mapping shows the wrong memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 0x1000UL
#define REGION (2UL << 40) /* VFIO_PCI_INDEX_TO_OFFSET(2) */
#define MAX_DEVICES 4
#define THREADS 3

enum kind { KIND_VFIO, KIND_FILE, KIND_ANONYMOUS, KIND_FORK, KIND_EXEC, _KIND_MAX };
static const char *const names[_KIND_MAX] = { "vfio", "file", "anonymous", "fork", "exec" };

static struct {
        unsigned long counts[_KIND_MAX];
} * shared;

static int devices[MAX_DEVICES], n_devices, file;
static size_t sizes[MAX_DEVICES];
static time_t end;

static void __attribute__((noreturn)) die(const char *what)
{
        fprintf(stderr, "map-storm: %s: %m\n", what);
        _exit(EXIT_FAILURE);
}

static time_t now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec;
}

static void count(enum kind kind)
{
        __atomic_fetch_add(&shared->counts[kind], 1, __ATOMIC_RELAXED);
}

static int open_device(const char *bdf)
{
        char path[PATH_MAX], link[PATH_MAX] = "";
        int container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC), group, fd;

        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", bdf);
        if (readlink(path, link, sizeof(link) - 1) < 0)
                die(path);
        snprintf(path, sizeof(path), "/dev/vfio/%s", basename(link));
        group = open(path, O_RDWR | O_CLOEXEC);
        if (container < 0 || group < 0)
                die(path);
        if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) < 0 ||
            ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
                die("the container");
        fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf);
        if (fd < 0)
                die(bdf);
        return fd;
}

/* vfio_pci_core_mmap() reserves the BAR at the first mmap of a device, up to kernel 7.3 without a lock: of
 * two at the same time, one can fail with EBUSY. So the first one is made by this process alone. */
static void map_first(int fd)
{
        void *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, (off_t) REGION);

        if (p == MAP_FAILED || munmap(p, PAGE) < 0)
                die("the first mmap");
}

static void map(enum kind kind, int fd, size_t size, off_t base, unsigned *seed)
{
        size_t pages = size / PAGE, length = 1 + (size_t) rand_r(seed) % pages,
               offset = (size_t) rand_r(seed) % pages;
        int flags = kind == KIND_ANONYMOUS ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
        void *hint = rand_r(seed) % 4 ? NULL : (void *) ((uintptr_t) (rand_r(seed) % 0x7fff) << 32);
        void *p;

        if (rand_r(seed) % 2) { /* whole */
                length = pages;
                offset = 0;
        }
        if (length > pages - offset)
                length = pages - offset;
        p = mmap(hint, length * PAGE, PROT_READ, flags, fd, base + (off_t) (offset * PAGE));
        if (p == MAP_FAILED)
                die(names[kind]);
        if (kind == KIND_FILE && *(volatile size_t *) p != offset)
                die("the wrong page");
        if (munmap(p, length * PAGE) < 0)
                die("munmap");
        count(kind);
}

static void *map_all(void *argument)
{
        unsigned seed = (unsigned) (uintptr_t) argument + (unsigned) getpid();

        while (now() < end) {
                for (int i = 0; i < n_devices; i++)
                        map(KIND_VFIO, devices[i], sizes[i], REGION, &seed);
                map(KIND_FILE, file, 64 * PAGE, 0, &seed);
                map(KIND_ANONYMOUS, -1, 4096 * PAGE, 0, &seed);
        }
        return NULL;
}

/* A child that maps, too, inherits a mapping, and ends or becomes another program. */
static void fork_all(void)
{
        unsigned seed = (unsigned) getpid();
        int status;

        while (now() < end) {
                void *p = mmap(NULL, sizes[0], PROT_READ, MAP_SHARED, devices[0], (off_t) REGION);
                pid_t child = p == MAP_FAILED ? -1 : fork();

                if (child < 0)
                        die("fork");
                if (child == 0) {
                        map(KIND_VFIO, devices[0], sizes[0], REGION, &seed);
                        count(KIND_FORK);
                        if (rand_r(&seed) % 2)
                                _exit(EXIT_SUCCESS);
                        count(KIND_EXEC);
                        execl("/bin/true", "true", NULL);
                        die("exec");
                }
                if (waitpid(child, &status, 0) < 0 || status)
                        die("a child");
                munmap(p, sizes[0]);
                rand_r(&seed);
        }
}

static void start(void (*run)(void))
{
        pid_t child = fork();

        if (child < 0)
                die("fork");
        if (child == 0) {
                run();
                _exit(EXIT_SUCCESS);
        }
}

static void run_threads(void)
{
        pthread_t threads[THREADS];

        for (uintptr_t i = 0; i < THREADS; i++)
                if (pthread_create(&threads[i], NULL, map_all, (void *) i))
                        die("a thread");
        for (int i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
        int failures = 0, status;
        char path[] = "/run/map-storm.XXXXXX";

        if (argc < 4 || argc % 2 || argc / 2 - 1 > MAX_DEVICES) {
                fputs("usage: map-storm SECONDS BDF BYTES-OF-BAR-2 [BDF BYTES]...\n", stderr);
                return 2;
        }
        shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (shared == MAP_FAILED)
                die("memory");
        for (int i = 2; i < argc; i += 2, n_devices++) {
                devices[n_devices] = open_device(argv[i]);
                sizes[n_devices] = strtoull(argv[i + 1], NULL, 10);
                map_first(devices[n_devices]);
        }
        file = mkstemp(path);
        unlink(path);
        for (size_t i = 0; i < 64; i++)
                if (pwrite(file, &i, sizeof(i), (off_t) (i * PAGE)) != sizeof(i))
                        die(path);
        if (ftruncate(file, 64 * PAGE) < 0)
                die(path);

        end = now() + atoi(argv[1]);
        start(run_threads);
        start(run_threads);
        start(fork_all);
        while (wait(&status) > 0)
                failures += !!status;
        for (int i = 0; i < _KIND_MAX; i++)
                printf("%s %lu\n", names[i], shared->counts[i]);
        return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
