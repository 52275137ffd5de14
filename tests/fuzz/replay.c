/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs each input of a corpus once: fuzz-replay FOLDER, which holds one folder for each target. Every input
 * that ever crashed one is there. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"
#include "util/file.h"
#include "util/macro.h"

static size_t replay(const struct fuzz_target *target, int corpus)
{
        _cleanup_(names_done) struct names names = {};
        size_t n = 0;

        if (list_dir_at(corpus, target->name, &names) < 0)
                return 0;
        for (; n < names.n; n++) {
                _cleanup_free_ char *path = NULL, *data = NULL;
                size_t size;

                if (asprintf(&path, "%s/%s", target->name, names.names[n]) < 0 ||
                    read_file_at(corpus, path, FILE_MAX_SIZE, &data, &size) < 0)
                        exit(1);
                fprintf(stderr, "# %s\n", path);
                fuzz_target_run(target, (const uint8_t *) data, size);
        }
        return n;
}

int main(int argc, char *argv[])
{
        struct root corpus;
        int failed = 0;

        if (argc != 2 || root_open(&corpus, argv[1]) < 0)
                return 2;
        fuzz_root_make();
        atexit(fuzz_root_remove);
        for (size_t i = 0; i < n_fuzz_targets; i++)
                if (replay(&fuzz_targets[i], corpus.fd) == 0) {
                        printf("%s has no corpus\n", fuzz_targets[i].name);
                        failed = 1;
                }
        root_close(&corpus);
        return failed;
}
