/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preload-trial.h"

#include <limits.h>

#include "facts/emulator/run-confined.h"
#include "util/macro.h"

#define TRIAL_USEC (30 * USEC_PER_SEC)

/* The shell itself is not under the library. $1 is the program, and $2 what it is given. */
#define SCRIPT "LD_PRELOAD=$2 \"$1\" --version 2>&3; echo \"status $?\" >&3"

struct trial {
        enum run_end end;
        int status;
        char said[PIPE_BUF]; /* on stderr, with the status behind it */
};

static int run(const char *program, const char *preload, struct trial *t)
{
        const char *argv[] = { "sh", "-c", SCRIPT, "sh", program, preload, NULL };
        const char *env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HOME=/nonexistent", NULL };
        const char *status = NULL;
        size_t size = 0;
        int r;

        r = run_confined("/bin/sh", (char *const *) argv, (char *const *) env, "/", TRIAL_USEC, t->said,
                         sizeof(t->said) - 1, &size, &t->end);
        if (r < 0)
                return r;
        t->said[size] = '\0';
        t->status = -1;
        for (const char *p = t->said; (p = strstr(p, "status ")); p++)
                status = p;
        if (status)
                t->status = atoi(status + strlen("status "));
        return 0;
}

/* The line in which ld.so complains of the library, without its "ERROR: ", or NULL. In place. */
static const char *complaint(struct trial *t, const char *library)
{
        char *save = NULL;

        for (char *line = strtok_r(t->said, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                if (startswith(line, "ERROR: ld.so") && strstr(line, library))
                        return line + strlen("ERROR: ");
        return NULL;
}

int preload_trial(const struct root *root, const char *program, const char *others, const char *library,
                  struct fix_plan *plan)
{
        _cleanup_free_ char *path = NULL, *preload = NULL, *line = NULL;
        const char *top = streq(root->path, "/") ? "" : root->path, *none = others ?: "";
        struct trial with, without;
        int r;

        if (asprintf(&path, "%s%s", top, program) < 0)
                path = NULL;
        if (asprintf(&preload, "%s:%s%s", none, top, library) < 0)
                preload = NULL;
        if (!path || !preload)
                return -ENOMEM;
        r = run(path, preload, &with);
        if (r < 0)
                return r;
        if (with.end == RUN_EXITED && with.status == 0) {
                const char *said = complaint(&with, library);

                return said ? fix_plan_refuse(
                                      plan,
                                      "the library cannot be loaded into %s: \"%s\"; reinstall the package "
                                      "vfioalignd",
                                      program, said)
                            : 0;
        }
        /* What does not run anyway is not stopped by the library. */
        r = run(path, none, &without);
        if (r < 0)
                return r;
        if (without.end == with.end && without.status == with.status)
                return fix_plan_note(plan, "%s could not be tried: it does not run by itself either",
                                     program);
        if (with.end == RUN_EXITED && asprintf(&line, "ends with status %d", with.status) < 0) {
                line = NULL;
                return -ENOMEM;
        }
        return fix_plan_refuse(
                plan,
                "\"%s --version\" %s under the library, and not without it; reinstall the package "
                "vfioalignd, and if that does not help, use another fix",
                program,
                line
                        ?: with.end == RUN_LATE ? "does not end"
                                                : "does not start");
}
