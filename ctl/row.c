/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report/row.h"
#include "ctl.h"
#include "snapshot.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/memory.h"
#include "verbs.h"

DEFINE_TRIVIAL_CLEANUP(json_object *, json_object_put)

static int print_row(const struct snapshot *s)
{
        unsigned long failures = memory_failures();
        _cleanup_(json_object_putp) json_object *head = report_head(&s->host, &s->findings), *row = NULL;
        int r;

        if (!head)
                return -ENOMEM;
        row = report_row(head);
        r = report_print_json_as(row, JSON_SHORT, failures, stdout);
        if (r < 0)
                return r;
        return fflush(stdout) != 0 ? -errno : 0;
}

int verb_row(int argc, char *argv[])
{
        struct options o;
        struct snapshot s;
        int r;

        r = options_parse(argc, argv, OPTION_ROOT | OPTION_HOST, 0, 0, &o);
        if (r < 0)
                return -r;
        r = snapshot_read(&s, &o);
        if (r == 0) {
                r = print_row(&s);
                if (r < 0)
                        log_error(r, "Failed to print the row: %m");
        }
        snapshot_done(&s);
        return r < 0 ? CTL_FAILED : CTL_OK;
}
