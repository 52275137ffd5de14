/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix-id.h"

/* clang-format off */
static const char *const fix_id_table[_FIX_ID_MAX] = {
        [FIX_MODULE] = "module",
        [FIX_EMULATOR] = "emulator",
        [FIX_PRELOAD] = "preload",
        [FIX_THP] = "thp",
        [FIX_IOMMUFD] = "iommufd",
        [FIX_NO_MMAP] = "no-mmap",
};
/* clang-format on */
DEFINE_STRING_TABLE(fix_id, enum fix_id);
