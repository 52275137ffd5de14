/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preload.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <systemd/sd-bus.h>

#include "facts/guest/libvirt-paths.h"
#include "preload-trial.h"
#include "unit-variable.h"
#include "util/file-write.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/process-file.h"
#include "util/switch.h"

#define VARIABLE "LD_PRELOAD"
#define UNITS "etc/systemd/system"
#define DROP_IN_MAX_SIZE KIB(64)
#define ENVIRON_MAX_SIZE MIB(4)

/* Characters that mean only themselves between double quotes in a unit (systemd.syntax(7)) */
#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_.,+:~@= -"

#define CONTENT \
        "# Written by vfioalign. \"vfioalignctl fix revert preload\" takes it away, unless it has been " \
        "edited.\n" \
        "# It was: " VARIABLE "=%s\n" \
        "[Service]\n" \
        "Environment=\"" VARIABLE "=%s\"\n"

enum drop_in {
        DROP_IN_NONE,
        DROP_IN_OURS,
        DROP_IN_EDITED, /* or somebody else's */
        DROP_IN_UNREADABLE,
};

/* One daemon's unit. */
struct target {
        const struct libvirt_daemon *daemon;
        char directory[64], path[128]; /* of the drop-in */
        struct unit_variable others;   /* what all files but the drop-in make of the variable */
        enum drop_in drop_in;
        char *text;        /* of the drop-in, or NULL */
        bool left_over;    /* a temporary file of a write that was cut off */
        char *value;       /* that the variable needs; NULL: the others have the library in it already */
        char *text_needed; /* the drop-in that gives it that value, or NULL */
};

static void target_done(struct target *t)
{
        unit_variable_done(&t->others);
        free(t->text);
        free(t->value);
        free(t->text_needed);
        *t = (struct target){};
}

static bool has_library(const char *value)
{
        size_t n = strlen(PRELOAD_LIBRARY);

        for (const char *p = value; p && *p; p += strspn(p, " :")) {
                size_t length = strcspn(p, " :");

                if (length == n && strncmp(p, PRELOAD_LIBRARY, n) == 0)
                        return true;
                p += length;
        }
        return false;
}

static int render_drop_in(const char *value, char **ret)
{
        char *text;

        if (asprintf(&text, CONTENT, value, value) < 0)
                return -ENOMEM;
        *ret = text;
        return 0;
}

/* Whether the text is a drop-in as we write them, with any value. */
static int is_ours(const char *text, bool *ret)
{
        static const char before[] = "\n# It was: " VARIABLE "=";
        _cleanup_free_ char *value = NULL, *same = NULL;
        const char *start = strstr(text, before);
        int r;

        *ret = false;
        if (!start)
                return 0;
        start += strlen(before);
        value = strndup(start, strcspn(start, "\n"));
        if (!value)
                return -ENOMEM;
        r = render_drop_in(value, &same);
        if (r < 0)
                return r;
        *ret = streq(text, same);
        return 0;
}

static int read_drop_in(struct target *t, const struct root *root)
{
        char left_over[sizeof(t->path) + 1];
        bool ours;
        size_t size;
        int r;

        snprintf(left_over, sizeof(left_over), "%s~", t->path);
        t->left_over = exists_at(root->fd, left_over);
        r = read_file_at(root->fd, t->path, DROP_IN_MAX_SIZE, &t->text, &size);
        if (r == -ENOMEM)
                return r;
        if (r == -ENOENT || r == -ENOTDIR)
                return 0;
        if (r < 0) {
                t->drop_in = DROP_IN_UNREADABLE;
                return 0;
        }
        r = is_ours(t->text, &ours);
        if (r < 0)
                return r;
        t->drop_in = ours && strlen(t->text) == size ? DROP_IN_OURS : DROP_IN_EDITED;
        return 0;
}

/* Our library goes behind those that are there, so one that interposes mmap() already stays in front. */
static int decide_value(struct target *t)
{
        const char *others = t->others.value;

        if (has_library(others))
                return 0;
        if (asprintf(&t->value, "%s%s" PRELOAD_LIBRARY, others ?: "", others && *others ? ":" : "") < 0) {
                t->value = NULL;
                return -ENOMEM;
        }
        return render_drop_in(t->value, &t->text_needed);
}

/* Release with target_done(), also where it fails. */
static int target_read(struct target *t, const struct root *root, const struct libvirt_daemon *daemon)
{
        int r;

        *t = (struct target){ .daemon = daemon };
        snprintf(t->directory, sizeof(t->directory), UNITS "/%s.d", t->daemon->unit);
        snprintf(t->path, sizeof(t->path), "%s/" LIBVIRT_PRELOAD_DROP_IN, t->directory);
        r = unit_variable_read(&t->others, root, t->daemon->unit, VARIABLE, LIBVIRT_PRELOAD_DROP_IN);
        if (r < 0)
                return r;
        r = read_drop_in(t, root);
        if (r < 0)
                return r;
        return decide_value(t);
}

/* Whether the files of the unit give its daemon the library. */
static bool is_in_force(const struct target *t)
{
        return !t->text_needed || (t->drop_in == DROP_IN_OURS && streq(t->text, t->text_needed));
}

/* Whether the daemon that runs has to be restarted to have the library, or to lose it. */
static bool restart_due(const struct host *h, bool preload)
{
        const struct libvirt_facts *l = &h->libvirt;

        return l->running.value == FACT_YES && l->preload.value == (preload ? FACT_NO : FACT_YES);
}

/* Of the files of one unit. */
static enum fix_state target_state(const struct target *t)
{
        bool in_force = is_in_force(t);

        if (t->drop_in == DROP_IN_UNREADABLE)
                return FIX_UNKNOWN;
        if (t->drop_in == DROP_IN_EDITED || t->left_over)
                return FIX_PARTIAL;
        if (t->drop_in == DROP_IN_OURS)
                return in_force ? FIX_APPLIED : FIX_PARTIAL;
        /* Another file of the unit can have it. */
        return in_force && t->others.installed ? FIX_APPLIED : FIX_ABSENT;
}

/* Of the files of all units: applied where each daemon that is installed has the library. */
static enum fix_state files_state(const struct root *root)
{
        bool any_installed = false, all_absent = true, all_applied = true;

        for (size_t i = 0; i < N_LIBVIRT_DAEMONS; i++) {
                _cleanup_(target_done) struct target t = {};
                enum fix_state state;

                if (target_read(&t, root, &libvirt_daemons[i]) < 0)
                        return FIX_UNKNOWN;
                state = target_state(&t);
                if (state == FIX_UNKNOWN)
                        return FIX_UNKNOWN;
                if (t.others.installed)
                        any_installed = true;
                if (state != FIX_ABSENT)
                        all_absent = false;
                if (state == FIX_PARTIAL || (state == FIX_ABSENT && t.others.installed))
                        all_applied = false;
        }
        if (all_absent)
                return FIX_ABSENT;
        if (all_applied && any_installed && exists_at(root->fd, PRELOAD_LIBRARY + 1))
                return FIX_APPLIED;
        return FIX_PARTIAL;
}

#define UNRECORDED "the units of libvirt's daemons are not recorded: run this on the host itself"

/* A recorded host has none of the files that this fix is about: nobody knows what they are like there. */
static bool units_are_unrecorded(const struct host *h)
{
        if (h->root->live || h->libvirt.installed.value == FACT_NO)
                return false;
        for (size_t i = 0; i < N_LIBVIRT_DAEMONS; i++) {
                _cleanup_(target_done) struct target t = {};

                if (target_read(&t, h->root, &libvirt_daemons[i]) < 0 || t.others.installed)
                        return false;
        }
        return true;
}

enum fix_state fix_preload_state(const struct host *h)
{
        enum fix_state state;

        assert(h);

        if (units_are_unrecorded(h))
                return h->libvirt.preload.value == FACT_YES ? FIX_APPLIED : FIX_UNKNOWN;
        state = files_state(h->root);
        if (state == FIX_ABSENT && restart_due(h, false))
                return FIX_PARTIAL;
        if (state != FIX_APPLIED || h->libvirt.running.value == FACT_NO)
                return state;
        if (h->libvirt.running.value == FACT_UNKNOWN || h->libvirt.preload.value == FACT_UNKNOWN)
                return FIX_UNKNOWN;
        return h->libvirt.preload.value == FACT_YES ? FIX_APPLIED : FIX_PARTIAL;
}

/* The value of the variable in the daemon that runs; NULL where it is not set. Returns 0 or a negative
 * errno. */
static int read_running(const struct host *h, char **ret)
{
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int fd = -EBADF;
        char path[sizeof("proc/") + 10];
        struct process process;
        size_t size;
        int r;

        *ret = NULL;
        snprintf(path, sizeof(path), "proc/%d", h->libvirt.pid);
        fd = open_at(h->root->fd, path, O_PATH | O_DIRECTORY);
        if (fd < 0)
                return fd;
        process = process_of(h->root, h->libvirt.pid, fd);
        r = process_read_file(h->root, &process, fd, "environ", ENVIRON_MAX_SIZE, &text, &size);
        if (r < 0)
                return r;
        for (const char *p = text; p < text + size; p += strlen(p) + 1)
                if (startswith(p, VARIABLE "=")) {
                        *ret = strdup(p + strlen(VARIABLE "="));
                        return *ret ? 0 : -ENOMEM;
                }
        return 0;
}

/* A daemon that runs can have a library in the variable that no file of its unit names. It would lose that
 * one at the restart. */
static int check_running(const struct host *h, const struct target *t, struct fix_plan *plan)
{
        _cleanup_free_ char *running = NULL;

        if (!h->libvirt.unit || !streq(h->libvirt.unit, t->daemon->unit) || read_running(h, &running) < 0 ||
            !running)
                return 0;
        for (char *save = NULL, *word = strtok_r(running, " :", &save); word;
             word = strtok_r(NULL, " :", &save))
                if (!streq(word, PRELOAD_LIBRARY) && (!t->others.value || !strstr(t->others.value, word)))
                        return fix_plan_refuse(plan,
                                               "the %s that runs has %s in its " VARIABLE
                                               ", which no file of %s "
                                               "sets: restart it first, or set that in a drop-in",
                                               t->daemon->command, word, t->daemon->unit);
        return 0;
}

static int check_target(const struct host *h, const struct target *t, struct fix_plan *plan)
{
        int r = 0;

        /* All that is against it is said at once. */
        if (t->others.doubt) {
                r = fix_plan_refuse(plan, "%s: %s; add " PRELOAD_LIBRARY " to it there, or take that away",
                                    t->daemon->unit, t->others.doubt);
                if (r < 0)
                        return r;
        }
        if (t->others.value && t->others.value[strspn(t->others.value, PLAIN)]) {
                r = fix_plan_refuse(plan,
                                    "the " VARIABLE
                                    " that %s has (%s) cannot be extended safely; add " PRELOAD_LIBRARY
                                    " to it by hand",
                                    t->daemon->unit, t->others.value);
                if (r < 0)
                        return r;
        }
        if (t->drop_in == DROP_IN_EDITED)
                r = fix_plan_refuse(plan, "/%s has been edited, or is not ours: move it away first",
                                    t->path);
        else if (t->drop_in == DROP_IN_UNREADABLE)
                r = fix_plan_refuse(plan, "/%s cannot be read", t->path);
        if (r < 0)
                return r;
        return check_running(h, t, plan);
}

static bool is_to_write(const struct target *t)
{
        return t->others.installed && t->text_needed && (!is_in_force(t) || t->left_over);
}

static bool any_is_installed(const struct target targets[])
{
        for (size_t i = 0; i < N_LIBVIRT_DAEMONS; i++)
                if (targets[i].others.installed)
                        return true;
        return false;
}

static bool selinux_enforces(const struct root *root)
{
        _cleanup_free_ char *enforcing = NULL;

        return read_line_at(root->fd, "sys/fs/selinux/enforce", &enforcing) >= 0 && streq(enforcing, "1");
}

static int check_host(const struct host *h, const struct target targets[], struct fix_plan *plan)
{
        int r;

        if (!any_is_installed(targets)) {
                r = fix_plan_refuse(
                        plan, "no libvirt daemon for QEMU is installed here; other monitors get " VARIABLE
                              "=" PRELOAD_LIBRARY " from who starts them");
                if (r < 0)
                        return r;
        }
        if (!exists_at(h->root->fd, PRELOAD_LIBRARY + 1)) {
                r = fix_plan_refuse(plan, PRELOAD_LIBRARY " is not there; reinstall the package vfioalignd");
                if (r < 0)
                        return r;
        }
        if (selinux_enforces(h->root))
                return fix_plan_refuse(plan,
                                       "SELinux enforces its policy here, and takes " VARIABLE
                                       " from the guests that libvirt starts; use the module or a newer "
                                       "QEMU");
        return 0;
}

/* Tries the daemon of the unit with the library. */
static int try_daemon(const struct host *h, const struct target *t, struct fix_plan *plan)
{
        static const char *const directories[] = { "/usr/sbin", "/usr/bin" };

        for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
                char program[64];

                snprintf(program, sizeof(program), "%s/%s", directories[i], t->daemon->command);
                /* Only one of them: where one directory stands for both, the other is the same file. */
                if (exists_at(h->root->fd, program + 1))
                        return preload_trial(h->root, program, t->others.value, PRELOAD_LIBRARY, plan);
        }
        return 0;
}

/* Tries all that will run under the library: the daemon of the unit, and every emulator that it may start.
 * What some process happens to run is not one. */
static int try_programs(const struct host *h, const struct target *t, struct fix_plan *plan)
{
        int r;

        if (!h->root->live) /* the programs of a recorded host are not run */
                return 0;
        r = try_daemon(h, t, plan);
        if (r < 0)
                return r;
        for (size_t i = 0; i < h->emulators.n_emulators && !plan->refusal; i++) {
                const struct emulator *e = &h->emulators.emulators[i];

                if (!emulator_is_hosts(e) || !exists_at(h->root->fd, e->path + 1))
                        continue;
                r = preload_trial(h->root, e->path, t->others.value, PRELOAD_LIBRARY, plan);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int write_drop_in(const struct root *root, const struct target *t)
{
        _cleanup_close_ int units = open_at(root->fd, UNITS, O_RDONLY | O_DIRECTORY);
        int r;

        if (units < 0)
                return units;
        if (mkdirat(units, t->directory + strlen(UNITS "/"), 0755) < 0 && errno != EEXIST)
                return -errno;
        r = write_file_at(root->fd, t->path, t->text_needed, strlen(t->text_needed), 0644);
        if (r < 0)
                return r;
        return fsync(units) < 0 ? -errno : 0; /* the directory of the drop-in may be new */
}

/* Also removes its directory where that holds nothing else. suffix: "~" for the temporary file, else "". */
static int remove_drop_in(const struct root *root, const struct target *t, const char *suffix)
{
        _cleanup_close_ int units = open_at(root->fd, UNITS, O_RDONLY | O_DIRECTORY);
        _cleanup_close_ int directory = open_at(root->fd, t->directory, O_RDONLY | O_DIRECTORY);
        char name[sizeof(LIBVIRT_PRELOAD_DROP_IN) + 1];

        if (units < 0)
                return units;
        if (directory < 0)
                return directory;
        snprintf(name, sizeof(name), LIBVIRT_PRELOAD_DROP_IN "%s", suffix);
        if (unlinkat(directory, name, 0) < 0 && errno != ENOENT)
                return -errno;
        if (unlinkat(units, t->directory + strlen(UNITS "/"), AT_REMOVEDIR) >= 0)
                (void) fsync(units);
        else
                (void) fsync(directory);
        return 0;
}

static int call_reload(void)
{
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = sd_bus_open_system(&bus);
        if (r < 0)
                return r;
        return sd_bus_call_method(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                  "org.freedesktop.systemd1.Manager", "Reload", NULL, NULL, "");
}

/* Has systemd read its units again, because somebody else may restart the daemon. */
static int reload_units(const struct host *h, struct fix_plan *plan)
{
        if (h->root->live && call_reload() >= 0)
                return 0;
        return fix_plan_note(plan, "run \"systemctl daemon-reload\"");
}

static int note_restart(const struct host *h, enum fix_action action, struct fix_plan *plan)
{
        const char *unit = h->libvirt.unit ?: libvirt_daemons[0].unit;

        if (action == FIX_APPLY)
                return fix_plan_note(
                        plan,
                        "run \"systemctl restart %s\" when convenient: running guests are not affected, "
                        "guests that start afterwards are",
                        unit);
        return fix_plan_note(plan,
                             "run \"systemctl restart %s\" when convenient, and leave " PRELOAD_LIBRARY
                             " where it is "
                             "until then: what the daemon starts still looks for it",
                             unit);
}

/* Refuses in the plan, or leaves it without a refusal. */
static int check_apply(const struct host *h, const struct target targets[], struct fix_plan *plan)
{
        const char *tried = NULL;
        int r;

        r = check_host(h, targets, plan);
        if (r < 0)
                return r;
        for (size_t i = 0; i < N_LIBVIRT_DAEMONS; i++) {
                if (!is_to_write(&targets[i]))
                        continue;
                r = check_target(h, &targets[i], plan);
                if (r < 0)
                        return r;
        }

        for (size_t i = 0; i < N_LIBVIRT_DAEMONS && !plan->refusal; i++) {
                /* The same emulators under the same value need no second trial. */
                if (!is_to_write(&targets[i]) || (tried && streq(tried, targets[i].value)))
                        continue;
                r = try_programs(h, &targets[i], plan);
                if (r < 0)
                        return r;
                tried = targets[i].value;
        }
        return 0;
}

static int apply_to_target(const struct host *h, const struct target *t, bool dry_run, struct fix_plan *plan)
{
        int r;

        r = fix_plan_step(plan, "write /%s: " VARIABLE "=%s", t->path, t->value);
        if (r < 0 || dry_run)
                return r;
        return write_drop_in(h->root, t);
}

static int preload_apply(const struct host *h, bool dry_run, const struct target targets[],
                         struct fix_plan *plan)
{
        const char *off = switched_off(h->root);
        bool due = restart_due(h, true);
        int r;

        r = check_apply(h, targets, plan);
        if (r < 0 || plan->refusal)
                return r;

        for (size_t i = 0; i < N_LIBVIRT_DAEMONS; i++) {
                if (!is_to_write(&targets[i]))
                        continue;
                r = apply_to_target(h, &targets[i], dry_run, plan);
                if (r < 0)
                        return r;
                due = true;
        }
        if (due && !dry_run) {
                r = reload_units(h, plan);
                if (r < 0)
                        return r;
        }
        if (due) {
                r = note_restart(h, FIX_APPLY, plan);
                if (r < 0)
                        return r;
        }
        if (off)
                return fix_plan_note(plan, "the library does nothing while vfioalign is switched off (%s)",
                                     off);
        return 0;
}

static int revert_file(const struct host *h, const struct target *t, const char *suffix, bool dry_run,
                       struct fix_plan *plan)
{
        int r;

        r = fix_plan_step(plan, "remove /%s%s", t->path, suffix);
        if (r < 0 || dry_run)
                return r;
        return remove_drop_in(h->root, t, suffix);
}

static int revert_target(const struct host *h, const struct target *t, bool dry_run, struct fix_plan *plan)
{
        int r = 0;

        if (t->left_over) {
                r = revert_file(h, t, "~", dry_run, plan);
                if (r < 0)
                        return r;
        }
        if (t->drop_in == DROP_IN_OURS)
                r = revert_file(h, t, "", dry_run, plan);
        else if (t->drop_in == DROP_IN_EDITED)
                r = fix_plan_note(
                        plan, "/%s has been edited, or is not ours: it is left as it is, remove it by hand",
                        t->path);
        else if (t->drop_in == DROP_IN_UNREADABLE)
                r = fix_plan_note(plan, "/%s cannot be read: it is left as it is, remove it by hand",
                                  t->path);
        if (r < 0)
                return r;
        if (has_library(t->others.value))
                return fix_plan_note(plan,
                                     "another file of %s has " PRELOAD_LIBRARY " in its " VARIABLE
                                     ", which is not ours",
                                     t->daemon->unit);
        return 0;
}

static int preload_revert(const struct host *h, bool dry_run, const struct target targets[],
                          struct fix_plan *plan)
{
        bool due = restart_due(h, false);
        int r;

        for (size_t i = 0; i < N_LIBVIRT_DAEMONS; i++) {
                r = revert_target(h, &targets[i], dry_run, plan);
                if (r < 0)
                        return r;
        }
        if (!dry_run && (plan->n_steps > 0 || due)) {
                r = reload_units(h, plan);
                if (r < 0)
                        return r;
        }
        if (due)
                return note_restart(h, FIX_REVERT, plan);
        return 0;
}

static int read_and_run(const struct host *h, enum fix_action action, bool dry_run, struct target targets[],
                        struct fix_plan *plan)
{
        for (size_t i = 0; i < N_LIBVIRT_DAEMONS; i++) {
                int r = target_read(&targets[i], h->root, &libvirt_daemons[i]);

                if (r < 0)
                        return r;
        }
        if (action == FIX_APPLY)
                return preload_apply(h, dry_run, targets, plan);
        return preload_revert(h, dry_run, targets, plan);
}

int fix_preload(const struct host *h, enum fix_action action, bool dry_run, struct fix_plan *plan)
{
        struct target targets[N_LIBVIRT_DAEMONS] = {};
        int r;

        assert(h);
        assert(plan);

        if (units_are_unrecorded(h)) {
                if (action == FIX_REVERT)
                        return fix_plan_note(plan, UNRECORDED);
                return fix_plan_refuse(plan, UNRECORDED);
        }
        r = read_and_run(h, action, dry_run, targets, plan);
        for (size_t i = 0; i < N_LIBVIRT_DAEMONS; i++)
                target_done(&targets[i]);
        return r;
}
