/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opens for the worker what only CAP_SYS_ADMIN may read (opener.h). Its standard input is the socket on
 * which the questions come. */
#include <stdio.h>

#include "opener.h"
#include "util/macro.h"

#define IDLE_MSEC 5000

int main(void)
{
        struct root root;
        int r;

        r = root_open(&root, NULL);
        if (r < 0) {
                fprintf(stderr, "vfioalign-open: cannot open /: %s\n", strerror(-r));
                return EXIT_FAILURE;
        }
        r = opener_serve(&root, STDIN_FILENO, IDLE_MSEC);
        root_close(&root);
        if (r < 0)
                fprintf(stderr, "vfioalign-open: cannot serve its socket: %s\n", strerror(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
