/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "finding.h"

#include <assert.h>
#include <stdarg.h>
#include <unistd.h>

#include "config/fix-id.h"
#include "fix-command.h"
#include "util/array.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/pci-address.h"
#include "util/shell.h"

/* clang-format off */
static const char *const severity_table[_SEVERITY_MAX] = {
        [SEVERITY_INFO] = "info",
        [SEVERITY_NOTICE] = "notice",
        [SEVERITY_WARNING] = "warning",
        [SEVERITY_ERROR] = "error",
};
/* clang-format on */
DEFINE_STRING_TABLE(severity, enum severity);

static const char *const finding_table[_FINDING_MAX] = {
        [FINDING_NO_IOMMU] = "no-iommu",
        [FINDING_NO_VFIO] = "no-vfio",
        [FINDING_NO_INTERRUPT_REMAPPING] = "no-interrupt-remapping",
        [FINDING_UNSAFE_INTERRUPTS] = "unsafe-interrupts",
        [FINDING_IOMMU_SMALL_PAGES] = "iommu-small-pages",
        [FINDING_KVM_NO_GIGANTIC] = "kvm-no-gigantic",
        [FINDING_GROUP_NOT_VIABLE] = "group-not-viable",
        [FINDING_KERNEL_NO_HUGE_FAULT] = "kernel-no-huge-fault",
        [FINDING_KERNEL_ALIGNS] = "kernel-aligns",
        [FINDING_KERNEL_UNALIGNED] = "kernel-unaligned",
        [FINDING_KERNEL_PARTLY_ALIGNED] = "kernel-partly-aligned",
        [FINDING_KERNEL_PINS_PAGES] = "kernel-pins-pages",
        [FINDING_HOOK_FOREIGN] = "hook-foreign",
        [FINDING_THP_RESTRICTS] = "thp-restricts",
        [FINDING_THP_ASKS] = "thp-asks",
        [FINDING_MODULE_NOT_INSTALLED] = "module-not-installed",
        [FINDING_MODULE_NOT_LOADED] = "module-not-loaded",
        [FINDING_MODULE_DISABLED] = "module-disabled",
        [FINDING_MODULE_NOT_ALIVE] = "module-not-alive",
        [FINDING_MODULE_FORBIDDEN] = "module-forbidden",
        [FINDING_MODULE_OUTDATED] = "module-outdated",
        [FINDING_NEXT_KERNEL_NO_MODULE] = "next-kernel-no-module",
        [FINDING_DEVICE_UNAIDED] = "device-unaided",
        [FINDING_DEVICE_CLAIMED] = "device-claimed",
        [FINDING_DEVICE_IN_USE] = "device-in-use",
        [FINDING_BAR_NO_ADDRESS] = "bar-no-address",
        [FINDING_BAR_RESERVED] = "bar-reserved",
        [FINDING_BIND_IN_USE] = "bind-in-use",
        [FINDING_BIND_CONSOLE] = "bind-console",
        [FINDING_BIND_CLAIMED] = "bind-claimed",
        [FINDING_BIND_VIRTUAL_FUNCTIONS] = "bind-virtual-functions",
        [FINDING_BIND_UNREACHABLE] = "bind-unreachable",
        [FINDING_BIND_UNASSIGNABLE] = "bind-unassignable",
        [FINDING_BIND_GROUP] = "bind-group",
        [FINDING_BIND_UNSEEN] = "bind-unseen",
        [FINDING_BIND_DRIVER] = "bind-driver",
        [FINDING_BIND_BUSY] = "bind-busy",
        [FINDING_BIND_FAILED] = "bind-failed",
        [FINDING_BIND_QUARANTINED] = "bind-quarantined",
        [FINDING_BIND_LATE] = "bind-late",
        [FINDING_BIND_TAINT] = "bind-taint",
        [FINDING_EMULATOR_UNALIGNED] = "emulator-unaligned",
        [FINDING_EMULATOR_UNKNOWN] = "emulator-unknown",
        [FINDING_EMULATOR_STALE] = "emulator-stale",
        [FINDING_EMULATOR_CONTRADICTED] = "emulator-contradicted",
        [FINDING_GUEST_SMALL_PAGES] = "guest-small-pages",
        [FINDING_GUEST_DEVICE_MISSING] = "guest-device-missing",
        [FINDING_GUEST_WINDOW_SMALL] = "guest-window-small",
        [FINDING_GUEST_DAMAGED] = "guest-damaged",
        [FINDING_START_DAMAGED] = "start-damaged",
        [FINDING_HOOK_MISSING] = "hook-missing",
        [FINDING_HOOK_UNSEEN] = "hook-unseen",
        [FINDING_HOOK_FORBIDDEN] = "hook-forbidden",
        [FINDING_MAPPING_SMALL_PAGES] = "mapping-small-pages",
        [FINDING_THP_DISABLED_FOR_PROCESS] = "thp-disabled-for-process",
        [FINDING_THP_DISABLED_FOR_LIBVIRT] = "thp-disabled-for-libvirt",
        [FINDING_GUEST_RAW_DEVICE] = "guest-raw-device",
        [FINDING_GUEST_TRAPS] = "guest-traps",
        [FINDING_MAPPINGS_UNSEEN] = "mappings-unseen",
        [FINDING_MAPPINGS_OMITTED] = "mappings-omitted",
        [FINDING_PROCESS_UNREAD] = "process-unread",
        [FINDING_FACTS_UNSEEN] = "facts-unseen",
};
DEFINE_STRING_TABLE(finding, enum finding_id);

#define LARGER_PAGES (FIX_BIT(FIX_MODULE) | FIX_BIT(FIX_EMULATOR) | FIX_BIT(FIX_PRELOAD) | FIX_BIT(FIX_THP))

static const struct finding_type types[_FINDING_MAX] = {
        [FINDING_NO_IOMMU] = {
                .severity = SEVERITY_INFO,
                .text = "No active IOMMU: devices cannot be assigned to guests",
                .explanation = "No PCI function has an IOMMU group. VFIO needs an IOMMU to confine a "
                               "guest's device to the guest's own memory. It is often disabled in the "
                               "firmware (VT-d, AMD-Vi, SMMU) or, on Intel, by the kernel's default.",
                .remedy = "Enable it in the firmware; on Intel boot with intel_iommu=on",
                .message_id = "52567e8302b044d686c335bbe0cd3a9f",
        },
        [FINDING_NO_VFIO] = {
                .severity = SEVERITY_INFO,
                .text = "vfio-pci is not available for this kernel",
                .explanation = "vfio-pci is not loaded, not built in, and not among the modules of the "
                               "running kernel. Distributions that split the kernel's modules ship it in "
                               "the full package.",
                .remedy = "Install the kernel's full module package",
                .message_id = "2385c97bed374e3fb53db523fe1ed653",
        },
        [FINDING_NO_INTERRUPT_REMAPPING] = {
                .severity = SEVERITY_WARNING,
                .text = "The IOMMU does not remap interrupts, so VFIO refuses devices",
                .explanation = "Without interrupt remapping, a guest could raise any interrupt of the host "
                               "through its device. VFIO therefore refuses to attach the device (\"No "
                               "interrupt remapping support\" in the kernel log), unless the parameter "
                               "allow_unsafe_interrupts of vfio_iommu_type1 accepts the risk.",
                .remedy = "Enable interrupt remapping (x2APIC, VT-d) in the firmware; boot without "
                          "intremap=off",
                .message_id = "284ab8c3cdad43559529d6b736c1ff5c",
        },
        [FINDING_UNSAFE_INTERRUPTS] = {
                .severity = SEVERITY_NOTICE,
                .text = "VFIO is configured to let guests raise any interrupt of the host",
                .explanation = "The parameter allow_unsafe_interrupts of vfio_iommu_type1 is set, and the "
                               "IOMMU does not remap interrupts, or it is unknown whether it does. An "
                               "untrusted guest can then disturb the host through its device.",
                .remedy = "echo 0 >/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts",
                .message_id = "aa94f1b5a05e426fa068e080d7869a6b",
        },
        [FINDING_IOMMU_SMALL_PAGES] = {
                .severity = SEVERITY_NOTICE,
                .text = "The IOMMU maps device memory with 4 KiB entries only",
                .explanation = "The IOMMU reports that it has no entries of 2 MiB or 1 GiB (superpages). "
                               "The CPU can still map a BAR with large pages, but DMA between devices uses "
                               "small ones, and each mapping of the BAR takes longer.",
                .remedy = "None in software; newer hardware has superpages",
                .message_id = "76793c7d0fb54bd7b3c6bcc378610bed",
        },
        [FINDING_KVM_NO_GIGANTIC] = {
                .severity = SEVERITY_NOTICE,
                .text = "KVM cannot give guests 1 GiB pages on this CPU",
                .explanation = "The second-level page tables of this CPU have no 1 GiB entries (ept_1gb on "
                               "Intel, pdpe1gb on AMD). A BAR that the host maps with 1 GiB pages is "
                               "mapped into the guest with 2 MiB pages.",
                .remedy = "None in software; it depends on the CPU, or on the hypervisor below this host",
                .message_id = "f95786a28fe0412582d4485d7b6bc7d1",
        },
        [FINDING_GROUP_NOT_VIABLE] = {
                .severity = SEVERITY_WARNING,
                .text = "An IOMMU group is shared with a function that the host uses",
                .explanation = "VFIO takes an IOMMU group only as a whole, because its functions could "
                               "reach each other without passing the IOMMU. It refuses a group while any "
                               "of its functions is bound to a host driver. Only groups with a function "
                               "that is bound to VFIO or meant for a guest are reported, and none of which "
                               "the guest has all such functions with managed='yes'.",
                .remedy = "Bind the whole group to VFIO (vfioalignctl bind ADDRESS), give the guest all of "
                          "it (managed='yes'), or move the device to another slot",
                .message_id = "50650b6b1f1e410998a30ba4d27c188e",
        },
        [FINDING_KERNEL_NO_HUGE_FAULT] = {
                .severity = SEVERITY_NOTICE,
                .text = "This kernel maps device memory with small entries only",
                .explanation = "The address of a mapping makes no difference on this kernel. Linux has "
                               "large entries for VFIO since 6.12, where it has transparent huge pages: a "
                               "kernel with PREEMPT_RT has none. Some distributions have them in older "
                               "kernels. Up to 6.11 a BAR is filled whole at its first access; since then "
                               "each of its pages takes a fault of its own.",
                .remedy = "Boot Linux 6.12 or later without PREEMPT_RT, or a distribution kernel that has "
                          "huge page faults for VFIO",
                .message_id = "61d202d23b7a4171963cbb23ecbed6f7",
        },
        [FINDING_KERNEL_ALIGNS] = {
                .severity = SEVERITY_INFO,
                .text = "This kernel aligns VFIO mappings by itself",
                .explanation = "The kernel deliberately places VFIO mappings where large pages fit. The "
                               "vfio_align module is not needed and refuses to load.",
                .remedy = "None needed",
                .message_id = "f3d4309eafc84e92ba03c900fa204e84",
        },
        [FINDING_KERNEL_UNALIGNED] = {
                .severity = SEVERITY_WARNING,
                .text = "The kernel places VFIO mappings at addresses that fit no huge page",
                .explanation = "The kernel has large entries for VFIO, but does not choose addresses where "
                               "they fit. This is so from Linux 6.13 on, and affects every emulator that "
                               "leaves the address to the kernel (QEMU up to 9.1). A mapping can be "
                               "aligned by chance, and misaligned at the next start. The vfio_align module "
                               "makes the kernel align it.",
                .fixes = FIX_BIT(FIX_MODULE),
                .remedy = "Run guests with QEMU 9.2 or later, which aligns BARs by itself",
                .lacks = FIX_BIT(FIX_MODULE),
                .message_id = "df20b5a49d734bb4a65d5d466c1474e2",
        },
        [FINDING_KERNEL_PARTLY_ALIGNED] = {
                .severity = SEVERITY_NOTICE,
                .text = "The kernel aligns VFIO mappings to 2 MiB, never to 1 GiB",
                .explanation = "The kernel places mappings at multiples of 2 MiB, and at multiples of 1 GiB "
                               "only by chance. Linux 6.10 to 6.12 does so where the size is a multiple of "
                               "2 MiB, a side effect that Linux 6.13 removed. A kernel whose vfio has "
                               "thp_get_unmapped_area(), as proposed in June 2026, does so on purpose. The "
                               "vfio_align module aligns them to 1 GiB as well.",
                .fixes = FIX_BIT(FIX_MODULE),
                .remedy = "Run guests with QEMU 9.2 or later, which aligns BARs by itself",
                .lacks = FIX_BIT(FIX_MODULE),
                .message_id = "599248a20a6e43ce98f3987fe3e6eaad",
        },
        [FINDING_KERNEL_PINS_PAGES] = {
                .severity = SEVERITY_NOTICE,
                .text = "Mapping a BAR for DMA walks it page by page, however large its entries are",
                .explanation = "This kernel takes one step for each page, 524,288 of 4 KiB for 2 GiB, each "
                               "time the guest enables the device's memory. Alignment saves page faults, "
                               "but not these steps. Linux 6.15 and later takes one step per entry.",
                .remedy = "Boot Linux 6.15 or later",
                .message_id = "db69b51ffb234d88a614a92d258cdf01",
        },
        [FINDING_HOOK_FOREIGN] = {
                .severity = SEVERITY_WARNING,
                .text = "Another module chooses the addresses of VFIO mappings",
                .explanation = "It fills the get_unmapped_area slot of vfio_device_fops. How it chooses an "
                               "address is unknown, so the audit cannot say what a BAR gets. vfio_align "
                               "refuses to load beside it.",
                .remedy = "Find out what the module is for (modinfo), and unload it if it is not needed",
                .message_id = "cb8a3dcb22264445bb500d53d21be5cf",
        },
        [FINDING_THP_RESTRICTS] = {
                .severity = SEVERITY_WARNING,
                .text = "This kernel gives VFIO no huge pages with transparent_hugepage=never",
                .explanation = "This kernel (6.12) applies transparent_hugepage/enabled to VFIO mappings "
                               "as well, although they have nothing to do with transparent huge pages. The "
                               "setting is \"never\".",
                .fixes = FIX_BIT(FIX_THP),
                .remedy = "None needed while it would help no guest or program here",
                .lacks = FIX_BIT(FIX_THP),
                .message_id = "9b4c16f14ade43dd8be02bf95d5ffcf4",
        },
        [FINDING_THP_ASKS] = {
                .severity = SEVERITY_INFO,
                .text = "This kernel gives VFIO huge pages only to programs that ask for them",
                .explanation = "transparent_hugepage/enabled is \"madvise\", and this kernel (6.12) "
                               "applies it to VFIO mappings as well. QEMU asks for huge pages "
                               "(MADV_HUGEPAGE) for BARs as for all guest memory; another VMM may not.",
                .fixes = FIX_BIT(FIX_THP),
                .remedy = "None needed for QEMU, which asks",
                .message_id = "b3dcd90f4abe48d8ae70d4458d1fc393",
        },
        [FINDING_MODULE_NOT_INSTALLED] = {
                .severity = SEVERITY_NOTICE,
                .text = "The vfio_align module is not installed for this kernel",
                .explanation = "It is in the package vfioalign-dkms, and building it needs the kernel's "
                               "headers.",
                .remedy = "Install the package vfioalign-dkms and the kernel's headers",
                .lacks = FIX_BIT(FIX_MODULE),
                .message_id = "35c9d63efae64d838737448261c1f3b1",
        },
        [FINDING_MODULE_NOT_LOADED] = {
                .severity = SEVERITY_WARNING,
                .text = "The vfio_align module is installed but not loaded",
                .explanation = "The module would help. vfioalignd(8) loads it by itself unless Module= in "
                               "vfioalignd.conf(5) says otherwise.",
                .fixes = FIX_BIT(FIX_MODULE),
                .remedy = "None needed while it would help no guest or program here",
                .lacks = FIX_BIT(FIX_MODULE),
                .message_id = "52a648ea738844368d35f711d97c6e3b",
        },
        [FINDING_MODULE_DISABLED] = {
                .severity = SEVERITY_NOTICE,
                .text = "The vfio_align module is loaded but switched off",
                .explanation = "Its parameter \"enabled\" is off. vfioalignd(8) does not change that, "
                               "because somebody switched it off on purpose.",
                .fixes = FIX_BIT(FIX_MODULE),
                .remedy = "None needed while it would help no guest or program here",
                .message_id = "c96d03a566e246da91bad87fe5c3f235",
        },
        [FINDING_MODULE_NOT_ALIVE] = {
                .severity = SEVERITY_ERROR,
                .text = "The vfio_align module claims to be active but is not",
                .explanation = "The module is loaded and enabled, but the running kernel's slot for the "
                               "address of a VFIO mapping does not hold its function. Something has "
                               "overwritten the slot, or the module is damaged.",
                .remedy = "vfioalignctl fix revert module && vfioalignctl fix apply module; if it comes "
                          "back, report it with: vfioalignctl dump",
                .message_id = "ab3a7c8019834934819e3c78dfd6e676",
        },
        [FINDING_MODULE_FORBIDDEN] = {
                .severity = SEVERITY_WARNING,
                .text = "This host forbids loading the vfio_align module",
                .explanation = "The reason can be a kernel that was built without what the module needs, "
                               "kernel.modules_disabled, lockdown or sig_enforce without "
                               "a signature that this host accepts, a blacklist (on the kernel command "
                               "line or in modprobe.d(5)), or panic_on_taint= on the kernel command line, "
                               "which would turn the load into a panic. vfioalign does not try to load it "
                               "then.",
                .remedy = "Lift what forbids it (for Secure Boot, sign the module and enrol the key: "
                          "mokutil --import KEY, then reboot), or run guests with QEMU 9.2 or later",
                .lacks = FIX_BIT(FIX_MODULE),
                .message_id = "49fd3e72191540b8b7f352ef5d7fe01b",
        },
        [FINDING_MODULE_OUTDATED] = {
                .severity = SEVERITY_NOTICE,
                .text = "The vfio_align module is of another version than the package",
                .explanation = "After an upgrade, the module that was loaded before stays in the kernel "
                               "until it is unloaded or the host is rebooted. If DKMS has not built the "
                               "new version for this kernel, the next load takes the old file again. "
                               "Running guests keep their mappings while the module is replaced; a guest "
                               "that starts in that moment gets what the kernel chooses.",
                .remedy = "vfioalignctl fix revert module && vfioalignctl fix apply module",
                .message_id = "34d699eb85314a888488927579e0a676",
        },
        [FINDING_NEXT_KERNEL_NO_MODULE] = {
                .severity = SEVERITY_WARNING,
                .text = "The kernel that boots next has no vfio_align module that it would load",
                .explanation = "Guests here need the module, and the kernel that the boot loader starts "
                               "next does not have it: its headers are not installed, DKMS could not build "
                               "the module, or Secure Boot does not know the key that it is signed with. "
                               "After the reboot, guests would start on smaller pages. Where the boot "
                               "loader's choice is unknown, this is a notice about the newest kernel that "
                               "is installed.",
                .remedy = "Install the headers of that kernel, then: dkms autoinstall -k RELEASE",
                .message_id = "d1dce08a5b5c4d62a1afd11bbd807bd0",
        },
        [FINDING_DEVICE_UNAIDED] = {
                .severity = SEVERITY_NOTICE,
                .text = "A VFIO device is bound to plain vfio-pci, although a better driver exists",
                .explanation = "The kernel's modules.alias names a VFIO driver made for this device, the "
                               "one that libvirt would choose. Plain vfio-pci works, but lacks what the "
                               "other driver adds: live migration, or mappings of special memory.",
                .remedy = "Bind it to the driver that the detail names: vfioalignctl bind ADDRESS",
                .message_id = "de91bc8cbfa44065b99a456bdcc190d2",
        },
        [FINDING_DEVICE_CLAIMED] = {
                .severity = SEVERITY_NOTICE,
                .text = "More than one tool claims this device",
                .explanation = "driverctl, mdevctl, a module option (vfio-pci ids=), a guest's "
                               "definition or a network of libvirt that is a pool claim the same function, "
                               "and do not agree. Whichever acts last wins, and the others do not notice.",
                .remedy = "Leave the device to one of them",
                .message_id = "a4aa12738bbf420f8e288a348c783e0d",
        },
        [FINDING_DEVICE_IN_USE] = {
                .severity = SEVERITY_WARNING,
                .text = "A guest's device is in use by the host, or may be",
                .explanation = "A guest is defined with a function that the host is using. With "
                               "managed='yes', libvirt takes it from its driver when the guest starts: a "
                               "mounted disk or an active network interface then disappears, and where a "
                               "process has the device open, the start can wait for it forever. A use "
                               "that is called unknown is one that cannot be excluded.",
                .remedy = "End the use that the detail names, or give the guest another device",
                .message_id = "fa0b38c43e614fc593e0b935e1f8cbdb",
        },
        [FINDING_BAR_NO_ADDRESS] = {
                .severity = SEVERITY_WARNING,
                .text = "A BAR has no address",
                .explanation = "The firmware and the kernel found no room for it. vfio-pci cannot enable a "
                               "device in this state, so its guest does not start, or the guest lacks that "
                               "memory. Nothing is predicted for the BAR.",
                .remedy = "Switch on above 4G decoding (and Resizable BAR) in the firmware, or boot with "
                          "pci=realloc",
                .message_id = "d0da2c9dc0204fb39a1872ff71a7cc30",
        },
        [FINDING_BAR_RESERVED] = {
                .severity = SEVERITY_WARNING,
                .text = "Something else has reserved a part of a BAR",
                .explanation = "VFIO cannot map the BAR (\"can't reserve\" in the kernel's log), so the "
                               "guest does not get it, and nothing is predicted for it. Mostly it is the "
                               "framebuffer that the firmware has set up, and that no display driver has "
                               "released. /proc/iomem shows who has it.",
                .remedy = "Where it is efifb, boot with video=efifb:off; BOOTFB, simpledrm or another "
                          "framebuffer: with initcall_blacklist=sysfb_init; else remove what the detail "
                          "names",
                .message_id = "372f46955c944e058ddf97ac14fddfbc",
        },
        [FINDING_BIND_IN_USE] = {
                .severity = SEVERITY_WARNING,
                .text = "A function is in use, so its IOMMU group cannot be rebound",
                .explanation = "The kernel would take the function away from its user: a mounted file "
                               "system, a network interface with an address, a process that has its device "
                               "open, a guest. Nothing is written. Not even --force overrides this, "
                               "because the host or a guest could go down.",
                .remedy = "End the use that the detail names (unmount, remove the address, stop the "
                          "process or the guest), then try again",
                .message_id = "7d85f817c5794c2db25821c021ca2696",
        },
        [FINDING_BIND_CONSOLE] = {
                .severity = SEVERITY_WARNING,
                .text = "A function is the host's display, console or only keyboard",
                .explanation = "Without it nobody can work at the host itself: it is the display that the "
                               "firmware chose, a kernel console, or the controller of the only keyboard. "
                               "A host that is only reached over the network does not need it.",
                .remedy = "Use --force if the host needs no console",
                .message_id = "073b1fde998240efa380b64ae852e4a0",
        },
        [FINDING_BIND_CLAIMED] = {
                .severity = SEVERITY_WARNING,
                .text = "Another tool manages this function",
                .explanation = "driverctl, mdevctl, a module option (vfio-pci ids=) or libvirt manages it, "
                               "the last with managed='yes' of a guest or of a network that is a pool of "
                               "functions. Two tools that rebind one device undo each other's work, and "
                               "whichever acts last wins.",
                .remedy = "Leave it to that tool, or remove it from the file that the detail names; "
                          "--force overrides this once",
                .message_id = "1735939c017d4dd28b42ca2c073a4af0",
        },
        [FINDING_BIND_VIRTUAL_FUNCTIONS] = {
                .severity = SEVERITY_WARNING,
                .text = "A physical function has virtual functions",
                .explanation = "Its driver would remove all of them, along with whatever uses them, guests "
                               "included.",
                .remedy = "Name one of the virtual functions, or remove them first: echo 0 "
                          ">/sys/bus/pci/devices/ADDRESS/sriov_numvfs",
                .message_id = "d11a90e777174825be7518435e726317",
        },
        [FINDING_BIND_UNREACHABLE] = {
                .severity = SEVERITY_WARNING,
                .text = "A function does not respond",
                .explanation = "Its configuration space reads as all ones: it has fallen off the bus, has "
                               "no power, or hangs. A driver that touches it can hang as well.",
                .remedy = "Check the kernel log (journalctl -k); reset the slot or reboot the host to "
                          "bring it back",
                .message_id = "44995b2317ba411fb8d8f75ac2990f69",
        },
        [FINDING_BIND_UNASSIGNABLE] = {
                .severity = SEVERITY_WARNING,
                .text = "A function cannot be bound to VFIO at all",
                .explanation = "There is no function with that address, it is a bridge, or it has no IOMMU "
                               "group.",
                .remedy = "Name another function (vfioalignctl devices lists them); if it has no group, "
                          "enable the IOMMU in the firmware and on the kernel command line",
                .message_id = "bdd7af8869fe468a9d8549325fbf86f5",
        },
        [FINDING_BIND_GROUP] = {
                .severity = SEVERITY_WARNING,
                .text = "An IOMMU group has a member that cannot leave the host",
                .explanation = "VFIO takes a group only if none of its members is bound to a host driver. "
                               "A bridge or a part of the chipset in this group is, and these are never "
                               "rebound; or other functions are below one of its members (a VMD controller "
                               "and its disks), and they would vanish without its driver.",
                .remedy = "Move the device to a slot whose group it does not share; for disks behind VMD, "
                          "switch VMD off in the firmware",
                .message_id = "c772a069644a4822b6cb43ee512414f6",
        },
        [FINDING_BIND_UNSEEN] = {
                .severity = SEVERITY_WARNING,
                .text = "It is unknown whether a function is in use",
                .explanation = "What would show its use could not be read or opened, so the function is "
                               "treated as in use.",
                .remedy = "Run it as root on the host itself, outside of any container",
                .remedy_as_root = "Run it on the host itself, outside of any container, or make what the "
                                  "detail names readable",
                .message_id = "ab1b6dc9d4b240f59dbe019402a80273",
        },
        [FINDING_BIND_DRIVER] = {
                .severity = SEVERITY_WARNING,
                .text = "The driver to bind to is missing, or is not a VFIO driver",
                .explanation = "The driver that was chosen or named is not in the kernel and could not be "
                               "loaded, or it is a host driver where a VFIO driver is needed.",
                .remedy = "Load its module (modprobe), or name another driver with --driver",
                .message_id = "b77431484aba4a478df5a34ee87a8687",
        },
        [FINDING_BIND_BUSY] = {
                .severity = SEVERITY_NOTICE,
                .text = "Another operation is in progress on an IOMMU group",
                .explanation = "Another bind or unbind of the same group took longer than this one could "
                               "wait. Nothing was written.",
                .remedy = "Wait until the other one ends, then try again",
                .message_id = "77b37ffbc9794660bcccd0c6bc319aa6",
        },
        [FINDING_BIND_FAILED] = {
                .severity = SEVERITY_ERROR,
                .text = "The kernel did not do what was asked; all functions of the group are where they "
                        "were before",
                .explanation = "A write failed, or a driver did not take its function. All writes were "
                               "undone in reverse order, and the result was read back.",
                .remedy = "Check the kernel log for the cause (journalctl -k)",
                .message_id = "fd15c241d9a9461c8cb5e2cfc81a0baa",
        },
        [FINDING_BIND_QUARANTINED] = {
                .severity = SEVERITY_ERROR,
                .text = "An IOMMU group is stuck between VFIO and its drivers",
                .explanation = "A function could not be brought to its new driver or back to its old one, "
                               "a task hangs in the kernel with it, or the record of where it has to go is "
                               "damaged. vfioalign does not touch the group again unless asked.",
                .remedy = "Check the kernel log (journalctl -k), then try again: vfioalignctl unbind "
                          "ADDRESS; only a reboot ends a task that hangs in the kernel",
                .message_id = "91f1d6606a7046d7827869b9e080bec8",
        },
        [FINDING_BIND_LATE] = {
                .severity = SEVERITY_NOTICE,
                .text = "A host driver took a device before it was bound to VFIO at boot",
                .explanation = "The driver came from the initramfs, or was there before vfioalignd. It has "
                               "initialised the device, and may have used it, before the device was taken "
                               "away again. That worked this time. Where vfio-pci is a module, a "
                               "modprobe.d(5) file that is also in the initramfs lets VFIO be first; where "
                               "it is built into the kernel, vfio-pci.ids= on the kernel's command line "
                               "does.",
                .remedy = "Do what the detail says, if anything (BINDING AT BOOT in vfioalignd(8))",
                .message_id = "fb2db6ed97074acc900ecc1116b38d10",
        },
        [FINDING_BIND_TAINT] = {
                .severity = SEVERITY_ERROR,
                .text = "Binding to a named driver could panic this host",
                .explanation = "Linux from about 7.4 on marks itself as tainted when a function is bound to "
                               "a driver that was named for it, and panic_on_taint= on the kernel "
                               "command line covers marks that Linux 7.3 did not have yet. vfioalign "
                               "binds nothing then.",
                .remedy = "Boot with a mask in panic_on_taint= that has only the bits it is meant for",
                .message_id = "f8dcc860e45542adad8c6e8ddba748cf",
        },
        [FINDING_EMULATOR_UNALIGNED] = {
                .severity = SEVERITY_NOTICE,
                .text = "This emulator leaves the address of a BAR to the kernel",
                .explanation = "It asks the kernel for any address (QEMU up to 9.1, cloud-hypervisor up "
                               "to 52, crosvm), so its guests get what the kernel chooses.",
                .fixes = FIX_BIT(FIX_MODULE),
                .remedy = "Install QEMU 9.2 or later",
                .message_id = "99b9d4dcc2244c17ab5e57fe877a571b",
        },
        [FINDING_EMULATOR_UNKNOWN] = {
                .severity = SEVERITY_INFO,
                .text = "The code of this emulator does not show whether it aligns BARs",
                .explanation = "It is a script, was built for another architecture, hides its functions, "
                               "or is another program than QEMU, cloud-hypervisor and OpenVMM. "
                               "\"vfioalignctl mappings\" shows what a running guest gets; "
                               "\"vfioalignctl emulators --deep\" tries a QEMU without a device.",
                .remedy = "vfioalignctl emulators --deep",
                .message_id = "cc20fdc805cc4164abd201f30435208e",
        },
        [FINDING_EMULATOR_STALE] = {
                .severity = SEVERITY_NOTICE,
                .text = "A running guest uses an emulator that has been replaced since",
                .explanation = "The file that this process runs is gone from its path: the emulator was "
                               "upgraded while the guest ran. The guest keeps the old one until it is shut "
                               "down and started, or migrated.",
                .remedy = "When convenient, shut the guest down and start it again",
                .message_id = "5b969505ec1b46aab2be6c51546810b5",
        },
        [FINDING_EMULATOR_CONTRADICTED] = {
                .severity = SEVERITY_WARNING,
                .text = "An emulator does not behave as its code suggests",
                .explanation = "In a trial without a device (--deep), or with a guest that ran here, this "
                               "emulator placed a BAR differently from what its code shows. The "
                               "observation counts. The cause can be a preloaded library, a wrapper, or a "
                               "wrong analysis.",
                .remedy = "Report it with the emulator's build id: vfioalignctl emulators --output "
                          "EMULATOR,BUILD-ID",
                .message_id = "36ca2e83de9647b4891c27781ac3dd37",
        },
        [FINDING_GUEST_SMALL_PAGES] = {
                .severity = SEVERITY_WARNING,
                .text = "This guest's BARs will get smaller pages than they could have",
                .explanation = "This is predicted from the facts about the guest's emulator and devices. "
                               "The guest waits at its start for the page faults that fill its BARs, and "
                               "for the steps that map them for DMA.",
                .fixes = LARGER_PAGES,
                .remedy = "vfioalignctl explain --guest GUEST",
                .message_id = "91434a59cd8447d09d640da0226b643b",
        },
        [FINDING_GUEST_DEVICE_MISSING] = {
                .severity = SEVERITY_WARNING,
                .text = "A guest is defined with a device that this host does not have",
                .explanation = "The domain names a PCI function that does not exist, so the guest will not "
                               "start. Addresses change when cards are added, and virtual functions are "
                               "gone after a reboot.",
                .remedy = "Correct the address: virsh edit GUEST",
                .message_id = "b99477d1c57c4c5aa59085bbd47e8535",
        },
        [FINDING_GUEST_WINDOW_SMALL] = {
                .severity = SEVERITY_WARNING,
                .text = "A guest's 64-bit window is too small for its BARs",
                .explanation = "The BARs of the guest's devices do not fit into the address space that its "
                               "firmware reserves for 64-bit BARs. A BAR that finds no place is unusable "
                               "in the guest (\"can't assign; no space\").",
                .remedy = "For OVMF, set opt/ovmf/X-PciMmio64Mb, by <sysinfo type='fwcfg'> or -fw_cfg; or "
                          "widen the guest's addresses to the host's; or give it fewer of these devices",
                .message_id = "f4d7334aea164bcea8c0c53aff1814f7",
        },
        [FINDING_GUEST_DAMAGED] = {
                .severity = SEVERITY_WARNING,
                .text = "The XML file of a guest or of a network is damaged",
                .explanation = "No parser can read the file: it is empty, cut off or garbled. libvirt skips "
                               "it when it starts. Which devices its guest or network has is unknown, so "
                               "nothing is predicted for that guest, and a bind cannot spare the devices. "
                               "All others are judged as usual.",
                .remedy = "Define the guest again with virsh define, the network with virsh net-define; "
                          "virsh dumpxml and net-dumpxml have its XML until libvirt's daemon is "
                          "restarted, and a backup of the file has it afterwards",
                .message_id = "21e3aefd4ecc491eb8728364ee509ae9",
        },
        [FINDING_START_DAMAGED] = {
                .severity = SEVERITY_NOTICE,
                .text = "What was measured of a guest's last start is damaged",
                .explanation = "vfioalign keeps the last starts of each guest in files that it writes whole "
                               "or not at all. This one cannot be read as such: it is cut off, garbled or "
                               "too large. How long the last start took is unknown then; nothing else "
                               "depends on it, and the next start is measured as usual.",
                .remedy = "Remove the file, and look for what damages files on this disk",
                .message_id = "04df2d35ba304fcb895e45c1921ded76",
        },
        [FINDING_HOOK_MISSING] = {
                .severity = SEVERITY_NOTICE,
                .text = "libvirt is installed but the vfioalign hook is not",
                .explanation = "Without /etc/libvirt/hooks/qemu.d/50-vfioalignd, libvirt does not ask "
                               "vfioalignd(8) before a guest starts. The module still helps all guests, "
                               "but only an audit finds a guest that falls short.",
                .remedy = "Install or reinstall the package vfioalignd",
                .message_id = "a109325d8adf482e9a8541f8c62bb6a0",
        },
        [FINDING_HOOK_UNSEEN] = {
                .severity = SEVERITY_WARNING,
                .text = "libvirt's daemon was started before the hook was installed and does not call it",
                .explanation = "libvirt looks for hooks only when its daemon starts or is reloaded. Until "
                               "then, guests start without being checked.",
                .remedy = "systemctl reload libvirtd (or virtqemud)",
                .message_id = "782014fcfe754027a5b1b239fb5f8cc1",
        },
        [FINDING_HOOK_FORBIDDEN] = {
                .severity = SEVERITY_WARNING,
                .text = "libvirt's daemon is kept from running the vfioalign hook",
                .explanation = "SELinux, from Fedora 40 and RHEL 10 on, lets the daemon run hooks only with "
                               "the boolean virt_hooks_unconfined, which is off by default, and only where "
                               "/etc/libvirt/hooks has its label. AppArmor needs a rule for that "
                               "directory, which the profiles of Debian and Ubuntu have. A daemon in a "
                               "container (kolla, KubeVirt) sees the hooks of the container. Guests then "
                               "start without being checked, or libvirt does not start them because it "
                               "cannot run the hook. The module helps them all the same.",
                .remedy = "Let the daemon run the hook (the detail names what does not)",
                .message_id = "fa2441bcb6854ffa8a8d75ade784bda6",
        },
        [FINDING_MAPPING_SMALL_PAGES] = {
                .severity = SEVERITY_WARNING,
                .text = "A BAR is mapped in smaller pages than it could have",
                .explanation = "The address, or this host, does not allow the pages that the size of the "
                               "BAR does. The mapping stays as it is while the process runs.",
                .fixes = LARGER_PAGES,
                .remedy = "Fix the cause that this report names, then shut the guest down and start it "
                          "again",
                .message_id = "ea28228f2e3b4853b373557f5807527b",
        },
        [FINDING_THP_DISABLED_FOR_PROCESS] = {
                .severity = SEVERITY_WARNING,
                .text = "A process that maps a BAR has huge pages disabled",
                .explanation = "PR_SET_THP_DISABLE is in force for this process (THP_enabled: 0 in its "
                               "status), possibly inherited from its parent. The kernel then fills its "
                               "BARs with 4 KiB pages, wherever they are mapped.",
                .remedy = "Find what sets it (prctl(2) in libvirt's daemon or in a wrapper), then shut the "
                          "guest down and start it again",
                .message_id = "e75533c7b60c48f4b991bdadb11e3b85",
        },
        [FINDING_THP_DISABLED_FOR_LIBVIRT] = {
                .severity = SEVERITY_WARNING,
                .text = "libvirt's daemon has huge pages disabled, and its guests inherit that",
                .explanation = "PR_SET_THP_DISABLE is in force for libvirt's daemon (THP_enabled: 0 in its "
                               "status). Every guest that it starts inherits it, and the kernel then fills "
                               "the guest's BARs with 4 KiB pages, wherever they are mapped.",
                .remedy = "Find what starts the daemon that way (a wrapper, a container runtime), fix it, "
                          "and restart the daemon",
                .message_id = "7a50a3fe2a014166b4d894d9fff3f911",
        },
        [FINDING_GUEST_RAW_DEVICE] = {
                .severity = SEVERITY_INFO,
                .text = "A guest gets a VFIO device without libvirt's knowledge",
                .explanation = "The domain passes the device to QEMU with <qemu:commandline>. libvirt "
                               "neither binds it nor keeps other guests from using it.",
                .remedy = "Use <hostdev> instead of the argument",
                .message_id = "8ceace46e50140e8861b3076f18ea784",
        },
        [FINDING_GUEST_TRAPS] = {
                .severity = SEVERITY_INFO,
                .text = "A guest's device is not mapped at all (x-no-mmap)",
                .explanation = "x-no-mmap=on makes QEMU trap every access to the device's BARs. The start "
                               "takes no page faults, but every access is slow, and devices cannot reach "
                               "each other's BARs.",
                .remedy = "Remove x-no-mmap once the host aligns BARs",
                .message_id = "6b263df86c0848af98430b55b027ac7e",
        },
        [FINDING_MAPPINGS_UNSEEN] = {
                .severity = SEVERITY_INFO,
                .text = "The mappings of some processes could not be read",
                .explanation = "Only root, or a process with CAP_SYS_PTRACE, may see the mappings of other "
                               "processes.",
                .remedy = "Run the audit as root; for a recorded host, make the recording as root",
                .remedy_as_root = "Run the audit on the host itself, outside of any container; a sandbox "
                                  "can take CAP_SYS_PTRACE from root, too",
                .message_id = "c687c5fbe2bc479bb33d0045375632ee",
        },
        [FINDING_MAPPINGS_OMITTED] = {
                .severity = SEVERITY_NOTICE,
                .text = "A process has more mappings or descriptors than are shown",
                .explanation = "Of one process 1,024 mappings and 4,096 descriptors are looked at, and of "
                               "one user other than root 4,096 mappings. A guest has a few for each device, "
                               "so a process with more is not one, or means to fill the memory of its "
                               "readers.",
                .remedy = "Find out what the process does, and end it if it has no business with VFIO",
                .message_id = "2172186c5e6b427f8913d6a2644b0c2d",
        },
        [FINDING_PROCESS_UNREAD] = {
                .severity = SEVERITY_NOTICE,
                .text = "A process did not answer in time",
                .explanation = "What a process has mapped could not be read, because the kernel waits for "
                               "something in that process: a BAR that takes long to pin, a file server that "
                               "does not answer, or memory that was made to stall whoever looks at it. The "
                               "process was left out. All others are shown, unless the time for the "
                               "processes of users other than root was over before they were asked.",
                .remedy = "Look at the process's /proc/PID/stack; end it if it should not be there",
                .message_id = "b710accc697d42639ce617671220291b",
        },
        [FINDING_FACTS_UNSEEN] = {
                .severity = SEVERITY_INFO,
                .text = "Some facts could not be determined",
                .explanation = "The detail names what could not be read, and why. The audit goes on "
                               "without it, and answers \"unknown\" where it would decide.",
                .remedy = "Run the audit as root; for a recorded host, make the recording as root",
                .remedy_as_root = "Mend what the detail names, where it matters; in a container, run the "
                                  "audit on the host itself",
                .message_id = "6a76cf99560c4c368df30e13ddde0084",
        },
};

const struct finding_type *finding_type(enum finding_id id)
{
        return id >= 0 && id < _FINDING_MAX ? &types[id] : NULL;
}

/* The names of the fixes in a set, as "module, thp". */
static char *fix_names(unsigned fixes)
{
        _cleanup_free_ char *names = NULL;

        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++) {
                _cleanup_free_ char *before = NULL;

                if (!(fixes & FIX_BIT(id)))
                        continue;
                before = TAKE_PTR(names);
                if (asprintf(&names, "%s%s%s", before ?: "", before ? ", " : "", fix_id_to_string(id)) < 0) {
                        names = NULL;
                        return NULL;
                }
        }
        return TAKE_PTR(names);
}

char *finding_type_remedy(const struct finding_type *type)
{
        _cleanup_free_ char *names = NULL;
        char *text;

        assert(type);

        if (type->fixes == 0)
                return strdup(type->remedy);
        names = fix_names(type->fixes);
        if (!names || asprintf(&text,
                               strchr(names, ',') ? "The first of these fixes that helps: %s; otherwise: %s"
                                                  : "The fix %s, if it helps; otherwise: %s",
                               names, type->remedy) < 0)
                return NULL;
        return text;
}

/* Puts the subject where the text says GUEST, or ADDRESS where it is one. */
static char *remedy_for_subject(const char *remedy, const char *subject)
{
        const char *name = "GUEST", *word = subject ? strstr(remedy, name) : NULL;
        _cleanup_free_ char *argument = NULL;
        bdf_t bdf;
        char *text;

        if (subject && !word && bdf_parse(subject, bdf) >= 0) {
                name = "ADDRESS";
                word = strstr(remedy, name);
        }
        if (!word)
                return strdup(remedy);
        argument = shell_argument(subject);
        if (!argument ||
            asprintf(&text, "%.*s%s%s", (int) (word - remedy), remedy, argument, word + strlen(name)) < 0)
                return NULL;
        return text;
}

const char *finding_remedy_text(enum finding_id id)
{
        assert(id >= 0 && id < _FINDING_MAX);

        return geteuid() == 0 && types[id].remedy_as_root ? types[id].remedy_as_root : types[id].remedy;
}

char *finding_remedy(const struct finding *f)
{
        assert(f);

        if (f->fixes != 0)
                return fix_command(f->fixes, f->guest);
        if (f->remedy_here)
                return strdup(f->remedy_here);
        if (f->remedy)
                return remedy_for_subject(f->remedy, f->subject);
        return remedy_for_subject(f->recorded ? types[f->id].remedy : finding_remedy_text(f->id),
                                  f->subject);
}

int findings_add(struct findings *f, enum finding_id id, const char *subject, const char *format, ...)
{
        struct finding *finding;
        va_list args;

        assert(f);
        assert(id >= 0 && id < _FINDING_MAX);

        finding = array_append(f->findings, f->n_findings);
        if (!finding)
                return -ENOMEM;
        finding->id = id;
        finding->severity = types[id].severity;
        finding->costs = -1;
        if (subject) {
                finding->subject = strdup(subject);
                if (!finding->subject)
                        return -ENOMEM;
        }
        if (!format)
                return 0;
        va_start(args, format);
        finding->detail = memory_vformat(format, args);
        va_end(args);
        return finding->detail ? 0 : -ENOMEM;
}

void findings_done(struct findings *f)
{
        for (size_t i = 0; i < f->n_findings; i++) {
                free(f->findings[i].guest);
                free(f->findings[i].subject);
                free(f->findings[i].detail);
                free(f->findings[i].remedy_here);
                free(f->findings[i].costs_guest);
        }
        free(f->findings);
        *f = (struct findings){};
}

enum severity findings_severity(const struct findings *f)
{
        enum severity worst = SEVERITY_INFO;

        assert(f);

        for (size_t i = 0; i < f->n_findings; i++)
                if (f->findings[i].severity > worst)
                        worst = f->findings[i].severity;
        return worst;
}
