/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One PCI function of the running host, opened through VFIO as an emulator does it (linux/vfio.h). Opening
 * resets it, and so does closing: see probe-check.h first. */
struct vfio_device {
        int container; /* of type 1, which maps DMA; -EBADF if the device is open by its character device */
        int group, iommufd;
        int device;
        uint64_t iova; /* where VFIO_DMA_MAX bytes can be mapped for DMA */
        bool memory_was_off;
        uint16_t command;   /* the command register as it was */
        const char *failed; /* static text: what could not be done, when a function here returned an error */
};

#define VFIO_DEVICE_NONE \
        (struct vfio_device) \
        { \
                -EBADF, -EBADF, -EBADF, -EBADF \
        }

/* The most bytes that are ever mapped for DMA at a time. */
#define VFIO_DMA_MAX (UINT64_C(4) << 30)

/* Opens it by the group's interface, or if the kernel has none by the character device and iommufd. bdf: in
 * the kernel's spelling. group: its IOMMU group; cdev: N of /dev/vfio/devices/vfioN, or -1. Returns 0,
 * -EBUSY if somebody else opened it first, or another negative errno; it has to be closed by
 * vfio_device_close() in any case. */
int vfio_device_open(struct vfio_device *d, const char *bdf, int group, int cdev);
void vfio_device_close(struct vfio_device *d);

/* A BAR faults only while the device decodes memory. vfio_device_close() restores the command register.
 * Returns 0 or a negative errno. */
int vfio_device_enable_memory(struct vfio_device *d);

struct vfio_area {
        uint64_t offset, size; /* bytes, in the region; whole pages */
};

#define VFIO_AREAS_MAX 64 /* of a region; vfio-pci makes at most two, around the MSI-X table */

struct vfio_region {
        uint64_t size;                          /* bytes; 0: there is none */
        uint64_t offset;                        /* in the descriptor */
        struct vfio_area areas[VFIO_AREAS_MAX]; /* that can be mapped */
        size_t n_areas;
};

/* index: 0 to 5 for the BARs. Returns 0, -EBADMSG or -E2BIG if the kernel's answer makes no sense, or
 * another negative errno. */
int vfio_device_read_region(struct vfio_device *d, unsigned index, struct vfio_region *ret);

/* Maps memory of this process (a BAR) for the device's DMA at d->iova, which faults every page of it in; and
 * undoes that. Nothing is read or written there. size: bytes, at most VFIO_DMA_MAX. Returns 0 or a negative
 * errno. */
int vfio_device_map_dma(const struct vfio_device *d, void *p, uint64_t size);
int vfio_device_unmap_dma(const struct vfio_device *d, uint64_t size);
