/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "facts/kernel/kernel-symbols.h"
#include "members.h"
#include "util/file.h"
#include "util/macro.h"

#include <trace.skel.h> /* made by the build */

enum types {
        TYPES_KERNEL,
        TYPES_MODULE,  /* that come with vfio_pci_core */
        TYPES_DMA_BUF, /* that come with it where BARs are shared as dma-bufs */
};

/* A function that is watched: at its entry, and where `end` is not NULL at its return. */
struct function {
        const char *phase, *name;
        const char *module; /* that has it, or NULL: the kernel itself */
        enum types reads;   /* what its programs use members of */
        enum trace_kind kind;
        size_t begin, end; /* the programs: offsets in struct trace_bpf; end: 0, there is none */
};

#define PROGRAM(name) offsetof(struct trace_bpf, progs.name)

static const struct function functions[] = {
        { "memory mapped for DMA by type1", "vfio_iommu_type1_ioctl", "vfio_iommu_type1", TYPES_KERNEL,
          TRACE_MAP, PROGRAM(dma_begin), PROGRAM(dma_end) },
        { "memory mapped for DMA by iommufd", "iommufd_fops_ioctl", "iommufd", TYPES_KERNEL, TRACE_MAP,
          PROGRAM(dma_begin), PROGRAM(dma_end) },
        { "BARs mapped for DMA as dma-bufs", "vfio_pci_dma_buf_iommufd_map", "vfio_pci_core", TYPES_DMA_BUF,
          TRACE_MAP_FILE, PROGRAM(dma_buf_mapped), 0 },
        { "devices opened", "vfio_pci_core_enable", "vfio_pci_core", TYPES_MODULE, TRACE_OPEN,
          PROGRAM(open_begin), PROGRAM(open_end) },
        { "which memory is a BAR", "vfio_pci_core_mmap", "vfio_pci_core", TYPES_MODULE, TRACE_REGION,
          PROGRAM(region_mapped), 0 },
        { "devices reset", "__pci_reset_function_locked", NULL, TYPES_KERNEL, TRACE_RESET,
          PROGRAM(reset_begin), PROGRAM(reset_end) },
        { "devices reset by their bus", "pci_reset_bus", NULL, TYPES_KERNEL, TRACE_RESET,
          PROGRAM(reset_begin), PROGRAM(reset_end) },
};

_Static_assert(ELEMENTSOF(functions) + 1 <= TRACE_UNSEEN_MAX, "each of them, and the hook");

#define TRIES_MAX \
        5 /* for a function whose module is there: its types, or the function, may appear after it */

struct trace_watch {
        struct kernel_symbols *symbols;
        struct trace_bpf *kernel;
        struct ring_buffer *ring;
        bool attached[ELEMENTSOF(functions)], is_built_in[ELEMENTSOF(functions)];
        struct bpf_link *links[2 * ELEMENTSOF(functions)];
        size_t n_links;
        struct bpf_link *began, *ended;
        unsigned n_tries[ELEMENTSOF(functions)];
        size_t n_there;    /* functions that were there in the last round of attaching */
        bool knows_module; /* the members of its types */
        bool by_fprobe;    /* functions are watched without performance events */
        trace_event_t on_event;
        void *userdata;
};

static int print_nothing(enum libbpf_print_level level, const char *format, va_list ap)
{
        (void) level, (void) format, (void) ap;
        return 0;
}

static struct bpf_program *program_of(const struct trace_watch *w, size_t offset)
{
        return *(struct bpf_program *const *) ((const char *) w->kernel + offset);
}

/* --- What is missing */

static bool is_locked_down(void)
{
        _cleanup_free_ char *line = NULL;

        return read_line_at(AT_FDCWD, "/sys/kernel/security/lockdown", &line) >= 0 &&
               strstr(line, "[confidentiality]");
}

static const char *reason_of(int r)
{
        if (r == -ENOSYS)
                return "this kernel has no BPF (CONFIG_BPF_SYSCALL)";
        if (r == -ENOMEM)
                return "there is no memory for it";
        if (r == -ENOENT || r == -ENODATA)
                return "this kernel's description of its types lacks what the BPF programs read";
        if (r == -EPERM)
                return "this kernel refuses BPF to this process (CAP_BPF and CAP_PERFMON are needed)";
        return "this kernel does not accept the BPF programs";
}

static const char *reason_beforehand(void)
{
        if (geteuid() != 0)
                return "only root can do that";
        if (is_locked_down())
                return "the kernel is locked down (lockdown=confidentiality), and then nobody may";
        if (access("/sys/kernel/btf/vmlinux", R_OK) < 0)
                return "this kernel does not describe its types (no /sys/kernel/btf/vmlinux, "
                       "CONFIG_DEBUG_INFO_BTF)";
        return NULL;
}

/* Debian and Ubuntu have a kernel.perf_event_paranoid of 3 or more, with which no performance event is for
 * who lacks CAP_SYS_ADMIN, whatever CAP_PERFMON allows. Then links of the kind "kprobe.multi" (Linux 5.18,
 * CONFIG_FPROBE) watch functions without one. */
static bool events_are_refused(void)
{
        struct perf_event_attr attr = { .size = sizeof(attr),
                                        .type = PERF_TYPE_SOFTWARE,
                                        .config = PERF_COUNT_SW_DUMMY,
                                        .exclude_kernel = 1 };
        int fd = (int) syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);

        if (fd < 0)
                return errno == EACCES || errno == EPERM;
        close(fd);
        return false;
}

static const char *reason_afterwards(const struct trace_watch *w)
{
        if (w->by_fprobe)
                return "this kernel lets no function be watched without performance events "
                       "(CONFIG_FPROBE), and refuses these to this process: it needs CAP_SYS_ADMIN, or "
                       "'sysctl kernel.perf_event_paranoid=2'";
        return "this kernel lets no function be watched (CONFIG_KPROBES, CONFIG_KPROBE_EVENTS)";
}

/* --- Loading */

struct member {
        const char *structure, *name;
        size_t offset; /* in struct trace_members */
};

#define MEMBER(structure, name) { #structure, #name, offsetof(struct trace_members, structure##_##name) },
static const struct member kernel_members[] = { TRACE_KERNEL_MEMBERS(MEMBER) };
static const struct member module_members[] = { TRACE_MODULE_MEMBERS(MEMBER) };
static const struct member dma_buf_members[] = { TRACE_DMA_BUF_MEMBERS(MEMBER) };
#undef MEMBER

static int find_members(struct trace_watch *w, const struct member members[], size_t n)
{
        for (size_t i = 0; i < n; i++) {
                const struct member *m = &members[i];
                uint64_t offset;
                int r = kernel_symbols_offset(w->symbols, m->structure, m->name, &offset);

                if (r < 0)
                        return r;
                *(__u32 *) ((char *) &w->kernel->bss->members + m->offset) = (__u32) offset;
        }
        return 0;
}

static int load_programs(struct trace_watch *w)
{
        long page = sysconf(_SC_PAGESIZE);
        int r;

        w->kernel = trace_bpf__open();
        if (!w->kernel)
                return -errno;
        w->kernel->rodata->page_shift = (uint32_t) __builtin_ctzl((unsigned long) page);
        bpf_program__set_autoload(w->kernel->progs.any_begin, w->by_fprobe);
        bpf_program__set_autoload(w->kernel->progs.any_end, w->by_fprobe);
        for (size_t i = 0; i < ELEMENTSOF(functions); i++) {
                bpf_program__set_autoload(program_of(w, functions[i].begin), !w->by_fprobe);
                if (functions[i].end)
                        bpf_program__set_autoload(program_of(w, functions[i].end), !w->by_fprobe);
        }
        r = trace_bpf__load(w->kernel);
        if (r < 0)
                return r;
        return find_members(w, kernel_members, ELEMENTSOF(kernel_members));
}

static bool knows_types(struct trace_watch *w, enum types types)
{
        if (types == TYPES_KERNEL)
                return true;
        if (!w->knows_module) {
                kernel_symbols_refresh(w->symbols);
                w->knows_module = find_members(w, module_members, ELEMENTSOF(module_members)) >= 0;
        }
        if (types == TYPES_MODULE || !w->knows_module)
                return w->knows_module;
        return find_members(w, dma_buf_members, ELEMENTSOF(dma_buf_members)) >= 0;
}

/* --- Attaching */

static bool module_is_there(const char *module)
{
        char path[64];

        if (!module)
                return true;
        snprintf(path, sizeof(path), "/sys/module/%s", module);
        return access(path, F_OK) >= 0;
}

/* Functions that are watched together. */
struct group {
        size_t functions[ELEMENTSOF(functions)], n;
};

/* Of those of the group that have an end, or of all. NULL: there is no such function, or none of the group.
 */
static struct bpf_link *attach_by_fprobe(const struct trace_watch *w, const struct group *g, bool at_return)
{
        const char *names[ELEMENTSOF(functions)];
        __u64 kinds[ELEMENTSOF(functions)];
        LIBBPF_OPTS(bpf_kprobe_multi_opts, opts, .syms = names, .cookies = kinds, .retprobe = at_return);

        for (size_t i = 0; i < g->n; i++) {
                const struct function *f = &functions[g->functions[i]];

                if (at_return && !f->end)
                        continue;
                names[opts.cnt] = f->name;
                kinds[opts.cnt++] = f->kind;
        }
        return opts.cnt == 0 ? NULL
                             : bpf_program__attach_kprobe_multi_opts(at_return ? w->kernel->progs.any_end
                                                                               : w->kernel->progs.any_begin,
                                                                     NULL, &opts);
}

/* A group of one. */
static struct bpf_link *attach_probe(const struct trace_watch *w, const struct group *g, bool at_return)
{
        const struct function *f = &functions[g->functions[0]];
        size_t program = at_return ? f->end : f->begin;

        return program ? bpf_program__attach_kprobe(program_of(w, program), at_return, f->name) : NULL;
}

static bool group_has_end(const struct group *g)
{
        for (size_t i = 0; i < g->n; i++)
                if (functions[g->functions[i]].end)
                        return true;
        return false;
}

/* The return first, so no call is taken for one that never returned. */
static bool attach_group(struct trace_watch *w, const struct group *g)
{
        struct bpf_link *(*attach)(const struct trace_watch *, const struct group *,
                                   bool) = w->by_fprobe ? attach_by_fprobe : attach_probe;
        struct bpf_link *end = attach(w, g, true), *begin;

        if (!end && group_has_end(g))
                return false;
        begin = attach(w, g, false);
        if (!begin) {
                bpf_link__destroy(end);
                return false;
        }
        w->links[w->n_links++] = begin;
        if (end)
                w->links[w->n_links++] = end;
        for (size_t i = 0; i < g->n; i++)
                w->attached[g->functions[i]] = true;
        return true;
}

/* A module that is built in may have no folder in /sys/module; the kernel's own types have its functions
 * then. To look for one that is not there, the kernel goes through all names that it has. */
static void find_built_in(struct trace_watch *w)
{
        for (size_t i = 0; i < ELEMENTSOF(functions); i++)
                w->is_built_in[i] = !module_is_there(functions[i].module) &&
                                    kernel_symbols_btf_has_function(w->symbols, functions[i].name);
}

static bool is_there(const struct trace_watch *w, size_t i)
{
        return w->is_built_in[i] || module_is_there(functions[i].module);
}

/* For a link without performance events the kernel goes through all names that it has, however many
 * functions it is of. So they are watched together: at once where VFIO is loaded, and else when it is, and
 * no other of its modules has come since the last round. */
static bool is_time_to_link(struct trace_watch *w)
{
        bool first = w->n_there == 0, pci = false, iommu = false;
        size_t before = w->n_there;

        w->n_there = 0;
        for (size_t i = 0; i < ELEMENTSOF(functions); i++)
                if (is_there(w, i)) {
                        w->n_there++;
                        pci |= functions[i].reads == TYPES_MODULE;
                        iommu |= functions[i].kind == TRACE_MAP;
                }
        return first ? pci && iommu : (pci || iommu) && w->n_there == before;
}

/* One link of several functions fails as a whole. */
static void attach_missing(struct trace_watch *w)
{
        struct group all = {};

        if (w->by_fprobe && !is_time_to_link(w))
                return;
        for (size_t i = 0; i < ELEMENTSOF(functions); i++) {
                if (w->attached[i] || w->n_tries[i] == TRIES_MAX || !is_there(w, i))
                        continue;
                w->n_tries[i]++;
                if (knows_types(w, functions[i].reads))
                        all.functions[all.n++] = i;
        }
        if (all.n > 1 && w->by_fprobe && attach_group(w, &all))
                return;
        for (size_t i = 0; i < all.n; i++)
                (void) attach_group(w, &(struct group){ .functions = { all.functions[i] }, .n = 1 });
}

static int take_event(void *userdata, void *data, size_t size)
{
        struct trace_watch *w = userdata;

        if (size == sizeof(struct trace_event))
                w->on_event(data, w->userdata);
        return 0;
}

/* Whether there is anything that can be watched. A link of no function is refused in any case, and with
 * EOPNOTSUPP where the kernel has none of this kind; else the functions of the kernel itself tell, which are
 * on every one. */
static bool sees_nothing(const struct trace_watch *w)
{
        if (w->by_fprobe) {
                LIBBPF_OPTS(bpf_link_create_opts, none);

                return bpf_link_create(bpf_program__fd(w->kernel->progs.any_begin), 0,
                                       BPF_TRACE_KPROBE_MULTI, &none) == -EOPNOTSUPP;
        }
        for (size_t i = 0; i < ELEMENTSOF(functions); i++)
                if (w->attached[i])
                        return false;
        return true;
}

static int watch_start(struct trace_watch *w, const char **ret_why)
{
        int r;

        w->by_fprobe = events_are_refused();
        r = load_programs(w);
        if (r < 0) {
                *ret_why = reason_of(r);
                return r;
        }
        w->ring = ring_buffer__new(bpf_map__fd(w->kernel->maps.events), take_event, w, NULL);
        if (!w->ring) {
                *ret_why = reason_of(-errno);
                return -errno;
        }
        w->began = bpf_program__attach(w->kernel->progs.process_began);
        w->ended = bpf_program__attach(w->kernel->progs.process_ended);
        find_built_in(w);
        attach_missing(w);
        if (sees_nothing(w)) {
                *ret_why = reason_afterwards(w);
                return -EOPNOTSUPP;
        }
        return 0;
}

int trace_watch_new(struct kernel_symbols *symbols, trace_event_t on_event, void *userdata,
                    struct trace_watch **ret, const char **ret_why)
{
        struct trace_watch *w;
        int r;

        assert(symbols);
        assert(on_event);
        assert(ret);
        assert(ret_why);
        *ret_why = reason_beforehand();
        if (*ret_why)
                return -EOPNOTSUPP;
        libbpf_set_print(print_nothing);
        w = calloc(1, sizeof(*w));
        if (!w) {
                *ret_why = reason_of(-ENOMEM);
                return -ENOMEM;
        }
        w->symbols = symbols;
        w->on_event = on_event;
        w->userdata = userdata;
        r = watch_start(w, ret_why);
        if (r < 0) {
                trace_watch_free(w);
                return r;
        }
        *ret = w;
        return 0;
}

struct trace_watch *trace_watch_free(struct trace_watch *w)
{
        if (!w)
                return NULL;
        for (size_t i = 0; i < w->n_links; i++)
                bpf_link__destroy(w->links[i]);
        bpf_link__destroy(w->began);
        bpf_link__destroy(w->ended);
        ring_buffer__free(w->ring);
        trace_bpf__destroy(w->kernel);
        free(w);
        return NULL;
}

int trace_watch_wait(struct trace_watch *w, int milliseconds)
{
        int r;

        assert(w);
        attach_missing(w);
        r = ring_buffer__poll(w->ring, milliseconds);
        return r < 0 && r != -EINTR ? r : 0;
}

uint64_t trace_watch_lost(const struct trace_watch *w)
{
        assert(w);
        return w->kernel->bss->lost;
}

/* A kernel without dma-bufs of BARs maps none. */
static bool is_missed(const struct trace_watch *w, size_t i)
{
        return !w->attached[i] && w->n_tries[i] > 0 &&
               (functions[i].reads != TYPES_DMA_BUF ||
                kernel_symbols_btf_has_function(w->symbols, functions[i].name));
}

size_t trace_watch_unseen(const struct trace_watch *w, struct trace_unseen ret[static TRACE_UNSEEN_MAX])
{
        size_t n = 0;

        assert(w);
        if (!w->began || !w->ended)
                ret[n++] = (struct trace_unseen){ "our hook", "sched_process_exec" };
        for (size_t i = 0; i < ELEMENTSOF(functions); i++)
                if (is_missed(w, i))
                        ret[n++] = (struct trace_unseen){ functions[i].phase, functions[i].name };
        return n;
}
