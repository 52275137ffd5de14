/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel-host.h"

#include <elf.h>
#include <string.h>

#include "fake-modules.h"
#include "test.h"
#include "util/macro.h"

void add_function(struct btf *btf, const char *name)
{
        int prototype = btf__add_func_proto(btf, 0);

        assert_true(prototype > 0);
        assert_true(btf__add_func(btf, name, BTF_FUNC_GLOBAL, prototype) > 0);
}

void write_btf(struct fixture *f, const char *path, struct btf *btf)
{
        uint32_t size;
        const void *bytes = btf__raw_data(btf, &size);

        assert_non_null(bytes);
        fixture_write_bytes(f, path, bytes, size);
}

struct btf *new_kernel_btf(bool by_leaf, bool exempts)
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

void write_kernel_and_module(struct fixture *f, struct btf *kernel)
{
        struct btf *module = btf__new_empty_split(kernel);

        add_function(module, "vfio_pci_mmap_huge_fault");
        write_btf(f, "sys/kernel/btf/vmlinux", kernel);
        write_btf(f, "sys/kernel/btf/vfio_pci_core", module);
        btf__free(module);
        btf__free(kernel);
}

void write_host(struct fixture *f)
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

struct kernel_facts read_facts(struct fixture *f)
{
        struct kernel_facts k;

        assert_ok(kernel_facts_read(&k, &f->root));
        return k;
}

void write_kcore(struct fixture *f, uint64_t mmap, uint64_t hook, const void *code, size_t size)
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

struct btf *new_fops_btf(bool mapping_order)
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

void write_seen_host(struct fixture *f, bool mapping_order)
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

void assert_fact(struct fact fact, enum fact_value value, enum fact_source source)
{
        assert_int_equal(fact.value, value);
        assert_int_equal(fact.source, source);
        if (value == FACT_UNKNOWN)
                assert_non_null(fact.why);
}
