/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix-id.h"

#include <assert.h>

/* clang-format off */
static const char *const policy_table[_POLICY_MAX] = {
        [POLICY_OFF] = "off",
        [POLICY_SUGGEST] = "suggest",
        [POLICY_AUTO] = "auto",
};
/* clang-format on */
DEFINE_STRING_TABLE(policy, enum policy)

static const struct fix_type fix_types[_FIX_ID_MAX] = {
        [FIX_MODULE] = {
                .name = "module",
                .key = "Module",
                .policy = POLICY_AUTO,
                .max_policy = POLICY_AUTO,
                .does = "loads the kernel module vfio_align, which aligns the VFIO mappings of every "
                        "program",
                .price = "an out-of-tree module: the kernel is marked as tainted",
                .label = "the module",
                .toll = "taints the kernel",
                .with = "With the module vfio_align",
        },
        [FIX_EMULATOR] = {
                .name = "emulator",
                .key = "Emulator",
                .policy = POLICY_SUGGEST,
                .max_policy = POLICY_SUGGEST,
                .does = "starts the guest with an installed QEMU that aligns BARs by itself",
                .price = "another QEMU runs the guest: what was saved or migrated with the old one "
                         "may not load, and AppArmor lets libvirt run only those at the usual paths, "
                         "unless you add a rule",
                .label = "an installed QEMU that aligns",
                .toll = "another QEMU runs the guest",
                .with = "With another installed QEMU, which aligns",
        },
        [FIX_PRELOAD] = {
                .name = "preload",
                .key = "Preload",
                .policy = POLICY_SUGGEST,
                .max_policy = POLICY_SUGGEST,
                .does = "starts QEMU with LD_PRELOAD=libvfioalign-preload.so, which aligns BARs for "
                        "it",
                .price = "for one guest: libvirt marks it as tainted (custom-argv), which support "
                         "may ask about; for all: libvirt's daemon has to be restarted. SELinux "
                         "drops the variable",
                .label = "the preload library",
                .toll = "taints the guest, or restarts the daemon of libvirt",
                .with = "With the preload library",
        },
        [FIX_THP] = {
                .name = "thp",
                .key = "Thp",
                .policy = POLICY_SUGGEST,
                .max_policy = POLICY_AUTO,
                .does = "sets transparent_hugepage/enabled to always, which some kernels require for "
                        "VFIO as well",
                .price = "all programs of the host get transparent huge pages: more memory in use, "
                         "work for khugepaged",
                .label = "transparent_hugepage=always",
                .toll = "more memory in use by all programs",
                .with = "With transparent_hugepage=always",
        },
        [FIX_IOMMUFD] = {
                .name = "iommufd",
                .key = "Iommufd",
                .policy = POLICY_SUGGEST,
                .max_policy = POLICY_SUGGEST,
                .does = "maps a guest's memory through iommufd, which leaves BARs out, so none is "
                        "filled while the guest starts",
                .label = "iommufd",
                .toll = "no DMA between devices on older kernels",
                .price = "no peer-to-peer DMA between its devices before QEMU 11 on Linux 6.19; the "
                         "BARs' own pages stay as they are",
        },
        [FIX_NO_MMAP] = {
                .name = "no-mmap",
                .key = "NoMmap",
                .policy = POLICY_OFF,
                .max_policy = POLICY_SUGGEST,
                .does = "maps no BAR of a guest's devices at all (x-no-mmap): a last resort",
                .label = "x-no-mmap",
                .toll = "each access to a BAR is slow",
                .price = "every access to a BAR traps into QEMU, which is slower by far, and no "
                         "peer-to-peer DMA; libvirt marks the guest as tainted (custom-device)",
        },
};

const struct fix_type *fix_type(enum fix_id id)
{
        assert(id >= 0 && id < _FIX_ID_MAX);

        return &fix_types[id];
}

const char *fix_id_to_string(enum fix_id id)
{
        return id >= 0 && id < _FIX_ID_MAX ? fix_types[id].name : NULL;
}

enum fix_id fix_id_from_string(const char *name)
{
        for (enum fix_id id = 0; name && id < _FIX_ID_MAX; id++)
                if (streq(fix_types[id].name, name))
                        return id;
        return _FIX_ID_INVALID;
}

const char *fix_policies(enum fix_id id)
{
        return fix_type(id)->max_policy == POLICY_AUTO ? "auto, suggest or off" : "suggest or off";
}

enum fix_id fix_id_from_key(const char *key)
{
        assert(key);

        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++)
                if (streq(fix_types[id].key, key))
                        return id;
        return _FIX_ID_INVALID;
}
