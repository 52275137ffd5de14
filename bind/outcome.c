/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "outcome.h"

#include <assert.h>

static const struct {
        const char *name;
        bool good;
        const char *text;
} outcomes[_BIND_OUTCOME_MAX] = {
        [BIND_UNCHANGED] = { "unchanged", true, "unchanged" },
        [BIND_PLANNED] = { "planned", true, "planned" },
        [BIND_BOUND] = { "bound", true, "bound" },
        [BIND_RETURNED] = { "returned", true, "returned" },
        [BIND_GONE] = { "gone", true, "gone, all of its functions have left the host" },
        [BIND_REFUSED] = { "refused", false, "refused, nothing was written" },
        [BIND_FAILED] = { "failed", false, "failed, all of its functions are where they were before" },
        [BIND_QUARANTINED] = { "quarantined", false, "quarantined" },
        [BIND_STUCK] = { "stuck", false, "stuck, a task hangs in the kernel with it" },
};

static bool outcome_is_valid(enum bind_outcome outcome)
{
        return outcome >= 0 && outcome < _BIND_OUTCOME_MAX;
}

const char *bind_outcome_to_string(enum bind_outcome v)
{
        return outcome_is_valid(v) ? outcomes[v].name : NULL;
}

enum bind_outcome bind_outcome_from_string(const char *s)
{
        for (enum bind_outcome v = 0; s && v < _BIND_OUTCOME_MAX; v++)
                if (streq(outcomes[v].name, s))
                        return v;
        return _BIND_OUTCOME_INVALID;
}

bool bind_outcome_is_good(enum bind_outcome outcome)
{
        assert(outcome_is_valid(outcome));

        return outcomes[outcome].good;
}

const char *bind_outcome_text(enum bind_outcome outcome)
{
        assert(outcome_is_valid(outcome));

        return outcomes[outcome].text;
}
