/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix-thp.h"

#include "fix-record.h"
#include "util/file-write.h"
#include "util/file.h"
#include "util/switch.h"

#define SETTING "sys/kernel/mm/transparent_hugepage/enabled"
#define RECORD FIX_RECORDS "/thp"

/* What it was before us; THP_UNKNOWN: we have not changed it. */
static enum thp_mode before(const struct root *root)
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
        if (before(h->root) == THP_UNKNOWN)
                return FIX_ABSENT;
        return h->kernel.thp == THP_ALWAYS ? FIX_APPLIED : FIX_PARTIAL;
}

static int write_record(const struct root *root, enum thp_mode mode)
{
        char text[32];

        snprintf(text, sizeof(text), "%s\n", thp_mode_to_string(mode));
        return fix_record_write(root, RECORD, text);
}

static int apply(const struct host *h, bool dry_run, struct fix_plan *plan)
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
        if (r >= 0)
                r = fix_plan_note(
                        plan, "holds until the next boot; to keep it: transparent_hugepage=always on the "
                              "kernel command line");
        if (r < 0 || dry_run)
                return r;
        r = fix_end_hold(h->root, FIX_THP);
        if (r < 0)
                return r;
        /* The record first: cut off between the two, it says what to go back to. Of a second try the first
         * value counts. */
        if (before(h->root) == THP_UNKNOWN)
                r = write_record(h->root, now);
        return r < 0 ? r : write_attribute_at(h->root->fd, SETTING, "always");
}

static int revert(const struct host *h, bool dry_run, struct fix_plan *plan)
{
        enum thp_mode mode = before(h->root), now = h->kernel.thp;
        int r = 0;

        if (mode == THP_UNKNOWN)
                return fix_plan_note(plan, "vfioalign has not changed /" SETTING);
        if (now == THP_ALWAYS)
                r = fix_plan_step(plan, "echo %s >/" SETTING, thp_mode_to_string(mode));
        else if (now != mode)
                r = fix_plan_note(plan, "/" SETTING " is \"%s\", which is not ours: left as it is",
                                  thp_mode_to_string(now) ?: "unknown");
        if (r >= 0)
                r = fix_plan_note(
                        plan,
                        "vfioalignd does not set it again before the next boot; to keep it so: Thp=off in "
                        "vfioalignd.conf(5)");
        if (r < 0 || dry_run)
                return r;
        r = fix_hold_off(h->root, FIX_THP);
        if (r >= 0 && now == THP_ALWAYS)
                r = write_attribute_at(h->root->fd, SETTING, thp_mode_to_string(mode));
        if (r >= 0 && unlinkat(h->root->fd, RECORD, 0) < 0)
                r = -errno;
        return r;
}

int fix_thp(const struct host *h, enum fix_action action, bool dry_run, struct fix_plan *plan)
{
        return action == FIX_APPLY ? apply(h, dry_run, plan) : revert(h, dry_run, plan);
}
