/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <limits.h>
#include <locale.h>

#include "bind-request.h"
#include "ctl.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/print.h"
#include "verbs.h"

enum program {
        PROGRAM_ROOT_OR_MAIN,
        PROGRAM_MAIN,
        PROGRAM_GUEST,
        PROGRAM_HOOK,
};

static const char *const program_names[] = {
        [PROGRAM_ROOT_OR_MAIN] = "vfioalignctl-main",
        [PROGRAM_MAIN] = "vfioalignctl-main",
        [PROGRAM_GUEST] = "vfioalignctl-guest",
        [PROGRAM_HOOK] = "vfioalignctl-hook",
};

struct verb {
        const char *name, *arguments, *help;
        enum program program;
};

#define VERB_ROW(name, arguments, help, program, function) { name, arguments, help, PROGRAM_##program },
static const struct verb verbs[] = { VERBS(VERB_ROW) };

static void print_help(FILE *out)
{
        fputs("vfioalignctl VERB [OPTION...]\n\n"
              "Give VFIO devices the largest pages they can have, and see what they got.\n\n",
              out);
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (verbs[i].help) {
                        print_line(out, "  %s %s", verbs[i].name, verbs[i].arguments);
                        print_line(out, "        %s", verbs[i].help);
                }
        fputs("\n  -h --help     show this\n     --version  show the version\n\nSee vfioalignctl(1).\n",
              out);
}

static const struct verb *find_verb(const char *name)
{
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (streq(verbs[i].name, name))
                        return &verbs[i];
        return NULL;
}

/* A program of ours stands beside this one where both were built, and in LIBEXECDIR where they are
 * installed. */
static void find_program(const char *name, char path[static PATH_MAX])
{
        ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
        char *slash;

        path[n < 0 ? 0 : n] = '\0';
        slash = strrchr(path, '/');
        if (slash && (size_t) (slash + 1 - path) + strlen(name) < PATH_MAX) {
                strcpy(slash + 1, name);
                if (access(path, X_OK) == 0)
                        return;
        }
        snprintf(path, PATH_MAX, "%s/%s", LIBEXECDIR, name);
}

static int run_verb(const struct verb *verb, int argc, char *argv[])
{
        char path[PATH_MAX];

        /* Whoever names a worker of their own is not root and runs it themselves. */
        if (verb->program == PROGRAM_ROOT_OR_MAIN && (geteuid() == 0 || secure_getenv("VFIOALIGN_WORKER")))
                return verb_bind_by(argc - 1, argv + 1, bind_by_worker);
        find_program(program_names[verb->program], path);
        execv(path, argv);
        log_error(-errno, "Failed to run '%s': %m", path);
        return CTL_FAILED;
}

int main(int argc, char *argv[])
{
        const struct verb *verb;

        setlocale(LC_ALL, "");
        setlocale(LC_NUMERIC, "C"); /* numbers are written here as in the configuration */
        if (argc < 2) {
                print_help(stderr);
                return CTL_USAGE;
        }
        if (streq(argv[1], "-h") || streq(argv[1], "--help") || streq(argv[1], "help")) {
                print_help(stdout);
                return CTL_OK;
        }
        if (streq(argv[1], "--version")) {
                print_line(stdout, "vfioalignctl " PROJECT_VERSION);
                return CTL_OK;
        }
        verb = find_verb(argv[1]);
        if (!verb) {
                print_line(stderr, "vfioalignctl: unknown verb '%s'; see vfioalignctl --help", argv[1]);
                return CTL_USAGE;
        }
        return run_verb(verb, argc, argv);
}
