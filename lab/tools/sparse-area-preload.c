/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded into an emulator: makes one BAR of one real VFIO device look as if the driver let only one area
 * of it be mapped (VFIO_REGION_INFO_CAP_SPARSE_MMAP), as variant drivers do. The emulator then maps that
 * area of the real BAR.
 *
 *   SPARSE_AREA="0000:00:0d.0 2 OFFSET LENGTH"   bytes, decimal
 *
 * It has to load on every image whatever the C library it was built with, hence the hand-made parsing.
 */
#include <linux/vfio.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct with_area {
        struct vfio_region_info info;
        struct vfio_region_info_cap_sparse_mmap cap;
        struct vfio_region_sparse_mmap_area area;
};

static char device[32];
static uint64_t bar, offset, length;
static int device_fd = -1;

static const char *parse_number(const char *s, uint64_t *ret)
{
        for (*ret = 0; *s >= '0' && *s <= '9'; s++)
                *ret = *ret * 10 + (uint64_t) (*s - '0');
        return *s == ' ' ? s + 1 : s;
}

static void __attribute__((constructor)) parse(void)
{
        const char *s = getenv("SPARSE_AREA");
        size_t n = 0;

        if (!s)
                return;
        while (s[n] && s[n] != ' ')
                n++;
        if (n >= sizeof(device) || !s[n])
                abort();
        memcpy(device, s, n);
        s = parse_number(s + n + 1, &bar);
        s = parse_number(s, &offset);
        s = parse_number(s, &length);
        if (*s || !length)
                abort();
}

/* argsz: what the caller said that there is room for */
static void add_area(struct vfio_region_info *info, uint32_t argsz)
{
        struct with_area *w = (void *) info;

        info->argsz = sizeof(*w);
        info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
        info->cap_offset = 0;
        if (argsz < sizeof(*w))
                return; /* it comes again */
        info->cap_offset = sizeof(*info);
        w->cap = (struct vfio_region_info_cap_sparse_mmap){
                .header = { .id = VFIO_REGION_INFO_CAP_SPARSE_MMAP, .version = 1 },
                .nr_areas = 1,
        };
        w->area = (struct vfio_region_sparse_mmap_area){ .offset = offset, .size = length };
}

int ioctl(int fd, unsigned long request, ...)
{
        struct vfio_region_info *info;
        uint32_t argsz = 0;
        va_list ap;
        void *arg;
        long r;

        va_start(ap, request);
        arg = va_arg(ap, void *);
        va_end(ap);

        info = request == VFIO_DEVICE_GET_REGION_INFO && fd == device_fd ? arg : NULL;
        if (info)
                argsz = info->argsz;
        r = syscall(SYS_ioctl, fd, request, arg);
        if (r < 0)
                return -1;
        if (request == VFIO_GROUP_GET_DEVICE_FD && strcmp(arg, device) == 0)
                device_fd = (int) r;
        if (info && info->index == bar)
                add_area(info, argsz);
        return (int) r;
}
