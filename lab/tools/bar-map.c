/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bar-map: maps a BAR of a device that is bound to VFIO, and says what it cost: where the mapping landed,
 * the page size that fits there, the page faults, the time, and the memory spent on page tables.
 *
 * The faults are made by VFIO_IOMMU_MAP_DMA, as a VMM makes them. --touch reads the memory instead, which is
 * only safe for a device whose registers do nothing when they are read.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define KIB UINT64_C(1024)
#define PAGE ((uint64_t) sysconf(_SC_PAGESIZE))
#define PMD (PAGE * PAGE / 8) /* a table fills a page with entries of 8 bytes */
#define PUD (PMD * PAGE / 8)
#define IOVA_START (4 * PUD) /* above the window of the interrupts */
#define MAX_TIMES 10000

struct bar {
        int container, device;
        unsigned index;
        uint64_t size, offset; /* of what is mapped, in the descriptor of the device */
};

struct cost {
        uint64_t address, page_size, faults, pte_bytes;
        double mmap_seconds; /* of mmap() itself, which touches nothing */
        double map_seconds;  /* of mapping it for DMA, or touching it, where the faults are */
};

static int jitter, touch, hint, json, hold; /* options */
static uint64_t align;

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
        va_list ap;

        fputs("bar-map: ", stderr);
        va_start(ap, format);
        vfprintf(stderr, format, ap);
        va_end(ap);
        fputc('\n', stderr);
        exit(EXIT_FAILURE);
}

/* The name that a link in the device's sysfs folder points to. */
static const char *device_link(const char *bdf, const char *name, const char *missing)
{
        static char target[PATH_MAX];
        char path[PATH_MAX];
        ssize_t n;

        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, name);
        n = readlink(path, target, sizeof(target) - 1);
        if (n < 0)
                die("%s %s", bdf, missing);
        target[n] = '\0';
        return basename(target);
}

static int open_device(const char *bdf, int *container)
{
        struct vfio_group_status status = { .argsz = sizeof(status) };
        char path[PATH_MAX];
        const char *driver;
        int group, device;

        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", bdf);
        if (access(path, F_OK) < 0)
                die("no PCI device %s (give it as 0000:00:04.0)", bdf);
        driver = device_link(bdf, "driver", "has no driver; bind it to vfio-pci first");
        if (!strstr(driver, "vfio"))
                die("%s is bound to %s; bind it to vfio-pci first", bdf, driver);
        snprintf(path, sizeof(path), "/dev/vfio/%s",
                 device_link(bdf, "iommu_group", "is in no IOMMU group"));

        *container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
        if (*container < 0)
                die("/dev/vfio/vfio: %m");
        group = open(path, O_RDWR | O_CLOEXEC);
        if (group < 0)
                die("%s: %m%s", path, errno == EBUSY ? " (somebody else has it open)" : "");
        if (ioctl(group, VFIO_GROUP_GET_STATUS, &status) < 0)
                die("%s: status: %m", path);
        if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
                die("%s is not viable: bind each of its devices to vfio-pci", path);
        if (ioctl(group, VFIO_GROUP_SET_CONTAINER, container) < 0)
                die("%s: container: %m", path);
        if (ioctl(*container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
                die("type1 IOMMU: %m (is vfio_iommu_type1 loaded, and does the IOMMU remap interrupts?)");
        device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf);
        if (device < 0)
                die("%s: %m", bdf);
        return device;
}

/* A BAR can be mapped at any time, but its pages fault only while the device decodes memory. */
static void enable_memory(int device)
{
        struct vfio_region_info config = { .argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX };
        uint16_t command;

        if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &config) < 0)
                die("region of the configuration space: %m");
        if (pread(device, &command, sizeof(command), (off_t) config.offset + PCI_COMMAND) != sizeof(command))
                die("reading the command register: %m");
        command |= PCI_COMMAND_MEMORY;
        if (pwrite(device, &command, sizeof(command), (off_t) config.offset + PCI_COMMAND) !=
            sizeof(command))
                die("enabling memory: %m");
}

/* Only that part of the BAR; no length: as far as it goes. */
static void narrow(struct bar *bar, uint64_t offset, uint64_t length)
{
        if (offset >= bar->size || length > bar->size - offset || (offset | length) & (PAGE - 1))
                die("no such area in BAR %u of %" PRIu64 " bytes", bar->index, bar->size);
        bar->size = length ?: bar->size - offset;
        bar->offset += offset;
}

/* Region 'wanted', or the largest that can be mapped if that is negative. */
static void find_bar(struct bar *bar, int wanted)
{
        for (unsigned i = VFIO_PCI_BAR0_REGION_INDEX; i <= VFIO_PCI_BAR5_REGION_INDEX; i++) {
                struct vfio_region_info info = { .argsz = sizeof(info), .index = i };

                if (ioctl(bar->device, VFIO_DEVICE_GET_REGION_INFO, &info) < 0)
                        die("region %u: %m", i);
                if (!(info.flags & VFIO_REGION_INFO_FLAG_MMAP) || (wanted >= 0 && (unsigned) wanted != i))
                        continue;
                if (info.size > bar->size) {
                        bar->index = i;
                        bar->size = info.size;
                        bar->offset = info.offset;
                }
        }
        if (!bar->size)
                die("the device has no such BAR that can be mapped");
}

static uint64_t minor_faults(void)
{
        struct rusage usage;

        getrusage(RUSAGE_SELF, &usage);
        return (uint64_t) usage.ru_minflt;
}

static double now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static uint64_t page_table_bytes(void)
{
        char line[256];
        uint64_t kib = 0;
        FILE *f = fopen("/proc/self/status", "re");

        while (f && fgets(line, sizeof(line), f))
                if (sscanf(line, "VmPTE: %" SCNu64, &kib) == 1)
                        break;
        if (f)
                fclose(f);
        return kib * KIB;
}

static void *reserve(void *at, uint64_t size)
{
        void *p = mmap(at, size, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED : 0), -1, 0);

        if (p == MAP_FAILED)
                die("reserving %" PRIu64 " bytes of address space: %m", size);
        return p;
}

/*
 * An address at which pages of 'align' fit, or for 4K one at which no larger page does; NULL leaves it to
 * the kernel. A hint gets a hole that is just large enough.
 */
static void *choose_address(const struct bar *bar, uint64_t length)
{
        uint64_t step = align == PAGE ? PUD : align, start;

        if (!align)
                return NULL;
        start = (uintptr_t) reserve(NULL, length + 2 * step);
        if (!hint)
                munmap((void *) (uintptr_t) start, length + 2 * step);
        start += step - ((start - bar->offset) & (step - 1));
        if (align == PAGE)
                start += PAGE;
        if (hint)
                munmap((void *) (uintptr_t) start, length);
        return (void *) (uintptr_t) start;
}

static uint64_t fitting_page(uint64_t address, uint64_t offset, uint64_t length)
{
        const uint64_t sizes[] = { PUD, PMD };

        for (unsigned i = 0; i < 2; i++) {
                uint64_t first = (offset + sizes[i] - 1) & -sizes[i];

                if (offset + length >= first + sizes[i] && !((address - offset) & (sizes[i] - 1)))
                        return sizes[i];
        }
        return PAGE;
}

static void populate(const struct bar *bar, void *p, uint64_t length, uint64_t iova)
{
        struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
                                                .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
                                                .vaddr = (uintptr_t) p,
                                                .iova = iova,
                                                .size = length };

        if (!touch && ioctl(bar->container, VFIO_IOMMU_MAP_DMA, &map) < 0)
                die("MAP_DMA at %p: %m", p);
        for (uint64_t i = 0; touch && i < length; i += PAGE)
                (void) ((volatile uint8_t *) p)[i];
}

static struct cost map_once(const struct bar *bar, uint64_t length, uint64_t iova)
{
        struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap), .iova = iova, .size = length };
        uint64_t faults, tables;
        struct cost cost;
        uint64_t random;
        double start;
        void *at, *p;

        if (jitter && getrandom(&random, sizeof(random), 0) == sizeof(random))
                reserve(NULL, (2 * (random % 512) + 1) * PAGE);
        at = choose_address(bar, length);
        tables = page_table_bytes();

        faults = minor_faults();
        start = now();
        p = mmap(at, length, PROT_READ | PROT_WRITE, MAP_SHARED | (at && !hint ? MAP_FIXED : 0), bar->device,
                 (off_t) bar->offset);
        if (p == MAP_FAILED)
                die("mmap: %m");
        cost.mmap_seconds = now() - start;
        start = now();
        populate(bar, p, length, iova);
        cost.map_seconds = now() - start;
        cost.faults = minor_faults() - faults;

        cost.pte_bytes = page_table_bytes() - tables;
        cost.address = (uintptr_t) p;
        cost.page_size = fitting_page(cost.address, bar->offset, length);

        if (!touch && ioctl(bar->container, VFIO_IOMMU_UNMAP_DMA, &unmap) < 0)
                die("UNMAP_DMA: %m");
        if (jitter)
                reserve(p, length); /* the next mapping has to find another place */
        else
                munmap(p, length);
        return cost;
}

static int by_number(const void *a, const void *b)
{
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

static double median(double *v, unsigned n)
{
        qsort(v, n, sizeof(*v), by_number);
        return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static void print_cost(const struct cost *c, bool last)
{
        if (json)
                printf("{\"address\": \"0x%" PRIx64 "\", \"page_size\": %" PRIu64 ", \"faults\": %" PRIu64
                       ", \"mmap_seconds\": %.6f, \"map_seconds\": %.6f, \"pte_bytes\": %" PRIu64 "}%s",
                       c->address, c->page_size, c->faults, c->mmap_seconds, c->map_seconds, c->pte_bytes,
                       last ? "" : ", ");
        else
                printf("%#16" PRIx64 " %11" PRIu64 " %8" PRIu64 " %12.6f %10" PRIu64 "\n", c->address,
                       c->page_size, c->faults, c->map_seconds, c->pte_bytes);
        fflush(stdout);
}

static void measure(const char *bdf, const struct bar *bar, unsigned times)
{
        double *faults = calloc(times, sizeof(double)), *seconds = calloc(times, sizeof(double));
        uint64_t iova = IOVA_START, own;
        struct utsname host;

        if (!faults || !seconds || uname(&host) < 0)
                die("%m");

        /* The first round faults in this program's own pages; the second shows what it still adds. */
        map_once(bar, PAGE, iova);
        own = map_once(bar, PAGE, iova).faults - 1;

        if (json)
                printf("{\"kernel\": \"%s\", \"device\": \"%s\", \"bar\": %u, \"size\": %" PRIu64
                       ", \"maps\": [",
                       host.release, bdf, bar->index, bar->size);
        else
                printf("%s BAR %u, %" PRIu64 " bytes, kernel %s\n%16s %11s %8s %12s %10s\n", bdf, bar->index,
                       bar->size, host.release, "address", "page size", "faults", "seconds", "PTE bytes");
        for (unsigned i = 0; i < times; i++) {
                struct cost cost = map_once(bar, bar->size, iova);

                cost.faults -= own < cost.faults ? own : cost.faults;
                print_cost(&cost, i + 1 == times);
                faults[i] = (double) cost.faults;
                seconds[i] = cost.map_seconds;
                iova += (bar->size + PUD - 1) & -PUD;
        }
        if (json)
                printf("], \"median\": {\"faults\": %.0f, \"map_seconds\": %.6f}}\n", median(faults, times),
                       median(seconds, times));
        else
                printf("%28s %8.0f %12.6f\n", "median", median(faults, times), median(seconds, times));
        free(faults);
        free(seconds);
}

/* Maps the BAR as the others were, and stays until it is killed. */
static void __attribute__((noreturn)) hold_mapping(const struct bar *bar)
{
        void *p = mmap(NULL, bar->size, PROT_READ | PROT_WRITE, MAP_SHARED, bar->device,
                       (off_t) bar->offset);

        if (p == MAP_FAILED)
                die("mmap: %m");
        populate(bar, p, bar->size, IOVA_START);
        puts("held");
        fflush(stdout);
        for (;;)
                pause();
}

static void __attribute__((noreturn)) usage(int status)
{
        fputs("usage: bar-map [OPTION]... BDF [BAR]\n"
              "  BAR                0 to 5; the largest by default\n"
              "  --times N          map it N times (1)\n"
              "  --jitter           shift the address space by an odd number of pages before each map\n"
              "  --dma              fault the pages by mapping them for DMA (default)\n"
              "  --touch            fault the pages by reading them\n"
              "  --align 0|4K|2M|1G force an address that pages of this size, and for 4K no larger,\n"
              "                     fit; 0: the kernel chooses (default)\n"
              "  --hint             ask for that address without insisting, in a hole of just the size\n"
              "  --offset BYTES     map the BAR from there on (0)\n"
              "  --length BYTES     and no more of it than that\n"
              "  --json             print JSON\n"
              "  --hold             keep it mapped at last; print \"held\"\n",
              status ? stderr : stdout);
        exit(status);
}

static uint64_t parse_align(const char *s)
{
        if (!strcmp(s, "1G"))
                return PUD;
        if (!strcmp(s, "2M"))
                return PMD;
        if (!strcmp(s, "4K"))
                return PAGE;
        if (strcmp(s, "0") != 0)
                usage(2);
        return 0;
}

static uint64_t parse_bytes(const char *s)
{
        char *end;
        uint64_t n = strtoull(s, &end, 10);

        if (*s < '0' || *s > '9' || *end)
                usage(2);
        return n;
}

static unsigned parse_number(const char *s, unsigned min, unsigned max)
{
        char *end;
        unsigned long n = strtoul(s, &end, 10);

        if (end == s || *end || n < min || n > max)
                usage(2);
        return (unsigned) n;
}

int main(int argc, char **argv)
{
        static const struct option options[] = {
                { "times", required_argument, NULL, 'n' },  { "offset", required_argument, NULL, 'o' },
                { "length", required_argument, NULL, 'l' }, { "align", required_argument, NULL, 'a' },
                { "help", no_argument, NULL, 'h' },         { "jitter", no_argument, &jitter, 1 },
                { "dma", no_argument, &touch, 0 },          { "touch", no_argument, &touch, 1 },
                { "hint", no_argument, &hint, 1 },          { "json", no_argument, &json, 1 },
                { "hold", no_argument, &hold, 1 },          { 0 },
        };
        uint64_t offset = 0, length = 0;
        struct bar bar = { 0 };
        unsigned times = 1;

        for (int c; (c = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
                if (c == 'n')
                        times = parse_number(optarg, 1, MAX_TIMES);
                else if (c == 'o')
                        offset = parse_bytes(optarg);
                else if (c == 'l')
                        length = parse_bytes(optarg);
                else if (c == 'a')
                        align = parse_align(optarg);
                else if (c)
                        usage(c == 'h' ? EXIT_SUCCESS : 2);
        }
        if (argc - optind < 1 || argc - optind > 2)
                usage(2);

        bar.device = open_device(argv[optind], &bar.container);
        find_bar(&bar, argc - optind == 2 ? (int) parse_number(argv[optind + 1], 0, 5) : -1);
        narrow(&bar, offset, length);
        enable_memory(bar.device);
        measure(argv[optind], &bar, times);
        if (hold)
                hold_mapping(&bar);
        return EXIT_SUCCESS;
}
