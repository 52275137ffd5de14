/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What QEMU does to map a BAR, reduced: built in several ways for test-elf-calls. */
#include <sys/mman.h>
#include <unistd.h>

#define GIB (1UL << 30)

void *vfio_region_mmap(int fd, unsigned long size);
const char *const sample_text = TEXT;

#ifdef FILLER /* more read-only data than are searched at a time */
extern const char sample_filler[FILLER];
__attribute__((visibility("default"))) const char sample_filler[FILLER] = "the filler starts here";
#endif

/* The call of mmap() is never the last thing done, as it is not in QEMU: a jump would take its place. */
__attribute__((visibility("default"), noinline)) void *vfio_region_mmap(int fd, unsigned long size)
{
#if ALIGNS == 1
        unsigned long align = size & -size;
        char *p, *aligned;

        if (align > GIB)
                align = GIB;
        p = mmap(0, size + align, PROT_NONE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
        if (p == MAP_FAILED)
                return 0;
        aligned = (char *) (((unsigned long) p + align - 1) & -align);
        p = mmap(aligned, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
#else
        /* With the constant alone: it is no proof. */
        char *p = mmap(0, ALIGNS == 2 && size > GIB ? GIB : size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
#endif
        return p == MAP_FAILED ? 0 : p;
}

int main(int argc, char *argv[])
{
        if (argc == 2) /* for test-emulator-process: until it is killed */
                pause();
        return vfio_region_mmap(argc, (unsigned long) argv) == 0;
}
