/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/host.h"

/* Whether a function may be probed. Opening it through VFIO resets it, so it has to be there, bound, and
 * idle. */
enum probe_obstacle {
        PROBE_FREE,        /* none */
        PROBE_NO_FUNCTION, /* there is none with that address */
        PROBE_NOT_ROOT,
        PROBE_NO_IOMMU,   /* on this host, or not for this function */
        PROBE_IN_USE,     /* by the host */
        PROBE_GUEST_RUNS, /* a guest has it */
        PROBE_HELD,       /* a process has its group or its character device open */
        PROBE_NOT_BOUND,  /* to a VFIO driver */
        PROBE_NOT_VIABLE, /* its IOMMU group has a member with a driver of the host */
        PROBE_DEFINED, /* it belongs to a guest that does not run: free now, so consent overrules this one */
        _PROBE_OBSTACLE_MAX,
};

/* Finds the first obstacle. bdf: in the kernel's spelling, or any other text, which is PROBE_NO_FUNCTION.
 * root: whether root asks. *ret_line: a sentence for the user, without control characters: the function,
 * what is in the way, and the way out; NULL for PROBE_FREE; the caller frees it. Returns the obstacle or
 * -ENOMEM. Apart from h, this reads only the number of the character device. */
int probe_check(const struct host *h, const char *bdf, bool root, char **ret_line);

/* The number of the function's character device, /dev/vfio/devices/vfioN, or -1 if it has none. */
int probe_cdev(const struct root *root, const char *bdf);
