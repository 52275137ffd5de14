/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verb guest. It is a program of its own because it alone takes libvirt's library, which is slow to
 * load. */
#include <locale.h>

#include "ctl.h"
#include "fix/domain-fix.h"
#include "fix/domain-libvirt.h"
#include "guest-report.h"
#include "snapshot.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/switch.h"
#include "verbs.h"
#include "xml-diff.h"

struct request {
        struct options options;
        enum fix_action action;
        bool dry_run;
        const char *name;
        const struct domain_fix *fix; /* NULL: not named */
        struct domain domain;
        json_object *report;
};

static const char *id_of(const struct domain_fix *fix)
{
        return fix ? fix_id_to_string(fix->id) : NULL;
}

static void set(struct request *q, const char *key, const char *value)
{
        json_object_object_add(q->report, key, value ? json_object_new_string(value) : NULL);
}

/* The end of it. Returns the exit code. */
static int end(struct request *q, const char *outcome, const char *reason)
{
        set(q, "outcome", outcome);
        set(q, "reason", reason);
        return streq(outcome, "refused") || streq(outcome, "failed") ? CTL_FAILED : CTL_OK;
}

static int end_error(struct request *q, const char *what, int r)
{
        _cleanup_free_ char *reason = NULL;
        const char *why = r == -EBADMSG  ? "it has a part that is there twice, or that cannot be understood"
                          : r == -EFBIG  ? "it is too large"
                          : r == -ENODEV ? "a device is not in it"
                                         : strerror(-r);

        if (asprintf(&reason, "%s: %s", what, why) < 0)
                reason = NULL;
        return end(q, "failed", reason ?: what);
}

static void note(struct request *q, const char *text)
{
        json_object_array_add(json_get(q->report, "notes"), json_object_new_string(text));
}

static void note_start(struct request *q)
{
        if (q->domain.running)
                note(q,
                     "the guest runs, and sees nothing of it until it is shut down and started again; a reboot from inside is "
                     "no such start");
        if (q->domain.managed_save)
                note(q,
                     "the guest has a managed save, which holds the domain as it was: its next start restores that, and only the "
                     "one after it is a start of the edited domain (virsh managedsave-remove gives the saved state up)");
}

static int add_diff(struct request *q, const char *old_name, const char *old, const char *new_name,
                    const char *new)
{
        _cleanup_free_ char *diff = NULL;
        int r;

        r = xml_diff(old_name, old, new_name, new, &diff);
        if (r >= 0)
                set(q, "diff", diff);
        else
                log_warning(r, "Failed to show the difference, which takes diff(1), going on: %m");
        return r;
}

/* Somebody else's edit is shown by what libvirt shows without secrets. */
static int refuse_changed(struct request *q, const char *shown, const char *fix)
{
        _cleanup_free_ char *left = NULL;

        if (domain_edit_revert(shown, strlen(shown), fix, &left) == -ESTALE)
                (void) add_diff(q, "as vfioalign left it", left, "as it is", shown);
        return end(
                q, "refused",
                "somebody else has changed since what this fix had changed. Bring it to either side of the "
                "difference (virsh edit), and run this again");
}

static int plan(const struct domain_fix *fix, const struct domain_subject *s, struct domain_changes *changes,
                struct fix_plan *p)
{
        return s->guest->n_hostdevs == 0 ? fix_plan_refuse(p, "the guest has no VFIO device")
                                         : fix->plan(s, changes, p);
}

/* All fixes, with what speaks against each. */
static int list_fixes(struct request *q, const struct domain_subject *s, const char *shown)
{
        for (size_t i = 0; i < DOMAIN_FIXES_MAX; i++) {
                const struct domain_fix *fix = &domain_fixes[i];
                _cleanup_(domain_changes_done) struct domain_changes changes = {};
                _cleanup_(fix_plan_done) struct fix_plan p = {};
                json_object *o = json_object_new_object();
                int state = domain_edit_state(shown, strlen(shown), id_of(fix));
                int r = plan(fix, s, &changes, &p);

                if (state >= 0 && r >= 0) {
                        json_object_object_add(o, "id", json_object_new_string(id_of(fix)));
                        json_object_object_add(o, "state",
                                               json_object_new_string(domain_edit_state_to_string(state)));
                        json_object_object_add(o, "does", json_object_new_string(fix_type(fix->id)->does));
                        json_object_object_add(o, "price", json_object_new_string(fix_type(fix->id)->price));
                        json_object_object_add(o, "refusal",
                                               p.refusal && state == DOMAIN_EDIT_NONE
                                                       ? json_object_new_string(p.refusal)
                                                       : NULL);
                        json_object_object_add(o, "helps",
                                               json_object_new_boolean(domain_fix_helps(fix, s)));
                }
                json_object_array_add(json_get(q->report, "fixes"), o);
                if (state < 0 || r < 0)
                        return state < 0 ? state : r;
        }
        return 0;
}

/* The first that can be applied and helps; a last resort is nothing to be taken unasked. */
static const struct domain_fix *choose(const struct request *q)
{
        json_object *fixes = json_get(q->report, "fixes");

        for (size_t i = 0; i < json_length(fixes); i++) {
                json_object *o = json_object_array_get_idx(fixes, i);

                if (!domain_fixes[i].consent && !json_get_text(o, "refusal") && json_get_flag(o, "helps"))
                        return &domain_fixes[i];
        }
        return NULL;
}

static bool agreed(const struct request *q)
{
        char answer[64] = "";

        if (!q->fix->consent || q->dry_run || q->options.yes)
                return true;
        fprintf(stderr, "%s %s.\nIts price: %s.\n", id_of(q->fix), fix_type(q->fix->id)->does,
                fix_type(q->fix->id)->price);
        if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
                fprintf(stderr, "There is no terminal to ask on; give --yes.\n");
                return false;
        }
        fprintf(stderr, "Type %s to go on: ", id_of(q->fix));
        if (!fgets(answer, sizeof(answer), stdin))
                return false;
        answer[strcspn(answer, "\n")] = '\0';
        return streq(answer, id_of(q->fix));
}

/* edit: of a domain with secrets, or of one that libvirt shows without. 1, 0 or negative, as
 * domain_edit_apply(). */
static int edit(const struct request *q, const char *xml, const struct domain_changes *changes, char **ret)
{
        if (q->action == FIX_REVERT)
                return domain_edit_revert(xml, strlen(xml), id_of(q->fix), ret);
        return domain_edit_apply(xml, strlen(xml), id_of(q->fix), changes, ret);
}

static int carry_out(struct request *q, const char *shown, const struct domain_changes *changes)
{
        _cleanup_free_ char *shown_new = NULL, *old = NULL, *new = NULL, *why = NULL;
        int r;

        r = edit(q, shown, changes, &shown_new);
        if (r == -ESTALE)
                return refuse_changed(q, shown, id_of(q->fix));
        if (r < 0)
                return end_error(q, "the guest's XML could not be edited", r);
        if (r == 0)
                return end(q, "unchanged",
                           q->action == FIX_REVERT ? "no edit of vfioalign's is in it" : "it is so already");
        (void) add_diff(q, "as it is", shown, q->action == FIX_REVERT ? "reverted" : id_of(q->fix),
                        shown_new);
        note_start(q);
        if (q->dry_run)
                return end(q, "planned", NULL);

        r = domain_read(&q->domain, true, &old, &why);
        if (r >= 0) {
                r = edit(q, old, changes, &new);
                if (r != 1)
                        return end_error(q, "the guest's XML could not be edited", r == 0 ? -EAGAIN : r);
                r = domain_define(&q->domain, old, new, q->action, id_of(q->fix), &why);
        }
        if (r < 0)
                return end(q, r == -EAGAIN ? "refused" : "failed", why);
        return end(q, q->action == FIX_REVERT ? "reverted" : "applied", NULL);
}

static int apply(struct request *q, const struct domain_subject *s, const char *shown)
{
        _cleanup_(domain_changes_done) struct domain_changes changes = {};
        _cleanup_(fix_plan_done) struct fix_plan p = {};
        bool named = q->fix;
        int r;

        r = list_fixes(q, s, shown);
        if (r < 0)
                return end_error(q, "the guest's XML cannot be understood", r);
        if (!named) {
                q->fix = choose(q);
                if (!q->fix)
                        return domain_falls_short(s)
                                       ? end(q, "refused",
                                             "no fix of the guest itself can be applied here, or "
                                             "is fit to be chosen unasked")
                                       : end(q, "unchanged", "none of its BARs is known to fall short");
        }
        set(q, "fix", id_of(q->fix));
        switch (domain_edit_state(shown, strlen(shown), id_of(q->fix))) {
        case DOMAIN_EDIT_APPLIED:
                return end(q, "unchanged", "it is applied already");
        case DOMAIN_EDIT_UNDONE:
                return end(
                        q, "refused",
                        "it was applied, and somebody else has undone some or all of it: run vfioalignctl guest "
                        "revert first");
        case DOMAIN_EDIT_CHANGED:
                return refuse_changed(q, shown, id_of(q->fix));
        }
        r = plan(q->fix, s, &changes, &p);
        if (r < 0)
                return end_error(q, "failed to plan it", r);
        if (p.refusal)
                return end(q, "refused", p.refusal);
        if (!agreed(q))
                return end(q, "refused", "it is not agreed to");
        if (p.note)
                note(q, p.note);
        if (named && !domain_fix_helps(q->fix, s))
                note(q, "as far as can be seen, no BAR of the guest gains by it on this host as it is now");
        return carry_out(q, shown, &changes);
}

static int apply_on_host(struct request *q, const char *shown)
{
        struct snapshot s;
        struct guest g = {};
        struct domain_subject subject;
        int r, code;

        if (snapshot_read(&s, &q->options) < 0) {
                snapshot_done(&s);
                return end(q, "failed", "this host could not be read");
        }
        r = guest_parse(&g, shown, strlen(shown));
        if (r >= 0)
                r = guest_read_networks(&g, &s.root);
        if (r < 0) {
                snapshot_done(&s);
                guest_done(&g);
                return end_error(q, "the guest's XML cannot be understood", r);
        }
        subject = (struct domain_subject){
                .host = &s.host,
                .guest = &g,
                .libvirt_version = q->domain.libvirt_version,
        };
        if (g.emulator)
                (void) emulator_facts_get(&s.host.emulators, &s.root, g.emulator);
        if (q->options.emulator)
                subject.emulator = emulator_facts_get(&s.host.emulators, &s.root, q->options.emulator);
        code = q->options.emulator && !subject.emulator ? end(q, "refused", "there is no such emulator")
                                                        : apply(q, &subject, shown);
        guest_done(&g);
        snapshot_done(&s);
        return code;
}

static int run(struct request *q)
{
        _cleanup_free_ char *shown = NULL, *why = NULL;
        _cleanup_(root_close) struct root root = { .fd = -EBADF };
        const char *off;
        int r;

        r = root_open(&root, NULL);
        if (r < 0)
                return end_error(q, "failed to open /", r);
        /* Taking back is no work of ours that the switch could stop. */
        off = q->action == FIX_APPLY && !q->dry_run ? switched_off(&root) : NULL;
        if (off) {
                if (asprintf(&why, "switched off by %s", off) < 0)
                        return end_error(q, "switched off", -ENOMEM);
                return end(q, "refused", why);
        }
        r = domain_open(&q->domain, q->options.connect, q->name, !q->dry_run, &why);
        if (r >= 0)
                r = domain_read(&q->domain, false, &shown, &why);
        if (r < 0)
                return end(q, r == -EXDEV ? "refused" : "failed", why);
        if (q->action == FIX_APPLY)
                return apply_on_host(q, shown);
        set(q, "fix", id_of(q->fix));
        return carry_out(q, shown, NULL);
}

static int parse(struct request *q, int argc, char *argv[])
{
        int word = options_parse(
                argc, argv, OPTION_JSON | OPTION_DRY_RUN | OPTION_YES | OPTION_CONNECT | OPTION_EMULATOR, 2,
                3, &q->options);

        if (word < 0)
                return word;
        q->action = streq(argv[word], "revert") ? FIX_REVERT : FIX_APPLY;
        q->dry_run = q->options.dry_run || streq(argv[word], "plan");
        if (q->dry_run) /* Only tests set it: a recorded host decides what helps the guest. */
                q->options.root = secure_getenv("VFIOALIGN_ROOT");
        if (q->action == FIX_APPLY && !streq(argv[word], "plan") && !streq(argv[word], "apply")) {
                fprintf(stderr, "vfioalignctl: guest %s: wanted plan, apply or revert\n", argv[word]);
                return -CTL_USAGE;
        }
        if (q->options.emulator && *q->options.emulator != '/') {
                fprintf(stderr, "vfioalignctl: --emulator %s: wanted an absolute path\n",
                        q->options.emulator);
                return -CTL_USAGE;
        }
        q->name = argv[word + 1];
        if (argv[word + 2]) {
                q->fix = domain_fix_find(argv[word + 2]);
                if (!q->fix) {
                        fprintf(stderr, "vfioalignctl: '%s' is no fix of a guest: they are", argv[word + 2]);
                        for (size_t i = 0; i < DOMAIN_FIXES_MAX; i++)
                                fprintf(stderr, " %s", id_of(&domain_fixes[i]));
                        fputc('\n', stderr);
                        return -CTL_USAGE;
                }
        }
        return word;
}

int verb_guest(int argc, char *argv[])
{
        struct request q = {};
        int word, code;

        word = parse(&q, argc, argv);
        if (word < 0)
                return -word;
        q.report = guest_report_new(argv[word], q.name);
        code = run(&q);
        if (q.options.json)
                report_print_json(q.report, stdout);
        else if (guest_report_print(q.report, !argv[word + 2]) < 0)
                code = CTL_FAILED;
        if (fflush(stdout) != 0) {
                log_error(-errno, "Failed to print what came of it: %m");
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
