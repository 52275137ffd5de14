/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix-thp.h"

#include <assert.h>

#include "fix-record.h"
#include "util/file-write.h"
#include "util/file.h"
#include "util/switch.h"

#define SETTING "sys/kernel/mm/transparent_hugepage/enabled"
#define RECORD FIX_RECORDS "/thp"

/* What the setting was before us; THP_UNKNOWN: we have not changed it. */
static enum thp_mode read_record(const struct root *root)
{
        _cleanup_free_ char *text = NULL;
        enum thp_mode mode;

        if (read_line_at(root->fd, RECORD, &text) < 0)
                return THP_UNKNOWN;
        mode = thp_mode_from_string(text);
        return mode < 0 ? THP_UNKNOWN : mode;
}

enum fix_state fix_thp_state(const struct host *h)
{
        assert(h);

        if (read_record(h->root) == THP_UNKNOWN)
                return FIX_ABSENT;
        return h->kernel.thp == THP_ALWAYS ? FIX_APPLIED : FIX_PARTIAL;
}

static int write_record(const struct root *root, enum thp_mode mode)
{
        char text[32];

        snprintf(text, sizeof(text), "%s\n", thp_mode_to_string(mode));
        return fix_record_write(root, RECORD, text);
}

static int thp_apply(const struct host *h, bool dry_run, struct fix_plan *plan)
{
        enum thp_mode now = h->kernel.thp;
        const char *off = switched_off(h->root);
        int r;

        if (off)
                return fix_plan_refuse(plan, "vfioalign is switched off by %s", off);
        if (now == THP_ALWAYS)
                return fix_plan_note(plan, "/" SETTING " is \"always\" already");
        if (now == THP_UNKNOWN)
                return fix_plan_refuse(plan, "/" SETTING
                                             " cannot be read: this kernel has no transparent huge pages, "
                                             "or they may not be seen");
        if (h->kernel.thp_exempt.value == FACT_YES)
                return fix_plan_note(plan, "this kernel's huge entries for VFIO do not depend on /" SETTING);
        r = fix_plan_step(plan, "echo always >/" SETTING " (it is \"%s\")", thp_mode_to_string(now));
        if (r < 0)
                return r;
        r = fix_plan_note(plan, "holds until the next boot; to keep it: transparent_hugepage=always on the "
                                "kernel command line");
        if (r < 0 || dry_run)
                return r;
        r = fix_end_hold(h->root, FIX_THP);
        if (r < 0)
                return r;
        /* The record comes first, so the way back is known if we are cut off between the two. After a second
         * try it still has the value of the first. */
        if (read_record(h->root) == THP_UNKNOWN) {
                r = write_record(h->root, now);
                if (r < 0)
                        return r;
        }
        return write_attribute_at(h->root->fd, SETTING, "always");
}

static int thp_revert(const struct host *h, bool dry_run, struct fix_plan *plan)
{
        enum thp_mode before = read_record(h->root), now = h->kernel.thp;
        int r;

        if (before == THP_UNKNOWN)
                return fix_plan_note(plan, "vfioalign has not changed /" SETTING);
        if (now == THP_ALWAYS) {
                r = fix_plan_step(plan, "echo %s >/" SETTING, thp_mode_to_string(before));
                if (r < 0)
                        return r;
        } else if (now != before) {
                r = fix_plan_note(plan, "/" SETTING " is \"%s\", which is not ours: left as it is",
                                  thp_mode_to_string(now) ?: "unknown");
                if (r < 0)
                        return r;
        }
        r = fix_plan_note(plan,
                          "vfioalignd does not set it again before the next boot; to keep it so: Thp=off in "
                          "vfioalignd.conf(5)");
        if (r < 0 || dry_run)
                return r;

        r = fix_hold_off(h->root, FIX_THP);
        if (r < 0)
                return r;
        if (now == THP_ALWAYS) {
                r = write_attribute_at(h->root->fd, SETTING, thp_mode_to_string(before));
                if (r < 0)
                        return r;
        }
        if (unlinkat(h->root->fd, RECORD, 0) < 0)
                return -errno;
        return 0;
}

int fix_thp(const struct host *h, enum fix_action action, bool dry_run, struct fix_plan *plan)
{
        assert(h);
        assert(plan);

        return action == FIX_APPLY ? thp_apply(h, dry_run, plan) : thp_revert(h, dry_run, plan);
}
