/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "columns.h"

#include "ctl.h"
#include "fleet/print.h"
#include "report/report.h"
#include "util/macro.h"
#include "util/near.h"
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

/* What may have been meant by the first name that is no column. */
static const char *guess_column(const char *output, const struct column *columns, size_t n, near_t buffer)
{
        for (const char *p = output; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
                _cleanup_free_ char *word = strndup(p, strcspn(p, ","));
                struct near near = { .word = word };

                if (!word)
                        break;
                for (size_t i = 0; i < n; i++)
                        near_offer(&near, columns[i].name);
                if (near.n == 0 || near.distance > 0)
                        return near_question(&near, buffer);
        }
        return "";
}

int columns_refuse(const char *output, const struct column *columns, size_t n)
{
        near_t question;

        print(stderr, "vfioalignctl: --output %s: the columns are ", output);
        for (size_t i = 0; i < n; i++)
                print(stderr, "%s%s", i > 0 ? "," : "", columns[i].name);
        print_line(stderr, "%s", guess_column(output, columns, n, question));
        return CTL_USAGE;
}

const struct column *columns_of_verb(const char *verb, size_t *ret_n)
{
        for (enum report_table table = 0; table < _REPORT_TABLE_MAX; table++)
                if (streq(report_table_key(table), verb))
                        return report_columns(table, ret_n);
        if (streq(verb, "fleet"))
                return fleet_columns(&(struct fleet_view){ .by = { WORD_NEED }, .n_by = 1 }, ret_n);
        if (streq(verb, "config"))
                return columns_of_config(ret_n);
        return streq(verb, "fix") ? columns_of_fixes(ret_n) : NULL;
}
