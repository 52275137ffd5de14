/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/panic-on-taint.h"

#include <assert.h>
#include <stdlib.h>

#include "util/file.h"
#include "util/macro.h"

uint64_t panic_on_taint_read(const struct root *root)
{
        _cleanup_free_ char *cmdline = NULL;
        const char *value;
        uint64_t mask = 0;
        char *save = NULL;

        assert(root);

        if (read_line_at(root->fd, "proc/cmdline", &cmdline) < 0)
                return 0;
        for (char *word = strtok_r(cmdline, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
                value = startswith(word, "panic_on_taint=");
                if (value)
                        mask = strtoull(value, NULL, 16);
        }
        return mask;
}
