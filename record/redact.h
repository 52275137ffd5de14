/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* A recorded host leaves the house, so of files that can hold secrets only what facts are made of is kept,
 * and everything else is left out, whatever it is:
 *
 * - of a process's arguments: the program, the guest's name, and which functions and mdevs QEMU has through
 * VFIO;
 *
 * - of the kernel's command line: the words that are about IOMMUs, VFIO, PCI, huge pages, modules and
 * screens;
 *
 * - of mounts: what is mounted where, of the file systems that are on block devices;
 *
 * - of Proxmox's guests and mappings: what facts/guest/proxmox.c reads, up to the first section;
 *
 * - of the boot loader's entries: which kernel each one has, and in which order;
 *
 * - of libvirt's XML: the elements and attributes that facts/guest/ reads. A file that is not XML is left
 * out as a whole.
 *
 * Kernel addresses are kept, because the module's hook is recognized by them. */
enum redaction {
        REDACT_NOTHING,
        REDACT_ARGUMENTS,
        REDACT_KERNEL_ARGUMENTS,
        REDACT_XML,
        REDACT_MOUNTS,
        REDACT_PROXMOX,
        REDACT_PROXMOX_MAPPINGS,
        REDACT_BOOT_ENTRY,
        _REDACTION_MAX,
};

/* How to redact a file, by its absolute path. */
enum redaction redaction_of(const char *path);

/* data: `size` bytes, which need no NUL behind them. *ret is the caller's to free, and has a NUL after its
 * *ret_size bytes. Returns 0 or -ENOMEM. */
int redact(enum redaction how, const char *data, size_t size, char **ret, size_t *ret_size);
