/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A 32-bit program that maps 4 MiB of region 2 of the VFIO device that it inherits as descriptor 3: with the
 * kernel's choice, with a hint, and where it insists. It prints the three addresses (or negative errnos), in
 * hex. It is built without a C library, since few hosts have one of 32 bits.
 */
enum { SYS_EXIT = 1, SYS_WRITE = 4, SYS_MMAP2 = 192 }; /* arch/x86/entry/syscalls/syscall_32.tbl */

#define PROT_READ 1
#define MAP_SHARED 1
#define MAP_FIXED_NOREPLACE 0x100000
#define DEVICE 3
#define LENGTH (4UL << 20)
#define REGION_PAGE (2UL << (40 - 12)) /* VFIO_PCI_INDEX_TO_OFFSET(2), in pages */
#define HINT 0x51235000UL

/* mmap2(2): its sixth argument is in the register that a frame stands on. */
static unsigned long map(unsigned long address, unsigned long flags)
{
        unsigned long result;

        __asm__ volatile("push %%ebp; mov %[page], %%ebp; int $0x80; pop %%ebp"
                         : "=a"(result)
                         : "0"(SYS_MMAP2), "b"(address), "c"(LENGTH), "d"(PROT_READ), "S"(flags),
                           "D"(DEVICE), [page] "i"(REGION_PAGE)
                         : "memory");
        return result;
}

static void call(unsigned long number, unsigned long a, unsigned long b, unsigned long c)
{
        unsigned long result;

        __asm__ volatile("int $0x80" : "=a"(result) : "0"(number), "b"(a), "c"(b), "d"(c) : "memory");
}

static void print(unsigned long value, char end)
{
        char text[9];

        for (int i = 0; i < 8; i++)
                text[i] = "0123456789abcdef"[value >> (28 - 4 * i) & 15];
        text[8] = end;
        call(SYS_WRITE, 1, (unsigned long) text, sizeof(text));
}

void _start(void)
{
        print(map(0, MAP_SHARED), ' ');
        print(map(HINT, MAP_SHARED), ' ');
        print(map(HINT + LENGTH, MAP_SHARED | MAP_FIXED_NOREPLACE), '\n');
        call(SYS_EXIT, 0, 0, 0);
}
