/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bind-record.h"
#include "boot.h"
#include "claims.h"
#include "evidence.h"
#include "facts/device/device-use.h"
#include "facts/device/facts-device.h"
#include "facts/device/facts-iommu.h"
#include "facts/emulator/facts-emulator.h"
#include "facts/guest/facts-libvirt.h"
#include "facts/guest/facts-mapping.h"
#include "facts/kernel/facts-kernel.h"
#include "facts/kernel/facts-module.h"
#include "identity.h"
#include "next-kernel.h"
#include "start.h"
#include "util/process-file.h"

/* All facts of one host, read at one time. They hold no opinion: nothing in facts/ includes audit/, which
 * judges them (docs/architecture.md). */
struct host {
        const struct root *root;     /* the caller's, which has to outlive this */
        uint64_t time_usec;          /* CLOCK_REALTIME */
        const char *switched_off_by; /* static, as switched_off() says it; NULL: nothing does */
        struct identity identity;
        struct kernel_facts kernel;
        struct module_facts module;
        struct device_facts devices;
        struct iommu_facts iommu;
        struct emulator_facts emulators; /* also of the guests, and of the processes that map a device */
        struct mapping_facts mappings;
        struct libvirt_facts libvirt;
        struct device_uses uses;
        struct claims claims;
        struct bind_records binds; /* what is handed over, as vfioalign has it */
        struct fact binds_readable;
        struct boot_facts boot;
        struct next_kernel next_kernel;
        struct evidence evidence; /* empty where it cannot be read */
        struct starts starts;     /* the last start of each guest, where it was measured */
        struct unread_processes unread;
};

/* Reads everything. What cannot be seen is unknown, so that the only error is -ENOMEM. */
int host_read(struct host *h, const struct root *root);

/* The same for a daemon that has read it `before` (zeroed the first time). Of the kernel it reads only what
 * can have changed. It leaves out driver_override, because the kernel makes its reader wait for a bind or
 * unbind of the device, and one that hangs must not hang the daemon. */
int host_read_again(struct host *h, const struct root *root, const struct host *before);

/* Reads only what matters for handing over these n functions (0: all that have a record): devices (as
 * device_facts_read_bindings()), groups, uses, claims, records. Devices are those functions, the members of
 * their records, the whole IOMMU groups of both, and all VFs of these; uses are those of these devices. The
 * other facts stay zeroed. Returns 0 or -ENOMEM; on an error h is empty. */
int host_read_devices(struct host *h, const struct root *root, const bdf_t wanted[], size_t n);
void host_devices_done(struct host *h);

/* Reads only our own records, `binds` and `binds_readable`. Returns 0 or -ENOMEM. */
int host_read_binds(struct host *h);

/* Reads again, cheaply, what a fix or an operator can change: the module, THP and libvirt's daemon. Returns
 * 0, or -ENOMEM, where what cannot be read again stays as it was. */
int host_refresh(struct host *h);
void host_done(struct host *h);
