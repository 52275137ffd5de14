/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/kernel/kernel-exempt.h"

#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "kernel-host.h"
#include "test.h"
#include "thp-code.h"
#include "util/file.h"
#include "util/macro.h"

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

int main(void)
{
#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(test_exempt),           FIXTURE_TEST(test_exempt_code),
                FIXTURE_TEST(test_exempt_elsewhere), FIXTURE_TEST(test_exempt_stable),
                FIXTURE_TEST(test_exempt_arm64),     FIXTURE_TEST(test_exempt_recorded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
