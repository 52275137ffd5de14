/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report.h"
#include "util/print.h"

void report_print_switch(const char *off, FILE *out)
{
        if (!off)
                return;
        /* A path, or a word of the kernel command line, which no verb of ours changes. */
        print_line(out, "vfioalign is switched off by %s%s", off,
                   *off == '/' ? "; to switch it on: vfioalignctl on" : "");
        fputc('\n', out);
}
