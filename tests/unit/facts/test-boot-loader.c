/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/boot-loader.h"

#include <string.h>

#include "facts/boot-entry.h"
#include "fixture.h"
#include "test.h"
#include "util/macro.h"

#define NEW "6.12.57+deb13-amd64"
#define OLD "6.12.48+deb13-amd64"
#define OLDEST "6.1.0-38-amd64"
#define EFI_VARIABLE(name) "sys/firmware/efi/efivars/" name "-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

static void assert_next(struct fixture *f, const char *release, const char *why)
{
        struct next_boot b;

        next_boot_read(&b, &f->root);
        if (b.known.value != FACT_YES || !streq(b.release, release) || !strstr(b.known.why, why))
                fail_msg("%s (%s) instead of %s (%s)", b.release, b.known.why ?: "", release, why);
}

/* What is said is the newest. */
static void assert_unknown(struct fixture *f, const char *newest, const char *why)
{
        struct next_boot b;

        next_boot_read(&b, &f->root);
        assert_int_equal(b.known.value, FACT_UNKNOWN);
        assert_string_equal(b.release, newest);
        if (!strstr(b.known.why, why))
                fail_msg("%s instead of %s", b.known.why, why);
}

static void write_variable(struct fixture *f, const char *path, const char *text)
{
        char bytes[512] = { 7 };
        size_t n = 4;

        for (; *text; text++, n += 2)
                bytes[n] = *text;
        fixture_write_bytes(f, path, bytes, n + 2);
}

static void write_kernels(struct fixture *f)
{
        fixture_write(f, "boot/vmlinuz-" OLDEST, "");
        fixture_write(f, "boot/vmlinuz-" NEW, "");
        fixture_write(f, "boot/vmlinuz-" OLD, "");
        fixture_write(f, "boot/vmlinuz-9.9.old", "");
        fixture_write(f, "boot/vmlinuz-0-rescue-0f0f", "");
        fixture_write(f, "boot/vmlinuz-x y", "");
        fixture_write(f, "boot/initrd.img-9.9.9", "");
}

static void test_none(void **state)
{
        struct fixture *f = *state;

        assert_unknown(f, "", "no kernel is seen");
        write_kernels(f);
        assert_unknown(f, NEW, "boot loader");
        fixture_write(f, "lib/modules/7.3.4-200.fc44.x86_64/vmlinuz", "");
        assert_unknown(f, "7.3.4-200.fc44.x86_64", "boot loader");
}

static void test_grub(void **state)
{
        struct fixture *f = *state;

        write_kernels(f);
        fixture_write(f, "boot/grub/grub.cfg", "");
        assert_next(f, NEW, "the newest");
        fixture_write(f, "etc/default/grub", "GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX=\"secret\"\n");
        assert_next(f, NEW, "the newest");
        fixture_write(f, "etc/default/grub",
                      "#GRUB_DEFAULT=2\nGRUB_DEFAULT=\"Advanced options for Debian GNU/Linux>"
                      "Debian GNU/Linux, with Linux " OLD "\" # x\n");
        assert_next(f, OLD, "GRUB_DEFAULT");
        fixture_write(f, "etc/default/grub", "GRUB_DEFAULT='Debian GNU/Linux'\n");
        assert_next(f, NEW, "the newest");
        fixture_write(f, "etc/default/grub", "GRUB_DEFAULT=\"1>2\"\n");
        assert_unknown(f, NEW, "names no kernel");
        fixture_write(f, "etc/default/grub", "GRUB_DEFAULT=\"$(something)\"\n");
        assert_unknown(f, NEW, "names no kernel");

        fixture_write(f, "etc/default/grub", "  export GRUB_DEFAULT=saved\n");
        assert_next(f, NEW, "the newest");
        fixture_write(f, "boot/grub/grubenv",
                      "# GRUB Environment Block\nsaved_entry=gnulinux-" OLD "-advanced-0f\n####");
        assert_next(f, OLD, "saved_entry");
        fixture_write(f, "boot/grub/grubenv",
                      "next_entry=gnulinux-" OLDEST "-advanced-0f\nsaved_entry=" OLD "\n");
        assert_next(f, OLDEST, "next_entry");
        fixture_write(f, "boot/grub/grubenv", "next_entry=\nsaved_entry=Windows\n");
        assert_unknown(f, NEW, "names no kernel");
        /* What comes later in grub.d counts, and only what ends as it has to. */
        fixture_write(f, "etc/default/grub.d/10.cfg", "GRUB_DEFAULT=0");
        fixture_write(f, "etc/default/grub.d/20.cfg.dpkg-old", "GRUB_DEFAULT=3\n");
        assert_next(f, NEW, "the newest");

        fixture_write(f, "etc/default/grub.d/30.cfg", "GRUB_TOP_LEVEL=/boot/vmlinuz-" OLD "\n");
        assert_next(f, OLD, "GRUB_TOP_LEVEL");
        fixture_write(f, "etc/default/grub.d/30.cfg", "GRUB_FLAVOUR_ORDER=\"rt\"\n");
        assert_unknown(f, NEW, "GRUB_FLAVOUR_ORDER");
}

/* As on Fedora and RHEL. */
static void test_grub_entries(void **state)
{
        struct fixture *f = *state;

        write_kernels(f);
        fixture_write(f, "boot/grub2/grub.cfg", "");
        fixture_write(f, "etc/default/grub", "GRUB_DEFAULT=saved\nGRUB_ENABLE_BLSCFG=true\n");
        assert_unknown(f, NEW, "names no kernel"); /* entries that cannot be seen have no order */
        fixture_write(f, "boot/loader/entries/0f-" OLD ".conf", "version " OLD "\nlinux /vmlinuz-" OLD "\n");
        fixture_write(f, "boot/loader/entries/0f-" NEW ".conf", "title x\nlinux\t/vmlinuz-" NEW "\n");
        fixture_write(f, "boot/loader/entries/0f-0-rescue.conf", "version 0-rescue-0f\n");
        assert_next(f, NEW, "GRUB's saved_entry");
        fixture_write(f, "boot/grub2/grubenv", "saved_entry=0f-" OLD "\nkernelopts=root=x secret\n");
        assert_next(f, OLD, "saved_entry");
        fixture_write(f, "boot/grub2/grubenv", "saved_entry=1\n");
        assert_next(f, OLD, "saved_entry");
        fixture_write(f, "boot/grub2/grubenv", "saved_entry=2\n");
        assert_unknown(f, NEW, "names no kernel");
}

static void test_systemd_boot(void **state)
{
        struct fixture *f = *state;

        write_kernels(f);
        fixture_write(f, "boot/grub/grub.cfg", ""); /* left from before */
        fixture_write(f, "etc/default/grub", "GRUB_DEFAULT=" OLDEST "\n");
        write_variable(f, EFI_VARIABLE("LoaderEntrySelected"), "0f-" OLD ".conf");
        assert_unknown(f, NEW, "entries");
        fixture_write(f, "boot/efi/loader/entries/0f-" OLD ".conf", "linux /0f/" OLD "/linux\noptions x\n");
        fixture_write(f, "boot/efi/loader/entries/0f-" NEW "+3-1.conf", "version " NEW "\n");
        fixture_write(f, "boot/efi/loader/entries/memtest.conf", "efi /memtest.efi\n");
        assert_next(f, NEW, "first entry");
        fixture_write(f, "boot/efi/loader/loader.conf", "timeout 3\ndefault  0f-" OLD "*  \n");
        assert_next(f, OLD, "loader.conf");
        write_variable(f, EFI_VARIABLE("LoaderEntryDefault"), "0f-" NEW ".conf");
        assert_next(f, NEW, "set-default");
        write_variable(f, EFI_VARIABLE("LoaderEntryOneShot"), "0f-" OLD ".conf");
        assert_next(f, OLD, "set-oneshot");
        write_variable(f, EFI_VARIABLE("LoaderEntryOneShot"), "memtest.conf");
        assert_unknown(f, NEW, "does not name an installed kernel");
        write_variable(f, EFI_VARIABLE("LoaderEntryOneShot"), "gone.conf"); /* is passed over */
        assert_next(f, NEW, "set-default");

        fixture_remove(f, EFI_VARIABLE("LoaderEntryDefault"));
        fixture_write(f, "boot/efi/loader/loader.conf", "default @saved\n");
        assert_next(f, NEW, "first entry");
        write_variable(f, EFI_VARIABLE("LoaderEntryLastBooted"), "0f-" OLD ".conf");
        assert_next(f, OLD, "loader.conf");

        /* One with a sort key comes before all without. */
        fixture_remove(f, "boot/efi/loader/loader.conf");
        fixture_write(f, "boot/efi/loader/entries/0f-" OLD ".conf", "sort-key debian\nversion " OLD "\n");
        assert_next(f, OLD, "first entry");
        fixture_write(f, "boot/efi/EFI/Linux/0f-" NEW ".efi", "");
        assert_unknown(f, NEW, "entries");
}

static void test_unified(void **state)
{
        struct fixture *f = *state;

        write_kernels(f);
        write_variable(f, EFI_VARIABLE("LoaderEntrySelected"), "x");
        fixture_write(f, "efi/EFI/Linux/0f-" OLD ".efi", "");
        fixture_write(f, "efi/EFI/Linux/0f-" OLDEST ".efi", "");
        assert_next(f, OLD, "first entry");
}

static void test_proxmox(void **state)
{
        struct fixture *f = *state;

        write_kernels(f);
        fixture_write(f, "etc/kernel/proxmox-boot-uuids", "ABCD-1234\n");
        assert_next(f, NEW, "proxmox-boot-tool");
        fixture_write(f, "etc/kernel/proxmox-boot-pin", OLDEST "\n");
        assert_next(f, OLDEST, "/etc/kernel/proxmox-boot-pin");
        fixture_write(f, "etc/kernel/next-boot-pin", OLD "\n");
        assert_next(f, OLD, "/etc/kernel/next-boot-pin");
        fixture_write(f, "etc/kernel/next-boot-pin", "9.9.9-pve\n");
        assert_unknown(f, NEW, "not installed");
}

/* What others may have written is bounded. */
static void test_bounds(void **state)
{
        struct fixture *f = *state;
        _cleanup_(boot_entries_done) struct boot_entries e = {};
        char path[256], text[1200];

        write_kernels(f);
        write_variable(f, EFI_VARIABLE("LoaderEntrySelected"), "x");
        for (size_t i = 0; i <= BOOT_ENTRIES_MAX; i++) {
                snprintf(path, sizeof(path), "boot/loader/entries/%zu.conf", i);
                fixture_write(f, path, "");
        }
        assert_int_equal(boot_entries_read(&e, &f->root, NULL, 0), -E2BIG);
        assert_unknown(f, NEW, "entries");
        fixture_remove(f, path);
        memset(text, 'x', sizeof(text));
        text[sizeof(text) - 1] = '\0';
        memcpy(text, "default ", 8);
        fixture_write(f, "boot/loader/loader.conf", text);
        assert_unknown(f, NEW, "does not name an installed kernel");
        fixture_write_bytes(f, EFI_VARIABLE("LoaderEntryOneShot"), text, sizeof(text));
        fixture_write_bytes(f, EFI_VARIABLE("LoaderEntryDefault"), text, 5);
        assert_unknown(f, NEW, "does not name an installed kernel");
}

int main(void)
{
#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(test_none),         FIXTURE_TEST(test_grub),    FIXTURE_TEST(test_grub_entries),
                FIXTURE_TEST(test_systemd_boot), FIXTURE_TEST(test_unified), FIXTURE_TEST(test_proxmox),
                FIXTURE_TEST(test_bounds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
