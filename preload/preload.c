/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvfioalign-preload.so: for a VMM that leaves the address of a VFIO mapping to the kernel, on a kernel
 * that does not align it.
 *
 * It replaces mmap() and mmap64(), and gives large shared mappings of VFIO devices an address that is
 * congruent with their offset at the largest page that fits. Everything else is the plain system call, and
 * so is a mapping for which anything goes wrong. It can be loaded into any process: it keeps no state,
 * allocates nothing, and calls only functions that are async-signal-safe and not cancellation points. */

/* Otherwise 64-bit offsets would turn the definition of mmap() into one of mmap64(). */
#undef _FILE_OFFSET_BITS

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/switch.h"

#if UINTPTR_MAX != UINT64_MAX
#error "SYS_mmap takes an offset in bytes on 64-bit machines only"
#endif

/* The tests set paths of their own. */
#ifndef SWITCH_PATH
#define SWITCH_PATH "/" SWITCH_FILE
#define SWITCH_PERSISTENT_PATH "/" SWITCH_FILE_PERSISTENT
#define CMDLINE_PATH "/proc/cmdline"
#define DEVICE_GROUP "anon_inode:[vfio-device]" /* from a group's descriptor */
#define DEVICE_CDEV "/dev/vfio/devices/vfio"    /* a character device of its own, since 6.6 */
#endif

/* include/linux/vfio_pci_core.h: a region's index stands above its offset in the file */
#define REGION_OFFSET_MASK ((UINT64_C(1) << 40) - 1)

#define _public_ __attribute__((visibility("default")))

static void *plain_mmap(void *address, size_t size, int prot, int flags, int fd, off_t offset)
{
        return (void *) syscall(SYS_mmap, address, size, prot, flags, fd, offset);
}

static bool is_vfio_device(int fd)
{
        char path[sizeof("/proc/self/fd/") + 10] = "/proc/self/fd/", digits[11], target[64];
        char *out = path + strlen(path);
        size_t n = 0;
        ssize_t length;

        do
                digits[n++] = (char) ('0' + fd % 10);
        while (fd /= 10);
        while (n > 0)
                *out++ = digits[--n];
        *out = '\0';

        length = readlink(path, target, sizeof(target) - 1);
        if (length < 0)
                return false;
        target[length] = '\0';
        /* The path of a descriptor from another mount namespace starts at the root of its file system. */
        return strncmp(target, DEVICE_GROUP, strlen(DEVICE_GROUP)) == 0 ||
               strncmp(target, DEVICE_CDEV, strlen(DEVICE_CDEV)) == 0 ||
               strncmp(target, DEVICE_CDEV + strlen("/dev"), strlen(DEVICE_CDEV) - strlen("/dev")) == 0;
}

/* Like switched_off() of util/switch.c, without its allocations. The bare system calls are used because
 * open(), read() and close() are cancellation points, and mmap() must not be one. */
static bool is_switched_off(void)
{
        static const char word[] = "vfioalign=off";
        char text[4096];
        ssize_t size;
        int fd;

        if (access(SWITCH_PATH, F_OK) == 0 || access(SWITCH_PERSISTENT_PATH, F_OK) == 0)
                return true;
        fd = (int) syscall(SYS_openat, AT_FDCWD, CMDLINE_PATH, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return false;
        size = syscall(SYS_read, fd, text, sizeof(text) - 1);
        syscall(SYS_close, fd);
        if (size < 0)
                return false;
        text[size] = '\0';
        for (const char *p = text; (p = strstr(p, word)); p++)
                if ((p == text || p[-1] == ' ') && strchr(" \n", p[strlen(word)]))
                        return true;
        return false;
}

/* Would the mapping hold a whole page of `page` bytes, if it were congruent? */
static bool has_page(uint64_t page, uint64_t offset, uint64_t size)
{
        uint64_t first = (offset + page - 1) / page * page;

        return offset + size >= first + page;
}

static bool is_congruent(const void *address, off_t offset, uint64_t align)
{
        return (((uintptr_t) address - (uint64_t) offset) & (align - 1)) == 0;
}

/* Maps the same again, at a congruent address. Returns MAP_FAILED where that cannot be done. */
static void *aligned_mmap(size_t size, int prot, int flags, int fd, off_t offset, uint64_t align)
{
        uint64_t start, address;
        void *reserved, *mapped;

        if (size > SIZE_MAX - align)
                return MAP_FAILED;
        reserved = plain_mmap(NULL, size + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                              0);
        if (reserved == MAP_FAILED)
                return MAP_FAILED;
        start = (uintptr_t) reserved;
        address = start + (((uint64_t) offset - start) & (align - 1));

        mapped = plain_mmap((void *) address, size, prot, flags | MAP_FIXED, fd, offset);
        /* If that failed, its part of the reservation may be unmapped, and may belong to another thread by
         * now. Only the parts around it are surely ours. */
        if (address > start)
                munmap((void *) start, address - start);
        if (start + align > address)
                munmap((void *) (address + size), start + align - address);
        return mapped;
}

/* Returns the mapping that replaces `plain`, which is then unmapped, or `plain` itself. */
static void *improve_mapping(void *plain, size_t size, int prot, int flags, int fd, off_t offset)
{
        const uint64_t base = (uint64_t) sysconf(_SC_PAGESIZE), entries = base / sizeof(uint64_t);
        const uint64_t pmd = base * entries, pud = pmd * entries,
                       in_region = (uint64_t) offset & REGION_OFFSET_MASK;

        size = (size + base - 1) & ~(base - 1);
        if (!has_page(pmd, in_region, size) || !is_vfio_device(fd) || is_switched_off())
                return plain;
        for (uint64_t page = pud; page >= pmd; page /= entries) {
                void *mapped = plain;

                if (!has_page(page, in_region, size))
                        continue;
                if (!is_congruent(plain, offset, page))
                        mapped = aligned_mmap(size, prot, flags, fd, offset, page);
                if (mapped == MAP_FAILED)
                        continue;
                if (mapped != plain)
                        munmap(plain, size);
                /* With THP=madvise, 6.12 gives large pages only to mappings that ask; harmless elsewhere. */
                madvise(mapped, size, MADV_HUGEPAGE);
                return mapped;
        }
        return plain;
}

static void *map_aligned(void *address, size_t size, int prot, int flags, int fd, off_t offset)
{
        const int type = flags & MAP_TYPE, others = flags & ~(MAP_TYPE | MAP_NORESERVE | MAP_POPULATE);
        void *mapped = plain_mmap(address, size, prot, flags, fd, offset);
        int saved;

        /* Only a shared mapping of a file is ours to move, at any address and without other flags. */
        if (mapped == MAP_FAILED || address || fd < 0 || others ||
            (type != MAP_SHARED && type != MAP_SHARED_VALIDATE))
                return mapped;
        saved = errno;
        mapped = improve_mapping(mapped, size, prot, flags, fd, offset);
        errno = saved;
        return mapped;
}

/* Neither calls the other by name: that call could go to another library's, which then calls this one. */
_public_ void *mmap(void *address, size_t size, int prot, int flags, int fd, off_t offset)
{
        return map_aligned(address, size, prot, flags, fd, offset);
}

_public_ void *mmap64(void *address, size_t size, int prot, int flags, int fd, off64_t offset)
{
        return map_aligned(address, size, prot, flags, fd, offset);
}
