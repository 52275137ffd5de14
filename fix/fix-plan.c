/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix-plan.h"

#include <assert.h>
#include <stdarg.h>

#include "util/array.h"
#include "util/memory.h"

/* clang-format off */
static const char *const fix_state_table[_FIX_STATE_MAX] = {
        [FIX_UNKNOWN] = "unknown",
        [FIX_ABSENT] = "absent",
        [FIX_PARTIAL] = "partial",
        [FIX_APPLIED] = "applied",
};
/* clang-format on */
DEFINE_STRING_TABLE(fix_state, enum fix_state);

void fix_plan_done(struct fix_plan *p)
{
        for (size_t i = 0; i < p->n_steps; i++)
                free(p->steps[i]);
        free(p->steps);
        free(p->refusal);
        free(p->note);
        *p = (struct fix_plan){};
}

int fix_plan_step(struct fix_plan *p, const char *format, ...)
{
        va_list args;
        char *text, **slot;

        assert(p);
        assert(format);

        va_start(args, format);
        text = memory_vformat(format, args);
        va_end(args);
        if (!text)
                return -ENOMEM;
        slot = array_append(p->steps, p->n_steps);
        if (!slot) {
                free(text);
                return -ENOMEM;
        }
        *slot = text;
        return 0;
}

static int append_clause(char **to, const char *format, va_list args)
{
        _cleanup_free_ char *text = memory_vformat(format, args);
        char *both;

        if (!text)
                return -ENOMEM;
        if (!*to) {
                *to = TAKE_PTR(text);
                return 0;
        }
        if (asprintf(&both, "%s; %s", *to, text) < 0)
                return -ENOMEM;
        free(*to);
        *to = both;
        return 0;
}

int fix_plan_refuse(struct fix_plan *p, const char *format, ...)
{
        va_list args;
        int r;

        assert(p);
        assert(format);

        va_start(args, format);
        r = append_clause(&p->refusal, format, args);
        va_end(args);
        return r;
}

int fix_plan_note(struct fix_plan *p, const char *format, ...)
{
        va_list args;
        int r;

        assert(p);
        assert(format);

        va_start(args, format);
        r = append_clause(&p->note, format, args);
        va_end(args);
        return r;
}
