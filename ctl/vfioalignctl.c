/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <limits.h>
#include <locale.h>

#include "bind-request.h"
#include "ctl.h"
#include "options.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/near.h"
#include "util/print.h"
#include "verbs.h"

#define PLUGIN_NAME "check_vfioalign"

enum program {
        PROGRAM_ROOT_OR_MAIN,
        PROGRAM_MAIN,
        PROGRAM_GUEST,
        PROGRAM_TRACE,
        PROGRAM_HOOK,
};

static const char *const program_names[] = {
        [PROGRAM_ROOT_OR_MAIN] = "vfioalignctl-main", [PROGRAM_MAIN] = "vfioalignctl-main",
        [PROGRAM_GUEST] = "vfioalignctl-guest",       [PROGRAM_TRACE] = "vfioalign-trace",
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
        fputs("vfioalignctl [OPTION...] [VERB [ARGUMENT...]]\n\n"
              "Give VFIO devices the largest pages they can have, and see what they got.\n\n",
              out);
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (verbs[i].help) {
                        const char *arguments = verb_arguments_skip_options(verbs[i].arguments);

                        print_line(out, "  %s%s%s", verbs[i].name, *arguments ? " " : "", arguments);
                        print_line(out, "        %s", verbs[i].help);
                }
        fputs("\n"
              "  VERB --help   show what it takes\n"
              "  -h --help     show this\n"
              "     --version  show the version\n"
              "\n"
              "See vfioalignctl(1).\n",
              out);
}

static const struct verb *find_verb(const char *name)
{
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (streq(verbs[i].name, name))
                        return &verbs[i];
        return NULL;
}

static void say_unknown_verb(const char *word)
{
        struct near near = { .word = word };
        near_t question;

        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (verbs[i].help)
                        near_offer(&near, verbs[i].name);
        if (*near_question(&near, question))
                print_line(stderr, "vfioalignctl: unknown verb '%s'%s", word, question);
        else
                print_line(stderr, "vfioalignctl: unknown verb '%s'; see vfioalignctl --help", word);
}

static void print_verb_help(const struct verb *verb)
{
        const char *arguments = verb_arguments_skip_options(verb->arguments);

        print_line(stdout, "vfioalignctl %s [OPTION...]%s%s", verb->name, *arguments ? " " : "", arguments);
        fputc('\n', stdout);
        print_line(stdout, "  %s", verb->help);
        fputc('\n', stdout);
        options_print_help(verb->arguments, stdout);
        fputs("\nSee vfioalignctl(1).\n", stdout);
}

/* Whether the arguments of a verb ask for its help. What libvirt calls with a guest's name is asked for
 * nothing: the name can be any. */
static bool asks_for_help(const struct verb *verb, int argc, char *argv[])
{
        for (int i = 2; verb->help && i < argc && !streq(argv[i], "--"); i++) {
                if (streq(argv[i], "-h") || streq(argv[i], "--help"))
                        return true;
                i += option_takes_next(argv[i]);
        }
        return false;
}

/* Puts the verb in front of the options that were given before it. Returns whether there is one. */
static bool move_verb(int argc, char *argv[])
{
        int i = 1;
        char *verb;

        while (i < argc && *argv[i] == '-' && !streq(argv[i], "--"))
                i += 1 + option_takes_next(argv[i]);
        if (i >= argc)
                return false;
        verb = argv[i];
        memmove(argv + 2, argv + 1, (size_t) (i - 1) * sizeof(*argv));
        argv[1] = verb;
        return true;
}

/* Puts the verb there that is meant where none is given. argv ends with NULL. Returns a new argv; NULL: no
 * memory. */
static char **add_verb(int argc, char *argv[])
{
        static char verb[] = "doctor";
        char **longer = calloc((size_t) argc + 2, sizeof(*longer));

        if (!longer)
                return NULL;
        longer[0] = argv[0];
        longer[1] = verb;
        memcpy(longer + 2, argv + 1, (size_t) argc * sizeof(*argv));
        return longer;
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

/* By the name check_vfioalign, as a plugin of Nagios, it is the verb check. Returns 0 or -ENOMEM. */
static int add_verb_of_plugin(int *argc, char ***argv)
{
        static char check[] = "check";
        char **with_verb;

        if (!streq(program_invocation_short_name, PLUGIN_NAME))
                return 0;
        with_verb = calloc((size_t) *argc + 2, sizeof(*with_verb));
        if (!with_verb)
                return -ENOMEM;
        with_verb[0] = (*argv)[0];
        with_verb[1] = check;
        memcpy(with_verb + 2, *argv + 1, (size_t) (*argc - 1) * sizeof(**argv));
        *argv = with_verb;
        (*argc)++;
        return 0;
}

int main(int argc, char *argv[])
{
        _cleanup_free_ char **with_verb = NULL;
        const struct verb *verb;

        setlocale(LC_ALL, "");
        setlocale(LC_NUMERIC, "C"); /* numbers are written here as in the configuration */
        if (add_verb_of_plugin(&argc, &argv) < 0)
                return CTL_FAILED;
        if (argc < 1)
                return CTL_USAGE;
        if (argc > 1 && (streq(argv[1], "-h") || streq(argv[1], "--help") || streq(argv[1], "help"))) {
                print_help(stdout);
                return CTL_OK;
        }
        if (argc > 1 && streq(argv[1], "--version")) {
                print_line(stdout, "vfioalignctl " PROJECT_VERSION);
                return CTL_OK;
        }
        if (!move_verb(argc, argv)) {
                with_verb = add_verb(argc++, argv);
                if (!with_verb) {
                        log_error(-ENOMEM, "Failed to start: %m");
                        return CTL_FAILED;
                }
                argv = with_verb;
        }
        verb = find_verb(argv[1]);
        if (!verb) {
                say_unknown_verb(argv[1]);
                return CTL_USAGE;
        }
        if (asks_for_help(verb, argc, argv)) {
                print_verb_help(verb);
                return CTL_OK;
        }
        return run_verb(verb, argc, argv);
}
