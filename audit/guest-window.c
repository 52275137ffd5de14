/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/guest/facts-guest.h"
#include "util/macro.h"

/* Where firmware puts 64-bit BARs:
 * - SeaBIOS (src/fw/pciinit.c) makes the window as large as its BARs: right above the memory, or since 1.17
 * at the end of the guest's addresses.
 * - OVMF (OvmfPkg/Library/PlatformInitLib/MemDetect.c) has one of 32 GiB or X-PciMmio64Mb above the memory,
 * aligned to its size rounded down to a power of two. Since its release of November 2022 it is an eighth of
 * the guest's addresses where that is more and their width is told credibly, which is then at most 46 or 47
 * bits.
 */
#define EFI_WINDOW_DEFAULT GIB(32)
#define EFI_DYNAMIC_BITS_MAX 46
#define PHYS_BITS_MIN 36 /* of any CPU with VFIO */
#define BELOW_4G GIB(4)  /* memory ends at most that much above its size */

/* For the small BARs of the guest's own devices, and what bridges keep free */
#define OTHERS GIB(1)

static uint64_t align_up(uint64_t v, uint64_t to)
{
        return (v + to - 1) & ~(to - 1);
}

/* How wide the guest's addresses are; 0: not known. */
static unsigned width(const struct guest *g, unsigned host)
{
        if (!g->host_phys_bits)
                return g->phys_bits;
        return host && g->phys_bits && g->phys_bits < host ? g->phys_bits : host;
}

/* Does a window of `size` bytes lie above the memory and below the end of the addresses? */
static bool reachable(const struct guest *g, uint64_t size, uint64_t alignment, unsigned bits)
{
        return align_up(g->memory + BELOW_4G, alignment) + size <= UINT64_C(1) << bits;
}

static uint64_t power_of_two_below(uint64_t v)
{
        return UINT64_C(1) << (63 - __builtin_clzll(v));
}

static struct fact answer(bool yes, const char *why)
{
        return (struct fact){ .value = yes ? FACT_YES : FACT_NO, .source = SOURCE_XML, .why = why };
}

static struct fact efi_fits(const struct guest *g, uint64_t sum, uint64_t largest, unsigned bits)
{
        uint64_t window = align_up(g->efi_window ?: EFI_WINDOW_DEFAULT, GIB(1));
        bool fits = sum + OTHERS <= window && largest <= power_of_two_below(window);

        if (fits && !g->efi_window)
                return answer(true, "OVMF has at least 32 GiB for it");
        if (fits && reachable(g, window, power_of_two_below(window), bits ?: PHYS_BITS_MIN))
                return answer(true, "X-PciMmio64Mb makes room for it");
        if (bits && sum > UINT64_C(1) << (bits - 3) && sum > window)
                return answer(false,
                              "OVMF takes at most an eighth of the guest's addresses, or X-PciMmio64Mb");
        if (fits)
                return fact_unknown(
                        "the window that X-PciMmio64Mb asks for may be beyond the guest's addresses");
        if (!bits)
                return fact_unknown(
                        "OVMF has 32 GiB for it, or more, depending on the width of the guest's addresses, "
                        "which is not in the XML");
        if (sum + OTHERS <= UINT64_C(1) << ((bits < EFI_DYNAMIC_BITS_MAX ? bits : EFI_DYNAMIC_BITS_MAX) - 3))
                return fact_unknown("OVMF since November 2022 makes room for it, older releases do not");
        return fact_unknown("whether OVMF makes room for it depends on its release");
}

static struct fact bios_fits(const struct guest *g, uint64_t sum, uint64_t largest, unsigned bits)
{
        /* Prefetchable BARs and others have a part each, both aligned. */
        uint64_t need = sum + 2 * (largest > OTHERS ? largest : OTHERS);

        if (reachable(g, need, largest, bits ?: PHYS_BITS_MIN))
                return answer(true, "SeaBIOS makes the window as large as its BARs");
        if (bits && g->memory + sum > UINT64_C(1) << bits)
                return answer(false, "the guest's addresses end before its memory and its BARs do");
        return fact_unknown(bits ? "memory and BARs nearly fill the guest's addresses"
                                 : "the XML does not say how wide the guest's addresses are");
}

struct fact guest_window_fits(const struct guest *g, uint64_t sum, uint64_t largest, unsigned host_phys_bits)
{
        unsigned bits = width(g, host_phys_bits);
        bool x86 = g->arch && (streq(g->arch, "x86_64") || streq(g->arch, "i686"));

        if (sum == 0)
                return answer(true, "it has no 64-bit BAR");
        if (!x86)
                return fact_unknown("how firmware sizes its window is known only for x86");
        if (bits && (bits < 32 || bits > 52))
                bits = 0;
        if (sum > UINT64_C(1) << 52 || largest > sum || largest == 0 || (largest & (largest - 1)) ||
            g->memory > UINT64_C(1) << 52)
                return fact_unknown("the sizes make no sense");
        if (g->memory == 0)
                return fact_unknown("the XML does not say how much memory the guest has");
        switch (g->firmware) {
        case GUEST_FIRMWARE_EFI:
                return efi_fits(g, sum, largest, bits);
        case GUEST_FIRMWARE_BIOS:
                return bios_fits(g, sum, largest, bits);
        default:
                return fact_unknown("the XML does not say which firmware the guest has");
        }
}
