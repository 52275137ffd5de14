/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix.h"

#include <assert.h>

#include "audit/what-if.h"
#include "fix-module.h"
#include "fix-thp.h"
#include "preload.h"

static const struct fix fixes[_FIX_ID_MAX] = {
        [FIX_MODULE] = {
                .id = FIX_MODULE,
                .does = "loads the kernel module vfio_align, which aligns the VFIO mappings of every program",
                .price = "an out-of-tree module: the kernel is marked as tainted",
                .state = fix_module_state,
                .run = fix_module,
        },
        [FIX_EMULATOR] = {
                .id = FIX_EMULATOR,
                .does = "starts the guest with an installed QEMU that aligns BARs by itself",
                .price = "another QEMU runs the guest: what was saved or migrated with the old one may not come back, and AppArmor "
                         "lets libvirt run only those at the usual paths without a rule of yours",
        },
        [FIX_PRELOAD] = {
                .id = FIX_PRELOAD,
                .does = "starts QEMU with LD_PRELOAD=libvfioalign-preload.so, which aligns BARs for it",
                .price = "for one guest: libvirt marks it as tainted (custom-argv), which support may ask about; for all: libvirt's "
                         "daemon has to be restarted. SELinux drops the variable",
                .state = fix_preload_state,
                .run = fix_preload,
        },
        [FIX_THP] = {
                .id = FIX_THP,
                .does = "sets transparent_hugepage/enabled to always, which this kernel asks for VFIO as well",
                .price = "all programs of the host get transparent huge pages: more memory in use, work for khugepaged",
                .state = fix_thp_state,
                .run = fix_thp,
        },
        [FIX_IOMMUFD] = {
                .id = FIX_IOMMUFD,
                .does = "maps a guest's memory through iommufd, which leaves BARs out, so that none is filled while it starts",
                .price = "no peer-to-peer DMA between its devices before QEMU 11 on Linux 6.19; the BARs' own pages stay as they are",
        },
        [FIX_NO_MMAP] = {
                .id = FIX_NO_MMAP,
                .does = "maps no BAR of a guest's devices at all (x-no-mmap): a last resort",
                .price = "every access to a BAR traps into QEMU, which is slower by far, and no peer-to-peer DMA; libvirt marks the "
                         "guest as tainted (custom-device)",
        },
};

const struct fix *fix_get(enum fix_id id)
{
        assert(id >= 0 && id < _FIX_ID_MAX);

        return &fixes[id];
}

unsigned fixes_choose(const struct host *h, const struct guest *g, const struct config *c,
                      enum policy at_least)
{
        struct help help;
        unsigned allowed = 0;

        assert(h);
        assert(c);

        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++)
                if (c->fixes[id] >= at_least)
                        allowed |= FIX_BIT(id);
        help = g ? help_guest(h, g, NULL) : help_host(h);
        return help_choose(&help, allowed);
}
