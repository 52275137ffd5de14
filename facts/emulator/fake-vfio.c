/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvfioalign-fake.so: shows a program one PCI device behind VFIO that does not exist, and reports where
 * the program wants its BARs mapped. Only vfioalignctl --deep uses it. It is preloaded before the C library,
 * into a process that ends as soon as the last BAR is mapped, and touches nothing of the host: no device, no
 * group, no DMA.
 *
 * It knows the ioctls and structures of linux/vfio.h for a type 1 IOMMU with a group, which every QEMU can
 * use. */

/* With 64-bit offsets by redirection, a definition of mmap() would come out as mmap64(). */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fake-vfio.h"

#if UINTPTR_MAX != UINT64_MAX
#error "SYS_mmap takes an offset in bytes on 64-bit machines only"
#endif

#define _public_ __attribute__((visibility("default")))
#define REGION_SHIFT 40 /* as the kernel does, include/linux/vfio_pci_core.h */
#define REGION_OFFSET_MASK ((UINT64_C(1) << REGION_SHIFT) - 1)
#define CONFIG_SIZE 256

static struct {
        int pipe;
        struct {
                uint64_t size;
                struct vfio_region_sparse_mmap_area areas[FAKE_AREAS_MAX];
                unsigned n_areas;
        } bars[FAKE_BARS_MAX];
        unsigned n_bars, n_expected, n_seen;
        int container, group, device;
} fake = { .pipe = -1, .container = -1, .group = -1, .device = -1 };

static void parse_bar(char **text)
{
        unsigned i = fake.n_bars, n = 0;
        char *p = *text;

        fake.bars[i].size = strtoull(p, &p, 16);
        while ((*p == ':' || *p == ',') && n < FAKE_AREAS_MAX) {
                fake.bars[i].areas[n].offset = strtoull(p + 1, &p, 16);
                if (*p == '+')
                        fake.bars[i].areas[n++].size = strtoull(p + 1, &p, 16);
        }
        fake.bars[i].n_areas = n;
        fake.n_expected += n ?: 1;
        fake.n_bars++;
        *text = p;
}

/* Reads the variable at the first open() of a VFIO file, so programs that run before (a wrapper's shell) are
 * left alone. */
static bool is_set_up(void)
{
        char *text = getenv(FAKE_VARIABLE);

        if (fake.pipe >= 0 || !text)
                return fake.pipe >= 0;
        fake.pipe = (int) strtol(text, &text, 10);
        while (*text == ' ' && fake.n_bars < FAKE_BARS_MAX) {
                text++;
                parse_bar(&text);
        }
        return true;
}

static int new_descriptor(int *fd)
{
        *fd = (int) syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
        return *fd;
}

static int fake_open(int dirfd, const char *path, int flags, mode_t mode)
{
        if (strcmp(path, "/dev/vfio/vfio") == 0 && is_set_up())
                return new_descriptor(&fake.container);
        if (strcmp(path, "/dev/vfio/" FAKE_GROUP) == 0 && is_set_up())
                return new_descriptor(&fake.group);
        return (int) syscall(SYS_openat, dirfd, path, flags, mode);
}

static mode_t mode_of(int flags, va_list arguments)
{
        return flags & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

#define DEFINE_OPEN(name) \
        _public_ int name(const char *path, int flags, ...) \
        { \
                va_list arguments; \
                mode_t mode; \
\
                va_start(arguments, flags); \
                mode = mode_of(flags, arguments); \
                va_end(arguments); \
                return fake_open(AT_FDCWD, path, flags, mode); \
        }
#define DEFINE_OPENAT(name) \
        _public_ int name(int dirfd, const char *path, int flags, ...) \
        { \
                va_list arguments; \
                mode_t mode; \
\
                va_start(arguments, flags); \
                mode = mode_of(flags, arguments); \
                va_end(arguments); \
                return fake_open(dirfd, path, flags, mode); \
        }

DEFINE_OPEN(open)
DEFINE_OPEN(open64)
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)

/* As _FORTIFY_SOURCE calls them. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);

_public_ int __open_2(const char *path, int flags)
{
        return fake_open(AT_FDCWD, path, flags, 0);
}

_public_ int __open64_2(const char *path, int flags)
{
        return fake_open(AT_FDCWD, path, flags, 0);
}

/* Little-endian registers of a device of class "other", without capabilities and without interrupts. */
static uint8_t config_byte(uint64_t at)
{
        if (at == 0x00 || at == 0x02)
                return 0x36; /* 1b36: Red Hat; a device id nobody has quirks for */
        if (at == 0x01)
                return 0x1b;
        if (at == 0x03 || at == 0x0b)
                return 0xff;
        if (at >= 0x10 && at < 0x28 && (at - 0x10) % 8 == 0 && (at - 0x10) / 8 < fake.n_bars)
                return 0x0c; /* memory, 64 bits, prefetchable */
        return 0;
}

static ssize_t fake_pread(int fd, void *bytes, size_t size, off_t offset)
{
        uint64_t region = (uint64_t) offset >> REGION_SHIFT, at = (uint64_t) offset & REGION_OFFSET_MASK;

        if (fd != fake.device || fd < 0)
                return syscall(SYS_pread64, fd, bytes, size, offset);
        for (size_t i = 0; i < size; i++)
                ((uint8_t *) bytes)[i] = region == VFIO_PCI_CONFIG_REGION_INDEX ? config_byte(at + i) : 0;
        return (ssize_t) size;
}

#define DEFINE_PREAD(name, offset_type) \
        _public_ ssize_t name(int fd, void *bytes, size_t size, offset_type offset) \
        { \
                return fake_pread(fd, bytes, size, offset); \
        }
#define DEFINE_PREAD_CHECKED(name, offset_type) \
        ssize_t name(int fd, void *bytes, size_t size, offset_type offset, size_t room); \
        _public_ ssize_t name(int fd, void *bytes, size_t size, offset_type offset, size_t room) \
        { \
                if (size > room) \
                        abort(); \
                return fake_pread(fd, bytes, size, offset); \
        }
#define DEFINE_PWRITE(name, offset_type) \
        _public_ ssize_t name(int fd, const void *bytes, size_t size, offset_type offset) \
        { \
                if (fd == fake.device && fd >= 0) \
                        return (ssize_t) size; \
                return syscall(SYS_pwrite64, fd, bytes, size, offset); \
        }

DEFINE_PREAD(pread, off_t)
DEFINE_PREAD(pread64, off64_t)
DEFINE_PREAD_CHECKED(__pread_chk, off_t)
DEFINE_PREAD_CHECKED(__pread64_chk, off64_t)
DEFINE_PWRITE(pwrite, off_t)
DEFINE_PWRITE(pwrite64, off64_t)

static int fail_with(int error)
{
        errno = error;
        return -1;
}

static int container_ioctl(unsigned long request, void *argument)
{
        struct vfio_iommu_type1_info *info = argument;
        unsigned long extension = (unsigned long) argument;

        switch (request) {
        case VFIO_GET_API_VERSION:
                return VFIO_API_VERSION;
        case VFIO_CHECK_EXTENSION:
                return extension == VFIO_TYPE1_IOMMU || extension == VFIO_TYPE1v2_IOMMU;
        case VFIO_IOMMU_GET_INFO:
                info->flags = VFIO_IOMMU_INFO_PGSIZES;
                info->iova_pgsizes = (uint64_t) sysconf(_SC_PAGESIZE);
                return 0;
        case VFIO_SET_IOMMU:
        case VFIO_IOMMU_MAP_DMA:
        case VFIO_IOMMU_UNMAP_DMA:
                return 0;
        default:
                return fail_with(ENOTTY);
        }
}

static int group_ioctl(unsigned long request, void *argument)
{
        struct vfio_group_status *status = argument;

        switch (request) {
        case VFIO_GROUP_GET_STATUS:
                status->flags = VFIO_GROUP_FLAGS_VIABLE;
                return 0;
        case VFIO_GROUP_SET_CONTAINER:
        case VFIO_GROUP_UNSET_CONTAINER:
                return 0;
        case VFIO_GROUP_GET_DEVICE_FD:
                return new_descriptor(&fake.device);
        default:
                return fail_with(ENOTTY);
        }
}

/* Adds the areas of a BAR as a capability after the fixed part. The caller asks again if its buffer was too
 * small. */
static void add_areas(struct vfio_region_info *info, unsigned bar)
{
        unsigned n = fake.bars[bar].n_areas;
        struct vfio_region_info_cap_sparse_mmap *cap = (void *) (info + 1);
        size_t size = sizeof(*info) + sizeof(*cap) + n * sizeof(cap->areas[0]);

        info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
        if (info->argsz < size) {
                info->argsz = (uint32_t) size;
                return;
        }
        info->cap_offset = sizeof(*info);
        *cap = (struct vfio_region_info_cap_sparse_mmap){
                .header = { .id = VFIO_REGION_INFO_CAP_SPARSE_MMAP, .version = 1 },
                .nr_areas = n,
        };
        memcpy(cap->areas, fake.bars[bar].areas, n * sizeof(cap->areas[0]));
}

static int get_region(struct vfio_region_info *info)
{
        unsigned bar = info->index / 2;

        if (info->index >= VFIO_PCI_NUM_REGIONS)
                return fail_with(EINVAL);
        info->offset = (uint64_t) info->index << REGION_SHIFT;
        info->size = info->flags = info->cap_offset = 0;
        if (info->index == VFIO_PCI_CONFIG_REGION_INDEX) {
                info->size = CONFIG_SIZE;
                info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
        } else if (info->index % 2 == 0 && bar < fake.n_bars) {
                info->size = fake.bars[bar].size;
                info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
                              VFIO_REGION_INFO_FLAG_MMAP;
                if (fake.bars[bar].n_areas > 0)
                        add_areas(info, bar);
        }
        return 0;
}

static int device_ioctl(unsigned long request, void *argument)
{
        struct vfio_device_info *device = argument;
        struct vfio_irq_info *irq = argument;

        switch (request) {
        case VFIO_DEVICE_GET_INFO:
                device->flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
                device->num_regions = VFIO_PCI_NUM_REGIONS;
                device->num_irqs = VFIO_PCI_NUM_IRQS;
                return 0;
        case VFIO_DEVICE_GET_REGION_INFO:
                return get_region(argument);
        case VFIO_DEVICE_GET_IRQ_INFO:
                irq->flags = irq->count = 0;
                return 0;
        case VFIO_DEVICE_SET_IRQS:
        case VFIO_DEVICE_RESET:
                return 0;
        default:
                return fail_with(ENOTTY);
        }
}

/* glibc's own declaration is in a header that has a second one of struct winsize. */
int ioctl(int fd, unsigned long request, ...);

_public_ int ioctl(int fd, unsigned long request, ...)
{
        va_list arguments;
        void *argument;

        va_start(arguments, request);
        argument = va_arg(arguments, void *);
        va_end(arguments);
        request &= UINT32_MAX; /* some callers pass an int */
        if (fd >= 0 && fd == fake.container)
                return container_ioctl(request, argument);
        if (fd >= 0 && fd == fake.group)
                return group_ioctl(request, argument);
        if (fd >= 0 && fd == fake.device)
                return device_ioctl(request, argument);
        return (int) syscall(SYS_ioctl, fd, request, argument);
}

static void report_mapping(void *address, size_t size, int flags, off_t offset)
{
        const struct fake_report report = {
                .hint = (uintptr_t) address,
                .offset = (uint64_t) offset & REGION_OFFSET_MASK,
                .size = size,
                .bar = (uint32_t) ((uint64_t) offset >> REGION_SHIFT) / 2,
                .fixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0,
        };

        if (write(fake.pipe, &report, sizeof(report)) != sizeof(report) || ++fake.n_seen == fake.n_expected)
                _exit(0);
}

_public_ void *mmap(void *address, size_t size, int prot, int flags, int fd, off_t offset)
{
        /* Inaccessible memory takes the place of the device. */
        if (fd >= 0 && fd == fake.device && !(flags & MAP_ANONYMOUS)) {
                report_mapping(address, size, flags, offset);
                prot = PROT_NONE;
                flags = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) | MAP_PRIVATE | MAP_ANONYMOUS |
                        MAP_NORESERVE;
                fd = -1;
                offset = 0;
        }
        return (void *) syscall(SYS_mmap, address, size, prot, flags, fd, offset);
}

_public_ void *mmap64(void *address, size_t size, int prot, int flags, int fd, off64_t offset)
{
        return mmap(address, size, prot, flags, fd, offset);
}
