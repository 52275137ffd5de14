/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-window.h"

#include <assert.h>

#include "facts/guest/qemu-argument.h"
#include "util/macro.h"

/* Where firmware puts 64-bit BARs:
 *
 * SeaBIOS (src/fw/pciinit.c) makes the window as large as its BARs: right above the memory, or since 1.17 at
 * the end of the guest's addresses.
 *
 * OVMF (OvmfPkg/Library/PlatformInitLib/MemDetect.c) has a window of 32 GiB, or of X-PciMmio64Mb, above the
 * memory, aligned to its size rounded down to a power of two. Since its release of November 2022 the window
 * is an eighth of the guest's addresses, if that is more and their width is reported credibly; the width
 * counts up to 46 or 47 bits then. */
#define EFI_WINDOW_DEFAULT GIB(32)
#define EFI_DYNAMIC_BITS_MAX 46
#define PHYS_BITS_MIN 36 /* of any CPU with VFIO */
#define BELOW_4G GIB(4)  /* memory ends at most this much above its size */

/* For the small BARs of the guest's own devices, and what bridges keep free */
#define OTHERS GIB(1)

static uint64_t align_up(uint64_t v, uint64_t to)
{
        return (v + to - 1) & ~(to - 1);
}

/* How wide the guest's addresses are, in bits; 0: unknown. */
static unsigned address_bits(const struct guest *g, unsigned host)
{
        if (!g->host_phys_bits)
                return g->phys_bits;
        return host && g->phys_bits && g->phys_bits < host ? g->phys_bits : host;
}

/* Does a window of `size` bytes lie above the memory and below the end of the addresses? */
static bool window_is_reachable(const struct guest *g, uint64_t size, uint64_t alignment, unsigned bits)
{
        return align_up(g->memory + BELOW_4G, alignment) + size <= UINT64_C(1) << bits;
}

static uint64_t power_of_two_below(uint64_t v)
{
        return UINT64_C(1) << (63 - __builtin_clzll(v));
}

static struct fact window_answer(bool yes, const char *why)
{
        return (struct fact){ .value = yes ? FACT_YES : FACT_NO, .source = SOURCE_XML, .why = why };
}

static struct fact efi_fits(const struct guest *g, uint64_t sum, uint64_t largest, unsigned bits)
{
        uint64_t window = align_up(g->efi_window ?: EFI_WINDOW_DEFAULT, GIB(1));
        bool fits = sum + OTHERS <= window && largest <= power_of_two_below(window);

        if (g->efi_window_unread)
                return fact_unknown("X-PciMmio64Mb is in a file, which is not read");
        if (fits && !g->efi_window)
                return window_answer(true, "OVMF has at least 32 GiB for it");
        if (fits && window_is_reachable(g, window, power_of_two_below(window), bits ?: PHYS_BITS_MIN))
                return window_answer(true, "X-PciMmio64Mb makes room for it");
        if (bits && sum > UINT64_C(1) << (bits - 3) && sum > window)
                return window_answer(
                        false, "OVMF takes at most an eighth of the guest's addresses, or X-PciMmio64Mb");
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

        if (window_is_reachable(g, need, largest, bits ?: PHYS_BITS_MIN))
                return window_answer(true, "SeaBIOS makes the window as large as its BARs");
        if (bits && g->memory + sum > UINT64_C(1) << bits)
                return window_answer(false, "the guest's addresses end before its memory and its BARs do");
        return fact_unknown(bits ? "memory and BARs nearly fill the guest's addresses"
                                 : "the XML does not say how wide the guest's addresses are");
}

struct fact guest_window_fits(const struct guest *g, uint64_t sum, uint64_t largest, unsigned host_phys_bits)
{
        unsigned bits;
        bool x86;

        assert(g);

        bits = address_bits(g, host_phys_bits);
        x86 = g->arch && (streq(g->arch, "x86_64") || streq(g->arch, "i686"));
        if (sum == 0)
                return window_answer(true, "it has no 64-bit BAR");
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

/* The 64-bit BARs of the guest's devices. Returns false where nobody knows yet which devices they are. */
static bool sum_bars(const struct host *h, const struct guest *g, uint64_t *ret_sum, uint64_t *ret_largest)
{
        uint64_t sum = 0, largest = 0;

        for (size_t i = 0; i < g->n_hostdevs; i++) {
                const struct hostdev *hostdev = &g->hostdevs[i];
                const struct device *d = device_facts_find(&h->devices, hostdev->bdf);

                if (!*hostdev->bdf)
                        return false;
                if (!d || hostdev->withheld || hostdev->kind == HOSTDEV_NVME)
                        continue;
                for (size_t b = 0; b < d->n_bars; b++) {
                        if (!d->bars[b].wide)
                                continue;
                        sum += d->bars[b].size;
                        if (d->bars[b].size > largest)
                                largest = d->bars[b].size;
                }
        }
        *ret_sum = sum;
        *ret_largest = largest;
        return true;
}

struct fact guest_window(const struct host *h, const struct guest *g)
{
        uint64_t sum, largest;

        assert(h);
        assert(g);

        if (!sum_bars(h, g, &sum, &largest))
                return fact_unknown("which function it gets is decided at its start");
        return guest_window_fits(g, sum, largest, h->iommu.phys_bits);
}

/* <pcihole64> is in none of them: it changes what is reported for hotplug, and not where the firmware puts
 * BARs. */
const char *guest_window_remedy(const struct host *h, const struct guest *g)
{
        uint64_t sum, largest, alignment;
        unsigned bits, host_bits;

        assert(h);
        assert(g);

        host_bits = h->iommu.phys_bits;
        bits = address_bits(g, host_bits);
        if (g->firmware == GUEST_FIRMWARE_EFI && bits > 0 && sum_bars(h, g, &sum, &largest)) {
                /* The window may end beyond the addresses, as long as the BARs at its begin do not. */
                alignment = power_of_two_below(align_up(sum + OTHERS, GIB(1)));
                if (window_is_reachable(g, sum, alignment, bits))
                        return "Set " EFI_WINDOW_NAME " to more MiB than its BARs have in all, by <sysinfo "
                               "type='fwcfg'> or -fw_cfg";
        }
        if (bits < host_bits)
                return "Give the guest the host's width of addresses: <cpu mode='host-passthrough'>, and no "
                       "<maxphysaddr> that narrows it";
        return "Give the guest fewer of these devices or less memory: its addresses are as wide as the "
               "host's";
}
