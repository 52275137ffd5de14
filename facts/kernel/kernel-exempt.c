/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel-exempt.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>

#include "code-run.h"
#include "kcore.h"
#include "util/file.h"
#include "util/macro.h"

#define DECIDES "__thp_vma_allowable_orders"
#define OTHER_NAME "the kernel's code for it has another name"

/* include/linux/mm.h; include/linux/huge_mm.h: bits of transparent_hugepage_flags */
#define VM_PFNMAP UINT64_C(0x400)
#define VM_OF_VFIO UINT64_C(0x04044000) /* VM_IO, VM_DONTEXPAND and VM_DONTDUMP */
#define THP_FLAGS_NEVER UINT64_C(0)
#define THP_FLAGS_ALWAYS UINT64_C(2)

/* Until 6.17 the third argument is a mask: TVA_IN_PF and TVA_ENFORCE_SYSFS; since then it is TVA_PAGEFAULT.
 */
#define TVA_MASK UINT64_C(6)
#define TVA_TYPE UINT64_C(1)
#define ORDERS (UINT64_C(1) << 9) /* PMD_ORDER */

/* Where the made-up mapping and what it points to are. */
#define VMA UINT64_C(0x100000)
#define MM UINT64_C(0x200000)
#define OPS UINT64_C(0x300000)
#define OBJECT_SIZE UINT64_C(0x2000)
#define ANY_POINTER UINT64_C(0x4141414141414141)

#define PIECES_MAX 4
#define RETURN_THUNK "return_thunk"

/* Code that was read, from one address to the next symbol. */
struct piece {
        uint64_t address, size;
        uint8_t code[KCORE_MAX];
};

/* What code_run() needs to know of the kernel. */
struct world {
        const struct root *root;
        struct kernel_symbols *symbols;
        struct piece pieces[PIECES_MAX];
        size_t n_pieces;
        uint64_t entry, thp_flags_at;                 /* addresses in the kernel */
        uint64_t mm_offset, flags_offset, ops_offset; /* in struct vm_area_struct */
        uint64_t tva, vm_flags, thp_flags;
        bool arm;
};

static const struct piece *find_piece(const struct world *w, uint64_t address)
{
        for (size_t i = 0; i < w->n_pieces; i++)
                if (address >= w->pieces[i].address && address - w->pieces[i].address < w->pieces[i].size)
                        return &w->pieces[i];
        return NULL;
}

static int read_piece(struct world *w, uint64_t address)
{
        struct piece *piece = &w->pieces[w->n_pieces];
        int r;

        if (w->n_pieces == PIECES_MAX)
                return -ELOOP;
        piece->address = address;
        r = kernel_symbols_size(w->symbols, address, &piece->size);
        if (r < 0)
                return r;
        r = kcore_read(w->root, address, piece->code, piece->size);
        if (r < 0)
                return r;
        w->n_pieces++;
        return 0;
}

static int fetch_code(void *userdata, uint64_t address, const uint8_t **ret_code, size_t *ret_size)
{
        struct world *w = userdata;
        const struct piece *piece = find_piece(w, address);
        int r;

        if (!piece) {
                r = read_piece(w, address);
                if (r < 0)
                        return r;
                piece = find_piece(w, address);
        }
        *ret_code = piece->code + (address - piece->address);
        *ret_size = piece->size - (address - piece->address);
        return 0;
}

/* "__x86_return_thunk" in the file; which one it is in memory depends on the processor's faults. */
static int is_return(void *userdata, uint64_t address)
{
        _cleanup_free_ char *name = NULL, *module = NULL;
        struct world *w = userdata;
        const char *thunk;
        int r;

        if (find_piece(w, address))
                return 0;
        r = kernel_symbols_at(w->symbols, address, &name, &module);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        thunk = strstr(name, RETURN_THUNK);
        return thunk && streq(thunk, RETURN_THUNK);
}

static bool is_within(uint64_t address, size_t size, uint64_t object)
{
        return address >= object && address - object <= OBJECT_SIZE - size;
}

/* struct vm_area_struct: all zero but for three members */
static uint64_t read_vma(const struct world *w, uint64_t offset)
{
        if (offset == w->mm_offset)
                return MM;
        if (offset == w->ops_offset)
                return OPS;
        return offset == w->flags_offset ? w->vm_flags : 0;
}

static int read_world(void *userdata, uint64_t address, size_t size, uint64_t *ret)
{
        const struct world *w = userdata;
        const uint64_t word = address & ~UINT64_C(7);
        uint64_t value;

        if (word == w->thp_flags_at)
                value = w->thp_flags;
        else if (is_within(address, size, VMA))
                value = read_vma(w, word - VMA);
        else if (is_within(address, size, MM))
                value = 0;
        else if (is_within(address, size, OPS))
                value = ANY_POINTER;
        else
                return -EFAULT;
        if (address - word > 8 - size)
                return -EFAULT;
        *ret = value >> (address - word) * 8;
        return 0;
}

/* What the kernel allows such a mapping: 1, 0, or a negative errno. */
static int allows_huge(struct world *w, uint64_t vm_flags, uint64_t thp_flags)
{
        const struct code_world world = {
                .fetch = fetch_code, .returns = is_return, .read = read_world, .userdata = w
        };
        const uint64_t arguments[] = { VMA, vm_flags, w->tva, ORDERS };
        uint64_t orders;
        int r;

        w->vm_flags = vm_flags;
        w->thp_flags = thp_flags;
        r = code_run(&world, w->entry, arguments, &orders);
        return r < 0 ? r : orders != 0;
}

/* NULL, or why the code cannot be asked. */
static const char *open_world(struct world *w)
{
        struct fact typed = kernel_symbols_has_enum(w->symbols, "tva_type");

        if (kernel_symbols_offset(w->symbols, "vm_area_struct", "vm_mm", &w->mm_offset) < 0 ||
            kernel_symbols_offset(w->symbols, "vm_area_struct", "vm_flags", &w->flags_offset) < 0 ||
            kernel_symbols_offset(w->symbols, "vm_area_struct", "vm_ops", &w->ops_offset) < 0 ||
            typed.value == FACT_UNKNOWN)
                return "the layout of struct vm_area_struct is unknown: the kernel exports no BTF";
        if (kernel_symbols_address(w->symbols, "transparent_hugepage_flags", &w->thp_flags_at) < 0)
                return "kallsyms has no data (CONFIG_KALLSYMS_ALL)";
        w->tva = typed.value == FACT_YES ? TVA_TYPE : TVA_MASK;
        return NULL;
}

/* Asks the code. Unknown where it cannot be followed, or does not decide as it is known to. */
static struct fact ask_code(struct world *w)
{
        const char *why = open_world(w);
        int r;

        if (why)
                return fact_unknown(why);
        if (allows_huge(w, VM_OF_VFIO | VM_PFNMAP, THP_FLAGS_ALWAYS) != 1 ||
            allows_huge(w, VM_OF_VFIO, THP_FLAGS_NEVER) != 0)
                return fact_unknown("the kernel's code does not show it");
        r = allows_huge(w, VM_OF_VFIO | VM_PFNMAP, THP_FLAGS_NEVER);
        if (r < 0)
                return fact_unknown("the kernel's code does not show it");
        return fact_is(r, SOURCE_KCORE);
}

/* Whether the instruction at `at` tests bit 10 (VM_PFNMAP, 0x400), and no other, of a word. */
static bool tests_pfnmap(const uint8_t *code, size_t size, size_t at)
{
        static const struct {
                uint8_t size, bytes[6], masks[6];
        } forms[] = {
                /* test $4, %ah %ch %dh %bh */
                { 3, { 0xf6, 0xc4, 0x04 }, { 0xff, 0xfc, 0xff } },
                /* and $4, the same */
                { 3, { 0x80, 0xe4, 0x04 }, { 0xff, 0xfc, 0xff } },
                /* testb $4, 0x21(%reg): vm_flags is at 0x20 */
                { 4, { 0xf6, 0x40, 0x21, 0x04 }, { 0xff, 0xf8, 0xff, 0xff } },
                /* the same of %r12 */
                { 5, { 0xf6, 0x44, 0x24, 0x21, 0x04 }, { 0xff, 0xff, 0xff, 0xff, 0xff } },
                /* bt $10, %reg */
                { 4, { 0x0f, 0xba, 0xe0, 0x0a }, { 0xff, 0xff, 0xf8, 0xff } },
                /* test $0x400, %eax */
                { 5, { 0xa9, 0x00, 0x04, 0x00, 0x00 }, { 0xff, 0xff, 0xff, 0xff, 0xff } },
                /* test $0x400, the other registers */
                { 6, { 0xf7, 0xc0, 0x00, 0x04, 0x00, 0x00 }, { 0xff, 0xf8, 0xff, 0xff, 0xff, 0xff } },
        };

        const uint8_t *p = code + at;
        /* A REX prefix makes the low bytes of other registers out of %ah ... %bh. */
        bool rex = at > 0 && (p[-1] & 0xf0) == 0x40;

        for (size_t i = rex ? 2 : 0; i < ELEMENTSOF(forms); i++) {
                size_t k = 0;

                while (k < forms[i].size && at + k < size && (p[k] & forms[i].masks[k]) == forms[i].bytes[k])
                        k++;
                if (k == forms[i].size)
                        return true;
        }
        return false;
}

/* The same of arm64: "tbz" or "tbnz" of bit 10, or "and" or "tst" (ands) with 0x400, of either width. */
static bool arm_tests_pfnmap(const uint8_t *code, size_t size, size_t at)
{
        static const struct {
                uint32_t mask, word;
        } forms[] = {
                { 0xfef80000, 0x36500000 }, { 0xfffffc00, 0xf2760000 }, { 0xfffffc00, 0x72160000 },
                { 0xfffffc00, 0x92760000 }, { 0xfffffc00, 0x12160000 },
        };
        uint32_t word;

        if (at % sizeof(word) || size - at < sizeof(word))
                return false;
        memcpy(&word, code + at, sizeof(word));
        word = le32toh(word);
        for (size_t i = 0; i < ELEMENTSOF(forms); i++)
                if ((word & forms[i].mask) == forms[i].word)
                        return true;
        return false;
}

/* NULL, or why the code that decides cannot be read. */
static const char *find_code(struct world *w)
{
        uint64_t at;
        int r;

        r = kernel_symbols_address(w->symbols, "entry_SYSCALL_64", &at);
        if (r == -ENOENT) {
                w->arm = true;
                r = kernel_symbols_address(w->symbols, "el0t_64_sync_handler", &at);
        }
        if (r == -ENOENT)
                return "the kernel's code is not read on this architecture";
        if (r < 0)
                return kernel_symbols_why(r);
        r = kernel_symbols_address(w->symbols, DECIDES, &w->entry);
        if (r < 0)
                return r == -ENOENT ? OTHER_NAME : kernel_symbols_why(r);
        if (kernel_symbols_size(w->symbols, w->entry, &at) < 0)
                return OTHER_NAME;
        r = read_piece(w, w->entry);
        return r < 0 ? kcore_why(r) : NULL;
}

static struct fact read_exempt(const struct root *root, struct kernel_symbols *symbols)
{
        static const char *const functions[] = { KERNEL_EXEMPT_FUNCTIONS };
        struct world w = { .root = root, .symbols = symbols };
        struct fact answer;
        const char *why;

        for (size_t i = 0; i < ELEMENTSOF(functions); i++) {
                struct fact f = kernel_symbols_has_function(symbols, functions[i]);

                if (f.value == FACT_YES)
                        return f;
        }
        why = find_code(&w);
        if (why)
                return fact_unknown(why);
        answer = w.arm ? fact_unknown("the kernel's code does not show it") : ask_code(&w);
        if (answer.value != FACT_UNKNOWN)
                return answer;
        for (size_t i = 0; i < w.pieces[0].size; i++)
                if ((w.arm ? arm_tests_pfnmap : tests_pfnmap)(w.pieces[0].code, w.pieces[0].size, i))
                        return fact_is(true, SOURCE_KCORE);
        if (kernel_symbols_has_enum(symbols, "tva_type").value == FACT_NO)
                return fact_is(false, SOURCE_KCORE);
        return answer;
}

struct fact kernel_exempt_read(const struct root *root, struct kernel_symbols *symbols)
{
        _cleanup_free_ char *recorded = NULL;
        enum fact_value value;
        struct fact f;

        assert(root);
        assert(symbols);

        f = read_exempt(root, symbols);
        if (f.value != FACT_UNKNOWN || read_line_at(root->fd, KERNEL_LIVE_EXEMPT_RECORD, &recorded) < 0)
                return f;
        value = fact_value_from_string(recorded);
        if (value != FACT_YES && value != FACT_NO)
                return f;
        return fact_is(value == FACT_YES, SOURCE_KCORE);
}
