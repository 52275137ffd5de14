/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config/fix-id.h"
#include "finding.h"

/* What a host needs first, as one word: hosts with the same word get the same fix. The word comes from the
 * pages of guests and mappings, not from the findings: these say nothing of how many guests they cost, and a
 * host without any guest has most of them as well. Only that another kernel saves more than all else is
 * taken from the ranking by seconds, as the doctor has it (rank.h). It comes second where there is a fix as
 * well: that needs no reboot, and such a kernel aligns nothing by itself. */

/* The most pressing first. */
enum need_id {
        NEED_QUARANTINE,     /* a group is with no driver */
        NEED_MODULE_DEAD,    /* the module claims to be active and is not */
        NEED_MODULE,         /* the module has to be loaded, or enabled */
        NEED_MODULE_INSTALL, /* it is not installed for this kernel */
        NEED_MODULE_KEY,     /* the kernel does not know the key that it is signed with */
        NEED_THP,            /* transparent_hugepage is in the way; perhaps the module is missing as well */
        NEED_PRELOAD,        /* only the library helps */
        NEED_KERNEL, /* the kernel has no huge pages (of that size) for VFIO, or walks BARs by pages */
        NEED_HOOK,   /* libvirt does not call the hook */
        NEED_UNSEEN, /* what decides could not be seen */
        NEED_NONE,
        _NEED_MAX,
        _NEED_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(need, enum need_id);

/* What is said of a need, to people. */
struct need_type {
        const char *name; /* the word */
        const char *text; /* what is wrong, as a clause without a period */
        const char *help; /* what helps, on one line: a command where there is one; NULL: nothing has to be
                             done */
};

/* id: valid. */
const struct need_type *need_type(enum need_id id);

/* Guests are those that have devices, and each process that maps a device and belongs to no guest that was
 * seen: in practice it is the guest of another manager. One is short if its pages are smaller than its BARs
 * and this machine allow. */
struct need {
        enum need_id id;
        unsigned fixes;    /* FIX_BIT(): what a command applies; 0: none helps */
        bool newer_kernel; /* another kernel is needed as well, and saves more seconds of a start */
        size_t n_guests, n_short;
        uint64_t page_size; /* bytes: the smallest pages of those that are short; 0: none is */
        size_t n_unknown;   /* nothing is known of their pages, though of their BARs */

        /* At the next starts of those that are short: as things are, and once the need is met.
         * COUNT_UNKNOWN: that of one of them is unknown. */
        uint64_t faults, faults_after, pin_steps, pin_steps_after;
};

/* The cheapest remedy that brings all that are short to their best pages; if none does, the one that brings
 * most of them there. f: what findings_collect() found on h. */
struct need need_of_host(const struct host *h, const struct findings *f);
