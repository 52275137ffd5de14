/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "switch.h"

#include "file.h"
#include "macro.h"

const char *switched_off(const struct root *root)
{
        _cleanup_free_ char *cmdline = NULL;
        char *save = NULL;

        if (faccessat(root->fd, SWITCH_FILE, F_OK, 0) >= 0)
                return "/" SWITCH_FILE;
        if (read_line_at(root->fd, "proc/cmdline", &cmdline) < 0)
                return NULL;
        for (char *word = strtok_r(cmdline, " ", &save); word; word = strtok_r(NULL, " ", &save))
                if (streq(word, "vfioalign=off"))
                        return "vfioalign=off on the kernel command line";
        return NULL;
}
