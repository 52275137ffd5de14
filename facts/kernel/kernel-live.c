/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel-live.h"

#include <assert.h>
#include <errno.h>

#include "kcore.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"

static const char *why_unread(int r)
{
        if (r == -EACCES || r == -EPERM)
                return "the kernel's memory is shown to root only, and not under lockdown";
        if (r == -ENOENT || r == -ENXIO)
                return "/proc/kcore is not there, or does not have it";
        return "/proc/kcore cannot be read";
}

static const char *why_no_symbol(int r)
{
        return r == -EACCES ? "the kernel's addresses are shown to root only" : "kallsyms cannot be read";
}

void kernel_live_layout(struct hook_place *place, struct kernel_symbols *symbols)
{
        assert(place);
        assert(symbols);

        (void) kernel_symbols_offset(symbols, "file_operations", "mmap", &place->mmap_offset);
        (void) kernel_symbols_offset(symbols, "file_operations", "get_unmapped_area", &place->hook_offset);
}

/* Reads the slot, and `mmap` with it in one read. Returns 0, -ESTALE if `mmap` is not what it should be, or
 * another negative errno. */
static int read_slot(const struct root *root, const struct hook_place *place, uint64_t *ret)
{
        const uint64_t first = place->mmap_offset < place->hook_offset ? place->mmap_offset
                                                                       : place->hook_offset;
        const uint64_t last = place->mmap_offset ^ place->hook_offset ^ first;
        uint8_t bytes[KCORE_MAX];
        uint64_t mmap;
        int r;

        if (last - first > sizeof(bytes) - sizeof(mmap))
                return -EBADMSG;
        r = kcore_read(root, place->fops + first, bytes, last - first + sizeof(mmap));
        if (r < 0)
                return r;
        memcpy(&mmap, bytes + (place->mmap_offset - first), sizeof(mmap));
        if (mmap != place->mmap)
                return -ESTALE;
        memcpy(ret, bytes + (place->hook_offset - first), sizeof(*ret));
        return 0;
}

/* NULL, or why vfio_device_fops cannot be found. */
static const char *find_fops(struct kernel_symbols *symbols, struct hook_place *place)
{
        int r;

        place->fops = place->mmap = place->hook = 0;
        r = kernel_symbols_address(symbols, "vfio_device_fops_mmap", &place->mmap);
        if (r < 0)
                return r == -ENOENT ? "vfio is not loaded" : why_no_symbol(r);
        r = kernel_symbols_address(symbols, "vfio_device_fops", &place->fops);
        if (r < 0)
                return r == -ENOENT ? "kallsyms has no data (CONFIG_KALLSYMS_ALL)" : why_no_symbol(r);
        if (!place->mmap_offset || !place->hook_offset)
                return "the layout of struct file_operations is unknown: the kernel exports no BTF";
        return NULL;
}

static void replace_names(char **function, char **module, char *new_function, char *new_module)
{
        free(*function);
        free(*module);
        *function = new_function;
        *module = new_module;
}

/* NULL, or why the slot cannot be read; *ret is what it holds. */
static const char *find_slot(const struct root *root, struct kernel_symbols *symbols,
                             struct hook_place *place, uint64_t *ret)
{
        const char *why;
        int r;

        why = find_fops(symbols, place);
        if (why)
                return why;
        r = read_slot(root, place, ret);
        if (r == -ESTALE)
                return "what is at vfio_device_fops does not look like it";
        return r < 0 ? why_unread(r) : NULL;
}

int kernel_live_hook(const struct root *root, struct kernel_symbols *symbols, struct hook_place *place,
                     struct fact *hook, char **function, char **module)
{
        char *new_function = NULL, *new_module = NULL;
        unsigned long failures = memory_failures();
        struct hook_place new_place;
        const char *why = NULL;
        uint64_t value;
        bool vfio;

        assert(root);
        assert(symbols);
        assert(place);
        assert(hook);
        assert(function);
        assert(module);

        new_place = *place;
        vfio = exists_at(root->fd, "sys/module/vfio");
        if (place->fops && hook->value != FACT_UNKNOWN) {
                if (read_slot(root, place, &value) < 0)
                        why = find_slot(root, symbols, &new_place, &value);
                else if (value == place->hook)
                        return 0;
        } else {
                if (hook->why && vfio == place->vfio)
                        return 0; /* what kept it from being seen has not changed */
                why = find_slot(root, symbols, &new_place, &value);
        }
        if (!why && value)
                (void) kernel_symbols_at(symbols, value, &new_function, &new_module);
        if (memory_failures() != failures) {
                replace_names(&new_function, &new_module, NULL, NULL);
                return -ENOMEM;
        }

        new_place.vfio = vfio;
        if (!why)
                new_place.hook = value;
        *place = new_place;
        *hook = why ? fact_unknown(why) : fact_is(value, SOURCE_KCORE);
        replace_names(function, module, new_function, new_module);
        return 0;
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

/* Reads the code of __thp_vma_allowable_orders(), at most KCORE_MAX bytes. Returns NULL, or why that is not
 * possible. */
static const char *read_allowable_orders(const struct root *root, struct kernel_symbols *symbols,
                                         uint8_t code[static KCORE_MAX], uint64_t *ret_size)
{
        uint64_t at, size;
        int r;

        r = kernel_symbols_address(symbols, "entry_SYSCALL_64", &at);
        if (r == -ENOENT)
                return "the kernel's code is not read on this architecture";
        if (r < 0)
                return why_no_symbol(r);

        r = kernel_symbols_address(symbols, "__thp_vma_allowable_orders", &at);
        if (r < 0)
                return r == -ENOENT ? "the kernel's code for it has another name" : why_no_symbol(r);
        r = kernel_symbols_size(symbols, at, &size);
        if (r < 0)
                return r == -ENOENT ? "the kernel's code for it has another name" : why_no_symbol(r);

        r = kcore_read(root, at, code, size);
        if (r < 0)
                return why_unread(r);
        *ret_size = size;
        return NULL;
}

static struct fact read_exempt(const struct root *root, struct kernel_symbols *symbols)
{
        static const char *const exemption[] = { KERNEL_LIVE_EXEMPTION };
        uint8_t code[KCORE_MAX];
        const char *why;
        uint64_t size;

        for (size_t i = 0; i < ELEMENTSOF(exemption); i++) {
                struct fact f = kernel_symbols_has_function(symbols, exemption[i]);

                if (f.value == FACT_YES)
                        return f;
        }
        why = read_allowable_orders(root, symbols, code, &size);
        if (why)
                return fact_unknown(why);
        for (size_t i = 0; i < size; i++)
                if (tests_pfnmap(code, size, i))
                        return fact_is(true, SOURCE_KCORE);
        if (kernel_symbols_has_enum(symbols, "tva_type").value == FACT_NO)
                return fact_is(false, SOURCE_KCORE);
        return fact_unknown("the kernel's code does not show it");
}

struct fact kernel_live_exempt(const struct root *root, struct kernel_symbols *symbols)
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
