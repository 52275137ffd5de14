/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/kernel/facts-kernel.h"

#include <bpf/btf.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "facts/kernel/probe-socket.h"
#include "fake-modules.h"
#include "fixture.h"
#include "kernel-host.h"
#include "test.h"
#include "util/file-observer.h"
#include "util/file.h"
#include "util/macro.h"

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

/* A module's types are known once it is loaded; and kallsyms, which can say no, is not read for what BTF
 * has. */
static void test_refresh(void **state)
{
        static const char *const names[] = { "vfio_pci_mmap_huge_fault", NULL };
        struct fixture *f = *state;
        struct kernel_symbols *symbols;

        write_host(f);
        fixture_remove(f, "sys/kernel/btf/vfio_pci_core");
        assert_ok(kernel_symbols_open(&f->root, "vfio_pci_core", names, &symbols));
        assert_false(kernel_symbols_btf_has_function(symbols, names[0]));
        assert_true(kernel_symbols_btf_has_function(symbols, "vmf_insert_pfn_pmd"));
        write_host(f);
        assert_false(kernel_symbols_btf_has_function(symbols, names[0]));
        assert_fact(kernel_symbols_has_function(symbols, names[0]), FACT_YES, SOURCE_KALLSYMS);
        kernel_symbols_refresh(symbols);
        assert_true(kernel_symbols_btf_has_function(symbols, names[0]));
        assert_fact(kernel_symbols_has_function(symbols, names[0]), FACT_YES, SOURCE_BTF);
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
                FIXTURE_TEST(test_dma_buf),
                FIXTURE_TEST(test_takes_module),
                FIXTURE_TEST(test_anonymous_member),
                FIXTURE_TEST(test_refresh),
                FIXTURE_TEST(test_fault_fills),
                FIXTURE_TEST(test_recorded),
                cmocka_unit_test(test_probe),
                cmocka_unit_test(test_probe_layout),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
