/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preload.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <systemd/sd-bus.h>

#include "preload-trial.h"
#include "unit-variable.h"
#include "util/file-write.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/switch.h"

#define VARIABLE "LD_PRELOAD"
#define UNITS "etc/systemd/system"
#define DROP_IN_MAX_SIZE KIB(64)
#define ENVIRON_MAX_SIZE MIB(4)

/* What goes between double quotes into a unit without another meaning (systemd.syntax(7)) */
#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_.,+:~@= -"

#define CONTENT \
        "# Written by vfioalign. \"vfioalignctl fix revert preload\" takes it away, unless it has been edited.\n" \
        "# It was: " VARIABLE "=%s\n" \
        "[Service]\n" \
        "Environment=\"" VARIABLE "=%s\"\n"

static const char *const daemons[] = { "libvirtd", "virtqemud" };

enum drop_in {
        DROP_IN_NONE,
        DROP_IN_OURS,
        DROP_IN_EDITED, /* or somebody else's */
        DROP_IN_UNREADABLE,
};

/* One daemon's unit. */
struct target {
        const char *daemon;
        char unit[32];
        char directory[64], path[128]; /* of the drop-in */
        struct unit_variable others;   /* all but the drop-in */
        enum drop_in drop_in;
        char *text;     /* of the drop-in, or NULL */
        bool left_over; /* of a write that was cut off */
        char *value;    /* that the variable is to have */
        char *wanted;   /* the drop-in that gives it that, or NULL where none is needed */
};

static void target_done(struct target *t)
{
        unit_variable_done(&t->others);
        free(t->text);
        free(t->value);
        free(t->wanted);
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

static int render(const char *value, char **ret)
{
        char *text;

        if (asprintf(&text, CONTENT, value, value) < 0)
                return -ENOMEM;
        *ret = text;
        return 0;
}

/* Whether it is a drop-in as we write them, with whatever value. */
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
        r = value ? render(value, &same) : -ENOMEM;
        if (r >= 0)
                *ret = streq(text, same);
        return r;
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
        if (r == -ENOENT || r == -ENOTDIR || r == -ENOMEM)
                return r == -ENOMEM ? r : 0;
        if (r < 0) {
                t->drop_in = DROP_IN_UNREADABLE;
                return 0;
        }
        r = is_ours(t->text, &ours);
        t->drop_in = ours && strlen(t->text) == size ? DROP_IN_OURS : DROP_IN_EDITED;
        return r;
}

/* Ours goes behind what is there: who interposes mmap() already is to stay in front. */
static int decide(struct target *t)
{
        const char *others = t->others.value;

        if (has_library(others))
                return 0;
        if (asprintf(&t->value, "%s%s" PRELOAD_LIBRARY, others ?: "", others && *others ? ":" : "") < 0) {
                t->value = NULL;
                return -ENOMEM;
        }
        return render(t->value, &t->wanted);
}

static int target_read(struct target *t, const struct root *root, const char *daemon)
{
        int r;

        *t = (struct target){ .daemon = daemon };
        snprintf(t->unit, sizeof(t->unit), "%s.service", daemon);
        snprintf(t->directory, sizeof(t->directory), UNITS "/%s.d", t->unit);
        snprintf(t->path, sizeof(t->path), "%s/" LIBVIRT_PRELOAD_DROP_IN, t->directory);
        r = unit_variable_read(&t->others, root, t->unit, VARIABLE, LIBVIRT_PRELOAD_DROP_IN);
        if (r >= 0)
                r = read_drop_in(t, root);
        if (r >= 0)
                r = decide(t);
        if (r < 0)
                target_done(t);
        return r;
}

/* Whether the daemon that runs will be what the files say only after a restart. */
static bool restart_due(const struct host *h, bool wanted)
{
        const struct libvirt_facts *l = &h->libvirt;

        return l->running.value == FACT_YES && l->preload.value == (wanted ? FACT_NO : FACT_YES);
}

enum fix_state fix_preload_state(const struct host *h)
{
        size_t n_installed = 0, n_in_force = 0, n_left = 0, n_open = 0;

        for (size_t i = 0; i < ELEMENTSOF(daemons); i++) {
                struct target t;
                bool in_force, unreadable;

                if (target_read(&t, h->root, daemons[i]) < 0)
                        return FIX_UNKNOWN;
                in_force = !t.wanted || (t.drop_in == DROP_IN_OURS && streq(t.text, t.wanted));
                n_installed += t.others.installed;
                n_in_force += t.others.installed && in_force;
                n_left += t.drop_in != DROP_IN_NONE || t.left_over;
                n_open += t.drop_in == DROP_IN_EDITED || t.left_over ||
                          (t.drop_in != DROP_IN_NONE && !in_force);
                unreadable = t.drop_in == DROP_IN_UNREADABLE;
                target_done(&t);
                if (unreadable)
                        return FIX_UNKNOWN;
        }
        if (n_in_force == 0 && n_left == 0)
                return restart_due(h, false) ? FIX_PARTIAL : FIX_ABSENT;
        if (n_in_force < n_installed || n_installed == 0 || n_open > 0 ||
            !exists_at(h->root->fd, PRELOAD_LIBRARY + 1))
                return FIX_PARTIAL;
        if (h->libvirt.running.value == FACT_NO)
                return FIX_APPLIED;
        if (h->libvirt.running.value == FACT_UNKNOWN || h->libvirt.preload.value == FACT_UNKNOWN)
                return FIX_UNKNOWN;
        return h->libvirt.preload.value == FACT_YES ? FIX_APPLIED : FIX_PARTIAL;
}

/* The variable of the daemon that runs; NULL where it is not set. Returns 0 or a negative errno. */
static int read_running(const struct host *h, char **ret)
{
        _cleanup_free_ char *text = NULL;
        char path[sizeof("proc//environ") + 10];
        size_t size;
        int r;

        *ret = NULL;
        snprintf(path, sizeof(path), "proc/%d/environ", h->libvirt.pid);
        r = read_file_at(h->root->fd, path, ENVIRON_MAX_SIZE, &text, &size);
        if (r < 0)
                return r;
        for (const char *p = text; p < text + size; p += strlen(p) + 1)
                if (startswith(p, VARIABLE "=")) {
                        *ret = strdup(p + strlen(VARIABLE "="));
                        return *ret ? 0 : -ENOMEM;
                }
        return 0;
}

/* A daemon that runs has the variable from somewhere: what no file of its unit tells would be lost. */
static int check_running(const struct host *h, const struct target *t, struct fix_plan *plan)
{
        _cleanup_free_ char *running = NULL;

        if (!h->libvirt.unit || !streq(h->libvirt.unit, t->unit) || read_running(h, &running) < 0 ||
            !running)
                return 0;
        for (char *save = NULL, *word = strtok_r(running, " :", &save); word;
             word = strtok_r(NULL, " :", &save))
                if (!streq(word, PRELOAD_LIBRARY) && (!t->others.value || !strstr(t->others.value, word)))
                        return fix_plan_refuse(plan,
                                               "the %s that runs has %s in its " VARIABLE
                                               ", which no file of %s "
                                               "sets: restart it first, or set that in a drop-in",
                                               t->daemon, word, t->unit);
        return 0;
}

static int check_target(const struct host *h, const struct target *t, struct fix_plan *plan)
{
        int r = 0;

        if (t->others.doubt)
                r = fix_plan_refuse(plan, "%s: %s; add " PRELOAD_LIBRARY " to it there, or take that away",
                                    t->unit, t->others.doubt);
        if (r >= 0 && t->others.value && t->others.value[strspn(t->others.value, PLAIN)])
                r = fix_plan_refuse(plan,
                                    "the " VARIABLE
                                    " that %s has (%s) cannot be extended safely; add " PRELOAD_LIBRARY
                                    " to it by hand",
                                    t->unit, t->others.value);
        if (r >= 0 && t->drop_in == DROP_IN_EDITED)
                r = fix_plan_refuse(plan, "/%s has been edited, or is not ours: move it away first",
                                    t->path);
        if (r >= 0 && t->drop_in == DROP_IN_UNREADABLE)
                r = fix_plan_refuse(plan, "/%s cannot be read", t->path);
        return r < 0 ? r : check_running(h, t, plan);
}

static bool is_to_write(const struct target *t)
{
        return t->others.installed && t->wanted &&
               (t->drop_in != DROP_IN_OURS || !streq(t->text, t->wanted) || t->left_over);
}

static int check_host(const struct host *h, const struct target targets[], struct fix_plan *plan)
{
        _cleanup_free_ char *enforcing = NULL;
        bool installed = false;
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(daemons); i++)
                installed = installed || targets[i].others.installed;
        if (!installed)
                r = fix_plan_refuse(
                        plan, "no libvirt daemon for QEMU is installed here; other monitors get " VARIABLE
                              "=" PRELOAD_LIBRARY " from who starts them");
        if (r >= 0 && !exists_at(h->root->fd, PRELOAD_LIBRARY + 1))
                r = fix_plan_refuse(plan, PRELOAD_LIBRARY " is not there; reinstall the package vfioalignd");
        if (r >= 0 && read_line_at(h->root->fd, "sys/fs/selinux/enforce", &enforcing) >= 0 &&
            streq(enforcing, "1"))
                r = fix_plan_refuse(plan, "SELinux enforces its policy here, and takes " VARIABLE
                                          " from the guests that "
                                          "libvirt starts; use the module or a newer QEMU");
        return r;
}

/* Under what each unit is to have: its daemon, and all that it may start. */
static int try(const struct host *h, const struct target *t, struct fix_plan *plan)
{
        static const char *const directories[] = { "/usr/sbin", "/usr/bin" };
        int r = 0;

        if (!h->root->live) /* nothing of a recorded host is run */
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(directories) && r >= 0; i++) {
                char program[64];

                snprintf(program, sizeof(program), "%s/%s", directories[i], t->daemon);
                if (exists_at(h->root->fd, program + 1)) {
                        r = preload_trial(h->root, program, t->others.value, PRELOAD_LIBRARY, plan);
                        break; /* the other is the same where one directory stands for both */
                }
        }
        for (size_t i = 0; i < h->emulators.n_emulators && r >= 0 && !plan->refusal; i++) {
                const struct emulator *e = &h->emulators.emulators[i];

                if (!e->container && !e->replaced && exists_at(h->root->fd, e->path + 1))
                        r = preload_trial(h->root, e->path, t->others.value, PRELOAD_LIBRARY, plan);
        }
        return r;
}

static int write_drop_in(const struct root *root, const struct target *t)
{
        _cleanup_close_ int units = open_at(root->fd, UNITS, O_RDONLY | O_DIRECTORY);

        if (units < 0)
                return units;
        if (mkdirat(units, t->directory + strlen(UNITS "/"), 0755) < 0 && errno != EEXIST)
                return -errno;
        return write_file_at(root->fd, t->path, t->wanted, strlen(t->wanted), 0644);
}

/* Also takes away its directory where that holds nothing else. */
static int remove_drop_in(const struct root *root, const struct target *t, const char *suffix)
{
        _cleanup_close_ int units = open_at(root->fd, UNITS, O_RDONLY | O_DIRECTORY);
        _cleanup_close_ int directory = open_at(root->fd, t->directory, O_RDONLY | O_DIRECTORY);
        char name[sizeof(LIBVIRT_PRELOAD_DROP_IN) + 1];

        if (units < 0 || directory < 0)
                return units < 0 ? units : directory;
        snprintf(name, sizeof(name), LIBVIRT_PRELOAD_DROP_IN "%s", suffix);
        if (unlinkat(directory, name, 0) < 0 && errno != ENOENT)
                return -errno;
        if (unlinkat(units, t->directory + strlen(UNITS "/"), AT_REMOVEDIR) >= 0)
                (void) fsync(units);
        else
                (void) fsync(directory);
        return 0;
}

/* systemd reads its units again, so that a restart that comes by itself has what the files say. */
static int reload(const struct host *h, struct fix_plan *plan)
{
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int r = -ENOTCONN;

        if (h->root->live)
                r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_call_method(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                       "org.freedesktop.systemd1.Manager", "Reload", NULL, NULL, "");
        return r < 0 ? fix_plan_note(plan, "run \"systemctl daemon-reload\"") : 0;
}

static int note_restart(const struct host *h, enum fix_action action, struct fix_plan *plan)
{
        const char *unit = h->libvirt.unit ?: "libvirtd.service";

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

static int apply(const struct host *h, bool dry_run, struct target targets[], struct fix_plan *plan)
{
        const char *off = switched_off(h->root), *tried = NULL;
        size_t n_writes = 0;
        int r = check_host(h, targets, plan);

        for (size_t i = 0; i < ELEMENTSOF(daemons) && r >= 0; i++)
                if (is_to_write(&targets[i])) {
                        n_writes++;
                        r = check_target(h, &targets[i], plan);
                }
        for (size_t i = 0; i < ELEMENTSOF(daemons) && r >= 0 && !plan->refusal; i++)
                if (is_to_write(&targets[i]) && (!tried || !streq(tried, targets[i].value))) {
                        r = try(h, &targets[i], plan);
                        tried = targets[i].value;
                }
        if (r < 0 || plan->refusal)
                return r;

        for (size_t i = 0; i < ELEMENTSOF(daemons) && r >= 0; i++)
                if (is_to_write(&targets[i])) {
                        r = fix_plan_step(plan, "write /%s: " VARIABLE "=%s", targets[i].path,
                                          targets[i].value);
                        if (r >= 0 && !dry_run)
                                r = write_drop_in(h->root, &targets[i]);
                }
        if (r >= 0 && !dry_run && (n_writes > 0 || restart_due(h, true)))
                r = reload(h, plan);
        if (r >= 0 && (n_writes > 0 || restart_due(h, true)))
                r = note_restart(h, FIX_APPLY, plan);
        if (r >= 0 && off)
                r = fix_plan_note(plan, "the library does nothing while vfioalign is switched off (%s)",
                                  off);
        return r;
}

static int revert_one(const struct host *h, bool dry_run, const struct target *t, struct fix_plan *plan)
{
        int r = 0;

        if (t->left_over) {
                r = fix_plan_step(plan, "remove /%s~", t->path);
                if (r >= 0 && !dry_run)
                        r = remove_drop_in(h->root, t, "~");
        }
        if (r >= 0 && t->drop_in == DROP_IN_OURS) {
                r = fix_plan_step(plan, "remove /%s", t->path);
                if (r >= 0 && !dry_run)
                        r = remove_drop_in(h->root, t, "");
        }
        if (r >= 0 && (t->drop_in == DROP_IN_EDITED || t->drop_in == DROP_IN_UNREADABLE))
                r = fix_plan_note(plan, "/%s %s: it is left as it is, remove it by hand", t->path,
                                  t->drop_in == DROP_IN_EDITED ? "has been edited, or is not ours"
                                                               : "cannot be read");
        if (r >= 0 && has_library(t->others.value))
                r = fix_plan_note(plan,
                                  "another file of %s has " PRELOAD_LIBRARY " in its " VARIABLE
                                  ", which is not ours",
                                  t->unit);
        return r;
}

static int revert(const struct host *h, bool dry_run, const struct target targets[], struct fix_plan *plan)
{
        bool due = restart_due(h, false);
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(daemons) && r >= 0; i++)
                r = revert_one(h, dry_run, &targets[i], plan);
        if (r >= 0 && !dry_run && (plan->n_steps > 0 || due))
                r = reload(h, plan);
        if (r >= 0 && due)
                r = note_restart(h, FIX_REVERT, plan);
        return r;
}

int fix_preload(const struct host *h, enum fix_action action, bool dry_run, struct fix_plan *plan)
{
        struct target targets[ELEMENTSOF(daemons)] = {};
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(daemons) && r >= 0; i++)
                r = target_read(&targets[i], h->root, daemons[i]);
        if (r >= 0)
                r = action == FIX_APPLY ? apply(h, dry_run, targets, plan)
                                        : revert(h, dry_run, targets, plan);
        for (size_t i = 0; i < ELEMENTSOF(daemons); i++)
                target_done(&targets[i]);
        return r;
}
