/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs that take libraries: vfioalignctl runs this for them, and starts quickly by itself. */
#include <locale.h>

#include "ctl.h"
#include "util/macro.h"

static const struct {
        const char *name;
        int (*run)(int argc, char *argv[]);
} verbs[] = {
        { "audit", verb_audit },       { "devices", verb_devices },
        { "guests", verb_guests },     { "emulators", verb_emulators },
        { "mappings", verb_mappings }, { "explain", verb_explain },
        { "probe", verb_probe },       { "bind", verb_bind },
        { "unbind", verb_bind },       { "fix", verb_fix },
        { "dump", verb_dump },         { "status", verb_status },
};

int main(int argc, char *argv[])
{
        setlocale(LC_ALL, "");
        setlocale(LC_NUMERIC, "C"); /* numbers are written here as in the configuration */
        for (size_t i = 0; argc >= 2 && i < ELEMENTSOF(verbs); i++)
                if (streq(verbs[i].name, argv[1]))
                        return verbs[i].run(argc - 1, argv + 1);
        fprintf(stderr, "This is a part of vfioalignctl; see vfioalignctl --help\n");
        return CTL_USAGE;
}
