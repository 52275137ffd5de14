/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>

#include "text.h"
#include "util/macro.h"
#include "util/print.h"
#include "util/terminal.h"

/* As systemctl names manuals. */
#define MANUAL_URL "man:vfioalignctl(1)"

void print_severity(FILE *out, const char *severity)
{
        static const struct {
                const char *severity;
                enum style style;
        } styles[] = { { "error", STYLE_ERROR }, { "warning", STYLE_WARNING }, { "notice", STYLE_STRONG } };

        assert(out);
        assert(severity);

        for (size_t i = 0; i < ELEMENTSOF(styles); i++)
                if (streq(styles[i].severity, severity)) {
                        print_styled(out, styles[i].style, "%s", severity);
                        return;
                }
        print(out, "%s", severity);
}

void print_finding_id(FILE *out, const char *id)
{
        assert(out);
        assert(id);

        print_link(out, MANUAL_URL, id);
}
