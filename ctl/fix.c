/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix/fix.h"

#include <libsmartcols/libsmartcols.h>

#include "ctl.h"
#include "report/report.h"
#include "report/table.h"
#include "snapshot.h"
#include "util/log.h"
#include "util/macro.h"

DEFINE_TRIVIAL_CLEANUP(json_object *, json_object_put)

static const char *const operations[] = {"list", "plan", "apply", "revert"};

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

static json_object *new_fix(const struct fix_request *q, const struct fix *fix)
{
        const struct host *h = &q->snapshot.host;
        json_object *o = json_object_new_object();

        json_object_object_add(o, "id", json_object_new_string(fix_id_to_string(fix->id)));
        json_object_object_add(o, "of", json_object_new_string(!fix->run ? "guest" : fix->of_guest ? "host, guest" : "host"));
        json_object_object_add(o, "state", fix->state ? json_object_new_string(fix_state_to_string(fix->state(h))) : NULL);
        json_object_object_add(o, "helps", json_object_new_boolean(fix_helps(fix, h, NULL)));
        json_object_object_add(o, "policy", json_object_new_string(policy_to_string(q->config.fixes[fix->id])));
        json_object_object_add(o, "does", json_object_new_string(fix->does));
        json_object_object_add(o, "price", json_object_new_string(fix->price));
        return o;
}

#define CELL(member)                                                                    \
        static const char *cell_##member(json_object *row, cell_t buffer)               \
        {                                                                               \
                (void) buffer;                                                          \
                return json_get_text(row, #member);                                     \
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
        {"FIX", 0, false, cell_id},
        {"OF", 0, false, cell_of},
        {"STATE", 0, false, cell_state},
        {"HELPS", 0, false, cell_helps},
        {"POLICY", 0, false, cell_policy},
        {"DOES", SCOLS_FL_WRAP, false, cell_does},
        {"PRICE", SCOLS_FL_WRAP, true, cell_price},
};

static int list(struct fix_request *q)
{
        json_object *fixes = json_object_new_array();

        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++)
                json_object_array_add(fixes, new_fix(q, fix_get(id)));
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

static void print_outcome(const struct fix *fix, const struct fix_plan *plan, bool dry_run, int error)
{
        const char *id = fix_id_to_string(fix->id);

        for (size_t i = 0; i < plan->n_steps; i++)
                printf("%s: %s%s\n", id, dry_run ? "would: " : "", plan->steps[i]);
        if (plan->n_steps == 0 && !plan->refusal && error >= 0)
                printf("%s: nothing to do%s%s\n", id, plan->note ? ": " : "", plan->note ?: "");
        else if (plan->note)
                printf("%s: %s\n", id, plan->note);
        if (plan->refusal)
                log_error(error, "%s: %s", id, plan->refusal);
        else if (error < 0)
                log_error(error, "%s: failed: %m", id);
}

/* One fix. Returns 0, or a negative errno where it was refused or has failed, which has been told. */
static int carry_out(struct fix_request *q, const struct fix *fix, enum fix_action action, bool dry_run)
{
        _cleanup_(fix_plan_done) struct fix_plan plan = {};
        const char *id = fix_id_to_string(fix->id);
        int r;

        if (!fix->run) {
                fprintf(stderr, "vfioalignctl: %s is a fix of one guest: vfioalignctl guest plan NAME %s\n", id, id);
                return -EINVAL;
        }
        r = fix->run(&q->snapshot.host, action, dry_run, &plan);
        json_object_array_add(json_get(q->report, "fixes"), new_outcome(fix, &plan, r));
        if (!q->options.json)
                print_outcome(fix, &plan, dry_run, r);
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
                puts("No fix is in force");
        return r;
}

/* The first fix of the host that helps. */
static const struct fix *choose(struct fix_request *q)
{
        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++) {
                const struct fix *fix = fix_get(id);

                if (fix->run && fix_helps(fix, &q->snapshot.host, NULL))
                        return fix;
        }
        return NULL;
}

static int act(struct fix_request *q)
{
        bool dry_run = q->options.dry_run || streq(q->operation, "plan"), is_revert = streq(q->operation, "revert");
        int r = 0;

        json_object_object_add(q->report, "operation", json_object_new_string(is_revert ? "revert" : "apply"));
        json_object_object_add(q->report, "dry_run", json_object_new_boolean(dry_run));
        json_object_object_add(q->report, "fixes", json_object_new_array());
        if (!dry_run && geteuid() != 0)
                return log_error(-EPERM, "Only root can %s a fix of the host: sudo vfioalignctl fix %s", q->operation,
                                 q->operation);
        if (!dry_run && q->options.root)
                return log_error(-EINVAL, "A recorded host cannot be changed: use plan");
        if (is_revert && !q->fix)
                r = revert_all(q, dry_run);
        else if (q->fix || (q->fix = choose(q)))
                r = carry_out(q, q->fix, is_revert ? FIX_REVERT : FIX_APPLY, dry_run);
        else if (!q->options.json)
                puts("No fix of the host gives a device of this host larger pages");
        if (q->options.json && r != -EINVAL)
                report_print_json(q->report, stdout);
        return r;
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

static void on_config_problem(const char *file, unsigned line, bool fatal, const char *what, void *userdata)
{
        (void) userdata;
        if (fatal)
                log_warning(0, line ? "/%s:%u: %s; going by the defaults" : "/%s:%.0u %s; going by the defaults", file,
                            line, what);
}

int verb_fix(int argc, char *argv[])
{
        _cleanup_(request_done) struct fix_request q = {.config = config_default(), .snapshot = {.root.fd = -EBADF}};
        int word, r;

        word = options_parse(argc, argv, OPTION_JSON | OPTION_OUTPUT | OPTION_ROOT | OPTION_DRY_RUN, 0, 2, &q.options);
        if (word < 0)
                return -word;
        r = parse_words(&q, argv + word);
        if (r < 0)
                return -r;
        r = snapshot_read(&q.snapshot, &q.options);
        if (r < 0)
                return CTL_FAILED;
        (void) config_read(&q.config, &q.snapshot.root, on_config_problem, NULL);
        q.report = json_object_new_object();
        json_object_object_add(q.report, "schema_version", json_object_new_int(1));
        r = streq(q.operation, "list") ? list(&q) : act(&q);
        return r < 0 ? CTL_FAILED : CTL_OK;
}
