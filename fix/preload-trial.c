/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preload-trial.h"

#include <assert.h>
#include <limits.h>

#include "facts/emulator/run-confined.h"
#include "util/macro.h"

#define TRIAL_USEC (30 * USEC_PER_SEC)

/* The shell itself runs without the library. $1 is the program, and $2 its LD_PRELOAD. */
#define SCRIPT "LD_PRELOAD=$2 \"$1\" --version 2>&3; echo \"status $?\" >&3"

struct trial {
        enum run_end end;
        int status;
        char output[PIPE_BUF]; /* of its stderr, followed by the status */
};

static int run_program(const char *program, const char *preload, struct trial *t)
{
        const char *argv[] = { "sh", "-c", SCRIPT, "sh", program, preload, NULL };
        const char *env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HOME=/nonexistent", NULL };
        const char *status = NULL;
        size_t size = 0;
        int r;

        r = run_confined("/bin/sh", (char *const *) argv, (char *const *) env, "/", TRIAL_USEC, t->output,
                         sizeof(t->output) - 1, &size, &t->end);
        if (r < 0)
                return r;
        t->output[size] = '\0';
        t->status = -1;
        for (const char *p = t->output; (p = strstr(p, "status ")); p++)
                status = p;
        if (status)
                t->status = atoi(status + strlen("status "));
        return 0;
}

/* The line in which ld.so complains of the library, without its "ERROR: "; NULL: none. Cuts t->output to
 * lines. */
static const char *find_complaint(struct trial *t, const char *library)
{
        char *save = NULL;

        for (char *line = strtok_r(t->output, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                if (startswith(line, "ERROR: ld.so") && strstr(line, library))
                        return line + strlen("ERROR: ");
        return NULL;
}

static bool has_succeeded(const struct trial *t)
{
        return t->end == RUN_EXITED && t->status == 0;
}

static int refuse_for_failure(struct fix_plan *plan, const char *program, const struct trial *t)
{
        char how[64];

        if (t->end == RUN_EXITED)
                snprintf(how, sizeof(how), "ends with status %d", t->status);
        else
                snprintf(how, sizeof(how), "%s", t->end == RUN_LATE ? "does not end" : "does not start");
        return fix_plan_refuse(
                plan,
                "\"%s --version\" %s under the library, and not without it; reinstall the package "
                "vfioalignd, and if that does not help, use another fix",
                program, how);
}

int preload_trial(const struct root *root, const char *program, const char *others, const char *library,
                  struct fix_plan *plan)
{
        _cleanup_free_ char *path = NULL, *preload = NULL;
        const char *top, *complaint;
        struct trial with, without;
        int r;

        assert(root);
        assert(program);
        assert(library);
        assert(plan);

        top = streq(root->path, "/") ? "" : root->path;
        others = others ?: "";
        if (asprintf(&path, "%s%s", top, program) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        if (asprintf(&preload, "%s:%s%s", others, top, library) < 0) {
                preload = NULL;
                return -ENOMEM;
        }

        r = run_program(path, preload, &with);
        if (r < 0)
                return r;
        if (has_succeeded(&with)) {
                complaint = find_complaint(&with, library);
                if (!complaint)
                        return 0;
                return fix_plan_refuse(
                        plan,
                        "the library cannot be loaded into %s: \"%s\"; reinstall the package vfioalignd",
                        program, complaint);
        }

        /* A program that does not run anyway is not stopped by the library. */
        r = run_program(path, others, &without);
        if (r < 0)
                return r;
        if (without.end == with.end && without.status == with.status)
                return fix_plan_note(plan, "%s could not be tried: it does not run by itself either",
                                     program);
        return refuse_for_failure(plan, program, &with);
}
