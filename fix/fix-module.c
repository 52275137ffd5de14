/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix-module.h"

#include <assert.h>
#include <spawn.h>
#include <sys/wait.h>

#include "audit/verdict.h"
#include "fix-record.h"
#include "util/file-write.h"
#include "util/file.h"
#include "util/switch.h"

#define PARAMETER "sys/module/" VFIO_ALIGN_MODULE "/parameters/enabled"

extern char **environ;

enum fix_state fix_module_state(const struct host *h)
{
        const struct module_facts *m;

        assert(h);

        m = &h->module;
        if (m->loaded.value == FACT_NO)
                return FIX_ABSENT;
        if (m->loaded.value == FACT_UNKNOWN || m->enabled.value == FACT_UNKNOWN)
                return FIX_UNKNOWN;
        return module_works(m) && m->alive.value != FACT_NO ? FIX_APPLIED : FIX_PARTIAL;
}

static int run_modprobe(const char *option, struct fix_plan *plan)
{
        const char *argv[] = { "modprobe", option ?: VFIO_ALIGN_MODULE, option ? VFIO_ALIGN_MODULE : NULL,
                               NULL };
        int status, r;
        pid_t pid;

        r = posix_spawnp(&pid, argv[0], NULL, NULL, (char **) argv, environ);
        if (r != 0)
                return -r;
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return 0;
        (void) fix_plan_refuse(plan, "modprobe failed; its own message, or else journalctl -k, says why");
        return -EIO;
}

static int refuse_switched_off(const struct host *h, struct fix_plan *plan)
{
        const char *off = switched_off(h->root);

        return off ? fix_plan_refuse(plan, "vfioalign is switched off by %s", off) : 0;
}

/* Refuses in the plan where loading could not succeed. */
static int check_obstacles(const struct host *h, struct fix_plan *plan)
{
        const struct module_facts *m = &h->module;
        int r;

        r = refuse_switched_off(h, plan);
        if (r < 0 || plan->refusal)
                return r;
        if (h->kernel.huge_pmd.value == FACT_NO)
                return fix_plan_refuse(
                        plan, "this kernel has no huge entries for VFIO (Linux 6.12 and later have): "
                              "there is nothing to align for");
        if (m->installed.value == FACT_NO)
                return fix_plan_refuse(plan,
                                       "the module is not installed for the running kernel%s%s: install the "
                                       "package vfioalign-dkms and the kernel's headers",
                                       *m->other_release ? ", only for " : "", m->other_release);
        if (m->loadable.value == FACT_NO)
                return fix_plan_refuse(plan, "it must not be loaded: %s",
                                       m->loadable.why ?: "the host forbids it");
        return 0;
}

/* Reads back whether its hook is in place, as far as that can be seen. */
static int verify_module(const struct host *h, struct fix_plan *plan)
{
        struct module_facts m;

        module_facts_read(&m, h->root, &h->kernel);
        if (m.enabled.value == FACT_YES && m.alive.value != FACT_NO)
                return 0;
        (void) fix_plan_refuse(
                plan, "the module is loaded, and its hook is not in place: journalctl -k may say why");
        return -EIO;
}

static int plan_load(const struct module_facts *m, bool dry_run, struct fix_plan *plan)
{
        int r;

        r = fix_plan_step(plan, "modprobe " VFIO_ALIGN_MODULE);
        if (r < 0 || !dry_run || m->installed.value != FACT_UNKNOWN)
                return r;
        return fix_plan_note(plan, "it may fail: whether the module is installed could not be seen");
}

static int module_apply(const struct host *h, bool dry_run, struct fix_plan *plan)
{
        _cleanup_(switch_unlock) int lock = -EBADF;
        const struct module_facts *m = &h->module;
        int r;

        if (fix_module_state(h) == FIX_APPLIED && !fix_is_held_off(h->root, FIX_MODULE))
                return fix_plan_note(plan, "the module is loaded and works");
        r = check_obstacles(h, plan);
        if (r < 0 || plan->refusal)
                return r;
        if (m->loaded.value != FACT_YES)
                r = plan_load(m, dry_run, plan);
        else if (m->enabled.value != FACT_YES)
                r = fix_plan_step(plan, "echo 1 >/" PARAMETER);
        if (r < 0 || dry_run)
                return r;
        lock = switch_lock(h->root, SWITCH_HOLD_USEC);
        if (lock < 0)
                return lock;
        r = refuse_switched_off(h, plan); /* it may have been switched off meanwhile */
        if (r < 0 || plan->refusal)
                return r;
        r = fix_end_hold(h->root, FIX_MODULE);
        if (r < 0)
                return r;
        if (m->loaded.value != FACT_YES)
                r = run_modprobe(NULL, plan);
        else if (m->enabled.value != FACT_YES)
                r = write_attribute_at(h->root->fd, PARAMETER, "1");
        if (r < 0)
                return r;
        return verify_module(h, plan);
}

/* As it is once a load that is under way has ended: where nothing can be locked, as it was seen. */
static struct module_facts settled_module(const struct host *h, int *lock)
{
        struct module_facts m = h->module;

        *lock = switch_lock(h->root, SWITCH_HOLD_USEC);
        if (*lock >= 0)
                module_facts_read(&m, h->root, &h->kernel);
        return m;
}

static int module_revert(const struct host *h, bool dry_run, struct fix_plan *plan)
{
        _cleanup_(switch_unlock) int lock = -EBADF;
        struct module_facts m = dry_run ? h->module : settled_module(h, &lock);
        int r;

        if (m.loaded.value == FACT_NO)
                return fix_plan_note(plan, "the module is not loaded");
        r = fix_plan_step(plan, "modprobe -r " VFIO_ALIGN_MODULE);
        if (r < 0)
                return r;
        r = fix_plan_note(plan, "vfioalignd does not load it again before the next boot; to keep it away: "
                                "Module=off in vfioalignd.conf(5). Guests that run keep their mappings");
        if (r < 0 || dry_run)
                return r;
        r = fix_hold_off(h->root, FIX_MODULE);
        if (r < 0)
                return r;
        return run_modprobe("-r", plan);
}

int fix_module(const struct host *h, enum fix_action action, bool dry_run, struct fix_plan *plan)
{
        assert(h);
        assert(plan);

        return action == FIX_APPLY ? module_apply(h, dry_run, plan) : module_revert(h, dry_run, plan);
}
