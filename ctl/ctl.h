/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Exit codes, as vfioalignctl(1) promises them. */
enum {
        CTL_OK = 0,
        CTL_FAILED = 1,
        CTL_USAGE = 2,
        CTL_FOUND = 3,    /* audit: a finding at or over --fail-on */
        CTL_REFUSED = 4,  /* hook: the guest must not start; hooks/qemu acts on this code and on no other */
        CTL_CHANGES = 10, /* fix plan: something would change */
};
