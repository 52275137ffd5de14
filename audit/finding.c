/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "finding.h"

#include <assert.h>
#include <stdarg.h>

#include "config/fix-id.h"
#include "fix-command.h"
#include "util/array.h"
#include "util/macro.h"
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
        [FINDING_DEVICE_UNAIDED] = "device-unaided",
        [FINDING_DEVICE_CLAIMED] = "device-claimed",
        [FINDING_DEVICE_IN_USE] = "device-in-use",
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
        [FINDING_EMULATOR_UNALIGNED] = "emulator-unaligned",
        [FINDING_EMULATOR_UNKNOWN] = "emulator-unknown",
        [FINDING_EMULATOR_STALE] = "emulator-stale",
        [FINDING_EMULATOR_CONTRADICTED] = "emulator-contradicted",
        [FINDING_GUEST_SMALL_PAGES] = "guest-small-pages",
        [FINDING_GUEST_DEVICE_MISSING] = "guest-device-missing",
        [FINDING_GUEST_WINDOW_SMALL] = "guest-window-small",
        [FINDING_HOOK_MISSING] = "hook-missing",
        [FINDING_HOOK_UNSEEN] = "hook-unseen",
        [FINDING_MAPPING_SMALL_PAGES] = "mapping-small-pages",
        [FINDING_THP_DISABLED_FOR_PROCESS] = "thp-disabled-for-process",
        [FINDING_THP_DISABLED_FOR_LIBVIRT] = "thp-disabled-for-libvirt",
        [FINDING_GUEST_RAW_DEVICE] = "guest-raw-device",
        [FINDING_GUEST_TRAPS] = "guest-traps",
        [FINDING_MAPPINGS_UNSEEN] = "mappings-unseen",
        [FINDING_FACTS_UNSEEN] = "facts-unseen",
};
DEFINE_STRING_TABLE(finding, enum finding_id);

#define LARGER_PAGES (FIX_BIT(FIX_MODULE) | FIX_BIT(FIX_EMULATOR) | FIX_BIT(FIX_PRELOAD) | FIX_BIT(FIX_THP))

static const struct finding_type types[_FINDING_MAX] = {
        [FINDING_NO_IOMMU] = {
                .severity = SEVERITY_INFO,
                .text = "No IOMMU is at work, so that no device can be handed to a guest",
                .explanation = "No PCI function has an IOMMU group. VFIO needs an IOMMU to keep a guest's "
                               "device away from the memory of others. It is often switched off in the "
                               "firmware (VT-d, AMD-Vi, SMMU) or, on Intel, by the kernel's default.",
                .remedy = "Enable it in the firmware; on Intel boot with intel_iommu=on",
                .message_id = "52567e8302b044d686c335bbe0cd3a9f",
        },
        [FINDING_NO_VFIO] = {
                .severity = SEVERITY_INFO,
                .text = "This kernel has no vfio-pci, neither loaded nor installed",
                .explanation = "vfio-pci is neither loaded, nor built in, nor among the modules of the "
                               "running kernel. Distributions that split the kernel's modules have it in "
                               "the full package.",
                .remedy = "Install the kernel's full module package",
                .message_id = "2385c97bed374e3fb53db523fe1ed653",
        },
        [FINDING_NO_INTERRUPT_REMAPPING] = {
                .severity = SEVERITY_WARNING,
                .text = "The IOMMU does not remap interrupts, so that VFIO refuses devices",
                .explanation = "Without interrupt remapping a guest could raise any interrupt of the host "
                               "through its device. VFIO therefore refuses to attach the device (\"No "
                               "interrupt remapping support\" in the kernel's log), unless the parameter "
                               "allow_unsafe_interrupts of vfio_iommu_type1 accepts the danger.",
                .remedy = "Enable interrupt remapping (x2APIC, VT-d) in the firmware; boot without intremap=off",
                .message_id = "284ab8c3cdad43559529d6b736c1ff5c",
        },
        [FINDING_UNSAFE_INTERRUPTS] = {
                .severity = SEVERITY_NOTICE,
                .text = "VFIO is told to accept that guests can raise any interrupt",
                .explanation = "The parameter allow_unsafe_interrupts of vfio_iommu_type1 is set on a host "
                               "whose IOMMU does not remap interrupts, or where that cannot be seen. A "
                               "guest that is not trusted can then disturb the host through its device.",
                .remedy = "echo 0 >/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts",
                .message_id = "aa94f1b5a05e426fa068e080d7869a6b",
        },
        [FINDING_IOMMU_SMALL_PAGES] = {
                .severity = SEVERITY_NOTICE,
                .text = "The IOMMU maps device memory with 4 KiB entries only",
                .explanation = "The IOMMU says that it has no entries of 2 MiB or 1 GiB (superpages). The "
                               "CPU's side of a BAR can still have large pages; DMA between devices goes by "
                               "small ones, and each mapping of the BAR takes longer.",
                .remedy = "None in software; newer hardware has superpages",
                .message_id = "76793c7d0fb54bd7b3c6bcc378610bed",
        },
        [FINDING_KVM_NO_GIGANTIC] = {
                .severity = SEVERITY_NOTICE,
                .text = "KVM cannot give guests 1 GiB pages on this CPU",
                .explanation = "The second-level page tables of this CPU have no 1 GiB entries (ept_1gb on "
                               "Intel, pdpe1gb on AMD). A BAR that the host maps by 1 GiB reaches the guest "
                               "by 2 MiB.",
                .remedy = "None in software; the CPU, or the hypervisor below, decides",
                .message_id = "f95786a28fe0412582d4485d7b6bc7d1",
        },
        [FINDING_GROUP_NOT_VIABLE] = {
                .severity = SEVERITY_WARNING,
                .text = "An IOMMU group is shared with a function that the host uses",
                .explanation = "All functions of an IOMMU group go to VFIO together, or none: they could "
                               "reach each other past the IOMMU. VFIO refuses a group of which one member "
                               "is bound to a driver of the host. Only groups are named here of which a "
                               "member is bound to VFIO, or meant for a guest.",
                .remedy = "Bind the whole group to VFIO (vfioalignctl bind ADDRESS), or put the device into another slot",
                .message_id = "50650b6b1f1e410998a30ba4d27c188e",
        },
        [FINDING_KERNEL_NO_HUGE_FAULT] = {
                .severity = SEVERITY_NOTICE,
                .text = "This kernel maps device memory with 4 KiB entries only",
                .explanation = "This kernel maps device memory with entries of 4 KiB only, wherever a "
                               "mapping is. It fills a whole BAR at its first access. Linux has large "
                               "entries for VFIO since 6.12, some distributions in older ones.",
                .remedy = "Boot a kernel of 6.12 or later, or a distribution kernel that carries huge VFIO faults",
                .message_id = "61d202d23b7a4171963cbb23ecbed6f7",
        },
        [FINDING_KERNEL_ALIGNS] = {
                .severity = SEVERITY_INFO,
                .text = "This kernel aligns VFIO mappings by itself",
                .explanation = "The kernel places the mappings of VFIO devices where large pages fit, on "
                               "purpose. The module vfio_align is not needed, and refuses to load.",
                .remedy = "None needed",
                .message_id = "f3d4309eafc84e92ba03c900fa204e84",
        },
        [FINDING_KERNEL_UNALIGNED] = {
                .severity = SEVERITY_WARNING,
                .text = "The kernel puts VFIO mappings at addresses that fit no huge page",
                .explanation = "The kernel has large entries for VFIO, and puts mappings at addresses that "
                               "fit none. That is so in Linux from 6.13 on, and concerns every emulator "
                               "that leaves the address to the kernel (QEMU up to 9.1). A mapping can land "
                               "well by chance, and badly at the next start. The module vfio_align makes "
                               "the kernel choose well.",
                .fixes = FIX_BIT(FIX_MODULE),
                .remedy = "Run guests with QEMU 9.2 or later, which aligns BARs by itself",
                .lacks = FIX_BIT(FIX_MODULE),
                .message_id = "df20b5a49d734bb4a65d5d466c1474e2",
        },
        [FINDING_KERNEL_PARTLY_ALIGNED] = {
                .severity = SEVERITY_NOTICE,
                .text = "The kernel aligns VFIO mappings to 2 MiB by accident, never to 1 GiB",
                .explanation = "The kernel (6.10 to 6.12) puts mappings whose size is a multiple of 2 MiB "
                               "at multiples of 2 MiB, by an accident that later kernels mended, and at "
                               "multiples of 1 GiB only by chance. The module vfio_align adds the latter.",
                .fixes = FIX_BIT(FIX_MODULE),
                .remedy = "Run guests with QEMU 9.2 or later, which aligns BARs by itself",
                .lacks = FIX_BIT(FIX_MODULE),
                .message_id = "599248a20a6e43ce98f3987fe3e6eaad",
        },
        [FINDING_KERNEL_PINS_PAGES] = {
                .severity = SEVERITY_NOTICE,
                .text = "Mapping a BAR for DMA walks it page by page, however large its entries are",
                .explanation = "When a BAR is mapped for DMA, this kernel walks it in steps of the smallest "
                               "page, however large its entries are: 524,288 steps for 2 GiB, at each time "
                               "that the guest enables the device's memory. Alignment then saves page "
                               "faults, and not these steps. Linux 6.15 goes by entry.",
                .remedy = "Boot a kernel of 6.15 or later",
                .message_id = "db69b51ffb234d88a614a92d258cdf01",
        },
        [FINDING_HOOK_FOREIGN] = {
                .severity = SEVERITY_WARNING,
                .text = "Something else than the kernel or vfio_align chooses the addresses of VFIO mappings",
                .explanation = "The get_unmapped_area slot of vfio_device_fops is filled by another module. "
                               "What that module does to an address is not known, so that the audit cannot "
                               "say what a BAR gets. vfio_align refuses to load beside it.",
                .remedy = "Find out what the module is for: modinfo, and unload it if it is not wanted",
                .message_id = "cb8a3dcb22264445bb500d53d21be5cf",
        },
        [FINDING_THP_RESTRICTS] = {
                .severity = SEVERITY_WARNING,
                .text = "This kernel gives VFIO no huge pages with transparent_hugepage=never",
                .explanation = "This kernel (6.12) fills a VFIO mapping with large entries only as "
                               "transparent_hugepage/enabled says, although they have nothing to do with "
                               "transparent huge pages. It says \"never\".",
                .fixes = FIX_BIT(FIX_THP),
                .remedy = "None needed while no guest or program here gains by it",
                .lacks = FIX_BIT(FIX_THP),
                .message_id = "9b4c16f14ade43dd8be02bf95d5ffcf4",
        },
        [FINDING_THP_ASKS] = {
                .severity = SEVERITY_INFO,
                .text = "This kernel gives VFIO huge pages only to programs that ask for them",
                .explanation = "transparent_hugepage/enabled is \"madvise\", and this kernel (6.12) goes by "
                               "it for VFIO mappings, too. QEMU asks for huge pages for a BAR as for all "
                               "memory of a guest (MADV_HUGEPAGE); another VMM may not.",
                .fixes = FIX_BIT(FIX_THP),
                .remedy = "None needed for QEMU, which asks",
                .message_id = "b3dcd90f4abe48d8ae70d4458d1fc393",
        },
        [FINDING_MODULE_NOT_INSTALLED] = {
                .severity = SEVERITY_NOTICE,
                .text = "The module vfio_align is not installed for this kernel",
                .explanation = "The module vfio_align is not built for the running kernel. It is in the "
                               "package vfioalign-dkms, and needs the headers of the kernel.",
                .remedy = "Install the package vfioalign-dkms and the kernel's headers",
                .lacks = FIX_BIT(FIX_MODULE),
                .message_id = "35c9d63efae64d838737448261c1f3b1",
        },
        [FINDING_MODULE_NOT_LOADED] = {
                .severity = SEVERITY_WARNING,
                .text = "The module vfio_align is installed, and not loaded",
                .explanation = "The module would help, and is not loaded. vfioalignd(8) loads it by itself "
                               "unless Module= in vfioalignd.conf(5) says otherwise.",
                .fixes = FIX_BIT(FIX_MODULE),
                .remedy = "None needed while no guest or program here gains by it",
                .lacks = FIX_BIT(FIX_MODULE),
                .message_id = "52a648ea738844368d35f711d97c6e3b",
        },
        [FINDING_MODULE_DISABLED] = {
                .severity = SEVERITY_NOTICE,
                .text = "The module vfio_align is loaded, and switched off",
                .explanation = "The module is loaded, and its parameter \"enabled\" is off. vfioalignd(8) "
                               "leaves that to whoever switched it off.",
                .fixes = FIX_BIT(FIX_MODULE),
                .remedy = "None needed while no guest or program here gains by it",
                .message_id = "c96d03a566e246da91bad87fe5c3f235",
        },
        [FINDING_MODULE_NOT_ALIVE] = {
                .severity = SEVERITY_ERROR,
                .text = "The module vfio_align says that it is at work, and is not",
                .explanation = "The module is loaded and enabled, but the kernel's slot for the address of "
                               "a VFIO mapping does not hold its function: read back from the running "
                               "kernel. Something has overwritten it, or the module is damaged.",
                .remedy = "vfioalignctl fix revert module && vfioalignctl fix apply module; if it comes back, report it with: vfioalignctl dump",
                .message_id = "ab3a7c8019834934819e3c78dfd6e676",
        },
        [FINDING_MODULE_FORBIDDEN] = {
                .severity = SEVERITY_WARNING,
                .text = "This host forbids loading the module vfio_align",
                .explanation = "Something forbids loading the module: kernel.modules_disabled, a lockdown "
                               "or sig_enforce without a signature that this host accepts, a blacklist (on "
                               "the kernel command line or in modprobe.d(5)), or panic_on_taint= on the "
                               "kernel command line, which would make the load end in a panic. It is not "
                               "tried then.",
                .remedy = "Lift what forbids it, or run guests with QEMU 9.2 or later",
                .lacks = FIX_BIT(FIX_MODULE),
                .message_id = "49fd3e72191540b8b7f352ef5d7fe01b",
        },
        [FINDING_DEVICE_UNAIDED] = {
                .severity = SEVERITY_NOTICE,
                .text = "A VFIO device is bound to plain vfio-pci, though it has a better driver",
                .explanation = "The modules of this kernel have a VFIO driver made for this device "
                               "(modules.alias), as libvirt would choose it. Plain vfio-pci works, and "
                               "loses what the other adds: live migration, or mappings of special memory.",
                .remedy = "Bind it to the driver that the detail names: vfioalignctl bind ADDRESS",
                .message_id = "de91bc8cbfa44065b99a456bdcc190d2",
        },
        [FINDING_DEVICE_CLAIMED] = {
                .severity = SEVERITY_NOTICE,
                .text = "More than one tool claims this device",
                .explanation = "driverctl, mdevctl, a module option (vfio-pci ids=) or a guest's definition "
                               "claim the same function. Whichever acts last wins, and the others do not "
                               "know.",
                .remedy = "Leave the device to one of them",
                .message_id = "a4aa12738bbf420f8e288a348c783e0d",
        },
        [FINDING_DEVICE_IN_USE] = {
                .severity = SEVERITY_WARNING,
                .text = "A guest's device is in use by the host",
                .explanation = "A guest is defined with a function that the host itself uses now. With "
                               "managed='yes' libvirt takes it from its driver when the guest starts: a "
                               "mounted disk or the network's interface is gone then.",
                .remedy = "Take what the detail names off the device, or give the guest another one",
                .message_id = "fa0b38c43e614fc593e0b935e1f8cbdb",
        },
        [FINDING_BIND_IN_USE] = {
                .severity = SEVERITY_WARNING,
                .text = "A function is in use, so that its IOMMU group cannot be handed over",
                .explanation = "The kernel would take the function away from whoever uses it: a mounted "
                               "file system, a network interface with an address, a process that has its "
                               "device open, a guest. Nothing is written then. Nothing goes past this, as "
                               "the host or a guest could go down.",
                .remedy = "End the use that the detail names (unmount, take the address off, stop the process or the guest), then try again",
                .message_id = "7d85f817c5794c2db25821c021ca2696",
        },
        [FINDING_BIND_CONSOLE] = {
                .severity = SEVERITY_WARNING,
                .text = "A function is the host's display, console or only keyboard",
                .explanation = "Without it nobody can work at this host any more: it is the display that "
                               "the firmware chose, a console of the kernel, or the controller of the only "
                               "keyboard. A host that is reached by the network only does without.",
                .remedy = "Give the option --force where the host needs no console",
                .message_id = "073b1fde998240efa380b64ae852e4a0",
        },
        [FINDING_BIND_CLAIMED] = {
                .severity = SEVERITY_WARNING,
                .text = "Another tool has been told to handle this function",
                .explanation = "driverctl, mdevctl, a module option (vfio-pci ids=) or libvirt "
                               "(managed='yes') has this function in its hands. Two that rebind one device "
                               "undo each other's work, and the device stays with whichever acts last.",
                .remedy = "Leave it to that tool, or take it out of the file that the detail names; --force goes past this once",
                .message_id = "1735939c017d4dd28b42ca2c073a4af0",
        },
        [FINDING_BIND_VIRTUAL_FUNCTIONS] = {
                .severity = SEVERITY_WARNING,
                .text = "A physical function has virtual functions",
                .explanation = "Its driver would remove them all, together with whatever uses them, guests "
                               "included.",
                .remedy = "Hand over one of the virtual functions, or remove them first: echo 0 >/sys/bus/pci/devices/ADDRESS/sriov_numvfs",
                .message_id = "d11a90e777174825be7518435e726317",
        },
        [FINDING_BIND_UNREACHABLE] = {
                .severity = SEVERITY_WARNING,
                .text = "A function does not answer",
                .explanation = "Its configuration space reads all ones: it has fallen off the bus, is "
                               "without power, or hangs. Drivers that touch such a device can hang with "
                               "it.",
                .remedy = "Look at the kernel's log (journalctl -k); a reset of the slot or of the host brings it back",
                .message_id = "44995b2317ba411fb8d8f75ac2990f69",
        },
        [FINDING_BIND_UNASSIGNABLE] = {
                .severity = SEVERITY_WARNING,
                .text = "A function cannot be handed over at all",
                .explanation = "There is no function with that address, it is a bridge, or it is in no "
                               "IOMMU group, so that VFIO cannot take it.",
                .remedy = "Name another function (vfioalignctl devices lists them); no group: switch the IOMMU on, in the firmware and on the kernel's command line",
                .message_id = "bdd7af8869fe468a9d8549325fbf86f5",
        },
        [FINDING_BIND_GROUP] = {
                .severity = SEVERITY_WARNING,
                .text = "An IOMMU group has a member that cannot leave the host",
                .explanation = "VFIO takes a group only where no member is bound to a driver of the host. "
                               "This group has a bridge or a part of the chipset that is, and these are "
                               "never rebound.",
                .remedy = "Put the device into another slot, whose group it does not share",
                .message_id = "c772a069644a4822b6cb43ee512414f6",
        },
        [FINDING_BIND_UNSEEN] = {
                .severity = SEVERITY_WARNING,
                .text = "It cannot be seen whether a function is in use",
                .explanation = "What would show its use could not be read or opened, so that the function "
                               "is taken for used.",
                .remedy = "Run it as root on the host itself, outside of any container",
                .message_id = "ab1b6dc9d4b240f59dbe019402a80273",
        },
        [FINDING_BIND_DRIVER] = {
                .severity = SEVERITY_WARNING,
                .text = "The driver to bind is not there, or none that VFIO has",
                .explanation = "The driver that was chosen or named is not in the kernel and could not be "
                               "loaded, or is a driver of the host where a VFIO driver is wanted.",
                .remedy = "Load its module (modprobe), or name another with --driver",
                .message_id = "b77431484aba4a478df5a34ee87a8687",
        },
        [FINDING_BIND_BUSY] = {
                .severity = SEVERITY_NOTICE,
                .text = "An IOMMU group is in the hands of another operation",
                .explanation = "Another bind or unbind of the same group was under way for longer than "
                               "this one could wait. Nothing was written.",
                .remedy = "Wait for the other one to end, then try again",
                .message_id = "77b37ffbc9794660bcccd0c6bc319aa6",
        },
        [FINDING_BIND_FAILED] = {
                .severity = SEVERITY_ERROR,
                .text = "The kernel did not do what was asked; all functions of the group are where they were before",
                .explanation = "A write failed, or a driver did not take its function. What had been "
                               "written was taken back, in reverse, and read back.",
                .remedy = "The kernel's log says why (journalctl -k)",
                .message_id = "fd15c241d9a9461c8cb5e2cfc81a0baa",
        },
        [FINDING_BIND_QUARANTINED] = {
                .severity = SEVERITY_ERROR,
                .text = "An IOMMU group is neither with VFIO nor back with its drivers",
                .explanation = "A function could be brought neither where it should go nor back where it "
                               "was, or a task hangs in the kernel with it. Nobody touches the group by "
                               "itself any more.",
                .remedy = "See the kernel's log (journalctl -k), then try again: vfioalignctl unbind ADDRESS; a task that hangs in the kernel ends with a reboot only",
                .message_id = "91f1d6606a7046d7827869b9e080bec8",
        },
        [FINDING_BIND_LATE] = {
                .severity = SEVERITY_NOTICE,
                .text = "A device that is to be bound at boot was taken by a driver of the host first",
                .explanation = "The driver came from the initramfs, or was there before vfioalignd: it has "
                               "initialised the device, and may have used it, before it was taken away "
                               "again. That worked this time. A modprobe.d(5) file that is in the "
                               "initramfs as well lets VFIO be first.",
                .remedy = "Write the lines that the detail names, if it has any, then make the initramfs anew (update-initramfs -u, dracut -f)",
                .message_id = "fb2db6ed97074acc900ecc1116b38d10",
        },
        [FINDING_EMULATOR_UNALIGNED] = {
                .severity = SEVERITY_NOTICE,
                .text = "This emulator leaves the address of a BAR to the kernel",
                .explanation = "The code of this emulator asks the kernel for any address for a BAR (QEMU "
                               "up to 9.1), so that its guests get what the kernel chooses.",
                .fixes = FIX_BIT(FIX_MODULE),
                .remedy = "Install QEMU 9.2 or later",
                .message_id = "99b9d4dcc2244c17ab5e57fe877a571b",
        },
        [FINDING_EMULATOR_UNKNOWN] = {
                .severity = SEVERITY_INFO,
                .text = "Whether this emulator aligns BARs cannot be seen in its code",
                .explanation = "The code of this emulator does not show how it places BARs: it is a script, "
                               "for another architecture, or hides its functions. What a guest gets can be "
                               "seen when it runs, by \"vfioalignctl mappings\"; what the emulator does can "
                               "be tried without a device, by \"vfioalignctl emulators --deep\".",
                .remedy = "vfioalignctl emulators --deep",
                .message_id = "cc20fdc805cc4164abd201f30435208e",
        },
        [FINDING_EMULATOR_STALE] = {
                .severity = SEVERITY_NOTICE,
                .text = "A running guest uses an emulator that has been replaced since",
                .explanation = "The file that this process runs is gone from its path: the emulator was "
                               "upgraded while the guest ran. The guest keeps what it has until it is "
                               "started anew, or migrated.",
                .remedy = "Start the guest anew when it suits",
                .message_id = "5b969505ec1b46aab2be6c51546810b5",
        },
        [FINDING_EMULATOR_CONTRADICTED] = {
                .severity = SEVERITY_WARNING,
                .text = "An emulator does something else than its code shows",
                .explanation = "Tried without a device (--deep), or seen under a guest that ran here, this emulator "
                               "placed a BAR in another way than the analysis of its code had found. What "
                               "was observed counts. A library that is preloaded, or a wrapper, can be the "
                               "cause; or the analysis is wrong.",
                .remedy = "Report it with the emulator's build id: vfioalignctl emulators --output EMULATOR,BUILD-ID",
                .message_id = "36ca2e83de9647b4891c27781ac3dd37",
        },
        [FINDING_GUEST_SMALL_PAGES] = {
                .severity = SEVERITY_WARNING,
                .text = "This guest's BARs will get smaller pages than they could have",
                .explanation = "Foretold from the facts for the guest's emulator and its devices: the page "
                               "faults, and the steps of mapping for DMA, that it takes to fill its BARs. "
                               "The guest waits for them while it starts.",
                .fixes = LARGER_PAGES,
                .remedy = "vfioalignctl explain GUEST",
                .message_id = "91434a59cd8447d09d640da0226b643b",
        },
        [FINDING_GUEST_DEVICE_MISSING] = {
                .severity = SEVERITY_WARNING,
                .text = "A guest is defined with a device that this host does not have",
                .explanation = "The domain names a PCI function that is not there: the guest will not "
                               "start. Cards move when others are plugged, and virtual functions are gone "
                               "after a boot.",
                .remedy = "virsh edit GUEST, and correct the address",
                .message_id = "b99477d1c57c4c5aa59085bbd47e8535",
        },
        [FINDING_GUEST_WINDOW_SMALL] = {
                .severity = SEVERITY_WARNING,
                .text = "A guest's 64-bit window is too small for its BARs",
                .explanation = "The BARs of the guest's devices do not fit into the address space that its "
                               "firmware gives to 64-bit devices. A BAR that finds no place is dead in the "
                               "guest (\"can't assign; no space\").",
                .remedy = "Raise <pcihole64> of the guest's PCI root, or X-PciMmio64Mb of OVMF",
                .message_id = "f4d7334aea164bcea8c0c53aff1814f7",
        },
        [FINDING_HOOK_MISSING] = {
                .severity = SEVERITY_NOTICE,
                .text = "libvirt is installed, and our hook is not",
                .explanation = "Without /etc/libvirt/hooks/qemu.d/50-vfioalignd nobody asks vfioalignd(8) "
                               "before a guest starts. The module still helps all guests; a guest that "
                               "falls short is found only by an audit.",
                .remedy = "Install the package vfioalignd, or set it up anew",
                .message_id = "a109325d8adf482e9a8541f8c62bb6a0",
        },
        [FINDING_HOOK_UNSEEN] = {
                .severity = SEVERITY_WARNING,
                .text = "libvirt's daemon runs since before our hook was there, and does not call it",
                .explanation = "libvirt looks for hooks when its daemon starts, and not again. Guests that "
                               "start now start unseen.",
                .remedy = "systemctl reload libvirtd (or virtqemud)",
                .message_id = "782014fcfe754027a5b1b239fb5f8cc1",
        },
        [FINDING_MAPPING_SMALL_PAGES] = {
                .severity = SEVERITY_WARNING,
                .text = "A BAR is mapped in smaller pages than it could have",
                .explanation = "A process maps a BAR at an address, or on a host, where it gets smaller "
                               "pages than its size allows. The mapping stays as it is for the life of the "
                               "process: fix the cause, then start the guest anew.",
                .fixes = LARGER_PAGES,
                .remedy = "Apply what this report names, then start the guest anew",
                .message_id = "ea28228f2e3b4853b373557f5807527b",
        },
        [FINDING_THP_DISABLED_FOR_PROCESS] = {
                .severity = SEVERITY_WARNING,
                .text = "A process that maps a BAR has huge pages switched off for itself",
                .explanation = "PR_SET_THP_DISABLE is in force in this process (THP_enabled: 0 in its "
                               "status), perhaps inherited from who started it. The kernel then fills its "
                               "BARs by 4 KiB, wherever they are.",
                .remedy = "Find who sets it (prctl of libvirt's daemon or of a wrapper), then start the guest anew",
                .message_id = "e75533c7b60c48f4b991bdadb11e3b85",
        },
        [FINDING_THP_DISABLED_FOR_LIBVIRT] = {
                .severity = SEVERITY_WARNING,
                .text = "libvirt's daemon has huge pages switched off, and its guests inherit that",
                .explanation = "PR_SET_THP_DISABLE is in force in libvirt's daemon (THP_enabled: 0 in its "
                               "status). Every guest that it starts inherits it, and the kernel then fills "
                               "its BARs by 4 KiB, wherever they are.",
                .remedy = "Find what starts the daemon so (a wrapper, a container's runtime), and restart it",
                .message_id = "7a50a3fe2a014166b4d894d9fff3f911",
        },
        [FINDING_GUEST_RAW_DEVICE] = {
                .severity = SEVERITY_INFO,
                .text = "A guest is given a VFIO device behind libvirt's back",
                .explanation = "The domain hands the device to QEMU by <qemu:commandline>. libvirt neither "
                               "binds it nor keeps other guests from it.",
                .remedy = "Use <hostdev> in place of the argument",
                .message_id = "8ceace46e50140e8861b3076f18ea784",
        },
        [FINDING_GUEST_TRAPS] = {
                .severity = SEVERITY_INFO,
                .text = "A guest's device is not mapped at all (x-no-mmap)",
                .explanation = "x-no-mmap=on makes QEMU trap every access to the device's BARs. There are "
                               "no page faults at the start, and every access is slow; devices cannot reach "
                               "each other's BARs.",
                .remedy = "Take x-no-mmap away once the host aligns BARs",
                .message_id = "6b263df86c0848af98430b55b027ac7e",
        },
        [FINDING_MAPPINGS_UNSEEN] = {
                .severity = SEVERITY_INFO,
                .text = "The mappings of some processes could not be looked at",
                .explanation = "Only root, or a process with CAP_SYS_PTRACE, may see the mappings of "
                               "others.",
                .remedy = "Run the audit as root",
                .message_id = "c687c5fbe2bc479bb33d0045375632ee",
        },
        [FINDING_FACTS_UNSEEN] = {
                .severity = SEVERITY_INFO,
                .text = "Some facts could not be seen",
                .explanation = "What decides over the pages could not be read: the detail names it, and "
                               "why. The audit goes on with what is left, and says \"unknown\" where an "
                               "answer needs it.",
                .remedy = "Run the audit as root; on a recorded host, record it as root",
                .message_id = "6a76cf99560c4c368df30e13ddde0084",
        },
};

const struct finding_type *finding_type(enum finding_id id)
{
        return id >= 0 && id < _FINDING_MAX ? &types[id] : NULL;
}

/* The names of a set, as "module, thp". */
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
                               strchr(names, ',') ? "The first that helps of the fixes %s; else: %s"
                                                  : "The fix %s, where it helps; else: %s",
                               names, type->remedy) < 0)
                return NULL;
        return text;
}

/* The subject replaces the word GUEST. */
static char *remedy_for_subject(const char *remedy, const char *subject)
{
        const char *word = subject ? strstr(remedy, "GUEST") : NULL;
        _cleanup_free_ char *argument = NULL;
        char *text;

        if (!word)
                return strdup(remedy);
        argument = shell_argument(subject);
        if (!argument ||
            asprintf(&text, "%.*s%s%s", (int) (word - remedy), remedy, argument, word + strlen("GUEST")) < 0)
                return NULL;
        return text;
}

char *finding_remedy(const struct finding *f)
{
        assert(f);

        if (f->fixes != 0)
                return fix_command(f->fixes, f->guest);
        return remedy_for_subject(types[f->id].remedy, f->subject);
}

int findings_add(struct findings *f, enum finding_id id, const char *subject, const char *format, ...)
{
        struct finding *finding = array_append(f->findings, f->n_findings);
        va_list args;
        int r = 0;

        if (!finding)
                return -ENOMEM;
        finding->id = id;
        finding->severity = types[id].severity;
        if (subject) {
                finding->subject = strdup(subject);
                if (!finding->subject)
                        return -ENOMEM;
        }
        if (format) {
                va_start(args, format);
                r = vasprintf(&finding->detail, format, args);
                va_end(args);
                if (r < 0)
                        finding->detail = NULL;
        }
        return r < 0 ? -ENOMEM : 0;
}

void findings_done(struct findings *f)
{
        for (size_t i = 0; i < f->n_findings; i++) {
                free(f->findings[i].guest);
                free(f->findings[i].subject);
                free(f->findings[i].detail);
        }
        free(f->findings);
        *f = (struct findings){};
}

enum severity findings_severity(const struct findings *f)
{
        enum severity worst = SEVERITY_INFO;

        for (size_t i = 0; i < f->n_findings; i++)
                if (f->findings[i].severity > worst)
                        worst = f->findings[i].severity;
        return worst;
}
