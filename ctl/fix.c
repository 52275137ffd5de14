/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix/fix.h"

#include <libsmartcols/libsmartcols.h>

#include "audit/what-if.h"
#include "ctl.h"
#include "daemon-call.h"
#include "report/report.h"
#include "report/table.h"
#include "snapshot.h"
#include "util/log.h"
#include "util/macro.h"
#include "verbs.h"

DEFINE_TRIVIAL_CLEANUP(json_object *, json_object_put)

#define NONE_HELPS "No fix of the host gives a device of this host larger pages"
#define NONE_IN_FORCE "No fix is in force"

/* The daemon gives up before. */
#define DAEMON_USEC (7 * 60 * USEC_PER_SEC)

static const char *const operations[] = { "list", "plan", "apply", "revert" };

struct fix_request {
        const char *operation;
        const struct fix *fix; /* NULL: none is named */
        struct options options;
        struct snapshot snapshot;
        struct config config;
        json_object *report;
};

static void request_done(struct fix_request *q)
{
        config_done(&q->config);
        snapshot_done(&q->snapshot);
        json_object_put(q->report);
}

static json_object *text_or_null(const char *text)
{
        return text ? json_object_new_string(text) : NULL;
}

static const char *fix_of(const struct fix *fix)
{
        if (!fix->run)
                return "guest";
        return FIXES_OF_GUEST & FIX_BIT(fix->id) ? "host, guest" : "host";
}

static json_object *new_fix(const struct fix_request *q, const struct fix *fix, unsigned helps)
{
        const struct host *h = &q->snapshot.host;
        json_object *o = json_object_new_object();

        json_object_object_add(o, "id", json_object_new_string(fix_id_to_string(fix->id)));
        json_object_object_add(o, "of", json_object_new_string(fix_of(fix)));
        json_object_object_add(
                o, "state", fix->state ? json_object_new_string(fix_state_to_string(fix->state(h))) : NULL);
        json_object_object_add(o, "helps", json_object_new_boolean(helps & FIX_BIT(fix->id)));
        json_object_object_add(o, "policy",
                               json_object_new_string(policy_to_string(q->config.fixes[fix->id])));
        json_object_object_add(o, "does", json_object_new_string(fix_type(fix->id)->does));
        json_object_object_add(o, "price", json_object_new_string(fix_type(fix->id)->price));
        return o;
}

#define CELL(member) \
        static const char *cell_##member(json_object *row, cell_t buffer) \
        { \
                (void) buffer; \
                return json_get_text(row, #member); \
        }
CELL(id)
CELL(of)
CELL(state)
CELL(policy)
CELL(does)
CELL(price)

static const char *cell_helps(json_object *row, cell_t buffer)
{
        (void) buffer;
        return json_get_flag(row, "helps") ? "yes" : "no";
}

static const struct column columns[] = {
        { "FIX", 0, false, cell_id },
        { "OF", 0, false, cell_of },
        { "STATE", 0, false, cell_state },
        { "HELPS", 0, false, cell_helps },
        { "POLICY", 0, false, cell_policy },
        { "DOES", SCOLS_FL_WRAP, false, cell_does },
        { "PRICE", SCOLS_FL_WRAP, true, cell_price },
};

static int list(struct fix_request *q)
{
        struct help help = help_host(&q->snapshot.host);
        json_object *fixes = json_object_new_array();

        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++)
                json_object_array_add(fixes, new_fix(q, fix_get(id), help_all(&help)));
        json_object_object_add(q->report, "fixes", fixes);
        if (q->options.json) {
                report_print_json(q->report, stdout);
                return 0;
        }
        return table_print(rows_of_array(fixes), columns, ELEMENTSOF(columns), q->options.output, stdout);
}

static json_object *new_outcome(const struct fix *fix, const struct fix_plan *plan, int error)
{
        json_object *o = json_object_new_object(), *steps = json_object_new_array();

        json_object_object_add(o, "id", json_object_new_string(fix_id_to_string(fix->id)));
        for (size_t i = 0; i < plan->n_steps; i++)
                json_object_array_add(steps, json_object_new_string(plan->steps[i]));
        json_object_object_add(o, "steps", steps);
        json_object_object_add(o, "refusal", text_or_null(plan->refusal));
        json_object_object_add(o, "note", text_or_null(plan->note));
        json_object_object_add(o, "error", error < 0 ? json_object_new_string(strerror(-error)) : NULL);
        return o;
}

/* What new_outcome() tells, for people. */
static void print_outcome(json_object *outcome, bool dry_run)
{
        const char *id = json_get_text(outcome, "id") ?: "?", *note = json_get_text(outcome, "note"),
                   *refusal = json_get_text(outcome, "refusal"), *error = json_get_text(outcome, "error");
        json_object *steps = json_get(outcome, "steps");

        for (size_t i = 0; i < json_length(steps); i++)
                printf("%s: %s%s\n", id, dry_run ? "would: " : "",
                       json_object_get_string(json_object_array_get_idx(steps, i)));
        if (json_length(steps) == 0 && !refusal && !error)
                printf("%s: nothing to do%s%s\n", id, note ? ": " : "", note ?: "");
        else if (note)
                printf("%s: %s\n", id, note);
        if (refusal)
                log_error(0, "%s: %s", id, refusal);
        else if (error)
                log_error(0, "%s: failed: %s", id, error);
}

/* One fix. Returns 0, or a negative errno where it was refused or has failed, which has been told. */
static int carry_out(struct fix_request *q, const struct fix *fix, enum fix_action action, bool dry_run)
{
        _cleanup_(fix_plan_done) struct fix_plan plan = {};
        json_object *outcome;
        int r = fix->run(&q->snapshot.host, action, dry_run, &plan);

        outcome = new_outcome(fix, &plan, r);
        json_object_array_add(json_get(q->report, "fixes"), outcome);
        if (!q->options.json)
                print_outcome(outcome, dry_run);
        return r < 0 ? r : plan.refusal ? -EPERM : 0;
}

/* Takes back all that is in force, the latest in the table first. */
static int revert_all(struct fix_request *q, bool dry_run)
{
        int r = 0;

        for (int id = _FIX_ID_MAX - 1; id >= 0; id--) {
                const struct fix *fix = fix_get((enum fix_id) id);

                if (fix->run && fix->state(&q->snapshot.host) != FIX_ABSENT) {
                        int k = carry_out(q, fix, FIX_REVERT, dry_run);

                        r = k < 0 ? k : r;
                }
        }
        if (!q->options.json && json_length(json_get(q->report, "fixes")) == 0)
                puts(NONE_IN_FORCE);
        return r;
}

/* What to do first of the fixes of the host that help. */
static unsigned choose_fixes(const struct fix_request *q)
{
        struct help help = help_host(&q->snapshot.host);
        unsigned of_host = 0;

        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++)
                if (fix_get(id)->run)
                        of_host |= FIX_BIT(id);
        return help_choose(&help, of_host);
}

/* Those of the set in turn, up to the first that is refused or fails. */
static int carry_out_fixes(struct fix_request *q, unsigned fixes, enum fix_action action, bool dry_run)
{
        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++) {
                int r;

                if (!(fixes & FIX_BIT(id)))
                        continue;
                r = carry_out(q, fix_get(id), action, dry_run);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool is_revert(const struct fix_request *q)
{
        return streq(q->operation, "revert");
}

static bool is_change(const struct fix_request *q)
{
        return !q->options.dry_run && (streq(q->operation, "apply") || is_revert(q));
}

static int act(struct fix_request *q)
{
        bool dry_run = !is_change(q);
        unsigned fixes;
        int r = 0;

        json_object_object_add(q->report, "operation",
                               json_object_new_string(is_revert(q) ? "revert" : "apply"));
        json_object_object_add(q->report, "dry_run", json_object_new_boolean(dry_run));
        json_object_object_add(q->report, "fixes", json_object_new_array());
        if (is_revert(q) && !q->fix)
                r = revert_all(q, dry_run);
        else {
                fixes = q->fix ? FIX_BIT(q->fix->id) : choose_fixes(q);
                r = carry_out_fixes(q, fixes, is_revert(q) ? FIX_REVERT : FIX_APPLY, dry_run);
                if (fixes == 0 && !q->options.json)
                        puts(NONE_HELPS);
        }
        if (q->options.json)
                report_print_json(q->report, stdout);
        return r;
}

/* A change by somebody who is not root: the daemon has it done, where polkit lets them. */
static int ask_daemon(struct fix_request *q)
{
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_free_ char *text = NULL;
        json_object *fixes;
        int r;

        r = daemon_call_new(&bus, is_revert(q) ? "RevertFix" : "ApplyFix", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "st", q->fix ? fix_id_to_string(q->fix->id) : "", UINT64_C(0));
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
        if (q->options.json)
                report_print_json(q->report, stdout);
        else if (json_length(fixes) == 0)
                puts(is_revert(q) ? NONE_IN_FORCE : NONE_HELPS);
        return r;
}

/* Says what is against it. */
static int check(const struct fix_request *q)
{
        if (q->fix && !q->fix->run) {
                fprintf(stderr, "vfioalignctl: %s is a fix of one guest: vfioalignctl guest plan NAME %s\n",
                        fix_id_to_string(q->fix->id), fix_id_to_string(q->fix->id));
                return -EINVAL;
        }
        if (q->options.root && is_change(q))
                return log_error(-EINVAL, "A recorded host cannot be changed: use plan");
        return 0;
}

/* On this host or a recorded one, by ourselves. */
static int look_and_act(struct fix_request *q)
{
        int r = snapshot_read(&q->snapshot, &q->options);

        if (r < 0)
                return r;
        (void) config_read(&q->config, &q->snapshot.root, warn_of_config, NULL);
        q->report = json_object_new_object();
        json_object_object_add(q->report, "schema_version", json_object_new_int(1));
        return streq(q->operation, "list") ? list(q) : act(q);
}

static int parse_words(struct fix_request *q, char *words[])
{
        enum fix_id id;
        size_t i = 0;

        q->operation = words[0] ?: "list";
        while (i < ELEMENTSOF(operations) && !streq(operations[i], q->operation))
                i++;
        if (i == ELEMENTSOF(operations)) {
                fprintf(stderr, "vfioalignctl: fix %s: wanted list, plan, apply or revert\n", q->operation);
                return -CTL_USAGE;
        }
        if (!words[0] || !words[1])
                return 0;
        id = fix_id_from_string(words[1]);
        if (id < 0) {
                fprintf(stderr, "vfioalignctl: there is no fix '%s'; see vfioalignctl fix list\n", words[1]);
                return -CTL_USAGE;
        }
        if (streq(q->operation, "list")) {
                fprintf(stderr, "vfioalignctl: fix list takes no argument '%s'\n", words[1]);
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

        word = options_parse(argc, argv, OPTION_JSON | OPTION_OUTPUT | OPTION_ROOT | OPTION_DRY_RUN, 0, 2,
                             &q.options);
        if (word < 0)
                return -word;
        r = parse_words(&q, argv + word);
        if (r < 0)
                return -r;
        r = check(&q);
        if (r >= 0)
                r = is_change(&q) && geteuid() != 0 ? ask_daemon(&q) : look_and_act(&q);
        return r < 0 ? CTL_FAILED : CTL_OK;
}
