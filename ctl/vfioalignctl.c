/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <limits.h>
#include <locale.h>

#include "bind-request.h"
#include "ctl.h"

#include "util/log.h"
#include "util/macro.h"

#define ALL_VERBS "vfioalign-ctl"
#define HOOK "vfioalign-hook"
#define GUEST "vfioalign-guest"

static const struct {
        const char *name;
        const char *arguments, *help; /* no help: for libvirt, not for people */
} verbs[] = {
        { "audit", "[--json] [--root HOST] [--fail-on SEVERITY] [--deep]",
          "what every BAR on this host gets, and why" },
        { "devices", "[--json] [--output COLUMNS] [--root HOST] [--fail-on SEVERITY]",
          "every PCI function: driver, IOMMU group, BARs, and who uses it" },
        { "guests", "[--json] [--output COLUMNS] [--root HOST] [--fail-on SEVERITY]",
          "libvirt's guests with VFIO devices, and the pages they get" },
        { "emulators", "[--json] [--output COLUMNS] [--root HOST] [--fail-on SEVERITY] [--deep]",
          "how each emulator places BARs" },
        { "mappings", "[--json] [--output COLUMNS] [--root HOST] [--fail-on SEVERITY]",
          "what processes map of VFIO devices, and in which pages" },
        { "explain", "[--json] [--root HOST] [--area BAR:OFFSET+LENGTH] FINDING|ADDRESS|GUEST",
          "why, in whole sentences, with this host's numbers" },
        { "probe", "[--json] [--yes] ADDRESS", "open an idle device, map its BARs, and measure: resets it" },
        { "bind", "[--json] [--dry-run] [--driver NAME] [--force] ADDRESS...",
          "hand devices to VFIO, whole IOMMU groups, or say what is against it" },
        { "unbind", "[--json] [--dry-run] [--driver NAME] [--force] ADDRESS...",
          "give them back to the drivers that they had" },
        { "fix", "[--json] [--output COLUMNS] [--root HOST] [--dry-run] [list|plan|apply|revert] [FIX]",
          "what gives devices larger pages: show, do, or undo it" },
        { "guest",
          "[--json] [--dry-run] [--yes] [--emulator PATH] [--connect URI] plan|apply|revert NAME [FIX]",
          "edit a defined guest so that its BARs get large pages, or undo it" },
        { "dump", "[--root HOST] [--force] FILE", "record what the audit reads, for --root" },
        { "status", "[--json]", "what the daemon last saw" },
        { "hook", "GUEST OPERATION SUB-OPERATION EXTRA", NULL },
};

static void print_help(FILE *out)
{
        fputs("vfioalignctl VERB [OPTION...]\n\nGive VFIO devices the largest pages they can have, and see what they got.\n\n",
              out);
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (verbs[i].help)
                        fprintf(out, "  %s %s\n        %s\n", verbs[i].name, verbs[i].arguments,
                                verbs[i].help);
        fputs("\n  -h --help     show this\n     --version  show the version\n\nSee vfioalignctl(1).\n",
              out);
}

/* A program of ours: where it is installed, or beside us, where we were built. */
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

/* Root's bind and unbind are done here, in a program of few libraries: on the way of many scripts, it starts
 * in no time. */
static int run(int argc, char *argv[])
{
        char path[PATH_MAX];

        /* Who names a worker of their own runs it themselves. */
        if ((streq(argv[1], "bind") || streq(argv[1], "unbind")) &&
            (geteuid() == 0 || secure_getenv("VFIOALIGN_WORKER")))
                return verb_bind_by(argc - 1, argv + 1, bind_by_worker);
        find_program(streq(argv[1], "hook") ? HOOK : streq(argv[1], "guest") ? GUEST : ALL_VERBS, path);
        execv(path, argv);
        log_error(-errno, "Failed to run %s: %m", path);
        return CTL_FAILED;
}

int main(int argc, char *argv[])
{
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
                puts("vfioalignctl " PROJECT_VERSION);
                return CTL_OK;
        }
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (streq(verbs[i].name, argv[1]))
                        return run(argc, argv);
        fprintf(stderr, "vfioalignctl: unknown verb '%s'; see vfioalignctl --help\n", argv[1]);
        return CTL_USAGE;
}
