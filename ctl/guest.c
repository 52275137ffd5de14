/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verb guest. It is a program of its own because it alone takes libvirt's library, which is slow to
 * load. */
#include <locale.h>

#include "audit/guest-cost.h"
#include "ctl.h"
#include "fix/domain-fix.h"
#include "fix/domain-libvirt.h"
#include "guest-report.h"
#include "snapshot.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/near.h"
#include "util/print.h"
#include "util/switch.h"
#include "verbs.h"
#include "xml-diff.h"

struct guest_request {
        struct options options;
        enum fix_action action;
        bool dry_run;
        const char *name;
        const struct domain_fix *fix; /* NULL: not named */
        struct domain domain;
        json_object *report;
};

static const char *fix_name(const struct domain_fix *fix)
{
        return fix ? fix_id_to_string(fix->id) : NULL;
}

/* Sets the outcome, and returns the exit code that goes with it. */
static int request_end(struct guest_request *q, const char *outcome, const char *reason)
{
        json_add_string(q->report, "outcome", outcome);
        json_add_string(q->report, "reason", reason);
        return streq(outcome, "refused") || streq(outcome, "failed") ? CTL_FAILED : CTL_OK;
}

static const char *error_reason(int r)
{
        switch (r) {
        case -EBADMSG:
                return "it has a part that is there twice, or that cannot be understood";
        case -EFBIG:
                return "it is too large";
        case -ENODEV:
                return "a device is not in it";
        default:
                return strerror(-r);
        }
}

static int request_end_error(struct guest_request *q, const char *what, int r)
{
        _cleanup_free_ char *reason = NULL;

        if (asprintf(&reason, "%s: %s", what, error_reason(r)) < 0)
                reason = NULL;
        return request_end(q, "failed", reason ?: what);
}

static void report_note(struct guest_request *q, const char *text)
{
        json_append_string(json_get(q->report, "notes"), text);
}

static void report_note_start(struct guest_request *q)
{
        if (q->domain.running)
                report_note(q, "the guest is running and sees nothing of this until it is shut down and "
                               "started again; a reboot from inside is not such a start");
        if (q->domain.managed_save)
                report_note(q,
                            "the guest has a managed save, which holds the domain as it was: its next start "
                            "restores that, and only the one after it is a start of the edited domain "
                            "(virsh managedsave-remove discards the saved state)");
}

static void report_diff(struct guest_request *q, const char *old_name, const char *old, const char *new_name,
                        const char *new)
{
        _cleanup_free_ char *diff = NULL;
        int r;

        r = xml_diff(old_name, old, new_name, new, &diff);
        if (r < 0)
                log_warning(r, "Failed to show the difference with diff(1), ignoring: %m");
        else
                json_add_string(q->report, "diff", diff);
}

/* The difference that somebody else has made is shown without secrets, as libvirt shows the domain. */
static int refuse_changed(struct guest_request *q, const char *shown, const char *fix)
{
        _cleanup_free_ char *left = NULL;

        if (domain_edit_revert(shown, strlen(shown), fix, &left) == -ESTALE)
                report_diff(q, "as vfioalign left it", left, "as it is", shown);
        return request_end(
                q, "refused",
                "somebody else has since changed what this fix had changed. Bring it to either side of the "
                "difference (virsh edit), and run this again");
}

static int plan_fix(const struct domain_fix *fix, const struct domain_subject *s,
                    struct domain_changes *changes, struct fix_plan *p)
{
        return s->guest->n_hostdevs == 0 ? fix_plan_refuse(p, "the guest has no VFIO device")
                                         : fix->plan(s, changes, p);
}

static json_object *new_fix(const struct domain_fix *fix, const struct domain_subject *s,
                            enum domain_edit_state state, const char *refusal)
{
        json_object *o = json_new_object();

        json_add_string(o, "id", fix_name(fix));
        json_add_string(o, "state", domain_edit_state_to_string(state));
        json_add_string(o, "does", fix_type(fix->id)->does);
        json_add_string(o, "price", fix_type(fix->id)->price);
        json_add_string(o, "refusal", state == DOMAIN_EDIT_NONE ? refusal : NULL);
        json_add_bool(o, "helps", domain_fix_helps(fix, s));
        return o;
}

/* Adds all fixes to the report, with what is against each. */
static int report_fixes(struct guest_request *q, const struct domain_subject *s, const char *shown)
{
        json_object *fixes = json_get(q->report, "fixes");

        for (size_t i = 0; i < DOMAIN_FIXES_MAX; i++) {
                const struct domain_fix *fix = &domain_fixes[i];
                _cleanup_(domain_changes_done) struct domain_changes changes = {};
                _cleanup_(fix_plan_done) struct fix_plan p = {};
                int state, r;

                state = domain_edit_state(shown, strlen(shown), fix_name(fix));
                if (state < 0)
                        return state;
                r = plan_fix(fix, s, &changes, &p);
                if (r < 0)
                        return r;
                json_append(fixes, new_fix(fix, s, (enum domain_edit_state) state, p.refusal));
        }
        return 0;
}

/* The first fix that can be applied and helps; a last resort is only taken when it is named. */
static const struct domain_fix *choose_fix(const struct guest_request *q)
{
        json_object *fixes = json_get(q->report, "fixes");

        for (size_t i = 0; i < json_length(fixes); i++) {
                json_object *o = json_object_array_get_idx(fixes, i);

                if (!domain_fixes[i].consent && !json_get_text(o, "refusal") && json_get_flag(o, "helps"))
                        return &domain_fixes[i];
        }
        return NULL;
}

static bool is_confirmed(const struct guest_request *q)
{
        char answer[64] = "";

        if (!q->fix->consent || q->dry_run || q->options.yes)
                return true;
        print_line(stderr, "%s %s.", fix_name(q->fix), fix_type(q->fix->id)->does);
        print_line(stderr, "Trade-off: %s.", fix_type(q->fix->id)->price);
        if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
                print_line(stderr, "There is no terminal to ask on; give --yes.");
                return false;
        }
        print(stderr, "Type %s to go on: ", fix_name(q->fix));
        if (!fgets(answer, sizeof(answer), stdin))
                return false;
        answer[strcspn(answer, "\n")] = '\0';
        return streq(answer, fix_name(q->fix));
}

/* xml: the domain with its secrets, or as libvirt shows it without them. Returns 1, 0 or a negative errno,
 * as domain_edit_apply() does. */
static int edit_xml(const struct guest_request *q, const char *xml, const struct domain_changes *changes,
                    char **ret)
{
        if (q->action == FIX_REVERT)
                return domain_edit_revert(xml, strlen(xml), fix_name(q->fix), ret);
        return domain_edit_apply(xml, strlen(xml), fix_name(q->fix), changes, ret);
}

/* Defines the edited domain. Returns 0, or a negative errno with the reason in *ret_why where there is one.
 */
static int define_domain(struct guest_request *q, const struct domain_changes *changes, char **ret_why)
{
        _cleanup_free_ char *old = NULL, *new = NULL;
        int r;

        r = domain_read(&q->domain, true, &old, ret_why);
        if (r < 0)
                return r;
        r = edit_xml(q, old, changes, &new);
        if (r < 0)
                return r;
        if (r == 0)
                return -EAGAIN;
        return domain_define(&q->domain, old, new, q->action, fix_name(q->fix), ret_why);
}

static int change_domain(struct guest_request *q, const char *shown, const struct domain_changes *changes)
{
        bool revert = q->action == FIX_REVERT;
        _cleanup_free_ char *shown_new = NULL, *why = NULL;
        int r;

        r = edit_xml(q, shown, changes, &shown_new);
        if (r == -ESTALE)
                return refuse_changed(q, shown, fix_name(q->fix));
        if (r < 0)
                return request_end_error(q, "the guest's XML could not be edited", r);
        if (r == 0)
                return request_end(q, "unchanged",
                                   revert ? "no edit of vfioalign's is in it" : "it is so already");
        report_diff(q, "as it is", shown, revert ? "reverted" : fix_name(q->fix), shown_new);
        report_note_start(q);
        if (q->dry_run)
                return request_end(q, "planned", NULL);

        r = define_domain(q, changes, &why);
        if (r < 0 && !why)
                return request_end_error(q, "the guest's XML could not be edited", r);
        if (r < 0)
                return request_end(q, r == -EAGAIN ? "refused" : "failed", why);
        return request_end(q, revert ? "reverted" : "applied", NULL);
}

/* Without a name, plan and apply take the first fix that fits. Returns whether there is one; else has ended
 * the request with *ret_code. */
static bool find_fix(struct guest_request *q, const struct domain_subject *s, int *ret_code)
{
        struct guest_cost cost;
        char text[256];

        if (!q->fix)
                q->fix = choose_fix(q);
        if (q->fix)
                return true;
        cost = guest_cost(&s->host->devices, s->guest, &s->host->kernel, &s->host->module,
                          guest_placer(s->host, s->guest), 0);
        if (domain_falls_short(s))
                *ret_code = request_end(q, "refused",
                                        "no fix of the guest itself can be applied here, or is fit to be "
                                        "chosen unasked");
        else if (cost.why) {
                snprintf(text, sizeof(text), "none of its BARs is known to fall short, but %s", cost.why);
                *ret_code = request_end(q, "unchanged", text);
        } else
                *ret_code = request_end(q, "unchanged", "none of its BARs is known to fall short");
        return false;
}

static int apply_fix(struct guest_request *q, const struct domain_subject *s, const char *shown)
{
        _cleanup_(domain_changes_done) struct domain_changes changes = {};
        _cleanup_(fix_plan_done) struct fix_plan p = {};
        bool named = q->fix;
        int r, code;

        r = report_fixes(q, s, shown);
        if (r < 0)
                return request_end_error(q, "the guest's XML cannot be understood", r);
        if (!find_fix(q, s, &code))
                return code;
        json_add_string(q->report, "fix", fix_name(q->fix));
        switch (domain_edit_state(shown, strlen(shown), fix_name(q->fix))) {
        case DOMAIN_EDIT_APPLIED:
                return request_end(q, "unchanged", "it is applied already");
        case DOMAIN_EDIT_UNDONE:
                return request_end(q, "refused",
                                   "it was applied, and somebody else has undone some or all of it: run "
                                   "vfioalignctl guest revert first");
        case DOMAIN_EDIT_CHANGED:
                return refuse_changed(q, shown, fix_name(q->fix));
        }
        r = plan_fix(q->fix, s, &changes, &p);
        if (r < 0)
                return request_end_error(q, "failed to plan it", r);
        if (p.refusal)
                return request_end(q, "refused", p.refusal);
        if (!is_confirmed(q))
                return request_end(q, "refused", "not confirmed");
        if (p.note)
                report_note(q, p.note);
        if (named && !domain_fix_helps(q->fix, s))
                report_note(q,
                            "as far as can be seen, no BAR of the guest gains by it on this host as it is "
                            "now");
        return change_domain(q, shown, &changes);
}

/* Returns 0 or a negative errno. *g is released by guest_done() in any case. */
static int read_guest(struct guest *g, const char *xml, const struct root *root)
{
        int r = guest_parse(g, xml, strlen(xml));

        return r < 0 ? r : guest_read_networks(g, root);
}

static int apply_with_host(struct guest_request *q, const char *shown, struct snapshot *s, struct guest *g)
{
        struct domain_subject subject = {
                .host = &s->host,
                .guest = g,
                .libvirt_version = q->domain.libvirt_version,
        };
        int r;

        if (snapshot_read(s, &q->options) < 0)
                return request_end(q, "failed", "this host could not be read");
        r = read_guest(g, shown, &s->root);
        if (r < 0)
                return request_end_error(q, "the guest's XML cannot be understood", r);
        if (g->emulator)
                (void) emulator_facts_get(&s->host.emulators, &s->root, g->emulator);
        if (q->options.emulator) {
                subject.emulator = emulator_facts_get(&s->host.emulators, &s->root, q->options.emulator);
                if (!subject.emulator)
                        return request_end(q, "refused", "there is no such emulator");
        }
        return apply_fix(q, &subject, shown);
}

static int apply_on_host(struct guest_request *q, const char *shown)
{
        struct snapshot s;
        struct guest g = {};
        int code = apply_with_host(q, shown, &s, &g);

        guest_done(&g);
        snapshot_done(&s);
        return code;
}

/* Reads the domain as libvirt shows it, without secrets. */
static int open_domain(struct guest_request *q, char **ret_shown, char **ret_why)
{
        int r = domain_open(&q->domain, q->options.connect, q->name, !q->dry_run, ret_why);

        return r < 0 ? r : domain_read(&q->domain, false, ret_shown, ret_why);
}

/* Returns the exit code; the report says the rest. */
static int run_request(struct guest_request *q)
{
        _cleanup_free_ char *shown = NULL, *why = NULL;
        _cleanup_(root_close) struct root root = { .fd = -EBADF };
        const char *off = NULL;
        int r;

        r = root_open(&root, NULL);
        if (r < 0)
                return request_end_error(q, "failed to open /", r);
        /* The switch stops what we do to guests; undoing it stays possible. */
        if (q->action == FIX_APPLY && !q->dry_run)
                off = switched_off(&root);
        if (off) {
                if (asprintf(&why, "switched off by %s", off) < 0)
                        return request_end_error(q, "switched off", -ENOMEM);
                return request_end(q, "refused", why);
        }
        r = open_domain(q, &shown, &why);
        if (r < 0)
                return request_end(q, r == -EXDEV ? "refused" : "failed", why);
        if (q->action == FIX_APPLY)
                return apply_on_host(q, shown);
        json_add_string(q->report, "fix", fix_name(q->fix));
        return change_domain(q, shown, NULL);
}

static int parse_action(struct guest_request *q, const char *action)
{
        q->action = streq(action, "revert") ? FIX_REVERT : FIX_APPLY;
        q->dry_run = q->options.dry_run || streq(action, "plan");
        if (q->dry_run) /* Only tests set it: a recorded host decides what helps the guest. */
                q->options.root = secure_getenv("VFIOALIGN_ROOT");
        if (streq(action, "plan") || streq(action, "apply") || streq(action, "revert"))
                return 0;
        print_line(stderr, "vfioalignctl: guest %s: expected plan, apply or revert", action);
        return -CTL_USAGE;
}

/* name: NULL: not named. */
static int parse_fix(struct guest_request *q, const char *name)
{
        struct near near = { .word = name };
        near_t question;

        if (!name)
                return 0;
        q->fix = domain_fix_find(name);
        if (q->fix)
                return 0;
        print(stderr, "vfioalignctl: '%s' is not a fix of a guest; they are", name);
        for (size_t i = 0; i < DOMAIN_FIXES_MAX; i++) {
                print(stderr, " %s", fix_name(&domain_fixes[i]));
                near_offer(&near, fix_name(&domain_fixes[i]));
        }
        print_line(stderr, "%s", near_question(&near, question));
        return -CTL_USAGE;
}

/* Returns the index of the first word, or the negative of an exit code. */
static int parse_request(struct guest_request *q, int argc, char *argv[])
{
        int word, r;

        word = options_parse(argc, argv,
                             OPTION_JSON | OPTION_DRY_RUN | OPTION_YES | OPTION_CONNECT | OPTION_EMULATOR, 2,
                             3, &q->options);
        if (word < 0)
                return word;
        r = parse_action(q, argv[word]);
        if (r < 0)
                return r;
        if (q->options.emulator && *q->options.emulator != '/') {
                print_line(stderr, "vfioalignctl: --emulator %s: expected an absolute path",
                           q->options.emulator);
                return -CTL_USAGE;
        }
        q->name = argv[word + 1];
        r = parse_fix(q, argv[word + 2]);
        return r < 0 ? r : word;
}

int verb_guest(int argc, char *argv[])
{
        struct guest_request q = {};
        int word, code, r;

        word = parse_request(&q, argc, argv);
        if (word < 0)
                return -word;
        q.report = guest_report_new(argv[word], q.name);
        code = run_request(&q);
        r = q.options.json ? report_print_json_as(q.report, q.options.json, 0, stdout)
                           : guest_report_print(q.report, !argv[word + 2]);
        if (r == 0 && fflush(stdout) != 0)
                r = -errno;
        if (r < 0) {
                log_error(r, "Failed to print the outcome: %m");
                code = CTL_FAILED;
        }
        domain_close(&q.domain);
        json_object_put(q.report);
        return code;
}

int main(int argc, char *argv[])
{
        setlocale(LC_ALL, "");
        setlocale(LC_NUMERIC, "C"); /* numbers are written here as in the configuration */
        return argc < 2 ? CTL_USAGE : verb_guest(argc - 1, argv + 1);
}
