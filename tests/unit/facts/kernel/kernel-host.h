/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <bpf/btf.h>

#include "facts/kernel/facts-kernel.h"
#include "fixture.h"

/* Made-up kernels, which the tests of what is read of a kernel share. */

#define THP "sys/kernel/mm/transparent_hugepage/"
#define LOADED "sys/module/vfio_pci_core/refcnt"

#define FOPS UINT64_C(0xffffffffc0a01000)
#define FOPS_MMAP UINT64_C(0xffffffffc0b00010)
#define THP_ORDERS UINT64_C(0xffffffff81774280)
#define OFFSET_MMAP 96
#define OFFSET_HOOK 152
#define OFFSET_ORDER 256

void add_function(struct btf *btf, const char *name);
void write_btf(struct fixture *f, const char *path, struct btf *btf);

/* by_leaf: it pins by page-table leaf; exempts: it has enum tva_type. */
struct btf *new_kernel_btf(bool by_leaf, bool exempts);

/* Takes the BTF. */
void write_kernel_and_module(struct fixture *f, struct btf *kernel);

/* A host on 7.x with vfio-pci loaded, where everything can be seen without privilege. */
void write_host(struct fixture *f);
struct kernel_facts read_facts(struct fixture *f);

/* /proc/kcore with two pieces of memory: vfio_device_fops, and the code that decides about THP. */
void write_kcore(struct fixture *f, uint64_t mmap, uint64_t hook, const void *code, size_t size);
struct btf *new_fops_btf(bool mapping_order);

/* A host with vfio loaded that is seen as root sees it. */
void write_seen_host(struct fixture *f, bool mapping_order);
void assert_fact(struct fact fact, enum fact_value value, enum fact_source source);
