/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdlib.h>

#include "facts/kernel/kernel-release.h"
#include "util/root.h"

/* Entries of the Boot Loader Specification (UAPI.1): files loader/entries/ID.conf, and unified kernels
 * EFI/Linux/ID.efi, on the partitions that are mounted at /boot, /efi and /boot/efi. */

#define BOOT_ENTRIES_MAX 256

struct boot_entry {
        char id[256];
        char sort_key[64];                 /* empty: none */
        char release[KERNEL_RELEASE_SIZE]; /* of an installed kernel; empty: it names none */
};

struct boot_entries {
        struct boot_entry *entries; /* in the order of the menu */
        size_t n;
};

/* releases: the kernels that are installed. Returns 0, -ENOMEM, -E2BIG if there are more than
 * BOOT_ENTRIES_MAX, or -EOPNOTSUPP if there are files and unified kernels at once, whose order is not known.
 */
int boot_entries_read(struct boot_entries *e, const struct root *root, char *const releases[], size_t n);
void boot_entries_done(struct boot_entries *e);

/* "default" of loader.conf(5). Returns 0, or -ENOENT where it is not set. */
int boot_entries_default(const struct root *root, char *ret, size_t size);
