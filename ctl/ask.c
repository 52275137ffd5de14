/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ask.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "util/print.h"

bool ask_is_possible(void)
{
        return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

int ask_yes(const char *question)
{
        char answer[16] = "";

        assert(question);

        if (!ask_is_possible())
                return -ENOTTY;
        print(stderr, "%s [y/N] ", question);
        fflush(stderr);
        return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}
