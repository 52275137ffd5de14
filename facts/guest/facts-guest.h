/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "facts/device/facts-device.h"

#define GUEST_XML_MAX (4U << 20) /* bytes; a domain with a hundred disks has 100 KiB */
#define GUEST_HOSTDEVS_MAX 256
#define POLICY_XMLNS "https://vfioalign.org/xmlns/policy/1" /* in a domain's <metadata> */
#define GUEST_NETWORKS_MAX 256

/* The ways in which VFIO comes into a domain XML. */
enum hostdev_kind {
        /* <hostdev type='pci'> */
        HOSTDEV_PCI,
        /* <interface type='hostdev'>; also what a pool gave to a guest that runs */
        HOSTDEV_INTERFACE,
        /* <interface type='network'> of a pool of functions: libvirt chooses one at the start */
        HOSTDEV_NETWORK,
        /* <disk type='nvme'>: QEMU drives it itself and maps its doorbells; the guest gets no BAR */
        HOSTDEV_NVME,
        /* <hostdev type='mdev'>: a share of a function, whose driver decides what is mapped */
        HOSTDEV_MDEV,
        /* -device vfio-pci in <qemu:commandline>: libvirt neither binds it nor knows about it */
        HOSTDEV_ARGUMENT,
        _HOSTDEV_KIND_MAX,
        _HOSTDEV_KIND_INVALID = -EINVAL,
};

struct hostdev {
        enum hostdev_kind kind;
        bdf_t bdf;     /* empty: an mdev, or a function that is not known yet */
        bool managed;  /* libvirt binds it itself, between `prepare` and `start` */
        bool no_mmap;  /* x-no-mmap=on: none of its BARs is mapped, every access traps */
        bool withheld; /* <address type='unassigned'/>: libvirt takes it from the host and keeps it */
        bool iommufd;  /* the XML asks for it: BARs are not mapped into the IOMMU, so not populated early */
        char *driver;  /* <driver model='...'>, a variant driver; or NULL */
        char *uuid;    /* of an mdev, or NULL */
        char *network; /* of HOSTDEV_NETWORK, or NULL */
        char *parent;  /* the network interface of the physical function whose VFs are the pool, or NULL */
        char *alias;   /* libvirt's name for it, or NULL */
};

enum guest_firmware {
        GUEST_FIRMWARE_UNKNOWN,
        GUEST_FIRMWARE_BIOS,
        GUEST_FIRMWARE_EFI,
        _GUEST_FIRMWARE_MAX,
        _GUEST_FIRMWARE_INVALID = -EINVAL,
};

/* Who starts a guest. vfioalign's hook and its edits are for those of libvirt alone, and that is its system
 * daemon: the guests of qemu:///session are in home directories, and are not read. */
enum guest_manager {
        GUEST_OF_LIBVIRT,
        GUEST_OF_PROXMOX,
        _GUEST_MANAGER_MAX,
        _GUEST_MANAGER_INVALID = -EINVAL,
};

/* What one domain XML, or Proxmox's configuration, says about devices that go through VFIO. */
struct guest {
        enum guest_manager manager;
        char *name;               /* of one of Proxmox: its number */
        char *title;              /* the name that its owner gave to one of Proxmox; NULL: none */
        char *uuid;               /* NULL in an XML that has none */
        char *emulator;           /* NULL: libvirt's default */
        struct hostdev *hostdevs; /* in the XML's order, those of <qemu:commandline> last */
        size_t n_hostdevs;

        char **networks; /* of each <interface type='network'> whose device is not chosen yet; each once */
        size_t n_networks;

        char *arch;    /* "x86_64", or NULL */
        char *machine; /* "pc-q35-7.2", or NULL */
        enum guest_firmware firmware;
        bool host_phys_bits; /* the guest's addresses are as wide as the host's */
        /* The width that the XML sets, with host_phys_bits only an upper limit; 0: it sets none */
        unsigned phys_bits;
        /* Bytes, <pcihole64> of the PCI root; 0: QEMU's default, 32 GiB for q35 and 2 GiB for pc. It only
         * widens the window that QEMU reports to the guest for later hotplug (hw/pci-host/q35.c), and does
         * not limit BARs at boot. */
        uint64_t hole64;
        uint64_t efi_window;    /* bytes, X-PciMmio64Mb; 0: the firmware's default */
        bool efi_window_unread; /* X-PciMmio64Mb is in a file of its own, which nothing here reads */
        uint64_t memory;        /* bytes, with all that can be plugged in; 0: not said */
        char *preload;          /* LD_PRELOAD of <qemu:env>, or NULL */

        /* <policy on-unaligned='refuse' min-bar-size='1G'/> of POLICY_XMLNS in <metadata>, which overrides
         * the configuration: the attributes as they are written, or NULL */
        char *on_unaligned;
        char *min_bar_size;
};

DECLARE_STRING_TABLE(hostdev_kind, enum hostdev_kind);
DECLARE_STRING_TABLE(guest_firmware, enum guest_firmware);
DECLARE_STRING_TABLE(guest_manager, enum guest_manager);

/* Parses a domain XML of `size` bytes: no entities, no network, bounded. Returns 0, -EFBIG over the bounds,
 * -EBADMSG where it is not a domain XML, or -ENOMEM; on an error g is empty, else guest_done() frees it. */
int guest_parse(struct guest *g, const char *xml, size_t size);

/* The same for the state that libvirt keeps of a running guest (LIBVIRT_RUNNING_DIR): <domstatus pid=''>
 * around the <domain>. *ret_pid is 0 where it has no pid. */
int guest_parse_status(struct guest *g, const char *xml, size_t size, pid_t *ret_pid);
void guest_done(struct guest *g);

/* Is QEMU to map no BAR of it? */
bool hostdev_has_no_bars(const struct hostdev *h);

/* Adds one HOSTDEV_NETWORK for each of g->networks that is a pool of functions, which only the network's own
 * XML says. Returns 1 where all could be read, 0 where one could not, or -ENOMEM. */
int guest_read_networks(struct guest *g, const struct root *root);
