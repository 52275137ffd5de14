/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs that need neither a program of few libraries nor libvirt's: see verbs.h. */
#include <locale.h>

#include "ctl.h"
#include "util/macro.h"
#include "util/print.h"
#include "verbs.h"

#define VERB_ROW(name, arguments, help, program, function) VERB_ROW_##program(name, function)
#define VERB_ROW_MAIN(name, function) { name, function },
#define VERB_ROW_ROOT_OR_MAIN(name, function) { name, function },
#define VERB_ROW_GUEST(name, function)
#define VERB_ROW_TRACE(name, function)
#define VERB_ROW_HOOK(name, function)

static const struct {
        const char *name;
        int (*run)(int argc, char *argv[]);
} verbs[] = { VERBS(VERB_ROW) };

int main(int argc, char *argv[])
{
        setlocale(LC_ALL, "");
        setlocale(LC_NUMERIC, "C"); /* numbers are written here as in the configuration */
        for (size_t i = 0; argc >= 2 && i < ELEMENTSOF(verbs); i++)
                if (streq(verbs[i].name, argv[1]))
                        return verbs[i].run(argc - 1, argv + 1);
        print_line(stderr, "This is a part of vfioalignctl; see vfioalignctl --help");
        return CTL_USAGE;
}
