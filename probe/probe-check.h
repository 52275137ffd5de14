/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/host.h"

/* May a function be probed? Opening it through VFIO resets it, so that it has to be there, bound, and idle.
 */
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
        PROBE_DEFINED, /* a guest that does not run is to have it: free now, so that consent lifts this one
                        */
        _PROBE_OBSTACLE_MAX,
};

/* Finds the first of them. bdf: in the kernel's spelling, or any text that is no address. *ret_line is a
 * sentence for the one who asked, without control characters: the function, what is in the way, and the way
 * out; NULL for PROBE_FREE; the caller's to free. Returns the obstacle or -ENOMEM. Reads but the number of
 * the character device. */
int probe_check(const struct host *h, const char *bdf, bool root, char **ret_line);

/* The number of the function's character device, /dev/vfio/devices/vfioN, or -1 where the kernel has none.
 */
int probe_cdev(const struct root *root, const char *bdf);
