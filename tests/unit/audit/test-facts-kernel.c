/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/facts-kernel.h"

#include <bpf/btf.h>
#include <stdio.h>
#include <string.h>

#include "fake-modules.h"
#include "fixture.h"
#include "test.h"
#include "util/macro.h"

#define THP "sys/kernel/mm/transparent_hugepage/"
#define LOADED "sys/module/vfio_pci_core/refcnt"

static void add_function(struct btf *btf, const char *name)
{
        int prototype = btf__add_func_proto(btf, 0);

        assert_true(prototype > 0);
        assert_true(btf__add_func(btf, name, BTF_FUNC_GLOBAL, prototype) > 0);
}

static void write_btf(struct fixture *f, const char *path, struct btf *btf)
{
        uint32_t size;
        const void *bytes = btf__raw_data(btf, &size);

        assert_non_null(bytes);
        fixture_write_bytes(f, path, bytes, size);
}

static struct btf *new_kernel_btf(bool by_leaf, bool exempts)
{
        struct btf *btf = btf__new_empty();
        int word;

        assert_non_null(btf);
        word = btf__add_int(btf, "long unsigned int", 8, 0);
        assert_true(btf__add_struct(btf, "follow_pfnmap_args", 16) > 0);
        assert_ok(btf__add_field(btf, "pfn", word, 0, 0));
        if (by_leaf)
                assert_ok(btf__add_field(btf, "addr_mask", word, 64, 0));
        if (exempts) {
                assert_true(btf__add_enum(btf, "tva_type", 4) > 0);
                assert_ok(btf__add_enum_value(btf, "TVA_SMAPS", 0));
        }
        add_function(btf, "vmf_insert_pfn_pmd");
        add_function(btf, "vmf_insert_pfn_pud");
        return btf;
}

/* A host on 7.x with vfio-pci loaded, of which everything can be seen. */
static void write_host(struct fixture *f)
{
        struct btf *kernel = new_kernel_btf(true, true), *module = btf__new_empty_split(kernel);

        add_function(module, "vfio_pci_mmap_huge_fault");
        write_btf(f, "sys/kernel/btf/vmlinux", kernel);
        write_btf(f, "sys/kernel/btf/vfio_pci_core", module);
        btf__free(module);
        btf__free(kernel);

        fixture_write(f, "proc/sys/kernel/osrelease", FAKE_RELEASE "\n");
        fixture_write(f, "proc/kallsyms",
                      "0000000000000000 T vmf_insert_pfn_pmd\n"
                      "0000000000000000 T vmf_insert_pfn_pud\n"
                      "0000000000000000 t vfio_pci_mmap_huge_fault\t[vfio_pci_core]\n");
        fixture_write(f, THP "enabled", "[always] madvise never\n");
        fixture_write(f, THP "hpage_pmd_size", "2097152\n");
        fixture_write(f, LOADED, "0\n");
}

static struct kernel_facts read_facts(struct fixture *f)
{
        struct kernel_facts k;

        assert_ok(kernel_facts_read(&k, &f->root));
        return k;
}

static void test_whole(void **state)
{
        struct fixture *f = *state;
        struct kernel_facts k;

        write_host(f);
        k = read_facts(f);
        assert_string_equal(k.release, FAKE_RELEASE);
        assert_int_equal(k.page_size, KIB(4));
        assert_int_equal(k.pmd_size, MIB(2));
        assert_int_equal(k.pud_size, GIB(1));
        assert_int_equal(k.vfio.value, FACT_YES);
        assert_int_equal(k.huge_pmd.value, FACT_YES);
        assert_int_equal(k.huge_pmd.source, SOURCE_BTF);
        assert_int_equal(k.huge_pud.value, FACT_YES);
        assert_int_equal(k.thp, THP_ALWAYS);
        assert_int_equal(k.pin_by_leaf.value, FACT_YES);
        assert_int_equal(k.thp_exempt.value, FACT_UNKNOWN); /* a kernel that young can have it or not */
        assert_int_equal(k.places_pmd.value, FACT_UNKNOWN); /* a recorded host is not probed */
        assert_int_equal(k.places_pud.value, FACT_UNKNOWN);
        kernel_facts_done(&k);
}

/* Whatever file is missing, no fact turns into "no"; and what others can tell stays known. */
static void test_each_missing(void **state)
{
        static const struct {
                const char *path;
                bool huge_faults, pin_by_leaf; /* still known */
        } cases[] = {
                {"proc/sys/kernel/osrelease", true, true},
                {"sys/kernel/btf/vmlinux", true, false}, /* kallsyms has the functions, and no structures */
                {"sys/kernel/btf/vfio_pci_core", true, true},
                {"sys/kernel/btf", true, false},
                {"proc/kallsyms", true, true},
                {"proc", true, true},
                {THP "enabled", true, true},
                {THP "hpage_pmd_size", true, true},
                {"sys/kernel/mm", true, true},
                {LOADED, true, true},
                {"sys/module", true, true}, /* no module tree either: perhaps built in, symbols tell */
                {"sys/kernel", true, false},
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct kernel_facts k;

                write_host(f);
                fixture_remove(f, cases[i].path);
                k = read_facts(f);
                if (k.huge_pmd.value == FACT_NO || k.huge_pud.value == FACT_NO || k.pin_by_leaf.value == FACT_NO ||
                    k.thp_exempt.value == FACT_NO)
                        fail_msg("a \"no\" without %s", cases[i].path);
                if (cases[i].pin_by_leaf != (k.pin_by_leaf.value == FACT_YES))
                        fail_msg("pin_by_leaf is %s without %s", fact_value_to_string(k.pin_by_leaf.value), cases[i].path);
                if (!streq(cases[i].path, "sys/module") &&
                    cases[i].huge_faults != (k.huge_pmd.value == FACT_YES && k.huge_pud.value == FACT_YES))
                        fail_msg("huge_pmd is %s without %s", fact_value_to_string(k.huge_pmd.value), cases[i].path);
                assert_int_equal(k.pmd_size, MIB(2));
                kernel_facts_done(&k);
        }
}

static void test_nothing(void **state)
{
        struct kernel_facts k = read_facts(*state);

        assert_null(k.release);
        assert_int_equal(k.vfio.value, FACT_UNKNOWN);
        assert_int_equal(k.huge_pmd.value, FACT_UNKNOWN);
        assert_int_equal(k.huge_pud.value, FACT_UNKNOWN);
        assert_int_equal(k.pin_by_leaf.value, FACT_UNKNOWN);
        assert_int_equal(k.thp_exempt.value, FACT_UNKNOWN);
        assert_int_equal(k.thp, THP_UNKNOWN);
        assert_int_equal(k.page_size, KIB(4));
        kernel_facts_done(&k);
}

/* 6.1: neither the functions nor the member; both sources say so. */
static void test_old(void **state)
{
        struct fixture *f = *state;
        struct btf *btf = new_kernel_btf(false, false);
        struct kernel_facts k;

        write_host(f);
        write_btf(f, "sys/kernel/btf/vmlinux", btf);
        btf__free(btf);
        fixture_remove(f, "sys/kernel/btf/vfio_pci_core");
        fixture_write(f, "proc/kallsyms", "0000000000000000 T vmf_insert_pfn_pmd\n"
                                          "0000000000000000 t vfio_pci_mmap_huge_fault_not\t[vfio_pci_core]\n"
                                          "0000000000000000 t not_vfio_pci_mmap_huge_fault\t[vfio_pci_core]\n");
        k = read_facts(f);
        assert_int_equal(k.huge_pmd.value, FACT_NO);
        assert_int_equal(k.huge_pmd.source, SOURCE_KALLSYMS);
        assert_int_equal(k.huge_pud.value, FACT_NO);
        assert_int_equal(k.pin_by_leaf.value, FACT_NO);
        assert_int_equal(k.thp_exempt.value, FACT_NO); /* older than what came before it */
        kernel_facts_done(&k);
}

static void test_thp(void **state)
{
        static const struct {
                const char *text;
                enum thp_mode mode;
        } cases[] = {
                {"always [madvise] never\n", THP_MADVISE}, {"always madvise [never]\n", THP_NEVER}, {"always\n", THP_UNKNOWN},
                {"", THP_UNKNOWN}, {"[\n", THP_UNKNOWN}, {"[inherit] always\n", THP_UNKNOWN}, {"[unknown]\n", THP_UNKNOWN},
                {"][always]\n", THP_ALWAYS},
        };
        struct fixture *f = *state;
        struct kernel_facts k;

        write_host(f);
        k = read_facts(f);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                fixture_write(f, THP "enabled", cases[i].text);
                kernel_facts_refresh(&k, &f->root);
                assert_int_equal(k.thp, cases[i].mode);
        }
        kernel_facts_done(&k);
}

static void test_page_sizes(void **state)
{
        static const struct {
                const char *text;
                uint64_t page, pmd;
        } cases[] = {
                {"2097152\n", KIB(4), MIB(2)},  {"33554432\n", KIB(16), MIB(32)}, {"536870912\n", KIB(64), MIB(512)},
                {"0\n", KIB(4), MIB(2)},        {"12345\n", KIB(4), MIB(2)},      {"junk\n", KIB(4), MIB(2)},
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct kernel_facts k;

                fixture_write(f, THP "hpage_pmd_size", cases[i].text);
                k = read_facts(f);
                assert_int_equal(k.page_size, cases[i].page);
                assert_int_equal(k.pmd_size, cases[i].pmd);
                assert_int_equal(k.pud_size, cases[i].pmd * (cases[i].page / 8));
                kernel_facts_done(&k);
        }
}

/* Not loaded: the file that would be is asked. */
static void test_installed(void **state)
{
        static const char *const imports[] = {"vmf_insert_pfn_pmd", "vmf_insert_pfn_pud", "printk"};
        struct fixture *f = *state;
        struct kernel_facts k;

        write_host(f);
        fixture_remove(f, "sys/module");
        fixture_remove(f, "sys/kernel/btf/vfio_pci_core");
        fixture_write(f, "proc/kallsyms", "0000000000000000 T vmf_insert_pfn_pmd\n");

        fake_module_write(f, "vfio_pci_core", imports, ELEMENTSOF(imports), false);
        fake_modules_index(f);
        k = read_facts(f);
        assert_int_equal(k.vfio.value, FACT_YES);
        assert_int_equal(k.huge_pmd.value, FACT_YES);
        assert_int_equal(k.huge_pmd.source, SOURCE_MODULE_FILE);
        assert_int_equal(k.huge_pud.value, FACT_YES);
        kernel_facts_done(&k);

        fake_module_write(f, "vfio_pci_core", imports, 1, false); /* arm64: PMD only */
        k = read_facts(f);
        assert_int_equal(k.huge_pmd.value, FACT_YES);
        assert_int_equal(k.huge_pud.value, FACT_NO);
        kernel_facts_done(&k);

        fixture_remove(f, "lib/modules/" FAKE_RELEASE "/kernel/vfio_pci_core.ko"); /* indexed, and gone */
        k = read_facts(f);
        assert_int_equal(k.huge_pmd.value, FACT_UNKNOWN);
        kernel_facts_done(&k);

        fake_modules_index(f);
        k = read_facts(f);
        assert_int_equal(k.vfio.value, FACT_NO);
        assert_int_equal(k.huge_pmd.value, FACT_UNKNOWN);
        kernel_facts_done(&k);
}

/* A tree that depmod has not seen (or a broken one) says nothing about what is not there. */
static void test_no_index(void **state)
{
        struct fixture *f = *state;
        struct kernel_facts k;

        write_host(f);
        fixture_remove(f, "sys/module");
        fake_module_write(f, "vfio_pci_core", NULL, 0, false);
        k = read_facts(f);
        assert_int_equal(k.vfio.value, FACT_UNKNOWN);
        kernel_facts_done(&k);
}

/* Built in without parameters: no /sys/module, no file, and no BTF but the kernel's. */
static void test_built_in(void **state)
{
        struct fixture *f = *state;
        struct btf *btf = new_kernel_btf(true, false);
        struct kernel_facts k;

        write_host(f);
        add_function(btf, "vfio_pci_mmap_huge_fault");
        add_function(btf, "vfio_pci_core_register_device");
        write_btf(f, "sys/kernel/btf/vmlinux", btf);
        btf__free(btf);
        fixture_remove(f, "sys/kernel/btf/vfio_pci_core");
        fixture_remove(f, "sys/module");
        k = read_facts(f);
        assert_int_equal(k.vfio.value, FACT_YES);
        assert_int_equal(k.huge_pud.value, FACT_YES);
        kernel_facts_done(&k);

        fake_module_write(f, "other", NULL, 0, false);
        fake_modules_index(f);
        fixture_write(f, "lib/modules/" FAKE_RELEASE "/modules.builtin", "kernel/drivers/vfio/pci/vfio-pci-core.ko\n");
        fake_modules_reindex(f);
        k = read_facts(f);
        assert_int_equal(k.vfio.value, FACT_YES);
        assert_int_equal(k.huge_pmd.value, FACT_YES);
        assert_int_equal(k.huge_pud.value, FACT_YES);
        kernel_facts_done(&k);
}

int main(void)
{
#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(test_whole),     FIXTURE_TEST(test_each_missing), FIXTURE_TEST(test_nothing),
                FIXTURE_TEST(test_old),       FIXTURE_TEST(test_thp),          FIXTURE_TEST(test_page_sizes),
                FIXTURE_TEST(test_installed), FIXTURE_TEST(test_no_index),     FIXTURE_TEST(test_built_in),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
