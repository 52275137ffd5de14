/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "util/macro.h"
#include "util/string-table.h"

/* How much of a fix is in force on a host, by looking at the host: nothing is remembered elsewhere. */
enum fix_state {
        FIX_UNKNOWN, /* it cannot be seen */
        FIX_ABSENT,  /* not in force, and nothing is left of it */
        FIX_PARTIAL, /* begun and cut off, or something is still due, such as a restart */
        FIX_APPLIED,
        _FIX_STATE_MAX,
        _FIX_STATE_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(fix_state, enum fix_state);

enum fix_action {
        FIX_APPLY,
        FIX_REVERT,
};

/* What a fix would do, or has done. It owns all strings. */
struct fix_plan {
        char **steps; /* in order, one line each: "write /etc/...: ..."; none: nothing to do */
        size_t n_steps;
        char *refusal; /* why it must not be done here, and the way out; nothing has been changed then. NULL:
                          nothing is against it */
        char *note;    /* what is left to the operator ("restart libvirtd: ..."); NULL: nothing is */
};

void fix_plan_done(struct fix_plan *p);

/* Each returns 0 or -ENOMEM. A second refusal or note is put behind the first, after "; ". */
int fix_plan_step(struct fix_plan *p, const char *format, ...) _printf_(2, 3);
int fix_plan_refuse(struct fix_plan *p, const char *format, ...) _printf_(2, 3);
int fix_plan_note(struct fix_plan *p, const char *format, ...) _printf_(2, 3);
