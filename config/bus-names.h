/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#define BUS_NAME "org.vfioalign1"
#define BUS_PATH "/org/vfioalign1"
#define BUS_INTERFACE "org.vfioalign1.Manager"

/* The `flags` argument (t) of Bind, Unbind, ApplyFix and RevertFix. A flag that a method does not know is an
 * error, so a caller never believes in a dry run that changes something. */
#define BUS_FLAG_DRY_RUN (UINT64_C(1) << 0)
#define BUS_FLAG_FORCE (UINT64_C(1) << 1) /* of Bind, Unbind and ApplyFix */
