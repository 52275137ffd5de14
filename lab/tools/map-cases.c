/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * map-cases: maps region 2 of a device that is bound to VFIO in all the ways there are to say where, and
 * prints what came of each: a line "CASE RESULT...". Each case runs in a process of its own, with address
 * space randomization off, so that two runs print the same where the kernel decides the same.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 0x1000UL
#define MIB (1UL << 20)
#define GIB (1UL << 30)
#define REGION (2UL << 40) /* VFIO_PCI_INDEX_TO_OFFSET(2); lab_mdev does not mind */
#define FAILED(address) ((address) >= -PAGE)

static const char *device_dir;
static int device;
static size_t size; /* of the region */

static void __attribute__((noreturn)) die(const char *what)
{
        fprintf(stderr, "map-cases: %s: %m\n", what);
        exit(EXIT_FAILURE);
}

static int open_device(void)
{
        char path[PATH_MAX], link[PATH_MAX] = "";
        int container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC), group, fd;

        snprintf(path, sizeof(path), "%s/iommu_group", device_dir);
        if (readlink(path, link, sizeof(link) - 1) < 0)
                die(path);
        snprintf(path, sizeof(path), "/dev/vfio/%s", basename(link));
        group = open(path, O_RDWR | O_CLOEXEC);
        if (container < 0 || group < 0)
                die(path);
        if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) < 0 ||
            ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
                die("the container");
        fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, strrchr(device_dir, '/') + 1);
        if (fd < 0)
                die(device_dir);
        return fd;
}

/* Memory of a PCI device faults only while the device decodes it. */
static void enable_memory(void)
{
        struct vfio_region_info config = { .argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX };
        uint16_t command = PCI_COMMAND_MEMORY;

        if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &config) >= 0 &&
            pwrite(device, &command, sizeof(command), (off_t) config.offset + PCI_COMMAND) !=
                    sizeof(command))
                die("enabling memory");
}

static uintptr_t map(uintptr_t at, size_t length, size_t offset, int flags)
{
        void *p = mmap((void *) at, length, PROT_READ | PROT_WRITE, MAP_SHARED | flags, device,
                       (off_t) (REGION + offset));

        return p == MAP_FAILED ? (uintptr_t) -errno : (uintptr_t) p;
}

static uintptr_t reserve(uintptr_t at, size_t length)
{
        void *p = mmap((void *) at, length, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED_NOREPLACE : 0), -1, 0);

        return p == MAP_FAILED ? (uintptr_t) -errno : (uintptr_t) p;
}

/* An address with that much room behind it, which no huge page fits. */
static uintptr_t free_place(size_t length)
{
        uintptr_t p = reserve(0, length + 2 * GIB);

        if (FAILED(p))
                die("reserving");
        munmap((void *) p, length + 2 * GIB);
        return ((p + GIB) & -GIB) + 3 * PAGE;
}

static bool holds(uintptr_t address, size_t length, size_t offset, size_t page)
{
        size_t first = (offset + page - 1) & -page;

        return offset + length >= first + page && !((address - offset) & (page - 1));
}

/* The address, or the errno; and the largest page that fits there. */
static void result(uintptr_t address, size_t length, size_t offset)
{
        if (FAILED(address))
                printf(" %s", strerrorname_np((int) -address));
        else
                printf(" %#" PRIxPTR " %s", address,
                       holds(address, length, offset, GIB)       ? "1G"
                       : holds(address, length, offset, 2 * MIB) ? "2M"
                                                                 : "4K");
}

static void kernel_places(size_t length, size_t offset, int flags)
{
        result(map(0, length, offset, flags), length, offset);
}

/* Whether another mapping of the same offset shows what is written through this one. */
static void compare(uintptr_t address, size_t length, size_t offset)
{
        volatile uint32_t *here, *there;

        if (FAILED(address))
                return;
        here = (uint32_t *) (address + length - PAGE);
        there = (uint32_t *) map(0, PAGE, offset + length - PAGE, 0);
        *here = 0x12345678;
        printf(*there == 0x12345678 ? " same" : " differs");
        *here = 0;
        printf(*there == 0 ? " same" : " differs");
}

static void whole(void)
{
        uintptr_t p = map(0, size, 0, 0);

        result(p, size, 0);
        compare(p, size, 0);
}

static void part(void)
{
        kernel_places(size - 512 * MIB, 512 * MIB, 0);
}
static void odd_part(void)
{
        kernel_places(size - 3 * PAGE, 3 * PAGE, 0);
}
static void odd_length(void)
{
        kernel_places(6 * MIB + PAGE, 0, 0);
}
static void small(void)
{
        kernel_places(MIB, 0, 0);
}
static void below_2g(void)
{
        kernel_places(4 * MIB, 0, MAP_32BIT);
}
static void all_below_2g(void)
{
        kernel_places(GIB, 0, MAP_32BIT);
}
static void too_much_below_2g(void)
{
        kernel_places(GIB + PAGE, 0, MAP_32BIT);
}

static void hint_free(void)
{
        uintptr_t at = free_place(size);

        result(map(at, size, 0, 0), size, 0);
        printf(" of %#" PRIxPTR, at);
}

static void hint_occupied(void)
{
        uintptr_t at = reserve(0, 64 * MIB) + PAGE;

        result(map(at, 4 * MIB, 0, 0), 4 * MIB, 0);
        printf(" of %#" PRIxPTR, at);
}

/* With five levels of page tables such a hint opens the rest of the address space; with four it is no
 * address. */
#define HIGH ((1UL << 48) + 5 * PAGE)
static void hint_high(void)
{
        result(map(HIGH, size, 0, 0), size, 0);
}

static void hint_high_occupied(void)
{
        reserve(HIGH, 64 * MIB);
        result(map(HIGH, size, 0, 0), size, 0);
}

static void noreplace_free(void)
{
        uintptr_t at = free_place(size);

        result(map(at, size, 0, MAP_FIXED_NOREPLACE), size, 0);
        printf(" of %#" PRIxPTR, at);
}

static void noreplace_occupied(void)
{
        result(map(reserve(0, 64 * MIB) + PAGE, 4 * MIB, 0, MAP_FIXED_NOREPLACE), 4 * MIB, 0);
}

static uintptr_t remap(uintptr_t from, size_t length, size_t new_length, uintptr_t to)
{
        void *p = mremap((void *) from, length, new_length, MREMAP_MAYMOVE | (to ? MREMAP_FIXED : 0),
                         (void *) to);

        return p == MAP_FAILED ? (uintptr_t) -errno : (uintptr_t) p;
}

/* Moves [offset, offset + length) of the region, which is mapped as a whole, or with a seam. */
static void move(size_t offset, size_t length, size_t seam)
{
        uintptr_t at = free_place(3 * size), from = map(at, size, 0, MAP_FIXED), to = at + 2 * size - PAGE,
                  moved;

        if (seam)
                mprotect((void *) (from + seam), size - seam, PROT_READ);
        moved = remap(from + offset, length, length, to);
        result(moved, length, offset);
        if (!seam)
                compare(moved, length, offset);
        if (offset)
                compare(from, offset, 0); /* the rest stays */
}

static void mremap_whole(void)
{
        move(0, size, 0);
}
static void mremap_part(void)
{
        move(size / 4, size / 4, 0);
}
static void mremap_two(void)
{
        move(0, size, size / 2);
}

static void mremap_grow(void)
{
        uintptr_t from = map(free_place(size), size / 2, 0, MAP_FIXED);

        result(remap(from, size / 2, size, 0), size, 0);
}

static void mremap_shrink(void)
{
        uintptr_t at = free_place(size), now = remap(map(at, size, 0, MAP_FIXED), size, size / 2, 0);

        result(now, size / 2, 0);
        compare(now, size / 2, 0);
}

/* Leaves one hole, and maps 64 MiB. */
static void tight(size_t hole)
{
        uintptr_t place = reserve(0, 2 * GIB);

        for (size_t n = 1UL << 46; n >= PAGE; n /= 2)
                while (!FAILED(reserve(0, n)))
                        ;
        place = ((place + GIB) & -GIB) + 3 * PAGE;
        munmap((void *) place, hole);
        result(map(0, 64 * MIB, 0, 0), 64 * MIB, 0);
        printf(" of %#" PRIxPTR, place);
}

static void tight_exact(void)
{
        tight(64 * MIB);
}
static void tight_roomy(void)
{
        tight(66 * MIB);
}
static void tight_short(void)
{
        tight(64 * MIB - PAGE);
}

static void program_32(void)
{
        printf(" ");
        fflush(stdout);
        dup2(device, 3);
        execlp("map-cases-32", "map-cases-32", NULL);
        die("map-cases-32");
}

static const struct {
        const char *name;
        void (*run)(void);
        size_t needs; /* of the region, at least */
} cases[] = {
        { "whole", whole, 0 },
        { "offset-512M", part, GIB },
        { "offset-12K", odd_part, 0 },
        { "odd-length", odd_length, 0 },
        { "small", small, 0 },
        { "32bit", below_2g, 0 },
        { "32bit-all", all_below_2g, GIB },
        { "32bit-too-much", too_much_below_2g, 2 * GIB },
        { "hint-free", hint_free, 0 },
        { "hint-occupied", hint_occupied, 0 },
        { "hint-high", hint_high, 0 },
        { "hint-high-occupied", hint_high_occupied, 0 },
        { "noreplace-free", noreplace_free, 0 },
        { "noreplace-occupied", noreplace_occupied, 0 },
        { "mremap-whole", mremap_whole, 0 },
        { "mremap-part", mremap_part, 0 },
        { "mremap-two", mremap_two, 0 },
        { "mremap-grow", mremap_grow, 0 },
        { "mremap-shrink", mremap_shrink, 0 },
        { "tight-exact", tight_exact, 64 * MIB },
        { "tight-roomy", tight_roomy, 64 * MIB },
        { "tight-short", tight_short, 64 * MIB },
        { "program-32", program_32, 0 },
};

int main(int argc, char **argv)
{
        int status;

        if (argc != 3) {
                fputs("usage: map-cases DEVICE-DIRECTORY BYTES-OF-REGION-2\n", stderr);
                return 2;
        }
        if (!(personality(0xffffffff) & ADDR_NO_RANDOMIZE)) {
                personality(ADDR_NO_RANDOMIZE);
                execv("/proc/self/exe", argv);
                die(argv[0]);
        }
        device_dir = argv[1];
        size = strtoull(argv[2], NULL, 10);
        device = open_device();
        enable_memory();

        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                pid_t child;

                if (size < cases[i].needs)
                        continue;
                printf("%s", cases[i].name);
                fflush(stdout);
                child = fork();
                if (child == 0) {
                        cases[i].run();
                        puts("");
                        exit(EXIT_SUCCESS);
                }
                if (child < 0 || waitpid(child, &status, 0) < 0)
                        die("fork");
                if (status)
                        printf(" ended with %#x\n", (unsigned) status);
        }
        return EXIT_SUCCESS;
}
