/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/guest-window.h"

#include <string.h>

#include "test.h"
#include "util/macro.h"

#define BIOS GUEST_FIRMWARE_BIOS
#define EFI GUEST_FIRMWARE_EFI
#define TIB(n) GIB(1024 * (uint64_t) (n))

static void test_window(void **state)
{
        static const struct {
                enum guest_firmware firmware;
                bool host_width;
                unsigned bits, host_bits;
                uint64_t window, memory, sum, largest;
                enum fact_value fits;
        } cases[] = {
                /* OVMF's 32 GiB hold a BAR of 16 GiB whatever the rest; 32 GiB leave none to other devices
                 */
                { EFI, false, 0, 0, 0, GIB(8), GIB(16) + MIB(32), GIB(16), FACT_YES },
                { EFI, false, 0, 0, 0, GIB(8), GIB(31), GIB(16), FACT_YES },
                { EFI, false, 0, 0, 0, GIB(8), GIB(32), GIB(32), FACT_UNKNOWN },
                /* more: by its release, and by the width */
                { EFI, true, 0, 46, 0, GIB(8), GIB(128), GIB(128), FACT_UNKNOWN },
                { EFI, true, 0, 39, 0, GIB(8), GIB(128), GIB(128), FACT_NO },
                { EFI, true, 39, 46, 0, GIB(8), GIB(128), GIB(128), FACT_NO },
                { EFI, true, 46, 39, 0, GIB(8), GIB(128), GIB(128), FACT_NO },
                { EFI, false, 39, 46, 0, GIB(8), GIB(128), GIB(128), FACT_NO },
                { EFI, true, 0, 0, 0, GIB(8), GIB(128), GIB(128), FACT_UNKNOWN },
                { EFI, true, 39, 0, 0, GIB(8), GIB(128), GIB(128), FACT_UNKNOWN },
                /* X-PciMmio64Mb */
                { EFI, true, 0, 46, GIB(256), GIB(8), GIB(128), GIB(128), FACT_YES },
                { EFI, true, 0, 39, GIB(256), GIB(8), GIB(128), GIB(128), FACT_YES },
                { EFI, true, 0, 39, GIB(256), GIB(300), GIB(128), GIB(128), FACT_UNKNOWN },
                { EFI, false, 0, 46, GIB(256), GIB(8), GIB(128), GIB(128), FACT_UNKNOWN },
                { EFI, true, 0, 46, GIB(192), GIB(8), GIB(144), GIB(128), FACT_YES },
                { EFI, true, 0, 39, GIB(127), GIB(8), GIB(128), GIB(128), FACT_NO },
                /* eight GPUs */
                { EFI, true, 0, 46, TIB(2), TIB(1), TIB(1), GIB(128), FACT_YES },
                /* SeaBIOS takes what it needs, up to the width */
                { BIOS, true, 0, 46, 0, GIB(8), GIB(128), GIB(128), FACT_YES },
                { BIOS, true, 0, 36, 0, GIB(8), GIB(128), GIB(128), FACT_NO },
                { BIOS, false, 0, 46, 0, GIB(8), GIB(128), GIB(128), FACT_UNKNOWN },
                { BIOS, false, 0, 0, 0, GIB(8), GIB(8), GIB(8), FACT_YES },
                { BIOS, true, 0, 38, 0, GIB(8), GIB(128), GIB(128), FACT_UNKNOWN },
                /* nonsense, and what is not said */
                { GUEST_FIRMWARE_UNKNOWN, true, 0, 46, 0, GIB(8), GIB(1), GIB(1), FACT_UNKNOWN },
                { BIOS, true, 0, 46, 0, 0, GIB(1), GIB(1), FACT_UNKNOWN },
                { BIOS, true, 0, 46, 0, UINT64_MAX, GIB(1), GIB(1), FACT_UNKNOWN },
                { BIOS, true, 0, 46, 0, GIB(8), UINT64_MAX, UINT64_C(1) << 63, FACT_UNKNOWN },
                { BIOS, true, 0, 46, 0, GIB(8), GIB(1), GIB(2), FACT_UNKNOWN },
                { BIOS, true, 0, 46, 0, GIB(8), GIB(3), GIB(3), FACT_UNKNOWN },
                { EFI, true, 0, 200, 0, GIB(8), GIB(128), GIB(128), FACT_UNKNOWN },
                { EFI, true, 0, 1, 0, GIB(8), GIB(128), GIB(128), FACT_UNKNOWN },
                { GUEST_FIRMWARE_UNKNOWN, true, 0, 46, 0, 0, 0, 0, FACT_YES },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct guest g = {
                        .arch = (char *) "x86_64",
                        .firmware = cases[i].firmware,
                        .host_phys_bits = cases[i].host_width,
                        .phys_bits = cases[i].bits,
                        .efi_window = cases[i].window,
                        .memory = cases[i].memory,
                };
                struct fact f = guest_window_fits(&g, cases[i].sum, cases[i].largest, cases[i].host_bits);

                if (f.value != cases[i].fits)
                        fail_msg("case %zu: %s (%s)", i, fact_value_to_string(f.value), f.why);
                assert_non_null(f.why);
                g.arch = (char *) "aarch64";
                if (cases[i].sum)
                        assert_int_equal(guest_window_fits(&g, cases[i].sum, cases[i].largest, 46).value,
                                         FACT_UNKNOWN);
        }
}

/* Each remedy is one that can work for that guest. */
static void test_remedy(void **state)
{
        static const struct {
                enum guest_firmware firmware;
                unsigned bits, host_bits;
                uint64_t memory;
                const char *remedy; /* a word of it */
        } cases[] = {
                { EFI, 39, 39, GIB(16), "X-PciMmio64Mb" },
                { EFI, 39, 46, GIB(16), "X-PciMmio64Mb" },
                { EFI, 39, 46, GIB(300), "host-passthrough" }, /* no window is left above the memory */
                { EFI, 0, 39, GIB(300), "fewer" },
                { BIOS, 38, 46, GIB(300), "host-passthrough" },
                { BIOS, 0, 38, GIB(300), "fewer" },
        };
        struct bar bar = { .size = GIB(256), .wide = true };
        struct device device = { .bdf = "0000:41:00.0", .bars = { bar }, .n_bars = 1 };
        struct host h = { .devices = { .devices = &device, .n_devices = 1 } };
        struct hostdev hostdev = { .kind = HOSTDEV_PCI, .bdf = "0000:41:00.0" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct guest g = {
                        .arch = (char *) "x86_64",
                        .firmware = cases[i].firmware,
                        .host_phys_bits = cases[i].bits == 0,
                        .phys_bits = cases[i].bits,
                        .memory = cases[i].memory,
                        .hostdevs = &hostdev,
                        .n_hostdevs = 1,
                };

                h.iommu.phys_bits = cases[i].host_bits;
                assert_int_equal(guest_window(&h, &g).value, FACT_NO);
                if (!strstr(guest_window_remedy(&h, &g), cases[i].remedy))
                        fail_msg("case %zu: %s", i, guest_window_remedy(&h, &g));
                /* It changes nothing at boot. */
                g.hole64 = TIB(1);
                assert_int_equal(guest_window(&h, &g).value, FACT_NO);
                assert_null(strstr(guest_window_remedy(&h, &g), "hole64"));
                /* What could not be read is not a no. */
                g.efi_window_unread = true;
                if (g.firmware == EFI)
                        assert_int_equal(guest_window(&h, &g).value, FACT_UNKNOWN);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_window),
                cmocka_unit_test(test_remedy),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
