/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts-kernel.h"

#include <assert.h>

#include "facts-module.h"
#include "kernel-symbols.h"
#include "module-index.h"
#include "probe-socket.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/parse.h"

/* clang-format off */
static const char *const thp_mode_table[_THP_MODE_MAX] = {
        [THP_UNKNOWN] = "unknown",
        [THP_ALWAYS] = "always",
        [THP_MADVISE] = "madvise",
        [THP_NEVER] = "never",
};
/* clang-format on */
DEFINE_STRING_TABLE(thp_mode, enum thp_mode);

/* The questions that a recorded host answers */
#define PROBE_PMD "socket-probe pmd"
#define PROBE_PUD "socket-probe pud"
#define TAKES_MODULE "takes-module" /* "yes", or the number of the reason against it */

#define DATA_OF_EVERY_KERNEL "init_task"

#define IOMMUFD_MAPS_BAR "vfio_pci_dma_buf_iommufd_map"

/* Everything that is looked up by name, so kallsyms is read once. */
static const char *const symbol_names[] = {
        "vfio_pci_mmap_huge_fault", "vmf_insert_pfn_pmd",
        "vmf_insert_pfn_pud",       "vfio_pci_core_register_device",
        "vfio_pci_mmap_page_fault", "vfio_pci_mmap_fault",
        IOMMUFD_MAPS_BAR,           "register_kprobe",
        DATA_OF_EVERY_KERNEL,       KERNEL_LIVE_SYMBOLS,
        KERNEL_EXEMPT_SYMBOLS,      NULL,
};

DEFINE_TRIVIAL_CLEANUP(struct kernel_symbols *, kernel_symbols_close)
DEFINE_TRIVIAL_CLEANUP(struct module_index *, module_index_close)

static uint64_t read_driver_id(const struct root *root)
{
        struct stat st;

        return stat_at(root->fd, "sys/module/vfio_pci_core", &st) < 0 ? 0 : st.st_ino;
}

/* The file reads "always [madvise] never": the mode in force stands in brackets. */
static enum thp_mode read_thp_mode(const struct root *root)
{
        _cleanup_free_ char *line = NULL;
        enum thp_mode mode;
        char *open, *close;

        if (read_line_at(root->fd, "sys/kernel/mm/transparent_hugepage/enabled", &line) < 0)
                return THP_UNKNOWN;
        open = strchr(line, '[');
        close = open ? strchr(open, ']') : NULL;
        if (!close)
                return THP_UNKNOWN;
        *close = '\0';
        mode = thp_mode_from_string(open + 1);
        return mode < 0 ? THP_UNKNOWN : mode;
}

/* An older record does not have it, but the size of a huge page, if its kernel has such pages. */
static uint64_t guess_page_size(const struct root *root)
{
        uint64_t pmd;

        if (read_u64_at(root->fd, "sys/kernel/mm/transparent_hugepage/hpage_pmd_size", 10, &pmd) < 0)
                return KIB(4);
        for (uint64_t page = KIB(16); page <= KIB(64); page *= 2)
                if (page * (page / 8) == pmd)
                        return page;
        return KIB(4);
}

/* A page table fills one base page with 8-byte entries, so each size follows from the one before. */
static void read_page_sizes(struct kernel_facts *k, const struct root *root)
{
        k->page_size = root_page_size(root) ?: guess_page_size(root);
        k->pmd_size = k->page_size * (k->page_size / 8);
        k->pud_size = k->pmd_size * (k->page_size / 8);
}

/* vfio-pci is loaded or built in, so the running kernel is asked. */
static void read_huge_faults_running(struct kernel_facts *k, struct kernel_symbols *symbols)
{
        struct fact handler = kernel_symbols_has_function(symbols, "vfio_pci_mmap_huge_fault");

        k->huge_pmd = k->huge_pud = handler;
        if (handler.value != FACT_YES)
                return;
        k->huge_pmd = kernel_symbols_has_function(symbols, "vmf_insert_pfn_pmd");
        k->huge_pud = kernel_symbols_has_function(symbols, "vmf_insert_pfn_pud");
}

/* vfio-pci is not loaded, so the file that would be loaded is asked. */
static void read_huge_faults_installed(struct kernel_facts *k, struct module_index *index)
{
        /* Since 7.2 the insertion is a function of its own in vfio_pci_core, with the same imports. */
        k->huge_pmd = module_index_imports(index, "vfio_pci_core", "vmf_insert_pfn_pmd");
        k->huge_pud = module_index_imports(index, "vfio_pci_core", "vmf_insert_pfn_pud");
}

/* Without a module tree the driver can still be built in, and then shows only by its symbols. error: why the
 * modules cannot be read. */
static void read_huge_faults_without_modules(struct kernel_facts *k, struct kernel_symbols *symbols,
                                             int error)
{
        read_huge_faults_running(k, symbols);
        k->vfio = kernel_symbols_has_function(symbols, "vfio_pci_core_register_device");
        if (k->vfio.value == FACT_YES)
                return;
        k->huge_pmd = k->huge_pud = fact_unknown("vfio-pci is neither loaded nor installed");
        if (error != -ENOENT) /* there can be modules that we do not see */
                k->vfio = fact_unknown("the modules of this kernel cannot be read");
}

static void read_huge_faults(struct kernel_facts *k, const struct root *root, struct kernel_symbols *symbols)
{
        _cleanup_(module_index_closep) struct module_index *index = NULL;
        _cleanup_free_ char *file = NULL;
        int r = -ENODATA;

        if (exists_at(root->fd, "sys/module/vfio_pci_core")) {
                k->vfio = fact_is(true, SOURCE_SYSFS);
                read_huge_faults_running(k, symbols);
                return;
        }

        if (k->release)
                r = module_index_open(root, k->release, &index);
        if (r < 0) {
                read_huge_faults_without_modules(k, symbols, r);
                return;
        }
        k->vfio = module_index_has(index, "vfio_pci_core");
        file = module_index_path(index, "vfio_pci_core");
        if (file)
                read_huge_faults_installed(k, index);
        else if (k->vfio.value == FACT_YES) /* built in */
                read_huge_faults_running(k, symbols);
        else
                k->huge_pmd = k->huge_pud = fact_unknown("vfio-pci is neither loaded nor installed");
}

static struct fact read_fault_fills(struct kernel_symbols *symbols)
{
        struct fact f;

        f = kernel_symbols_has_function(symbols, "vfio_pci_mmap_page_fault");
        if (f.value == FACT_YES)
                return fact_is(false, f.source);
        f = kernel_symbols_has_function(symbols, "vfio_pci_mmap_fault");
        if (f.value == FACT_YES)
                return f;
        /* vfio-pci is not loaded. This structure came with the same series of patches. */
        f = kernel_symbols_has_member(symbols, "follow_pfnmap_args", "pfn");
        if (f.value == FACT_UNKNOWN)
                return f;
        return fact_is(f.value == FACT_NO, f.source);
}

static struct fact read_dma_buf(const struct kernel_facts *k, const struct root *root,
                                struct kernel_symbols *symbols)
{
        _cleanup_free_ char *answer = root_answer(root, "btf function " IOMMUFD_MAPS_BAR);
        struct fact f = kernel_symbols_has_function(symbols, IOMMUFD_MAPS_BAR);

        if (f.value != FACT_NO)
                return f;
        if (!root->live && !answer)
                return fact_unknown("it was not recorded");
        if (k->vfio.value == FACT_NO || exists_at(root->fd, "sys/module/vfio_pci_core"))
                return f;
        return fact_unknown("vfio-pci is not loaded");
}

static const char *const module_obstacles[] = {
        "this kernel loads no modules (CONFIG_MODULES)",
        "this kernel shows no symbols (CONFIG_KALLSYMS)",
        "this kernel has no kprobes (CONFIG_KPROBES), by which the module finds vfio's operations",
        "this kernel keeps no names of data (CONFIG_KALLSYMS_ALL), by which the module finds vfio's "
        "operations",
};

static bool kernel_lacks(struct kernel_symbols *symbols, const char *name)
{
        uint64_t address;

        return kernel_symbols_address(symbols, name, &address) == -ENOENT;
}

/* The number of what is missing on this host, or -ENOENT: nothing, or -ENODATA: /proc does not show it. */
static int find_module_obstacle(const struct root *root, struct kernel_symbols *symbols)
{
        const bool modules = exists_at(root->fd, "proc/modules");
        uint64_t address;

        if (modules && !exists_at(root->fd, "proc/kallsyms"))
                return 1;
        if (kernel_symbols_address(symbols, "register_kprobe", &address) == -ENODATA)
                return -ENODATA;
        if (!modules)
                return 0;
        if (kernel_lacks(symbols, "register_kprobe"))
                return 2;
        return kernel_lacks(symbols, DATA_OF_EVERY_KERNEL) ? 3 : -ENOENT;
}

/* A record has only what was looked for when it was made, so there the answer counts. */
static struct fact read_takes_module(const struct root *root, struct kernel_symbols *symbols)
{
        _cleanup_free_ char *answer = NULL;
        struct fact no = fact_is(false, SOURCE_KALLSYMS);
        char text[16] = "yes";
        uint64_t n;
        int obstacle;

        if (root->live) {
                obstacle = find_module_obstacle(root, symbols);
                if (obstacle == -ENODATA)
                        return fact_unknown("/proc does not show the kernel's symbols");
                if (obstacle >= 0)
                        snprintf(text, sizeof(text), "%d", obstacle);
                root_note(root, TAKES_MODULE, text);
                answer = memory_note(strdup(text));
        } else {
                answer = root_answer(root, TAKES_MODULE);
        }
        if (!answer)
                return fact_unknown("it was not recorded");
        if (streq(answer, "yes"))
                return fact_is(true, SOURCE_KALLSYMS);
        if (parse_u64(answer, 10, &n) < 0 || n >= ELEMENTSOF(module_obstacles))
                return fact_unknown("what was recorded is not known to this version");
        no.why = module_obstacles[n];
        return no;
}

/* Other files can have get_mapping_order() before VFIO's have, so struct file_operations does not decide. */
static struct fact read_mapping_order(const struct kernel_facts *k, const struct root *root,
                                      struct kernel_symbols *symbols)
{
        static const char *const members[] = {
                "get_mapping_order", "get_unmapped_area", /* the first version of the proposal, June 2025 */
        };
        struct fact f;

        for (size_t i = 0; i < ELEMENTSOF(members); i++) {
                f = kernel_symbols_has_member(symbols, "vfio_device_ops", members[i]);
                if (f.value == FACT_YES)
                        return f;
        }
        f = kernel_symbols_has_member(symbols, "file_operations", "get_mapping_order");
        return f.value == FACT_YES ? kernel_live_orders(root, &k->hook_place, &k->hook) : f;
}

static bool hook_is_ours(const struct kernel_facts *k)
{
        return k->hook_module && streq(k->hook_module, VFIO_ALIGN_MODULE);
}

bool kernel_hook_is_thp(const struct kernel_facts *k)
{
        assert(k);

        return k->hook.value == FACT_YES && !k->hook_module && k->hook_function &&
               streq(k->hook_function, "thp_get_unmapped_area");
}

/* Whether the file is the one that was loaded, as far as the kernel says (CONFIG_MODULE_SRCVERSION_ALL, or a
 * module with a version, as vfio is). */
static bool vfio_file_is_loaded(const struct root *root, struct module_index *index)
{
        _cleanup_free_ char *loaded = NULL, *file = NULL;

        if (read_line_at(root->fd, "sys/module/vfio/srcversion", &loaded) < 0)
                return true;
        return module_index_info(index, "vfio", "srcversion", &file) >= 0 && streq(file, loaded);
}

/* vfio has no other use for the function. */
static struct fact read_vfio_file(const struct kernel_facts *k, const struct root *root)
{
        _cleanup_(module_index_closep) struct module_index *index = NULL;

        if (!k->release || module_index_open(root, k->release, &index) < 0)
                return fact_unknown("the modules of this kernel cannot be read");
        if (!vfio_file_is_loaded(root, index))
                return fact_unknown("the file of vfio is not the one that is loaded");
        return module_index_imports(index, "vfio", "thp_get_unmapped_area");
}

static struct fact read_built_with_thp(const struct kernel_facts *k, const struct root *root)
{
        _cleanup_free_ char *recorded = NULL;
        enum fact_value value;
        struct fact f;

        if (k->hook.value != FACT_UNKNOWN && !hook_is_ours(k))
                return fact_is(kernel_hook_is_thp(k), k->hook.source);
        f = read_vfio_file(k, root);
        if (f.value != FACT_UNKNOWN || read_line_at(root->fd, KERNEL_HOOK_RECORD, &recorded) < 0)
                return f;
        value = fact_value_from_string(recorded);
        if (value != FACT_YES && value != FACT_NO)
                return f;
        return fact_is(value == FACT_YES, SOURCE_KCORE);
}

static struct fact read_recorded_probe(const struct root *root, const char *question)
{
        _cleanup_free_ char *answer = root_answer(root, question);

        if (!answer)
                return fact_unknown("a recorded host cannot be probed");
        return fact_is(streq(answer, "yes"), SOURCE_SOCKET_PROBE);
}

static void note_probe(const struct root *root, const char *question, const struct fact *probed)
{
        if (probed->value != FACT_UNKNOWN)
                root_note(root, question, fact_value_to_string(probed->value));
}

/* What this boot's --record-kernel has found, where the process itself could not probe. */
static void read_boot_probe(struct kernel_facts *k, const struct root *root)
{
        _cleanup_free_ char *line = NULL;
        enum fact_value pmd, pud;
        char *space;

        if (read_line_at(root->fd, KERNEL_PROBE_RECORD, &line) < 0)
                return;
        space = strchr(line, ' ');
        if (!space)
                return;
        *space = '\0';
        pmd = fact_value_from_string(line);
        pud = fact_value_from_string(space + 1);
        if ((pmd != FACT_YES && pmd != FACT_NO) || (pud != FACT_YES && pud != FACT_NO))
                return;
        k->probed_pmd = fact_is(pmd == FACT_YES, SOURCE_SOCKET_PROBE);
        k->probed_pud = fact_is(pud == FACT_YES, SOURCE_SOCKET_PROBE);
}

/* Probes the socket, or reads what is recorded of such a probe. */
static void read_probe(struct kernel_facts *k, const struct root *root)
{
        if (!root->live) {
                k->probed_pmd = read_recorded_probe(root, PROBE_PMD);
                k->probed_pud = read_recorded_probe(root, PROBE_PUD);
                return;
        }
        probe_socket(k->pmd_size, k->pud_size, &k->probed_pmd, &k->probed_pud);
        if (k->probed_pmd.value == FACT_UNKNOWN)
                read_boot_probe(k, root);
        note_probe(root, PROBE_PMD, &k->probed_pmd);
        note_probe(root, PROBE_PUD, &k->probed_pud);
}

/* Whether how vfio was built decides, because the slot is not seen or the module has it for now. */
static bool hook_gives_way(const struct kernel_facts *k)
{
        return k->hook.value == FACT_UNKNOWN || hook_is_ours(k);
}

static struct fact conclude_aligns(const struct kernel_facts *k)
{
        if (k->mapping_order.value == FACT_YES)
                return k->mapping_order;
        if (hook_gives_way(k) && k->built_with_thp.value == FACT_YES)
                return k->built_with_thp;
        if (k->hook.value == FACT_UNKNOWN)
                return k->hook;
        if (k->hook.value == FACT_YES && !k->hook_function)
                return fact_unknown("the kernel's hook is filled with a function that has no name");
        return fact_is(k->hook.value == FACT_YES && !k->hook_module, SOURCE_KCORE);
}

/* Decides where mappings land when the hook of the kernel is filled. */
static void conclude_hooked_places(struct kernel_facts *k)
{
        if (!k->hook_function) {
                k->places_pmd = k->places_pud = k->aligns;
        } else if (k->hook_module) {
                if (!hook_is_ours(k))
                        k->places_pmd = k->places_pud = fact_unknown("another module chooses the address");
        } else if (kernel_hook_is_thp(k)) {
                k->places_pmd = fact_is(true, SOURCE_KCORE);
                k->places_pud = fact_is(false, SOURCE_KCORE);
        } else {
                k->places_pmd = k->places_pud = fact_unknown(
                        "the kernel's own hook is not known to this version");
        }
}

/* Decides what follows from the hook and from mapping_order: aligns and places_*. */
static void conclude_places(struct kernel_facts *k)
{
        k->aligns = conclude_aligns(k);
        k->places_pmd = k->probed_pmd;
        k->places_pud = k->probed_pud;

        if (k->mapping_order.value == FACT_YES ||
            (k->mapping_order.value == FACT_UNKNOWN && k->hook_place.order_offset)) {
                k->places_pmd = k->places_pud = k->mapping_order;
        } else if (hook_gives_way(k) && k->built_with_thp.value == FACT_YES) {
                k->places_pmd = k->built_with_thp;
                k->places_pud = fact_is(false, k->built_with_thp.source);
        } else if (k->hook.value == FACT_YES) {
                conclude_hooked_places(k);
        }
}

int kernel_facts_read(struct kernel_facts *k, const struct root *root)
{
        _cleanup_(kernel_symbols_closep) struct kernel_symbols *symbols = NULL;
        int r;

        assert(k);
        assert(root);

        *k = (struct kernel_facts){};
        r = kernel_symbols_open(root, "vfio_pci_core", symbol_names, &symbols);
        if (r < 0)
                return r;
        (void) read_line_at(root->fd, "proc/sys/kernel/osrelease", &k->release);
        k->driver_id = read_driver_id(root);
        read_page_sizes(k, root);
        k->thp = read_thp_mode(root);

        read_huge_faults(k, root, symbols);
        k->fault_fills = read_fault_fills(symbols);
        k->dma_buf = read_dma_buf(k, root, symbols);
        k->pin_by_leaf = kernel_symbols_has_member(symbols, "follow_pfnmap_args", "addr_mask");
        k->thp_exempt = kernel_exempt_read(root, symbols);
        k->takes_module = read_takes_module(root, symbols);
        kernel_live_layout(&k->hook_place, symbols);
        r = kernel_live_hook(root, symbols, &k->hook_place, &k->hook, &k->hook_function, &k->hook_module);
        if (r < 0) {
                kernel_facts_done(k);
                return r;
        }
        k->mapping_order = read_mapping_order(k, root, symbols);
        k->built_with_thp = read_built_with_thp(k, root);
        read_probe(k, root);
        conclude_places(k);
        return 0;
}

/* Whether reading the same kernel again would show nothing new, except for what kernel_facts_refresh()
 * reads. */
static bool is_settled(const struct kernel_facts *k)
{
        const struct fact *const facts[] = {
                &k->vfio,       &k->huge_pmd,      &k->huge_pud,   &k->probed_pmd,
                &k->probed_pud, &k->mapping_order, &k->thp_exempt, &k->pin_by_leaf,
        };

        for (size_t i = 0; i < ELEMENTSOF(facts); i++)
                if (facts[i]->value == FACT_UNKNOWN)
                        return false;
        return k->driver_id && k->release;
}

int kernel_facts_read_again(struct kernel_facts *k, const struct root *root,
                            const struct kernel_facts *before)
{
        int r;

        assert(k);
        assert(root);
        assert(before);

        if (!is_settled(before) || read_driver_id(root) != before->driver_id)
                return kernel_facts_read(k, root);

        *k = *before;
        k->release = strdup(before->release);
        k->hook_function = before->hook_function ? strdup(before->hook_function) : NULL;
        k->hook_module = before->hook_module ? strdup(before->hook_module) : NULL;
        if (!k->release || (before->hook_function && !k->hook_function) ||
            (before->hook_module && !k->hook_module)) {
                kernel_facts_done(k);
                return -ENOMEM;
        }
        r = kernel_facts_refresh(k, root);
        if (r < 0)
                kernel_facts_done(k);
        return r;
}

int kernel_facts_refresh(struct kernel_facts *k, const struct root *root)
{
        _cleanup_(kernel_symbols_closep) struct kernel_symbols *symbols = NULL;
        unsigned long failures = memory_failures();
        enum thp_mode thp;
        int r;

        assert(k);
        assert(root);

        thp = read_thp_mode(root);
        r = memory_check(failures, kernel_symbols_open(root, "vfio_pci_core", symbol_names, &symbols));
        if (r < 0)
                return r;
        r = kernel_live_hook(root, symbols, &k->hook_place, &k->hook, &k->hook_function, &k->hook_module);
        if (r < 0)
                return r;
        k->thp = thp;
        conclude_places(k);
        return 0;
}

void kernel_facts_done(struct kernel_facts *k)
{
        assert(k);

        free(k->release);
        free(k->hook_function);
        free(k->hook_module);
        *k = (struct kernel_facts){};
}
