/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The linker takes the calls below instead of the C library's (--wrap): a kernel with one device behind
 * VFIO. */
#include "probe/vfio-device.h"

#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <string.h>
#include <sys/types.h>

#include "test.h"
#include "util/macro.h"

enum { CONTAINER = 1000, GROUP, DEVICE, IOMMUFD };

#define CONFIG_OFFSET (UINT64_C(7) << 40)
#define BIND_IOMMUFD _IO(VFIO_TYPE, VFIO_BASE + 18)

static struct {
        bool no_group, not_viable, no_type1, no_bind;
        int busy; /* the descriptor whose open fails that way */
        struct vfio_iova_range ranges[4];
        unsigned n_ranges;
        struct vfio_region_sparse_mmap_area areas[80];
        unsigned n_areas;
        uint64_t size;
        uint32_t flags;
        bool evil; /* a chain of capabilities that runs in a circle */
        uint16_t command;
        unsigned writes, opened, closed;
} fake;

int __wrap_open64(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_access(const char *path, int mode);
int __wrap_close(int fd);
int __real_close(int fd);
int __wrap_ioctl(int fd, unsigned long request, ...);
ssize_t __wrap_pread64(int fd, void *buffer, size_t size, off_t at);
ssize_t __wrap_pread(int fd, void *buffer, size_t size, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *buffer, size_t size, off_t at);
ssize_t __wrap_pwrite(int fd, const void *buffer, size_t size, off_t at);

static int descriptor(const char *path)
{
        static const char *const paths[] = { "/dev/vfio/vfio", "/dev/vfio/12", "/dev/vfio/devices/vfio3",
                                             "/dev/iommu" };

        for (size_t i = 0; i < ELEMENTSOF(paths); i++)
                if (streq(path, paths[i]) && !(fake.no_group && i == 1))
                        return CONTAINER + (int) i;
        return -1;
}

int __wrap_access(const char *path, int mode)
{
        assert_int_equal(mode, F_OK);
        return descriptor(path) < 0 ? -1 : 0;
}

int __wrap_open64(const char *path, int flags, ...)
{
        int fd = descriptor(path);

        assert_int_equal(flags, O_RDWR | O_CLOEXEC);
        errno = fd < 0 ? ENOENT : EBUSY;
        if (fd < 0 || fd == fake.busy)
                return -1;
        fake.opened++;
        return fd;
}

int __wrap_open(const char *path, int flags, ...)
{
        return __wrap_open64(path, flags);
}

int __wrap_close(int fd)
{
        if (fd < CONTAINER || fd > IOMMUFD)
                return __real_close(fd);
        fake.closed++;
        return 0;
}

static int iommu_info(struct vfio_iommu_type1_info *info)
{
        struct vfio_iommu_type1_info_cap_iova_range *cap = (void *) (info + 1);
        size_t size = fake.n_ranges * sizeof(fake.ranges[0]), wanted = sizeof(*info) + sizeof(*cap) + size;

        info->flags = VFIO_IOMMU_INFO_PGSIZES;
        if (fake.n_ranges == 0)
                return 0;
        info->flags |= VFIO_IOMMU_INFO_CAPS;
        if (info->argsz >= wanted) {
                info->cap_offset = sizeof(*info);
                *cap = (struct vfio_iommu_type1_info_cap_iova_range){
                        .header = { .id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, .version = 1 },
                        .nr_iovas = fake.n_ranges,
                };
                memcpy(cap + 1, fake.ranges, size);
        }
        info->argsz = (uint32_t) wanted;
        return 0;
}

static int region_info(struct vfio_region_info *info)
{
        struct vfio_region_info_cap_sparse_mmap *cap = (void *) (info + 1);
        size_t size = fake.n_areas * sizeof(fake.areas[0]), wanted = sizeof(*info) + sizeof(*cap) + size;

        info->size = info->index == VFIO_PCI_CONFIG_REGION_INDEX ? 256 : fake.size;
        info->offset = (uint64_t) info->index << 40;
        info->flags = fake.flags;
        if (info->index == VFIO_PCI_CONFIG_REGION_INDEX || fake.n_areas == 0)
                return 0;
        info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
        if (info->argsz >= wanted) {
                info->cap_offset = sizeof(*info);
                *cap = (struct vfio_region_info_cap_sparse_mmap){
                        .header = { .id = fake.evil ? 77 : VFIO_REGION_INFO_CAP_SPARSE_MMAP,
                                    .version = 1,
                                    .next = fake.evil ? sizeof(*info) : 0 },
                        .nr_areas = fake.n_areas,
                };
                memcpy(cap + 1, fake.areas, size);
        }
        info->argsz = (uint32_t) wanted;
        return 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
        va_list args;
        void *argument;

        va_start(args, request);
        argument = va_arg(args, void *);
        va_end(args);
        errno = EINVAL;
        switch (request) {
        case VFIO_GET_API_VERSION:
                return VFIO_API_VERSION;
        case VFIO_CHECK_EXTENSION:
                assert_int_equal((uintptr_t) argument, VFIO_TYPE1v2_IOMMU);
                return !fake.no_type1;
        case VFIO_GROUP_GET_STATUS:
                ((struct vfio_group_status *) argument)->flags = fake.not_viable ? 0
                                                                                 : VFIO_GROUP_FLAGS_VIABLE;
                return 0;
        case VFIO_GROUP_SET_CONTAINER:
                assert_int_equal(*(int *) argument, CONTAINER);
                return 0;
        case VFIO_SET_IOMMU:
                return 0;
        case VFIO_GROUP_GET_DEVICE_FD:
                assert_int_equal(fd, GROUP);
                assert_string_equal(argument, "0000:05:00.0");
                fake.opened++;
                return DEVICE;
        case VFIO_IOMMU_GET_INFO:
                return iommu_info(argument);
        case VFIO_DEVICE_GET_REGION_INFO:
                assert_int_equal(fd, DEVICE);
                return region_info(argument);
        case BIND_IOMMUFD:
                assert_int_equal(fd, DEVICE);
                assert_true(((int32_t *) argument)[0] >= 16); /* newer headers have a token behind that */
                assert_int_equal(((int32_t *) argument)[2], IOMMUFD);
                return fake.no_bind ? -1 : 0;
        default:
                return -1;
        }
}

ssize_t __wrap_pread64(int fd, void *buffer, size_t size, off_t at)
{
        assert_int_equal(fd, DEVICE);
        assert_int_equal(at, CONFIG_OFFSET + PCI_COMMAND);
        memcpy(buffer, &fake.command, size);
        return (ssize_t) size;
}

ssize_t __wrap_pread(int fd, void *buffer, size_t size, off_t at)
{
        return __wrap_pread64(fd, buffer, size, at);
}

ssize_t __wrap_pwrite64(int fd, const void *buffer, size_t size, off_t at)
{
        assert_int_equal(fd, DEVICE);
        assert_int_equal(at, CONFIG_OFFSET + PCI_COMMAND);
        memcpy(&fake.command, buffer, size);
        fake.writes++;
        return (ssize_t) size;
}

ssize_t __wrap_pwrite(int fd, const void *buffer, size_t size, off_t at)
{
        return __wrap_pwrite64(fd, buffer, size, at);
}

static int setup(void **state)
{
        (void) state;
        memset(&fake, 0, sizeof(fake));
        return 0;
}

/* Opens and closes: whatever was opened is closed once. */
static int try_open(int cdev, const char **ret_failed)
{
        struct vfio_device d;
        int r;

        fake.opened = fake.closed = 0;
        r = vfio_device_open(&d, "0000:05:00.0", 12, cdev);
        assert_true((r < 0) == !!d.failed);
        *ret_failed = d.failed;
        vfio_device_close(&d);
        assert_int_equal(fake.opened, fake.closed);
        vfio_device_close(&d);
        assert_int_equal(fake.opened, fake.closed);
        return r;
}

static void test_open(void **state)
{
        const char *why;

        (void) state;
        assert_int_equal(try_open(3, &why), 0);
        assert_int_equal(fake.opened, 3);
        fake.busy = GROUP;
        assert_int_equal(try_open(3, &why), -EBUSY);
        fake.busy = 0;
        fake.not_viable = true;
        assert_int_equal(try_open(-1, &why), -EPERM);
        assert_non_null(strstr(why, "viable"));
        fake.no_type1 = true;
        assert_int_equal(try_open(-1, &why), -EOPNOTSUPP);

        /* The character device, where it is all there is */
        fake.no_group = true;
        assert_int_equal(try_open(3, &why), 0);
        assert_int_equal(fake.opened, 2);
        fake.no_bind = true;
        assert_int_equal(try_open(3, &why), -EINVAL);
        assert_non_null(strstr(why, "iommufd"));
        fake.busy = DEVICE;
        assert_int_equal(try_open(3, &why), -EBUSY);
}

static void test_iova(void **state)
{
        struct vfio_device d;

        (void) state;
        assert_ok(vfio_device_open(&d, "0000:05:00.0", 12, -1));
        assert_int_equal(d.iova, GIB(4));
        vfio_device_close(&d);

        /* Too low, too short once its start is rounded, and one that fits exactly */
        fake.ranges[0] = (struct vfio_iova_range){ 0, 0xfedfffff };
        fake.ranges[1] = (struct vfio_iova_range){ GIB(5) + 1, GIB(10) - 1 - 1 };
        fake.ranges[2] = (struct vfio_iova_range){ GIB(20), GIB(24) - 1 };
        fake.n_ranges = 3;
        assert_ok(vfio_device_open(&d, "0000:05:00.0", 12, -1));
        assert_int_equal(d.iova, GIB(20));
        vfio_device_close(&d);
        fake.ranges[2].end--;
        assert_int_equal(vfio_device_open(&d, "0000:05:00.0", 12, -1), -ERANGE);
        vfio_device_close(&d);
        fake.ranges[2] = (struct vfio_iova_range){ UINT64_MAX - KIB(4), UINT64_MAX };
        fake.ranges[3] = (struct vfio_iova_range){ 0, UINT64_MAX };
        fake.n_ranges = 4;
        assert_ok(vfio_device_open(&d, "0000:05:00.0", 12, -1));
        assert_int_equal(d.iova, GIB(4));
        vfio_device_close(&d);
}

static void test_memory(void **state)
{
        struct vfio_device d;

        (void) state;
        fake.command = PCI_COMMAND_INTX_DISABLE;
        assert_ok(vfio_device_open(&d, "0000:05:00.0", 12, -1));
        assert_ok(vfio_device_enable_memory(&d));
        assert_int_equal(fake.command, PCI_COMMAND_INTX_DISABLE | PCI_COMMAND_MEMORY);
        vfio_device_close(&d);
        assert_int_equal(fake.command, PCI_COMMAND_INTX_DISABLE);
        assert_int_equal(fake.writes, 2);

        /* It is on already, so nothing is written. */
        fake.command = PCI_COMMAND_MEMORY;
        assert_ok(vfio_device_open(&d, "0000:05:00.0", 12, -1));
        assert_ok(vfio_device_enable_memory(&d));
        vfio_device_close(&d);
        assert_int_equal(fake.command, PCI_COMMAND_MEMORY);
        assert_int_equal(fake.writes, 2);
}

static void test_regions(void **state)
{
        struct vfio_device d;
        struct vfio_region r;

        (void) state;
        assert_ok(vfio_device_open(&d, "0000:05:00.0", 12, -1));
        fake.size = MIB(16);
        assert_ok(vfio_device_read_region(&d, 2, &r));
        assert_int_equal(r.size, MIB(16));
        assert_int_equal(r.offset, UINT64_C(2) << 40);
        assert_int_equal(r.n_areas, 0); /* cannot be mapped */

        fake.flags = VFIO_REGION_INFO_FLAG_MMAP;
        assert_ok(vfio_device_read_region(&d, 2, &r));
        assert_int_equal(r.n_areas, 1);
        assert_int_equal(r.areas[0].size, MIB(16));
        fake.size = 256;
        assert_ok(vfio_device_read_region(&d, 2, &r));
        assert_int_equal(r.n_areas, 0);

        fake.size = MIB(16);
        fake.areas[0] = (struct vfio_region_sparse_mmap_area){ 0, MIB(1) };
        fake.areas[1] = (struct vfio_region_sparse_mmap_area){ MIB(2), 0 }; /* nothing */
        fake.areas[2] = (struct vfio_region_sparse_mmap_area){ MIB(2), MIB(14) };
        fake.n_areas = 3;
        assert_ok(vfio_device_read_region(&d, 2, &r));
        assert_int_equal(r.n_areas, 2);
        assert_int_equal(r.areas[1].offset, MIB(2));
        assert_int_equal(r.areas[1].size, MIB(14));

        /* Beyond the end, not in whole pages, too many */
        fake.areas[2].size += KIB(4);
        assert_int_equal(vfio_device_read_region(&d, 2, &r), -EBADMSG);
        fake.areas[2].size = MIB(1) + 1;
        assert_int_equal(vfio_device_read_region(&d, 2, &r), -EBADMSG);
        fake.areas[2] = (struct vfio_region_sparse_mmap_area){ -MIB(1), MIB(2) };
        assert_int_equal(vfio_device_read_region(&d, 2, &r), -EBADMSG);
        for (size_t i = 0; i < ELEMENTSOF(fake.areas); i++)
                fake.areas[i] = (struct vfio_region_sparse_mmap_area){ i * KIB(8), KIB(4) };
        fake.n_areas = ELEMENTSOF(fake.areas);
        assert_int_equal(vfio_device_read_region(&d, 2, &r), -E2BIG);
        fake.n_areas = 1;
        fake.evil = true;
        assert_ok(vfio_device_read_region(&d, 2, &r));
        assert_int_equal(r.n_areas, 1);
        assert_int_equal(r.areas[0].size, MIB(16));
        vfio_device_close(&d);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(test_open, setup),
                cmocka_unit_test_setup(test_iova, setup),
                cmocka_unit_test_setup(test_memory, setup),
                cmocka_unit_test_setup(test_regions, setup),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
