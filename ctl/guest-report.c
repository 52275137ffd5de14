/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-report.h"

#include <errno.h>

#include "util/macro.h"
#include "util/print.h"

json_object *guest_report_new(const char *action, const char *guest)
{
        json_object *report = json_new_object();

        json_add_count(report, "schema_version", GUEST_SCHEMA_VERSION);
        json_add_string(report, "action", action);
        json_add_string(report, "guest", guest);
        json_add_string(report, "fix", NULL);
        json_add_string(report, "outcome", NULL);
        json_add_string(report, "reason", NULL);
        json_add_string(report, "diff", NULL);
        json_add(report, "notes", json_new_array());
        json_add(report, "fixes", json_new_array());
        return report;
}

static const char *outcome_text(const char *outcome)
{
        static const struct {
                const char *outcome, *text;
        } texts[] = {
                { "planned", "would be changed like this; nothing has been changed" },
                { "applied", "applied" },
                { "reverted", "reverted" },
                { "unchanged", "nothing to do" },
                { "refused", "refused" },
                { "failed", "failed" },
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (streq(texts[i].outcome, outcome))
                        return texts[i].text;
        return outcome;
}

static const char *state_text(const char *state)
{
        if (streq(state, "absent"))
                return "";
        return streq(state, "applied") ? " (applied)"
                                       : " (applied, and changed by somebody else in the meantime)";
}

static void print_fix(json_object *fix, FILE *out)
{
        const char *refusal = json_get_text(fix, "refusal");

        print_line(out, "  %s%s: %s", json_get_text(fix, "id"), state_text(json_get_text(fix, "state")),
                   json_get_text(fix, "does"));
        if (refusal)
                print_line(out, "      not here: %s", refusal);
        else
                print_line(out, "      trade-off: %s", json_get_text(fix, "price"));
}

/* NULL where id is NULL, or no fix has it. */
static json_object *find_fix(json_object *fixes, const char *id)
{
        for (size_t i = 0; id && i < json_length(fixes); i++)
                if (streq(json_get_text(json_object_array_get_idx(fixes, i), "id"), id))
                        return json_object_array_get_idx(fixes, i);
        return NULL;
}

int guest_report_print(json_object *report, bool all)
{
        const char *outcome = json_get_text(report, "outcome"), *fix = json_get_text(report, "fix");
        const char *reason = json_get_text(report, "reason"), *diff = json_get_text(report, "diff");
        json_object *notes = json_get(report, "notes"), *fixes = json_get(report, "fixes");
        bool bad = outcome && (streq(outcome, "refused") || streq(outcome, "failed"));
        FILE *out = bad ? stderr : stdout;

        if (!outcome)
                return -ENOMEM;
        print_line(out, "%s%s%s: %s%s%s", json_get_text(report, "guest"), fix ? ", " : "", fix ?: "",
                   outcome_text(outcome), reason ? ": " : "", reason ?: "");
        if (diff && (bad || streq(outcome, "planned")))
                print_lines(out, diff);
        for (size_t i = 0; i < json_length(notes); i++)
                print_line(out, "Note: %s.", json_object_get_string(json_object_array_get_idx(notes, i)));
        if (streq(outcome, "planned") && find_fix(fixes, fix))
                print_line(out, "Trade-off: %s.", json_get_text(find_fix(fixes, fix), "price"));
        if (all && json_length(fixes) > 0) {
                print_line(out, "All fixes of a guest, in the order of preference:");
                for (size_t i = 0; i < json_length(fixes); i++)
                        print_fix(json_object_array_get_idx(fixes, i), out);
        }
        return fflush(out) != 0 ? -errno : 0;
}
