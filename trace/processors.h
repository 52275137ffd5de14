/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "account.h"
#include "util/root.h"

/* The threads of a VMM that run its guest's processors, told by their names: "CPU 0/KVM" (QEMU, where
 * libvirt starts it), "vcpu0" (Cloud Hypervisor), "crosvm_vcpu0". From /proc/PID/task, without anything that
 * waits for the process. Leaves *ret as it is where there is none. Returns 0 or -ENOMEM. */
int trace_processors_read(const struct root *root, pid_t pid, struct trace_processors *ret);
