/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "switch.h"

#include <assert.h>

#include "file.h"
#include "macro.h"

const char *switched_off(const struct root *root)
{
        _cleanup_free_ char *cmdline = NULL;
        char *save = NULL;

        assert(root);

        /* The command line comes first, because the daemon creates the file if the word is there. */
        (void) read_line_at(root->fd, "proc/cmdline", &cmdline);
        for (char *word = cmdline ? strtok_r(cmdline, " ", &save) : NULL; word;
             word = strtok_r(NULL, " ", &save))
                if (streq(word, "vfioalign=off"))
                        return "vfioalign=off on the kernel command line";
        return faccessat(root->fd, SWITCH_FILE, F_OK, 0) >= 0 ? "/" SWITCH_FILE : NULL;
}
