/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl.h"

#include <locale.h>

#include "util/macro.h"

static const struct {
        const char *name;
        int (*run)(int argc, char *argv[]);
        const char *arguments, *help; /* no help: for libvirt, not for people */
} verbs[] = {
        {"audit", verb_audit, "[--json] [--root HOST] [--fail-on SEVERITY] [--deep]",
         "what every BAR on this host gets, and why"},
        {"devices", verb_devices, "[--json] [--output COLUMNS] [--root HOST] [--fail-on SEVERITY]",
         "every PCI function: driver, IOMMU group, BARs, and who uses it"},
        {"guests", verb_guests, "[--json] [--output COLUMNS] [--root HOST] [--fail-on SEVERITY]",
         "libvirt's guests with VFIO devices, and the pages they get"},
        {"emulators", verb_emulators, "[--json] [--output COLUMNS] [--root HOST] [--fail-on SEVERITY] [--deep]",
         "how each emulator places BARs"},
        {"mappings", verb_mappings, "[--json] [--output COLUMNS] [--root HOST] [--fail-on SEVERITY]",
         "what processes map of VFIO devices, and in which pages"},
        {"explain", verb_explain, "[--json] [--root HOST] [--area BAR:OFFSET+LENGTH] FINDING|ADDRESS|GUEST",
         "why, in whole sentences, with this host's numbers"},
        {"probe", verb_probe, "[--json] [--yes] ADDRESS",
         "open an idle device, map its BARs, and measure: resets it"},
        {"dump", verb_dump, "[--root HOST] [--force] FILE", "record what the audit reads, for --root"},
        {"status", verb_status, "[--json]", "what the daemon last saw"},
        {"hook", verb_hook, "GUEST OPERATION SUB-OPERATION EXTRA", NULL},
};

static void print_help(FILE *out)
{
        fputs("vfioalignctl VERB [OPTION...]\n\nGive VFIO devices the largest pages they can have, and see what they got.\n\n",
              out);
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (verbs[i].help)
                        fprintf(out, "  %s %s\n        %s\n", verbs[i].name, verbs[i].arguments, verbs[i].help);
        fputs("\n  -h --help     show this\n     --version  show the version\n\nSee vfioalignctl(1).\n", out);
}

int main(int argc, char *argv[])
{
        setlocale(LC_ALL, "");
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
                        return verbs[i].run(argc - 1, argv + 1);
        fprintf(stderr, "vfioalignctl: unknown verb '%s'; see vfioalignctl --help\n", argv[1]);
        return CTL_USAGE;
}
