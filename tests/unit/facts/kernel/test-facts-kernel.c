/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/kernel/facts-kernel.h"

#include <bpf/btf.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "facts/kernel/probe-socket.h"
#include "fake-modules.h"
#include "fixture.h"
#include "test.h"
#include "tests/faults/alloc.h"
#include "thp-code.h"
#include "util/file-observer.h"
#include "util/file.h"
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

static void write_kernel_and_module(struct fixture *f, struct btf *kernel)
{
        struct btf *module = btf__new_empty_split(kernel);

        add_function(module, "vfio_pci_mmap_huge_fault");
        write_btf(f, "sys/kernel/btf/vmlinux", kernel);
        write_btf(f, "sys/kernel/btf/vfio_pci_core", module);
        btf__free(module);
        btf__free(kernel);
}

/* A host on 7.x with vfio-pci loaded, where everything can be seen without privilege. */
static void write_host(struct fixture *f)
{
        write_kernel_and_module(f, new_kernel_btf(true, true));
        fixture_write(f, "proc/sys/kernel/osrelease", FAKE_RELEASE "\n");
        fixture_write(f, "proc/kallsyms",
                      "0000000000000000 T _stext\n"
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

/* Whatever file is missing, no fact turns into "no", and what other files show stays known. */
static void test_each_missing(void **state)
{
        static const struct {
                const char *path;
                bool huge_faults, pin_by_leaf; /* still known */
        } cases[] = {
                { "proc/sys/kernel/osrelease", true, true },
                { "sys/kernel/btf/vmlinux", true,
                  false }, /* kallsyms has the functions, and no structures */
                { "sys/kernel/btf/vfio_pci_core", true, true },
                { "sys/kernel/btf", true, false },
                { "proc/kallsyms", true, true },
                { "proc", true, true },
                { THP "enabled", true, true },
                { THP "hpage_pmd_size", true, true },
                { "sys/kernel/mm", true, true },
                { LOADED, true, true },
                { "sys/module", true,
                  true }, /* no module tree either: perhaps it is built in, which symbols show */
                { "sys/kernel", true, false },
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct kernel_facts k;

                write_host(f);
                fixture_remove(f, cases[i].path);
                k = read_facts(f);
                if (k.huge_pmd.value == FACT_NO || k.huge_pud.value == FACT_NO ||
                    k.pin_by_leaf.value == FACT_NO || k.thp_exempt.value == FACT_NO)
                        fail_msg("a \"no\" without %s", cases[i].path);
                if (cases[i].pin_by_leaf != (k.pin_by_leaf.value == FACT_YES))
                        fail_msg("pin_by_leaf is %s without %s", fact_value_to_string(k.pin_by_leaf.value),
                                 cases[i].path);
                if (!streq(cases[i].path, "sys/module") &&
                    cases[i].huge_faults != (k.huge_pmd.value == FACT_YES && k.huge_pud.value == FACT_YES))
                        fail_msg("huge_pmd is %s without %s", fact_value_to_string(k.huge_pmd.value),
                                 cases[i].path);
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
        fixture_write(f, "proc/kallsyms",
                      "0000000000000000 T vmf_insert_pfn_pmd\n"
                      "0000000000000000 t vfio_pci_mmap_huge_fault_not\t[vfio_pci_core]\n"
                      "0000000000000000 t not_vfio_pci_mmap_huge_fault\t[vfio_pci_core]\n");
        k = read_facts(f);
        assert_int_equal(k.huge_pmd.value, FACT_NO);
        assert_int_equal(k.huge_pmd.source, SOURCE_KALLSYMS);
        assert_int_equal(k.huge_pud.value, FACT_NO);
        assert_int_equal(k.pin_by_leaf.value, FACT_NO);
        assert_int_equal(k.thp_exempt.value,
                         FACT_UNKNOWN); /* stable kernels have it, but only their code shows that */
        kernel_facts_done(&k);
}

static void test_thp(void **state)
{
        static const struct {
                const char *text;
                enum thp_mode mode;
        } cases[] = {
                { "always [madvise] never\n", THP_MADVISE },
                { "always madvise [never]\n", THP_NEVER },
                { "always\n", THP_UNKNOWN },
                { "", THP_UNKNOWN },
                { "[\n", THP_UNKNOWN },
                { "[inherit] always\n", THP_UNKNOWN },
                { "[unknown]\n", THP_UNKNOWN },
                { "][always]\n", THP_ALWAYS },
        };
        struct fixture *f = *state;
        struct kernel_facts k;

        write_host(f);
        k = read_facts(f);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                fixture_write(f, THP "enabled", cases[i].text);
                assert_ok(kernel_facts_refresh(&k, &f->root));
                assert_int_equal(k.thp, cases[i].mode);
        }
        kernel_facts_done(&k);
}

static void test_page_sizes(void **state)
{
        static const struct {
                const char *text, *answers;
                uint64_t page, pmd;
        } cases[] = {
                { "2097152\n", "", KIB(4), MIB(2) },
                { "33554432\n", "", KIB(16), MIB(32) },
                { "536870912\n", "", KIB(64), MIB(512) },
                { "0\n", "", KIB(4), MIB(2) },
                { "12345\n", "", KIB(4), MIB(2) },
                { "junk\n", "", KIB(4), MIB(2) },
                /* What was recorded counts: a kernel without THP has no such file. */
                { "0\n", "page-size\t16384\n", KIB(16), MIB(32) },
                { "2097152\n", "page-size\t4096\n", KIB(4), MIB(2) },
                { "33554432\n", "page-size\t12345\n", KIB(16), MIB(32) },
                { "33554432\n", "page-size\t1\n", KIB(16), MIB(32) },
                { "33554432\n", "page-size\t1048576\n", KIB(16), MIB(32) },
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct kernel_facts k;

                fixture_write(f, THP "hpage_pmd_size", cases[i].text);
                fixture_write(f, ANSWERS_FILE, cases[i].answers);
                root_close(&f->root);
                assert_ok(root_open(&f->root, f->dir));
                k = read_facts(f);
                assert_int_equal(k.page_size, cases[i].page);
                assert_int_equal(k.pmd_size, cases[i].pmd);
                assert_int_equal(k.pud_size, cases[i].pmd * (cases[i].page / 8));
                kernel_facts_done(&k);
        }
}

/* If it is not loaded, the file that would be loaded is asked. */
static void test_installed(void **state)
{
        static const char *const imports[] = { "vmf_insert_pfn_pmd", "vmf_insert_pfn_pud", "printk" };
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
        fixture_write(f, "lib/modules/" FAKE_RELEASE "/modules.builtin",
                      "kernel/drivers/vfio/pci/vfio-pci-core.ko\n");
        k = read_facts(f);
        assert_int_equal(k.vfio.value, FACT_YES);
        assert_int_equal(k.huge_pmd.value, FACT_YES);
        assert_int_equal(k.huge_pud.value, FACT_YES);
        kernel_facts_done(&k);
}

/* Whether iommufd gets BARs as dma-bufs is seen while vfio-pci is loaded. */
static void test_dma_buf(void **state)
{
        struct fixture *f = *state;
        struct kernel_facts k;

        write_host(f);
        k = read_facts(f); /* a record of a version that did not ask */
        assert_int_equal(k.dma_buf.value, FACT_UNKNOWN);
        kernel_facts_done(&k);
        f->root.live = true;
        k = read_facts(f);
        assert_int_equal(k.dma_buf.value, FACT_NO);
        kernel_facts_done(&k);

        fixture_remove(f, LOADED);
        fixture_remove(f, "sys/module");
        fixture_write(f, "proc/kallsyms", "0000000000000000 T _stext\n");
        fixture_remove(f, "sys/kernel/btf/vfio_pci_core");
        fake_module_write(f, "vfio_pci_core", NULL, 0, false);
        fake_modules_index(f);
        k = read_facts(f);
        assert_int_equal(k.vfio.value, FACT_YES);
        assert_int_equal(k.dma_buf.value, FACT_UNKNOWN);
        kernel_facts_done(&k);

        fixture_write(f, LOADED, "0\n");
        fixture_write(f, "proc/kallsyms",
                      "0000000000000000 T _stext\n"
                      "0000000000000000 T vfio_pci_dma_buf_iommufd_map\t[vfio_pci_core]\n");
        k = read_facts(f);
        assert_int_equal(k.dma_buf.value, FACT_YES);
        kernel_facts_done(&k);
        f->root.live = false;
}

/* What vfio_align needs of the kernel, and what a record says of that. */
static void test_takes_module(void **state)
{
        static const struct {
                const char *kallsyms; /* NULL: there is no such file */
                bool modules;
                enum fact_value value;
                const char *why;
        } cases[] = {
                { "0000000000000000 T _stext\n0000000000000000 T register_kprobe\n"
                  "0000000000000000 D init_task\n",
                  true, FACT_YES, NULL },
                { "0000000000000000 T _stext\n0000000000000000 T register_kprobe\n", true, FACT_NO,
                  "KALLSYMS_ALL" },
                { "0000000000000000 T _stext\n0000000000000000 D init_task\n", true, FACT_NO, "KPROBES" },
                { "0000000000000000 T _stext\n", false, FACT_NO, "MODULES" },
                { NULL, true, FACT_NO, "CONFIG_KALLSYMS)" },
                { "", true, FACT_UNKNOWN, NULL }, /* as a container can have it */
                { NULL, false, FACT_UNKNOWN, NULL },
        };
        struct fixture *f = *state;
        struct kernel_facts k;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                write_host(f);
                fixture_remove(f, "proc/kallsyms");
                if (exists_at(f->root.fd, "proc/modules"))
                        fixture_remove(f, "proc/modules");
                if (cases[i].kallsyms)
                        fixture_write(f, "proc/kallsyms", cases[i].kallsyms);
                if (cases[i].modules)
                        fixture_write(f, "proc/modules", "");
                f->root.live = true;
                k = read_facts(f);
                f->root.live = false;
                assert_int_equal(k.takes_module.value, cases[i].value);
                if (cases[i].why)
                        assert_non_null(strstr(k.takes_module.why, cases[i].why));
                kernel_facts_done(&k);
        }

        k = read_facts(f); /* an old record */
        assert_int_equal(k.takes_module.value, FACT_UNKNOWN);
        kernel_facts_done(&k);
        fixture_write(f, ANSWERS_FILE, "takes-module\t2\n");
        root_close(&f->root);
        assert_ok(root_open(&f->root, f->dir));
        k = read_facts(f);
        assert_int_equal(k.takes_module.value, FACT_NO);
        assert_non_null(strstr(k.takes_module.why, "KPROBES"));
        kernel_facts_done(&k);
}

/* A member of an anonymous union is the structure's own, as vm_flags is in struct vm_area_struct. */
static void test_anonymous_member(void **state)
{
        struct fixture *f = *state;
        struct btf *btf = btf__new_empty();
        struct kernel_symbols *symbols;
        uint64_t offset;
        int word, inner;

        assert_non_null(btf);
        word = btf__add_int(btf, "long unsigned int", 8, 0);
        inner = btf__add_union(btf, NULL, 8);
        assert_true(inner > 0);
        assert_ok(btf__add_field(btf, "vm_flags", word, 0, 0));
        assert_true(btf__add_struct(btf, "vm_area_struct", 48) > 0);
        assert_ok(btf__add_field(btf, "vm_mm", word, 16 * 8, 0));
        assert_ok(btf__add_field(btf, NULL, inner, 32 * 8, 0));
        assert_ok(btf__add_field(btf, "named", inner, 40 * 8, 0));
        write_btf(f, "sys/kernel/btf/vmlinux", btf);
        btf__free(btf);

        assert_ok(kernel_symbols_open(&f->root, "none", (const char *const[]){ NULL }, &symbols));
        assert_ok(kernel_symbols_offset(symbols, "vm_area_struct", "vm_mm", &offset));
        assert_int_equal(offset, 16);
        assert_ok(kernel_symbols_offset(symbols, "vm_area_struct", "vm_flags", &offset));
        assert_int_equal(offset, 32);
        assert_int_equal(kernel_symbols_offset(symbols, "vm_area_struct", "vm_ops", &offset), -ENOENT);
        kernel_symbols_close(symbols);
}

/* What a fault fills where there are no huge entries: up to 6.11, with PREEMPT_RT, and without vfio-pci. */
static void test_fault_fills(void **state)
{
        static const struct {
                const char *kallsyms;
                bool members; /* BTF has struct follow_pfnmap_args */
                enum fact_value fills;
        } cases[] = {
                { "0000000000000000 t vfio_pci_mmap_fault\t[vfio_pci_core]\n", false, FACT_YES },
                { "0000000000000000 t vfio_pci_mmap_page_fault\t[vfio_pci_core]\n", false, FACT_NO },
                { "0000000000000000 t vfio_pci_mmap_huge_fault\t[vfio_pci_core]\n"
                  "0000000000000000 t vfio_pci_mmap_page_fault\t[vfio_pci_core]\n",
                  true, FACT_NO },
                { "", true, FACT_NO },
                { "", false, FACT_YES },
        };
        struct fixture *f = *state;
        struct kernel_facts k;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct btf *btf = btf__new_empty();
                char text[256];

                assert_non_null(btf);
                if (cases[i].members) {
                        int word = btf__add_int(btf, "long unsigned int", 8, 0);

                        assert_true(btf__add_struct(btf, "follow_pfnmap_args", 16) > 0);
                        assert_ok(btf__add_field(btf, "pfn", word, 0, 0));
                }
                write_host(f);
                fixture_remove(f, "sys/kernel/btf/vfio_pci_core");
                write_btf(f, "sys/kernel/btf/vmlinux", btf);
                btf__free(btf);
                snprintf(text, sizeof(text), "0000000000000000 T _stext\n%s", cases[i].kallsyms);
                fixture_write(f, "proc/kallsyms", text);
                k = read_facts(f);
                assert_int_equal(k.huge_pmd.value, FACT_NO);
                assert_int_equal(k.fault_fills.value, cases[i].fills);
                kernel_facts_done(&k);
        }

        fixture_remove(f, "sys/kernel/btf");
        k = read_facts(f);
        assert_int_equal(k.fault_fills.value, FACT_UNKNOWN);
        kernel_facts_done(&k);
}

#define FOPS UINT64_C(0xffffffffc0a01000)
#define FOPS_MMAP UINT64_C(0xffffffffc0b00010)
#define THP_ORDERS UINT64_C(0xffffffff81774280)
#define OFFSET_MMAP 96
#define OFFSET_HOOK 152
#define OFFSET_ORDER 256

/* /proc/kcore with two pieces of memory: vfio_device_fops, and the code that decides about THP. */
static void write_kcore(struct fixture *f, uint64_t mmap, uint64_t hook, const void *code, size_t size)
{
        struct {
                Elf64_Ehdr header;
                Elf64_Phdr segments[2];
                uint8_t fops[272];
                uint8_t code[64];
        } c = {
                .header = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64 },
                            .e_phnum = 2,
                            .e_phoff = sizeof(Elf64_Ehdr),
                            .e_phentsize = sizeof(Elf64_Phdr) },
                .segments = { { .p_type = PT_LOAD,
                                .p_vaddr = FOPS,
                                .p_filesz = sizeof(c.fops),
                                .p_offset = (size_t) ((char *) c.fops - (char *) &c) },
                              { .p_type = PT_LOAD,
                                .p_vaddr = THP_ORDERS,
                                .p_filesz = sizeof(c.code),
                                .p_offset = (size_t) ((char *) c.code - (char *) &c) } },
        };

        memcpy(c.fops + OFFSET_MMAP, &mmap, sizeof(mmap));
        memcpy(c.fops + OFFSET_HOOK, &hook, sizeof(hook));
        if (size)
                memcpy(c.code, code, size);
        fixture_write_bytes(f, "proc/kcore", &c, sizeof(c));
}

/* What write_kcore() has written gets a member get_mapping_order. */
static void write_order(struct fixture *f, uint64_t order)
{
        const off_t fops = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr);
        _cleanup_close_ int fd = open(fixture_path(f, "proc/kcore"), O_WRONLY | O_CLOEXEC);

        assert_int_equal(pwrite(fd, &order, sizeof(order), fops + OFFSET_ORDER), sizeof(order));
}

static struct btf *new_fops_btf(bool mapping_order)
{
        struct btf *btf = new_kernel_btf(true, true);
        int word = btf__find_by_name_kind(btf, "long unsigned int", BTF_KIND_INT);

        assert_true(btf__add_struct(btf, "file_operations", 272) > 0);
        assert_ok(btf__add_field(btf, "owner", word, 0, 0));
        assert_ok(btf__add_field(btf, "mmap", word, OFFSET_MMAP * 8, 0));
        assert_ok(btf__add_field(btf, "get_unmapped_area", word, OFFSET_HOOK * 8, 0));
        if (mapping_order)
                assert_ok(btf__add_field(btf, "get_mapping_order", word, OFFSET_ORDER * 8, 0));
        return btf;
}

/* A host with vfio loaded that is seen as root sees it. */
static void write_seen_host(struct fixture *f, bool mapping_order)
{
        write_host(f);
        write_kernel_and_module(f, new_fops_btf(mapping_order));
        fixture_write(f, "sys/module/vfio/refcnt", "1\n");
        fixture_write(f, ANSWERS_FILE, "socket-probe pmd\tno\nsocket-probe pud\tno\n");
        fixture_write(f, "proc/kallsyms",
                      "ffffffff81000000 T _stext\n"
                      "ffffffff81000040 T entry_SYSCALL_64\n"
                      "ffffffff81774270 T __pfx___thp_vma_allowable_orders\n"
                      "ffffffff81774280 T __thp_vma_allowable_orders\n"
                      "ffffffff817742c0 T mm_get_huge_zero_folio\n"
                      "ffffffff81800000 T thp_get_unmapped_area\n"
                      "ffffffff81800100 T another_get_unmapped_area\n"
                      "ffffffffc0b00000 t __pfx_vfio_device_fops_mmap\t[vfio]\n"
                      "ffffffffc0b00010 t vfio_device_fops_mmap\t[vfio]\n"
                      "ffffffffc0a01000 R vfio_device_fops\t[vfio]\n"
                      "ffffffffc0c00040 t vfio_align_get_unmapped_area\t[vfio_align]\n"
                      "ffffffffc0d00040 t other_get_unmapped_area\t[other]\n");
        write_kcore(f, FOPS_MMAP, 0, NULL, 0);
}

static void assert_fact(struct fact fact, enum fact_value value, enum fact_source source)
{
        assert_int_equal(fact.value, value);
        assert_int_equal(fact.source, source);
        if (value == FACT_UNKNOWN)
                assert_non_null(fact.why);
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

/* Of vma_file_bypass_thp_tuneables() in 7.3.4: and $0x4,%ch. In the kernels without, all flags are tested at
 * once. */
static void test_exempt(void **state)
{
        static const struct {
                const char *code;
                size_t size;
                enum fact_value value;
        } cases[] = {
                { "\x49\x8b\x4c\x24\x20\x48\x8b\x40\x38\x80\xe5\x04\x0f\x84", 14, FACT_YES },
                { "\x49\x8b\x54\x24\x20\x80\xe6\x04", 8, FACT_YES },
                { "\x41\xf6\x44\x24\x21\x04", 6, FACT_YES }, /* testb $0x4,0x21(%r12) */
                { "\xf6\x47\x21\x04", 4, FACT_YES },         /* testb $0x4,0x21(%rdi) */
                { "\xf6\xc4\x04", 3, FACT_YES },             /* test $0x4,%ah */
                { "\x48\x0f\xba\xe0\x0a", 5, FACT_YES },     /* bt $0xa,%rax */
                { "\xa9\x00\x04\x00\x00", 5, FACT_YES },     /* test $0x400,%eax */
                { "\xf7\xc1\x00\x04\x00\x00", 6, FACT_YES }, /* test $0x400,%ecx */
                { "\xa9\x00\x44\x44\x10", 5,
                  FACT_UNKNOWN },                        /* test $0x10444400,%eax: VM_NO_KHUGEPAGED, 6.12 */
                { "\x40\x80\xe5\x04", 4, FACT_UNKNOWN }, /* and $0x4,%bpl */
                { "\x41\xf6\xc4\x04", 4, FACT_UNKNOWN }, /* test $0x4,%r12b */
                { "\xf6\xc4\x01", 3, FACT_UNKNOWN },     /* test $0x1,%ah: VM_GROWSDOWN */
                { "", 0, FACT_UNKNOWN },
        };
        struct fixture *f = *state;

        write_seen_host(f, false);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct kernel_facts k;

                write_kcore(f, FOPS_MMAP, 0, cases[i].code, cases[i].size);
                k = read_facts(f);
                assert_fact(k.thp_exempt, cases[i].value,
                            cases[i].value == FACT_YES ? SOURCE_KCORE : SOURCE_NONE);
                kernel_facts_done(&k);
        }
}

/* A host with the code of a real kernel, as root sees it. mm_offset: of vm_mm in struct vm_area_struct.
 * with: the code of a function that it calls. */
static void write_code_host(struct fixture *f, const struct thp_code *c, unsigned mm_offset, bool with)
{
        _cleanup_free_ char *kallsyms = NULL, *text = NULL;
        size_t size;
        FILE *file = open_memstream(&kallsyms, &size);

        assert_non_null(file);
        fprintf(file,
                "ffffffff81000000 T _stext\nffffffff81000040 T entry_SYSCALL_64\n"
                "%016jx T __x86_return_thunk\n%016jx D transparent_hugepage_flags\n",
                (uintmax_t) c->thunk, (uintmax_t) c->flags);
        for (size_t i = 0; i < ELEMENTSOF(c->functions) && c->functions[i].code; i++)
                fprintf(file, "%016jx T %s\n%016jx T next_%zu\n", (uintmax_t) c->functions[i].address,
                        i == 0 ? "__thp_vma_allowable_orders" : "vma_is_special_huge",
                        (uintmax_t) c->functions[i].address + c->functions[i].size, i);
        fclose(file);

        write_host(f);
        fixture_remove(f, "sys/kernel/btf");
        fixture_write(f, "proc/kallsyms", kallsyms);
        file = open_memstream(&text, &size);
        assert_non_null(file);
        fprintf(file,
                "btf enum tva_type\t%s\nbtf member vm_area_struct vm_flags\t32\n"
                "btf member vm_area_struct vm_mm\t%u\nbtf member vm_area_struct vm_ops\t%u\n",
                c->typed ? "yes" : "no", mm_offset, c->ops_offset);
        for (size_t i = 0; i < (with ? ELEMENTSOF(c->functions) : 1) && c->functions[i].code; i++)
                fprintf(file, "kcore %jx %x\t%s\n", (uintmax_t) c->functions[i].address,
                        c->functions[i].size, c->functions[i].code);
        fclose(file);
        fixture_write(f, ANSWERS_FILE, text);
}

#define MM_OFFSET 16

static struct kernel_facts read_code_host(struct fixture *f, const struct thp_code *c, unsigned mm_offset,
                                          bool with)
{
        struct kernel_facts k;
        struct root root; /* one that has not read the answers before */

        write_code_host(f, c, mm_offset, with);
        assert_ok(root_open(&root, f->dir));
        assert_ok(kernel_facts_read(&k, &root));
        root_close(&root);
        return k;
}

/* What the code of Debian's kernels does. Each is also tried with the flag of THP, or the layout of a
 * mapping, where it is not: the code then fails a control, and only the patterns and the enum may speak. */
static void test_exempt_code(void **state)
{
        struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(thp_codes); i++) {
                struct thp_code c = thp_codes[i];
                struct kernel_facts k;

                k = read_code_host(f, &c, MM_OFFSET, true);
                if (k.thp_exempt.value != c.exempt || k.thp_exempt.source != SOURCE_KCORE)
                        fail_msg("%s: %s (%s)", c.release, fact_value_to_string(k.thp_exempt.value),
                                 k.thp_exempt.why);
                kernel_facts_done(&k);

                c.flags += 8;
                k = read_code_host(f, &c, MM_OFFSET, true);
                if (k.thp_exempt.value != c.exempt && k.thp_exempt.value != FACT_UNKNOWN)
                        fail_msg("%s, flags elsewhere: %s", c.release,
                                 fact_value_to_string(k.thp_exempt.value));
                if (c.typed && c.exempt == FACT_NO)
                        assert_int_equal(k.thp_exempt.value, FACT_UNKNOWN);
                kernel_facts_done(&k);

                c.flags -= 8;
                c.ops_offset += 8;
                k = read_code_host(f, &c, MM_OFFSET, true);
                if (c.typed && c.exempt == FACT_NO)
                        assert_int_equal(k.thp_exempt.value, FACT_UNKNOWN);
                kernel_facts_done(&k);

                c.ops_offset -= 8;
                k = read_code_host(f, &c, MM_OFFSET + 8,
                                   true); /* a mapping of nobody's gets nothing at all */
                if (c.typed)
                        assert_true(k.thp_exempt.value != FACT_NO);
                kernel_facts_done(&k);

                if (!c.functions[1].code)
                        continue;
                k = read_code_host(f, &c, MM_OFFSET,
                                   false); /* a record without the function that it calls */
                if (c.exempt == FACT_NO)
                        assert_fact(k.thp_exempt, FACT_UNKNOWN, SOURCE_NONE);
                kernel_facts_done(&k);
        }
}

/* Kernels before 6.18 got it by a stable release, so their code shows both yes and no. */
static void test_exempt_stable(void **state)
{
        struct fixture *f = *state;
        struct kernel_facts k;

        write_seen_host(f, false);
        write_kernel_and_module(f, new_kernel_btf(false, false));
        write_kcore(f, FOPS_MMAP, 0, "\xf6\x45\x21\x04", 4); /* testb $0x4,0x21(%rbp): 6.12.117 */
        k = read_facts(f);
        assert_fact(k.thp_exempt, FACT_YES, SOURCE_KCORE);
        kernel_facts_done(&k);

        fixture_write(f, KERNEL_LIVE_EXEMPT_RECORD, "yes"); /* not read */
        write_kcore(f, FOPS_MMAP, 0, "\xa9\x00\x44\x44\x10", 5);
        k = read_facts(f);
        assert_fact(k.thp_exempt, FACT_NO, SOURCE_KCORE);
        kernel_facts_done(&k);
        fixture_remove(f, KERNEL_LIVE_EXEMPT_RECORD);

        /* Not inlined, under a name of the compiler's. */
        fixture_write(f, "proc/kallsyms",
                      "0000000000000000 T _stext\n"
                      "0000000000000000 t vma_can_map_huge_file.isra.0\n");
        k = read_facts(f);
        assert_fact(k.thp_exempt, FACT_YES, SOURCE_KALLSYMS);
        kernel_facts_done(&k);
        fixture_write(f, "proc/kallsyms",
                      "0000000000000000 T _stext\n"
                      "0000000000000000 T entry_SYSCALL_64\n"
                      "0000000000000000 t vma_can_map_huge_filesystem\n");
        k = read_facts(f);
        assert_fact(k.thp_exempt, FACT_UNKNOWN, SOURCE_NONE);
        kernel_facts_done(&k);
}

/* On arm64 a test of that bit alone is looked for. */
static void test_exempt_arm64(void **state)
{
        static const struct {
                const char *code;
                size_t size;
                enum fact_value value;
        } cases[] = {
                { "\x01\x01\x50\x36", 4, FACT_YES },                 /* tbz w1, #10: 7.3.4 */
                { "\x41\x0f\x5f\xd6\x61\xfd\x57\x37", 8, FACT_YES }, /* ...; tbnz w1, #10 */
                { "\x9f\x00\x76\xf2", 4, FACT_YES },                 /* tst x4, #0x400: 6.12.117 */
                { "\x1f\x00\x16\x72", 4, FACT_YES },                 /* tst w0, #0x400 */
                { "\x43\x00\x76\x92", 4, FACT_YES },                 /* and x3, x2, #0x400 */
                { "\x01\x01\x58\x36", 4, FACT_UNKNOWN },             /* tbz w1, #11 */
                { "\x01\x01\x50\xb6", 4, FACT_UNKNOWN },             /* tbz x1, #42 */
                { "\x9f\x04\x76\xf2", 4, FACT_UNKNOWN },             /* tst x4, #0xc00 */
                { "\x43\x00\x76\xb2", 4, FACT_UNKNOWN },             /* orr x3, x2, #0x400 */
                { "\x00\x00\x01\x01\x50\x36", 6, FACT_UNKNOWN },     /* in the middle of two others */
                { "\xf6\x45\x21\x04", 4, FACT_UNKNOWN },             /* x86 code */
                { "", 0, FACT_UNKNOWN },
        };
        struct fixture *f = *state;
        struct kernel_facts k;

        write_seen_host(f, false);
        fixture_write(f, "proc/kallsyms",
                      "ffffffff81000000 T _stext\n"
                      "ffffffff81000040 T el0t_64_sync_handler\n"
                      "ffffffff81774280 T __thp_vma_allowable_orders\n"
                      "ffffffff817742c0 T mm_get_huge_zero_folio\n");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                write_kcore(f, FOPS_MMAP, 0, cases[i].code, cases[i].size);
                k = read_facts(f);
                if (k.thp_exempt.value != cases[i].value)
                        fail_msg("case %zu: %s", i, fact_value_to_string(k.thp_exempt.value));
                kernel_facts_done(&k);
        }

        /* A kernel from before enum tva_type without such a test does not have it: 6.12.95. */
        write_kernel_and_module(f, new_kernel_btf(false, false));
        k = read_facts(f);
        assert_fact(k.thp_exempt, FACT_NO, SOURCE_KCORE);
        kernel_facts_done(&k);
}

/* A reader that may not read the code believes what root recorded; one that may does not look at that. */
static void test_exempt_recorded(void **state)
{
        static const struct {
                const char *text;
                enum fact_value value;
        } cases[] = {
                { "yes", FACT_YES }, { "no", FACT_NO }, { "perhaps", FACT_UNKNOWN }, { "", FACT_UNKNOWN }
        };
        struct fixture *f = *state;
        struct kernel_facts k;

        write_seen_host(f, false);
        fixture_remove(f, "proc/kcore");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                fixture_write(f, KERNEL_LIVE_EXEMPT_RECORD, cases[i].text);
                k = read_facts(f);
                assert_fact(k.thp_exempt, cases[i].value,
                            cases[i].value == FACT_UNKNOWN ? SOURCE_NONE : SOURCE_KCORE);
                kernel_facts_done(&k);
        }

        fixture_write(f, KERNEL_LIVE_EXEMPT_RECORD, "no");
        write_kcore(f, FOPS_MMAP, 0, "\xf6\xc4\x04", 3);
        k = read_facts(f);
        assert_fact(k.thp_exempt, FACT_YES, SOURCE_KCORE);
        kernel_facts_done(&k);
}

/* Another architecture's code could hold the same bytes by chance. */
static void test_exempt_elsewhere(void **state)
{
        struct fixture *f = *state;
        struct kernel_facts k;

        write_seen_host(f, false);
        fixture_write(f, "proc/kallsyms",
                      "ffffffff81000000 T _stext\n"
                      "ffffffff81774280 T __thp_vma_allowable_orders\n"
                      "ffffffff817742c0 T mm_get_huge_zero_folio\n");
        write_kcore(f, FOPS_MMAP, 0, "\xf6\xc4\x04", 3);
        k = read_facts(f);
        assert_fact(k.thp_exempt, FACT_UNKNOWN, SOURCE_NONE);
        assert_non_null(strstr(k.thp_exempt.why, "architecture"));
        kernel_facts_done(&k);
}

static char *answers;

static void keep_answer(enum file_kind kind, const char *path, const char *data, size_t size, void *userdata)
{
        char *longer;

        (void) userdata;
        if (kind != FILE_ANSWER)
                return;
        assert_true(asprintf(&longer, "%s%s\t%.*s\n", answers ?: "", path, (int) size, data) >= 0);
        free(answers);
        answers = longer;
}

/* The answers of BTF, kcore and the probe are recorded, and do without them. */
static void test_recorded(void **state)
{
        struct fixture *f = *state;
        struct kernel_facts k;
        struct root again;

        write_seen_host(f, false);
        write_kcore(f, FOPS_MMAP, 0xffffffff81800000, "\xf6\xc4\x04", 3);
        file_observe(keep_answer, NULL);
        k = read_facts(f);
        file_observe(NULL, NULL);
        kernel_facts_done(&k);

        fixture_write(f, ANSWERS_FILE, answers);
        free(answers);
        answers = NULL;
        fixture_remove(f, "sys/kernel/btf");
        fixture_remove(f, "proc/kcore");
        assert_ok(root_open(&again, f->dir));
        assert_ok(kernel_facts_read(&k, &again));
        root_close(&again);
        assert_fact(k.huge_pmd, FACT_YES, SOURCE_BTF);
        assert_fact(k.pin_by_leaf, FACT_YES, SOURCE_BTF);
        assert_fact(k.thp_exempt, FACT_YES, SOURCE_KCORE);
        assert_fact(k.places_pmd, FACT_YES, SOURCE_KCORE);
        assert_fact(k.probed_pmd, FACT_NO, SOURCE_SOCKET_PROBE);
        assert_string_equal(k.hook_function, "thp_get_unmapped_area");
        kernel_facts_done(&k);
}

/* Where too little address space is left, the probe says nothing. */
static void test_probe(void **state)
{
        struct rlimit whole, little;
        struct fact pmd, pud;

        (void) state;
        probe_socket(MIB(2), GIB(1), &pmd, &pud);
        assert_int_not_equal(pmd.value, FACT_UNKNOWN);
        assert_int_not_equal(pud.value, FACT_UNKNOWN);
        if (pmd.value == FACT_NO)
                assert_int_equal(pud.value, FACT_NO);

        assert_ok(getrlimit(RLIMIT_AS, &whole));
        little = (struct rlimit){ .rlim_cur = MIB(64), .rlim_max = whole.rlim_max };
        assert_ok(setrlimit(RLIMIT_AS, &little));
        probe_socket(GIB(1), GIB(64), &pmd, &pud);
        assert_ok(setrlimit(RLIMIT_AS, &whole));
        assert_fact(pmd, FACT_UNKNOWN, SOURCE_NONE);
        assert_fact(pud, FACT_UNKNOWN, SOURCE_NONE);
}

/* A process whose lowest mapping is on a multiple of 1 GiB, and with holes above it for small mappings:
 * malloc()'s arenas make the like. Only what the kernel does itself counts. It stays so: the last of the
 * tests. */
static void test_probe_layout(void **state)
{
        const size_t hole = MIB(3), page = (size_t) sysconf(_SC_PAGESIZE);
        struct fact pmd, pud, pmd_here, pud_here;
        char *map, *start;

        (void) state;
        probe_socket(MIB(2), GIB(1), &pmd, &pud);

        map = mmap(NULL, GIB(4), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        assert_ptr_not_equal(map, MAP_FAILED);
        start = map + (-(uintptr_t) map & (GIB(1) - 1));
        if (start > map)
                assert_int_equal(munmap(map, (size_t) (start - map)), 0);
        for (size_t i = 0; i < 64; i++)
                assert_int_equal(munmap(start + page + i * (hole + page), hole), 0);

        probe_socket(MIB(2), GIB(1), &pmd_here, &pud_here);
        assert_fact(pmd_here, pmd.value, pmd.source);
        assert_fact(pud_here, pud.value, pud.source);
}

int main(void)
{
#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(test_whole),
                FIXTURE_TEST(test_each_missing),
                FIXTURE_TEST(test_nothing),
                FIXTURE_TEST(test_old),
                FIXTURE_TEST(test_thp),
                FIXTURE_TEST(test_page_sizes),
                FIXTURE_TEST(test_installed),
                FIXTURE_TEST(test_no_index),
                FIXTURE_TEST(test_built_in),
                FIXTURE_TEST(test_hook),
                FIXTURE_TEST(test_hook_unseen),
                FIXTURE_TEST(test_hook_built_in),
                FIXTURE_TEST(test_refresh),
                FIXTURE_TEST(test_refresh_without_memory),
                FIXTURE_TEST(test_again),
                FIXTURE_TEST(test_dma_buf),
                FIXTURE_TEST(test_takes_module),
                FIXTURE_TEST(test_anonymous_member),
                FIXTURE_TEST(test_fault_fills),
                FIXTURE_TEST(test_exempt),
                FIXTURE_TEST(test_exempt_code),
                FIXTURE_TEST(test_exempt_elsewhere),
                FIXTURE_TEST(test_exempt_stable),
                FIXTURE_TEST(test_exempt_arm64),
                FIXTURE_TEST(test_exempt_recorded),
                FIXTURE_TEST(test_recorded),
                FIXTURE_TEST(test_mapping_order),
                FIXTURE_TEST(test_mapping_order_of_devices),
                FIXTURE_TEST(test_built_with_thp),
                FIXTURE_TEST(test_symbols_are_read_once),
                cmocka_unit_test(test_probe),
                cmocka_unit_test(test_probe_layout),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
