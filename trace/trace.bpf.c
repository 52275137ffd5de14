/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/* Runs in the kernel at the entry and the return of a few functions, none of which is called per fault: the
 * faults of a call are what the thread's own counter has grown by. What the events mean is worked out in
 * account.c. */
#include "event.h"
#include "members.h"

#include <asm/ptrace.h>
#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

#include <bpf/bpf_tracing.h>

/* include/uapi/linux/vfio.h and iommufd.h. Both number their calls by _IO(';', n), which has no size in it.
 */
#define CALL_TYPE (';' << 8)
enum {
        VFIO_MAP = CALL_TYPE | 113,
        VFIO_UNMAP = CALL_TYPE | 114,
        IOAS_MAP = CALL_TYPE | 0x85,
        IOAS_UNMAP = CALL_TYPE | 0x86,
        IOAS_MAP_FILE = CALL_TYPE | 0x8f,
};

struct vfio_map {
        __u32 argsz, flags;
        __u64 vaddr, iova, size;
};

struct vfio_unmap {
        __u32 argsz, flags;
        __u64 iova, size;
};

struct ioas_map {
        __u32 size, flags, ioas_id, reserved_or_fd;
        __u64 user_va_or_start, length, iova;
};

struct ioas_unmap {
        __u32 size, ioas_id;
        __u64 iova, length;
};

/* A call that has begun. A thread can be within a reset within the opening of a device. */
struct call_key {
        __u64 thread;
        __u32 kind, zero;
};

struct call {
        __u64 time, faults, argument;
        __u64 device; /* whose dma-buf is mapped: struct device */
        __u32 command, zero;
};

/* The oldest make room: a thread that dies within a call never returns from it. */
struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 8192);
        __type(key, struct call_key);
        __type(value, struct call);
} calls SEC(".maps");

/* The processes of which something was reported, so their end is, too. */
struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 4096);
        __type(key, __u32);
        __type(value, __u32); /* enum trace_kind: what reports the end */
} processes SEC(".maps");

/* When a process became the program that it runs. */
struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 4096);
        __type(key, __u32);
        __type(value, __u64);
} executions SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_RINGBUF);
        __uint(max_entries, 1 << 20);
} events SEC(".maps");

__u64 lost; /* events for which the ring had no room */
const volatile __u32 page_shift = 12;

/* Written by whoever loads this: those of the kernel before a program is attached, those of a module before
 * the programs are attached that read them. */
struct trace_members members;

/* A pointer or an unsigned long; 0 where it cannot be read. */
static __u64 read_word(__u64 structure, __u32 member)
{
        __u64 word = 0;

        bpf_probe_read_kernel(&word, sizeof(word), (const void *) (structure + member));
        return word;
}

static __u64 task_faults(void)
{
        __u64 task = bpf_get_current_task();

        return read_word(task, members.task_struct_min_flt) + read_word(task, members.task_struct_maj_flt);
}

/* Both functions that return an event are inline: Linux 6.1 does not accept that a caller checks again for
 * NULL. */
static __always_inline struct trace_event *event_new(__u32 kind)
{
        struct trace_event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
        __u64 id = bpf_get_current_pid_tgid(), *executed;
        __u32 pid = id >> 32; /* kernels up to 6.1 take no key from the ring */

        if (!e) {
                __sync_fetch_and_add(&lost, 1);
                return NULL;
        }
        __builtin_memset(e, 0, sizeof(*e));
        e->kind = kind;
        e->time = bpf_ktime_get_ns();
        e->pid = pid;
        e->tid = (__u32) id;
        executed = bpf_map_lookup_elem(&executions, &pid);
        e->started = executed
                             ? *executed
                             : read_word(read_word(bpf_get_current_task(), members.task_struct_group_leader),
                                         members.task_struct_start_time);
        bpf_get_current_comm(e->command, sizeof(e->command));
        return e;
}

static void process_note(__u32 pid, __u32 ends_as)
{
        bpf_map_update_elem(&processes, &pid, &ends_as, BPF_NOEXIST);
}

static int call_begin(__u32 kind, __u32 command, __u64 argument)
{
        struct call_key key = { .thread = bpf_get_current_pid_tgid(), .kind = kind };
        struct call call = { .command = command, .argument = argument };

        call.faults = task_faults();
        call.time = bpf_ktime_get_ns();
        bpf_map_update_elem(&calls, &key, &call, BPF_ANY);
        return 0;
}

/* The event of a call that returns, and the call itself; NULL where its beginning was not seen. */
static __always_inline struct trace_event *call_end(__u32 kind, __s32 result, struct call *ret)
{
        struct call_key key = { .thread = bpf_get_current_pid_tgid(), .kind = kind };
        struct call *call = bpf_map_lookup_elem(&calls, &key);
        struct trace_event *e;

        if (!call)
                return NULL;
        *ret = *call;
        bpf_map_delete_elem(&calls, &key);
        process_note(key.thread >> 32, TRACE_EXIT);
        e = event_new(kind);
        if (!e)
                return NULL;
        e->duration = e->time - ret->time;
        e->time = ret->time;
        e->faults = task_faults() - ret->faults;
        e->result = result;
        return e;
}

static void event_name_device(struct trace_event *e, __u64 device)
{
        __u64 name = read_word(device + members.device_kobj, members.kobject_name);

        bpf_probe_read_kernel_str(e->text, sizeof(e->text), (const void *) name);
}

/* --- Mapping for DMA: vfio_iommu_type1_ioctl() and iommufd_fops_ioctl(), which have the same arguments */

static int dma_called(unsigned int command, unsigned long argument)
{
        if (command != VFIO_MAP && command != VFIO_UNMAP && command != IOAS_MAP && command != IOAS_UNMAP &&
            command != IOAS_MAP_FILE)
                return 0;
        return call_begin(TRACE_MAP, command, argument);
}

static int dma_returned(long result)
{
        struct call call;
        struct trace_event *e = call_end(TRACE_MAP, (__s32) result, &call);
        const void *argument = (const void *) call.argument;

        if (!e)
                return 0;
        if (call.command == VFIO_MAP) {
                struct vfio_map map = {};

                bpf_probe_read_user(&map, sizeof(map), argument);
                e->address = map.vaddr;
                e->size = map.size;
        } else if (call.command == VFIO_UNMAP) {
                struct vfio_unmap unmap = {};

                bpf_probe_read_user(&unmap, sizeof(unmap), argument);
                e->kind = TRACE_UNMAP;
                e->size = unmap.size;
        } else if (call.command == IOAS_UNMAP) {
                struct ioas_unmap unmap = {};

                bpf_probe_read_user(&unmap, sizeof(unmap), argument);
                e->kind = TRACE_UNMAP;
                e->size = unmap.length;
        } else {
                struct ioas_map map = {};

                bpf_probe_read_user(&map, sizeof(map), argument);
                e->kind = call.command == IOAS_MAP ? TRACE_MAP : TRACE_MAP_FILE;
                e->address = map.user_va_or_start;
                e->size = map.length;
                if (call.device)
                        event_name_device(e, call.device);
        }
        bpf_ringbuf_submit(e, 0);
        return 0;
}

/* Within a call of IOMMU_IOAS_MAP_FILE. */
static int dma_buf_mapped_by(__u64 attachment)
{
        struct call_key key = { .thread = bpf_get_current_pid_tgid(), .kind = TRACE_MAP };
        struct call *call = bpf_map_lookup_elem(&calls, &key);
        __u64 dma_buf = read_word(attachment, members.dma_buf_attachment_dmabuf);
        __u64 device = read_word(read_word(dma_buf, members.dma_buf_priv), members.vfio_pci_dma_buf_vdev);

        if (call)
                call->device = read_word(device, members.vfio_pci_core_device_pdev) + members.pci_dev_dev;
        return 0;
}

/* --- Devices */

static int open_returned(int result)
{
        struct call call;
        struct trace_event *e = call_end(TRACE_OPEN, result, &call);

        if (!e)
                return 0;
        event_name_device(e,
                          read_word(call.argument, members.vfio_pci_core_device_pdev) + members.pci_dev_dev);
        bpf_ringbuf_submit(e, 0);
        return 0;
}

static int reset_returned(int result)
{
        struct call call;
        struct trace_event *e = call_end(TRACE_RESET, result, &call);

        if (!e)
                return 0;
        event_name_device(e, call.argument + members.pci_dev_dev);
        bpf_ringbuf_submit(e, 0);
        return 0;
}

static int region_called(__u64 device, __u64 vma)
{
        struct trace_event *e = event_new(TRACE_REGION);

        if (!e)
                return 0;
        process_note(e->pid, TRACE_EXIT);
        e->address = read_word(vma, members.vm_area_struct_vm_start);
        e->size = read_word(vma, members.vm_area_struct_vm_end) - e->address;
        e->offset = read_word(vma, members.vm_area_struct_vm_pgoff) << page_shift;
        event_name_device(e, read_word(device, members.vfio_device_dev));
        bpf_ringbuf_submit(e, 0);
        return 0;
}

/* --- The functions, each by a probe of its own. One that another one here calls is part of that one. */

SEC("kprobe")
int BPF_KPROBE(dma_begin, void *data, unsigned int command, unsigned long argument)
{
        return dma_called(command, argument);
}

SEC("kretprobe")
int BPF_KRETPROBE(dma_end, long result)
{
        return dma_returned(result);
}

SEC("kprobe")
int BPF_KPROBE(dma_buf_mapped, __u64 attachment)
{
        return dma_buf_mapped_by(attachment);
}

SEC("kprobe")
int BPF_KPROBE(open_begin, __u64 vdev)
{
        return call_begin(TRACE_OPEN, 0, vdev);
}

SEC("kretprobe")
int BPF_KRETPROBE(open_end, int result)
{
        return open_returned(result);
}

SEC("kprobe")
int BPF_KPROBE(reset_begin, __u64 pdev)
{
        return call_begin(TRACE_RESET, 0, pdev);
}

SEC("kretprobe")
int BPF_KRETPROBE(reset_end, int result)
{
        return reset_returned(result);
}

SEC("kprobe")
int BPF_KPROBE(region_mapped, __u64 device, __u64 vma)
{
        return region_called(device, vma);
}

/* --- The same, of all functions at once: the cookie says which one it is. An enum trace_kind. */

SEC("kprobe.multi")
int any_begin(struct pt_regs *ctx)
{
        __u64 kind = bpf_get_attach_cookie(ctx);

        if (kind == TRACE_MAP)
                return dma_called(PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx));
        if (kind == TRACE_MAP_FILE)
                return dma_buf_mapped_by(PT_REGS_PARM1(ctx));
        if (kind == TRACE_REGION)
                return region_called(PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx));
        return call_begin(kind, 0, PT_REGS_PARM1(ctx));
}

SEC("kretprobe.multi")
int any_end(struct pt_regs *ctx)
{
        __u64 kind = bpf_get_attach_cookie(ctx);

        if (kind == TRACE_MAP)
                return dma_returned(PT_REGS_RC(ctx));
        return kind == TRACE_OPEN ? open_returned(PT_REGS_RC(ctx)) : reset_returned(PT_REGS_RC(ctx));
}

/* --- Processes */

/* Our hook is called "vfioalignctl-hook". The kernel keeps the first 15 characters of a name. */
static bool command_is_hook(const char command[TRACE_COMMAND_MAX])
{
        static const char hook[TRACE_COMMAND_MAX] = "vfioalignctl-ho";

        for (int i = 0; i < TRACE_COMMAND_MAX; i++)
                if (command[i] != hook[i])
                        return false;
        return true;
}

SEC("raw_tp/sched_process_exec")
int process_began(void *context)
{
        char command[TRACE_COMMAND_MAX];
        __u32 pid = bpf_get_current_pid_tgid() >> 32;
        __u64 mm, start, size, now = bpf_ktime_get_ns();
        struct trace_event *e;

        (void) context;
        bpf_map_update_elem(&executions, &pid, &now, BPF_ANY);
        bpf_get_current_comm(command, sizeof(command));
        /* Anybody can call a program like that; libvirt's daemon is root. */
        if (!command_is_hook(command) || (__u32) bpf_get_current_uid_gid() != 0)
                return 0;
        e = event_new(TRACE_HOOK);
        if (!e)
                return 0;
        process_note(e->pid, TRACE_HOOK_END);
        mm = read_word(bpf_get_current_task(), members.task_struct_mm);
        start = read_word(mm, members.mm_struct_arg_start);
        size = read_word(mm, members.mm_struct_arg_end) - start;
        if (size > sizeof(e->text) - 1)
                size = sizeof(e->text) - 1;
        bpf_probe_read_user(e->text, size, (const void *) start);
        bpf_ringbuf_submit(e, 0);
        return 0;
}

SEC("raw_tp/sched_process_exit")
int process_ended(void *context)
{
        __u64 id = bpf_get_current_pid_tgid();
        __u32 pid = id >> 32, *ends_as;
        struct trace_event *e;

        (void) context;
        if (pid != (__u32) id)
                return 0;
        ends_as = bpf_map_lookup_elem(&processes, &pid);
        if (!ends_as)
                return 0;
        e = event_new(*ends_as);
        bpf_map_delete_elem(&processes, &pid);
        if (e)
                bpf_ringbuf_submit(e, 0);
        return 0;
}

char LICENSE[] SEC("license") = "GPL";
