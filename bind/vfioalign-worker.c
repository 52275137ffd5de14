/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/stat.h>

#include "util/macro.h"
#include "worker.h"

DEFINE_TRIVIAL_CLEANUP(struct root *, root_close)

int main(void)
{
        _cleanup_(root_closep) struct root *root = NULL;
        struct root live;
        int r;

        umask(0022);
        r = root_open(&live, NULL);
        if (r < 0) {
                fprintf(stderr, "vfioalign-worker: cannot open /: %s\n", strerror(-r));
                return EXIT_FAILURE;
        }
        root = &live;
        return worker_run(root, stdin, stdout);
}
