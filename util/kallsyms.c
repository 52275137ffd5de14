/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kallsyms.h"

#include <assert.h>
#include <errno.h>

#include "macro.h"

int kallsyms_open(const struct root *root, struct file_lines *ret)
{
        _cleanup_(file_lines_close) struct file_lines usual = FILE_LINES_NONE, shown = FILE_LINES_NONE;
        int r;

        assert(root);
        assert(ret);

        r = file_lines_open_at(root->fd, "proc/kallsyms", &usual);
        if (root->live && usual.size == 0)
                (void) file_lines_open_at(root->fd, KALLSYMS_SHOWN, &shown);
        if (shown.size > 0) {
                *ret = TAKE(shown, (struct file_lines) FILE_LINES_NONE);
                return 0;
        }
        if (r < 0)
                return r;
        *ret = TAKE(usual, (struct file_lines) FILE_LINES_NONE);
        return 0;
}
