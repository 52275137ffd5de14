/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
#pragma once

#include <linux/types.h>

/* What trace.bpf.c reads of the kernel's structures, and where the running kernel has it, in bytes. watch.c
 * reads that from /sys/kernel/btf. libbpf could do it, but then it reads all types of the kernel once more;
 * and for the types of a module it needs CAP_SYS_ADMIN, and the module before the programs are loaded. */

#define TRACE_KERNEL_MEMBERS(member) \
        member(task_struct, min_flt) member(task_struct, maj_flt) member(task_struct, start_time) \
                member(task_struct, group_leader) member(task_struct, mm) member(mm_struct, arg_start) \
                        member(mm_struct, arg_end) member(kobject, name) member(device, kobj) \
                                member(pci_dev, dev) member(vm_area_struct, vm_start) \
                                        member(vm_area_struct, vm_end) member(vm_area_struct, vm_pgoff)

#define TRACE_MODULE_MEMBERS(member) member(vfio_device, dev) member(vfio_pci_core_device, pdev)

/* Of kernels that share BARs as dma-bufs (Linux 6.19, CONFIG_VFIO_PCI_DMABUF). */
#define TRACE_DMA_BUF_MEMBERS(member) \
        member(vfio_pci_dma_buf, vdev) member(dma_buf_attachment, dmabuf) member(dma_buf, priv)

struct trace_members {
#define MEMBER(structure, name) __u32 structure##_##name;
        TRACE_KERNEL_MEMBERS(MEMBER)
        TRACE_MODULE_MEMBERS(MEMBER)
        TRACE_DMA_BUF_MEMBERS(MEMBER)
#undef MEMBER
};
