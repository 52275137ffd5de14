/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/string-table.h"

/* The fixes in order of preference: the one that costs the host and its guests least comes first. */
enum fix_id {
        FIX_MODULE,
        FIX_EMULATOR,
        FIX_PRELOAD,
        FIX_THP,
        FIX_IOMMUFD,
        FIX_NO_MMAP,
        _FIX_ID_MAX,
        _FIX_ID_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(fix_id, enum fix_id);

/* A set of fixes is a mask of these. */
#define FIX_BIT(id) (1U << (id))

/* The fixes that can be an edit of one persistent domain (vfioalignctl guest). */
#define FIXES_OF_GUEST \
        (FIX_BIT(FIX_EMULATOR) | FIX_BIT(FIX_PRELOAD) | FIX_BIT(FIX_IOMMUFD) | FIX_BIT(FIX_NO_MMAP))

/* What may be done by a fix without being asked. */
enum policy {
        POLICY_OFF,
        POLICY_SUGGEST, /* say that it would help */
        POLICY_AUTO,    /* do it */
        _POLICY_MAX,
        _POLICY_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(policy, enum policy);

/* What is said of a fix, to people and by them. The configuration, the reports, the manuals, the shipped
 * vfioalignd.conf and the completion are made from it. How a fix works is in fix/, and what it would change
 * for a device in audit/what-if.c. */
struct fix_type {
        const char *name; /* in lower case, with '-': "no-mmap" */
        const char *key;  /* of the section [Fix] in vfioalignd.conf(5): "NoMmap" */

        enum policy policy;     /* the default */
        enum policy max_policy; /* POLICY_SUGGEST for those that edit a guest, or need a restart */

        /* Clauses, on one line each: */
        const char *does;  /* "loads the kernel module ..." */
        const char *price; /* what it costs: "an out-of-tree module: ..." */
        const char *label; /* its name in a sentence: "the module" */
        const char *toll;  /* the price in a few words: "taints the kernel" */
        const char *with; /* "With the module vfio_align", before the pages that a device then gets. NULL: it
                             changes no page size */
};

/* id: has to be valid. */
const struct fix_type *fix_type(enum fix_id id);

/* What its setting can be, for people: "auto, suggest or off". */
const char *fix_policies(enum fix_id id);

/* By the key of its setting. -EINVAL where there is none. */
enum fix_id fix_id_from_key(const char *key);
