/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "dkms.h"
#include "facts-kernel.h"
#include "module-key.h"
#include "util/fact.h"
#include "util/root.h"

#define VFIO_ALIGN_MODULE "vfio_align"

/* Our kernel module (dkms/vfio_align.c) on this host. */
struct module_facts {
        struct fact installed;        /* for the running kernel */
        struct fact built_for_kernel; /* the installed file names the running kernel in its vermagic; with
                                       * versioned symbols a kernel also takes one built for a neighbour */
        char other_release[65];       /* if it is not installed: a release for which it is; else empty */

        struct fact is_signed;
        char signer[128];  /* common name in the signature; empty if unknown */
        char sig_key[128]; /* identifies the key, as modinfo's sig_key ("4B:C3:..."); empty if unknown */
        struct fact key_enrolled; /* one of the kernel's keyrings for modules has that key; unknown without
                                   * root, because /proc/keys shows a key only to those who may view it */
        struct module_mok mok;    /* of a module that lacks that key; else nothing is read */
        struct fact signature_enforced; /* lockdown, or module.sig_enforce */
        struct fact secure_boot;        /* the firmware's; no if there is no EFI */

        struct fact loadable; /* no: `why` says what forbids it, and loading must not even be tried */
        bool lacks_key;       /* it is no because of the module's signature, or because it has none */
        struct fact loaded;
        struct fact enabled; /* the module says that its hook is in place */
        struct fact alive;   /* read back: the hook of kernel_facts is filled, and by this module; if that is
                              * unknown, the module's parameter "slot" says so */
        uint64_t hits;       /* mappings that went through the hook, and those it aligned; 0 if not loaded */
        uint64_t aligned;

        /* Of the module that is loaded, of its file for the running kernel, and of the source that DKMS has;
         * empty if unknown, or if there is none. */
        char loaded_version[DKMS_VERSION_SIZE];
        char file_version[DKMS_VERSION_SIZE];
        char source_version[DKMS_VERSION_SIZE];
};

/* k: has the release (much is unknown without it) and the hook, and has to be up to date. What cannot be
 * read stays unknown. */
void module_facts_read(struct module_facts *m, const struct root *root, const struct kernel_facts *k);

/* Whether the module is loaded and says that its hook is in place. */
bool module_works(const struct module_facts *m);
