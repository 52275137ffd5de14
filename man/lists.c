/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies a page of the manual and inserts the list of findings where the page asks for it. This runs at
 * build time, so the table stays the only source of their texts. */
#include <stdio.h>

#include "audit/finding.h"
#include "util/macro.h"

static void print_escaped(const char *text)
{
        for (; *text; text++) {
                if (strchr("*_\\#~", *text))
                        putchar('\\');
                putchar(*text);
        }
}

static void print_findings(void)
{
        for (enum finding_id id = 0; id < _FINDING_MAX; id++) {
                const struct finding_type *type = finding_type(id);
                _cleanup_free_ char *remedy = finding_type_remedy(type);

                printf("%s*%s* (%s)\n\t", id > 0 ? "\n" : "", finding_to_string(id),
                       severity_to_string(type->severity));
                print_escaped(type->text);
                printf(".++\n\t");
                print_escaped(type->explanation);
                printf("++\n\tWhat helps: ");
                print_escaped(remedy ?: type->remedy);
                printf(".\n");
        }
}

int main(void)
{
        char line[4096];

        while (fgets(line, sizeof(line), stdin))
                if (streq(line, "@FINDINGS@\n"))
                        print_findings();
                else
                        fputs(line, stdout);
        return ferror(stdin) || ferror(stdout) || fflush(stdout) != 0;
}
