/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/kernel/kernel-live.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>

#include "fake-modules.h"
#include "fixture.h"
#include "kernel-host.h"
#include "test.h"
#include "tests/faults/alloc.h"
#include "util/file.h"
#include "util/macro.h"

/* What write_kcore() has written gets a member get_mapping_order. */
static void write_order(struct fixture *f, uint64_t order)
{
        const off_t fops = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr);
        _cleanup_close_ int fd = open(fixture_path(f, "proc/kcore"), O_WRONLY | O_CLOEXEC);

        assert_int_equal(pwrite(fd, &order, sizeof(order), fops + OFFSET_ORDER), sizeof(order));
}

static void test_hook(void **state)
{
        static const struct {
                uint64_t hook;
                const char *function, *module;
                enum fact_value filled, aligns, pmd, pud;
        } cases[] = {
                { 0, NULL, NULL, FACT_NO, FACT_NO, FACT_NO, FACT_NO },
                { 0xffffffffc0c00040, "vfio_align_get_unmapped_area", "vfio_align", FACT_YES, FACT_NO,
                  FACT_NO, FACT_NO },
                { 0xffffffffc0d00040, "other_get_unmapped_area", "other", FACT_YES, FACT_NO, FACT_UNKNOWN,
                  FACT_UNKNOWN },
                { 0xffffffff81800000, "thp_get_unmapped_area", NULL, FACT_YES, FACT_YES, FACT_YES, FACT_NO },
                { 0xffffffff81800100, "another_get_unmapped_area", NULL, FACT_YES, FACT_YES, FACT_UNKNOWN,
                  FACT_UNKNOWN },
                { 0xffffffff81800101, NULL, NULL, FACT_YES, FACT_UNKNOWN, FACT_UNKNOWN, FACT_UNKNOWN },
        };
        struct fixture *f = *state;
        struct kernel_facts k;

        write_seen_host(f, false);
        k = read_facts(f);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                write_kcore(f, FOPS_MMAP, cases[i].hook, NULL, 0);
                assert_ok(kernel_facts_refresh(&k, &f->root));
                assert_fact(k.hook, cases[i].filled, SOURCE_KCORE);
                assert_int_equal(k.aligns.value, cases[i].aligns);
                assert_int_equal(k.places_pmd.value, cases[i].pmd);
                assert_int_equal(k.places_pud.value, cases[i].pud);
                assert_int_equal(!k.hook_function, !cases[i].function);
                assert_int_equal(!k.hook_module, !cases[i].module);
                if (k.hook_function)
                        assert_string_equal(k.hook_function, cases[i].function);
                if (k.hook_module)
                        assert_string_equal(k.hook_module, cases[i].module);
                /* Nobody but the kernel's own hook comes before the probe. */
                if (k.places_pmd.value == FACT_NO)
                        assert_int_equal(k.places_pmd.source, SOURCE_SOCKET_PROBE);
        }
        kernel_facts_done(&k);
}

/* The kernel writes all of kallsyms again for each reader, so it is read once. */
static void test_symbols_are_read_once(void **state)
{
        _cleanup_close_ int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        struct inotify_event event;
        struct fixture *f = *state;
        struct kernel_facts k;

        write_seen_host(f, false);
        write_kcore(f, FOPS_MMAP, 0xffffffffc0c00040, "\xf6\xc4\x04", 3);
        assert_true(inotify_add_watch(watch, fixture_path(f, "proc/kallsyms"), IN_OPEN | IN_CLOSE) >= 0);
        k = read_facts(f);
        assert_string_equal(k.hook_module, "vfio_align");
        assert_fact(k.thp_exempt, FACT_YES, SOURCE_KCORE);
        kernel_facts_done(&k);
        assert_int_equal(read(watch, &event, sizeof(event)), sizeof(event));
        assert_int_equal(read(watch, &event, sizeof(event)), sizeof(event));
        assert_true(event.mask & IN_CLOSE);
        assert_int_equal(read(watch, &event, sizeof(event)), -1);
}

/* A refresh goes by what was found before, and notices that vfio is another. */
static void test_refresh(void **state)
{
        struct fixture *f = *state;
        struct kernel_facts k;

        write_seen_host(f, false);
        fixture_remove(f, "sys/module/vfio");
        fixture_write(f, "proc/kallsyms", "ffffffff81000000 T _stext\n");
        k = read_facts(f);
        assert_fact(k.hook, FACT_UNKNOWN, SOURCE_NONE);

        write_seen_host(f, false); /* vfio is loaded */
        write_kcore(f, FOPS_MMAP, 0xffffffffc0c00040, NULL, 0);
        assert_ok(kernel_facts_refresh(&k, &f->root));
        assert_fact(k.hook, FACT_YES, SOURCE_KCORE);
        assert_string_equal(k.hook_module, "vfio_align");

        fixture_write(f, "proc/kallsyms", "ffffffff81000000 T _stext\n"); /* is not needed */
        assert_ok(kernel_facts_refresh(&k, &f->root));
        assert_string_equal(k.hook_module, "vfio_align");

        write_kcore(f, FOPS_MMAP + 64, 0, NULL, 0); /* unloaded, and loaded elsewhere */
        fixture_write(f, "proc/kallsyms",
                      "ffffffff81000000 T _stext\n"
                      "ffffffffc0b00050 t vfio_device_fops_mmap\t[vfio]\n"
                      "ffffffffc0a01000 R vfio_device_fops\t[vfio]\n");
        assert_ok(kernel_facts_refresh(&k, &f->root));
        assert_fact(k.hook, FACT_NO, SOURCE_KCORE);
        assert_null(k.hook_module);

        fixture_remove(f, "proc/kcore");
        fixture_remove(f, "sys/module/vfio");
        fixture_write(f, "proc/kallsyms", "ffffffff81000000 T _stext\n"); /* unloaded */
        assert_ok(kernel_facts_refresh(&k, &f->root));
        assert_fact(k.hook, FACT_UNKNOWN, SOURCE_NONE);
        assert_non_null(strstr(k.hook.why, "not loaded"));
        kernel_facts_done(&k);
}

static void assert_same_hook(const struct kernel_facts *k, const char *module, enum thp_mode thp)
{
        assert_fact(k->hook, FACT_YES, SOURCE_KCORE);
        assert_string_equal(k->hook_module, module);
        assert_int_equal(k->thp, thp);
        assert_int_equal(k->places_pmd.value, streq(module, "other") ? FACT_UNKNOWN : FACT_NO);
}

/* A refresh that lacks memory says so, changes nothing, and is made up for by the next one. */
static void test_refresh_without_memory(void **state)
{
        struct fixture *f = *state;
        struct kernel_facts k;
        bool failed = true;

        for (unsigned long at = 1; failed; at++) {
                int r;

                write_seen_host(f, false);
                write_kcore(f, FOPS_MMAP, 0xffffffffc0c00040, NULL, 0);
                k = read_facts(f);
                assert_same_hook(&k, "vfio_align", THP_ALWAYS);

                fixture_write(f, THP "enabled", "always [madvise] never\n");
                write_kcore(f, FOPS_MMAP, 0xffffffffc0d00040, NULL, 0);
                alloc_arm(ALLOC_ONE, at);
                r = kernel_facts_refresh(&k, &f->root);
                (void) alloc_disarm();
                failed = alloc_has_failed();
                assert_int_equal(r, failed ? -ENOMEM : 0);
                if (failed)
                        assert_same_hook(&k, "vfio_align", THP_ALWAYS);

                assert_ok(kernel_facts_refresh(&k, &f->root));
                assert_same_hook(&k, "other", THP_MADVISE);
                kernel_facts_done(&k);
        }
}

static struct kernel_facts read_again(struct fixture *f, struct kernel_facts *before)
{
        struct kernel_facts k;

        assert_ok(kernel_facts_read_again(&k, &f->root, before));
        kernel_facts_done(before);
        return k;
}

/* What a running kernel keeps is read again only with another vfio_pci_core, or where it was unknown. */
static void test_again(void **state)
{
        static const char tests_pfnmap[] = "\xf6\x45\x21\x04";
        struct fixture *f = *state;
        struct kernel_facts k = {};

        write_seen_host(f, false);
        write_kcore(f, FOPS_MMAP, 0, tests_pfnmap, 4);
        k = read_again(f, &k);
        assert_fact(k.thp_exempt, FACT_YES, SOURCE_KCORE);
        assert_fact(k.hook, FACT_NO, SOURCE_KCORE);

        write_kcore(f, FOPS_MMAP, 0xffffffffc0c00040, NULL, 0);
        fixture_write(f, THP "enabled", "always [madvise] never\n");
        k = read_again(f, &k);
        assert_fact(k.thp_exempt, FACT_YES, SOURCE_KCORE);
        assert_fact(k.huge_pud, FACT_YES, SOURCE_BTF);
        assert_string_equal(k.release, FAKE_RELEASE);
        assert_int_equal(k.thp, THP_MADVISE);
        assert_fact(k.hook, FACT_YES, SOURCE_KCORE);
        assert_string_equal(k.hook_module, "vfio_align");

        assert_int_equal(renameat(f->root.fd, "sys/module/vfio_pci_core", f->root.fd, "sys/module/before"),
                         0);
        fixture_write(f, LOADED, "0\n");
        k = read_again(f, &k);
        assert_fact(k.thp_exempt, FACT_UNKNOWN, SOURCE_NONE);

        write_kcore(f, FOPS_MMAP, 0xffffffffc0c00040, tests_pfnmap, 4);
        k = read_again(f, &k);
        assert_fact(k.thp_exempt, FACT_YES, SOURCE_KCORE);

        assert_int_equal(renameat(f->root.fd, "sys/module/vfio_pci_core", f->root.fd, "sys/module/gone"), 0);
        k = read_again(f, &k);
        assert_fact(k.vfio, FACT_NO, SOURCE_KALLSYMS);
        kernel_facts_done(&k);
}

static void assert_hook_unknown(struct fixture *f, const char *why)
{
        struct kernel_facts k = read_facts(f);

        assert_fact(k.hook, FACT_UNKNOWN, SOURCE_NONE);
        if (!strstr(k.hook.why, why))
                fail_msg("\"%s\" is not \"%s\"", k.hook.why, why);
        assert_null(k.hook_function);
        assert_int_equal(k.aligns.value, FACT_UNKNOWN);
        assert_fact(k.places_pmd, FACT_NO, SOURCE_SOCKET_PROBE); /* as the probe says */
        kernel_facts_done(&k);
}

static void test_hook_unseen(void **state)
{
        struct fixture *f = *state;

        write_seen_host(f, false);
        write_kcore(f, FOPS_MMAP + 1, 0, NULL, 0);
        assert_hook_unknown(f, "does not look like it");
        fixture_write(f, "proc/kcore", "");
        assert_hook_unknown(f, "kcore cannot be read");
        fixture_remove(f, "proc/kcore");
        assert_hook_unknown(f, "not there");

        write_seen_host(f, false);
        fixture_remove(f, "sys/kernel/btf");
        assert_hook_unknown(f, "BTF");

        write_seen_host(f, false);
        fixture_write(f, "proc/kallsyms",
                      "0000000000000000 T _stext\n"
                      "0000000000000000 t vfio_device_fops_mmap\t[vfio]\n"
                      "0000000000000000 R vfio_device_fops\t[vfio]\n");
        assert_hook_unknown(f, "root only");
        fixture_write(f, "proc/kallsyms", "ffffffff81000000 T _stext\n");
        assert_hook_unknown(f, "not loaded");
        fixture_write(f, "proc/kallsyms",
                      "ffffffff81000000 T _stext\n"
                      "ffffffffc0b00010 t vfio_device_fops_mmap\t[vfio]\n");
        assert_hook_unknown(f, "KALLSYMS_ALL");
        fixture_write(f, "proc/kallsyms", "");
        assert_hook_unknown(f, "kallsyms cannot be read");
}

/* Built in, it has no module in kallsyms, and the same structure. */
static void test_hook_built_in(void **state)
{
        struct fixture *f = *state;
        struct kernel_facts k;

        write_seen_host(f, false);
        fixture_write(f, "proc/kallsyms",
                      "ffffffff81000000 T _stext\n"
                      "ffffffffc0b00010 t vfio_device_fops_mmap\n"
                      "ffffffffc0a01000 d vfio_device_fops\n");
        k = read_facts(f);
        assert_fact(k.hook, FACT_NO, SOURCE_KCORE);
        kernel_facts_done(&k);
}

static void assert_order(struct fixture *f, enum fact_value order, enum fact_value places,
                         enum fact_source source)
{
        struct kernel_facts k = read_facts(f);

        assert_int_equal(k.mapping_order.value, order);
        assert_fact(k.places_pmd, places, source);
        assert_fact(k.places_pud, places, source);
        if (order == FACT_YES)
                assert_fact(k.aligns, FACT_YES, source);
        else
                assert_int_not_equal(k.aligns.value, FACT_YES);
        kernel_facts_done(&k);
}

/* A file can have get_mapping_order() on such a kernel; VFIO's may not. */
static void test_mapping_order(void **state)
{
        struct fixture *f = *state;

        write_seen_host(f, true);
        assert_order(f, FACT_NO, FACT_NO, SOURCE_SOCKET_PROBE);
        write_order(f, 0xffffffffc0b00100);
        assert_order(f, FACT_YES, FACT_YES, SOURCE_KCORE);
        fixture_remove(f, "proc/kcore");
        assert_order(f, FACT_UNKNOWN, FACT_UNKNOWN, SOURCE_NONE);

        write_seen_host(f, false);
        assert_order(f, FACT_NO, FACT_NO, SOURCE_SOCKET_PROBE);
}

/* That vfio's devices can have it needs no privilege. */
static void test_mapping_order_of_devices(void **state)
{
        static const char *const members[] = { "get_mapping_order", "get_unmapped_area" };
        struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(members); i++) {
                struct btf *btf = new_fops_btf(true);
                int word = btf__find_by_name_kind(btf, "long unsigned int", BTF_KIND_INT);

                write_seen_host(f, false);
                fixture_remove(f, "proc/kcore");
                assert_true(btf__add_struct(btf, "vfio_device_ops", 176) > 0);
                assert_ok(btf__add_field(btf, members[i], word, 168 * 8, 0));
                write_kernel_and_module(f, btf);
                assert_order(f, FACT_YES, FACT_YES, SOURCE_BTF);
        }
}

#define THP_AREA UINT64_C(0xffffffff81800000)
#define OUR_AREA UINT64_C(0xffffffffc0c00040)

static void assert_built(struct fixture *f, enum fact_value aligns, enum fact_value pmd,
                         enum fact_source source)
{
        struct kernel_facts k = read_facts(f);

        assert_int_equal(k.aligns.value, aligns);
        assert_fact(k.places_pmd, pmd, source);
        assert_fact(k.places_pud, FACT_NO, source);
        kernel_facts_done(&k);
}

/* Where the slot is not seen, or is ours for now, the file of vfio says what the kernel itself has there. */
static void test_built_with_thp(void **state)
{
        static const char *const imports[] = { "printk", "thp_get_unmapped_area" };
        struct fixture *f = *state;

        write_seen_host(f, false);
        write_kcore(f, FOPS_MMAP, THP_AREA, NULL, 0);
        assert_built(f, FACT_YES, FACT_YES, SOURCE_KCORE);
        write_kcore(f, FOPS_MMAP, OUR_AREA, NULL, 0);
        assert_built(f, FACT_NO, FACT_NO, SOURCE_SOCKET_PROBE); /* no file */

        fake_module_write(f, "vfio", imports, 2, false);
        fake_modules_index(f);
        assert_built(f, FACT_YES, FACT_YES, SOURCE_MODULE_FILE);
        fixture_remove(f, "proc/kcore");
        assert_built(f, FACT_YES, FACT_YES, SOURCE_MODULE_FILE);
        fixture_write(f, "sys/module/vfio/srcversion", "0123456789ABCDEF0123456\n"); /* another file's */
        assert_built(f, FACT_UNKNOWN, FACT_NO, SOURCE_SOCKET_PROBE);
        fixture_remove(f, "sys/module/vfio/srcversion");

        fake_module_write(f, "vfio", imports, 1, false);
        assert_built(f, FACT_UNKNOWN, FACT_NO, SOURCE_SOCKET_PROBE);
        write_kcore(f, FOPS_MMAP, OUR_AREA, NULL, 0);
        assert_built(f, FACT_NO, FACT_NO, SOURCE_SOCKET_PROBE);

        /* Built in, VFIO has no file. */
        fixture_remove(f, "lib/modules");
        fixture_write(f, KERNEL_HOOK_RECORD, "maybe\n");
        assert_built(f, FACT_NO, FACT_NO, SOURCE_SOCKET_PROBE);
        fixture_write(f, KERNEL_HOOK_RECORD, "yes\n");
        assert_built(f, FACT_YES, FACT_YES, SOURCE_KCORE);
        fixture_remove(f, "proc/kcore");
        assert_built(f, FACT_YES, FACT_YES, SOURCE_KCORE);
        fixture_write(f, KERNEL_HOOK_RECORD, "no\n");
        assert_built(f, FACT_UNKNOWN, FACT_NO, SOURCE_SOCKET_PROBE);

        /* What is seen counts for more than the file. */
        fixture_write(f, KERNEL_HOOK_RECORD, "yes\n");
        fake_module_write(f, "vfio", imports, 2, false);
        fake_modules_index(f);
        write_kcore(f, FOPS_MMAP, 0, NULL, 0);
        assert_built(f, FACT_NO, FACT_NO, SOURCE_SOCKET_PROBE);
}

int main(void)
{
#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(test_hook),
                FIXTURE_TEST(test_hook_unseen),
                FIXTURE_TEST(test_hook_built_in),
                FIXTURE_TEST(test_refresh),
                FIXTURE_TEST(test_refresh_without_memory),
                FIXTURE_TEST(test_again),
                FIXTURE_TEST(test_mapping_order),
                FIXTURE_TEST(test_mapping_order_of_devices),
                FIXTURE_TEST(test_built_with_thp),
                FIXTURE_TEST(test_symbols_are_read_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
