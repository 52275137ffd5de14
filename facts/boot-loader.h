/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/kernel/kernel-release.h"
#include "util/fact.h"
#include "util/root.h"

/* Which kernel this host boots next, by the files of its boot loader: Proxmox's pins, systemd-boot's
 * variables and entries (UAPI.1 Boot Loader Specification), and GRUB's environment and settings, by menu or
 * by entries as on Fedora and RHEL. Nothing is run. */
struct next_boot {
        struct fact known;                 /* yes: `why` says what decides; unknown: why */
        char release[KERNEL_RELEASE_SIZE]; /* the one that boots next; where that is unknown, the newest that
                                            * is installed; empty: no kernel is seen */
};

/* What cannot be read is unknown. Where memory runs out that is noted (util/memory.h). */
void next_boot_read(struct next_boot *b, const struct root *root);
