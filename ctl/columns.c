/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "columns.h"

#include "ctl.h"
#include "util/macro.h"
#include "util/print.h"

bool columns_print_help(const char *output, const struct column *columns, size_t n)
{
        int width = 0;

        if (!output || !streq(output, "help"))
                return false;
        for (size_t i = 0; i < n; i++)
                if ((int) strlen(columns[i].name) > width)
                        width = (int) strlen(columns[i].name);
        for (size_t i = 0; i < n; i++)
                print_line(stdout, "%-*s  %s", width, columns[i].name, columns[i].help);
        return true;
}

int columns_refuse(const char *output, const struct column *columns, size_t n)
{
        print(stderr, "vfioalignctl: --output %s: the columns are ", output);
        for (size_t i = 0; i < n; i++)
                print(stderr, "%s%s", i > 0 ? "," : "", columns[i].name);
        fputc('\n', stderr);
        return CTL_USAGE;
}
