/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "facts-kernel.h"
#include "util/fact.h"
#include "util/root.h"

#define VFIO_ALIGN_MODULE "vfio_align"

/* Our kernel module (dkms/vfio_align.c) on this host. */
struct module_facts {
        struct fact installed;        /* for the running kernel */
        struct fact built_for_kernel; /* the installed file names the running kernel in its vermagic; with
                                       * versioned symbols a kernel also takes one built for a neighbour */
        char other_release[65];       /* where it is not installed: a release for which it is; else empty */

        struct fact is_signed;
        char signer[128];  /* common name in the signature; empty where unknown */
        char sig_key[128]; /* what names the key: hex, by colons ("4B:C3:..."), as modinfo sig_key; or empty
                            */
        struct fact key_enrolled; /* one of the kernel's keyrings for modules holds that key; unknown without
                                   * root, since /proc/keys shows a key only to who may view it */
        struct fact signature_enforced; /* lockdown, or module.sig_enforce */
        struct fact secure_boot;        /* the firmware's; no where there is no EFI */

        struct fact loadable; /* no: `why` says what forbids it, and loading must not even be tried */
        struct fact loaded;
        struct fact enabled; /* the module says that its hook is in place */
        struct fact alive;   /* read back: the hook of kernel_facts is filled, and by this module; where that
                              * is   unknown, the module's parameter "slot" says so */
        uint64_t hits; /* mappings that went through the hook, and those it aligned; 0 when not loaded */
        uint64_t aligned;
};

/* k: for the release (unknown where that is NULL) and the hook; read again before, where those may have
 * changed. */
void module_facts_read(struct module_facts *m, const struct root *root, const struct kernel_facts *k);

/* Is the module there and doing its work, as far as can be seen? */
bool module_works(const struct module_facts *m);
