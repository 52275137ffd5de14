/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix.h"

#include "audit/guest-cost.h"
#include "emulator-fit.h"
#include "fix-module.h"
#include "fix-thp.h"
#include "preload.h"
#include "util/macro.h"

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
                .of_guest = true,
                .does = "starts the guest with an installed QEMU that aligns BARs by itself",
                .price = "another QEMU runs the guest: what was saved or migrated with the old one may not come back, and AppArmor "
                         "lets libvirt run only those at the usual paths without a rule of yours",
        },
        [FIX_PRELOAD] = {
                .id = FIX_PRELOAD,
                .of_guest = true,
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
                .of_guest = true,
                .does = "maps a guest's memory through iommufd, which leaves BARs out, so that none is filled while it starts",
                .price = "no peer-to-peer DMA between its devices before QEMU 11 on Linux 6.19; the BARs' own pages stay as they are",
        },
        [FIX_NO_MMAP] = {
                .id = FIX_NO_MMAP,
                .of_guest = true,
                .does = "maps no BAR of a guest's devices at all (x-no-mmap): a last resort",
                .price = "every access to a BAR traps into QEMU, which is slower by far, and no peer-to-peer DMA; libvirt marks the "
                         "guest as tainted (custom-device)",
        },
};

const struct fix *fix_get(enum fix_id id)
{
        return &fixes[id];
}

/* What each fix changes of the facts that decide. Those that are not here change no page size. */
static bool assume(enum fix_id id, const struct emulator *better, struct kernel_facts *k, struct module_facts *m,
                   struct placer *placer)
{
        switch (id) {
        case FIX_MODULE:
                return remedy_assume(REMEDY_MODULE, k, m, placer);
        case FIX_EMULATOR:
                if (!better)
                        return false;
                *placer = placer_emulator(better);
                return true;
        case FIX_PRELOAD:
                return remedy_assume(REMEDY_PRELOAD, k, m, placer);
        case FIX_THP:
                return remedy_assume(REMEDY_THP, k, m, placer);
        default:
                return false;
        }
}

/* Whether it gives a BAR of that size more than it has now. */
static bool helps_bar(enum fix_id id, const struct emulator *better, const struct host *h, struct placer placer,
                      uint64_t size)
{
        const struct area whole = {.region_size = size, .size = size};
        struct verdict now = verdict_area(&h->kernel, &h->module, placer, &whole), then;
        struct kernel_facts k = h->kernel;
        struct module_facts m = h->module;

        if (!assume(id, better, &k, &m, &placer))
                return false;
        then = verdict_area(&k, &m, placer, &whole);
        if (then.limit == CONDITION_UNKNOWN)
                /* What limits it next cannot be seen; that this limit goes is sure. */
                return now.limit == CONDITION_PLACEMENT && id == FIX_MODULE;
        return then.page_size > now.page_size;
}

static bool helps_device(enum fix_id id, const struct emulator *better, const struct host *h, struct placer placer,
                         const struct device *d)
{
        for (size_t i = 0; i < d->n_bars; i++)
                if (helps_bar(id, better, h, placer, d->bars[i].size))
                        return true;
        return false;
}

static bool helps_guest(enum fix_id id, const struct emulator *better, const struct host *h, const struct guest *g)
{
        struct placer placer = guest_placer(h, g);

        for (size_t i = 0; i < g->n_hostdevs; i++) {
                const struct hostdev *hostdev = &g->hostdevs[i];
                const struct device *d = device_facts_find(&h->devices, hostdev->bdf);

                if (d && !hostdev->no_mmap && hostdev->kind != HOSTDEV_NVME && helps_device(id, better, h, placer, d))
                        return true;
        }
        return false;
}

const struct emulator *fix_better_emulator(const struct host *h, const struct guest *g)
{
        const struct emulator *now = guest_emulator(h, g);

        for (size_t i = 0; i < h->emulators.n_emulators; i++) {
                const struct emulator *e = &h->emulators.emulators[i];

                if (e != now && e->generation >= GENERATION_PER_AREA && helps_guest(FIX_EMULATOR, e, h, g) &&
                    emulator_fits_guest(h->root, e, g))
                        return e;
        }
        return NULL;
}

bool fix_helps(const struct fix *fix, const struct host *h, const struct guest *g)
{
        if (g && fix->id == FIX_EMULATOR)
                return fix_better_emulator(h, g);
        if (g)
                return helps_guest(fix->id, NULL, h, g);
        for (size_t i = 0; i < h->devices.n_devices; i++) {
                const struct device *d = &h->devices.devices[i];

                if (device_is_assignable(d) && helps_device(fix->id, NULL, h, PLACER_PROGRAM, d))
                        return true;
        }
        return false;
}

const struct fix *fix_find(const struct host *h, const struct guest *g, const struct config *c, enum policy at_least)
{
        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++)
                if (c->fixes[id] >= at_least && fix_helps(&fixes[id], h, g))
                        return &fixes[id];
        return NULL;
}
