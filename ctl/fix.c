/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix/fix.h"

#include <libsmartcols.h>

#include "ask.h"
#include "audit/what-if.h"
#include "columns.h"
#include "config/bus-names.h"
#include "ctl.h"
#include "daemon-call.h"
#include "fix-read-back.h"
#include "pager.h"
#include "report/report.h"
#include "snapshot.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/near.h"
#include "util/print.h"
#include "verbs.h"

DEFINE_TRIVIAL_CLEANUP(json_object *, json_object_put)

#define NONE_HELPS "No fix of the host gives a device of this host larger pages"
#define NONE_IN_FORCE "No fix is in force"

/* Longer than the daemon's own timeout, so its error reaches us. */
#define DAEMON_USEC (7 * 60 * USEC_PER_SEC)

static const char *const operations[] = { "list", "plan", "apply", "revert" };

struct fix_request {
        const char *operation;
        const struct fix *fix; /* NULL: none is named */
        struct options options;
        struct snapshot snapshot;
        struct config config;
        json_object *report;
        bool would_change; /* a plan has steps */
};

static void request_done(struct fix_request *q)
{
        config_done(&q->config);
        snapshot_done(&q->snapshot);
        json_object_put(q->report);
}

/* Whose fix it is. */
static const char *fix_scope(const struct fix *fix)
{
        if (!fix->run)
                return "guest";
        return FIXES_OF_GUEST & FIX_BIT(fix->id) ? "host, guest" : "host";
}

static json_object *new_fix(const struct fix_request *q, const struct fix *fix, unsigned helps)
{
        const struct host *h = &q->snapshot.host;
        json_object *o = json_new_object();

        json_add_string(o, "id", fix_id_to_string(fix->id));
        json_add_string(o, "of", fix_scope(fix));
        json_add_string(o, "state", fix->state ? fix_state_to_string(fix->state(h)) : NULL);
        json_add_bool(o, "helps", helps & FIX_BIT(fix->id));
        json_add_string(o, "policy", policy_to_string(q->config.fixes[fix->id]));
        json_add_string(o, "does", fix_type(fix->id)->does);
        json_add_string(o, "price", fix_type(fix->id)->price);
        return o;
}

static const struct column columns[] = {
        { "FIX", "its name", .path = "id" },
        { "OF", "what it changes: the host, a guest, or either", .path = "of", .rank = 1 },
        { "STATE", "whether it is in force on this host", .path = "state" },
        { "HELPS", "whether it gives a BAR of this host larger pages", .path = "helps",
          .format = CELL_YES_NO },
        { "POLICY", "whether vfioalignd(8) may apply it unasked", .path = "policy", .rank = 2 },
        { "DOES", "what it does", SCOLS_FL_WRAP, .path = "does" },
        { "PRICE", "what it costs", SCOLS_FL_WRAP, .extra = true, .path = "price" },
};

const struct column *columns_of_fixes(size_t *ret_n)
{
        *ret_n = ELEMENTSOF(columns);
        return columns;
}

static int print_json(const struct fix_request *q)
{
        int r = report_print_json_as(q->report, q->options.json, 0, stdout);

        return r < 0 ? log_error(r, "Failed to print the result: %m") : 0;
}

static int list_fixes(struct fix_request *q)
{
        const struct table_view view = { q->options.output, q->options.csv, q->options.no_headings };
        struct help help = help_host(&q->snapshot.host);
        json_object *fixes = json_new_array();
        int r;

        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++)
                json_append(fixes, new_fix(q, fix_get(id), help_all(&help)));
        json_add(q->report, "fixes", fixes);
        if (q->options.json)
                return print_json(q);
        pager_open(q->options.no_pager);
        report_print_switch(q->snapshot.host.switched_off_by,
                            view.columns || view.csv || view.no_headings ? stderr : stdout);
        r = table_print_view(rows_of_array(fixes), columns, ELEMENTSOF(columns), &view, stdout);
        if (r == 0)
                r = pager_flush();
        pager_close();
        return r;
}

static json_object *new_outcome(const struct fix *fix, const struct fix_plan *plan, int error)
{
        json_object *o = json_new_object(), *steps = json_new_array();

        json_add_string(o, "id", fix_id_to_string(fix->id));
        for (size_t i = 0; i < plan->n_steps; i++)
                json_append_string(steps, plan->steps[i]);
        json_add(o, "steps", steps);
        json_add_string(o, "refusal", plan->refusal);
        json_add_string(o, "note", plan->note);
        json_add_string(o, "error", error < 0 ? strerror(-error) : NULL);
        return o;
}

/* The same for people. */
static void print_outcome(json_object *outcome, bool dry_run)
{
        const char *id = json_get_text(outcome, "id") ?: "?", *note = json_get_text(outcome, "note"),
                   *refusal = json_get_text(outcome, "refusal"), *error = json_get_text(outcome, "error");
        json_object *steps = json_get(outcome, "steps");
        const char *before = "";

        if (dry_run)
                before = "would run: ";
        else if (refusal || error) /* some may have been taken, and the last one has failed */
                before = "tried: ";
        for (size_t i = 0; i < json_length(steps); i++)
                print_line(stdout, "%s: %s%s", id, before,
                           json_object_get_string(json_object_array_get_idx(steps, i)));
        if (json_length(steps) == 0 && !refusal && !error)
                print_line(stdout, "%s: nothing to do%s%s", id, note ? ": " : "", note ?: "");
        else if (note)
                print_line(stdout, "%s: %s", id, note);
        fix_read_back_print(id, json_get(outcome, "read_back"));
        if (refusal)
                log_error(0, "%s: %s", id, refusal);
        else if (error)
                log_error(0, "%s: failed: %s", id, error);
}

/* Takes the outcome over. Returns 0, or a negative errno where the fix was refused or has failed. */
static int add_outcome(struct fix_request *q, json_object *outcome, const struct fix_plan *plan, int r,
                       bool dry_run)
{
        json_append(json_get(q->report, "fixes"), outcome);
        if (!q->options.json)
                print_outcome(outcome, dry_run);
        if (r < 0)
                return r;
        return plan->refusal ? -EPERM : 0;
}

/* One fix. Returns 0, or a negative errno where it was refused or has failed, with the reason printed. */
static int run_fix(struct fix_request *q, const struct fix *fix, enum fix_action action, bool dry_run)
{
        struct host *h = &q->snapshot.host;
        _cleanup_free_ uint64_t *before = guest_pages(h);
        _cleanup_(fix_plan_done) struct fix_plan plan = {};
        json_object *outcome;
        int r = fix->run(h, action, dry_run, &plan);

        outcome = new_outcome(fix, &plan, r);
        if (r == 0 && !dry_run && !plan.refusal && plan.n_steps > 0)
                json_add(outcome, "read_back", fix_read_back(h, fix, before));
        return add_outcome(q, outcome, &plan, r, dry_run);
}

/* What applying it would do; with a refusal where it is not known to help. What has been begun may be
 * completed. */
static int preview_fix(const struct fix_request *q, const struct fix *fix, unsigned helps,
                       struct fix_plan *plan)
{
        const struct host *h = &q->snapshot.host;
        int r = fix->run(h, FIX_APPLY, true, plan);

        if (r < 0 || plan->refusal || plan->n_steps == 0 || q->options.force || helps & FIX_BIT(fix->id) ||
            fix->state(h) == FIX_PARTIAL)
                return r;
        fix_plan_done(plan);
        return fix_plan_refuse(plan,
                               "it is not known to give any device of this host larger pages; to apply it "
                               "all the same, give --force");
}

/* For scripts there is --yes: what they print should be one line. */
static bool can_ask(void)
{
        if (ask_is_possible())
                return true;
        log_error(0, "This would change the host, and there is no terminal to ask on; give --yes");
        return false;
}

/* Shows what is about to be done and its price. Returns 0, or -ECANCELED, with the reason printed. */
static int get_consent(const struct fix_request *q, const struct fix_plan plans[])
{
        if (q->options.yes)
                return 0;
        if (!can_ask())
                return -ECANCELED;
        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++) {
                for (size_t i = 0; i < plans[id].n_steps; i++)
                        print_line(stderr, "%s: would run: %s", fix_id_to_string(id), plans[id].steps[i]);
                if (plans[id].n_steps > 0)
                        print_line(stderr, "%s: trade-off: %s", fix_id_to_string(id), fix_type(id)->price);
        }
        return ask_yes("Apply it?") > 0 ? 0 : -ECANCELED;
}

/* Plans the fixes of the set in turn, up to the first that is refused or fails. Of a dry run each plan is
 * the outcome. */
static int preview_fixes(struct fix_request *q, unsigned fixes, bool dry_run, struct fix_plan plans[])
{
        struct help help = help_host(&q->snapshot.host);

        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++) {
                struct fix_plan *plan = &plans[id];
                int r;

                if (!(fixes & FIX_BIT(id)))
                        continue;
                r = preview_fix(q, fix_get(id), help_all(&help), plan);
                q->would_change = q->would_change || plan->n_steps > 0;
                if (dry_run || r < 0 || plan->refusal)
                        r = add_outcome(q, new_outcome(fix_get(id), plan, r), plan, r, dry_run);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int take_fixes(struct fix_request *q, unsigned fixes)
{
        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++) {
                int r;

                if (!(fixes & FIX_BIT(id)))
                        continue;
                r = run_fix(q, fix_get(id), FIX_APPLY, false);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int apply_fixes(struct fix_request *q, unsigned fixes, bool dry_run)
{
        struct fix_plan plans[_FIX_ID_MAX] = {};
        int r;

        r = preview_fixes(q, fixes, dry_run, plans);
        if (r == 0 && !dry_run && q->would_change)
                r = get_consent(q, plans);
        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++)
                fix_plan_done(&plans[id]);
        return r < 0 || dry_run ? r : take_fixes(q, fixes);
}

/* Reverts all that are in force, the last of the table first. It goes on after a failure, and returns the
 * last one. */
static int revert_all(struct fix_request *q, bool dry_run)
{
        int r = 0;

        for (int id = _FIX_ID_MAX - 1; id >= 0; id--) {
                const struct fix *fix = fix_get((enum fix_id) id);
                int k;

                if (!fix->run || fix->state(&q->snapshot.host) == FIX_ABSENT)
                        continue;
                k = run_fix(q, fix, FIX_REVERT, dry_run);
                if (k < 0)
                        r = k;
        }
        if (!q->options.json && json_length(json_get(q->report, "fixes")) == 0)
                print_line(stdout, NONE_IN_FORCE);
        return r;
}

/* Which of the fixes of the host that help are to be applied first. */
static unsigned choose_fixes(const struct fix_request *q)
{
        struct help help = help_host(&q->snapshot.host);
        unsigned of_host = 0;

        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++)
                if (fix_get(id)->run)
                        of_host |= FIX_BIT(id);
        return help_choose(&help, of_host);
}

static bool is_list(const struct fix_request *q)
{
        return streq(q->operation, "list");
}

static bool is_revert(const struct fix_request *q)
{
        return streq(q->operation, "revert");
}

static bool is_change(const struct fix_request *q)
{
        return !q->options.dry_run && (streq(q->operation, "apply") || is_revert(q));
}

static int run_operation(struct fix_request *q)
{
        bool dry_run = !is_change(q);
        unsigned fixes;
        int r;

        json_add_string(q->report, "operation", is_revert(q) ? "revert" : "apply");
        json_add_bool(q->report, "dry_run", dry_run);
        json_add(q->report, "fixes", json_new_array());
        if (is_revert(q))
                r = q->fix ? run_fix(q, q->fix, FIX_REVERT, dry_run) : revert_all(q, dry_run);
        else {
                fixes = q->fix ? FIX_BIT(q->fix->id) : choose_fixes(q);
                r = apply_fixes(q, fixes, dry_run);
                if (fixes == 0 && !q->options.json)
                        print_line(stdout, NONE_HELPS);
        }
        /* Who was asked and said no has seen all there is. */
        if (r == -ECANCELED)
                return r;
        if (q->options.json && print_json(q) < 0)
                return -ENOMEM;
        return r;
}

/* Only root sees enough to plan it. */
static int get_consent_unseen(const struct fix_request *q)
{
        const char *question = "Apply the first fix that helps, as vfioalignctl fix plan shows it to root?";

        if (q->options.yes)
                return 0;
        if (!can_ask())
                return -ECANCELED;
        if (q->fix) {
                print_line(stderr, "%s: %s", fix_id_to_string(q->fix->id), fix_type(q->fix->id)->does);
                print_line(stderr, "%s: trade-off: %s", fix_id_to_string(q->fix->id),
                           fix_type(q->fix->id)->price);
                question = "Apply it?";
        }
        return ask_yes(question) > 0 ? 0 : -ECANCELED;
}

/* Somebody who is not root asks the daemon for the change, and polkit decides. */
static int ask_daemon(struct fix_request *q)
{
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_free_ char *text = NULL;
        json_object *fixes;
        int r;

        if (!is_revert(q)) {
                r = get_consent_unseen(q);
                if (r < 0)
                        return r;
        }
        r = daemon_call_new(&bus, is_revert(q) ? "RevertFix" : "ApplyFix", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "st", q->fix ? fix_id_to_string(q->fix->id) : "",
                                  q->options.force ? BUS_FLAG_FORCE : UINT64_C(0));
        if (r < 0)
                return log_error(r, "Failed to ask vfioalignd: %m");
        r = daemon_call(bus, call, DAEMON_USEC, &text);
        if (r < 0)
                return r;
        q->report = json_tokener_parse(text);
        fixes = json_get(q->report, "fixes");
        if (!json_object_is_type(fixes, json_type_array))
                return log_error(-EBADMSG, "Failed to read vfioalignd's answer: %m");
        for (size_t i = 0; i < json_length(fixes); i++) {
                json_object *outcome = json_object_array_get_idx(fixes, i);

                if (json_get_text(outcome, "refusal") || json_get_text(outcome, "error"))
                        r = -EPERM;
                if (!q->options.json)
                        print_outcome(outcome, false);
        }
        if (q->options.json && print_json(q) < 0)
                return -ENOMEM;
        if (!q->options.json && json_length(fixes) == 0)
                print_line(stdout, "%s", is_revert(q) ? NONE_IN_FORCE : NONE_HELPS);
        return r;
}

/* Whether the request can be carried out; else prints why not. */
static bool request_is_possible(const struct fix_request *q)
{
        if (q->fix && !q->fix->run) {
                print_line(stderr, "vfioalignctl: %s is a fix of one guest: vfioalignctl guest plan NAME %s",
                           fix_id_to_string(q->fix->id), fix_id_to_string(q->fix->id));
                return false;
        }
        if (q->options.root && is_change(q)) {
                log_error(0, "A recorded host cannot be changed: use plan");
                return false;
        }
        return true;
}

/* Works on this host or a recorded one, without the daemon. */
static int run_here(struct fix_request *q)
{
        int r = snapshot_read(&q->snapshot, &q->options);

        if (r < 0)
                return r;
        (void) config_read(&q->config, &q->snapshot.root, warn_of_config, NULL);
        q->report = json_new_object();
        json_add_count(q->report, "schema_version", 1);
        json_add_string(q->report, "switched_off_by", q->snapshot.host.switched_off_by);
        return is_list(q) ? list_fixes(q) : run_operation(q);
}

static int parse_words(struct fix_request *q, char *words[])
{
        near_t question;
        enum fix_id id;
        size_t i = 0;

        q->operation = words[0] ?: "list";
        while (i < ELEMENTSOF(operations) && !streq(operations[i], q->operation))
                i++;
        if (i == ELEMENTSOF(operations)) {
                struct near near = { .word = q->operation };

                for (i = 0; i < ELEMENTSOF(operations); i++)
                        near_offer(&near, operations[i]);
                print_line(stderr, "vfioalignctl: fix %s: expected list, plan, apply or revert%s",
                           q->operation, near_question(&near, question));
                return -CTL_USAGE;
        }
        if ((q->options.csv || q->options.no_headings) && !is_list(q)) {
                print_line(stderr,
                           "vfioalignctl: fix %s prints no table, so it takes no --csv and no "
                           "--no-headings",
                           q->operation);
                return -CTL_USAGE;
        }
        if (!words[0] || !words[1])
                return 0;
        id = fix_id_from_string(words[1]);
        if (id < 0) {
                struct near near = { .word = words[1] };

                for (id = 0; id < _FIX_ID_MAX; id++)
                        near_offer(&near, fix_id_to_string(id));
                if (!*near_question(&near, question))
                        snprintf(question, sizeof(question), "; see vfioalignctl fix list");
                print_line(stderr, "vfioalignctl: there is no fix '%s'%s", words[1], question);
                return -CTL_USAGE;
        }
        if (is_list(q)) {
                print_line(stderr, "vfioalignctl: fix list takes no argument '%s'", words[1]);
                return -CTL_USAGE;
        }
        q->fix = fix_get(id);
        return 0;
}

int verb_fix(int argc, char *argv[])
{
        _cleanup_(request_done) struct fix_request q = { .config = config_default(),
                                                         .snapshot = { .root.fd = -EBADF } };
        int word, r;

        word = options_parse(argc, argv,
                             OPTION_JSON | OPTION_OUTPUT | OPTION_ROOT | OPTION_DRY_RUN | OPTION_CSV |
                                     OPTION_NO_HEADINGS | OPTION_YES | OPTION_FORCE,
                             0, 2, &q.options);
        if (word < 0)
                return -word;
        r = parse_words(&q, argv + word);
        if (r < 0)
                return -r;
        if (columns_print_help(q.options.output, columns, ELEMENTSOF(columns)))
                return CTL_OK;
        if (!request_is_possible(&q))
                return CTL_FAILED;
        r = is_change(&q) && geteuid() != 0 ? ask_daemon(&q) : run_here(&q);
        if (r == -EINVAL && q.options.output && is_list(&q))
                return columns_refuse(q.options.output, columns, ELEMENTSOF(columns));
        if (r < 0)
                return CTL_FAILED;
        return streq(q.operation, "plan") && q.would_change ? CTL_CHANGES : CTL_OK;
}
