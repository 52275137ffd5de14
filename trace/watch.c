/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch.h"

#include <assert.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "facts/kernel/kernel-symbols.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/root.h"

#include <trace.skel.h> /* made by the build */

/* A function that is watched: at its entry, and where `end` is not NULL at its return. */
struct function {
        const char *phase, *name;
        const char *module;    /* that has it, or NULL: the kernel itself */
        bool needs_module_btf; /* its programs use members of types that the module has */
        size_t begin, end;     /* the programs: offsets in struct trace_bpf; end: 0, there is none */
};

#define PROGRAM(name) offsetof(struct trace_bpf, progs.name)

static const struct function functions[] = {
        { "memory mapped for DMA by type1", "vfio_iommu_type1_ioctl", "vfio_iommu_type1", false,
          PROGRAM(dma_begin), PROGRAM(dma_end) },
        { "memory mapped for DMA by iommufd", "iommufd_fops_ioctl", "iommufd", false, PROGRAM(dma_begin),
          PROGRAM(dma_end) },
        { "devices opened", "vfio_pci_core_enable", "vfio_pci_core", true, PROGRAM(open_begin),
          PROGRAM(open_end) },
        { "which memory is a BAR", "vfio_pci_core_mmap", "vfio_pci_core", true, PROGRAM(region_mapped), 0 },
        { "devices reset", "__pci_reset_function_locked", NULL, false, PROGRAM(reset_begin),
          PROGRAM(reset_end) },
        { "devices reset by their bus", "pci_reset_bus", NULL, false, PROGRAM(reset_begin),
          PROGRAM(reset_end) },
};

_Static_assert(ELEMENTSOF(functions) + 1 <= TRACE_UNSEEN_MAX, "each of them, and the hook");

#define LOADS_MAX 3 /* of the programs that use members of a module's types: its BTF may appear after it */

struct trace_watch {
        struct trace_bpf *kernel; /* without types of modules */
        struct trace_bpf *module; /* with their members; NULL until the module is there */
        struct ring_buffer *ring;
        struct bpf_link *links[ELEMENTSOF(functions)][2];
        struct bpf_link *began, *ended;
        unsigned n_loads;
        bool by_fprobe; /* functions are watched without performance events */
        trace_event_t on_event;
        void *userdata;
};

static int print_nothing(enum libbpf_print_level level, const char *format, va_list ap)
{
        (void) level, (void) format, (void) ap;
        return 0;
}

static struct bpf_program *program_of(const struct trace_bpf *b, size_t offset)
{
        return *(struct bpf_program *const *) ((const char *) b + offset);
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
                return "this kernel refuses performance events to this process (kernel.perf_event_paranoid, "
                       "CAP_SYS_ADMIN), and lets no function be watched without (CONFIG_FPROBE)";
        return "this kernel lets no function be watched (CONFIG_KPROBES, CONFIG_KPROBE_EVENTS)";
}

/* --- Loading */

static void open_program(const struct trace_watch *w, struct bpf_program *p, bool load)
{
        bpf_program__set_autoload(p, load);
        if (w->by_fprobe)
                bpf_program__set_expected_attach_type(p, BPF_TRACE_KPROBE_MULTI);
}

/* Only the programs that need, or do not need, the BTF of a module. */
static int open_programs(const struct trace_watch *w, bool needs_module_btf, struct trace_bpf **ret)
{
        struct trace_bpf *b = trace_bpf__open();
        long page = sysconf(_SC_PAGESIZE);

        if (!b)
                return -errno;
        b->rodata->page_shift = (uint32_t) __builtin_ctzl((unsigned long) page);
        bpf_program__set_autoload(b->progs.process_began, !needs_module_btf);
        bpf_program__set_autoload(b->progs.process_ended, !needs_module_btf);
        for (size_t i = 0; i < ELEMENTSOF(functions); i++) {
                bool load = functions[i].needs_module_btf == needs_module_btf;

                open_program(w, program_of(b, functions[i].begin), load);
                if (functions[i].end)
                        open_program(w, program_of(b, functions[i].end), load);
        }
        *ret = b;
        return 0;
}

static int load_kernel_programs(struct trace_watch *w)
{
        int r = open_programs(w, false, &w->kernel);

        return r < 0 ? r : trace_bpf__load(w->kernel);
}

/* They write to the maps of the others. */
static int share_maps(const struct trace_bpf *of, struct trace_bpf *with)
{
        const struct {
                struct bpf_map *of, *with;
        } maps[] = {
                { of->maps.events, with->maps.events },
                { of->maps.calls, with->maps.calls },
                { of->maps.processes, with->maps.processes },
                { of->maps.executions, with->maps.executions },
        };

        for (size_t i = 0; i < ELEMENTSOF(maps); i++) {
                int r = bpf_map__reuse_fd(maps[i].with, bpf_map__fd(maps[i].of));

                if (r < 0)
                        return r;
        }
        return 0;
}

static int find_members(struct kernel_symbols *symbols, struct trace_bpf *b)
{
        uint64_t dev, pdev;
        int r;

        r = kernel_symbols_offset(symbols, "vfio_device", "dev", &dev);
        if (r < 0)
                return r;
        r = kernel_symbols_offset(symbols, "vfio_pci_core_device", "pdev", &pdev);
        if (r < 0)
                return r;
        b->rodata->vfio_device_dev = (uint32_t) dev;
        b->rodata->vfio_pci_core_device_pdev = (uint32_t) pdev;
        return 0;
}

/* Where this kernel has the members of a module's types that the programs read. */
static int set_members(struct trace_bpf *b)
{
        static const char *const no_names[] = { NULL };
        _cleanup_(root_close) struct root root = { .fd = -EBADF };
        struct kernel_symbols *symbols;
        int r;

        r = root_open(&root, NULL);
        if (r < 0)
                return r;
        r = kernel_symbols_open(&root, "vfio_pci_core", no_names, &symbols);
        if (r < 0)
                return r;
        r = find_members(symbols, b);
        kernel_symbols_close(symbols);
        return r;
}

static void load_module_programs(struct trace_watch *w)
{
        struct trace_bpf *b;

        w->n_loads++;
        if (open_programs(w, true, &b) < 0)
                return;
        if (set_members(b) < 0 || share_maps(w->kernel, b) < 0 || trace_bpf__load(b) < 0)
                trace_bpf__destroy(b);
        else
                w->module = b;
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

static bool is_attached(const struct trace_watch *w, size_t i)
{
        return w->links[i][0] && (w->links[i][1] || !functions[i].end);
}

static struct bpf_link *attach_program(const struct trace_watch *w, const struct bpf_program *p,
                                       bool at_return, const char *function)
{
        LIBBPF_OPTS(bpf_kprobe_multi_opts, opts, .syms = &function, .cnt = 1, .retprobe = at_return);

        return w->by_fprobe ? bpf_program__attach_kprobe_multi_opts(p, NULL, &opts)
                            : bpf_program__attach_kprobe(p, at_return, function);
}

/* The return first, so no call is taken for one that never returned. */
static void attach_function(struct trace_watch *w, size_t i)
{
        const struct function *f = &functions[i];
        const struct trace_bpf *b = f->needs_module_btf ? w->module : w->kernel;

        if (!b)
                return;
        if (f->end && !w->links[i][1])
                w->links[i][1] = attach_program(w, program_of(b, f->end), true, f->name);
        if (f->end && !w->links[i][1])
                return;
        w->links[i][0] = attach_program(w, program_of(b, f->begin), false, f->name);
}

/* first: a module that is built in may have no folder in /sys/module. */
static void attach_missing(struct trace_watch *w, bool first)
{
        for (size_t i = 0; i < ELEMENTSOF(functions); i++) {
                if (is_attached(w, i) || !(first || module_is_there(functions[i].module)))
                        continue;
                if (functions[i].needs_module_btf && !w->module && (first || w->n_loads <= LOADS_MAX))
                        load_module_programs(w);
                attach_function(w, i);
        }
}

static int take_event(void *userdata, void *data, size_t size)
{
        struct trace_watch *w = userdata;

        if (size == sizeof(struct trace_event))
                w->on_event(data, w->userdata);
        return 0;
}

/* Whether there is anything that can be watched; the functions of the kernel itself are on every one. */
static bool sees_nothing(const struct trace_watch *w)
{
        for (size_t i = 0; i < ELEMENTSOF(functions); i++)
                if (is_attached(w, i))
                        return false;
        return true;
}

static int watch_start(struct trace_watch *w, const char **ret_why)
{
        int r;

        w->by_fprobe = events_are_refused();
        r = load_kernel_programs(w);
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
        attach_missing(w, true);
        if (sees_nothing(w)) {
                *ret_why = reason_afterwards(w);
                return -EOPNOTSUPP;
        }
        return 0;
}

int trace_watch_new(trace_event_t on_event, void *userdata, struct trace_watch **ret, const char **ret_why)
{
        struct trace_watch *w;
        int r;

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
        for (size_t i = 0; i < ELEMENTSOF(functions); i++) {
                bpf_link__destroy(w->links[i][0]);
                bpf_link__destroy(w->links[i][1]);
        }
        bpf_link__destroy(w->began);
        bpf_link__destroy(w->ended);
        ring_buffer__free(w->ring);
        trace_bpf__destroy(w->module);
        trace_bpf__destroy(w->kernel);
        free(w);
        return NULL;
}

int trace_watch_wait(struct trace_watch *w, int milliseconds)
{
        int r;

        assert(w);
        attach_missing(w, false);
        r = ring_buffer__poll(w->ring, milliseconds);
        return r < 0 && r != -EINTR ? r : 0;
}

uint64_t trace_watch_lost(const struct trace_watch *w)
{
        assert(w);
        return w->kernel->bss->lost + (w->module ? w->module->bss->lost : 0);
}

size_t trace_watch_unseen(const struct trace_watch *w, struct trace_unseen ret[static TRACE_UNSEEN_MAX])
{
        size_t n = 0;

        assert(w);
        if (!w->began || !w->ended)
                ret[n++] = (struct trace_unseen){ "our hook", "sched_process_exec" };
        for (size_t i = 0; i < ELEMENTSOF(functions); i++)
                if (!is_attached(w, i) && module_is_there(functions[i].module))
                        ret[n++] = (struct trace_unseen){ functions[i].phase, functions[i].name };
        return n;
}
