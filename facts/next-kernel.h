/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "boot-loader.h"
#include "facts/kernel/dkms.h"
#include "facts/kernel/facts-module.h"
#include "util/fact.h"
#include "util/root.h"

/* Who installs headers here. */
enum package_tool {
        PACKAGE_TOOL_UNKNOWN,
        PACKAGE_TOOL_APT,
        PACKAGE_TOOL_PROXMOX, /* apt, with other names */
        PACKAGE_TOOL_DNF,
        PACKAGE_TOOL_ZYPPER,
        PACKAGE_TOOL_PACMAN,
        _PACKAGE_TOOL_MAX,
};

/* Our module for the kernel that boots next. Of a host where no kernel is seen, or that boots the running
 * one again, all facts are unknown. */
struct next_kernel {
        struct next_boot boot;
        bool other;            /* it is another one than the running kernel; all below is only read then */
        struct fact installed; /* the module is among those of that kernel */
        /* Its configuration has what the module needs: huge entries for VFIO (no: the module has nothing to
         * do there), and kprobes and the names of data. */
        struct fact has_huge_entries, takes_module;
        struct fact headers;      /* what DKMS builds with is installed for it */
        struct fact is_signed;    /* of the module that is installed for it, as in module_facts */
        struct fact key_enrolled; /* no: also where it is not signed */
        struct module_mok mok;
        char dkms_version[DKMS_VERSION_SIZE]; /* of our module, as DKMS has it; empty: DKMS does not */
        char *dkms_error; /* the first error of the build for that kernel, as DKMS has it; NULL: none */
        enum package_tool tool;
};

/* running: its release; NULL if unknown. m: of the module for that one. What cannot be read is unknown.
 * Where memory runs out that is noted. */
void next_kernel_read(struct next_kernel *n, const struct root *root, const char *running,
                      const struct module_facts *m);
void next_kernel_done(struct next_kernel *n);
