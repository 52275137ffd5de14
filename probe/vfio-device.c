/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vfio-device.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>

#include "util/macro.h"

/* Since Linux 6.6; the headers of bookworm do not have it. */
#ifndef VFIO_DEVICE_BIND_IOMMUFD
struct vfio_device_bind_iommufd {
        __u32 argsz;
        __u32 flags;
        __s32 iommufd;
        __u32 out_devid;
};
#define VFIO_DEVICE_BIND_IOMMUFD _IO(VFIO_TYPE, VFIO_BASE + 18)
#endif

#define INFO_MAX (64U << 10) /* bytes: an answer of the kernel with its capabilities */
#define IOVA_DEFAULT GIB(4)  /* above the windows of the interrupts; used if the kernel names no ranges */

static int set_failed(struct vfio_device *d, int error, const char *what)
{
        d->failed = what;
        return error;
}

/* Asks a question whose answer can be longer than the structure: argsz says so. *ret is the caller's to
 * free. */
static int read_info(int fd, unsigned long request, const void *question, size_t size, void **ret)
{
        uint32_t argsz = (uint32_t) size;

        for (int i = 0; i < 2; i++) {
                _cleanup_free_ char *info = calloc(1, argsz);
                uint32_t needed;

                if (!info)
                        return -ENOMEM;
                memcpy(info, question, size);
                memcpy(info, &argsz, sizeof(argsz)); /* the first member of each */
                if (ioctl(fd, request, info) < 0)
                        return -errno;
                memcpy(&needed, info, sizeof(needed));
                if (needed <= argsz) {
                        *ret = TAKE_PTR(info);
                        return 0;
                }
                if (needed > INFO_MAX)
                        return -E2BIG;
                argsz = needed;
        }
        return -E2BIG;
}

/* Finds the capability with that id and at least `size` bytes, or NULL. *ret_size: the bytes from there to
 * the end. */
static const void *find_capability(const void *info, uint32_t first, uint16_t id, size_t size,
                                   size_t *ret_size)
{
        struct vfio_info_cap_header header;
        uint32_t argsz;

        memcpy(&argsz, info, sizeof(argsz));
        for (uint32_t at = first; at >= sizeof(argsz) && at <= argsz - sizeof(header);) {
                memcpy(&header, (const char *) info + at, sizeof(header));
                if (header.id == id && argsz - at >= size) {
                        *ret_size = argsz - at;
                        return (const char *) info + at;
                }
                if (header.next <= at) /* the end, or a chain that goes back */
                        break;
                at = header.next;
        }
        return NULL;
}

/* Chooses where to map DMA: in a range of the IOMMU that is large enough, above 4 GiB, from a whole GiB on.
 */
static int choose_iova(struct vfio_device *d)
{
        const struct vfio_iommu_type1_info question = { .argsz = sizeof(question) };
        const struct vfio_iommu_type1_info_cap_iova_range *ranges = NULL;
        _cleanup_free_ struct vfio_iommu_type1_info *info = NULL;
        size_t size;
        int r;

        d->iova = IOVA_DEFAULT;
        r = read_info(d->container, VFIO_IOMMU_GET_INFO, &question, sizeof(question), (void **) &info);
        if (r < 0)
                return r;
        if (info->flags & VFIO_IOMMU_INFO_CAPS)
                ranges = find_capability(info, info->cap_offset, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE,
                                         sizeof(*ranges), &size);
        if (!ranges)
                return 0;
        for (size_t i = 0;
             i < ranges->nr_iovas && (i + 1) * sizeof(ranges->iova_ranges[0]) <= size - sizeof(*ranges);
             i++) {
                uint64_t start = ranges->iova_ranges[i].start, end = ranges->iova_ranges[i].end;

                start = start < IOVA_DEFAULT ? IOVA_DEFAULT : start;
                if (start > UINT64_MAX - GIB(1))
                        continue;
                start = (start + GIB(1) - 1) & -GIB(1);
                if (end >= start && end - start >= VFIO_DMA_MAX - 1) {
                        d->iova = start;
                        return 0;
                }
        }
        return -ERANGE;
}

static int open_by_group(struct vfio_device *d, const char *bdf, const char *path)
{
        struct vfio_group_status status = { .argsz = sizeof(status) };

        d->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
        if (d->container < 0)
                return set_failed(d, -errno, "open /dev/vfio/vfio");
        if (ioctl(d->container, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
            ioctl(d->container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) <= 0)
                return set_failed(d, -EOPNOTSUPP, "find the type 1 IOMMU (is vfio_iommu_type1 loaded?)");
        d->group = open(path, O_RDWR | O_CLOEXEC);
        if (d->group < 0)
                return set_failed(d, -errno, "open its group");
        if (ioctl(d->group, VFIO_GROUP_GET_STATUS, &status) < 0)
                return set_failed(d, -errno, "read the status of its group");
        if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
                return set_failed(d, -EPERM, "use its group, which is not viable");
        if (ioctl(d->group, VFIO_GROUP_SET_CONTAINER, &d->container) < 0)
                return set_failed(d, -errno, "put its group into a container");
        if (ioctl(d->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
                return set_failed(d, -errno, "set up the IOMMU (does it remap interrupts?)");
        d->device = ioctl(d->group, VFIO_GROUP_GET_DEVICE_FD, bdf);
        if (d->device < 0)
                return set_failed(d, -errno, "open it");
        if (choose_iova(d) < 0)
                return set_failed(d, -ERANGE, "find room for DMA in the IOMMU");
        return 0;
}

static int open_by_cdev(struct vfio_device *d, int cdev)
{
        struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
        char path[64];

        snprintf(path, sizeof(path), "/dev/vfio/devices/vfio%d", cdev);
        d->device = open(path, O_RDWR | O_CLOEXEC);
        if (d->device < 0)
                return set_failed(d, -errno, "open its character device");
        d->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
        if (d->iommufd < 0)
                return set_failed(d, -errno, "open /dev/iommu");
        bind.iommufd = d->iommufd;
        if (ioctl(d->device, VFIO_DEVICE_BIND_IOMMUFD, &bind) < 0)
                return set_failed(d, -errno, "open it by iommufd");
        return 0;
}

int vfio_device_open(struct vfio_device *d, const char *bdf, int group, int cdev)
{
        char path[64];

        assert(d);
        assert(bdf);

        *d = VFIO_DEVICE_NONE;
        snprintf(path, sizeof(path), "/dev/vfio/%d", group);
        if (cdev >= 0 && (access(path, F_OK) < 0 || access("/dev/vfio/vfio", F_OK) < 0))
                return open_by_cdev(d, cdev);
        return open_by_group(d, bdf, path);
}

/* The offset of the command register in the descriptor, or a negative errno. */
static off_t find_command_register(const struct vfio_device *d)
{
        struct vfio_region_info config = { .argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX };

        if (ioctl(d->device, VFIO_DEVICE_GET_REGION_INFO, &config) < 0)
                return -errno;
        return (off_t) config.offset + PCI_COMMAND;
}

int vfio_device_enable_memory(struct vfio_device *d)
{
        uint16_t command, enabled;
        off_t at;

        assert(d);

        at = find_command_register(d);
        if (at < 0)
                return set_failed(d, (int) at, "find its configuration space");
        if (pread(d->device, &command, sizeof(command), at) != sizeof(command))
                return set_failed(d, -EIO, "read its command register");
        if (command & PCI_COMMAND_MEMORY)
                return 0;
        enabled = command | PCI_COMMAND_MEMORY;
        if (pwrite(d->device, &enabled, sizeof(enabled), at) != sizeof(enabled))
                return set_failed(d, -EIO, "switch its memory on");
        d->command = command;
        d->memory_was_off = true;
        return 0;
}

void vfio_device_close(struct vfio_device *d)
{
        off_t at;

        assert(d);

        at = d->memory_was_off ? find_command_register(d) : -1;
        if (at >= 0) /* an error does not matter, because closing resets the function */
                (void) !pwrite(d->device, &d->command, sizeof(d->command), at);
        closep(&d->device);
        closep(&d->group);
        closep(&d->container);
        closep(&d->iommufd);
        *d = VFIO_DEVICE_NONE;
}

static int add_area(struct vfio_region *region, uint64_t offset, uint64_t size)
{
        uint64_t page = (uint64_t) sysconf(_SC_PAGESIZE);

        if (size == 0)
                return 0;
        if (offset > region->size || size > region->size - offset || (offset | size) & (page - 1))
                return -EBADMSG;
        if (region->n_areas == VFIO_AREAS_MAX)
                return -E2BIG;
        region->areas[region->n_areas++] = (struct vfio_area){ offset, size };
        return 0;
}

/* Adds the parts that can be mapped: those of the capability, or without that the whole region. */
static int add_areas(struct vfio_region *region, const struct vfio_region_info *info)
{
        const struct vfio_region_info_cap_sparse_mmap *sparse = NULL;
        size_t size = 0;
        int r;

        if (info->flags & VFIO_REGION_INFO_FLAG_CAPS)
                sparse = find_capability(info, info->cap_offset, VFIO_REGION_INFO_CAP_SPARSE_MMAP,
                                         sizeof(*sparse), &size);
        if (!sparse) {
                /* A BAR smaller than a page can be mapped as well if it has the page to itself, but there is
                 * nothing to gain. */
                if (region->size < (uint64_t) sysconf(_SC_PAGESIZE))
                        return 0;
                return add_area(region, 0, region->size);
        }
        for (size_t i = 0; i < sparse->nr_areas; i++) {
                if ((i + 1) * sizeof(sparse->areas[0]) > size - sizeof(*sparse))
                        return -EBADMSG;
                r = add_area(region, sparse->areas[i].offset, sparse->areas[i].size);
                if (r < 0)
                        return r;
        }
        return 0;
}

int vfio_device_read_region(struct vfio_device *d, unsigned index, struct vfio_region *ret)
{
        const struct vfio_region_info question = { .argsz = sizeof(question), .index = index };
        _cleanup_free_ struct vfio_region_info *info = NULL;
        struct vfio_region region;
        int r;

        assert(d);
        assert(ret);

        r = read_info(d->device, VFIO_DEVICE_GET_REGION_INFO, &question, sizeof(question), (void **) &info);
        if (r < 0)
                return set_failed(d, r, "ask about a BAR");
        region = (struct vfio_region){ .size = info->size, .offset = info->offset };
        if (info->flags & VFIO_REGION_INFO_FLAG_MMAP) {
                r = add_areas(&region, info);
                if (r < 0)
                        return set_failed(d, r, "understand which parts of a BAR can be mapped");
        }
        *ret = region;
        return 0;
}

int vfio_device_map_dma(const struct vfio_device *d, void *p, uint64_t size)
{
        struct vfio_iommu_type1_dma_map map = {
                .argsz = sizeof(map),
                .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
                .vaddr = (uintptr_t) p,
                .iova = d->iova,
                .size = size,
        };

        assert(d);
        assert(p);
        assert(size <= VFIO_DMA_MAX);

        return ioctl(d->container, VFIO_IOMMU_MAP_DMA, &map) < 0 ? -errno : 0;
}

int vfio_device_unmap_dma(const struct vfio_device *d, uint64_t size)
{
        struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap), .iova = d->iova, .size = size };

        assert(d);
        assert(size <= VFIO_DMA_MAX);

        return ioctl(d->container, VFIO_IOMMU_UNMAP_DMA, &unmap) < 0 ? -errno : 0;
}
