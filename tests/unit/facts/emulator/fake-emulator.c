/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stands for QEMU in test-emulator-probe: opens the VFIO device that its last argument names, by the group,
 * and maps its BARs in the way that its own name tells. Every open() and mmap() goes through the C library,
 * as QEMU's do. */
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define GIB (1UL << 30)

static const char *way;

static void place(int device, unsigned long offset, unsigned long size, unsigned long align,
                  unsigned long shift)
{
        char *address = NULL;

        if (align > 0) {
                char *reserved = mmap(NULL, size + 2 * align, PROT_NONE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);

                if (reserved == MAP_FAILED)
                        exit(3);
                address = (char *) (((unsigned long) reserved + align - 1) & -align) + shift;
        }
        if (mmap(address, size, PROT_READ | PROT_WRITE, MAP_SHARED | (align ? MAP_FIXED : 0), device,
                 (off_t) offset) == MAP_FAILED)
                exit(4);
}

static void map_area(int device, const struct vfio_region_info *region, unsigned long offset,
                     unsigned long size)
{
        unsigned long align = 1;

        if (strstr(way, "crash-later") && region->index > 0)
                abort();
        if (strstr(way, "none") || strstr(way, "crash-later")) {
                place(device, region->offset + offset, size, 0, 0);
        } else if (strstr(way, "per-area")) {
                align = size & -size;
                place(device, region->offset + offset, size, align < GIB ? align : GIB, 0);
        } else if (strstr(way, "per-region")) {
                while (align < region->size && align < GIB)
                        align *= 2;
                place(device, region->offset + offset, size, align, offset % align);
        } else if (strstr(way, "odd-way")) {
                place(device, region->offset + offset, size, 4096, 4096);
        }
}

static void map_region(int device, unsigned index)
{
        static union {
                struct vfio_region_info info;
                char room[4096];
        } r;
        const struct vfio_region_info_cap_sparse_mmap *cap = (void *) (r.room + sizeof(r.info));

        memset(&r, 0, sizeof(r));
        r.info.argsz = sizeof(r.info);
        r.info.index = index;
        if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &r.info) < 0)
                exit(5);
        if (r.info.argsz > sizeof(r.info) && ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &r.info) < 0)
                exit(6);
        if (!(r.info.flags & VFIO_REGION_INFO_FLAG_MMAP))
                return;
        if (!(r.info.flags & VFIO_REGION_INFO_FLAG_CAPS))
                map_area(device, &r.info, 0, r.info.size);
        else
                for (unsigned i = 0; i < cap->nr_areas; i++)
                        map_area(device, &r.info, cap->areas[i].offset, cap->areas[i].size);
        if (r.info.size & (r.info.size - 1)) /* as QEMU in pci_register_bar() */
                exit(1);
}

/* What a confined program must not be able to do. */
static void check_confinement(void)
{
        if (geteuid() == 0 || getuid() == 0 || getsid(0) != getpid() || write(STDOUT_FILENO, "", 0) < 0 ||
            fcntl(4, F_GETFD) >= 0 || getenv("SECRET") || access("iommu_group", W_OK) == 0)
                exit(7);
}

static int open_device(const char *argument)
{
        char link[PATH_MAX], group[PATH_MAX] = "", path[PATH_MAX + 16];
        const char *directory = strstr(argument, "sysfsdev=");
        struct vfio_group_status status = { .argsz = sizeof(status) };
        int container, fd;

        if (!directory)
                exit(8);
        snprintf(link, sizeof(link), "%s/iommu_group", directory + strlen("sysfsdev="));
        if (readlink(link, group, sizeof(group) - 1) < 0)
                exit(9);
        snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(group, '/') ? strrchr(group, '/') + 1 : group);
        container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
        fd = open(path, O_RDWR | O_CLOEXEC);
        if (container < 0 || fd < 0 || ioctl(fd, VFIO_GROUP_GET_STATUS, &status) < 0 ||
            !(status.flags & VFIO_GROUP_FLAGS_VIABLE) ||
            ioctl(fd, VFIO_GROUP_SET_CONTAINER, &container) < 0 ||
            ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
                exit(10);
        return ioctl(fd, VFIO_GROUP_GET_DEVICE_FD, "0000:77:00.0");
}

int main(int argc, char *argv[])
{
        struct vfio_device_info info = { .argsz = sizeof(info) };
        unsigned char type = 0;
        int device;

        way = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
        check_confinement();
        if (strstr(way, "hang") || strstr(way, "linger")) {
                /* A child keeps the pipe open, and must go as well. */
                if (strstr(way, "linger") && fork() > 0)
                        exit(1);
                for (;;)
                        pause();
        }
        if (strstr(way, "refuse"))
                return 1;
        device = open_device(argv[argc - 1]);
        if (device < 0 || ioctl(device, VFIO_DEVICE_GET_INFO, &info) < 0 ||
            info.num_regions <= VFIO_PCI_BAR5_REGION_INDEX)
                return 11;
        if (pread(device, &type, 1, ((off_t) VFIO_PCI_CONFIG_REGION_INDEX << 40) + 0x10) != 1 ||
            type != 0x0c)
                return 12;
        if (strstr(way, "crash-first"))
                abort();
        for (unsigned i = 0; i <= VFIO_PCI_BAR5_REGION_INDEX; i++)
                map_region(device, i);
        return 0;
}
