/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel-live.h"

#include <assert.h>
#include <errno.h>

#include "kcore.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"

void kernel_live_layout(struct hook_place *place, struct kernel_symbols *symbols)
{
        assert(place);
        assert(symbols);

        (void) kernel_symbols_offset(symbols, "file_operations", "mmap", &place->mmap_offset);
        (void) kernel_symbols_offset(symbols, "file_operations", "get_unmapped_area", &place->hook_offset);
        (void) kernel_symbols_offset(symbols, "file_operations", "get_mapping_order", &place->order_offset);
}

/* Reads the member at that offset, and `mmap` with it in one read. Returns 0, -ESTALE if `mmap` is not what
 * it should be, or another negative errno. */
static int read_member(const struct root *root, const struct hook_place *place, uint64_t offset,
                       uint64_t *ret)
{
        const uint64_t first = place->mmap_offset < offset ? place->mmap_offset : offset;
        const uint64_t last = place->mmap_offset ^ offset ^ first;
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
        memcpy(ret, bytes + (offset - first), sizeof(*ret));
        return 0;
}

static int read_slot(const struct root *root, const struct hook_place *place, uint64_t *ret)
{
        return read_member(root, place, place->hook_offset, ret);
}

/* NULL, or why vfio_device_fops cannot be found. */
static const char *find_fops(struct kernel_symbols *symbols, struct hook_place *place)
{
        int r;

        place->fops = place->mmap = place->hook = 0;
        r = kernel_symbols_address(symbols, "vfio_device_fops_mmap", &place->mmap);
        if (r < 0)
                return r == -ENOENT ? "vfio is not loaded" : kernel_symbols_why(r);
        r = kernel_symbols_address(symbols, "vfio_device_fops", &place->fops);
        if (r < 0)
                return r == -ENOENT ? "kallsyms has no data (CONFIG_KALLSYMS_ALL)" : kernel_symbols_why(r);
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
        return r < 0 ? kcore_why(r) : NULL;
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

struct fact kernel_live_orders(const struct root *root, const struct hook_place *place,
                               const struct fact *hook)
{
        uint64_t value;
        int r;

        assert(root);
        assert(place);
        assert(hook);

        if (hook->value == FACT_UNKNOWN)
                return *hook;
        if (!place->order_offset)
                return fact_unknown("the layout of struct file_operations is unknown");
        r = read_member(root, place, place->order_offset, &value);
        return r < 0 ? fact_unknown(kcore_why(r)) : fact_is(value, SOURCE_KCORE);
}
