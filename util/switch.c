/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "switch.h"

#include <assert.h>

#include "file.h"
#include "macro.h"

bool switched_off_at_boot(const struct root *root)
{
        _cleanup_free_ char *cmdline = NULL;
        char *save = NULL;

        assert(root);

        (void) read_line_at(root->fd, "proc/cmdline", &cmdline);
        for (char *word = cmdline ? strtok_r(cmdline, " ", &save) : NULL; word;
             word = strtok_r(NULL, " ", &save))
                if (streq(word, "vfioalign=off"))
                        return true;
        return false;
}

const char *switched_off(const struct root *root)
{
        /* The command line comes first, because the daemon creates the file if the word is there. */
        if (switched_off_at_boot(root))
                return "vfioalign=off on the kernel command line";
        if (exists_at(root->fd, SWITCH_FILE_PERSISTENT))
                return "/" SWITCH_FILE_PERSISTENT;
        return exists_at(root->fd, SWITCH_FILE) ? "/" SWITCH_FILE : NULL;
}
