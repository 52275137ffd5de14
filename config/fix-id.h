/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/string-table.h"

/* The fixes, in the order of preference: the one that costs a host and its guests the least comes first. */
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
