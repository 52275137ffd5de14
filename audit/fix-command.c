/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix-command.h"

#include "config/fix-id.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/shell.h"

static int fix_command_add(char **command, enum fix_id id, const char *guest)
{
        _cleanup_free_ char *before = *command;
        const char *and = before ? " && " : "", *name = fix_id_to_string(id);
        int n;

        if (guest && FIXES_OF_GUEST & FIX_BIT(id))
                n = asprintf(command, "%s%svfioalignctl guest apply %s %s", before ?: "", and, guest, name);
        else
                n = asprintf(command, "%s%svfioalignctl fix apply %s", before ?: "", and, name);
        if (n < 0) {
                memory_note_failure();
                *command = NULL;
                return -ENOMEM;
        }
        return 0;
}

char *fix_command(unsigned fixes, const char *guest)
{
        _cleanup_free_ char *name = guest ? memory_note(shell_argument(guest)) : NULL, *command = NULL;

        if (guest && !name)
                return NULL;
        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++)
                if (fixes & FIX_BIT(id) && fix_command_add(&command, id, name) < 0)
                        return NULL;
        return command ? TAKE_PTR(command) : memory_note(strdup(""));
}
